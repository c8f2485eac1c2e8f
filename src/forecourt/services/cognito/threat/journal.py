"""What the counters in memory leave on disk, so that a killed process forgets no failed attempt and no sent code.

A count is noted and written right after, without being waited for: whatever comes in while one transaction is on its
way shares the next. A tally is swept once it means nothing more, so that strangers can't fill the store.
"""

from __future__ import annotations

import asyncio
import logging

from forecourt.services.cognito.model import Tally
from forecourt.store import Store, StoreUnavailable, Tx

_log = logging.getLogger("forecourt.cognito.threat")
_Place = tuple[str, str, str]


class Journal:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: dict[_Place, Tally | None] = {}
        self._writing: asyncio.Task[None] | None = None

    def put(self, tally: Tally) -> None:
        self._note((tally.pool_id, tally.purpose, tally.name), tally)

    def delete(self, pool_id: str, purpose: str, name: str) -> None:
        self._note((pool_id, purpose, name), None)

    async def tallies(self) -> list[Tally]:
        return await self._store.list(Tally)

    def clear(self) -> None:
        self._changed.clear()

    async def stop(self) -> None:
        if self._writing is not None:
            await self._writing

    def _note(self, place: _Place, tally: Tally | None) -> None:
        self._changed[place] = tally
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._changed:
            changed, self._changed = self._changed, {}
            try:
                await self._store.write(lambda tx, c=changed: _apply(tx, c))  # type: ignore[misc]
            except StoreUnavailable:
                _log.exception("failed attempts are counted in memory only")


def _apply(tx: Tx, changed: dict[_Place, Tally | None]) -> None:
    for place, tally in changed.items():
        if tally is None:
            tx.delete(Tally, *place)
        else:
            tx.put(tally)
