"""S3's browser-based uploads: a form with a policy that says which forms may be posted, and a signature over it. Pure.

    claim = read_claim(fields)              # who signed which policy; None where the form carries none
    verify(claim, secret)
    check(claim.policy, fields, bucket, size, now)

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from forecourt.auth import sigv4
from forecourt.auth.sigv4 import Reason, Refused
from forecourt.base.errors import RemoteError

# By the names of the form's fields, which count in any case: here in lower case.
Fields = Mapping[str, str]

_ALGORITHM = "AWS4-HMAC-SHA256"
# What needs no condition of the policy.
_FREE = frozenset({"policy", "x-amz-signature", "signature", "awsaccesskeyid", "file"})


class Claim(NamedTuple):
    """`policy` in base64, as it is signed. `date` is empty for a signature of version 2."""

    access_key_id: str
    session_token: str
    date: str
    region: str
    service: str
    policy: str
    signature: str


def read_claim(fields: Fields) -> Claim | None:
    """Raises `RemoteError` where the form has a policy and says too little of who signed it."""
    policy, token = fields.get("policy"), fields.get("x-amz-security-token", "")
    if policy is None:
        return None
    if "awsaccesskeyid" in fields:
        return Claim(fields["awsaccesskeyid"], token, "", "", "s3", policy, _given(fields, "signature"))
    if _given(fields, "x-amz-algorithm") != _ALGORITHM:
        raise RemoteError("InvalidArgument", f"X-Amz-Algorithm only supports {_ALGORITHM}")
    parts = _given(fields, "x-amz-credential").split("/")
    if len(parts) != 5 or parts[4] != sigv4.TERMINATOR or not _given(fields, "x-amz-date").startswith(parts[1]):
        raise RemoteError("InvalidArgument", "The x-amz-credential field is malformed.")
    return Claim(parts[0], token, parts[1], parts[2], parts[3], policy, _given(fields, "x-amz-signature"))


def _given(fields: Fields, name: str) -> str:
    if name not in fields:
        words = f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the"
        raise RemoteError("InvalidArgument", f"{words} fields.")
    return fields[name]


def verify(claim: Claim, secret: str) -> None:
    """Raises `Refused`."""
    signed = claim.policy.encode()
    if claim.date:
        expected = sigv4.signing_key(secret, claim.date, claim.region, claim.service).sign(signed)
    else:
        expected = base64.b64encode(hmac.digest(secret.encode(), signed, "sha1")).decode()
    if claim.service != "s3" or not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise Refused(
            Reason.MISMATCH,
            "The request signature we calculated does not match the signature you provided. Check your key and "
            "signing method.",
        )


def check(policy: str, fields: Fields, bucket: str, size: int, now: float) -> None:
    """Raises `RemoteError` where the form is not one that the policy describes."""
    document = _document(policy)
    if _seconds(document["expiration"]) <= now:
        raise _denied("Policy expired.")
    given = {**fields, "bucket": bucket}
    covered = {"bucket"}
    for condition in _conditions(document["conditions"]):
        if condition.operator == "content-length-range":
            _check_size(size, int(condition.field), int(condition.value))
            continue
        covered.add(condition.field)
        value = given.get(condition.field, "")
        holds = value.startswith(condition.value) if condition.operator == "starts-with" else value == condition.value
        if not holds:
            shown = msgspec.json.encode([condition.operator, f"${condition.field}", condition.value]).decode()
            raise _denied(f"Policy Condition failed: {shown}")
    extra = sorted(name for name in given if name not in covered | _FREE and not name.startswith("x-ignore-"))
    if extra:
        raise _denied(f"Extra input fields: {', '.join(extra)}")


class _Condition(NamedTuple):
    """Of a range of lengths, `field` and `value` are the two ends."""

    operator: str
    field: str
    value: str


def _document(policy: str) -> Mapping[str, Any]:
    try:
        document = msgspec.json.decode(base64.b64decode(policy, validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise RemoteError("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("expiration"), str):
        raise RemoteError("InvalidPolicyDocument", "Invalid Policy: Policy missing expiration.")
    if not isinstance(document.get("conditions"), list):
        raise RemoteError("InvalidPolicyDocument", "Invalid Policy: Policy missing conditions.")
    return document


def _conditions(given: list[Any]) -> list[_Condition]:
    found = []
    for item in given:
        if isinstance(item, dict):
            found += [_Condition("eq", str(name).lower(), str(value)) for name, value in item.items()]
            continue
        if not isinstance(item, list) or len(item) != 3:
            raise RemoteError("InvalidPolicyDocument", "Invalid Policy: Invalid conditions.")
        operator = str(item[0]).lower()
        ranged = operator == "content-length-range" and all(str(end).isdecimal() for end in item[1:])
        if not ranged and (operator not in ("eq", "starts-with") or not str(item[1]).startswith("$")):
            raise RemoteError("InvalidPolicyDocument", "Invalid Policy: Invalid conditions.")
        found.append(_Condition(operator, str(item[1]).removeprefix("$").lower(), str(item[2])))
    return found


def _seconds(text: str) -> float:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise RemoteError("InvalidPolicyDocument", "Invalid Policy: Invalid 'expiration' value.") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _check_size(size: int, low: int, high: int) -> None:
    if size < low:
        raise RemoteError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    if size > high:
        raise RemoteError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")


def _denied(words: str) -> RemoteError:
    return RemoteError("AccessDenied", f"Invalid according to Policy: {words}", 403)
