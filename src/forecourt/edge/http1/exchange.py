"""One request and its response: the `receive` and `send` of ASGI, and `base.asgi.Direct`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from forecourt.base.asgi import Message
from forecourt.base.headers import Headers, as_lines, checked_lines, once

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
# A head's end
_CLOSE = b"connection: close\r\n\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Responses that have no body whatever their headers say (RFC 9110 §6.4.1)
_BODILESS = frozenset((204, 304))
_DISCONNECT: Message = {"type": "http.disconnect"}


class Wire(Protocol):
    """What an exchange asks of its connection."""

    def write(self, data: bytes) -> None: ...

    def write_whole(self, data: bytes) -> None:
        """A whole response; it may wait for the others of this turn of the loop."""

    async def drain(self) -> None: ...

    def wants_more(self) -> None:
        """The application took what had arrived of the body."""

    def go_on(self, exchange: Exchange, answer: Awaitable[None]) -> None:
        """The application answers by `answer`."""

    def finished(self, exchange: Exchange) -> None:
        """The application has answered."""


class Exchange:
    __slots__ = (
        "_body",
        "_chunked",
        "_expects_continue",
        "_head",
        "_http11",
        "_is_head",
        "_is_taken",
        "_more",
        "_waiter",
        "_wire",
        "buffered",
        "complete",
        "connected",
        "head_bytes",
        "keep_alive",
        "started",
    )

    def __init__(
        self,
        wire: Wire,
        head_bytes: int,
        *,
        is_head: bool,
        http11: bool,
        keep_alive: bool,
        has_body: bool,
        expects_continue: bool,
    ) -> None:
        self._wire = wire
        self.head_bytes = head_bytes
        self.keep_alive = keep_alive
        self._expects_continue = expects_continue
        self._is_head = is_head
        self._http11 = http11
        # the request's body: what has arrived and was not taken, and whether there is more to come
        self._body: list[bytes] = []
        self.buffered = 0
        self._more = has_body
        self._is_taken = False
        self._waiter: asyncio.Future[None] | None = None
        self.connected = True
        # the response
        self._head: bytes | None = None
        self._chunked = False
        self.started = False
        self.complete = False

    # -- the request's body

    @property
    def received(self) -> bool:
        return not self._more

    @property
    def whole_body(self) -> bytes | None:
        if self._more or self._is_taken:
            return None
        if len(self._body) > 1:
            self._body = [b"".join(self._body)]
        return self._body[0] if self._body else b""

    def feed(self, data: bytes) -> None:
        self._body.append(data)
        self.buffered += len(data)
        self._wake()

    def feed_end(self) -> None:
        self._more = False
        if self._waiter is not None:
            self._wake()

    def disconnect(self) -> None:
        self.connected = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        if self._expects_continue and not self.started:
            self._expects_continue = False
            self._wire.write(_CONTINUE)
        while not self._body and self._more and self.connected:
            await self._wait()
        if not self._body and self._more:
            return _DISCONNECT
        if self._is_taken:
            # Who asks again waits for the end of the exchange, as ASGI has it.
            while self.connected and not self.complete:
                await self._wait()
            return _DISCONNECT
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self.buffered = 0
        self._is_taken = not self._more
        self._wire.wants_more()
        return {"type": "http.request", "body": body, "more_body": self._more}

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    # -- the response

    async def send(self, message: Message) -> None:
        """Raises `InvalidHeader`."""
        if message["type"] == "http.response.start":
            self._start(message)
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        is_first = self._head is not None
        if self._head is not None:
            self.started = True
            data, self._head = self._head + self._framed(body, more), None
        else:
            data = self._framed(body, more)
        if not more:
            self.complete = True
            self._wake()
        if data and self.connected:
            if is_first and not more:
                self._wire.write_whole(data)
                return
            self._wire.write(data)
            if more:
                await self._wire.drain()

    def _start(self, message: Message) -> None:
        status: int = message["status"]
        headers: Headers = list(message.get("headers", ()))
        if status in _BODILESS:
            self._is_head = True
        framing = b""
        if any(name == b"connection" and value.lower() == b"close" for name, value in headers):
            self.keep_alive = False
        if not self._is_head and not any(name == b"content-length" for name, _ in headers):
            self._chunked = self._http11
            if self._chunked:
                framing = _CHUNKED
            else:
                self.keep_alive = False
        self._head = self._rendered(status, checked_lines(headers), framing)

    def _rendered(self, status: int, lines: bytes, framing: bytes) -> bytes:
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
        return b"".join((line, lines, _date(), framing, b"\r\n" if self.keep_alive else _CLOSE))

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self._is_head:
            return b""
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    # -- the response by a plain call (`base.asgi.Direct`)

    def respond(self, status: int, headers: Headers, own: Headers, body: bytes) -> None:
        """Raises `InvalidHeader`."""
        framing = b""
        if status in _BODILESS:
            self._is_head = True
        else:
            framing = b"content-length: %d\r\n" % len(body)
        head = self._rendered(status, once(headers, checked_lines, headers) + as_lines(own), framing)
        self.started = self.complete = True
        if self.connected:
            self._wire.write_whole(head if self._is_head else head + body)
        self._wire.finished(self)

    def run(self, answer: Awaitable[None]) -> None:
        self._wire.go_on(self, answer)


_date_line = (0, b"")


def _date() -> bytes:
    """The Date header, made once a second (RFC 9110 §6.6.1)."""
    global _date_line  # noqa: PLW0603 - a cache of one value
    now = int(time.time())
    if now != _date_line[0]:
        _date_line = (now, b"date: %b\r\n" % formatdate(now, usegmt=True).encode())
    return _date_line[1]
