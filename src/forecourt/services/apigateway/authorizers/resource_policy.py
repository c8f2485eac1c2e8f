"""An API's resource policy: who may call it from where.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html: alone, it must allow;
before a Lambda authorizer or a user pool it must allow, too; with AWS_IAM inside one account either may allow. An
explicit deny always denies. Requests come from no VPC: conditions on a VPC endpoint find no value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from forecourt.auth.callers import principal_keys
from forecourt.auth.policy import Effect as PolicyEffect
from forecourt.auth.policy import Policy, Request, compile_policy, context_of
from forecourt.base.principal import ANONYMOUS, Principal
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler

ACTION = "execute-api:Invoke"


def compile_resource_policy(document: str, served: Served) -> Policy:
    """`execute-api:/stage/GET/pets` is short for this API's ARN."""
    own = f"arn:aws:execute-api:{served.region}:{served.account}:{served.api_id}/"
    return compile_policy(document.replace("execute-api:/", own).replace("\\/", "/"))


def with_bounded_arn(handler: Handler, most_bytes: int) -> Handler:
    """Where a method is authorized its ARN, which the client's path parameters are part of, has a longest length."""

    def check(request: MethodRequest) -> Awaitable[MethodResponse]:
        # No shorter path makes so long an ARN, however it is encoded.
        if len(request.raw_path) > most_bytes // 4 and len(method_arn(request).encode()) > most_bytes:
            raise GatewayError("REQUEST_TOO_LARGE", "Request-URI too long", status=414, error_type="RequestURITooLong")
        return handler(request)

    return check


def with_resource_policy(handler: Handler, policy: Policy) -> Handler:
    def check(request: MethodRequest) -> Awaitable[MethodResponse]:
        verdict = judge(policy, request, ANONYMOUS)
        if verdict is not PolicyEffect.ALLOW:
            raise denied(ANONYMOUS, request, because(verdict, "resource-based"))
        return handler(request)

    return check


def judge(policy: Policy, request: MethodRequest, principal: Principal) -> PolicyEffect:
    about = {**circumstances(request), **principal_keys(principal)}
    asked = Request(ACTION, method_arn(request), context_of(about), principal)
    return policy.evaluate(asked).effect


def because(effect: PolicyEffect, kind: str) -> str:
    """Why not, as AWS says it. `kind` of policy: identity-based, resource-based."""
    if effect is PolicyEffect.EXPLICIT_DENY:
        return f"with an explicit deny in {'an' if kind[0] == 'i' else 'a'} {kind} policy"
    return f"because no {kind} policy allows the {ACTION} action"


def denied(principal: Principal, request: MethodRequest, reason: str) -> GatewayError:
    who = principal.arn or "anonymous"
    served = request.served
    hidden = f"arn:aws:execute-api:{served.region}:{'*' * 8}{served.account[-4:]}:{served.api_id}/{served.stage}"
    resource = f"{hidden}/{request.method}{_path(request)}"
    return GatewayError(
        "ACCESS_DENIED", f"User: {who} is not authorized to perform: {ACTION} on resource: {resource} {reason}"
    )


def method_arn(request: MethodRequest) -> str:
    return f"{request.served.arn_prefix}/{request.method}{_path(request)}"


def _path(request: MethodRequest) -> str:
    path = request.path_for_event
    return path if path.startswith("/") else f"/{path}"


def circumstances(request: MethodRequest) -> Mapping[str, Any]:
    """The global condition keys that AWS fills in for an invocation."""
    return {
        "aws:SourceIp": request.source_ip,
        "aws:SecureTransport": request.scope["scheme"] == "https",
        "aws:UserAgent": (request.header(b"user-agent") or b"").decode("latin-1"),
        "aws:Referer": _optional(request, b"referer"),
        "aws:CurrentTime": _iso(int(request.time)),
        "aws:EpochTime": int(request.time),
    }


def _optional(request: MethodRequest, name: bytes) -> str | None:
    value = request.header(name)
    return None if value is None else value.decode("latin-1")


@lru_cache(maxsize=4)
def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
