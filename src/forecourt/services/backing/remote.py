"""A backing service that somebody else runs: real AWS, DynamoDB Local, MinIO, ElasticMQ, anything that speaks AWS.

The request goes on as it came, signed anew: the client's signature was for us. Whose credentials sign is the process's
own environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`); without them the account's number
is the access key, by which emulators tell tenants apart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from forecourt.services.backing.client import signing_name
from forecourt.services.backing.errors import EndpointUnavailable
from forecourt.services.backing.message import Headers, Request, Response
from forecourt.upstream import ConnectFailed, InvalidRequest, Origin, TimedOut, Upstream, UpstreamError, end_to_end
from forecourt.upstream import Request as UpstreamRequest

# A ReceiveMessage may wait for 20 seconds.
_TIMEOUT_SECONDS = 60.0
_MAX_BODY_BYTES = 512 * 1024 * 1024
# Of the request that came: what the new signature says anew, and what names us. The headers of the body's coding go
# with the coding.
_RESIGNED = frozenset(
    (
        b"host",
        b"authorization",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-amz-content-sha256",
        b"content-length",
        b"expect",
    )
)


# Of a presigned URL.
_PRESIGNED = tuple(
    f"X-Amz-{name}=".encode()
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token")
)
_REASONS = {ConnectFailed: "cannot be reached", TimedOut: "does not answer in time"}


class Remote:
    """Raises `ValueError` where a URL is none."""

    def __init__(self, endpoints: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
        self._origins = {service: Origin.parse(url) for service, url in endpoints.items()}
        self._prefixes = {service: urlsplit(url).path.rstrip("/").encode() for service, url in endpoints.items()}
        self._environ = environ
        self._upstream = Upstream()

    def serves(self, service: str) -> bool:
        return service in self._origins

    async def close(self) -> None:
        await self._upstream.close()

    async def run(self, request: Request) -> Response:
        """Raises `EndpointUnavailable`."""
        origin = self._origins[request.service]
        path = self._prefixes[request.service] + request.raw_path
        query = b"&".join(part for part in request.query_string.split(b"&") if not part.startswith(_PRESIGNED))
        target = path + (b"?" + query if query else b"")
        headers = self._sign(request, origin, target)
        message = UpstreamRequest(request.method.encode(), target, headers, request.body)
        try:
            answer = await self._upstream.send(origin, message, _TIMEOUT_SECONDS)
            body = await answer.read(_MAX_BODY_BYTES)
        except (UpstreamError, InvalidRequest) as error:
            raise self._unavailable(request.service, error) from error
        kept = [
            (name.lower(), value) for name, value in end_to_end(answer.headers) if name.lower() != b"content-length"
        ]
        if request.method == "HEAD" and (length := answer.header(b"content-length")) is not None:
            kept.append((b"content-length", length))
        return Response(answer.status, kept, body)

    def _sign(self, request: Request, origin: Origin, target: bytes) -> Headers:
        kept = [
            (name, value)
            for name, value in end_to_end(request.headers)
            if name not in _RESIGNED and not name.startswith((b"x-moto-", b"x-forwarded-"))
        ]
        url = f"{origin.scheme}://{origin.authority}{target.decode('latin-1')}"
        signable = AWSRequest(method=request.method, url=url, data=request.body)
        for name, value in kept:
            if name.startswith(b"x-amz-") or name == b"content-type":
                signable.headers[name.decode("latin-1")] = value.decode("latin-1")
        signer = S3SigV4Auth if request.service == "s3" else SigV4Auth
        signer(self._credentials(request.account), signing_name(request.service), request.region).add_auth(signable)
        signed = {name.lower().encode(): _bytes(value) for name, value in signable.headers.items()}
        rest = [(name, value) for name, value in kept if name not in signed]
        return [(b"host", origin.authority.encode()), *signed.items(), *rest]

    def _credentials(self, account: str) -> Credentials:
        key = self._environ.get("AWS_ACCESS_KEY_ID")
        secret = self._environ.get("AWS_SECRET_ACCESS_KEY")
        if key and secret:
            return Credentials(key, secret, self._environ.get("AWS_SESSION_TOKEN") or None)
        return Credentials(account, "forecourt")

    def _unavailable(self, service: str, error: Exception) -> EndpointUnavailable:
        reason = next((words for kind, words in _REASONS.items() if isinstance(error, kind)), "failed")
        origin = self._origins[service]
        where = f"{origin.scheme}://{origin.authority}"
        return EndpointUnavailable(f"The endpoint of {service}, {where} (setting backing.{service}), {reason}: {error}")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
