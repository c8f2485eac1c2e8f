"""When, for which service and where an access key was used last: `GetAccessKeyLastUsed`. AWS's own answer lags behind
by hours."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.clock import Clock
from forecourt.services.iam.model import AccessKey
from forecourt.services.iam.notes import Notes
from forecourt.store import Store, Tx

# When, for which service, in which region
_Use = tuple[float, str, str]


class KeyUses(Notes[str, _Use]):
    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, _keep)
        self._clock = clock

    def note(self, access_key_id: str, service: str, region: str) -> None:
        self.newest[access_key_id] = (self._clock.now(), service, region)


def _keep(tx: Tx, noted: Mapping[str, _Use]) -> None:
    for id, use in noted.items():
        key = tx.get(AccessKey, id)
        if key is not None:
            key.last_used_at, key.last_used_service, key.last_used_region = use
            tx.put(key)
