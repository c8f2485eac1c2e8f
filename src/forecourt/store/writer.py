"""The one writer: it runs every change that waits in one transaction and commits once.

So a hundred concurrent writes share one fsync. Each change has a savepoint: one that raises is undone alone. Where the
transaction itself fails (disk full), all changes of that group fail with `StoreUnavailable` and the next group is
tried anew. A write is acknowledged after the commit has reached the disk.

Changes run on the event loop, a slice of time at once: a statement costs microseconds there, and several times as much
in a thread beside a busy loop, where each gives up the interpreter's lock and has to win it back. What waits, for the
disk or for a lock, runs in the writer's thread, and so does a change that is said to be long; the loop does not touch
the connection meanwhile. A group gathers for as long as the last commit took, so that a slow disk gets larger groups.

The queue is bounded: `write` waits, without blocking the loop, while `_MOST_QUEUED` changes are on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

from forecourt.store.changes import Change, Changes
from forecourt.store.document import Document
from forecourt.store.errors import StoreUnavailable
from forecourt.store.sqlite import Sqlite
from forecourt.store.transaction import T, Tx

_MOST_QUEUED = 8192
_MOST_IN_GROUP = 1024
_SLICE_SECONDS = 0.002
_MOST_GATHERING_SECONDS = 0.05


class _Job:
    __slots__ = ("change", "changes", "error", "future", "is_long", "result")

    def __init__(self, change: Callable[[Tx], Any], *, is_long: bool = False) -> None:
        self.change = change
        self.is_long = is_long
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.changes: list[Change] = []


class Writer:
    def __init__(self, database: Sqlite, changes: Changes) -> None:
        self.ready: set[type[Document]] = set()  # kinds whose indexes are committed as declared
        self._database = database
        self._changes = changes
        self._connection = database.writer
        self._space = asyncio.Semaphore(_MOST_QUEUED)
        self._closed = False
        self._waiting: deque[_Job] = deque()
        # The loop that carries the groups from begin to acknowledgement; None while there is nothing to write
        self._loop: asyncio.AbstractEventLoop | None = None
        self._group: list[_Job] = []
        self._made_ready: set[type[Document]] = set()
        self._began = self._commit_seconds = 0.0
        self._errands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run_errands, name="forecourt-store-writer", daemon=True)
        self._thread.start()

    async def write(self, change: Callable[[Tx], T]) -> T:
        async with self._space:
            return await self._queued(_Job(change))  # type: ignore[no-any-return]

    async def write_long(self, change: Callable[[Tx], T]) -> T:
        async with self._space:
            return await self._queued(_Job(change, is_long=True))  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Returns once everything that was queued is committed."""
        if not self._closed:
            everything = self._queued(_Job(lambda tx: None))
            self._closed = True
            with contextlib.suppress(StoreUnavailable):
                await everything
            self._errands.put(None)
        await asyncio.to_thread(self._thread.join)

    def _queued(self, job: _Job) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreUnavailable("The store is not available: it is closed")
        if self._loop is not None and self._loop.is_closed():
            self._connection.rollback()
            self._loop = None
        self._waiting.append(job)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._next_group)
        return job.future

    # --- a group, from begin to acknowledgement -----------------------------------------------------------------------

    def _next_group(self) -> None:
        self._group, self._made_ready = [], set()
        if not self._waiting:
            self._loop = None
        elif self._waiting[0].is_long:
            self._in_thread(self._run_whole, self._end)
        elif self._database.folder is None:
            self._end(_tried(self._run_whole))
        elif _tried(self._connection.begin_at_once) is None:
            self._gather(None)
        else:
            self._in_thread(self._connection.begin, self._gather)

    def _gather(self, failure: Exception | None) -> None:
        """Runs what waits, slice by slice; then has it committed."""
        if failure is not None:
            self._group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_IN_GROUP))]
            self._end(failure)
        elif (failure := _tried(self._run_slice)) is not None:
            self._connection.rollback()
            self._end(failure)
        elif self._can_grow():
            assert self._loop is not None
            self._loop.call_soon(self._gather, None)
        else:
            self._in_thread(self._commit, self._end)

    def _can_grow(self) -> bool:
        if not self._waiting or self._waiting[0].is_long or len(self._group) >= _MOST_IN_GROUP:
            return False
        return perf_counter() - self._began < min(self._commit_seconds, _MOST_GATHERING_SECONDS)

    def _run_whole(self) -> None:
        """A group in one go: in memory, or of a long change."""
        with self._connection.turn:
            self._connection.begin()
            try:
                self._run_slice()
            except BaseException:
                self._connection.rollback()
                raise
            self._commit()

    def _run_slice(self) -> None:
        """Raises only what makes the whole transaction void."""
        began = perf_counter()
        if not self._group:
            self._began = began
        while self._waiting and len(self._group) < _MOST_IN_GROUP:
            if self._waiting[0].is_long and self._group:
                return
            job = self._waiting.popleft()
            if not job.future.cancelled():
                self._group.append(job)
                self._run(job)
            if perf_counter() - began > _SLICE_SECONDS:
                return

    def _run(self, job: _Job) -> None:
        ready = self.ready | self._made_ready if self._made_ready else self.ready
        tx = Tx(self._connection, self._database.statements, ready)
        self._connection.run("SAVEPOINT change", ())
        try:
            job.result = job.change(tx)
        except BaseException as error:
            job.error = error
        if self._connection.failure is not None:
            raise self._connection.failure
        if job.error is not None:
            self._connection.run("ROLLBACK TO change", ())
        self._connection.run("RELEASE change", ())
        if job.error is None:
            job.changes = tx.changes
            self._made_ready |= tx.made_ready

    def _commit(self) -> None:
        began = perf_counter()
        try:
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        if self._database.folder is not None:
            self._database.checkpoint_when_due()
        self._commit_seconds = perf_counter() - began

    def _end(self, failure: Exception | None) -> None:
        """The group is committed, or void."""
        group = self._group
        assert self._loop is not None
        self._loop.call_soon(self._next_group)
        if failure is None:
            self.ready |= self._made_ready
            self._changes.notify(change for job in group for change in job.changes)
        for job in group:
            _settle(job, failure or job.error)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _in_thread(self, work: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        loop = self._loop
        assert loop is not None

        def errand() -> None:
            failure = _tried(work)
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
                loop.call_soon_threadsafe(then, failure)

        self._errands.put(errand)

    def _run_errands(self) -> None:
        while (errand := self._errands.get()) is not None:
            errand()


def _tried(work: Callable[[], None]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def _settle(job: _Job, error: BaseException | None) -> None:
    if job.future.done():  # its waiter was cancelled
        return
    if error is None:
        job.future.set_result(job.result)
    elif isinstance(error, StopIteration):  # which a future does not take
        job.future.set_exception(RuntimeError("a change raised StopIteration"))
    else:
        job.future.set_exception(error)
