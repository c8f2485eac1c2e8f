"""JWT authorizers of REST APIs: a token of one of several issuers, each with its audiences and claims.

The token says who issued it; that issuer's rules hold and no other's. What is wrong with it stays untold, as with every
authorizer of a REST API.
https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-jwt-authorizer.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple, cast

from forecourt.services.apigateway.authorizers.cognito import issuer_of, texts_of
from forecourt.services.apigateway.authorizers.jwks import Keys, KeyUnavailable
from forecourt.services.apigateway.authorizers.jwt import (
    BadToken,
    need_current,
    read_token,
    scopes_of,
    verify_token,
)
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.integrations.mapping import compile_request_source
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.rest.model import Authorizer, JwtAdditionalClaim

# A token that was verified is taken again without its signature being computed anew.
_REMEMBERED_SECONDS = 300.0

Claims = Mapping[str, Any]


class _Issuer(NamedTuple):
    keys: Keys
    audiences: frozenset[str]
    claims: Sequence[JwtAdditionalClaim]


def with_rest_jwt(
    handler: Handler,
    authorizer: Authorizer,
    scopes: Sequence[str] | None,
    served: Served,
    ports: Ports,
    results: Results[object],
) -> Handler:
    claims_of = compile_jwt(authorizer, served, ports, results)
    needed = frozenset(scopes or ())

    async def authorize(request: MethodRequest) -> MethodResponse:
        started = perf_counter()
        try:
            claims = await claims_of(request)
        finally:
            request = request.checked("authorizer.latency", started)
        if needed and needed.isdisjoint(scopes_of(claims)):
            raise GatewayError("ACCESS_DENIED", detail="the token has none of the method's scopes")
        return await handler(request.with_(authorizer={"claims": texts_of(claims)}))

    return authorize


def compile_jwt(
    authorizer: Authorizer, served: Served, ports: Ports, results: Results[object]
) -> Callable[[MethodRequest], Awaitable[Claims]]:
    """The claims of a request's token. Raises `GatewayError` (401)."""
    configuration = authorizer.jwt_configuration
    algorithms = frozenset(configuration.default_algorithms if configuration else ())
    issuers = {
        given.issuer: _Issuer(
            ports.issuer_keys.of(given.issuer), frozenset(given.audiences or ()), given.additional_claims or ()
        )
        for given in (configuration.issuers if configuration else ())
    }
    pools = [name for name in issuers if ports.tokens is not None and ports.tokens.owns(name)]
    source = compile_request_source(
        authorizer.identity_source or "method.request.header.Authorization", served.variables
    )

    def trusted(given: str) -> str:
        """The issuer that the authorizer trusts by the name that a token gives. Raises `BadToken`."""
        if given in issuers:
            return given
        # A pool of ours has two names, AWS's and ours: which pool the token is of, its verifier finds out.
        pool = given.rpartition("/")[2]
        for name in pools:
            if pool and name.rpartition("/")[2] == pool:
                return name
        raise BadToken("the token is of no issuer that the authorizer trusts")

    async def claims_of(request: MethodRequest) -> Claims:
        value = source(request)
        if not isinstance(value, str) or not value:
            raise GatewayError("UNAUTHORIZED")
        token = value[7:].strip() if value[:7].lower() == "bearer " else value
        now = ports.clock.now()
        known = results.get(token, now)
        if known is not None:
            return cast("Claims", known)
        try:
            claims = await verify(token, now)
        except (BadToken, KeyUnavailable) as error:
            raise GatewayError("UNAUTHORIZED", detail=str(error)) from error
        results.put(token, claims, min(now + _REMEMBERED_SECONDS, float(claims["exp"])))
        return claims

    async def verify(token: str, now: float) -> Claims:
        if str(read_token(token).header.get("alg")) not in algorithms:
            raise BadToken("the token is signed by an algorithm that the authorizer does not accept")
        name = trusted(issuer_of(token))
        issuer = issuers[name]
        claims = await verify_token(token, name, issuer.keys, ports)
        need_current(claims, issuer.audiences, now)
        for rule in issuer.claims:
            _need_claim(claims, rule)
        return claims

    return claims_of


def _need_claim(claims: Claims, rule: JwtAdditionalClaim) -> None:
    value = claims.get(rule.claim_name)
    if value is None:
        if rule.required:
            raise BadToken(f"the token has no {rule.claim_name}")
    elif not isinstance(value, str) or (rule.expected_values and value not in rule.expected_values):
        raise BadToken(f"the token's {rule.claim_name} is none that is accepted")
