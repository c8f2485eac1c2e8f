"""The `aws-chunked` body: what S3 clients send when they sign while they stream.

    <size in hex>[;chunk-signature=<signature>]CRLF <bytes> CRLF  …  0[;chunk-signature=…]CRLF  [trailers]  CRLF

Each chunk's signature covers the signature before it, so the chain starts at the request's own (the seed) and no chunk
can be changed, dropped, repeated or moved. Trailers (checksums) are signed as one more link of the chain, or, in the
unsigned form, only carry a checksum. Every form ends with the chunk of size zero; a body that stops earlier is refused.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from forecourt.auth.sigv4 import Reason, Refused, Signature, signing_key

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_SIGNATURE_EXTENSION = b"chunk-signature="
_TRAILER_SIGNATURE = b"x-amz-trailer-signature"
_LONGEST_LINE = 8192


class Decoded(NamedTuple):
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...]


class Chain:
    """The signatures of a signed stream, link by link."""

    def __init__(self, signature: Signature, secret: str) -> None:
        self._key = signing_key(secret, signature.date, signature.region, signature.service)
        self._head = f"{signature.timestamp}\n{signature.scope}"
        self._previous = signature.signature

    def chunk(self, data: bytes, signature: str) -> None:
        digests = f"{_EMPTY_SHA256}\n{hashlib.sha256(data).hexdigest()}"
        self._link("AWS4-HMAC-SHA256-PAYLOAD", digests, signature)

    def trailer(self, canonical: bytes, signature: str) -> None:
        self._link("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(canonical).hexdigest(), signature)

    def _link(self, algorithm: str, digests: str, signature: str) -> None:
        expected = self._key.sign(f"{algorithm}\n{self._head}\n{self._previous}\n{digests}".encode())
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise Refused(Reason.MISMATCH, "The chunk signature we calculated does not match the one you provided.")
        self._previous = expected


def decode(signature: Signature, secret: str | None, body: bytes) -> Decoded:
    """The payload of an `aws-chunked` body. Raises `Refused` where a signature or the framing is wrong.

    `secret` None decodes without verifying: for credentials that are trusted unseen.
    """
    form = signature.content_sha256
    signed = form.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    chain = Chain(signature, secret) if signed and secret is not None else None
    chunks, position = [], 0
    while True:
        line, position = _line(body, position)
        size, chunk_signature = _chunk_header(line)
        data = body[position : position + size]
        if len(data) != size:
            raise _incomplete()
        if chain is not None:
            chain.chunk(data, chunk_signature)
        if size == 0:
            break
        chunks.append(data)
        position += size
        if body[position : position + 2] != b"\r\n":
            raise _incomplete()
        position += 2
    trailers, trailer_signature = _trailers(body, position)
    if chain is not None and form.endswith("-TRAILER"):
        canonical = b"".join(name + b":" + value + b"\n" for name, value in trailers)
        chain.trailer(canonical, trailer_signature)
    return Decoded(b"".join(chunks), trailers)


def _line(body: bytes, start: int) -> tuple[bytes, int]:
    end = body.find(b"\r\n", start, start + _LONGEST_LINE)
    if end < 0:
        raise _incomplete()
    return body[start:end], end + 2


def _chunk_header(line: bytes) -> tuple[int, str]:
    size, _, extension = line.partition(b";")
    try:
        # int() would also take a sign, blanks and underscores
        if not size.isalnum():
            raise ValueError
        length = int(size, 16)
    except ValueError:
        raise _incomplete() from None
    signature = extension.removeprefix(_SIGNATURE_EXTENSION) if extension.startswith(_SIGNATURE_EXTENSION) else b""
    return length, signature.decode("latin-1")


def _trailers(body: bytes, position: int) -> tuple[tuple[tuple[bytes, bytes], ...], str]:
    found: list[tuple[bytes, bytes]] = []
    signature = ""
    for line in body[position:].split(b"\r\n"):
        # Some clients end a trailer with a bare line feed before the signature's line, as AWS's page shows it.
        for part in line.split(b"\n"):
            name, separator, value = part.partition(b":")
            if not separator:
                continue
            if name.lower() == _TRAILER_SIGNATURE:
                signature = value.strip().decode("latin-1")
            else:
                found.append((name.strip().lower(), value.strip()))
    return tuple(found), signature


def _incomplete() -> Refused:
    return Refused(Reason.BODY_MISMATCH, "The request body terminated unexpectedly")
