"""One log group's events: its segments, what was deleted of them, and how they are found by time.

Segments are nearly in the order of time, not quite: an event may come in late. A search therefore visits them by the
time of their first event, keeps the best `limit` it has, and stops at a segment that begins after all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from forecourt.telemetry.segments import FileMedium, LogEvent, MemoryMedium, Segment, Summary

SEGMENT_BYTES = 4 * 1024 * 1024
# A search reads no more than this at a time; it says where it stopped.
SEARCH_BYTES = 64 * 1024 * 1024
_DAY_MS = 86_400_000
_FORGOTTEN = "forgotten.json"

# Where an event stands in the order of time: its timestamp and its sequence number.
Position = tuple[int, int]
NewEvent = tuple[int, int, str, str]


class Search(NamedTuple):
    """`streams` None: all. `after`: only events behind it, in the direction of the search."""

    limit: int
    streams: Collection[str] | None = None
    start_ms: int = 0
    end_ms: int = 2**62
    after: Position | None = None
    reverse: bool = False
    matches: Callable[[LogEvent], bool] | None = None


class Found(NamedTuple):
    """`events` in the direction of the search. `resume`: the search stopped early and goes on behind this position."""

    events: list[LogEvent]
    resume: Position | None = None


class LogGroupEvents:
    """Kept in `folder`, or in memory where it is None. Used by one thread at a time."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        # Streams that were deleted: their events up to this sequence number are no more.
        self._forgotten: dict[str, int] = {}
        self.segments: list[Segment] = [] if folder is None else self._load(folder)

    @property
    def oldest_ms(self) -> int:
        return min((segment.summary.last_ms for segment in self.segments), default=2**63)

    @property
    def size(self) -> int:
        return sum(segment.summary.size for segment in self.segments)

    def append(self, events: list[NewEvent]) -> list[int]:
        """Returns the sequence numbers that they got."""
        if not self.segments or _full(self.segments[-1], events):
            self._roll()
        return self.segments[-1].append(events)

    def summarize(self) -> None:
        """Writes down what the last segment holds, so that the next start need not read it."""
        if self.segments and self._folder is not None:
            last = self.segments[-1]
            self._file(last.number, "idx").write_bytes(msgspec.msgpack.encode(last.summary))

    def forget_stream(self, stream: str) -> None:
        if self.segments:
            last = self.segments[-1]
            self._forgotten[stream] = (last.number << 32) + last.summary.size
            self._save_forgotten()

    def drop_oldest(self) -> None:
        """Deletes the segment with the oldest events."""
        self._drop([min(self.segments, key=lambda segment: segment.summary.last_ms)])

    def expire(self, before_ms: int) -> None:
        """Deletes the segments all of whose events are older."""
        self._drop([segment for segment in self.segments if segment.summary.last_ms < before_ms])

    def delete(self) -> None:
        self._drop(list(self.segments))
        if self._folder is not None and self._folder.exists():
            for rest in self._folder.iterdir():
                rest.unlink()
            self._folder.rmdir()

    def search(self, search: Search) -> Found:
        return _search_back(self, search) if search.reverse else _search_on(self, search)

    def candidates(self, search: Search) -> list[Segment]:
        """The segments that may hold what is searched for, by their first event's time."""
        found = [segment for segment in self.segments if _may_hold(segment.summary, search)]
        return sorted(found, key=lambda segment: segment.summary.first_ms)

    def wanted(self, event: LogEvent, search: Search) -> bool:
        if not search.start_ms <= event.timestamp_ms < search.end_ms:
            return False
        if search.streams is not None and event.stream not in search.streams:
            return False
        if event.sequence < self._forgotten.get(event.stream, 0):
            return False
        if search.after is not None:
            at = (event.timestamp_ms, event.sequence)
            if at >= search.after if search.reverse else at <= search.after:
                return False
        return search.matches is None or search.matches(event)

    def _load(self, folder: Path) -> list[Segment]:
        if (folder / _FORGOTTEN).exists():
            self._forgotten = msgspec.json.decode((folder / _FORGOTTEN).read_bytes(), type=dict[str, int])
        return [self._open(path) for path in sorted(folder.glob("*.log"))]

    def _open(self, path: Path) -> Segment:
        segment = Segment(int(path.stem), FileMedium(path))
        try:
            segment.summary = msgspec.msgpack.decode(path.with_suffix(".idx").read_bytes(), type=Summary)
        except (OSError, msgspec.DecodeError):
            segment.summary.size = -1
        if segment.summary.size != path.stat().st_size:  # it was still growing when the process ended
            segment.recover()
        return segment

    def _roll(self) -> None:
        number = self.segments[-1].number + 1 if self.segments else 1
        if self._folder is None:
            self.segments.append(Segment(number, MemoryMedium()))
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.summarize()
        self.segments.append(Segment(number, FileMedium(self._file(number, "log"))))

    def _drop(self, segments: list[Segment]) -> None:
        for segment in segments:
            segment.delete()
            self.segments.remove(segment)
            if self._folder is not None:
                self._file(segment.number, "idx").unlink(missing_ok=True)
        oldest = (self.segments[0].number << 32) if self.segments else 2**62
        if any(until <= oldest for until in self._forgotten.values()):
            self._forgotten = {stream: until for stream, until in self._forgotten.items() if until > oldest}
            self._save_forgotten()

    def _save_forgotten(self) -> None:
        if self._folder is not None and self._folder.exists():
            draft = self._folder / f"{_FORGOTTEN}.new"
            draft.write_bytes(msgspec.json.encode(self._forgotten))
            draft.rename(self._folder / _FORGOTTEN)

    def _file(self, number: int, suffix: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{number:08}.{suffix}"


def _full(segment: Segment, events: list[NewEvent]) -> bool:
    """A segment ends by size, and by day so that it can expire."""
    return segment.summary.size >= SEGMENT_BYTES or events[0][1] - segment.summary.begun_ms > _DAY_MS


def _may_hold(summary: Summary, search: Search) -> bool:
    if summary.last_ms < search.start_ms or summary.first_ms >= search.end_ms:
        return False
    if search.after is not None:
        beyond = summary.first_ms > search.after[0] if search.reverse else summary.last_ms < search.after[0]
        if beyond:
            return False
    return search.streams is None or not summary.streams.isdisjoint(search.streams)


def _search_on(group: LogGroupEvents, search: Search) -> Found:
    best: list[LogEvent] = []
    read, floor = 0, search.after[0] if search.after is not None else -1
    for segment in group.candidates(search):
        begins = segment.summary.first_ms
        if len(best) >= search.limit and begins > best[-1].timestamp_ms:
            break
        if read >= SEARCH_BYTES and begins > max(floor, search.start_ms):
            # Everything before `begins` is known; the rest is for the next call.
            return Found([event for event in best if event.timestamp_ms < begins], (begins, -1))
        wanted = [event for event in segment.events() if group.wanted(event, search)]
        best = heapq.nsmallest(search.limit, [*best, *wanted])
        read += segment.summary.size
    return Found(best)


def _search_back(group: LogGroupEvents, search: Search) -> Found:
    best: list[LogEvent] = []
    read, ceiling = 0, min(search.after[0], search.end_ms) if search.after is not None else search.end_ms
    for segment in sorted(group.candidates(search), key=lambda s: s.summary.last_ms, reverse=True):
        ends = segment.summary.last_ms
        if len(best) >= search.limit and ends < best[-1].timestamp_ms:
            break
        if read >= SEARCH_BYTES and ends + 1 < ceiling:
            return Found([event for event in best if event.timestamp_ms > ends], (ends + 1, -1))
        wanted = [event for event in segment.events() if group.wanted(event, search)]
        best = heapq.nlargest(search.limit, [*best, *wanted])
        read += segment.summary.size
    return Found(best)
