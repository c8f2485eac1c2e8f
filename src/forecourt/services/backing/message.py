"""A request to a backing service and its answer, as plain values; and what a request does to the service's state."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from forecourt.telemetry import trace

Headers = list[tuple[bytes, bytes]]

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html#invocation-recursion-supported
_WATCHED_FOR_LOOPS = ("sqs", "sns", "s3")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """As a client sent it, with who calls and where. `service` is botocore's name."""

    service: str
    account: str
    region: str
    method: str
    raw_path: bytes
    query_string: bytes = b""
    headers: Headers = []
    body: bytes = b""

    def header(self, name: bytes) -> str:
        """The first header called `name` (lower case), or ""."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")

    @property
    def trace_id(self) -> str:
        """The trace header, as it is handed on: what counts a function's visits in it goes no further than with AWS."""
        header = self.header(b"x-amzn-trace-id")
        found = trace.parse(header) if header and self.service not in _WATCHED_FOR_LOOPS else None
        return str(found._replace(others=())) if found is not None else header


class Response(msgspec.Struct, frozen=True):
    status: int
    headers: Headers
    body: bytes


# Operations that leave the state as it is, by how their names begin. What reads here but writes elsewhere stays out:
# ReceiveMessage hides what it returns.
_READS = (
    "Get", "List", "Describe", "Head", "Query", "Scan", "BatchGet", "TransactGet", "Search", "Lookup", "Select",
    "Check", "Test", "Validate", "Verify", "Estimate", "Preview", "Simulate", "Decode", "Encrypt", "Decrypt",
    "ReEncrypt", "Sign", "Generate",
)  # fmt: skip
# What draws on more than moto's own randomness (keys of cryptography's) and would not come out the same again.
_NOT_REPLAYABLE = frozenset(
    (
        ("kms", "CreateKey"), ("kms", "ImportKeyMaterial"), ("ec2", "CreateKeyPair"), ("acm", "RequestCertificate"),
        ("acm-pca", "CreateCertificateAuthority"), ("acm-pca", "IssueCertificate"),
        ("iot", "CreateKeysAndCertificate"), ("iot", "CreateCertificateFromCsr"),
    )
)  # fmt: skip
_FORM = "application/x-www-form-urlencoded"


def operation_of(request: Request) -> str:
    """AWS's name of the operation, or "" where the path says it (REST)."""
    target = request.header(b"x-amz-target")
    if target:
        return target.rpartition(".")[2]
    if request.header(b"smithy-protocol"):
        return request.raw_path.decode("latin-1").rstrip("/").rpartition("/")[2]
    form = request.body if request.header(b"content-type").startswith(_FORM) else request.query_string
    return parse_qs(form.decode("latin-1")).get("Action", [""])[0] if b"Action=" in form else ""


def only_reads(request: Request) -> bool:
    operation = operation_of(request)
    return operation.startswith(_READS) if operation else request.method in ("GET", "HEAD", "OPTIONS")


def not_replayable(request: Request) -> bool:
    """Whether to carry it out again would have another result."""
    return (request.service, operation_of(request)) in _NOT_REPLAYABLE


_CHUNKS = b"aws-chunked"
_OF_CHUNKS = frozenset((b"x-amz-decoded-content-length", b"x-amz-trailer", b"x-amz-content-sha256"))


def without_chunks(headers: Headers, body: bytes) -> Headers:
    """The headers of a body that came in signed chunks and is whole now."""
    length = next((value for name, value in headers if name == b"x-amz-decoded-content-length"), None)
    if length is None or length != str(len(body)).encode():
        return headers
    kept = []
    for name, value in headers:
        if name == b"content-encoding":
            value = b",".join(part.strip() for part in value.split(b",") if part.strip() != _CHUNKS)
        if name not in _OF_CHUNKS and (value or name != b"content-encoding"):
            kept.append((name, value))
    return kept
