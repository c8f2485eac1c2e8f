"""JSON Web Tokens (RFC 7519, signed: RFC 7515), read and verified. Pure.

`read` shows what a token claims; nothing of it may be believed before `verify_signature`. The algorithm must suit the
key: a token does not choose `none`, nor an HMAC over somebody's public key.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_LEEWAY_SECONDS = 300

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class JwtInvalid(Exception):
    """The token cannot be read, or its signature or its times are wrong."""


class Jwt(NamedTuple):
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read(token: str) -> Jwt:
    """Raises `JwtInvalid`."""
    parts = token.split(".")
    if len(parts) != 3:
        raise JwtInvalid("The ID Token provided is not a valid JWT.")
    try:
        header, claims = (msgspec.json.decode(_decoded(part)) for part in parts[:2])
        signature = _decoded(parts[2])
    except (ValueError, msgspec.DecodeError, UnicodeError, RecursionError):
        raise JwtInvalid("The ID Token provided is not a valid JWT.") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise JwtInvalid("The ID Token provided is not a valid JWT.")
    return Jwt(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Raises `JwtInvalid` for a key of another type or with broken parts."""
    try:
        if jwk["kty"] == "RSA":
            return rsa.RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"])).public_key()
        if jwk["kty"] == "EC":
            curve = _CURVES[jwk["crv"]]
            return ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), curve).public_key()
    except (KeyError, ValueError, TypeError) as error:
        raise JwtInvalid("the provider's key is not valid") from error
    raise JwtInvalid("the provider's key has an unknown type")


def _integer(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")


def verify_signature(token: Jwt, key: PublicKey) -> None:
    """Raises `JwtInvalid`."""
    algorithm = str(token.header.get("alg"))
    digest = _HASHES.get(algorithm[2:])
    try:
        if digest is None:
            raise JwtInvalid(f"the algorithm {algorithm} is not supported")
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed, _padding(algorithm, digest), digest)
        elif _CURVE_OF.get(algorithm) in _CURVES and _CURVES[_CURVE_OF[algorithm]].name == key.curve.name:
            key.verify(_der(token.signature, key), token.signed, ec.ECDSA(digest))
        else:
            raise JwtInvalid(f"the algorithm {algorithm} does not suit the key")
    except InvalidSignature:
        raise JwtInvalid("Couldn't verify the signature of the token.") from None


def _padding(algorithm: str, digest: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    if algorithm.startswith("PS"):
        return padding.PSS(padding.MGF1(digest), digest.digest_size)
    raise JwtInvalid(f"the algorithm {algorithm} does not suit the key")


def _der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    size = math.ceil(key.curve.key_size / 8)
    if len(signature) != 2 * size:
        raise JwtInvalid("Couldn't verify the signature of the token.")
    return utils.encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))


def is_expired(claims: Mapping[str, Any], now: float) -> bool:
    expires_at = claims.get("exp")
    return not isinstance(expires_at, int | float) or expires_at <= now


def is_early(claims: Mapping[str, Any], now: float) -> bool:
    not_before = claims.get("nbf")
    return isinstance(not_before, int | float) and not_before > now + _LEEWAY_SECONDS


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """`aud` as a list; `client_id` of an access token of a user pool, `azp` where there is no `aud`."""
    found = claims.get("aud") or claims.get("client_id") or claims.get("azp") or []
    return [found] if isinstance(found, str) else [str(item) for item in found]
