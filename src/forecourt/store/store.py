"""The store that services hold: asynchronous reads, and writes through the one writer.

A read that is sure to be short (one document, one page) runs at once on the event loop: it costs microseconds where a
hand-over to a thread costs a hundred. A longer one goes to a thread with a connection of its own. Either sees every
write that returned before it began.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from forecourt.base.clock import Clock
from forecourt.store import migrate
from forecourt.store.changes import Changes
from forecourt.store.document import D, Document
from forecourt.store.folder import FolderLock
from forecourt.store.keys import Key
from forecourt.store.sqlite import Sqlite
from forecourt.store.transaction import Documents, Events, Queries, Rows, T, Tasks, Tx
from forecourt.store.writer import Writer

_R = TypeVar("_R")

# At most so many rows are read on the event loop: well below a millisecond.
_PAGE = 100
_READERS = 2


def open_store(folder: Path | str | None, clock: Clock) -> Store:
    """The store in `folder` (made where it is not there), or one in memory where `folder` is None.

    Raises `StoreUnavailable`, whose message says what to do: the folder can't be written, is in use by another
    process, or holds what is not a database of ours.
    """
    with contextlib.ExitStack() as undo:
        lock = FolderLock(Path(folder)) if folder is not None else None
        if lock is not None:
            undo.callback(lock.release)
        database = Sqlite(lock.folder if lock is not None else None)
        undo.callback(database.close)
        migrate.bring_up_to_date(database)
        undo.pop_all()
        return Store(database, lock, clock)


class Store:
    def __init__(self, database: Sqlite, lock: FolderLock | None, clock: Clock) -> None:
        self.changes = Changes()
        self.clock = clock
        self._database = database
        self._lock = lock
        self._writer = Writer(database, self.changes)
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="forecourt-store-reader")

    async def get(self, kind: type[D], *key: str) -> D | None:
        return self._read(lambda queries: queries.get(kind, *key))

    async def list(
        self,
        kind: type[D],
        *prefix: str,
        starts_with: str | None = None,
        after: Key | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Documents[D]:
        """As `Queries.list`."""

        def read(queries: Queries, most: int | None) -> Documents[D]:
            return queries.list(kind, *prefix, starts_with=starts_with, after=after, limit=most, reverse=reverse)

        return await self._read_many(read, limit)

    async def find(
        self,
        kind: type[D],
        index: str,
        *values: str,
        starts_with: str | None = None,
        after: Key | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Documents[D]:
        """As `Queries.find`."""

        def read(queries: Queries, most: int | None) -> Documents[D]:
            return queries.find(kind, index, *values, starts_with=starts_with, after=after, limit=most, reverse=reverse)

        await self._prepare(kind)
        return await self._read_many(read, limit)

    async def count(self, kind: type[Document], *prefix: str) -> int:
        return await self._in_thread(lambda queries: queries.count(kind, *prefix))

    async def read_log(self, stream: str, after: int = 0, limit: int | None = None, reverse: bool = False) -> Events:
        """As `Queries.read_log`."""

        def read(queries: Queries, most: int | None) -> Events:
            return queries.read_log(stream, after, most, reverse)

        return await self._read_many(read, limit)

    async def due(self, queue: str, until: float, limit: int) -> Tasks:
        return self._read(lambda queries: queries.due(queue, until, limit))

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Runs `change` in a transaction; returns what it returned once that is durable.

        What `change` raises undoes just this change and is raised here. It must be quick, since the event loop waits
        for it, and must not touch asyncio.
        """
        return await self._writer.write(change)

    async def write_long(self, change: Callable[[Tx], T]) -> T:
        """As `write`, for a change that may touch more than a few hundred documents: it runs in a thread."""
        return await self._writer.write_long(change)

    async def reset(self) -> None:
        """Forgets everything. Subscribers get no notices: who resets, resets them too."""
        await self.write_long(lambda tx: tx.empty())

    async def close(self) -> None:
        await self._writer.close()
        self._threads.shutdown()
        self._database.close()
        if self._lock is not None:
            self._lock.release()

    async def _prepare(self, kind: type[Document]) -> None:
        if kind not in self._writer.ready:
            await self.write_long(lambda tx: tx.prepare(kind))

    def _read(self, query: Callable[[Queries], _R]) -> _R:
        connection = self._database.reader()
        with connection.turn:
            return query(Queries(connection, self._database.statements))

    async def _in_thread(self, query: Callable[[Queries], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query)

    async def _read_many(self, query: Callable[[Queries, int | None], Rows], limit: int | None) -> Rows:
        """On the loop where a page is all there is to read, else in a thread."""
        if limit is not None and limit <= _PAGE:
            return self._read(lambda queries: query(queries, limit))
        first = self._read(lambda queries: query(queries, _PAGE + 1))
        if len(first) <= _PAGE:
            return first
        return await self._in_thread(lambda queries: query(queries, limit))
