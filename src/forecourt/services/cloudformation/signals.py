"""Addresses that somebody outside answers to: a custom resource's `ResponseURL`, a wait condition's handle.

An address is a bearer's, as the S3 address that AWS presigns: it ends in a sealed token that names what it is for and
when it ends. What is put there is kept, so that an answer that comes while a stack waits for something else, or just
before a crash, is found.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import urlsplit

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.clock import Clock
from forecourt.store import Document, Store
from forecourt.store.sealing import SealBroken, Sealer

_PURPOSE = "cloudformation.signal"
_PATH = re.compile(rb"^/_aws/cloudformation/([A-Za-z0-9_-]{1,1024})$")
# As long as AWS's addresses are good. The longest time-out of a wait condition is 12 hours.
SIGNAL_SECONDS = 86_400
_MOST_BYTES = 1 << 20
_BODY_SECONDS = 30.0
_DEFAULT_URL = "http://localhost:4566"


class Signal(Document):
    """What was put at an address. A wait condition gets several, by their unique ids."""

    __kind__ = "cloudformation.Signal"
    __key__ = ("request", "id")

    request: str
    id: str
    content: str
    at: float


class Signals:
    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._came = asyncio.Event()

    def url(self, public_url: str, request: str) -> str:
        token = self._sealer.seal(f"{request} {self._clock.now() + SIGNAL_SECONDS}".encode(), _PURPOSE)
        text = base64.urlsafe_b64encode(token).decode().rstrip("=")
        return f"{public_url or _DEFAULT_URL}/_aws/cloudformation/{text}"

    def request_of(self, url: str) -> str | None:
        """What an address of ours is for."""
        found = _PATH.match(urlsplit(url).path.encode())
        return self._opened(found[1].decode()) if found is not None else None

    async def received(self, request: str) -> list[dict[str, Any]]:
        return [json.loads(signal.content) for signal in await self._store.list(Signal, request)]

    async def wait(self, request: str, count: int, seconds: float) -> list[dict[str, Any]]:
        """At least `count` of what was put at the address, or what there is when the time is over."""
        deadline = self._clock.now() + seconds
        while True:
            came = self._came
            found = await self.received(request)
            left = deadline - self._clock.now()
            if len(found) >= count or left <= 0 or any(one.get("Status") in ("FAILED", "FAILURE") for one in found):
                return found
            timer = self._clock.call_later(left, came.set)
            try:
                await came.wait()
            finally:
                timer.cancel()

    async def forget(self, request: str) -> None:
        await self._store.write(lambda tx: tx.delete_all(Signal, request))

    async def take(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what is sent to the address with this token."""
        request = self._opened(token)
        if request is None or scope["method"] != "PUT":
            await _respond(send, 403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
            return
        try:
            content = json.loads(await asyncio.wait_for(_body(receive), _BODY_SECONDS))
            if not isinstance(content, dict):
                raise ValueError
        except (ValueError, TimeoutError):
            await _respond(send, 400, b"<Error><Code>InvalidRequest</Code><Message>Not a JSON object</Message></Error>")
            return
        signal = Signal(
            request=request,
            id=str(content.get("UniqueId", "")),
            content=json.dumps(content),
            at=self._clock.now(),
        )
        await self._store.write(lambda tx: tx.put(signal))
        came, self._came = self._came, asyncio.Event()
        came.set()
        await _respond(send, 200, b"")

    def _opened(self, token: str) -> str | None:
        """What the address is for, or None where it is not ours or too old."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            request, until = self._sealer.open(sealed, _PURPOSE).decode().rsplit(" ", 1)
        except (SealBroken, binascii.Error, ValueError):
            return None
        return request if self._clock.now() < float(until) else None


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        size += len(message.get("body", b""))
        if size > _MOST_BYTES:
            return b""
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/xml"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
