"""AWS_IAM: the request is signed with SigV4, and its signer may `execute-api:Invoke` the method.

https://docs.aws.amazon.com/apigateway/latest/developerguide/permissions.html
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter
from typing import Any

from forecourt.auth.errors import AuthenticationFailed
from forecourt.auth.policy import Deferred, Effect, Policy
from forecourt.auth.sigv4 import SignedRequest
from forecourt.base.errors import AccessDenied
from forecourt.base.pending import Begun, begin
from forecourt.base.principal import Principal
from forecourt.services.apigateway.authorizers.resource_policy import (
    ACTION,
    because,
    circumstances,
    denied,
    judge,
    method_arn,
)
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import Handler, Ports

_SERVICE = "execute-api"
# What authentication says -> which gateway response that is
_TYPES = {
    "MissingAuthenticationTokenException": "MISSING_AUTHENTICATION_TOKEN",
    "InvalidSignatureException": "INVALID_SIGNATURE",
    "ExpiredTokenException": "EXPIRED_TOKEN",
}


def with_iam(handler: Handler, ports: Ports, policy: Policy | None) -> Handler:
    """`policy`: the API's resource policy."""

    async def admitted(request: MethodRequest) -> MethodRequest:
        checks = {**request.checks}
        known: dict[str, Any] = {}
        started = perf_counter()
        try:
            try:
                principal = await _authenticate(request, ports)
            finally:
                checks["authenticate.latency"] = _milliseconds(started)
            known = {"principal": principal, "identity": _identity_of(principal)}
            started = perf_counter()
            try:
                await _authorize(request, principal, ports, policy)
            finally:
                checks["authorize.latency"] = _milliseconds(started)
        finally:
            request = request.with_(checks=checks, **known)
        return request

    async def wait(admission: Begun[MethodRequest]) -> MethodResponse:
        return await handler(await admission)

    def authorize(request: MethodRequest) -> Awaitable[MethodResponse]:
        if policy is None and (known := _remembered(request, ports)) is not None:
            return handler(request.with_(**known))
        admission = begin(admitted(request))
        return wait(admission) if isinstance(admission, Begun) else handler(admission)

    return authorize


def _remembered(request: MethodRequest, ports: Ports) -> dict[str, Any] | None:
    """What is known of a caller whose key and whose permission were looked up before: the signature alone is new."""
    authenticator, authorizer = ports.authenticator, ports.authorizer
    if authenticator is None or authorizer is None or not request.body.is_whole:
        return None
    started = perf_counter()
    principal = authenticator.recognize(_SERVICE, _signed(request, request.body.whole))
    if principal is None or principal.account != request.served.account:
        return None
    authenticated = perf_counter()
    if not authorizer.remembers(principal, ACTION, method_arn(request)):
        return None
    checks = {
        **request.checks,
        "authenticate.latency": int((authenticated - started) * 1000),
        "authorize.latency": _milliseconds(authenticated),
    }
    return {"principal": principal, "identity": _identity_of(principal), "checks": checks}


def _signed(request: MethodRequest, body: bytes) -> SignedRequest:
    scope = request.scope
    return SignedRequest(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body)


async def _authenticate(request: MethodRequest, ports: Ports) -> Principal:
    if ports.authenticator is None:
        raise configuration_error("no authenticator")
    signed = _signed(request, await request.body.read())
    try:
        return await ports.authenticator.authenticate_for(_SERVICE, signed, _SERVICE)
    except AuthenticationFailed as failure:
        kind = _TYPES.get(failure.code, "ACCESS_DENIED")
        raise GatewayError(kind, failure.message, error_type=failure.code) from failure


async def _authorize(request: MethodRequest, principal: Principal, ports: Ports, policy: Policy | None) -> None:
    """The resource's policy may deny; in one account it, or the caller's own policies, must allow."""
    effect = judge(policy, request, principal) if policy is not None else Effect.IMPLICIT_DENY
    same_account = principal.account == request.served.account
    if effect is Effect.EXPLICIT_DENY or (not same_account and effect is not Effect.ALLOW):
        raise denied(principal, request, because(effect, "resource-based"))
    if ports.authorizer is None:
        return
    try:
        await ports.authorizer.authorize(
            principal, ACTION, method_arn(request), Deferred(lambda: circumstances(request))
        )
    except AccessDenied as refusal:
        explicit = "explicit deny" in refusal.message
        if explicit or effect is not Effect.ALLOW:
            own = Effect.EXPLICIT_DENY if explicit else Effect.IMPLICIT_DENY
            raise denied(principal, request, because(own, "identity-based")) from refusal


def _milliseconds(started: float) -> int:
    return int((perf_counter() - started) * 1000)


# Of the principals that IAM and the sessions remember, each with itself: their ids are theirs for as long.
_IDENTITIES: dict[int, tuple[Principal, dict[str, str | None]]] = {}
_REMEMBERED = 10_000


def _identity_of(principal: Principal) -> dict[str, str | None]:
    found = _IDENTITIES.get(id(principal))
    if found is None:
        if len(_IDENTITIES) >= _REMEMBERED:
            _IDENTITIES.clear()
        found = _IDENTITIES[id(principal)] = (principal, _identity(principal))
    return found[1]


def _identity(principal: Principal) -> dict[str, str | None]:
    """`$context.identity.*`"""
    context = principal.context
    found: dict[str, str | None] = {
        "accountId": principal.account,
        "accessKey": principal.access_key_id,
        "caller": principal.user_id,
        "user": principal.user_id,
        "userArn": principal.arn,
    }
    for name, key in (
        ("cognitoIdentityId", "cognito-identity.amazonaws.com:sub"),
        ("cognitoIdentityPoolId", "cognito-identity.amazonaws.com:aud"),
    ):
        value = context.get(key)
        if value is not None:
            found[name] = value if isinstance(value, str) else ",".join(value)
    means = context.get("cognito-identity.amazonaws.com:amr")
    if means:
        # `authenticated`, and by whom
        kind, *providers = [means] if isinstance(means, str) else means
        found |= {"cognitoAuthenticationType": kind, "cognitoAuthenticationProvider": ",".join(providers) or None}
    return found
