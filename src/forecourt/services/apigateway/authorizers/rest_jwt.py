"""JWT authorizers of REST APIs: a token of one of several issuers, each with its audiences and claims.

The token says who issued it; that issuer's rules hold and no other's. What is wrong with it stays untold, as with every
authorizer of a REST API.
https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-jwt-authorizer.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.services.apigateway.authorizers.bearing import Bearing, Verified, verified
from forecourt.services.apigateway.authorizers.jwks import Keys, KeyUnavailable
from forecourt.services.apigateway.authorizers.step import Answer
from forecourt.services.apigateway.authorizers.token import (
    BadToken,
    Claims,
    good_until,
    issuer_of,
    need_current,
    read_token,
    scopes_of,
    verify_token,
)
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Authorizer, JwtAdditionalClaim


class _Issuer(NamedTuple):
    keys: Keys
    audiences: frozenset[str]
    claims: Sequence[JwtAdditionalClaim]


class RestJwtAuthority(Bearing):
    """An `Authority[str, Verified]`."""

    def __init__(self, authorizer: Authorizer, scopes: Sequence[str] | None, served: Served, ports: Ports) -> None:
        super().__init__(authorizer, served)
        configuration = authorizer.jwt_configuration
        self._algorithms = frozenset(configuration.default_algorithms if configuration else ())
        self._issuers = {
            given.issuer: _Issuer(
                ports.issuer_keys.of(given.issuer), frozenset(given.audiences or ()), given.additional_claims or ()
            )
            for given in (configuration.issuers if configuration else ())
        }
        self._pools = [name for name in self._issuers if ports.tokens is not None and ports.tokens.owns(name)]
        self._needed = frozenset(scopes or ())
        self._ports = ports

    async def ask(self, request: MethodRequest, identity: str) -> Answer[Verified]:
        now = self._ports.clock.now()
        try:
            claims = await self._verify(identity, now)
        except (BadToken, KeyUnavailable) as error:
            raise GatewayError("UNAUTHORIZED", detail=str(error)) from error
        return Answer(verified(claims), good_until(claims, now))

    def admit(self, request: MethodRequest, granted: Verified) -> Mapping[str, Any]:
        if self._needed and self._needed.isdisjoint(scopes_of(granted.claims)):
            raise GatewayError("ACCESS_DENIED", detail="the token has none of the method's scopes")
        return {"authorizer": granted.told}

    async def _verify(self, token: str, now: float) -> Claims:
        if str(read_token(token).header.get("alg")) not in self._algorithms:
            raise BadToken("the token is signed by an algorithm that the authorizer does not accept")
        name = self._trusted(issuer_of(token))
        issuer = self._issuers[name]
        claims = await verify_token(token, name, issuer.keys, self._ports)
        need_current(claims, issuer.audiences, now)
        for rule in issuer.claims:
            _need_claim(claims, rule)
        return claims

    def _trusted(self, given: str) -> str:
        """The issuer that the authorizer trusts by the name that a token gives. Raises `BadToken`."""
        if given in self._issuers:
            return given
        # A pool of ours has two names, AWS's and ours: which pool the token is of, its verifier finds out.
        pool = given.rpartition("/")[2]
        for name in self._pools:
            if pool and name.rpartition("/")[2] == pool:
                return name
        raise BadToken("the token is of no issuer that the authorizer trusts")


def _need_claim(claims: Claims, rule: JwtAdditionalClaim) -> None:
    value = claims.get(rule.claim_name)
    if value is None:
        if rule.required:
            raise BadToken(f"the token has no {rule.claim_name}")
    elif not isinstance(value, str) or (rule.expected_values and value not in rule.expected_values):
        raise BadToken(f"the token's {rule.claim_name} is none that is accepted")
