"""The one writer: a thread that takes every change that waits, runs them in one transaction, commits once.

So a hundred concurrent writes share one fsync. Each change has a savepoint: one that raises is undone alone. Where the
transaction itself fails (disk full), all changes of that group fail with `StoreUnavailable` and the next group is
tried anew. A write is acknowledged after the commit has reached the disk.

The queue is bounded: `write` waits, without blocking the loop, while `_MOST_QUEUED` changes are on their way.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from forecourt.store.changes import Change, Changes
from forecourt.store.document import Document
from forecourt.store.errors import StoreUnavailable
from forecourt.store.sqlite import Sqlite
from forecourt.store.transaction import T, Tx

_MOST_QUEUED = 8192


class _Job:
    __slots__ = ("change", "changes", "error", "future", "loop", "result")

    def __init__(self, change: Callable[[Tx], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.change = change
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.changes: list[Change] = []


class Writer:
    def __init__(self, database: Sqlite, changes: Changes) -> None:
        self.ready: set[type[Document]] = set()  # kinds whose indexes are committed as declared
        self._database = database
        self._changes = changes
        self._connection = database.writer
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._space = asyncio.Semaphore(_MOST_QUEUED)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="forecourt-store-writer", daemon=True)
        self._thread.start()

    async def write(self, change: Callable[[Tx], T]) -> T:
        async with self._space:
            if self._closed:
                raise StoreUnavailable("The store is not available: it is closed")
            job = _Job(change, asyncio.get_running_loop())
            self._queue.put(job)
            result: T = await job.future
            return result

    async def close(self) -> None:
        """Returns once everything that was queued is committed."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        more = True
        while more:
            jobs, more = self._next_group()
            if jobs:
                self._commit(jobs)
                self._deliver(jobs)

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Waits for one change and takes along those that are there already. False: the writer is to end."""
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            if not job.future.cancelled():
                jobs.append(job)
            if len(jobs) == self._database.group_size:
                return jobs, True
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, True
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        made_ready: set[type[Document]] = set()
        with self._connection.turn:
            try:
                self._connection.begin()
                for job in jobs:
                    made_ready |= self._run(job, self.ready | made_ready if made_ready else self.ready)
                self._connection.commit()
            except Exception as failure:
                self._connection.rollback()
                for job in jobs:
                    job.error, job.changes = failure, []
                return
        self.ready |= made_ready

    def _run(self, job: _Job, ready: set[type[Document]]) -> set[type[Document]]:
        """Runs one change. Raises only what makes the whole transaction void."""
        tx = Tx(self._connection, self._database.statements, ready)
        self._connection.run("SAVEPOINT change", {})
        try:
            job.result = job.change(tx)
        except BaseException as error:
            job.error = error
        if self._connection.failure is not None:
            raise self._connection.failure
        if job.error is not None:
            self._connection.run("ROLLBACK TO change", {})
        self._connection.run("RELEASE change", {})
        if job.error is not None:
            return set()
        job.changes = tx.changes
        return tx.made_ready

    def _deliver(self, jobs: list[_Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, of_loop in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._acknowledge, of_loop)
            except RuntimeError:  # that loop has closed: nobody waits
                continue

    def _acknowledge(self, jobs: list[_Job]) -> None:
        self._changes.notify(change for job in jobs for change in job.changes)
        for job in jobs:
            if job.future.done():  # its waiter was cancelled
                continue
            if job.error is None:
                job.future.set_result(job.result)
            elif isinstance(job.error, StopIteration):  # which a future does not take
                job.future.set_exception(RuntimeError("a change raised StopIteration"))
            else:
                job.future.set_exception(job.error)
