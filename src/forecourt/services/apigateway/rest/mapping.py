"""Mapping expressions: what `requestParameters` and `responseParameters` of an integration may say.

`integration.request.header.X <- method.request.querystring.y`. The left side is where a value goes, the right side
where it comes from. AWS checks both when they are configured, and that the method declares what it is asked for.

https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from forecourt.services.apigateway.rest.errors import BadRequestException, invalid_mapping
from forecourt.services.apigateway.vtl.jsonpath import JsonPath

_NAME = r"[a-zA-Z0-9:._$-]+"
# A static value, `context.*`, `stageVariables.*`
_ELSEWHERE = r"'.*'|context\..+|stageVariables\.[a-zA-Z0-9_]+"
_REQUEST_TARGET = re.compile(rf"integration\.request\.(header|querystring|path)\.{_NAME}")
_REQUEST_SOURCE = re.compile(
    rf"method\.request\.(header|querystring|path|multivalueheader|multivaluequerystring)\.{_NAME}"
    rf"|method\.request\.body(\..+)?|{_ELSEWHERE}",
    re.DOTALL,
)
_RESPONSE_TARGET = re.compile(rf"method\.response\.header\.{_NAME}")
_RESPONSE_SOURCE = re.compile(
    rf"integration\.response\.(header|multivalueheader)\.{_NAME}|integration\.response\.body(\..+)?|{_ELSEWHERE}",
    re.DOTALL,
)
_GATEWAY_TARGET = re.compile(rf"gatewayresponse\.(header|querystring|path)\.{_NAME}")
_GATEWAY_SOURCE = re.compile(
    rf"method\.request\.(header|querystring|path|multivalueheader|multivaluequerystring)\.{_NAME}|{_ELSEWHERE}",
    re.DOTALL,
)
_METHOD_PARAMETER = re.compile(r"method\.request\.(header|querystring|path)\.(.+)", re.DOTALL)
_METHOD_RESPONSE_PARAMETER = re.compile(r"method\.response\.(header)\.(.+)", re.DOTALL)
_CACHE_KEY_PARAMETER = re.compile(
    rf"(method|integration)\.request\.(header|querystring|path|multivalueheader|multivaluequerystring)\.{_NAME}"
)
_BODY_PATH = re.compile(r"(?:method\.request|integration\.response)\.body(\..+)", re.DOTALL)
_CONTENT_TYPE = re.compile(r"[\w!#$&^.+\-*]+/[\w!#$&^.+\-*]+(\s*;.*)?|\$default")
_DECLARED = re.compile(r"method\.request\.(header|querystring|path|multivalueheader|multivaluequerystring)\.(.+)")


def need_request_mappings(mappings: Mapping[str, str] | None, declared: Iterable[str]) -> None:
    """`declared` are the method's request parameters."""
    errors = [*_malformed(mappings, _REQUEST_TARGET, _REQUEST_SOURCE)]
    known = set(declared)
    for source in (mappings or {}).values():
        match = _DECLARED.fullmatch(source)
        if match and f"method.request.{match[1].removeprefix('multivalue')}.{match[2]}" not in known:
            errors.append(f"Invalid mapping expression parameter specified: {source}")
    if errors:
        raise invalid_mapping(errors)


def need_response_mappings(mappings: Mapping[str, str] | None, declared: Iterable[str] | None) -> None:
    """`declared` are the method response's header parameters; None where there is no method response."""
    if not mappings:
        return
    if declared is None:
        raise invalid_mapping(["No method response exists for method."])
    errors = [*_malformed(mappings, _RESPONSE_TARGET, _RESPONSE_SOURCE)]
    known = set(declared)
    errors += [f"Invalid mapping expression parameter specified: {t}" for t in mappings if t not in known]
    if errors:
        raise invalid_mapping(errors)


def _malformed(mappings: Mapping[str, str] | None, target: re.Pattern[str], source: re.Pattern[str]) -> Iterable[str]:
    for left, right in (mappings or {}).items():
        if not target.fullmatch(left):
            yield f"Invalid mapping expression specified: {left}"
        if not source.fullmatch(right) or not _has_a_path(right):
            yield f"Invalid mapping expression specified: {right}"


def _has_a_path(source: str) -> bool:
    """Whether what looks into a body does so by a path that can be read."""
    match = _BODY_PATH.fullmatch(source)
    try:
        return match is None or bool(JsonPath("$" + match[1]))
    except ValueError:
        return False


def need_cache_key_parameters(names: Iterable[str], declared: Iterable[str], mapped: Iterable[str]) -> None:
    """`declared` are the method's request parameters, `mapped` the integration's."""
    names = list(names)
    errors = [f"Invalid mapping expression specified: {n}" for n in names if not _CACHE_KEY_PARAMETER.fullmatch(n)]
    if errors:
        raise invalid_mapping(errors)
    known = {*declared, *mapped}
    if any(name.replace(".multivalue", ".") not in known for name in names):
        raise BadRequestException("Invalid cache key parameter specified")


def need_gateway_mappings(mappings: Mapping[str, str] | None) -> None:
    errors = [*_malformed(mappings, _GATEWAY_TARGET, _GATEWAY_SOURCE)]
    if errors:
        raise invalid_mapping(errors)


def need_method_parameters(parameters: Iterable[str] | None) -> None:
    names = list(parameters or ())
    _need_declarations(names, _METHOD_PARAMETER)
    short = [name.split(".", 3)[3].lower() for name in names]
    if len(set(short)) != len(short):
        raise BadRequestException("Parameter names must be unique across querystring, header and path")


def need_method_response_parameters(parameters: Iterable[str] | None) -> None:
    _need_declarations(parameters or (), _METHOD_RESPONSE_PARAMETER)


def _need_declarations(names: Iterable[str], pattern: re.Pattern[str]) -> None:
    errors = []
    for name in names:
        match = pattern.fullmatch(name)
        if match is None:
            errors.append(f"Invalid mapping expression specified: {name}")
        elif not re.fullmatch(_NAME, match[2]):
            errors.append(f"Parameter name should match the following regular expression: ^{_NAME}$")
    if errors:
        raise invalid_mapping(errors)


def need_content_types(content_types: Iterable[str] | None) -> None:
    errors = [
        f"Invalid content type specified: {content_type}"
        for content_type in content_types or ()
        if not _CONTENT_TYPE.fullmatch(content_type)
    ]
    if errors:
        raise BadRequestException(f"Validation Result: warnings : [], errors : [{', '.join(errors)}]")
