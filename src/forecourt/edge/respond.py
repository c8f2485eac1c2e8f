"""Whole answers through ASGI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from forecourt.base.asgi import Send

Headers = Iterable[tuple[bytes, bytes]]


_BODILESS = frozenset((204, 304))


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    framed = list(headers)
    if status not in _BODILESS and not any(name == b"content-length" for name, _ in framed):
        framed.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": framed})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, content: Any, headers: Headers = ()) -> None:
    body = msgspec.json.encode(content)
    await respond(send, status, [(b"content-type", b"application/json"), *headers], body)
