"""Queries of Logs Insights that run, and the results of those that ran.

A query reads its groups' events from the newest on, in a thread of its own; a few run at a time, the others wait. What
was found is kept in memory, that of the latest queries only: it goes with the process.
"""

from __future__ import annotations

import asyncio
import heapq
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from forecourt.base.clock import Clock
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.logs.errors import LimitExceededException, ResourceNotFoundException
from forecourt.services.logs.insights import Query, Results, Row, TooMuch, event_row
from forecourt.telemetry.log_group import Position, Search
from forecourt.telemetry.log_store import GroupKey, LogStore
from forecourt.telemetry.segments import LogEvent

_log = logging.getLogger("forecourt.logs")

Status = Literal["Scheduled", "Running", "Complete", "Failed", "Cancelled", "Timeout"]

_AT_ONCE = 4
_MOST_UNFINISHED = 30
_MOST_KEPT = 100
_MOST_KEPT_BYTES = 64 * 1024 * 1024
# AWS gives a query an hour, and a hundred machines.
_LONGEST_SECONDS = 60.0
_PAGE = 5_000


class Asked(msgspec.Struct, frozen=True):
    """What a query is about. `groups` with the moment since which each keeps its events."""

    account: str
    region: str
    text: str
    query: Query
    groups: Sequence[tuple[GroupKey, int]]
    start_ms: int
    end_ms: int
    limit: int


class Run(msgspec.Struct, kw_only=True):
    id: str
    asked: Asked
    created_ms: int
    status: Status = "Scheduled"
    results: Results = Results([], 0)
    scanned: int = 0
    scanned_bytes: int = 0
    seconds: float = 0.0
    stopped: threading.Event = msgspec.field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        return self.status not in ("Scheduled", "Running")

    @property
    def size(self) -> int:
        return sum(len(name) + len(value) + 120 for row in self.results.rows for name, value in row)


class Stopped(Exception):
    """Nobody waits for the query any more, or it takes too long."""


class Pointers:
    """`@ptr`: where an event is found again, for who was shown it. Good until Forecourt ends, as results are."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def to(self, group: GroupKey, event: LogEvent) -> str:
        place = (*group, event.stream, str(event.timestamp_ms), str(event.sequence))
        return encode_token((*place, self._proof(place)))

    def read(self, text: str) -> tuple[GroupKey, str, Position]:
        """Raises `ValueError`."""
        *place, proof = decode_token(text)
        if not hmac.compare_digest(proof, self._proof(place)):
            raise ValueError("not a pointer of ours")
        account, region, group, stream, timestamp, sequence = place
        return (account, region, group), stream, (int(timestamp), int(sequence))

    def _proof(self, place: Sequence[str]) -> str:
        return hmac.digest(self._key, encode_token(place).encode(), "sha256")[:16].hex()


class Queries:
    def __init__(self, events: LogStore, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self.pointers = Pointers()
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        # Of their own: the loop's others read the events for them.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="forecourt-queries")

    def start(self, id: str, asked: Asked) -> None:
        """Raises `LimitExceededException`."""
        if len(self._tasks) >= _MOST_UNFINISHED:
            raise LimitExceededException(
                f"Account maximum query concurrency limit of [{_MOST_UNFINISHED}] reached. Retry the request."
            )
        run = self._runs[id] = Run(id=id, asked=asked, created_ms=self._clock.now_ms())
        task = asyncio.get_running_loop().create_task(self._run(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, account: str, region: str, id: str) -> Run:
        """Raises `ResourceNotFoundException`."""
        run = self._runs.get(id)
        if run is None or (run.asked.account, run.asked.region) != (account, region):
            raise ResourceNotFoundException("The specified query does not exist.")
        return run

    def latest_first(self, account: str, region: str) -> list[Run]:
        here = (account, region)
        return [run for run in reversed(self._runs.values()) if (run.asked.account, run.asked.region) == here]

    async def stop(self) -> None:
        await self.clear()
        self._threads.shutdown(wait=False)

    async def clear(self) -> None:
        for run in self._runs.values():
            run.stopped.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._runs.clear()

    async def _run(self, run: Run) -> None:
        async with self._slots:
            if run.stopped.is_set():
                run.status = "Cancelled"
                return
            run.status = "Running"
            began = time.monotonic()
            try:
                loop = asyncio.get_running_loop()
                run.results = await loop.run_in_executor(self._threads, _find, run, self._events, self.pointers, loop)
                run.status = "Complete"
            except Stopped:
                run.status = "Cancelled" if run.stopped.is_set() else "Timeout"
            except (TooMuch, MemoryError) as error:
                _log.warning("a query over log groups was given up: %s", type(error).__name__)
                run.status = "Failed"
            except Exception:
                _log.exception("a query over log groups failed")
                run.status = "Failed"
            run.seconds = time.monotonic() - began
        self._forget_old()

    def _forget_old(self) -> None:
        size = 0
        for count, run in enumerate([*reversed(self._runs.values())]):
            size += run.size
            if run.is_over and count and (count >= _MOST_KEPT or size > _MOST_KEPT_BYTES):
                del self._runs[run.id]


def _find(run: Run, events: LogStore, pointers: Pointers, loop: asyncio.AbstractEventLoop) -> Results:
    """In a thread of the query's own."""
    asked = run.asked
    deadline = time.monotonic() + _LONGEST_SECONDS
    found = [_newest_first(asked, group, kept_from_ms, events, loop) for group, kept_from_ms in asked.groups]

    def rows() -> Iterator[Row]:
        for group, event in heapq.merge(*found, key=lambda one: one[1][:2], reverse=True):
            if run.stopped.is_set() or time.monotonic() > deadline:
                raise Stopped
            run.scanned += 1
            run.scanned_bytes += len(event.message)
            yield event_row(
                group, event.stream, event.timestamp_ms, event.ingestion_ms, event.message, pointers.to(group, event)
            )

    return asked.query.run(rows(), asked.limit)


def _newest_first(
    asked: Asked, group: GroupKey, kept_from_ms: int, events: LogStore, loop: asyncio.AbstractEventLoop
) -> Iterator[tuple[GroupKey, LogEvent]]:
    search = Search(_PAGE, None, max(asked.start_ms, kept_from_ms), asked.end_ms, None, reverse=True)
    while True:
        page = asyncio.run_coroutine_threadsafe(events.search(group, search), loop).result()
        for event in page.events:
            yield group, event
        if page.resume is None and len(page.events) < _PAGE:
            return
        last = page.resume or (page.events[-1].timestamp_ms, page.events[-1].sequence)
        search = search._replace(after=last)
