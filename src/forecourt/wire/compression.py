"""Compressed requests: SDKs send a PutMetricData of more than 10 KB gzipped, whichever protocol they speak.

The signature is over what was sent; everything after it sees what was meant.
https://smithy.io/2.0/spec/behavior-traits.html#requestcompression-trait
"""

from __future__ import annotations

import zlib

from forecourt.wire.errors import RequestTooLarge, SerializationException
from forecourt.wire.messages import HttpRequest
from forecourt.wire.quirks import DEFAULT_BODY_LIMIT

# What zlib calls a gzip file with its header.
_GZIP = 16 + zlib.MAX_WBITS


def plain_body(request: HttpRequest) -> bytes:
    """Raises `SerializationException`, or `RequestTooLarge` where it unpacks to more than a body may be."""
    if request.header(b"content-encoding").strip().lower() != "gzip":
        return request.body
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(request.body, DEFAULT_BODY_LIMIT + 1)
    except zlib.error:
        raise SerializationException("The request body is not what its Content-Encoding, gzip, says") from None
    if len(body) > DEFAULT_BODY_LIMIT:
        raise RequestTooLarge(f"Request must be smaller than {DEFAULT_BODY_LIMIT} bytes when it is unpacked")
    if not unpacker.eof:
        raise SerializationException("The request body ends too early for its Content-Encoding, gzip")
    return body
