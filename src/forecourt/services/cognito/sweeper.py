"""What has expired is deleted, every few minutes, a batch at a time.

Most of it is found by an index. Tokens that were spent stand in the order of their end. Grants, of which every sign-in
writes one, have no index: each sweep walks on from where the one before stopped, and in the course of a day comes by a
million of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from forecourt.services.cognito import tokens
from forecourt.services.cognito.model import EXPIRING, Grant, SigningKey, Spent, moment
from forecourt.services.cognito.store import Records
from forecourt.store import Document, Tx, position
from forecourt.store.keys import Key

_log = logging.getLogger("forecourt.cognito")
_SECONDS = 300.0
_BATCH = 500
_GRANT_BATCHES = 8


class Sweeper:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._store = records.store
        self._clock = records.clock
        # The grant at which the last sweep stopped.
        self._swept_to: Key | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def sweep(self) -> int:
        """Returns how many documents were deleted."""
        now, deleted = moment(self._clock.now()), 0
        for kind in EXPIRING:
            while expired := await self._expired(kind, now):
                deleted += await self._delete(expired)
        while spent := [s for s in await self._store.list(Spent, limit=_BATCH) if s.until < now]:
            deleted += await self._delete(spent)
        return deleted + await self._sweep_grants() + await self._delete(await self._outlived_keys())

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(_SECONDS)
            try:
                await self.sweep()
            except Exception:
                _log.exception("deleting what has expired failed")

    async def _expired(self, kind: type[Document], now: str) -> list[Document]:
        batch: list[Any] = await self._store.find(kind, "by_expiry", limit=_BATCH)
        return [document for document in batch if moment(document.expires_at) < now]

    async def _sweep_grants(self) -> int:
        deleted = 0
        for _ in range(_GRANT_BATCHES):
            grants = await self._store.list(Grant, after=self._swept_to, limit=_BATCH)
            deleted += await self._delete([grant for grant in grants if grant.expires_at < self._clock.now()])
            if len(grants) < _BATCH:
                self._swept_to = None
                break
            self._swept_to = position(grants[-1])
        return deleted

    async def _outlived_keys(self) -> list[SigningKey]:
        """A pool's newest key signs; one before it goes when the last token that it signed has expired."""
        newest: dict[str, float] = {}
        outlived = []
        for key in sorted(await self._store.list(SigningKey), key=lambda key: -key.created_at):
            successor = newest.get(key.pool_id)
            if successor is not None and successor + tokens.LONGEST_LIFE_SECONDS < self._clock.now():
                outlived.append(key)
            newest[key.pool_id] = key.created_at
        return outlived

    async def _delete(self, documents: Sequence[Document]) -> int:
        if documents:
            await self._store.write(partial(_delete, documents=documents))
        return len(documents)


def _delete(tx: Tx, documents: Iterable[Document]) -> None:
    for document in documents:
        tx.delete(type(document), *position(document))
