"""Lambda integrations of HTTP APIs: a function is called with an event, and what it answers becomes the response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.http.model import Integration
from forecourt.services.apigateway.integrations.http_events import EVERYTHING, event_1, event_2
from forecourt.services.apigateway.integrations.http_parameters import (
    Change,
    Seen,
    apply_to_pairs,
    changed_path,
    changed_query,
    compile_changes,
)
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    NotPermitted,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.integrations.lambda_proxy import header_name, read_answer
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.upstream import end_to_end

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
_NOT_PERMITTED = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. "
    "Check the permissions and try again."
)


def http_function(integration: Integration, served: Served, ports: Ports) -> Handler:
    uri = integration.integration_uri or ""
    function = function_of(uri, served.variables) or uri
    context_of = caller_context(served, ports, integration.credentials_arn)
    timeout = integration.timeout_in_millis / 1000
    is_second = integration.payload_format_version != "1.0"
    changes = compile_changes(integration.request_parameters, served.variables)
    now = asyncio.get_running_loop().time

    async def proxy(request: MethodRequest) -> MethodResponse:
        await request.body.read()
        changed = _changed(request, changes) if changes else request
        event = event_2(changed) if is_second else event_1(changed)
        started = now()
        try:
            context = await context_of(request)
            _, answer = await invoke(ports, context, function, msgspec.json.encode(event), timeout)
        except FunctionError as error:
            raise GatewayError("API_CONFIGURATION_ERROR", detail=error.for_log) from error
        except NotPermitted as error:
            raise GatewayError("API_CONFIGURATION_ERROR", detail=_NOT_PERMITTED) from error
        latency_ms = (now() - started) * 1000
        response = (_answer_2 if is_second else _answer_1)(request, answer, latency_ms)
        return msgspec.structs.replace(response, integration_request_id=context.call_id)

    return proxy


def _changed(request: MethodRequest, changes: tuple[Change, ...]) -> MethodRequest:
    """The request as a function is to see it."""
    seen = Seen(request, [], request.body.whole)
    given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
    headers = [(name.encode(), value.encode()) for name, value in apply_to_pairs(given, changes, "header", seen)]
    query = changed_query(request, changes, seen).encode("latin-1")
    path = changed_path(changes, seen)
    return msgspec.structs.replace(
        request,
        headers=headers,
        raw_path=request.raw_path if path is None else path.encode(),
        # How the client spelt its headers says nothing of those that were added.
        scope={**request.scope, "query_string": query, "header_names": None},
    )


def _answer_1(request: MethodRequest, payload: bytes, latency_ms: float) -> MethodResponse:
    try:
        accepting = _accepting_everything(request)
        return read_answer(accepting, payload, EVERYTHING, latency_ms)
    except GatewayError as error:
        raise configuration_error(error.detail) from error


def _accepting_everything(request: MethodRequest) -> MethodRequest:
    return msgspec.structs.replace(request, headers=[*request.headers, (b"accept", b"*/*")])


def _answer_2(request: MethodRequest, payload: bytes, latency_ms: float) -> MethodResponse:
    """A document without `statusCode` is the body itself."""
    try:
        answer = msgspec.json.decode(payload) if payload else None
    except (msgspec.DecodeError, RecursionError) as error:
        raise configuration_error("the function's answer is not JSON") from error
    if isinstance(answer, dict) and "statusCode" in answer:
        return _formatted(answer, latency_ms)
    body = answer.encode() if isinstance(answer, str) else payload
    return _response(200, [_JSON], body, latency_ms)


_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain;charset=UTF-8")


def _formatted(answer: dict[str, Any], latency_ms: float) -> MethodResponse:
    text = answer.get("body")
    try:
        status = 0 if isinstance(answer["statusCode"], bool) else int(answer["statusCode"])
        headers = [(header_name(k), str(v).encode()) for k, v in (answer.get("headers") or {}).items()]
        headers += [(b"set-cookie", str(cookie).encode()) for cookie in answer.get("cookies") or ()]
        body = b"" if text is None else text.encode() if isinstance(text, str) else msgspec.json.encode(text)
        body = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body
    except (TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise configuration_error(f"the function's answer is malformed: {error}") from error
    if not 200 <= status <= 599:
        raise configuration_error("the function's answer is malformed: its status is none")
    if any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in headers):
        raise configuration_error("the function's answer is malformed: a header's value holds a line break")
    headers = [header for header in end_to_end(headers) if header[0] != b"content-length"]
    if not any(name == b"content-type" for name, _ in headers):
        headers.append(_TEXT if isinstance(text, str) else _JSON)
    return _response(status, headers, body, latency_ms)


def _response(status: int, headers: Headers, body: bytes, latency_ms: float) -> MethodResponse:
    return MethodResponse(status, headers, body, None, latency_ms, integration_service_status=200)
