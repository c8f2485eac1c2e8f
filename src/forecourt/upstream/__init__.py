"""The pooled HTTP/1.1 client with which Forecourt reaches backends, issuers and remote endpoints.

    upstream = Upstream()
    origin = Origin.parse("http://backend:8080")
    response = await upstream.send(origin, Request(b"GET", b"/pets", [(b"host", b"backend:8080")]), timeout=29.0)
    body = await response.read(limit=10 * 1024 * 1024)

- Connections are kept alive in a bounded pool per origin; the last one used is the first one taken.
- A small message is one write and one wake-up; a large one is streamed, in both directions, with back-pressure.
- Everything is bounded: header bytes, body bytes where the reader says so, every wait.
- A request is sent again only if not one byte of it was ever written.
- What two parsers could read differently is refused: see `connection.py`.
"""

from forecourt.base.headers import Headers
from forecourt.upstream.client import Limits, Upstream
from forecourt.upstream.connection import OnReply
from forecourt.upstream.errors import (
    BadResponse,
    ConnectFailed,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    UnknownHost,
    UpstreamError,
)
from forecourt.upstream.message import Body, InvalidRequest, Origin, Request, end_to_end
from forecourt.upstream.response import Response

__all__ = [
    "BadResponse",
    "Body",
    "ConnectFailed",
    "Headers",
    "InvalidRequest",
    "Limits",
    "OnReply",
    "Origin",
    "Request",
    "Response",
    "ResponseTooLarge",
    "TimedOut",
    "TlsFailed",
    "UnknownHost",
    "Upstream",
    "UpstreamError",
    "end_to_end",
]
