"""COGNITO_USER_POOLS: a user pool's token in a header.

Without scopes on the method it has to be an identity token; with scopes an access token that carries one of them.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forecourt.base.ports import TokenRejected
from forecourt.services.apigateway.authorizers.bearing import Bearing, Verified, verified
from forecourt.services.apigateway.authorizers.step import Answer
from forecourt.services.apigateway.authorizers.token import good_until, issuer_of
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Authorizer


class UserPoolsAuthority(Bearing):
    """An `Authority[str, Verified]`."""

    def __init__(self, authorizer: Authorizer, scopes: Sequence[str] | None, served: Served, ports: Ports) -> None:
        super().__init__(authorizer, served)
        self._pools = frozenset(arn.rpartition("/")[2] for arn in authorizer.provider_arns or ())
        self._needed = frozenset(scopes or ())
        self._ports = ports

    async def ask(self, request: MethodRequest, identity: str) -> Answer[Verified]:
        issuer, verifier = issuer_of(identity), self._ports.tokens
        if verifier is None or issuer.rpartition("/")[2] not in self._pools or not verifier.owns(issuer):
            raise GatewayError(
                "UNAUTHORIZED", detail=f"the token's issuer {issuer!r} is none of the authorizer's pools"
            )
        try:
            claims = await verifier.verify(identity, issuer)
        except TokenRejected as rejected:
            message = "The incoming token has expired" if rejected.expired else None
            raise GatewayError("UNAUTHORIZED", message, detail=rejected.message) from rejected
        return Answer(verified(claims), good_until(claims, self._ports.clock.now()))

    def admit(self, request: MethodRequest, granted: Verified) -> Mapping[str, Any]:
        claims, needed = granted.claims, self._needed
        use = claims.get("token_use")
        if not needed:
            if use != "id":
                raise GatewayError("UNAUTHORIZED", detail="an identity token is needed")
        elif use != "access" or needed.isdisjoint(str(claims.get("scope", "")).split()):
            raise GatewayError("UNAUTHORIZED", detail="an access token with one of the method's scopes is needed")
        return {"authorizer": granted.told}
