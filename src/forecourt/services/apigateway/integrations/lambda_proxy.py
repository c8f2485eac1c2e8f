"""`AWS_PROXY` to Lambda: the request as an event (payload format 1.0), the function's answer as the response, whole or
while it is written.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.integrations.headers import FROM_BACKEND, carries_signature
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.integrations.lambda_stream import invoke_streaming
from forecourt.services.apigateway.integrations.mapping import query_pairs
from forecourt.services.apigateway.plan.context import request_context
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error, malformed_proxy_response
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.rest.model import Integration

# What an answer may hold, and what the metadata of a streamed one may.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_MEMBERS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_METADATA = frozenset({"statusCode", "headers", "multiValueHeaders", "cookies"})
# Asks the function for a request's answer; raises `FunctionError`.
Ask = Callable[[MethodRequest, bytes], Awaitable[MethodResponse]]

# The gateway keeps to itself what concerns its own connection with the client.
_NOT_IN_EVENT = frozenset(
    (
        b"connection",
        b"content-md5",
        b"expect",
        b"keep-alive",
        b"max-forwards",
        b"proxy-authenticate",
        b"server",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"www-authenticate",
        b"x-forwarded-for",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-amzn-trace-id",
        b"content-length",
    )
)
_NOT_IN_EVENT_OF_SIGNED = _NOT_IN_EVENT | {b"authorization"}


def lambda_proxy(integration: Integration, served: Served, ports: Ports, binary: BinaryMediaTypes) -> Handler:
    function = function_of(integration.uri or "", served.variables)
    if function is None:
        return _nobody(integration.uri)
    if integration.response_transfer_mode == "STREAM":
        ask = _ask_streaming(function, integration, served, ports)
    else:
        ask = _ask(function, integration, served, ports, binary)

    async def proxy(request: MethodRequest) -> MethodResponse:
        await request.body.read()
        try:
            return await ask(request, msgspec.json.encode(build_event(request, binary, _unseen(request))))
        except FunctionError as error:
            raise GatewayError("API_CONFIGURATION_ERROR", status=502, detail=error.for_log) from error

    return proxy


def _nobody(uri: str | None) -> Handler:
    async def refuse(request: MethodRequest) -> MethodResponse:
        raise configuration_error(f"Invalid ARN specified in the request: {uri}")

    return refuse


def _ask(function: str, integration: Integration, served: Served, ports: Ports, binary: BinaryMediaTypes) -> Ask:
    context_of = caller_context(served, ports, integration.credentials)
    timeout = integration.timeout_in_millis / 1000
    now = asyncio.get_running_loop().time

    async def ask(request: MethodRequest, event: bytes) -> MethodResponse:
        started = now()
        context = await context_of(request)
        _, answer = await invoke(ports, context, function, event, timeout)
        response = read_answer(request, answer, binary, (now() - started) * 1000)
        return msgspec.structs.replace(response, integration_request_id=context.call_id)

    return ask


def _ask_streaming(function: str, integration: Integration, served: Served, ports: Ports) -> Ask:
    context_of = caller_context(served, ports, integration.credentials)
    timeout = integration.timeout_in_millis / 1000
    now = asyncio.get_running_loop().time

    async def ask(request: MethodRequest, event: bytes) -> MethodResponse:
        started = now()
        context = await context_of(request)
        streamed = await invoke_streaming(ports, context, function, event, timeout)
        metadata = _decoded(streamed.metadata, _METADATA)
        return MethodResponse(
            status=_status(metadata),
            headers=[*_answer_headers(metadata), *_cookies(metadata), _trace(request)],
            body=streamed.payload,
            integration_latency_ms=(now() - started) * 1000,
            integration_request_id=context.call_id,
        )

    return ask


def _unseen(request: MethodRequest) -> frozenset[bytes]:
    given = request.header(b"authorization")
    return _NOT_IN_EVENT if given is None or not carries_signature(request, given) else _NOT_IN_EVENT_OF_SIGNED


def build_event(
    request: MethodRequest, binary: BinaryMediaTypes, unseen: frozenset[bytes] = _NOT_IN_EVENT
) -> dict[str, Any]:
    headers, all_headers = event_headers(request, unseen)
    query, all_query = event_query(request)
    body, is_base64 = event_body(request, binary)
    return {
        "resource": request.resource.path,
        "path": request.path_for_event,
        "httpMethod": request.method,
        "headers": headers or None,
        "multiValueHeaders": all_headers or None,
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": all_query or None,
        "pathParameters": request.path_parameters or None,
        "stageVariables": dict(request.served.variables) or None,
        "requestContext": request_context(request),
        "body": body,
        "isBase64Encoded": is_base64,
    }


def event_headers(
    request: MethodRequest, unseen: frozenset[bytes] = _NOT_IN_EVENT
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """As the client spelt them. Where it used two spellings of one name, the first."""
    spelt: dict[bytes, str] = {}
    every: dict[str, list[str]] = {}
    for (key, value), name in zip(request.headers, request.header_names, strict=False):
        if key not in unseen:
            every.setdefault(spelt.setdefault(key, name.decode("latin-1")), []).append(value.decode("latin-1"))
    server = request.scope.get("server")
    came_by = [value.decode("latin-1") for key, value in request.headers if key == b"x-forwarded-for"]
    every["X-Forwarded-For"] = [", ".join([*came_by, request.source_ip])]
    every["X-Forwarded-Port"] = [str(server[1] if server else 443)]
    every["X-Forwarded-Proto"] = [request.scope["scheme"]]
    every["X-Amzn-Trace-Id"] = [request.trace_id]
    return {name: values[-1] for name, values in every.items()}, every


def event_query(request: MethodRequest) -> tuple[dict[str, str], dict[str, list[str]]]:
    every: dict[str, list[str]] = {}
    if request.raw_query:
        for name, value in query_pairs(request):
            every.setdefault(name, []).append(value)
    return {name: values[-1] for name, values in every.items()}, every


def event_body(request: MethodRequest, binary: BinaryMediaTypes) -> tuple[str | None, bool]:
    body = request.body.whole
    if binary and binary.holds(request.header(b"content-type")):
        return (base64.b64encode(body).decode() if body else None), bool(body)
    return (body.decode("utf-8", "replace") if body else None), False


# -- the answer


def read_answer(request: MethodRequest, payload: bytes, binary: BinaryMediaTypes, latency_ms: float) -> MethodResponse:
    """Raises `GatewayError` (502) where `payload` is not in the proxy format."""
    answer = _decoded(payload, _MEMBERS)
    return MethodResponse(
        status=_status(answer),
        headers=[*_answer_headers(answer), _trace(request)],
        body=_answer_body(answer, request, binary),
        integration_latency_ms=latency_ms,
        integration_service_status=200,
    )


def _decoded(document: bytes, members: frozenset[str]) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not members.issuperset(answer):
        raise malformed_proxy_response("Malformed Lambda proxy response")
    return answer


def _trace(request: MethodRequest) -> tuple[bytes, bytes]:
    return b"x-amzn-trace-id", request.trace_id.encode("latin-1")


def _status(answer: dict[str, Any]) -> int:
    value = answer.get("statusCode", 200)
    try:
        status = int(value)
    except (TypeError, ValueError):
        status = 0
    # 1xx is never the answer: what follows it would be taken for the response.
    if isinstance(value, bool) or not 200 <= status <= 599:
        raise malformed_proxy_response(f"Malformed Lambda proxy response: statusCode {value!r}")
    return status


def _answer_headers(answer: dict[str, Any]) -> Headers:
    """`headers` and `multiValueHeaders` merged; where both have a name, the multiple values count."""
    merged: dict[bytes, list[Any]] = {}
    for name, value in _mapping(answer, "headers").items():
        merged[header_name(name)] = [value]
    for name, values in _mapping(answer, "multiValueHeaders").items():
        merged[header_name(name)] = values if isinstance(values, list) else [values]
    headers: Headers = []
    for key, values in merged.items():
        target = FROM_BACKEND.get(key, key)
        if target is not None:
            headers += [(target, _header_value(value)) for value in values if value is not None]
    if b"content-type" not in merged:
        headers.append((b"content-type", b"application/json"))
    return headers


def _cookies(answer: dict[str, Any]) -> Headers:
    cookies = answer.get("cookies") or []
    if not isinstance(cookies, list):
        raise malformed_proxy_response("Malformed Lambda proxy response: cookies")
    return [(b"set-cookie", _header_value(cookie)) for cookie in cookies]


def _mapping(answer: dict[str, Any], member: str) -> dict[str, Any]:
    value = answer.get(member)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed_proxy_response(f"Malformed Lambda proxy response: {member}")
    return value


def header_name(name: str) -> bytes:
    """A token (RFC 9110 §5.6.2), in lower case. Raises `GatewayError`."""
    lowered = name.lower()
    if not _TOKEN.fullmatch(lowered):
        raise malformed_proxy_response("Malformed Lambda proxy response: a header's name is none")
    return lowered.encode()


def _header_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, dict | list):
        raise malformed_proxy_response("Malformed Lambda proxy response: a header's value is not a string")
    text = str(value)
    if "\r" in text or "\n" in text or "\0" in text:
        raise malformed_proxy_response("Malformed Lambda proxy response: a header's value holds a line break")
    return text.encode("utf-8")


def _answer_body(answer: dict[str, Any], request: MethodRequest, binary: BinaryMediaTypes) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise malformed_proxy_response("Malformed Lambda proxy response: body is not a string")
    if len(body) > request.served.payload_bytes:
        raise malformed_proxy_response("the response is larger than allowed maximum")
    if answer.get("isBase64Encoded") and binary and binary.accepted(request.header(b"accept")):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise malformed_proxy_response("Unable to base64 decode the body") from error
    return body.encode("utf-8")
