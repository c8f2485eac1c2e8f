"""COGNITO_USER_POOLS: a user pool's token in a header.

Without scopes on the method it has to be an identity token; with scopes an access token that carries one of them.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Mapping, Sequence
from time import perf_counter
from typing import Any, cast

import msgspec

from forecourt.base.ports import TokenRejected, TokenVerifier
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.integrations.mapping import compile_request_source
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.rest.model import Authorizer

# A token that was verified is taken again without its signature being computed anew.
_REMEMBERED_SECONDS = 300.0


def with_user_pools(
    handler: Handler,
    authorizer: Authorizer,
    scopes: Sequence[str] | None,
    served: Served,
    ports: Ports,
    results: Results[object],
) -> Handler:
    source = compile_request_source(
        authorizer.identity_source or "method.request.header.Authorization", served.variables
    )
    pools = frozenset(arn.rpartition("/")[2] for arn in authorizer.provider_arns or ())
    needed = frozenset(scopes or ())
    clock = ports.clock

    def authorize(request: MethodRequest) -> Awaitable[MethodResponse]:
        value = source(request)
        if not isinstance(value, str) or not value:
            raise GatewayError("UNAUTHORIZED")
        token = value[7:] if value[:7].lower() == "bearer " else value
        now = clock.now()
        known = results.get(token, now)
        if known is None:
            return verify(request, token, now)
        return admit(request.checked("authorizer.latency", perf_counter()), cast("Mapping[str, Any]", known))

    async def verify(request: MethodRequest, token: str, now: float) -> MethodResponse:
        started = perf_counter()
        try:
            claims = await _verify(token, pools, ports)
        finally:
            request = request.checked("authorizer.latency", started)
        results.put(token, claims, min(now + _REMEMBERED_SECONDS, float(claims.get("exp", now))))
        return await admit(request, claims)

    def admit(request: MethodRequest, claims: Mapping[str, Any]) -> Awaitable[MethodResponse]:
        _need_use(claims, needed)
        return handler(request.with_(authorizer={"claims": texts_of(claims)}))

    return authorize


async def _verify(token: str, pools: frozenset[str], ports: Ports) -> Mapping[str, Any]:
    issuer = issuer_of(token)
    verifier: TokenVerifier | None = ports.tokens
    if verifier is None or issuer.rpartition("/")[2] not in pools or not verifier.owns(issuer):
        raise GatewayError("UNAUTHORIZED", detail=f"the token's issuer {issuer!r} is none of the authorizer's pools")
    try:
        return await verifier.verify(token, issuer)
    except TokenRejected as rejected:
        message = "The incoming token has expired" if rejected.expired else None
        raise GatewayError("UNAUTHORIZED", message, detail=rejected.message) from rejected


def issuer_of(token: str) -> str:
    """What an unverified token says who issued it; empty where it is no token."""
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims.get("iss", ""))
    except (IndexError, binascii.Error, ValueError, msgspec.DecodeError, AttributeError):
        return ""


def _need_use(claims: Mapping[str, Any], scopes: frozenset[str]) -> None:
    use = claims.get("token_use")
    if not scopes:
        if use != "id":
            raise GatewayError("UNAUTHORIZED", detail="an identity token is needed")
    elif use != "access" or not scopes.intersection(str(claims.get("scope", "")).split()):
        raise GatewayError("UNAUTHORIZED", detail="an access token with one of the method's scopes is needed")


def texts_of(claims: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return msgspec.json.encode(value).decode()
