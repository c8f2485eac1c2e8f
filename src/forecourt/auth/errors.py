"""What AWS calls a failed authentication, which depends on the protocol that was spoken.

`dialect` is botocore's protocol name of the service that was called (`json`, `rest-json`, `query`, `rest-xml`, …) or
`execute-api` for the invocation of a deployed API. The query protocol's services (IAM, STS) say `InvalidClientTokenId`
where the JSON ones say `UnrecognizedClientException`, and S3 has words of its own.
"""

from __future__ import annotations

from forecourt.auth.sigv4 import Reason, Refused
from forecourt.base.errors import RemoteError

_JSON = {
    Reason.MISSING: "MissingAuthenticationTokenException",
    Reason.INCOMPLETE: "IncompleteSignatureException",
    Reason.QUERY_PARAMETERS: "IncompleteSignatureException",
    Reason.MISMATCH: "InvalidSignatureException",
    Reason.SKEWED: "InvalidSignatureException",
    Reason.PRESIGNED_EXPIRED: "InvalidSignatureException",
    Reason.NOT_SIGNED_HEADERS: "InvalidSignatureException",
    Reason.BODY_MISMATCH: "InvalidSignatureException",
    Reason.UNKNOWN_KEY: "UnrecognizedClientException",
    Reason.INVALID_TOKEN: "UnrecognizedClientException",
    Reason.EXPIRED_TOKEN: "ExpiredTokenException",
}
_QUERY = {
    Reason.MISSING: ("MissingAuthenticationToken", 403),
    Reason.INCOMPLETE: ("IncompleteSignature", 400),
    Reason.QUERY_PARAMETERS: ("IncompleteSignature", 400),
    Reason.MISMATCH: ("SignatureDoesNotMatch", 403),
    Reason.SKEWED: ("SignatureDoesNotMatch", 403),
    Reason.PRESIGNED_EXPIRED: ("SignatureDoesNotMatch", 403),
    Reason.NOT_SIGNED_HEADERS: ("SignatureDoesNotMatch", 403),
    Reason.BODY_MISMATCH: ("SignatureDoesNotMatch", 403),
    Reason.UNKNOWN_KEY: ("InvalidClientTokenId", 403),
    Reason.INVALID_TOKEN: ("InvalidClientTokenId", 403),
    Reason.EXPIRED_TOKEN: ("ExpiredToken", 403),
}
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
_EC2 = _QUERY | {
    Reason.MISMATCH: ("AuthFailure", 401),
    Reason.NOT_SIGNED_HEADERS: ("AuthFailure", 401),
    Reason.BODY_MISMATCH: ("AuthFailure", 401),
    Reason.UNKNOWN_KEY: ("AuthFailure", 401),
    Reason.INVALID_TOKEN: ("AuthFailure", 401),
    Reason.SKEWED: ("RequestExpired", 400),
    Reason.PRESIGNED_EXPIRED: ("RequestExpired", 400),
    Reason.EXPIRED_TOKEN: ("RequestExpired", 400),
}
_S3 = {
    Reason.MISSING: ("AccessDenied", 403),
    Reason.INCOMPLETE: ("AuthorizationHeaderMalformed", 400),
    Reason.QUERY_PARAMETERS: ("AuthorizationQueryParametersError", 400),
    Reason.MISMATCH: ("SignatureDoesNotMatch", 403),
    Reason.SKEWED: ("RequestTimeTooSkewed", 403),
    Reason.PRESIGNED_EXPIRED: ("AccessDenied", 403),
    Reason.NOT_SIGNED_HEADERS: ("AccessDenied", 403),
    Reason.BODY_MISMATCH: ("XAmzContentSHA256Mismatch", 400),
    Reason.UNKNOWN_KEY: ("InvalidAccessKeyId", 403),
    Reason.INVALID_TOKEN: ("InvalidToken", 400),
    Reason.EXPIRED_TOKEN: ("ExpiredToken", 400),
}
_RPC_WORDS = {Reason.MISSING: "Request is missing Authentication Token"}
_EC2_CODE_WORDS = {
    "AuthFailure": "AWS was not able to validate the provided access credentials",
    "RequestExpired": "Request has expired.",
}
_EC2_WORDS = _RPC_WORDS | {
    reason: _EC2_CODE_WORDS[code] for reason, (code, _) in _EC2.items() if code in _EC2_CODE_WORDS
}
_S3_WORDS = {
    Reason.MISSING: "Access Denied",
    Reason.SKEWED: "The difference between the request time and the current time is too large.",
    Reason.PRESIGNED_EXPIRED: "Request has expired",
    Reason.NOT_SIGNED_HEADERS: "There were headers present in the request which were not signed",
    Reason.UNKNOWN_KEY: "The AWS Access Key Id you provided does not exist in our records.",
    Reason.INVALID_TOKEN: "The provided token is malformed or otherwise invalid.",
    Reason.EXPIRED_TOKEN: "The provided token has expired.",
}
# Where a dialect has words of its own.
_WORDS = {
    "json": _RPC_WORDS,
    "smithy-rpc-v2-cbor": _RPC_WORDS,
    "query": _RPC_WORDS,
    "ec2": _EC2_WORDS,
    "rest-xml": _S3_WORDS,
}
DIALECTS: dict[str, dict[Reason, tuple[str, int]]] = {
    "json": {reason: (code, 400) for reason, code in _JSON.items()},
    "rest-json": {reason: (code, 403) for reason, code in _JSON.items()},
    "execute-api": {reason: (code, 403) for reason, code in _JSON.items()},
    "query": _QUERY,
    "ec2": _EC2,
    "rest-xml": _S3,
}


def missing_token() -> Refused:
    return Refused(Reason.MISSING, "Missing Authentication Token")


def unknown_key() -> Refused:
    return Refused(Reason.UNKNOWN_KEY, "The security token included in the request is invalid.")


def invalid_token() -> Refused:
    return Refused(Reason.INVALID_TOKEN, "The security token included in the request is invalid.")


def expired_token() -> Refused:
    return Refused(Reason.EXPIRED_TOKEN, "The security token included in the request is expired")


def wrong_scope(service: str, dialect: str) -> AuthenticationFailed:
    """The signature is for another service, `service`, than the one that the request is for."""
    return failed(
        Refused(Reason.MISMATCH, f"Credential should be scoped to correct service, not {service!r}."), dialect
    )


class AuthenticationFailed(RemoteError):
    """Code and status are those of the dialect; `reason` is ours, for logs and metrics."""

    reason: Reason


def failed(refused: Refused, dialect: str) -> AuthenticationFailed:
    code, status = DIALECTS.get(dialect, DIALECTS["json"])[refused.reason]
    error = AuthenticationFailed(code, _WORDS.get(dialect, {}).get(refused.reason, refused.message), status)
    error.reason = refused.reason
    return error
