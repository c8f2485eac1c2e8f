"""S3's URLs presigned with Signature Version 2, which is what boto3 makes where nobody chose Version 4.

    ?AWSAccessKeyId=…&Expires=…&Signature=…

The signature (HMAC-SHA1) covers method, `Content-MD5`, `Content-Type`, expiry, every `x-amz-*` header (which may stand
in the query), the bucket and key, and the parameters that choose a sub-resource or change the answer.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import hmac
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from forecourt.auth.sigv4 import Reason, Refused, SignedRequest

_SIGNED_PARAMETERS = frozenset({
    b"accelerate", b"acl", b"analytics", b"cors", b"defaultObjectAcl", b"delete", b"inventory", b"lifecycle",
    b"location", b"logging", b"metrics", b"notification", b"object-lock", b"partNumber", b"policy", b"replication",
    b"requestPayment", b"response-cache-control", b"response-content-disposition", b"response-content-encoding",
    b"response-content-language", b"response-content-type", b"response-expires", b"restore", b"select",
    b"select-type", b"storageClass", b"tagging", b"torrent", b"uploadId", b"uploads", b"versionId", b"versioning",
    b"versions", b"website",
})  # fmt: skip


class Presigned(NamedTuple):
    access_key_id: str
    signature: str
    expires_at: int
    session_token: str
    # the query, decoded, in the order given
    parameters: tuple[tuple[bytes, bytes | None], ...]


def read_presigned(request: SignedRequest) -> Presigned | None:
    """Raises `Refused` where the parameters are not whole."""
    if b"AWSAccessKeyId=" not in request.query_string:
        return None
    parameters = tuple(_parameter(part) for part in request.query_string.split(b"&") if part)
    found = {name: (value or b"").decode("utf-8", "replace") for name, value in parameters}
    key, signature, expires = (found.get(name, "") for name in (b"AWSAccessKeyId", b"Signature", b"Expires"))
    if not key or not signature or not (expires.isascii() and expires.isdigit()) or len(expires) > 12:
        raise Refused(
            Reason.QUERY_PARAMETERS,
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    return Presigned(key, signature, int(expires), found.get(b"x-amz-security-token", ""), parameters)


def _parameter(part: bytes) -> tuple[bytes, bytes | None]:
    name, separator, value = part.partition(b"=")
    return unquote_to_bytes(name), unquote_to_bytes(value.replace(b"+", b" ")) if separator else None


def verify(presigned: Presigned, request: SignedRequest, secret: str, now: float) -> None:
    """Raises `Refused`."""
    if presigned.expires_at < now:
        raise Refused(Reason.PRESIGNED_EXPIRED, "Request has expired")
    for resource in _resources(presigned, request):
        digest = hmac.digest(secret.encode(), string_to_sign(presigned, request, resource), "sha1")
        if hmac.compare_digest(base64.b64encode(digest), presigned.signature.encode("utf-8", "replace")):
            return
    raise Refused(
        Reason.MISMATCH,
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    )


def string_to_sign(presigned: Presigned, request: SignedRequest, resource: bytes) -> bytes:
    given = {name.lower(): value for name, value in presigned.parameters if value is not None}
    amz = {name: value for name, value in given.items() if name.startswith(b"x-amz-")}
    for name, value in request.headers:
        if name.startswith(b"x-amz-"):
            amz[name] = amz[name] + b"," + value.strip() if name in amz and name not in given else value.strip()
        elif name in (b"content-md5", b"content-type"):
            given[name] = value.strip()
    standard = [request.method.encode(), given.get(b"content-md5", b""), given.get(b"content-type", b""),
                str(presigned.expires_at).encode()]  # fmt: skip
    return b"\n".join([*standard, *(name + b":" + amz[name] for name in sorted(amz)), resource])


def _resources(presigned: Presigned, request: SignedRequest) -> list[bytes]:
    """Bucket, key and sub-resources; the bucket may be the path's beginning or the host's."""
    signed = sorted((name, value) for name, value in presigned.parameters if name in _SIGNED_PARAMETERS)
    query = b"&".join(name if value is None else name + b"=" + value for name, value in signed)
    tail = b"?" + query if query else b""
    host = next((value for name, value in request.headers if name == b"host"), b"")
    bucket = host.partition(b".s3")[0] if b".s3" in host else b""
    return [request.raw_path + tail, *([b"/" + bucket + request.raw_path + tail] if bucket else [])]
