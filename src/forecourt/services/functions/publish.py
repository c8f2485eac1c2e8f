"""Publishing: a version is a copy of `$LATEST` that nothing changes any more."""

from __future__ import annotations

import msgspec

from forecourt.services.functions.model import Function, Version, padded
from forecourt.store import Tx


def publish(tx: Tx, function: Function, description: str, now: str, revision_id: str) -> Version:
    """The new version, or the last one where `$LATEST` has not changed since."""
    description = description or function.configuration.description
    frozen = msgspec.structs.replace(function.configuration, description=description)
    last = tx.list(Version, function.account, function.region, function.name, limit=1, reverse=True)
    if last and last[0].configuration.same_as(frozen):
        return last[0]
    version = Version(
        account=function.account,
        region=function.region,
        name=function.name,
        number=padded(function.next_version),
        configuration=msgspec.structs.replace(frozen, last_modified=now, revision_id=revision_id),
    )
    function.next_version += 1
    tx.put(function)
    tx.insert(version)
    return version
