"""The integrations of HTTP APIs: Lambda (payload formats 1.0 and 2.0), HTTP backends, and AWS services by subtype.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import msgspec

from forecourt.base.headers import Recurring, once
from forecourt.services.apigateway.http.model import DEFAULT_ROUTE, Integration
from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.integrations.forwarding import as_gateway_error, body_for_client, forwarding
from forecourt.services.apigateway.integrations.headers import (
    NOT_TO_BACKEND,
    PLAIN_CONNECTION,
    from_http_backend,
    without_options,
)
from forecourt.services.apigateway.integrations.http_parameters import (
    Change,
    Seen,
    apply_to_pairs,
    changed_path,
    compile_changes,
)
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    NotPermitted,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.integrations.lambda_proxy import build_event, read_answer
from forecourt.services.apigateway.integrations.mapping import query_pairs
from forecourt.services.apigateway.integrations.subtypes import service_by_subtype
from forecourt.services.apigateway.integrations.uri import Target, UriTemplate, substitute_stage_variables
from forecourt.services.apigateway.plan.context import (
    context_value,
    path_with_stage,
    request_context,
)
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import Headers, MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.reach import http_way
from forecourt.upstream import Origin, Request, UpstreamError, end_to_end

_EVERYTHING = BinaryMediaTypes(["*/*"])
# Of a client's headers: what the gateway sends anew, or not at all
_REPLACED = NOT_TO_BACKEND | {b"forwarded"}
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
_NOT_PERMITTED = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. "
    "Check the permissions and try again."
)
_STATUS = re.compile(r"[2-5][0-9]{2}")
_TEXTS = ("text/", "application/json", "application/xml", "application/javascript")


def compile_integration(integration: Integration, served: Served, ports: Ports) -> Handler:
    if integration.integration_subtype:
        handler = service_by_subtype(integration, served, ports)
    elif integration.integration_type == "AWS_PROXY":
        handler = _lambda(integration, served, ports)
    else:
        handler = _http(integration, served, http_way(integration, served, ports))
    return _with_response_parameters(handler, integration, served)


# -- Lambda


def _lambda(integration: Integration, served: Served, ports: Ports) -> Handler:
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
    query = _changed_query(request, changes, seen).encode("latin-1")
    path = changed_path(changes, seen)
    return msgspec.structs.replace(
        request,
        headers=headers,
        raw_path=request.raw_path if path is None else path.encode(),
        # How the client spelt its headers says nothing of those that were added.
        scope={**request.scope, "query_string": query, "header_names": None},
    )


def _is_text(request: MethodRequest) -> bool:
    content_type = (request.header(b"content-type") or b"text/").decode("latin-1").lower()
    return content_type.startswith(_TEXTS)


def _binary_of(request: MethodRequest) -> BinaryMediaTypes:
    return BinaryMediaTypes([]) if _is_text(request) else _EVERYTHING


def event_1(request: MethodRequest) -> dict[str, Any]:
    """Payload format 1.0: a REST API's event, but that there is one request id, and no resource's."""
    context = request_context(request)
    context |= {"requestId": request.extended_request_id, "resourceId": None}
    jwt = request.authorizer.get("jwt")
    context["authorizer"] = jwt or request.authorizer.get("lambda") or {"claims": None, "scopes": None}
    for name in ("operationName", "deploymentId"):
        context.pop(name, None)
    return {"version": "1.0", **build_event(request, _binary_of(request)), "requestContext": context}


def event_2(request: MethodRequest) -> dict[str, Any]:
    """Payload format 2.0. What is not there is left out."""
    body = request.body.whole
    path = _stage_path(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": request.resource.operation_name,
        "rawPath": path,
        "rawQueryString": request.raw_query.decode("latin-1"),
        "headers": _joined_headers(request),
        "requestContext": context_2(request),
        "isBase64Encoded": bool(body) and not _is_text(request),
    }
    optional = {
        "cookies": [c.strip() for k, v in request.headers if k == b"cookie" for c in v.decode("latin-1").split(";")],
        "queryStringParameters": _joined_query(request),
        "pathParameters": request.path_parameters,
        "stageVariables": dict(request.served.variables),
        "body": (body.decode("utf-8", "replace") if _is_text(request) else base64.b64encode(body).decode()),
    }
    return event | {name: value for name, value in optional.items() if value}


def _stage_path(request: MethodRequest) -> str:
    stage = request.served.stage
    path = request.path_for_event
    return path if stage == "$default" else f"/{stage}{path}"


def context_2(request: MethodRequest) -> dict[str, Any]:
    served = request.served
    context: dict[str, Any] = {
        "accountId": served.account,
        "apiId": served.api_id,
        "domainName": context_value(request, "domainName"),
        "domainPrefix": context_value(request, "domainPrefix"),
        "http": {
            "method": request.method,
            "path": _stage_path(request),
            "protocol": context_value(request, "protocol"),
            "sourceIp": request.source_ip,
            "userAgent": context_value(request, "identity.userAgent") or "",
        },
        "requestId": request.extended_request_id,
        "routeKey": request.resource.operation_name,
        "stage": served.stage,
        "time": context_value(request, "requestTime"),
        "timeEpoch": context_value(request, "requestTimeEpoch"),
    }
    if request.authorizer:
        context["authorizer"] = dict(request.authorizer)
    elif request.principal is not None:
        context["authorizer"] = {"iam": _iam(request.identity)}
    return context


def _iam(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Who signed the request."""
    cognito = None
    if "cognitoIdentityId" in identity:
        cognito = {
            "amr": [identity.get("cognitoAuthenticationType"), *_providers(identity)],
            "identityId": identity["cognitoIdentityId"],
            "identityPoolId": identity.get("cognitoIdentityPoolId"),
        }
    return {
        "accessKey": identity.get("accessKey"),
        "accountId": identity.get("accountId"),
        "callerId": identity.get("caller"),
        "cognitoIdentity": cognito,
        "principalOrgId": identity.get("principalOrgId"),
        "userArn": identity.get("userArn"),
        "userId": identity.get("user"),
    }


def _providers(identity: Mapping[str, Any]) -> list[str]:
    return [name for name in str(identity.get("cognitoAuthenticationProvider") or "").split(",") if name]


def _joined_headers(request: MethodRequest) -> dict[str, str]:
    joined: dict[str, str] = {}
    for key, value in request.headers:
        if key in (b"cookie", b"connection", b"transfer-encoding"):
            continue
        name, text = key.decode("latin-1"), value.decode("latin-1")
        joined[name] = f"{joined[name]},{text}" if name in joined else text
    forwarded = joined.get("x-forwarded-for")
    joined["x-forwarded-for"] = f"{forwarded}, {request.source_ip}" if forwarded else request.source_ip
    server = request.scope.get("server")
    joined["x-forwarded-port"] = str(server[1] if server else 443)
    joined["x-forwarded-proto"] = request.scope["scheme"]
    joined.setdefault("x-amzn-trace-id", request.trace_id)
    return joined


def _joined_query(request: MethodRequest) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in query_pairs(request) if request.raw_query else ():
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _answer_1(request: MethodRequest, payload: bytes, latency_ms: float) -> MethodResponse:
    try:
        accepting = _accepting_everything(request)
        return read_answer(accepting, payload, _EVERYTHING, latency_ms)
    except GatewayError as error:
        raise configuration_error(error.detail) from error


def _accepting_everything(request: MethodRequest) -> MethodRequest:
    return msgspec.structs.replace(request, headers=[*request.headers, (b"accept", b"*/*")])


def _answer_2(request: MethodRequest, payload: bytes, latency_ms: float) -> MethodResponse:
    """A document without `statusCode` is the body itself."""
    try:
        answer = msgspec.json.decode(payload) if payload else None
    except msgspec.DecodeError as error:
        raise configuration_error("the function's answer is not JSON") from error
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer.encode() if isinstance(answer, str) else payload
        return MethodResponse(
            200, [(b"content-type", b"application/json")], body, None, latency_ms, integration_service_status=200
        )
    try:
        status = int(answer["statusCode"])
        headers = [(k.lower().encode(), str(v).encode()) for k, v in (answer.get("headers") or {}).items()]
        headers += [(b"set-cookie", str(cookie).encode()) for cookie in answer.get("cookies") or ()]
        text = answer.get("body")
        body = b"" if text is None else text.encode() if isinstance(text, str) else msgspec.json.encode(text)
        body = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body
    except (TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise configuration_error(f"the function's answer is malformed: {error}") from error
    if not 100 <= status <= 599 or any(b"\r" in v or b"\n" in v or b"\0" in v for _, v in headers):
        raise configuration_error("the function's answer is malformed")
    headers = [header for header in end_to_end(headers) if header[0] != b"content-length"]
    if not any(name == b"content-type" for name, _ in headers):
        headers.append(
            (b"content-type", b"application/json" if not isinstance(text, str) else b"text/plain;charset=UTF-8")
        )
    return MethodResponse(status, headers, body, None, latency_ms, integration_service_status=200)


# -- HTTP


def _http(integration: Integration, served: Served, ports: Ports) -> Handler:
    changes = compile_changes(integration.request_parameters, served.variables)
    needs_body = any("$request.body" in str(value) for value in (integration.request_parameters or {}).values())
    target_of = _target_of(integration, served)
    build_path = _path_builder(changes)
    build_headers = _header_builder(changes)
    method = (integration.integration_method or "ANY").encode()

    def asked(request: MethodRequest) -> tuple[Origin, Request]:
        body = request.body
        host, target = target_of(request)
        outgoing = Request(
            request.scope["method"].encode() if method == b"ANY" else method,
            build_path(target.path, request).encode("latin-1"),
            [(b"host", host), (b"x-amzn-trace-id", request.trace_id.encode("latin-1"))],
            body.whole if body.is_whole else body.stream(),
            body.length,
            build_headers(request),
        )
        return target.origin, outgoing

    timeout_seconds = integration.timeout_in_millis / 1000
    return forwarding(asked, from_http_backend, body_for_client, ports.upstream, timeout_seconds, needs_body=needs_body)


def _target_of(integration: Integration, served: Served) -> Callable[[MethodRequest], tuple[bytes, Target]]:
    """The `Host` that the backend sees, and where it is."""
    uri = integration.integration_uri or ""
    if substitute_stage_variables(uri, served.variables).startswith("arn:"):
        # A private integration: what answers is behind a VPC link, and gets host and path as the client sent them.
        origin = Origin(
            "https" if integration.tls_config else "http", "vpc-link", 443 if integration.tls_config else 80
        )
        return lambda request: (request.header(b"host") or b"", Target(origin, path_with_stage(request)))
    template = UriTemplate(uri, served.variables)

    def target(request: MethodRequest) -> tuple[bytes, Target]:
        raw = request.raw_path_parameters
        found = template.render(lambda name: raw[name].decode("latin-1") if name in raw else None)
        if request.resource.operation_name == DEFAULT_ROUTE:
            found = found.below(request.raw_path.decode("latin-1"))
        return found.origin.authority.encode(), found

    return target


def _seen(request: MethodRequest) -> Seen:
    return Seen(request, [], request.body.whole if request.body.is_whole else b"")


def _path_builder(changes: tuple[Change, ...]) -> Callable[[str, MethodRequest], str]:
    """Path and query of the backend's request, from the integration's own."""
    changes_path = any(change.place == "path" for change in changes)
    changes_query = any(change.place == "querystring" for change in changes)

    def build(own: str, request: MethodRequest) -> str:
        path, _, own_query = own.partition("?")
        query = request.scope["query_string"].decode("latin-1")
        seen = _seen(request)
        path = changed_path(changes, seen) or path
        if changes_query:
            query = _changed_query(request, changes, seen)
        query = f"{own_query}&{query}" if own_query and query else own_query or query
        return f"{path}?{query}" if query else path

    return build if changes_path or changes_query else _with_query


def _changed_query(request: MethodRequest, changes: tuple[Change, ...], seen: Seen) -> str:
    pairs = apply_to_pairs(query_pairs(request), changes, "querystring", seen)
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)


def _with_query(own: str, request: MethodRequest) -> str:
    query = request.scope["query_string"].decode("latin-1")
    if not query:
        return own
    return f"{own}&{query}" if "?" in own else f"{own}?{query}"


def _header_builder(changes: tuple[Change, ...]) -> Callable[[MethodRequest], Headers]:
    changed = tuple(change for change in changes if change.place == "header")

    def build(request: MethodRequest) -> Headers:
        *headers, forwarded = _from_client(request)
        texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        pairs = apply_to_pairs(texts, changed, "header", _seen(request))
        return [*((name.encode(), value.encode()) for name, value in pairs), forwarded]

    return build if changed else lambda request: once(request.headers, _from_client, request)


def _from_client(request: MethodRequest) -> Headers:
    """What the client's headers and its connection say, with this hop in `Forwarded` (RFC 7239) at the end."""
    headers: Headers = Recurring()
    host = before = options = b""
    for header in request.headers:
        name, value = header
        if name not in _REPLACED:
            headers.append(header)
        elif name == b"host":
            host = host or value
        elif name == b"forwarded":
            before = before + b", " + value if before else value
        elif name == b"connection":
            options += value + b","
    if options[:-1] not in PLAIN_CONNECTION:
        headers = Recurring(without_options(headers, options))
    hop = b"for=%b;host=%b;proto=%b" % (request.source_ip.encode(), host, request.scope["scheme"].encode())
    headers.append((b"forwarded", before + b", " + hop if before else hop))
    return headers


# -- the response


def _with_response_parameters(handler: Handler, integration: Integration, served: Served) -> Handler:
    if not integration.response_parameters:
        return handler
    by_status = {
        status: compile_changes(parameters, served.variables)
        for status, parameters in integration.response_parameters.items()
    }
    looks_inside = "response.body" in str(integration.response_parameters)

    async def change(request: MethodRequest) -> MethodResponse:
        response = await handler(request)
        changes = by_status.get(str(response.status))
        if changes is None:
            return response
        if looks_inside and not isinstance(response.body, bytes):
            response = msgspec.structs.replace(response, body=await _whole(response.body), length=None)
        seen = Seen(request, response.headers, response.body if isinstance(response.body, bytes) else b"")
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        headers = [(n.encode(), v.encode()) for n, v in apply_to_pairs(pairs, changes, "header", seen)]
        status = response.status
        for item in changes:
            value = item.source(seen) if item.place == "statuscode" else None
            # What is no status leaves the backend's.
            if value is not None and _STATUS.fullmatch(value):
                status = int(value)
        return msgspec.structs.replace(response, status=status, headers=headers)

    return change


async def _whole(parts: AsyncIterator[bytes]) -> bytes:
    try:
        return b"".join([part async for part in parts])
    except UpstreamError as error:
        raise as_gateway_error(error) from error
