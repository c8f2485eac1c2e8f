"""Segments: where log events lie, in the order in which they came in.

A log group is a row of segments; a segment is a file (or, in an ephemeral run, a byte array) of records, each a
32-bit length and a MessagePack array. Only the last segment grows. Once it is full, what it holds (times and streams)
is written beside it, so that a reader and a restart skip it without reading it. A record that a crash cut short ends
its segment: what follows it was never acknowledged.

An event's `sequence` (the segment's number and the record's offset) orders events of the same millisecond.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

_LENGTH = struct.Struct("<I")
_OFFSET_BITS = 32

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, str, str]).decode


class LogEvent(NamedTuple):
    timestamp_ms: int
    sequence: int
    ingestion_ms: int
    stream: str
    message: str


class Summary(msgspec.Struct):
    """What a segment holds."""

    size: int = 0
    begun_ms: int = 0  # when its first event came in
    first_ms: int = 2**63 - 1
    last_ms: int = -1
    streams: set[str] = set()

    def note(self, timestamp_ms: int, ingestion_ms: int, stream: str) -> None:
        self.begun_ms = self.begun_ms or ingestion_ms
        self.first_ms = min(self.first_ms, timestamp_ms)
        self.last_ms = max(self.last_ms, timestamp_ms)
        self.streams.add(stream)


class Medium(Protocol):
    def append(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes: ...

    def cut(self, size: int) -> None: ...

    def delete(self) -> None: ...


class FileMedium:
    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, data: bytes) -> None:
        rest = memoryview(data)
        with self._path.open("ab", buffering=0) as file:
            while rest:  # a disk that is about to be full takes a part
                rest = rest[file.write(rest) :]

    def read(self, size: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(size)
        except FileNotFoundError:  # expired while someone reads
            return b""

    def cut(self, size: int) -> None:
        with self._path.open("r+b") as file:
            file.truncate(size)

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)


class MemoryMedium:
    def __init__(self) -> None:
        self._data = bytearray()

    def append(self, data: bytes) -> None:
        self._data += data

    def read(self, size: int) -> bytes:
        return bytes(self._data[:size])

    def cut(self, size: int) -> None:
        del self._data[size:]

    def delete(self) -> None:
        self._data.clear()


class Segment:
    def __init__(self, number: int, medium: Medium, summary: Summary | None = None) -> None:
        self.number = number
        self.summary = summary or Summary()
        self._medium = medium

    def append(self, events: list[tuple[int, int, str, str]]) -> list[int]:
        """`events` as (timestamp, ingestion time, stream, message). All or nothing, unless the process dies.

        Returns the sequence numbers that they got.
        """
        records = [_record(event) for event in events]
        try:
            self._medium.append(b"".join(records))
        except OSError:
            with contextlib.suppress(OSError):
                self._medium.cut(self.summary.size)
            raise
        base = (self.number << _OFFSET_BITS) + self.summary.size
        *sequences, end = itertools.accumulate(map(len, records), initial=base)
        self.summary.size += end - base
        for timestamp_ms, ingestion_ms, stream, _ in events:
            self.summary.note(timestamp_ms, ingestion_ms, stream)
        return sequences

    def events(self) -> Iterator[LogEvent]:
        data = self._medium.read(self.summary.size)
        base = self.number << _OFFSET_BITS
        for offset, (timestamp_ms, ingestion_ms, stream, message) in _records(data):
            yield LogEvent(timestamp_ms, base + offset, ingestion_ms, stream, message)

    def recover(self) -> None:
        """Works out the summary from the records themselves, and cuts off what a crash left unfinished."""
        data = self._medium.read(-1)
        self.summary = Summary()
        for offset, (timestamp_ms, ingestion_ms, stream, _) in _records(data):
            self.summary.note(timestamp_ms, ingestion_ms, stream)
            self.summary.size = offset + _LENGTH.size + _LENGTH.unpack_from(data, offset)[0]
        if self.summary.size < len(data):
            self._medium.cut(self.summary.size)

    def delete(self) -> None:
        self._medium.delete()


def _record(event: tuple[int, int, str, str]) -> bytes:
    body = _encode(event)
    return _LENGTH.pack(len(body)) + body


def _records(data: bytes) -> Iterator[tuple[int, tuple[int, int, str, str]]]:
    offset, view = 0, memoryview(data)
    while offset + _LENGTH.size <= len(data):
        start = offset + _LENGTH.size
        end = start + _LENGTH.unpack_from(data, offset)[0]
        try:
            yield offset, _decode(view[start:end])
        except msgspec.DecodeError:
            return
        offset = end
