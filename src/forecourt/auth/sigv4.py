"""AWS Signature Version 4, verified.

    signature = read_signature(request)           # what the request claims; None where it carries no signature
    verify(signature, request, secret, now)       # returns, or raises `Refused`

A signature binds method, path, query, the signed headers, and a digest of the body, to a secret, a day, a region and a
service. The verifier rebuilds the canonical request from the bytes that arrived, so whatever was changed, added to a
signed header, or sent to another host no longer matches. Three rules beyond the arithmetic:

* `host` must be signed, and so must every `x-amz-*` header but those that proxies and browsers add: a header that
  changes the meaning of a request must not be up to whoever relays it.
* Time is checked before the secret: 15 minutes either way for a header signature, `X-Amz-Expires` for a presigned URL.
* S3 signs the path as sent; every other service (`execute-api` too) removes dot segments and empty segments and
  encodes the encoded path once more.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-"
SKEW_SECONDS = 900
LONGEST_PRESIGNED_SECONDS = 604_800

# The S3 family takes the path as it is, and the digest of the body from `x-amz-content-sha256`.
_RAW_PATH_SERVICES = frozenset({"s3", "s3-outposts", "s3-object-lambda", "s3express"})
# Added on the way, or bound by the canonical request anyway (the digest is a line of its own).
_MAY_BE_UNSIGNED = frozenset({b"x-amz-user-agent", b"x-amz-cf-id", b"x-amz-content-sha256"})
# Of these, a request has one at most.
_SINGLE_HEADERS = (b"authorization", b"x-amz-date", b"date", b"x-amz-security-token", b"x-amz-content-sha256")
# Longer texts are not kept in memory to save the reading of the next one.
_LONGEST_REMEMBERED = 512
_SHA256_HEX = re.compile(r"[0-9a-f]{64}\Z")
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z\Z")
_PLAIN_QUERY = re.compile(rb"[A-Za-z0-9\-._~=&]*\Z")
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9\-._~/]*\Z")
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class Reason(Enum):
    """Why a request is refused; `authenticate` knows what each protocol calls it."""

    MISSING = "missing"
    INCOMPLETE = "incomplete"
    QUERY_PARAMETERS = "query-parameters"
    MISMATCH = "mismatch"
    SKEWED = "skewed"
    PRESIGNED_EXPIRED = "presigned-expired"
    NOT_SIGNED_HEADERS = "not-signed-headers"
    BODY_MISMATCH = "body-mismatch"
    UNKNOWN_KEY = "unknown-key"
    INVALID_TOKEN = "invalid-token"
    EXPIRED_TOKEN = "expired-token"


class Refused(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class SignedRequest(NamedTuple):
    """An HTTP request as it arrived. Header names are lower-case; a repeated header appears repeatedly."""

    method: str
    raw_path: bytes
    query_string: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""


class Signature(NamedTuple):
    """What a request claims about its signer."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: str
    signature: str
    timestamp: str
    session_token: str
    # `X-Amz-Expires` of a presigned URL; None for the header form
    expires: int | None
    # The value of `x-amz-content-sha256`: a digest, `UNSIGNED-PAYLOAD`, `STREAMING-…`; empty where absent
    content_sha256: str
    # The request's headers as they were read for it: values by name
    headers: Mapping[bytes, bytes]

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


# --- Reading the claim -------------------------------------------------------------------------------------------


def read_signature(request: SignedRequest) -> Signature | None:
    """The signature that the request carries, or None. Raises `Refused` where it is there but not whole."""
    headers = _collected(request.headers)
    authorization = headers.get(b"authorization", b"")
    query = request.query_string
    presigned = query and (b"X-Amz-Algorithm=" in query or b"X-Amz-Signature=" in query)
    if authorization and presigned:
        raise Refused(Reason.INCOMPLETE, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                      "Signature query string parameter or the Authorization header should be specified")  # fmt: skip
    if presigned:
        return _read_query(request, headers)
    if authorization:
        return _read_header(request, headers)
    return None


def _collected(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Values by name; those of a repeated header joined by commas, as the canonical request has them."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b"," + value.strip() if name in found else value.strip()
    return found


def _read_header(request: SignedRequest, headers: dict[bytes, bytes]) -> Signature:
    if len(headers) != len(request.headers):
        _check_single(request)
    authorization = headers[b"authorization"].decode("latin-1")
    head, _, signature = authorization.rpartition("Signature=")
    claim = _claim(head) if signature and "," not in signature and len(head) < _LONGEST_REMEMBERED else None
    amz_date = headers.get(b"x-amz-date")
    timestamp = amz_date.decode("latin-1") if amz_date else _date(headers)
    if claim is None or not timestamp:
        fields = _fields(authorization)
        _check_whole(authorization, fields, timestamp)
        claim, signature = (fields["Credential"], fields["SignedHeaders"]), fields["Signature"]
    token, digest = headers.get(b"x-amz-security-token"), headers.get(b"x-amz-content-sha256")
    return _signature(
        *claim,
        signature.strip(),
        timestamp,
        token.decode("latin-1") if token else "",
        None,
        digest.decode("latin-1") if digest else "",
        headers,
    )


def _check_single(request: SignedRequest) -> None:
    """Of what says who signs, and when, there is one or the signature is ambiguous."""
    names = [name for name, _ in request.headers]
    for name in _SINGLE_HEADERS:
        if names.count(name) > 1:
            raise Refused(Reason.INCOMPLETE, f"The header '{name.decode()}' is given more than once.")


@lru_cache(maxsize=4096)
def _claim(head: str) -> tuple[str, str] | None:
    """Credential and signed headers, where nothing else stands before the signature: a client's next request, and most
    others of the day, begin the same."""
    algorithm, _, rest = head.partition(" ")
    fields = [part.strip().partition("=") for part in rest.split(",") if part.strip()]
    if algorithm != ALGORITHM or [name for name, _, value in fields if value] != ["Credential", "SignedHeaders"]:
        return None
    return fields[0][2].strip(), fields[1][2].strip()


def _fields(authorization: str) -> dict[str, str]:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise Refused(Reason.INCOMPLETE, f"Unsupported authorization type: '{algorithm[:40]}'")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in fields:
            raise Refused(Reason.INCOMPLETE, f"Authorization header has '{name}' parameter more than once.")
        fields[name] = value.strip()
    return fields


def _check_whole(authorization: str, fields: Mapping[str, str], timestamp: str) -> None:
    problems = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not fields.get(name)
    ]
    if not timestamp:
        problems.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if problems:
        digest = hashlib.sha256(authorization.encode()).hexdigest()
        raise Refused(Reason.INCOMPLETE, f"{' '.join(problems)} (Hashed with SHA-256) Authorization={digest}")


def _read_query(request: SignedRequest, headers: Mapping[bytes, bytes]) -> Signature:
    fields: dict[str, str] = {}
    for name, value in _query_pairs(request.query_string):
        text = name.decode("latin-1")
        if not text.startswith("X-Amz-"):
            continue
        if text in fields:
            raise Refused(Reason.QUERY_PARAMETERS, f"The query parameter {text} is given more than once.")
        fields[text] = value.decode("utf-8", "replace")
    if fields.get("X-Amz-Algorithm") != ALGORITHM:
        raise Refused(Reason.QUERY_PARAMETERS, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    problems = [
        f"AWS query-string parameters must include '{name}'."
        for name in ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
        if not fields.get(name)
    ]
    if problems:
        raise Refused(Reason.QUERY_PARAMETERS, f"{' '.join(problems)} Re-examine the query-string parameters.")
    return _signature(
        fields["X-Amz-Credential"],
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields["X-Amz-Date"],
        fields.get("X-Amz-Security-Token", ""),
        _expires(fields.get("X-Amz-Expires", str(SKEW_SECONDS))),
        fields.get("X-Amz-Content-Sha256") or headers.get(b"x-amz-content-sha256", b"").decode("latin-1"),
        headers,
    )


def _expires(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Refused(Reason.QUERY_PARAMETERS, "X-Amz-Expires should be a number")
    if (seconds := int(text[:9])) > LONGEST_PRESIGNED_SECONDS:
        raise Refused(Reason.QUERY_PARAMETERS, "X-Amz-Expires must be less than a week (in seconds); that is, the "
                      "given X-Amz-Expires must be less than 604800 seconds")  # fmt: skip
    return seconds


def _signature(
    credential: str,
    signed_headers: str,
    signature: str,
    timestamp: str,
    token: str,
    expires: int | None,
    content_sha256: str,
    headers: Mapping[bytes, bytes],
) -> Signature:
    key, date, region, service = _credential(credential)
    epoch(timestamp)
    if timestamp[:8] != date:
        raise Refused(Reason.MISMATCH, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                      f"from HTTP: '{date[:20]}' != '{timestamp[:8]}', from '{timestamp}'.")  # fmt: skip
    return Signature(
        key, date, region, service, signed_headers, signature, timestamp, token, expires, content_sha256, headers
    )


@lru_cache(maxsize=4096)
def _credential(text: str) -> tuple[str, str, str, str]:
    """Access key id, date, region and service."""
    parts = text.split("/")
    if len(parts) != 5 or len(text) > _LONGEST_REMEMBERED:
        raise Refused(Reason.INCOMPLETE, "Credential must have exactly 5 slash-delimited elements, e.g. "
                      f"keyid/date/region/service/term, got '{text[:200]}'")  # fmt: skip
    key, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise Refused(Reason.MISMATCH, f"Credential should be scoped with a valid terminator: 'aws4_request', not "
                      f"'{terminator[:40]}'.")  # fmt: skip
    return key, date, region, service


def _date(headers: Mapping[bytes, bytes]) -> str:
    """Of the `Date` header, where there is no `X-Amz-Date`."""
    date = headers.get(b"date", b"").decode("latin-1")
    if not date or _TIMESTAMP.match(date):
        return date
    try:
        return parsedate_to_datetime(date).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return date


# --- Verifying it -------------------------------------------------------------------------------------------------


def verify(signature: Signature, request: SignedRequest, secret: str, now: float) -> None:
    """Returns where the request was signed with `secret`, is current and unchanged. Raises `Refused`."""
    check_time(signature, now)
    headers = signature.headers
    check_signed_headers(signature, headers)
    canonical = canonical_request(signature, request, headers, payload_hash(signature, request.body))
    expected = sign(signing_key(secret, signature.date, signature.region, signature.service),
                    string_to_sign(signature, canonical))  # fmt: skip
    given = signature.signature
    if not given.isascii() or not hmac.compare_digest(expected, given):
        raise Refused(
            Reason.MISMATCH,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    if signature.service in _RAW_PATH_SERVICES and _SHA256_HEX.match(signature.content_sha256):
        check_body(signature, request.body)


def check_time(signature: Signature, now: float) -> None:
    signed_at = epoch(signature.timestamp)
    if signed_at - SKEW_SECONDS > now:
        raise Refused(Reason.SKEWED, f"Signature not yet current: {signature.timestamp} is still later than "
                      f"{_basic(now + SKEW_SECONDS)} ({_basic(now)} + 15 min.)")  # fmt: skip
    if signature.expires is None:
        if signed_at + SKEW_SECONDS < now:
            raise Refused(Reason.SKEWED, f"Signature expired: {signature.timestamp} is now earlier than "
                          f"{_basic(now - SKEW_SECONDS)} ({_basic(now)} - 15 min.)")  # fmt: skip
    elif signed_at + signature.expires < now:
        raise Refused(Reason.PRESIGNED_EXPIRED, f"Signature expired: {signature.timestamp} is now earlier than "
                      f"{_basic(now - signature.expires)} ({_basic(now)} - {signature.expires} sec.)")  # fmt: skip


def check_signed_headers(signature: Signature, headers: Mapping[bytes, bytes]) -> None:
    signed = _names(signature.signed_headers)
    if b"host" not in signed:
        raise Refused(Reason.NOT_SIGNED_HEADERS,
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")  # fmt: skip
    for name in headers:
        if name not in signed and name.startswith(b"x-amz-") and name not in _MAY_BE_UNSIGNED:
            shown = "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
            raise Refused(Reason.NOT_SIGNED_HEADERS, f"'{shown}' must be a 'SignedHeader' in the AWS Authorization.")


def _names(signed_headers: str) -> tuple[bytes, ...]:
    return _split(signed_headers) if len(signed_headers) < _LONGEST_REMEMBERED else _split.__wrapped__(signed_headers)


@lru_cache(maxsize=1024)
def _split(signed_headers: str) -> tuple[bytes, ...]:
    return tuple(signed_headers.encode("latin-1", "replace").split(b";"))


def check_body(signature: Signature, body: bytes) -> None:
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), signature.content_sha256):
        raise Refused(Reason.BODY_MISMATCH,
                      "The provided 'x-amz-content-sha256' header does not match what was computed.")  # fmt: skip


def payload_hash(signature: Signature, body: bytes) -> str:
    """The canonical request's last line."""
    stated = signature.content_sha256
    if signature.service in _RAW_PATH_SERVICES:
        if stated:
            return stated
        return UNSIGNED_PAYLOAD if signature.expires is not None else hashlib.sha256(body).hexdigest()
    if stated == UNSIGNED_PAYLOAD or stated.startswith(STREAMING):
        return stated
    return hashlib.sha256(body).hexdigest() if body else _EMPTY_SHA256


def canonical_request(
    signature: Signature, request: SignedRequest, headers: Mapping[bytes, bytes], payload: str
) -> bytes:
    names = _names(signature.signed_headers)
    signed = b"\n".join([name + b":" + headers.get(name, b"") for name in names])
    if b"  " in signed or b"\t" in signed:
        signed = b"\n".join([name + b":" + b" ".join(headers.get(name, b"").split()) for name in names])
    return b"\n".join((
        request.method.encode("latin-1", "replace"),
        canonical_path(request.raw_path, signature.service),
        canonical_query(request.query_string),
        signed,
        b"",
        signature.signed_headers.encode("latin-1", "replace"),
        payload.encode("latin-1", "replace"),
    ))  # fmt: skip


def canonical_path(raw_path: bytes, service: str) -> bytes:
    if raw_path == b"/":
        return raw_path
    if service in _RAW_PATH_SERVICES:
        return raw_path if _PLAIN_PATH.match(raw_path) and raw_path else _normalize_escapes(raw_path or b"/")
    if b"//" in raw_path or b"/." in raw_path or not raw_path.startswith(b"/"):
        raw_path = _remove_dot_segments(raw_path)
    if _PLAIN_PATH.match(raw_path):
        return raw_path
    return quote_from_bytes(raw_path, safe="/~").encode()


def _remove_dot_segments(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment and segment != b".":
            kept.append(segment)
    tail = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + tail


def _normalize_escapes(path: bytes) -> bytes:
    """Each segment escaped exactly once; an escaped slash stays escaped, since it belongs to the key's name."""
    segments = path.split(b"/")
    return b"/".join(quote_from_bytes(unquote_to_bytes(segment), safe="~").encode() for segment in segments)


def canonical_query(query: bytes) -> bytes:
    if not query:
        return b""
    if _PLAIN_QUERY.match(query):
        raw = [(name, value) for name, _, value in (part.partition(b"=") for part in query.split(b"&") if part)]
        pairs = sorted(raw) if all(b"=" not in value for _, value in raw) else _encoded_pairs(query)
    else:
        pairs = _encoded_pairs(query)
    return b"&".join([name + b"=" + value for name, value in pairs if name != b"X-Amz-Signature"])


def _encoded_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    return sorted((_encode(name), _encode(value)) for name, value in _query_pairs(query))


def _encode(text: bytes) -> bytes:
    return quote_from_bytes(text, safe="~").encode()


def _query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [part.partition(b"=") for part in query.replace(b"+", b"%20").split(b"&") if part]
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def string_to_sign(signature: Signature, canonical: bytes) -> bytes:
    digest = hashlib.sha256(canonical).hexdigest()
    return f"{ALGORITHM}\n{signature.timestamp}\n{signature.scope}\n{digest}".encode("utf-8", "replace")


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("utf-8", "replace"), "sha256")
    return key


def sign(key: bytes, text: bytes) -> str:
    return hmac.digest(key, text, "sha256").hex()


@lru_cache(maxsize=4096)
def epoch(timestamp: str) -> float:
    """Seconds of `YYYYMMDDTHHMMSSZ`. Raises `Refused` where it is not a date."""
    try:
        if not _TIMESTAMP.match(timestamp):
            raise ValueError
        return datetime(
            int(timestamp[0:4]), int(timestamp[4:6]), int(timestamp[6:8]),
            int(timestamp[9:11]), int(timestamp[11:13]), int(timestamp[13:15]), tzinfo=UTC,
        ).timestamp()  # fmt: skip
    except ValueError:
        raise Refused(Reason.INCOMPLETE, "Date must be in ISO-8601 'basic format'. Got "
                      f"'{timestamp[:40]}'. See http://en.wikipedia.org/wiki/ISO_8601") from None  # fmt: skip


def _basic(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y%m%dT%H%M%SZ")
