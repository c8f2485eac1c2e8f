"""CBOR (RFC 8949), the part that Smithy's rpc-v2-cbor uses: no tags but 1 (epoch time), no shared references.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from forecourt.wire import timestamps
from forecourt.wire.errors import SerializationException
from forecourt.wire.models import Ref, Shape
from forecourt.wire.tree import Scalars, read_bytes, read_timestamp

_MAX_DEPTH = 100
_INDEFINITE = 31
_BREAK = 0xFF
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_EPOCH_TAG = 1


class _Broken(ValueError):
    pass


def loads(data: bytes) -> Any:
    """Raises `SerializationException`."""
    try:
        value, end = _item(data, 0, 0)
        if end != len(data):
            raise _Broken("bytes after the end")
    except (_Broken, IndexError, struct.error, UnicodeDecodeError) as error:
        raise SerializationException(f"The body is not valid CBOR: {error}") from None
    return value


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _MAX_DEPTH:
        raise _Broken("nested too deep")
    major, info = data[at] >> 5, data[at] & 31
    return _READ[major](data, at, info, depth)


def _argument(data: bytes, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at + 1
    size = _ARGUMENT_BYTES.get(info)
    if size is None or at + 1 + size > len(data):
        raise _Broken("cut short")
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _unsigned(data: bytes, at: int, info: int, depth: int) -> tuple[Any, int]:
    return _argument(data, at, info)


def _negative(data: bytes, at: int, info: int, depth: int) -> tuple[Any, int]:
    value, at = _argument(data, at, info)
    return -1 - value, at


def _bytes(data: bytes, at: int, info: int, depth: int) -> tuple[bytes, int]:
    if info == _INDEFINITE:
        return _chunks(data, at)
    length, at = _argument(data, at, info)
    if at + length > len(data):
        raise _Broken("cut short")
    return data[at : at + length], at + length


def _chunks(data: bytes, at: int) -> tuple[bytes, int]:
    major, parts, at = data[at] >> 5, [], at + 1
    while data[at] != _BREAK:
        if data[at] >> 5 != major or data[at] & 31 == _INDEFINITE:
            raise _Broken("a chunk of another type")
        part, at = _bytes(data, at, data[at] & 31, 0)
        parts.append(part)
    return b"".join(parts), at + 1


def _text(data: bytes, at: int, info: int, depth: int) -> tuple[str, int]:
    value, at = _bytes(data, at, info, depth)
    return value.decode(), at


def _array(data: bytes, at: int, info: int, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    length, at = (None, at + 1) if info == _INDEFINITE else _argument(data, at, info)
    while data[at] != _BREAK if length is None else len(items) < length:
        value, at = _item(data, at, depth + 1)
        items.append(value)
    return items, at + (length is None)


def _map(data: bytes, at: int, info: int, depth: int) -> tuple[dict[str, Any], int]:
    items: dict[str, Any] = {}
    length, at = (None, at + 1) if info == _INDEFINITE else _argument(data, at, info)
    count = 0
    while data[at] != _BREAK if length is None else count < length:
        key, at = _item(data, at, depth + 1)
        if not isinstance(key, str):
            raise _Broken("a key that is not text")
        items[key], at = _item(data, at, depth + 1)
        count += 1
    return items, at + (length is None)


def _tag(data: bytes, at: int, info: int, depth: int) -> tuple[Any, int]:
    tag, at = _argument(data, at, info)
    value, at = _item(data, at, depth + 1)
    if tag != _EPOCH_TAG:
        raise _Broken(f"tag {tag}")
    return read_timestamp(value), at


def _simple(data: bytes, at: int, info: int, depth: int) -> tuple[Any, int]:
    if info in _SIMPLE:
        return _SIMPLE[info], at + 1
    if info not in _FLOATS:
        raise _Broken(f"simple value {info}")
    form, size = _FLOATS[info]
    return struct.unpack_from(form, data, at + 1)[0], at + 1 + size


_READ = (_unsigned, _negative, _bytes, _text, _array, _map, _tag, _simple)


class Epoch(float):
    """A timestamp on its way out: tag 1 before the number."""


def dumps(value: Any) -> bytes:
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _head(out: bytearray, major: int, number: int) -> None:
    if number < 24:
        out.append(major << 5 | number)
        return
    for info, size in _ARGUMENT_BYTES.items():
        if number < 1 << 8 * size:
            out.append(major << 5 | info)
            out += number.to_bytes(size, "big")
            return
    raise ValueError(f"{number} does not fit into 64 bits")


def _write(out: bytearray, value: Any) -> None:
    if isinstance(value, str):
        data = value.encode()
        _head(out, 3, len(data))
        out += data
    elif value is None or isinstance(value, bool):
        out.append({False: 0xF4, True: 0xF5, None: 0xF6}[value])
    elif isinstance(value, int):
        _head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, float):
        if isinstance(value, Epoch):
            _head(out, 6, _EPOCH_TAG)
        out += b"\xfb" + struct.pack(">d", value)
    elif isinstance(value, bytes | bytearray):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, Mapping):
        _head(out, 5, len(value))
        for key, item in value.items():
            _write(out, str(key))
            _write(out, item)
    else:
        _head(out, 4, len(value))
        for item in value:
            _write(out, item)


def _read_time(value: Any) -> datetime:
    """Tag 1 was read already where it was there."""
    return value if isinstance(value, datetime) else read_timestamp(value)


def _write_time(_ref: Ref, _shape: Shape) -> Any:
    return lambda value: Epoch(timestamps.to_seconds(value))


CBOR = Scalars(
    read_blob=read_bytes,
    read_time=_read_time,
    write_blob=None,
    write_time=_write_time,
    write_float=float,
    named_by_location=False,
)
