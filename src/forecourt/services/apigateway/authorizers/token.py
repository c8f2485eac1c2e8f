"""JSON Web Tokens: read, verified and judged, for the authorizers of both kinds of API.

Pools of this process are verified without the network.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from forecourt.base.ports import TokenRejected
from forecourt.services.apigateway.authorizers.jwks import Keys, decoded
from forecourt.services.apigateway.plan.ports import Ports

# A token that was verified is taken again without its signature being computed anew.
REMEMBERED_SECONDS = 300.0

Claims = Mapping[str, Any]

_HASHES: Mapping[str, Callable[[], hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256,
    "RS384": hashes.SHA384,
    "RS512": hashes.SHA512,
}


class Parts(NamedTuple):
    header: Mapping[str, Any]
    claims: Claims
    signed: bytes
    signature: bytes


class BadToken(Exception):
    """The message is for the client."""


def bearer(value: str) -> str:
    """The token of an `Authorization` header, with or without its scheme."""
    return value[7:].strip() if value[:7].lower() == "bearer " else value


def read_token(token: str) -> Parts:
    """Raises `BadToken`."""
    pieces = token.split(".")
    if len(pieces) != 3:
        raise BadToken("token contains an invalid number of segments")
    try:
        header, claims = (msgspec.json.decode(decoded(piece), type=dict[str, Any]) for piece in pieces[:2])
        signature = decoded(pieces[2])
    except (ValueError, RecursionError) as error:
        raise BadToken("the token cannot be decoded") from error
    return Parts(header, claims, ".".join(pieces[:2]).encode(), signature)


def issuer_of(token: str) -> str:
    """What an unverified token says who issued it; empty where it says nothing."""
    try:
        return str(msgspec.json.decode(decoded(token.split(".")[1]), type=dict[str, Any]).get("iss", ""))
    except (IndexError, ValueError, RecursionError):
        return ""


async def verify_token(token: str, issuer: str, keys: Keys, ports: Ports) -> Claims:
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


def need_current(claims: Claims, audience: frozenset[str], now: float) -> None:
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


def good_until(claims: Claims, now: float) -> float:
    """How long what was found out of a token may be remembered."""
    return min(now + REMEMBERED_SECONDS, float(claims.get("exp", now)))


def scopes_of(claims: Claims) -> list[str]:
    value = claims.get("scope") or claims.get("scp") or ""
    return [str(item) for item in value] if isinstance(value, list) else str(value).split()
