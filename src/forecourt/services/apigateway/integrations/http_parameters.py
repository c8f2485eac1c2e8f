"""Parameter mapping of HTTP APIs: `overwrite:header.x = $request.querystring.y`, compiled to functions.

A value may be one selection expression, text, or text with `${expressions}` in it.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.integrations.mapping import query_pairs, text_of
from forecourt.services.apigateway.plan.context import http_context_value
from forecourt.services.apigateway.plan.errors import configuration_error
from forecourt.services.apigateway.plan.messages import MethodRequest, decode_component
from forecourt.services.apigateway.vtl import JsonPath

_EMBEDDED = re.compile(r"\$\{((?:request|response|context|stageVariables)[^}]*)\}")

# AWS cuts a body here before it looks for a path in it.
_MOST_BYTES_OF_A_PATH = 100 * 1024


class Seen(NamedTuple):
    """What an expression is evaluated on. `headers` are the response's, for `$response.*`."""

    request: MethodRequest
    headers: Headers
    body: bytes


Source = Callable[[Seen], str | None]


def compile_source(expression: str, variables: Mapping[str, str]) -> Source:
    if expression.startswith("$") and not expression.startswith("${"):
        return _selection(expression[1:], variables)
    pieces = _EMBEDDED.split(expression)
    if len(pieces) == 1:
        return lambda seen: expression
    sources = [_selection(name, variables) for name in pieces[1::2]]
    literals = pieces[0::2]

    def joined(seen: Seen) -> str:
        values = [source(seen) or "" for source in sources]
        return literals[0] + "".join(value + literal for value, literal in zip(values, literals[1:], strict=True))

    return joined


def _selection(text: str, variables: Mapping[str, str]) -> Source:
    head, _, rest = text.partition(".")
    if head == "context":
        return lambda seen: text_of(http_context_value(seen.request, rest))
    if head == "stageVariables":
        return lambda seen: variables.get(rest)
    place, _, name = rest.partition(".")
    compiler = _PLACES.get((head, place))
    return compiler(name) if compiler is not None else lambda seen: None


def _request_header(name: str) -> Source:
    key = name.lower().encode()

    def header(seen: Seen) -> str | None:
        """A client's names are in lower case already."""
        values = [value for name, value in seen.request.headers if name == key]
        return b",".join(values).decode("latin-1") if values else None

    return header


def _response_header(name: str) -> Source:
    key = name.lower().encode()
    return lambda seen: _joined(seen.headers, key)


def _joined(headers: Headers, key: bytes) -> str | None:
    values = [value.decode("latin-1") for name, value in headers if name.lower() == key]
    return ",".join(values) if values else None


def _query(name: str) -> Source:
    def query(seen: Seen) -> str | None:
        values = [value for key, value in query_pairs(seen.request) if key == name]
        return ",".join(values) if values else None

    return query


def _path(name: str) -> Source:
    if not name:
        return lambda seen: seen.request.path_for_event

    def path(seen: Seen) -> str | None:
        raw = seen.request.raw_path_parameters.get(name)
        return None if raw is None else decode_component(raw)

    return path


def _body(name: str) -> Source:
    if not name:
        return lambda seen: seen.body.decode("utf-8", "replace")
    path = JsonPath(f"$.{name}")

    def body(seen: Seen) -> str | None:
        try:
            return text_of(path.find(msgspec.json.decode(seen.body[:_MOST_BYTES_OF_A_PATH])))
        except (ValueError, RecursionError):
            return None

    return body


_PLACES: Mapping[tuple[str, str], Callable[[str], Source]] = {
    ("request", "header"): _request_header,
    ("request", "querystring"): _query,
    ("request", "path"): _path,
    ("request", "body"): _body,
    ("response", "header"): _response_header,
    ("response", "body"): _body,
}


class Change(NamedTuple):
    """`append`, `overwrite` or `remove` of a header or query parameter, or `overwrite` of `path` or `statuscode`."""

    verb: str
    place: str
    name: str
    source: Source


def compile_changes(parameters: Mapping[str, str] | None, variables: Mapping[str, str]) -> tuple[Change, ...]:
    changes = []
    for destination, expression in (parameters or {}).items():
        verb, _, rest = destination.partition(":")
        place, _, name = rest.partition(".")
        changes.append(Change(verb, place, name, compile_source(str(expression), variables)))
    return tuple(changes)


def changed_path(changes: tuple[Change, ...], seen: Seen) -> str | None:
    """None: it stays as it is."""
    for change in changes:
        if change.place == "path" and (value := change.source(seen)) is not None:
            return quote(value if value.startswith("/") else f"/{value}", safe="/%!$&'()*+,;=:@-._~")
    return None


def changed_query(request: MethodRequest, changes: tuple[Change, ...], seen: Seen) -> str:
    pairs = apply_to_pairs(query_pairs(request), changes, "querystring", seen)
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


def apply_to_pairs(pairs: list[tuple[str, str]], changes: tuple[Change, ...], place: str, seen: Seen) -> list[Any]:
    """Headers or query parameters, changed. Names of headers are compared in lower case, which they are in."""
    for change in changes:
        if change.place != place:
            continue
        name = change.name.lower() if place == "header" else change.name
        value = None if change.verb == "remove" else change.source(seen)
        if value is not None and any(char in value for char in "\r\n\0"):
            raise configuration_error("a mapped value holds a line break")
        if change.verb == "remove" or (change.verb == "overwrite" and value is not None):
            pairs = [pair for pair in pairs if pair[0] != name]
        if value is not None:
            pairs = [*pairs, (name, value)]
    return pairs
