"""Parameter mappings: `integration.request.header.X = method.request.querystring.y`, compiled to functions.

A source expression becomes a function of the request (or of the response), a destination a place. `None` is "there is
no such value", and then nothing is set.
https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-parameter-mapping.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.plan.context import context_value
from forecourt.services.apigateway.plan.messages import IntegrationResponse, MethodRequest
from forecourt.services.apigateway.vtl.jsonpath import JsonPath

RequestSource = Callable[[MethodRequest], str | list[str] | None]
ResponseSource = Callable[[MethodRequest, IntegrationResponse, bytes], str | list[str] | None]


class RequestMappings(NamedTuple):
    """By place and name there. `needs_body`: a source looks into the body."""

    headers: tuple[tuple[str, RequestSource], ...]
    query: tuple[tuple[str, RequestSource], ...]
    path: Mapping[str, RequestSource]
    needs_body: bool


def compile_request_mappings(parameters: Mapping[str, str] | None, variables: Mapping[str, str]) -> RequestMappings:
    headers, query, path = [], [], {}
    needs_body = False
    for destination, expression in (parameters or {}).items():
        place, _, name = destination.removeprefix("integration.request.").partition(".")
        source = compile_request_source(expression, variables)
        needs_body |= expression.startswith("method.request.body")
        if place == "header":
            headers.append((name, source))
        elif place == "querystring":
            query.append((name, source))
        elif place == "path":
            path[name] = source
    return RequestMappings(tuple(headers), tuple(query), path, needs_body)


def compile_request_source(expression: str, variables: Mapping[str, str]) -> RequestSource:
    if expression.startswith("'"):
        return _constant(expression.strip("'"))
    if expression.startswith("method.request.body"):
        return _body_source(expression.removeprefix("method.request.body"))
    if expression.startswith("context."):
        name = expression.removeprefix("context.")
        return lambda request: text_of(context_value(request, name))
    if expression.startswith("stageVariables."):
        return _constant(variables.get(expression.removeprefix("stageVariables.")))
    place, _, name = expression.removeprefix("method.request.").partition(".")
    compiler = _REQUEST_PLACES.get(place)
    return compiler(name) if compiler is not None else _constant(None)


def _constant(value: str | None) -> RequestSource:
    return lambda request: value


def _body_source(path: str) -> RequestSource:
    """`method.request.body` or `method.request.body.{JSONPath without the $}`."""
    if not path:
        return lambda request: _body(request).decode("utf-8", "replace")
    json_path = JsonPath("$" + path)
    return lambda request: _at(json_path, _body(request))


def _body(request: MethodRequest) -> bytes:
    """A gateway response may be asked for a body that nobody has read."""
    return request.body.whole if request.body.is_whole else b""


def _at(json_path: JsonPath, body: bytes) -> str | None:
    try:
        return text_of(json_path.find(msgspec.json.decode(body)))
    except (ValueError, RecursionError):
        return None


def _header_source(name: str) -> RequestSource:
    key = name.lower().encode()

    def header(request: MethodRequest) -> str | None:
        value = request.header(key)
        return None if value is None else value.decode("latin-1")

    return header


def _all_headers_source(name: str) -> RequestSource:
    key = name.lower().encode()
    return lambda request: [v.decode("latin-1") for k, v in request.headers if k == key] or None


def query_pairs(request: MethodRequest) -> list[tuple[str, str]]:
    return parse_qsl(request.raw_query.decode("latin-1"), keep_blank_values=True)


def _query_source(name: str) -> RequestSource:
    def query(request: MethodRequest) -> str | None:
        values = [value for key, value in query_pairs(request) if key == name]
        return values[-1] if values else None

    return query


def _all_query_source(name: str) -> RequestSource:
    return lambda request: [value for key, value in query_pairs(request) if key == name] or None


def _path_source(name: str) -> RequestSource:
    def path(request: MethodRequest) -> str | None:
        raw = request.raw_path_parameters.get(name)
        return None if raw is None else raw.decode("latin-1")

    return path


_REQUEST_PLACES: Mapping[str, Callable[[str], RequestSource]] = {
    "header": _header_source,
    "multivalueheader": _all_headers_source,
    "querystring": _query_source,
    "multivaluequerystring": _all_query_source,
    "path": _path_source,
}


# -- responses


class ResponseMappings(NamedTuple):
    headers: tuple[tuple[bytes, ResponseSource], ...]

    def apply(self, request: MethodRequest, response: IntegrationResponse, body: bytes) -> Headers:
        mapped: Headers = []
        for name, source in self.headers:
            value = source(request, response, body)
            for item in value if isinstance(value, list) else (value,):
                if item is not None:
                    mapped.append((name, item.encode("utf-8")))
        return mapped


def compile_response_mappings(parameters: Mapping[str, str] | None, variables: Mapping[str, str]) -> ResponseMappings:
    prefix = "method.response.header."
    return ResponseMappings(
        tuple(
            (destination.removeprefix(prefix).lower().encode(), _compile_response_source(expression, variables))
            for destination, expression in (parameters or {}).items()
            if destination.startswith(prefix)
        )
    )


def _compile_response_source(expression: str, variables: Mapping[str, str]) -> ResponseSource:
    if expression.startswith("integration.response.body"):
        path = expression.removeprefix("integration.response.body")
        if not path:
            return lambda request, response, body: body.decode("utf-8", "replace")
        json_path = JsonPath("$" + path)
        return lambda request, response, body: _at(json_path, body)
    for place, collect in (("header", False), ("multivalueheader", True)):
        prefix = f"integration.response.{place}."
        if expression.startswith(prefix):
            return _response_header(expression.removeprefix(prefix).lower().encode(), collect)
    source = compile_request_source(expression, variables)
    return lambda request, response, body: source(request)


def _response_header(key: bytes, collect: bool) -> ResponseSource:
    def header(request: MethodRequest, response: IntegrationResponse, body: bytes) -> str | list[str] | None:
        values = [value.decode("latin-1") for name, value in response.headers if name.lower() == key]
        if collect:
            return values or None
        return values[-1] if values else None

    return header


def text_of(value: Any) -> str | None:
    """A value as the text of a header or of a query parameter."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return str(value)
