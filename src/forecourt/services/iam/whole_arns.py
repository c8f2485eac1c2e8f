"""The whole ARN and the tags of what an IAM call is about.

A call names a user or a role without its path; its ARN, which policies name, has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.auth.supplies import Unfinished
from forecourt.base.arn import Arn
from forecourt.services.iam.model import Group, InstanceProfile, Role, ServerCertificate, User
from forecourt.services.iam.store import Directory

Kind = type[User] | type[Group] | type[Role] | type[InstanceProfile] | type[ServerCertificate]
_KINDS: dict[str, Kind] = {
    "user": User,
    "group": Group,
    "role": Role,
    "instance-profile": InstanceProfile,
    "server-certificate": ServerCertificate,
}


class WholeArns:
    def __init__(self, directory: Directory) -> None:
        self._store = directory.store

    async def finish(self, demand: Unfinished) -> tuple[str, Mapping[str, Any]]:
        """`auth.supplies.Finish` for the actions of IAM."""
        try:
            arn = Arn.parse(demand.resource)
        except ValueError:
            return demand.resource, {}
        noun, _, name = arn.resource.partition("/")
        kind = _KINDS.get(noun)
        # `iam:PassRole` has the ARN as the caller wrote it: path and all, and it must be right.
        if kind is None or not name or demand.action == "iam:PassRole":
            return demand.resource, {}
        found = await self._store.get(kind, arn.account, name.rpartition("/")[2].lower())
        if found is None:
            return demand.resource, {}
        tags: dict[str, str] = found.tags
        keys = {f"{prefix}:ResourceTag/{key}": value for key, value in tags.items() for prefix in ("aws", "iam")}
        return found.arn, keys
