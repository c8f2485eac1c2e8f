"""Answers compressed for clients that take it, and requests that came compressed unpacked, from
`minimumCompressionSize` on.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
"""

from __future__ import annotations

import zlib

import msgspec

from forecourt.base.asgi import Message
from forecourt.base.headers import Headers
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, RequestBody
from forecourt.services.apigateway.plan.ports import Handler

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
    """The coding that the client likes best (RFC 9110 §12.5.3), if it is one of ours; `*` is any, so gzip."""
    liked: list[bytes] = []
    most = 0.0
    for part in (accept_encoding or b"").split(b","):
        coding, _, parameter = part.strip().lower().partition(b";")
        quality = _quality(parameter)
        if quality > most:
            liked, most = [], quality
        if quality == most > 0:
            liked.append(b"gzip" if coding.strip() == b"*" else coding.strip())
    return next((coding for coding in liked if coding in _WINDOW_BITS), None)


def _quality(parameter: bytes) -> float:
    name, _, value = parameter.partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


# -- requests


def unpacking(handler: Handler, from_bytes: int) -> Handler:
    """A body with a `Content-Encoding` of ours reaches everything behind this step as it was before it was packed."""

    async def unpack(request: MethodRequest) -> MethodResponse:
        coding = (request.header(b"content-encoding") or b"identity").strip().lower()
        if coding == b"identity":
            return await handler(request)
        if coding not in _WINDOW_BITS:
            raise GatewayError("UNSUPPORTED_MEDIA_TYPE", detail=f"the content coding {coding!r} is not supported")
        packed = await request.body.read()
        if not packed or len(packed) < from_bytes:
            return await handler(request)
        plain = unpacked(packed, coding, request.served.payload_bytes)
        return await handler(await _with_body(request, plain))

    return unpack


def unpacked(packed: bytes, coding: bytes, most_bytes: int) -> bytes:
    """Raises `GatewayError`: 415 for what is not packed so, 413 for what becomes too large."""
    try:
        return _inflated(packed, _WINDOW_BITS[coding], most_bytes)
    except zlib.error as error:
        if coding != b"deflate":
            raise GatewayError("UNSUPPORTED_MEDIA_TYPE", detail=f"the body is not {coding!r}: {error}") from error
    try:
        # Many take "deflate" for the bare format, without zlib's wrapper.
        return _inflated(packed, -zlib.MAX_WBITS, most_bytes)
    except zlib.error as error:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", detail=f"the body is not {coding!r}: {error}") from error


def _inflated(packed: bytes, window_bits: int, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(window_bits)
    plain = unpacker.decompress(packed, most_bytes + 1)
    if len(plain) > most_bytes:
        raise GatewayError("REQUEST_TOO_LARGE")
    if not unpacker.eof:
        raise zlib.error("the body ends too early")
    return plain


async def _with_body(request: MethodRequest, body: bytes) -> MethodRequest:
    headers: Headers = []
    names: list[bytes] = []
    for (name, value), spelt in zip(request.headers, request.header_names, strict=False):
        if name not in (b"content-encoding", b"content-length", b"transfer-encoding"):
            headers.append((name, value))
            names.append(spelt)
    headers.append((b"content-length", b"%d" % len(body)))
    names.append(b"Content-Length")

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    whole = RequestBody({"headers": headers}, receive, request.served.payload_bytes)
    await whole.read()
    request.scope["header_names"] = names
    return request.with_(headers=headers, body=whole)
