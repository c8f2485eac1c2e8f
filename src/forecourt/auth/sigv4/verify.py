"""Whether a claim holds: time, signed headers, signature, body."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from functools import lru_cache

from forecourt.auth.sigv4.canonical import RAW_PATH_SERVICES, canonical_path, canonical_query
from forecourt.auth.sigv4.claim import STREAMING, TERMINATOR, Reason, Refused, Signature, SignedRequest

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
SKEW_SECONDS = 900

# Added on the way, or bound by the canonical request anyway (the digest is a line of its own).
_MAY_BE_UNSIGNED = frozenset({b"x-amz-user-agent", b"x-amz-cf-id", b"x-amz-content-sha256"})
_SHA256_HEX = re.compile(r"[0-9a-f]{64}\Z")
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


def verify(signature: Signature, request: SignedRequest, secret: str, now: float) -> None:
    """Returns where the request was signed with `secret`, is current and unchanged. Raises `Refused`."""
    if signature.expires is not None or not -SKEW_SECONDS <= now - signature.signed_at <= SKEW_SECONDS:
        _check_time(signature, now)
    if not signature.signed_headers.covering.issuperset(signature.headers):
        _check_signed_headers(signature)
    key = signing_key(secret, signature.date, signature.region, signature.service)
    expected = key.sign(_string_to_sign(signature, request))
    given = signature.signature
    if not given.isascii() or not hmac.compare_digest(expected, given):
        raise Refused(
            Reason.MISMATCH,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    if signature.service in RAW_PATH_SERVICES and _SHA256_HEX.match(signature.content_sha256):
        _check_body(signature, request.body)


def _check_time(signature: Signature, now: float) -> None:
    at, signed_at = signature.timestamp, signature.signed_at
    if signed_at - SKEW_SECONDS > now:
        raise Refused(Reason.SKEWED, f"Signature not yet current: {at} is still later than "
                      f"{_basic(now + SKEW_SECONDS)} ({_basic(now)} + 15 min.)")  # fmt: skip
    if signature.expires is None:
        if signed_at + SKEW_SECONDS < now:
            raise Refused(Reason.SKEWED, f"Signature expired: {at} is now earlier than "
                          f"{_basic(now - SKEW_SECONDS)} ({_basic(now)} - 15 min.)")  # fmt: skip
    elif signed_at + signature.expires < now:
        raise Refused(Reason.PRESIGNED_EXPIRED, f"Signature expired: {at} is now earlier than "
                      f"{_basic(now - signature.expires)} ({_basic(now)} - {signature.expires} sec.)")  # fmt: skip


def _basic(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y%m%dT%H%M%SZ")


def _check_signed_headers(signature: Signature) -> None:
    signed = signature.signed_headers.names
    if b"host" not in signed:
        raise Refused(Reason.NOT_SIGNED_HEADERS,
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")  # fmt: skip
    for name in signature.headers:
        if name not in signed and name.startswith(b"x-amz-") and name not in _MAY_BE_UNSIGNED:
            shown = "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
            raise Refused(Reason.NOT_SIGNED_HEADERS, f"'{shown}' must be a 'SignedHeader' in the AWS Authorization.")


def _check_body(signature: Signature, body: bytes) -> None:
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), signature.content_sha256):
        raise Refused(Reason.BODY_MISMATCH,
                      "The provided 'x-amz-content-sha256' header does not match what was computed.")  # fmt: skip


def _string_to_sign(signature: Signature, request: SignedRequest) -> bytes:
    canonical = b"\n".join((
        request.method.encode("latin-1", "replace"),
        canonical_path(request.raw_path, signature.service),
        canonical_query(request.query_string),
        signature.canonical_headers,
        _payload_hash(signature, request.body).encode("latin-1", "replace"),
    ))  # fmt: skip
    return signature.head + hashlib.sha256(canonical).hexdigest().encode()


def _payload_hash(signature: Signature, body: bytes) -> str:
    """The canonical request's last line."""
    stated = signature.content_sha256
    if signature.service in RAW_PATH_SERVICES:
        if stated:
            return stated
        return UNSIGNED_PAYLOAD if signature.expires is not None else hashlib.sha256(body).hexdigest()
    if stated == UNSIGNED_PAYLOAD or stated.startswith(STREAMING):
        return stated
    return hashlib.sha256(body).hexdigest() if body else _EMPTY_SHA256


class SigningKey:
    """HMAC-SHA256 (RFC 2104) under one key, whose two blocks are hashed once: half of the work for a short text."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def sign(self, text: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> SigningKey:
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("utf-8", "replace"), "sha256")
    return SigningKey(key)
