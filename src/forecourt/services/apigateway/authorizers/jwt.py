"""JWT authorizers of HTTP APIs: a token of any OpenID Connect issuer.

The issuer's keys are found by discovery and kept; a key that is not known is looked for again, at most once a minute.
Pools of this process are verified without the network.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from forecourt.base.ports import TokenRejected
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.http.model import Authorizer
from forecourt.services.apigateway.integrations.http_parameters import Seen, compile_source
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.upstream import InvalidRequest, Origin, Request, UpstreamError

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_FETCH_SECONDS = 1.5
_MOST_BYTES = 150_000
_KEYS_KEPT_SECONDS = 7200.0
_ASK_AGAIN_SECONDS = 60.0
_REMEMBERED_SECONDS = 300.0
_HASHES: Mapping[str, Callable[[], hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256,
    "RS384": hashes.SHA384,
    "RS512": hashes.SHA512,
}


class Keys:
    """An issuer's keys by their id."""

    def __init__(self, issuer: str, ports: Ports) -> None:
        self._issuer = issuer.rstrip("/")
        self._ports = ports
        self._keys: dict[str, rsa.RSAPublicKey] = {}
        self._asked_at = float("-inf")

    async def find(self, key_id: str) -> rsa.RSAPublicKey | None:
        now = self._ports.clock.now()
        waited = now - self._asked_at
        if waited > _KEYS_KEPT_SECONDS or (key_id not in self._keys and waited > _ASK_AGAIN_SECONDS):
            self._asked_at = now
            await self._ask()
        return self._keys.get(key_id)

    async def _ask(self) -> None:
        try:
            document = await self._get(f"{self._issuer}/.well-known/openid-configuration")
            found = await self._get(str(document["jwks_uri"]))
            self._keys = {str(key.get("kid", "")): _public(key) for key in found["keys"] if key.get("kty") == "RSA"}
        except (UpstreamError, InvalidRequest, ValueError, KeyError, TypeError, AttributeError, msgspec.DecodeError):
            # The keys that are known stay good; an issuer that cannot be reached has none.
            return

    async def _get(self, url: str) -> dict[str, Any]:
        origin, parts = Origin.parse(url), urlsplit(url)
        headers = [(b"host", origin.authority.encode()), (b"accept", b"application/json")]
        request = Request(b"GET", (parts.path or "/").encode(), headers)
        response = await self._ports.upstream.send(origin, request, _FETCH_SECONDS)
        document = msgspec.json.decode(await response.read(_MOST_BYTES))
        return cast("dict[str, Any]", document)


def _public(key: Mapping[str, Any]) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(_integer(key["e"]), _integer(key["n"])).public_key()


def _integer(text: str) -> int:
    return int.from_bytes(_decoded(text))


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Parts(NamedTuple):
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read_token(token: str) -> Parts:
    """Raises `ValueError`."""
    pieces = token.split(".")
    if len(pieces) != 3:
        raise ValueError("not a JWT")
    try:
        header, claims = (msgspec.json.decode(_decoded(piece)) for piece in pieces[:2])
        signature = _decoded(pieces[2])
    except (binascii.Error, msgspec.DecodeError, UnicodeError) as error:
        raise ValueError("not a JWT") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not a JWT")
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
    keys = Keys(issuer, ports)
    needed = frozenset(scopes or ())
    clock = ports.clock

    async def authorize(request: MethodRequest) -> MethodResponse:
        value = source(Seen(request, [], b""))
        if not value:
            raise GatewayError("UNAUTHORIZED")
        token = value[7:].strip() if value[:7].lower() == "bearer " else value
        now = clock.now()
        claims = cast("Mapping[str, Any] | None", results.get(token, now))
        if claims is None:
            claims = await _verify(token, issuer, keys, ports)
            _check(claims, issuer, audience, now)
            results.put(token, claims, min(now + _REMEMBERED_SECONDS, float(claims["exp"])))
        granted = _scopes(claims)
        if needed and not needed.intersection(granted):
            raise GatewayError("ACCESS_DENIED", detail="the token has none of the route's scopes")
        told = {"jwt": {"claims": {k: _text(v) for k, v in claims.items()}, "scopes": granted if needed else None}}
        return await handler(request.with_(authorizer=told))

    return authorize


async def _verify(token: str, issuer: str, keys: Keys, ports: Ports) -> Mapping[str, Any]:
    try:
        parts = read_token(token)
        if ports.tokens is not None and ports.tokens.owns(issuer):
            return await ports.tokens.verify(token, issuer)
        algorithm = _HASHES.get(str(parts.header.get("alg")))
        key = await keys.find(str(parts.header.get("kid", ""))) if algorithm is not None else None
        if key is None or algorithm is None:
            raise ValueError("no key")
        key.verify(parts.signature, parts.signed, padding.PKCS1v15(), algorithm())
    except (ValueError, InvalidSignature, TokenRejected) as error:
        raise GatewayError("UNAUTHORIZED", detail=f"the token is not valid: {error}") from error
    return parts.claims


def _check(claims: Mapping[str, Any], issuer: str, audience: frozenset[str], now: float) -> None:
    """`aud`, or where there is none `client_id`, must be one of the authorizer's."""
    given = claims.get("aud", claims.get("client_id"))
    for_us = set(given if isinstance(given, list) else [given])
    begins = [claims.get(name, 0) for name in ("nbf", "iat")]
    ends = claims.get("exp")
    # One second for issuers whose clocks are ahead of ours
    in_time = isinstance(ends, int | float) and now < ends and all(_is_number(at) and at <= now + 1 for at in begins)
    if claims.get("iss") != issuer or not for_us.intersection(audience) or not in_time:
        raise GatewayError("UNAUTHORIZED", detail="the token is of another issuer, for somebody else, or out of time")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    value = claims.get("scope", claims.get("scp", ""))
    return [str(item) for item in value] if isinstance(value, list) else str(value).split()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(str(item) for item in value)}]"
    return str(value)
