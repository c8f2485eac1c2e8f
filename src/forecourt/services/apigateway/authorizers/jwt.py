"""JWT authorizers of HTTP APIs: a token of any OpenID Connect issuer.

Pools of this process are verified without the network. What is wrong with a token is told in `www-authenticate`
(RFC 6750, in AWS's form).
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-jwt.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from forecourt.base.ports import TokenRejected
from forecourt.services.apigateway.authorizers.jwks import Keys, KeyUnavailable, decoded
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.http.model import Authorizer
from forecourt.services.apigateway.integrations.http_parameters import Seen, compile_source
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports

_REMEMBERED_SECONDS = 300.0
_HASHES: Mapping[str, Callable[[], hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256,
    "RS384": hashes.SHA384,
    "RS512": hashes.SHA512,
}


class Parts(NamedTuple):
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


class _Bearer(NamedTuple):
    """What is remembered of a good token, as backends are told it."""

    claims: Mapping[str, str]
    scopes: list[str]


class BadToken(Exception):
    """The message is for the client."""


def read_token(token: str) -> Parts:
    """Raises `BadToken`."""
    pieces = token.split(".")
    if len(pieces) != 3:
        raise BadToken("token contains an invalid number of segments")
    try:
        header, claims = (msgspec.json.decode(decoded(piece), type=dict[str, Any]) for piece in pieces[:2])
        signature = decoded(pieces[2])
    except ValueError as error:
        raise BadToken("the token cannot be decoded") from error
    return Parts(header, claims, ".".join(pieces[:2]).encode(), signature)


def with_jwt(
    handler: Handler,
    authorizer: Authorizer,
    scopes: list[str] | None,
    served: Served,
    ports: Ports,
    results: Results[object],
) -> Handler:
    configuration = authorizer.jwt_configuration
    issuer = (configuration.issuer if configuration else None) or ""
    audience = frozenset((configuration.audience if configuration else None) or ())
    source = compile_source((authorizer.identity_source or ["$request.header.Authorization"])[0], served.variables)
    keys = ports.issuer_keys.of(issuer)
    needed = tuple(scopes or ())
    needed_scopes = frozenset(needed)
    clock = ports.clock

    def authorize(request: MethodRequest) -> Awaitable[MethodResponse]:
        value = source(Seen(request, [], b""))
        if not value:
            raise GatewayError("UNAUTHORIZED", challenge="Bearer")
        token = value[7:].strip() if value[:7].lower() == "bearer " else value
        now = clock.now()
        bearer = cast("_Bearer | None", results.get(token, now))
        return verify(request, token, now) if bearer is None else admit(request, bearer)

    async def verify(request: MethodRequest, token: str, now: float) -> MethodResponse:
        try:
            claims = await verify_token(token, issuer, keys, ports)
            need_current(claims, audience, now)
        except (BadToken, KeyUnavailable) as error:
            raise _refusal("UNAUTHORIZED", needed, "invalid_token", str(error)) from error
        bearer = _Bearer({name: _text(value) for name, value in claims.items()}, scopes_of(claims))
        results.put(token, bearer, min(now + _REMEMBERED_SECONDS, float(claims["exp"])))
        return await admit(request, bearer)

    def admit(request: MethodRequest, bearer: _Bearer) -> Awaitable[MethodResponse]:
        if needed and needed_scopes.isdisjoint(bearer.scopes):
            raise _refusal("ACCESS_DENIED", needed, "insufficient_scope", "the token has none of the required scopes")
        told = {"jwt": {"claims": bearer.claims, "scopes": bearer.scopes if needed else None}}
        return handler(request.with_(authorizer=told))

    return authorize


def _refusal(type: str, needed: Iterable[str], code: str, description: str) -> GatewayError:
    """`needed`: the route's scopes. `authorizer_error` is what access logs tell."""
    challenge = f'Bearer scope="{" ".join(needed)}" error="{code}" error_description="{description}"'
    told = f"{code}: {description}"
    return GatewayError(type, detail=told, challenge=challenge, authorizer_error=told)


async def verify_token(token: str, issuer: str, keys: Keys, ports: Ports) -> Mapping[str, Any]:
    """The claims of a token that `issuer` signed. Raises `BadToken`, `KeyUnavailable`."""
    parts = read_token(token)
    if ports.tokens is not None and ports.tokens.owns(issuer):
        # A pool has two names, AWS's and ours: the verifier knows whether the token's issuer is this one.
        try:
            return await ports.tokens.verify(token, issuer)
        except TokenRejected as error:
            raise BadToken("the token has expired" if error.expired else "the token is not of this issuer") from error
    name = str(parts.header.get("alg"))
    algorithm = _HASHES.get(name)
    if algorithm is None:
        shown = name if name.isalnum() and name.isascii() and len(name) < 16 else "given"
        raise BadToken(f"signing method {shown} is invalid")
    if parts.claims.get("iss") != issuer:
        raise BadToken("the token does not have a valid issuer")
    key = await keys.find(str(parts.header.get("kid", "")))
    try:
        key.verify(parts.signature, parts.signed, padding.PKCS1v15(), algorithm())
    except InvalidSignature as error:
        raise BadToken("the token's signature is invalid") from error
    return parts.claims


def need_current(claims: Mapping[str, Any], audience: frozenset[str], now: float) -> None:
    """`aud`, or where there is none `client_id`, must be one of the authorizer's. Raises `BadToken`."""
    ends, begins = claims.get("exp"), [claims.get(name, 0) for name in ("nbf", "iat")]
    if not _is_number(ends) or now >= cast("float", ends):
        raise BadToken("the token has expired")
    # One second for issuers whose clocks are ahead of ours
    if not all(_is_number(at) and at <= now + 1 for at in begins):
        raise BadToken("the token is not valid yet")
    given = claims["aud"] if claims.get("aud") is not None else claims.get("client_id")
    if audience.isdisjoint(str(item) for item in (given if isinstance(given, list) else [given])):
        raise BadToken("the token does not have a valid audience")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    value = claims.get("scope") or claims.get("scp") or ""
    return [str(item) for item in value] if isinstance(value, list) else str(value).split()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(str(item) for item in value)}]"
    return str(value)
