"""What a function of an HTTP API gets: payload formats 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.integrations.lambda_proxy import build_event
from forecourt.services.apigateway.integrations.mapping import query_pairs
from forecourt.services.apigateway.plan.context import context_value, request_context
from forecourt.services.apigateway.plan.messages import MethodRequest

EVERYTHING = BinaryMediaTypes(["*/*"])
_TEXTS = ("text/", "application/json", "application/xml", "application/javascript")


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


def _is_text(request: MethodRequest) -> bool:
    content_type = (request.header(b"content-type") or b"text/").decode("latin-1").lower()
    return content_type.startswith(_TEXTS)


def _binary_of(request: MethodRequest) -> BinaryMediaTypes:
    return BinaryMediaTypes([]) if _is_text(request) else EVERYTHING
