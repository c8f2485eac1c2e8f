"""JSON Web Tokens of a user pool, pure: claims, RS256 signatures (RFC 7515, 7518), the key set (RFC 7517), and checks.

A pool has one active RSA key and keeps the ones it rotated away from until their last token expired. Verification takes
only RS256, only a `kid` of that pool, and never a key or an algorithm that the token itself brings (RFC 8725, 3.1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
KEY_BITS = 2048
# What AccessTokenValidity and IdTokenValidity may be at most: a day.
LONGEST_LIFE_SECONDS = 86400
SIGN_IN_SCOPE = "aws.cognito.signin.user.admin"


class InvalidToken(ValueError):
    """The token is not one of ours, or no longer good."""


class Key:
    """A pool's key pair; the header of its tokens is encoded once."""

    def __init__(self, kid: str, private: rsa.RSAPrivateKey) -> None:
        self.kid = kid
        self.private = private
        self.public = private.public_key()
        self.header = encode_base64url(msgspec.json.encode({"kid": kid, "alg": "RS256"}))

    @classmethod
    def load(cls, kid: str, der: bytes) -> Key:
        # The key is our own and was sealed: re-checking its primes costs 30 ms and buys nothing.
        private = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("not an RSA key")
        return cls(kid, private)


def generate_key() -> bytes:
    """A new private key as PKCS #8. Takes some 70 ms, without the interpreter's lock."""
    return rsa.generate_private_key(65537, KEY_BITS).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_id(der: bytes) -> str:
    """Base64 of a hash: the form of Cognito's `kid`s, and stable."""
    return base64.b64encode(hashlib.sha256(b"kid" + der).digest()).decode()


def sign(key: Key, claims: Mapping[str, Any]) -> str:
    body = key.header + b"." + encode_base64url(msgspec.json.encode(claims))
    return (body + b"." + encode_base64url(key.private.sign(body, _PADDING, _SHA256))).decode()


def jwks(keys: Iterable[Key]) -> dict[str, Any]:
    return {"keys": [_jwk(key) for key in keys]}


def _jwk(key: Key) -> dict[str, str]:
    numbers = key.public.public_numbers()
    return {
        "alg": "RS256",
        "e": _number(numbers.e),
        "kid": key.kid,
        "kty": "RSA",
        "n": _number(numbers.n),
        "use": "sig",
    }


def peek(token: str) -> dict[str, Any]:
    """The claims, unverified: to find out whose token it claims to be. Raises `InvalidToken`."""
    return _parse(token)[1]


def verify(token: str, keys: Mapping[str, Key], now: float) -> dict[str, Any]:
    """The claims of a token that one of `keys` signed and that has not expired. Raises `InvalidToken`."""
    header, claims, body, signature = _parse(token)
    if header.get("alg") != "RS256" or "crit" in header:
        raise InvalidToken("the algorithm is not RS256")
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise InvalidToken("the key is unknown")
    try:
        key.public.verify(signature, body, _PADDING, _SHA256)
    except InvalidSignature:
        raise InvalidToken("the signature is wrong") from None
    if not isinstance(claims.get("exp"), int) or claims["exp"] <= now:
        raise InvalidToken("the token has expired")
    return claims


def access_claims(
    *,
    issuer: str,
    client_id: str,
    sub: str,
    username: str,
    scopes: Sequence[str],
    groups: Sequence[str],
    times: Times,
    jti: str,
    origin_jti: str,
    event_id: str,
    device_key: str = "",
    hosted: bool = False,
    resource: str = "",
) -> dict[str, Any]:
    """`resource` is what the client asked the token to be for (RFC 8707); without it there is no audience."""
    return {
        "sub": sub,
        **({"device_key": device_key} if device_key else {}),
        **({"cognito:groups": list(groups)} if groups else {}),
        "iss": issuer,
        **({"version": 2} if hosted else {}),
        "client_id": client_id,
        **({"aud": resource} if resource else {}),
        **({"origin_jti": origin_jti} if origin_jti else {}),
        "event_id": event_id,
        "token_use": "access",
        "scope": " ".join(scopes),
        "auth_time": times.auth_time,
        "exp": times.access_expires_at,
        "iat": times.issued_at,
        "jti": jti,
        "username": username,
    }


def id_claims(
    *,
    issuer: str,
    client_id: str,
    sub: str,
    username: str,
    attributes: Mapping[str, Any],
    groups: Sequence[str],
    roles: Sequence[str],
    preferred_role: str,
    times: Times,
    jti: str,
    origin_jti: str,
    event_id: str,
    nonce: str = "",
    access_token: str = "",
) -> dict[str, Any]:
    """`access_token` is given where a browser gets both; the ID token binds it by `at_hash` (OIDC Core, 3.2.2.9)."""
    return {
        **({"at_hash": half_hash(access_token)} if access_token else {}),
        "sub": sub,
        **({"cognito:groups": list(groups)} if groups else {}),
        **({"cognito:preferred_role": preferred_role} if preferred_role else {}),
        "iss": issuer,
        "cognito:username": username,
        **({"nonce": nonce} if nonce else {}),
        **({"origin_jti": origin_jti} if origin_jti else {}),
        **({"cognito:roles": list(roles)} if roles else {}),
        "aud": client_id,
        "event_id": event_id,
        "token_use": "id",
        "auth_time": times.auth_time,
        "exp": times.id_expires_at,
        "iat": times.issued_at,
        "jti": jti,
        **{name: value for name, value in attributes.items() if name != "sub"},
    }


def client_claims(
    *, issuer: str, client_id: str, scopes: Sequence[str], issued_at: int, expires_at: int, jti: str
) -> dict[str, Any]:
    """An access token of a machine (`client_credentials`): the client is its own subject."""
    return {
        "sub": client_id,
        "token_use": "access",
        "scope": " ".join(scopes),
        "auth_time": issued_at,
        "iss": issuer,
        "exp": expires_at,
        "iat": issued_at,
        "version": 2,
        "jti": jti,
        "client_id": client_id,
    }


class Times(msgspec.Struct, frozen=True):
    """Epoch seconds."""

    auth_time: int
    issued_at: int
    access_expires_at: int
    id_expires_at: int


_UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


def validity_seconds(client_settings: Mapping[str, Any], token: str) -> int:
    """`token` is AccessToken, IdToken or RefreshToken. AWS's defaults: an hour, an hour, thirty days."""
    default_value, default_unit = (30, "days") if token == "RefreshToken" else (1, "hours")
    value = client_settings.get(f"{token}Validity") or default_value
    default_unit = "days" if token == "RefreshToken" else "hours"
    unit = client_settings.get("TokenValidityUnits", {}).get(token, default_unit)
    return int(value) * _UNIT_SECONDS[unit]


def half_hash(text: str) -> str:
    """OpenID Connect's `at_hash` and `c_hash` for RS256."""
    return encode_base64url(hashlib.sha256(text.encode()).digest()[:16]).decode()


def _parse(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    parts = token.encode().split(b".")
    if len(parts) != 3:
        raise InvalidToken("not a signed token")
    try:
        header = msgspec.json.decode(_decode(parts[0]), type=dict[str, Any])
        claims = msgspec.json.decode(_decode(parts[1]), type=dict[str, Any])
        return header, claims, parts[0] + b"." + parts[1], _decode(parts[2])
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidToken("not a signed token") from error


def encode_base64url(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


def _decode(data: bytes) -> bytes:
    if b"=" in data:
        raise ValueError("padding is not allowed (RFC 7515, 2)")
    return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)


def _number(value: int) -> str:
    return encode_base64url(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()
