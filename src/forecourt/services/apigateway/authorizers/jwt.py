"""JWT authorizers of HTTP APIs: a token of one OpenID Connect issuer.

What is wrong with a token is told in `www-authenticate` (RFC 6750, in AWS's form).
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-jwt.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from forecourt.services.apigateway.authorizers.jwks import KeyUnavailable
from forecourt.services.apigateway.authorizers.step import Answer
from forecourt.services.apigateway.authorizers.token import (
    BadToken,
    bearer,
    good_until,
    need_current,
    scopes_of,
    verify_token,
)
from forecourt.services.apigateway.http.model import Authorizer
from forecourt.services.apigateway.integrations.http_parameters import Seen, compile_source
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports


class Bearer(NamedTuple):
    """What is remembered of a good token, as backends are told it."""

    claims: Mapping[str, str]
    scopes: list[str]


class JwtAuthority:
    """An `Authority[str, Bearer]`."""

    def __init__(self, authorizer: Authorizer, scopes: list[str] | None, served: Served, ports: Ports) -> None:
        configuration = authorizer.jwt_configuration
        self._issuer = (configuration.issuer if configuration else None) or ""
        self._audience = frozenset((configuration.audience if configuration else None) or ())
        self._source = compile_source(
            (authorizer.identity_source or ["$request.header.Authorization"])[0], served.variables
        )
        self._keys = ports.issuer_keys.of(self._issuer)
        self._ports = ports
        self._needed = scopes or []
        self._needs_one_of = frozenset(self._needed)

    def identify(self, request: MethodRequest) -> str:
        value = self._source(Seen(request, [], b""))
        if not value:
            raise GatewayError("UNAUTHORIZED", challenge="Bearer")
        return bearer(value)

    async def ask(self, request: MethodRequest, identity: str) -> Answer[Bearer]:
        now = self._ports.clock.now()
        try:
            claims = await verify_token(identity, self._issuer, self._keys, self._ports)
            need_current(claims, self._audience, now)
        except (BadToken, KeyUnavailable) as error:
            raise self._refusal("UNAUTHORIZED", "invalid_token", str(error)) from error
        told = Bearer({name: _text(value) for name, value in claims.items()}, scopes_of(claims))
        return Answer(told, good_until(claims, now))

    def admit(self, request: MethodRequest, granted: Bearer) -> Mapping[str, Any]:
        needed = self._needed
        if needed and self._needs_one_of.isdisjoint(granted.scopes):
            raise self._refusal("ACCESS_DENIED", "insufficient_scope", f"expected scopes: [{' '.join(needed)}]")
        return {"authorizer": {"jwt": {"claims": granted.claims, "scopes": granted.scopes if needed else None}}}

    def _refusal(self, type: str, code: str, description: str) -> GatewayError:
        """`authorizer_error` is what access logs tell."""
        challenge = f'Bearer scope="{" ".join(self._needed)}" error="{code}" error_description="{description}"'
        told = f"{code}: {description}"
        return GatewayError(type, detail=told, challenge=challenge, authorizer_error=told)


def _text(value: Any) -> str:
    """A claim as an HTTP API tells it: what is no text as Go prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(str(item) for item in value)}]"
    return str(value)
