"""Log events of every account, region and group: taken without waiting, written in batches, searched by time.

`write` (the `LogSink` port) only appends to a bounded buffer; what does not fit is dropped and counted. A flush, a
fifth of a second later, writes the buffer to the groups' segments, tells `on_written` which streams got what, so that
`logs` can keep groups and streams, and hands the events themselves to `on_events`, for its filters. Reading flushes
first: who wrote, finds it.

Bounds: the buffer's bytes, an event's length, and the bytes of all segments together (the oldest events go first).
Log events are not synced to the disk one by one: they survive the process being killed, not a power failure.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.telemetry.log_group import Found, LogGroupEvents, NewEvent, Search

_log = logging.getLogger(__name__)

BUFFER_BYTES = 16 * 1024 * 1024
DISK_BYTES = 1024 * 1024 * 1024
MEMORY_BYTES = 32 * 1024 * 1024
# CloudWatch Logs' quota of an event's size. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
EVENT_BYTES = 1024 * 1024
_FLUSH_SECONDS = 0.2
_OVERHEAD_BYTES = 64
# What AWS counts for an event besides its message.
EVENT_OVERHEAD_BYTES = 26

GroupKey = tuple[str, str, str]  # account, region, name


class LogsUnavailable(ServiceError):
    code = "ServiceUnavailableException"
    status = 503


class Written(NamedTuple):
    """What one flush added to a stream."""

    group: GroupKey
    stream: str
    first_ms: int
    last_ms: int
    ingestion_ms: int
    events: int
    bytes: int


OnWritten = Callable[[list[Written]], Awaitable[None]]
# A group's new events, and the sequence numbers that they got. Must be quick.
OnEvents = Callable[[GroupKey, list[NewEvent], list[int]], None]


class LogStore:
    def __init__(
        self,
        folder: Path | None,
        clock: Clock,
        *,
        most_bytes: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self.on_written: OnWritten | None = None
        self.on_events: OnEvents | None = None
        self.dropped = 0
        self._folder = folder
        self._clock = clock
        self._most_bytes = most_bytes or (MEMORY_BYTES if folder is None else DISK_BYTES)
        self._buffer_bytes = buffer_bytes
        self._groups: dict[str, LogGroupEvents] = {}  # by folder name
        self._buffer: list[tuple[GroupKey, NewEvent]] = []
        self._buffered = 0
        self._reported = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = False
        self._using_files = asyncio.Lock()

    async def start(self) -> None:
        """From here on the buffer is flushed by itself."""
        self._loop = asyncio.get_running_loop()
        async with self._using_files:
            await asyncio.to_thread(self._load)
        if self._buffer:
            self._wake()

    async def stop(self) -> None:
        self._loop = None
        await self.flush()
        async with self._using_files:
            await asyncio.to_thread(self._summarize)

    async def reset(self) -> None:
        """Forgets every event."""
        async with self._using_files:
            self._buffer, self._buffered = [], 0
            self._groups.clear()
            if self._folder is not None:
                await asyncio.to_thread(shutil.rmtree, self._folder, True)

    def write(self, account: str, region: str, group: str, stream: str, timestamp_ms: int, message: str) -> None:
        size = len(message) + _OVERHEAD_BYTES
        if self._buffered + size > self._buffer_bytes:
            self.dropped += 1
            return
        if size > EVENT_BYTES:
            message = message[: EVENT_BYTES // 4]
        if not message.isascii():
            message = message.encode("utf-8", "replace").decode()  # lone surrogates are not text
        event = (timestamp_ms, self._clock.now_ms(), stream, message)
        self._buffer.append(((account, region, group), event))
        self._buffered += size
        if not self._awake:
            self._wake()

    async def put(self, group: GroupKey, stream: str, events: list[tuple[int, str]]) -> None:
        """Writes `events` (timestamp in ms, message) and returns once they are in the file.

        Raises `LogsUnavailable` where they can't be.
        """
        now = self._clock.now_ms()
        await self.flush()
        async with self._using_files:
            try:
                batch = {group: [(timestamp, now, stream, message) for timestamp, message in events]}
                await self._append(batch)
            except OSError as error:
                raise LogsUnavailable(f"The log folder can't be written: {error.strerror}") from None

    async def flush(self) -> None:
        """Writes the buffer out. What can't be written is dropped: a log must not hold up what it tells of."""
        async with self._using_files:
            taken, self._buffer, self._buffered = self._buffer, [], 0
            if taken:
                batch: dict[GroupKey, list[NewEvent]] = {}
                for group, event in taken:
                    batch.setdefault(group, []).append(event)
                try:
                    await self._append(batch)
                except (OSError, ServiceError) as error:
                    self.dropped += len(taken)
                    _log.error("log events were dropped: %s", error)
            self._report()

    async def search(self, group: GroupKey, search: Search) -> Found:
        await self.flush()
        async with self._using_files:
            events = await asyncio.to_thread(self._group, group)
        return await asyncio.to_thread(events.search, search)

    async def size(self, group: GroupKey) -> int:
        async with self._using_files:
            return await asyncio.to_thread(lambda: self._group(group).size)

    async def delete_group(self, group: GroupKey) -> None:
        await self.flush()
        async with self._using_files:
            await asyncio.to_thread(self._group(group).delete)
            self._groups.pop(_folder_name(group), None)

    async def delete_stream(self, group: GroupKey, stream: str) -> None:
        await self.flush()
        async with self._using_files:
            await asyncio.to_thread(self._group(group).forget_stream, stream)

    async def expire(self, group: GroupKey, before_ms: int) -> None:
        async with self._using_files:
            await asyncio.to_thread(self._group(group).expire, before_ms)

    def _wake(self) -> None:
        if self._loop is not None:
            self._awake = True
            self._loop.call_soon_threadsafe(self._flush_soon, self._loop)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        async def flush() -> None:
            self._awake = False
            await self.flush()

        loop.call_later(_FLUSH_SECONDS, lambda: self._keep(loop.create_task(flush())))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._flushing = task  # the loop itself holds tasks weakly

    async def _append(self, batch: dict[GroupKey, list[NewEvent]]) -> None:
        sequences = await asyncio.to_thread(self._append_all, batch)
        if self.on_written is not None:
            await self.on_written(_written(batch))
        if self.on_events is not None:
            for group, events in batch.items():
                self.on_events(group, events, sequences[group])

    def _append_all(self, batch: dict[GroupKey, list[NewEvent]]) -> dict[GroupKey, list[int]]:
        sequences = {group: self._group(group).append(events) for group, events in batch.items()}
        while sum(events.size for events in self._groups.values()) > self._most_bytes:
            min(self._groups.values(), key=lambda events: events.oldest_ms).drop_oldest()
        return sequences

    def _group(self, group: GroupKey) -> LogGroupEvents:
        return self._in_folder(_folder_name(group))

    def _in_folder(self, name: str) -> LogGroupEvents:
        if name not in self._groups:
            self._groups[name] = LogGroupEvents(self._folder / name if self._folder is not None else None)
        return self._groups[name]

    def _load(self) -> None:
        if self._folder is not None and self._folder.exists():
            for folder in self._folder.iterdir():
                self._in_folder(folder.name)

    def _summarize(self) -> None:
        """Spares the next start some reading; where the disk is full, that reads."""
        for events in self._groups.values():
            try:
                events.summarize()
            except OSError as error:
                _log.warning("a log group was not summarized: %s", error.strerror)

    def _report(self) -> None:
        if self.dropped > self._reported:
            _log.warning("%d log events were dropped, more than could be written", self.dropped - self._reported)
            self._reported = self.dropped


def _folder_name(group: GroupKey) -> str:
    """Group names hold slashes and may be long."""
    return hashlib.sha256("\0".join(group).encode()).hexdigest()[:40]


def _written(batch: dict[GroupKey, list[NewEvent]]) -> list[Written]:
    streams: dict[tuple[GroupKey, str], list[NewEvent]] = {}
    for group, events in batch.items():
        for event in events:
            streams.setdefault((group, event[2]), []).append(event)
    return [
        Written(
            group,
            stream,
            min(event[0] for event in events),
            max(event[0] for event in events),
            max(event[1] for event in events),
            len(events),
            sum(len(event[3].encode()) + EVENT_OVERHEAD_BYTES for event in events),
        )
        for (group, stream), events in streams.items()
    ]
