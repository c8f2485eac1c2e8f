"""Values of JSON and of CBOR: compiled readers and writers for a shape.

A reader takes what the parser made of the bytes (dicts, lists, scalars) and returns the parameter, keyed by the
model's member names; a writer goes the other way. Each is compiled once per shape into a closure that holds only what
this shape needs; a scalar that passes unchanged has no reader at all in its parent's table. The two formats differ in
the scalars' table only (`Scalars`).

What a reader refuses is `SerializationException` with Coral's wording ("STRING_VALUE can not be converted to an
Integer"), which is what AWS's services answer.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.wire import timestamps
from forecourt.wire.errors import SerializationException
from forecourt.wire.models import Model, Ref, Shape

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]

_TOKENS = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", bytes: "BINARY_VALUE"}
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def late(table: Mapping[Any, Callable[..., Any] | None], key: Any) -> Callable[..., Any]:
    """Calls what `table` will hold under `key`: a shape that contains itself is named before it is compiled."""

    def call(*args: Any) -> Any:
        compiled = table[key]
        return compiled(*args) if compiled is not None else None

    return call


def _refuse(value: Any, wanted: str) -> SerializationException:
    if isinstance(value, bool):
        token = "TRUE_VALUE" if value else "FALSE_VALUE"
    elif isinstance(value, dict):
        return SerializationException("Start of structure or map found where not expected.")
    elif isinstance(value, list):
        return SerializationException("Start of list found where not expected")
    else:
        token = _TOKENS.get(type(value), "VALUE_NULL")
    return SerializationException(f"{token} can not be converted to {wanted}")


def read_string(value: Any) -> str:
    if type(value) is not str:
        raise _refuse(value, "a String")
    return value


def read_integer(value: Any, bits: int = 63) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise _refuse(value, "an Integer" if bits == 31 else "a Long")
    if not -(1 << bits) <= value < 1 << bits:
        raise SerializationException(f"{value:.6g} is out of range" if abs(value) < 1e300 else "number out of range")
    return value


def read_float(value: Any) -> float:
    if type(value) is str and value in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[value]
    if type(value) is not float and type(value) is not int:
        raise _refuse(value, "a Double")
    try:
        return float(value)
    except OverflowError:
        raise SerializationException("number out of range") from None


def read_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _refuse(value, "a Boolean")
    return value


def read_base64(value: Any) -> bytes:
    if type(value) is not str:
        raise _refuse(value, "a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise SerializationException("Invalid base64 encoded value") from None


def read_bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise _refuse(value, "a Blob")
    return value


def read_timestamp(value: Any) -> Any:
    if type(value) not in (int, float, str):
        raise _refuse(value, "a Timestamp")
    try:
        return timestamps.parse(value)
    except (ValueError, TypeError, OverflowError):
        raise SerializationException("Invalid timestamp") from None


def write_float(value: Any) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def write_base64(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def _json_timestamp(ref: Ref, shape: Shape) -> Writer:
    return timestamps.FORMATS[ref.timestamp_format or shape.timestamp_format or "unixTimestamp"]


class Scalars:
    """What sets a format apart: how it carries blobs, timestamps and floats."""

    def __init__(
        self,
        *,
        read_blob: Reader,
        read_time: Reader,
        write_blob: Writer | None,
        write_time: Callable[[Ref, Shape], Writer],
        write_float: Writer | None,
        named_by_location: bool,
    ) -> None:
        self.readers: dict[str, Reader] = {
            "string": read_string,
            "character": read_string,
            "integer": lambda value: read_integer(value, 31),
            "long": read_integer,
            "float": read_float,
            "double": read_float,
            "boolean": read_boolean,
            "blob": read_blob,
            "timestamp": read_time,
        }
        self.writers: dict[str, Writer | None] = {"float": write_float, "double": write_float, "blob": write_blob}
        self.write_time = write_time
        # rpc-v2-cbor ignores `locationName`: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
        self.named_by_location = named_by_location

    def wire_name(self, name: str, ref: Ref) -> str:
        return (ref.location_name or name) if self.named_by_location else name


JSON = Scalars(
    read_blob=read_base64,
    read_time=read_timestamp,
    write_blob=write_base64,
    write_time=_json_timestamp,
    write_float=write_float,
    named_by_location=True,
)


class TreeCodec:
    """The readers and writers of one model in one format, compiled when first asked for."""

    def __init__(self, model: Model, scalars: Scalars) -> None:
        self._model = model
        self._scalars = scalars
        self._readers: dict[str, Reader] = {}
        self._writers: dict[Ref, Writer | None] = {}

    # -- reading -----------------------------------------------------------------------------------------------------

    def reader(self, ref: Ref) -> Reader:
        shape = self._model.shape(ref)
        if shape.document:
            return _same
        if shape.type in self._scalars.readers:
            return self._scalars.readers[shape.type]
        if ref.shape not in self._readers:
            self._readers[ref.shape] = late(self._readers, ref.shape)
            self._readers[ref.shape] = self._compile_reader(shape)
        return self._readers[ref.shape]

    def _compile_reader(self, shape: Shape) -> Reader:
        if shape.type == "structure":
            return self.structure_reader(shape, shape.members)
        if shape.type == "list":
            assert shape.member is not None
            return _list_reader(self.reader(shape.member))
        assert shape.key is not None
        assert shape.value is not None
        return _map_reader(self.reader(shape.value))

    def structure_reader(self, shape: Shape, members: Mapping[str, Ref]) -> Reader:
        """Of some members: REST bodies leave out those that travel elsewhere."""
        table = {self._scalars.wire_name(name, ref): (name, self.reader(ref)) for name, ref in members.items()}
        only_one = shape.union

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise _refuse(value, "a Structure")
            out = {}
            for key, item in value.items():
                if item is not None and key in table:
                    name, reader = table[key]
                    out[name] = reader(item)
            if only_one and len(out) > 1:
                raise SerializationException("Only one member of a union may be set")
            return out

        return read

    # -- writing -----------------------------------------------------------------------------------------------------

    def writer(self, ref: Ref) -> Writer | None:
        """None where the value goes out as it is."""
        shape = self._model.shape(ref)
        if shape.document:
            return None
        if shape.type == "timestamp":
            return self._scalars.write_time(ref, shape)
        if shape.type not in ("structure", "list", "map"):
            return self._scalars.writers.get(shape.type)
        if ref not in self._writers:
            self._writers[ref] = late(self._writers, ref)
            self._writers[ref] = self._compile_writer(shape)
        return self._writers[ref]

    def _compile_writer(self, shape: Shape) -> Writer | None:
        if shape.type == "structure":
            return self.structure_writer(shape.members)
        if shape.type == "list":
            assert shape.member is not None
            return _list_writer(self.writer(shape.member))
        assert shape.value is not None
        return _map_writer(self.writer(shape.value))

    def structure_writer(self, members: Mapping[str, Ref]) -> Writer:
        """Only what the model names goes out: a handler's own keys stay inside."""
        table = {name: (self._scalars.wire_name(name, ref), self.writer(ref)) for name, ref in members.items()}

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            out = {}
            for key, item in value.items():
                if item is not None and key in table:
                    name, writer = table[key]
                    out[name] = item if writer is None else writer(item)
            return out

        return write


def _same(value: Any) -> Any:
    return value


def _list_reader(member: Reader) -> Reader:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _refuse(value, "a List")
        return [member(item) for item in value]

    return read


def _map_reader(member: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _refuse(value, "a Map")
        return {read_string(key): member(item) for key, item in value.items() if item is not None}

    return read


def _list_writer(member: Writer | None) -> Writer | None:
    return list if member is None else lambda value: [member(item) for item in value]


def _map_writer(member: Writer | None) -> Writer | None:
    if member is None:
        return dict
    return lambda value: {str(key): member(item) for key, item in value.items()}
