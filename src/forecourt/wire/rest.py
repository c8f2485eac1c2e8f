"""The REST protocols' other places: path, query string, headers, status code, and what is left for the body.

`compile_input` and `compile_output` partition a structure once into a list of small steps; a request runs the list.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from forecourt.wire.errors import SerializationException
from forecourt.wire.messages import Headers, HttpRequest
from forecourt.wire.models import Model, Operation, Ref, Shape
from forecourt.wire.query import TEXT_READERS, text_writer

QueryFields = dict[str, list[str]]
# Takes the request, its query string and the path's labels; puts what it finds into the parameters.
InputStep = Callable[[HttpRequest, QueryFields, Mapping[str, str], dict[str, Any]], None]
# Takes a member's value; appends the headers that carry it.
OutputStep = Callable[[Any, Headers], None]

_MAX_FIELDS = 1000
# What a signature puts into the query string of a presigned URL.
_PRESIGNED = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token")
)


def parse_query(query_string: bytes) -> QueryFields:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise SerializationException("The query string is not valid") from None
    fields: QueryFields = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


# -- input -----------------------------------------------------------------------------------------------------------


def input_steps(model: Model, operation: Operation, shape: Shape) -> list[InputStep]:
    steps = []
    for name, ref in shape.members.items():
        if ref.location == "querystring" and model.shape(ref).type == "map":
            steps.append(_query_map(model, name, model.shape(ref), _named_fields(model, operation, shape)))
        elif ref.location in _INPUT:
            steps.append(_INPUT[ref.location](model, name, ref))
    return steps


def _named_fields(model: Model, operation: Operation, shape: Shape) -> frozenset[str]:
    """The query string's fields that have a meaning of their own, so that a map of the others leaves them out."""
    literals = {part.partition("=")[0] for part in operation.http.request_uri.partition("?")[2].split("&")}
    members = {
        ref.location_name or name
        for name, ref in shape.members.items()
        if ref.location == "querystring" and model.shape(ref).type != "map"
    }
    return frozenset(literals | members | _PRESIGNED)


def _uri(model: Model, name: str, ref: Ref) -> InputStep:
    label, read = ref.location_name or name, TEXT_READERS[model.shape(ref).type]

    def step(_request: HttpRequest, _query: QueryFields, labels: Mapping[str, str], out: dict[str, Any]) -> None:
        if label in labels:
            out[name] = read(labels[label])

    return step


def _querystring(model: Model, name: str, ref: Ref) -> InputStep:
    shape, key = model.shape(ref), ref.location_name or name
    if shape.type == "list":
        assert shape.member is not None
        member = TEXT_READERS[model.shape(shape.member).type]
        read: Callable[[list[str]], Any] = lambda values: [member(value) for value in values]  # noqa: E731
    else:
        scalar = TEXT_READERS[shape.type]
        read = lambda values: scalar(values[-1])  # noqa: E731

    def step(_request: HttpRequest, query: QueryFields, _labels: Mapping[str, str], out: dict[str, Any]) -> None:
        if key in query:
            out[name] = read(query[key])

    return step


def _query_map(model: Model, name: str, shape: Shape, named: frozenset[str]) -> InputStep:
    assert shape.value is not None
    many = model.shape(shape.value).type == "list"

    def step(_request: HttpRequest, query: QueryFields, _labels: Mapping[str, str], out: dict[str, Any]) -> None:
        found = {key: values if many else values[-1] for key, values in query.items() if key not in named}
        if found:
            out[name] = found

    return step


def _header(model: Model, name: str, ref: Ref) -> InputStep:
    shape, key = model.shape(ref), (ref.location_name or name).lower().encode()
    read = _header_reader(model, ref, shape)

    def step(request: HttpRequest, _query: QueryFields, _labels: Mapping[str, str], out: dict[str, Any]) -> None:
        for header, value in request.headers:
            if header == key:
                out[name] = read(_text(value))
                return

    return step


def _text(value: bytes) -> str:
    """Headers are Latin-1 by the RFC and UTF-8 in practice."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _header_reader(model: Model, ref: Ref, shape: Shape) -> Callable[[str], Any]:
    if shape.type == "list":
        assert shape.member is not None
        member = TEXT_READERS[model.shape(shape.member).type]
        return lambda text: [member(item) for item in split_list(text)]
    if ref.jsonvalue or shape.jsonvalue:
        return read_jsonvalue
    return TEXT_READERS[shape.type]


def split_list(text: str) -> list[str]:
    """`a, "b, c"` at its commas outside of quotes."""
    items, current, quoted, escaped = [], "", False, False
    for char in text:
        if escaped or (char not in '\\",' or (char == "," and quoted)):
            current, escaped = current + char, False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        else:
            items.append(current.strip())
            current = ""
    return [*items, current.strip()]


def read_jsonvalue(text: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise SerializationException("Invalid JSON value") from None


def _header_map(model: Model, name: str, ref: Ref) -> InputStep:
    prefix = (ref.location_name or "").lower().encode()

    def step(request: HttpRequest, _query: QueryFields, _labels: Mapping[str, str], out: dict[str, Any]) -> None:
        found = {
            key[len(prefix) :].decode("latin-1"): _text(value)
            for key, value in request.headers
            if key.startswith(prefix)
        }
        if found:
            out[name] = found

    return step


_INPUT: dict[str | None, Callable[[Model, str, Ref], InputStep]] = {
    "uri": _uri,
    "querystring": _querystring,
    "header": _header,
    "headers": _header_map,
}


# -- output ----------------------------------------------------------------------------------------------------------


def output_steps(model: Model, shape: Shape) -> list[tuple[str, OutputStep]]:
    return [
        (name, _OUTPUT[ref.location](model, name, ref))
        for name, ref in shape.members.items()
        if ref.location in _OUTPUT
    ]


def _write_header(model: Model, name: str, ref: Ref) -> OutputStep:
    shape, key = model.shape(ref), (ref.location_name or name).encode()
    if shape.type == "list":
        assert shape.member is not None
        member = text_writer(shape.member, model.shape(shape.member), "rfc822")
        form: Callable[[Any], str] = lambda value: ",".join(_quoted(member(item)) for item in value)  # noqa: E731
    elif ref.jsonvalue or shape.jsonvalue:
        form = lambda value: base64.b64encode(msgspec.json.encode(value)).decode()  # noqa: E731
    else:
        form = text_writer(ref, shape, "rfc822")
    return lambda value, headers: headers.append((key, header_bytes(form(value))))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"' if "," in text or '"' in text else text


def header_bytes(text: str) -> bytes:
    """A line break in a value would let it end the header."""
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8")


def _write_header_map(_model: Model, _name: str, ref: Ref) -> OutputStep:
    prefix = ref.location_name or ""

    def step(value: Mapping[str, Any], headers: Headers) -> None:
        headers.extend((header_bytes(prefix + key), header_bytes(str(item))) for key, item in value.items())

    return step


_OUTPUT: dict[str | None, Callable[[Model, str, Ref], OutputStep]] = {
    "header": _write_header,
    "headers": _write_header_map,
}
