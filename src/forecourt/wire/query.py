"""The query protocol: `Tags.member.1.Key=a` in a form, XML back.

The form is turned into a tree by its dots once, then read by readers compiled per shape, like JSON's. A node is a
dict; the text of a leaf is kept under None, so that `A=1&A.B=2` needs no special case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from forecourt.wire import timestamps, tree
from forecourt.wire.errors import SerializationException
from forecourt.wire.models import Model, Ref, Shape

Node = dict[str | None, Any]
Reader = Callable[[Node], Any]
# Appends the element(s) called by the second argument.
Writer = Callable[[list[str], str, Any], None]

_MAX_FIELDS = 20_000
_MAX_DEPTH = 32
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def parse_form(data: bytes) -> list[tuple[str, str]]:
    """Raises `SerializationException`."""
    try:
        return parse_qsl(
            data.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, encoding="utf-8", errors="strict"
        )
    except ValueError:
        raise SerializationException("The body is not a valid form") from None


def form_tree(fields: Iterable[tuple[str, str]]) -> Node:
    root: Node = {}
    for name, value in fields:
        node = root
        parts = name.split(".")
        if len(parts) > _MAX_DEPTH:
            raise SerializationException("A parameter's name has too many parts")
        for part in parts:
            node = node.setdefault(part, {})
        node[None] = value
    return root


# -- reading ---------------------------------------------------------------------------------------------------------


def _number(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise SerializationException(f"'{text[:64]}' is not a number") from None


def _integer(text: str) -> int:
    return int(text) if len(text) < 24 and text.isascii() and "_" not in text else int("x")


def read_boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise SerializationException(f"'{text[:64]}' is not a Boolean")
    return text.lower() == "true"


# Scalars that travel as text: the query protocol's, and those in REST's paths, query strings and headers.
TEXT_READERS: dict[str, Callable[[str], Any]] = {
    "string": tree.read_string,
    "character": tree.read_string,
    "integer": lambda text: tree.read_integer(_number(text, _integer), 31),
    "long": lambda text: tree.read_integer(_number(text, _integer)),
    "float": lambda text: tree.read_float(_number(text, float)),
    "double": lambda text: tree.read_float(_number(text, float)),
    "boolean": read_boolean,
    "blob": tree.read_base64,
    "timestamp": tree.read_timestamp,
}


class FormReaders:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache: dict[Ref, Reader] = {}

    def reader(self, ref: Ref) -> Reader:
        shape = self._model.shape(ref)
        if shape.type in TEXT_READERS:
            return _leaf(TEXT_READERS[shape.type])
        if ref not in self._cache:
            self._cache[ref] = tree.late(self._cache, ref)
            self._cache[ref] = self._compile(ref, shape)
        return self._cache[ref]

    def _compile(self, ref: Ref, shape: Shape) -> Reader:
        flattened = ref.flattened or shape.flattened
        if shape.type == "structure":
            return self.structure_reader(shape)
        if shape.type == "list":
            assert shape.member is not None
            return _list(None if flattened else shape.member.location_name or "member", self.reader(shape.member))
        assert shape.key is not None
        assert shape.value is not None
        return _map(
            None if flattened else "entry",
            shape.key.location_name or "key",
            shape.value.location_name or "value",
            self.reader(shape.value),
        )

    def structure_reader(self, shape: Shape) -> Reader:
        table = [(self._form_name(name, ref), name, self.reader(ref)) for name, ref in shape.members.items()]

        def read(node: Node) -> dict[str, Any]:
            return {name: reader(node[key]) for key, name, reader in table if key in node}

        return read

    def _form_name(self, name: str, ref: Ref) -> str:
        """A flattened list goes by its element's name, where that has one."""
        shape = self._model.shape(ref)
        if shape.type == "list" and (ref.flattened or shape.flattened):
            assert shape.member is not None
            return shape.member.location_name or ref.location_name or name
        return ref.location_name or name


class Ec2FormReaders(FormReaders):
    """EC2's dialect: lists are always flattened, names begin with a capital."""

    def _compile(self, ref: Ref, shape: Shape) -> Reader:
        if shape.type == "list":
            assert shape.member is not None
            return _list(None, self.reader(shape.member))
        return super()._compile(ref, shape)

    def _form_name(self, name: str, ref: Ref) -> str:
        said = ref.location_name or name
        return ref.query_name or said[:1].upper() + said[1:]


def _leaf(read: Callable[[str], Any]) -> Reader:
    def reader(node: Node) -> Any:
        text = node.get(None)
        if text is None:
            raise SerializationException("Unexpected complex element")
        return read(text)

    return reader


def _numbered(node: Node) -> list[Node]:
    """The children called 1, 2, 3, ... in their order."""
    try:
        return [node[key] for key in sorted((key for key in node if key is not None), key=_integer)]
    except ValueError:
        raise SerializationException("A list's elements are numbered from 1") from None


def _list(wrapper: str | None, member: Reader) -> Reader:
    def read(node: Node) -> list[Any]:
        return [member(item) for item in _numbered(node.get(wrapper, {}) if wrapper else node)]

    return read


def _map(wrapper: str | None, key_name: str, value_name: str, value: Reader) -> Reader:
    key = _leaf(tree.read_string)

    def read(node: Node) -> dict[str, Any]:
        entries = _numbered(node.get(wrapper, {}) if wrapper else node)
        return {key(entry.get(key_name, {})): value(entry.get(value_name, {})) for entry in entries}

    return read


# -- writing ---------------------------------------------------------------------------------------------------------


@cache
def _not_xml() -> re.Pattern[str]:
    """What XML 1.0 can't carry, not even escaped (https://www.w3.org/TR/xml/#charsets). Slow to compile."""
    return re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: Any) -> str:
    return _not_xml().sub("\ufffd", str(value)).translate(_ESCAPES)


def _float(value: float) -> str:
    return str(tree.write_float(value)) if not math.isfinite(value) else repr(float(value)).removesuffix(".0")


def text_writer(ref: Ref, shape: Shape, timestamp_format: str) -> Callable[[Any], str]:
    if shape.type == "timestamp":
        form = timestamps.FORMATS[ref.timestamp_format or shape.timestamp_format or timestamp_format]
        return lambda value: str(form(value))
    return _TEXT_WRITERS.get(shape.type, str)


_TEXT_WRITERS: dict[str, Callable[[Any], str]] = {
    "boolean": lambda value: "true" if value else "false",
    "blob": tree.write_base64,
    "float": _float,
    "double": _float,
}


class XmlWriters:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache: dict[Ref, Writer] = {}

    def writer(self, ref: Ref) -> Writer:
        if ref not in self._cache:
            self._cache[ref] = tree.late(self._cache, ref)
            self._cache[ref] = self._compile(ref, self._model.shape(ref))
        return self._cache[ref]

    def _compile(self, ref: Ref, shape: Shape) -> Writer:
        flattened = ref.flattened or shape.flattened
        if shape.type == "structure":
            return _element(self.members_writer(shape))
        if shape.type == "list":
            assert shape.member is not None
            return _write_list(shape.member.location_name, self.writer(shape.member), flattened)
        if shape.type == "map":
            assert shape.key is not None
            assert shape.value is not None
            entry = _write_entry(
                shape.key.location_name or "key", shape.value.location_name or "value", self.writer(shape.value)
            )
            return _write_map(entry, flattened)
        return _write_scalar(text_writer(ref, shape, "iso8601"))

    def members_writer(self, shape: Shape) -> Callable[[list[str], Mapping[str, Any]], None]:
        """The elements inside of a structure's own."""
        table = {name: (ref.location_name or name, self.writer(ref)) for name, ref in shape.members.items()}

        def write(out: list[str], value: Mapping[str, Any]) -> None:
            for key, item in value.items():
                if item is not None and key in table:
                    name, writer = table[key]
                    writer(out, name, item)

        return write


def _element(content: Callable[[list[str], Any], None]) -> Writer:
    def write(out: list[str], name: str, value: Any) -> None:
        out.append(f"<{name}>")
        content(out, value)
        out.append(f"</{name}>")

    return write


def _write_scalar(form: Callable[[Any], str]) -> Writer:
    def write(out: list[str], name: str, value: Any) -> None:
        out.append(f"<{name}>{text(form(value))}</{name}>")

    return write


def _write_list(member_name: str | None, member: Writer, flattened: bool) -> Writer:
    def write_all(out: list[str], name: str, items: Iterable[Any]) -> None:
        for item in items:
            member(out, name, item)

    if flattened:
        return lambda out, name, items: write_all(out, member_name or name, items)
    return _element(lambda out, items: write_all(out, member_name or "member", items))


def _write_entry(key_name: str, value_name: str, value: Writer) -> Callable[[list[str], Any], None]:
    def write(out: list[str], item: tuple[str, Any]) -> None:
        out.append(f"<{key_name}>{text(item[0])}</{key_name}>")
        value(out, value_name, item[1])

    return write


def _write_map(entry: Callable[[list[str], Any], None], flattened: bool) -> Writer:
    one = _element(entry)

    def write_all(out: list[str], name: str, value: Mapping[str, Any]) -> None:
        for item in value.items():
            one(out, name, item)

    return write_all if flattened else _element(lambda out, value: write_all(out, "entry", value))
