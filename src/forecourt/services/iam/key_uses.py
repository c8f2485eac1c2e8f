"""When, for which service and where an access key was used last: `GetAccessKeyLastUsed`.

Every request uses one, so it is noted in memory and written now and then, for all keys at once. Whoever asks has it
written first. AWS's own answer lags behind by hours; an abrupt end loses a minute here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from forecourt.base.clock import Clock
from forecourt.services.iam.model import AccessKey
from forecourt.store import Store, Tx

_SECONDS = 60


# When, for which service, in which region
_Use = tuple[float, str, str]


class KeyUses:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._noted: dict[str, _Use] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, access_key_id: str, service: str, region: str) -> None:
        self._noted[access_key_id] = (self._clock.now(), service, region)

    async def write(self) -> None:
        noted, self._noted = self._noted, {}
        if noted:
            await self._store.write(lambda tx: _write(tx, noted))

    def forget(self) -> None:
        self._noted.clear()

    def start(self) -> None:
        self._writing = asyncio.create_task(self._write_now_and_then())

    async def stop(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing
        await self.write()

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SECONDS)
            await self.write()


def _write(tx: Tx, noted: dict[str, _Use]) -> None:
    for id, use in noted.items():
        key = tx.get(AccessKey, id)
        if key is not None:
            key.last_used_at, key.last_used_service, key.last_used_region = use
            tx.put(key)
