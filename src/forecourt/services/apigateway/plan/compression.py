"""Answers compressed for clients that take it, from `minimumCompressionSize` on.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
"""

from __future__ import annotations

import zlib

import msgspec

from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse

# gzip is deflate with another wrapper.
_WINDOW_BITS = {b"gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}


def compressed(request: MethodRequest, response: MethodResponse, from_bytes: int) -> MethodResponse:
    """`response`, or its body in the coding that the client prefers. A coded or streamed body stays as it is."""
    body = response.body
    if not isinstance(body, bytes) or not body or len(body) < from_bytes:
        return response
    coding = _accepted(request.header(b"accept-encoding"))
    if coding is None or any(name == b"content-encoding" for name, _ in response.headers):
        return response
    packer = zlib.compressobj(6, zlib.DEFLATED, _WINDOW_BITS[coding])
    packed = packer.compress(body) + packer.flush()
    return msgspec.structs.replace(response, headers=[*response.headers, (b"content-encoding", coding)], body=packed)


def _accepted(accept_encoding: bytes | None) -> bytes | None:
    """The first of ours that is not refused with `q=0`."""
    for part in (accept_encoding or b"").split(b","):
        coding, _, quality = part.strip().lower().partition(b";")
        if coding.strip() in _WINDOW_BITS and quality.replace(b" ", b"") not in (b"q=0", b"q=0.0"):
            return coding.strip()
    return None
