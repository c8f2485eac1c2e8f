"""AWS Signature Version 4, verified. Pure.

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

`claim` reads, `canonical` writes path, query and headers as they are signed, `verify` checks.

What a client's requests of a day have in common (credential, signed headers, the key derived from the secret) is read
and derived once; what differs is never remembered, so that a signature is verified as often as it comes.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from forecourt.auth.sigv4.claim import (
    ALGORITHM,
    STREAMING,
    TERMINATOR,
    Reason,
    Refused,
    Signature,
    SignedRequest,
    epoch,
    read_signature,
)
from forecourt.auth.sigv4.verify import SigningKey, signing_key, verify

__all__ = [
    "ALGORITHM",
    "STREAMING",
    "TERMINATOR",
    "Reason",
    "Refused",
    "Signature",
    "SignedRequest",
    "SigningKey",
    "epoch",
    "read_signature",
    "signing_key",
    "verify",
]
