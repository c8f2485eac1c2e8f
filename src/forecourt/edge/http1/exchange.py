"""One request and its response: the `receive` and `send` of ASGI, and `base.asgi.Direct`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from forecourt.base.asgi import Message

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s" % (status, status.phrase.encode()) for status in HTTPStatus}
# Of a header's pair
_AS_LINE = b": ".join
# After the last line's own end
_END_OF_HEAD = b"\r\n"
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


class ResponseInvalid(Exception):
    """The application's response cannot be written down as HTTP."""


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
        """Raises `ResponseInvalid`."""
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
        headers = message.get("headers", ())
        lines = self._lines(status, headers)
        if any(name == b"connection" and value.lower() == b"close" for name, value in headers):
            self.keep_alive = False
        if not self._is_head and not any(name == b"content-length" for name, _ in headers):
            self._chunked = self._http11
            if self._chunked:
                lines.append(b"transfer-encoding: chunked")
            else:
                self.keep_alive = False
        self._head = self._rendered(lines)

    def _lines(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        if status in _BODILESS:
            self._is_head = True
        return [_STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown" % status, *map(_AS_LINE, headers), _date()]

    def _rendered(self, lines: list[bytes]) -> bytes:
        """Raises `ResponseInvalid`."""
        if not self.keep_alive:
            lines.append(b"connection: close")
        lines.append(_END_OF_HEAD)
        head = b"\r\n".join(lines)
        # `splitlines` of bytes knows CR, LF and CRLF, each as one end of a line.
        if len(head.splitlines()) != len(lines) or head.find(b"\0") >= 0:
            raise ResponseInvalid("a header holds a line break or NUL")
        return head

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self._is_head:
            return b""
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"

    # -- the response by a plain call (`base.asgi.Direct`)

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Raises `ResponseInvalid`."""
        lines = self._lines(status, headers)
        if status not in _BODILESS:
            lines.append(b"content-length: %d" % len(body))
        head = self._rendered(lines)
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
        _date_line = (now, b"date: %b" % formatdate(now, usegmt=True).encode())
    return _date_line[1]
