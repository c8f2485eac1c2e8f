"""AWS's event stream framing, outward: each event of a streaming output is one frame.

A frame is: total length, length of the headers, CRC of these two; headers; payload; CRC of all before.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import msgspec

from forecourt.wire.models import Model, Ref, Shape
from forecourt.wire.tree import TreeCodec

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
_STRING_HEADER = 7
_OVERHEAD_BYTES = 16

# An event is `{"PayloadChunk": {...}}`.
Frame = Callable[[Mapping[str, Any]], bytes]


def encode_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", _OVERHEAD_BYTES + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, data = name.encode(), value.encode()
    return bytes([len(key)]) + key + bytes([_STRING_HEADER]) + struct.pack(">H", len(data)) + data


def initial_response(payload: bytes) -> bytes:
    """RPC protocols have no other place for the members beside the stream."""
    return _event("initial-response", "application/json", payload)


def _event(name: str, media_type: str, payload: bytes) -> bytes:
    return encode_frame({":event-type": name, ":content-type": media_type, ":message-type": "event"}, payload)


def stream_member(model: Model, shape: Shape) -> str | None:
    return next((name for name, ref in shape.members.items() if model.shape(ref).eventstream), None)


def compile_event(model: Model, json: TreeCodec, ref: Ref) -> Frame:
    table = {name: _event_encoder(model, json, name, member) for name, member in model.shape(ref).members.items()}

    def frame(event: Mapping[str, Any]) -> bytes:
        name, value = next(iter(event.items()))
        return table[name](value)

    return frame


def _event_encoder(model: Model, json: TreeCodec, name: str, ref: Ref) -> Callable[[Mapping[str, Any]], bytes]:
    shape = model.shape(ref)
    payload = next((member for member, at in shape.members.items() if at.eventpayload), None)
    if payload is not None and model.shape(shape.members[payload]).type == "blob":
        return lambda value: _event(name, "application/octet-stream", value.get(payload) or b"")
    write = json.structure_writer(shape.members)
    return lambda value: _event(name, "application/json", msgspec.json.encode(write(value)))


def body(
    frame: Frame, events: AsyncIterator[Mapping[str, Any]] | Iterable[Mapping[str, Any]], first: bytes = b""
) -> bytes | AsyncIterator[bytes]:
    """Events that are there make bytes; events to come make an iterator of frames."""
    if isinstance(events, AsyncIterator):
        return _frames(frame, events, first)
    return first + b"".join(frame(event) for event in events)


async def _frames(frame: Frame, events: AsyncIterator[Mapping[str, Any]], first: bytes) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for event in events:
        yield frame(event)
