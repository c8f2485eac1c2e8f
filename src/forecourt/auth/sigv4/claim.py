"""Who a request says it is from, in its `Authorization` header or its query (a presigned URL): read, not believed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from forecourt.auth.sigv4.canonical import SignedHeaders, query_pairs
from forecourt.base.headers import once

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
STREAMING = "STREAMING-"
DEFAULT_EXPIRES_SECONDS = 900
LONGEST_PRESIGNED_SECONDS = 604_800

# Of these, a request has one at most.
_SINGLE_HEADERS = (b"authorization", b"x-amz-date", b"date", b"x-amz-security-token", b"x-amz-content-sha256")
# Longer texts are not kept in memory to save the reading of the next one.
_LONGEST_REMEMBERED = 512
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z\Z", re.ASCII)


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
    """An HTTP request as it arrived. Header names are lower-case, no blanks are around values, and a repeated header
    appears repeatedly."""

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
    # `20130524/us-east-1/s3/aws4_request`
    scope: str
    signed_headers: SignedHeaders
    signature: str
    timestamp: str
    # The timestamp in seconds of the epoch
    signed_at: float
    session_token: str
    # `X-Amz-Expires` of a presigned URL; None for the header form
    expires: int | None
    # The value of `x-amz-content-sha256`: a digest, `UNSIGNED-PAYLOAD`, `STREAMING-…`; empty where absent
    content_sha256: str
    # The request's headers as they were read for it: values by name
    headers: Mapping[bytes, bytes]
    # Of the canonical request: the signed headers' lines, a blank one, and their names
    canonical_headers: bytes
    # Of the string to sign: all but the canonical request's digest
    head: bytes


class _Signer(NamedTuple):
    """What a client's requests of a day have in common."""

    access_key_id: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: SignedHeaders


def read_signature(request: SignedRequest) -> Signature | None:
    """The signature that the request carries, or None. Raises `Refused` where it is there but not whole."""
    headers = once(request.headers, _collected, request.headers)
    authorization = headers.get(b"authorization", b"")
    query = request.query_string
    presigned = query and (b"X-Amz-Algorithm=" in query or b"X-Amz-Signature=" in query)
    if authorization and presigned:
        raise Refused(Reason.INCOMPLETE, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                      "Signature query string parameter or the Authorization header should be specified")  # fmt: skip
    if presigned:
        return _read_query(request, headers)
    if authorization:
        return once(request.headers, _read_header, request.headers)
    return None


def _collected(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Values by name; those of a repeated header joined by commas, as the canonical request has them."""
    found = dict(headers)
    if len(found) == len(headers):
        return found
    found = {}
    for name, value in headers:
        found[name] = found[name] + b"," + value if name in found else value
    return found


# --- The header ---------------------------------------------------------------------------------------------------


def _read_header(given: Sequence[tuple[bytes, bytes]]) -> Signature:
    headers = _collected(given)
    if len(headers) != len(given):
        _check_single(given)
    authorization = headers[b"authorization"].decode("latin-1")
    amz_date = headers.get(b"x-amz-date")
    timestamp = amz_date.decode("latin-1") if amz_date else _date(headers)
    head, _, signature = authorization.rpartition("Signature=")
    signer = None
    if signature and timestamp and "," not in signature and len(head) < _LONGEST_REMEMBERED:
        signer = _signer_of(head)
    if signer is None:
        fields = _fields(authorization)
        _check_whole(authorization, fields, timestamp)
        signer, signature = _signer(fields["Credential"], fields["SignedHeaders"]), fields["Signature"]
    signed_at = _signed_at(timestamp, signer)
    token, digest = headers.get(b"x-amz-security-token"), headers.get(b"x-amz-content-sha256")
    return Signature(
        *signer,
        signature.strip(),
        timestamp,
        signed_at,
        token.decode("latin-1") if token else "",
        None,
        digest.decode("latin-1") if digest else "",
        headers,
        signer.signed_headers.canonical(headers),
        _head(timestamp, signer),
    )


def _check_single(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Of what says who signs, and when, there is one or the signature is ambiguous."""
    names = [name for name, _ in headers]
    for name in _SINGLE_HEADERS:
        if names.count(name) > 1:
            raise Refused(Reason.INCOMPLETE, f"The header '{name.decode()}' is given more than once.")


@lru_cache(maxsize=4096)
def _signer_of(head: str) -> _Signer | None:
    """Where nothing but credential and signed headers stands before the signature: a client's next request, and most
    others of the day, begin the same."""
    algorithm, _, rest = head.partition(" ")
    fields = [part.strip().partition("=") for part in rest.split(",") if part.strip()]
    if algorithm != ALGORITHM or [name for name, _, value in fields if value] != ["Credential", "SignedHeaders"]:
        return None
    return _signer(fields[0][2].strip(), fields[1][2].strip())


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


def _date(headers: Mapping[bytes, bytes]) -> str:
    """Of the `Date` header, where there is no `X-Amz-Date`."""
    date = headers.get(b"date", b"").decode("latin-1")
    if not date or _TIMESTAMP.match(date):
        return date
    try:
        return parsedate_to_datetime(date).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return date


# --- The presigned URL --------------------------------------------------------------------------------------------


def _read_query(request: SignedRequest, headers: Mapping[bytes, bytes]) -> Signature:
    fields: dict[str, str] = {}
    for name, value in query_pairs(request.query_string):
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
    signer, timestamp = _signer(fields["X-Amz-Credential"], fields["X-Amz-SignedHeaders"]), fields["X-Amz-Date"]
    return Signature(
        *signer,
        fields["X-Amz-Signature"],
        timestamp,
        _signed_at(timestamp, signer),
        fields.get("X-Amz-Security-Token", ""),
        _expires(fields.get("X-Amz-Expires", str(DEFAULT_EXPIRES_SECONDS))),
        fields.get("X-Amz-Content-Sha256") or headers.get(b"x-amz-content-sha256", b"").decode("latin-1"),
        headers,
        signer.signed_headers.canonical(headers),
        _head(timestamp, signer),
    )


def _expires(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Refused(Reason.QUERY_PARAMETERS, "X-Amz-Expires should be a number")
    if (seconds := int(text[:9])) > LONGEST_PRESIGNED_SECONDS:
        raise Refused(Reason.QUERY_PARAMETERS, "X-Amz-Expires must be less than a week (in seconds); that is, the "
                      "given X-Amz-Expires must be less than 604800 seconds")  # fmt: skip
    return seconds


# --- What both say ------------------------------------------------------------------------------------------------


def _signer(credential: str, signed_headers: str) -> _Signer:
    parts = credential.split("/")
    if len(parts) != 5:
        raise Refused(Reason.INCOMPLETE, "Credential must have exactly 5 slash-delimited elements, e.g. "
                      f"keyid/date/region/service/term, got '{credential[:200]}'")  # fmt: skip
    key, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise Refused(Reason.MISMATCH, f"Credential should be scoped with a valid terminator: 'aws4_request', not "
                      f"'{terminator[:40]}'.")  # fmt: skip
    return _Signer(key, date, region, service, f"{date}/{region}/{service}/{TERMINATOR}", SignedHeaders(signed_headers))


def _head(timestamp: str, signer: _Signer) -> bytes:
    return f"{ALGORITHM}\n{timestamp}\n{signer.scope}\n".encode("utf-8", "replace")


def _signed_at(timestamp: str, signer: _Signer) -> float:
    seconds = epoch(timestamp)
    if timestamp[:8] != signer.date:
        raise Refused(Reason.MISMATCH, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                      f"from HTTP: '{signer.date[:20]}' != '{timestamp[:8]}', from '{timestamp}'.")  # fmt: skip
    return seconds


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
