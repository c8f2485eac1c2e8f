"""What is noted at every request, and kept now and then for all at once.

Whoever asks has it kept first; an abrupt end loses what the last minute noted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

from forecourt.store import Store, Tx

K = TypeVar("K")
V = TypeVar("V")

_log = logging.getLogger("forecourt.iam")
_SECONDS = 60


class Notes(Generic[K, V]):
    """The newest value of each key. `keep` writes them in one transaction."""

    def __init__(self, store: Store, keep: Callable[[Tx, Mapping[K, V]], None]) -> None:
        self.newest: dict[K, V] = {}
        self._store = store
        self._keep = keep
        self._writing: asyncio.Task[None] | None = None

    async def write(self) -> None:
        noted, self.newest = self.newest, {}
        if noted:
            await self._store.write(lambda tx: self._keep(tx, noted))

    def forget(self) -> None:
        self.newest.clear()

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
            try:
                await self.write()
            except Exception:
                _log.exception("writing down what was used last failed")
