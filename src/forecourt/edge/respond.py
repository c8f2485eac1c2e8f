"""Whole answers through ASGI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from forecourt.base.asgi import Send

Headers = Iterable[tuple[bytes, bytes]]


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def respond_json(send: Send, status: int, content: Any, headers: Headers = ()) -> None:
    body = msgspec.json.encode(content)
    await respond(send, status, [(b"content-type", b"application/json"), *headers], body)
