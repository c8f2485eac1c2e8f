"""One client's connection: bytes in, one exchange after the other, bytes out.

llhttp refuses what two parsers could read differently (both Content-Length and Transfer-Encoding, two lengths, folded
headers, bare line feeds, bad chunks). Refused here in addition: any Transfer-Encoding but one `chunked`, any at all in
HTTP/1.0, no or two Host headers, and targets that are neither a path nor an absolute URL. A request that is refused is
answered with its reason, and the connection is closed, since what follows cannot be trusted.

A request that only repeats its connection's last one is not parsed again (`repeats`).

A client may send requests ahead (pipelining); they are answered one by one, and reading stops while too many, or too
much of a body, wait. The application is asked once a read is parsed to its end, so that a body which came with its
head is there whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools

from forecourt.base.asgi import DIRECT, Scope
from forecourt.base.headers import Headers
from forecourt.base.outbox import outbox
from forecourt.edge.http1.exchange import Exchange
from forecourt.edge.http1.repeats import Repeats

if TYPE_CHECKING:
    from forecourt.edge.http1.server import Server

_log = logging.getLogger("forecourt.edge")

MAX_HEAD_BYTES = 64 * 1024
_HIGH_WATER = 256 * 1024
_MAX_PIPELINED = 16
_ASGI = {"version": "3.0", "spec_version": "2.4"}
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}


class Refused(Exception):
    """The request cannot be understood, or is too large to be."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = server.loop
        self._outbox = outbox(server.loop)
        self._parser = httptools.HttpRequestParser(self)
        self._repeats = Repeats()
        self._transport: asyncio.Transport
        self._addresses: tuple[Any, Any] = (None, None)
        # The exchange whose request is being read, the one that is being answered, and those in between
        self._reading: Exchange | None = None
        self._answering: Exchange | None = None
        self._waiting: deque[tuple[Exchange, Scope]] = deque()
        self._task: asyncio.Task[None] | None = None
        # Is the application being asked right now?
        self._asking = False
        self._paused = False
        self._closing = False
        # Whose body could not be read on, before anything was answered, and why
        self._refused: tuple[Exchange, Refused] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._url = b""
        self._headers: Headers = []
        self._names: list[bytes] = []
        # Could the next request say the same again?
        self._is_repeatable = False
        # Of the head that is being read: what came in reads of its own, and the read that it began in
        self._head_bytes = 0
        self._read_bytes = self._begun_in_bytes = 0
        self.in_head = False
        # When the peer last did what we wait for (loop time)
        self.progress = self.head_since = server.loop.time()
        self.served = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        client = transport.get_extra_info("peername")
        server = transport.get_extra_info("sockname")
        self._addresses = (tuple(client[:2]) if client else None, tuple(server[:2]) if server else None)
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._server.connections.discard(self)
        for exchange in (self._reading, self._answering):
            if exchange is not None:
                exchange.disconnect()
        self._waiting.clear()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self.is_idle and (found := self._repeats.find(data)) is not None:
            self._answer_repeat(*found, len(data))
            return
        self.progress = self._loop.time()
        self._parse(data)
        if self._waiting:
            self._answer_waiting()
        if self._reading is not None or self._waiting or self._paused:
            self._update_reading()

    def _parse(self, data: bytes) -> None:
        was_idle = self.is_idle
        self._read_bytes = len(data)
        if self.in_head or self._reading is None:
            self._head_bytes += self._read_bytes
        try:
            self._parser.feed_data(data)
            if self.in_head and self._head_bytes > MAX_HEAD_BYTES:
                raise Refused(431, "Request Header Fields Too Large")
        except httptools.HttpParserUpgrade:
            # An upgrade is the server's to decline (RFC 9110 §7.8); what follows the request is not HTTP.
            self._closing = True
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refused) else Refused(400, str(error)))
        except Refused as refused:
            self._refuse(refused)
        else:
            if was_idle and self._is_repeatable and len(self._waiting) == 1 and self.is_idle:
                self._repeats.learn(data, self._headers, self._names)

    def _answer_repeat(self, method: bytes, url: bytes, size: int) -> None:
        exchange = Exchange(
            self,
            size,
            is_head=method == b"HEAD",
            http11=True,
            keep_alive=not self._server.stopping,
            has_body=False,
            expects_continue=False,
        )
        self.served = True
        repeated = self._repeats
        self._ask(exchange, self._scope(exchange, method, url, repeated.headers, repeated.names, "1.1"))

    def eof_received(self) -> bool:
        """A client may close its side and still read the answer, but not in the midst of its request."""
        self._outbox.flush()
        self._closing = True
        if self._reading is not None:
            self._reading.disconnect()
            return False
        return self._answering is not None

    def pause_writing(self) -> None:
        self.progress = self._loop.time()
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        self.progress = self._loop.time()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        self.in_head = True
        self.head_since = self.progress
        self._begun_in_bytes = self._read_bytes
        self._url = b""
        self._headers = []
        self._names = []

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:
            self._names.append(name)
            self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False
        parser = self._parser
        version: str = parser.get_http_version()
        has_body, expects_continue = self._inspect(version)
        keeps_alive = parser.should_keep_alive()
        method: bytes = parser.get_method()
        exchange = Exchange(
            self,
            self._head_bytes + self._begun_in_bytes,
            is_head=method == b"HEAD",
            http11=version == "1.1",
            keep_alive=keeps_alive and not self._server.stopping,
            has_body=has_body,
            expects_continue=expects_continue,
        )
        self._is_repeatable = version == "1.1" and keeps_alive and not has_body and not expects_continue
        scope = self._scope(exchange, method, _origin_form(self._url), self._headers, self._names, version)
        self._waiting.append((exchange, scope))
        self._head_bytes = 0
        self.served = True
        self._reading = exchange

    def on_body(self, data: bytes) -> None:
        if self._reading is not None:
            self._reading.feed(data)

    def on_message_complete(self) -> None:
        if self._reading is not None:
            self._reading.feed_end()
            self._reading = None

    def _inspect(self, version: str) -> tuple[bool, bool]:
        """Has it a body, and does the client wait for `100 Continue`? Raises `Refused`."""
        hosts = 0
        has_body = expects_continue = False
        for name, value in self._headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                has_body = value != b"0"
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked" or version != "1.1":
                    raise Refused(400, "this Transfer-Encoding is not understood")
                has_body = True
            elif name == b"expect":
                expects_continue = value.lower() == b"100-continue"
        if hosts != 1 and (version == "1.1" or hosts > 1):
            raise Refused(400, "a request needs one Host header")
        if self._head_bytes > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            raise Refused(431, "Request Header Fields Too Large")
        return has_body, expects_continue and version == "1.1"

    def _size_of_head(self) -> int:
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)

    def _scope(
        self, exchange: Exchange, method: bytes, url: bytes, headers: Headers, names: list[bytes], version: str
    ) -> Scope:
        raw_path, _, query = url.partition(b"?")
        client, server = self._addresses
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": _METHODS.get(method) or method.decode("ascii"),
            "scheme": self._server.scheme,
            "root_path": "",
            "path": unquote(raw_path.decode("ascii")) if b"%" in raw_path else raw_path.decode("ascii"),
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "header_names": names,
            "client": client,
            "server": server,
            "extensions": {DIRECT: exchange},
        }

    # -- answering

    def _answer_waiting(self) -> None:
        self._asking = True
        while self._waiting and self._answering is None:
            self._ask(*self._waiting.popleft())
        self._asking = False

    def _ask(self, exchange: Exchange, scope: Scope) -> None:
        self._answering = exchange
        try:
            answer = self._server.app(scope, exchange.receive, exchange.send)
        except Exception:
            _log.exception("the application failed")
            self._end(exchange)
        else:
            if answer is not None:
                self.go_on(exchange, answer)

    def go_on(self, exchange: Exchange, answer: Awaitable[None]) -> None:
        # Held here, since the loop itself holds a task only weakly.
        self._task = self._loop.create_task(self._run(exchange, answer))

    async def _run(self, exchange: Exchange, answer: Awaitable[None]) -> None:
        try:
            await answer
        except Exception:
            _log.exception("the application failed")
        if self._answering is exchange:
            self.finished(exchange)

    def finished(self, exchange: Exchange) -> None:
        self._end(exchange)
        if self._waiting and not self._asking:
            self._answer_waiting()
            self._update_reading()

    def _end(self, exchange: Exchange) -> None:
        self._answering = None
        self.progress = self._loop.time()
        if self._refused is not None and self._refused[0] is exchange:
            self._say_why(self._refused[1])
        elif not exchange.complete:
            self._break_off(exchange)
        elif not exchange.keep_alive or not exchange.received or self._server.stopping:
            # A request that was not read to its end leaves bytes that are no request.
            self.close()
        elif not self._waiting:
            if self._closing:
                self.close()
            elif self._paused:
                self._update_reading()

    def _break_off(self, exchange: Exchange) -> None:
        """Half a response must not be taken for a whole one."""
        self._waiting.clear()
        if not exchange.started and not self._transport.is_closing():
            self.write(_plain_response(500))
            self.close()
        else:
            self._transport.abort()

    def _refuse(self, refused: Refused) -> None:
        self._closing = True
        self.in_head = False
        if self._reading is not None:
            # Its body breaks off here. The application hears of it, and once it is through the client hears why.
            if not self._reading.started:
                self._refused = (self._reading, refused)
            self._reading.keep_alive = False
            self._reading.disconnect()
            self._reading = None
        elif self._answering is None and not self._waiting:
            self._say_why(refused)

    def _say_why(self, refused: Refused) -> None:
        self.write(_plain_response(refused.status, str(refused)))
        self.close()

    # -- what an exchange asks for

    def write(self, data: bytes) -> None:
        self._outbox.flush()
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_whole(self, data: bytes) -> None:
        """A whole response: it goes out at the end of this turn of the loop."""
        self._outbox.write(self._transport, data)

    async def drain(self) -> None:
        if self._writable is not None:
            await self._writable

    def wants_more(self) -> None:
        if self._paused:
            self._update_reading()

    def _update_reading(self) -> None:
        full = (self._reading is not None and self._reading.buffered > _HIGH_WATER) or (
            len(self._waiting) >= _MAX_PIPELINED
        )
        if full == self._paused or self._transport.is_closing():
            return
        self._paused = full
        self.progress = self._loop.time()
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # -- the end

    @property
    def is_answering(self) -> bool:
        return self._answering is not None

    @property
    def is_idle(self) -> bool:
        return self._answering is None and self._reading is None and not self.in_head

    @property
    def waits_for_peer(self) -> bool:
        """For the rest of a request, or to take what we wrote?"""
        if self._writable is not None:
            return True
        return self.in_head or (self._reading is not None and not self._paused)

    def forget(self) -> None:
        """Keeps nothing of what the client has said so far."""
        self._repeats.forget()
        self._headers, self._names = [], []

    def close(self) -> None:
        self._outbox.flush()
        self._closing = True
        self._waiting.clear()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


def _origin_form(url: bytes) -> bytes:
    """The path and query of a target. Raises `Refused`."""
    if url.startswith(b"/"):
        return url.partition(b"#")[0]
    scheme, separator, rest = url.partition(b"://")
    if separator and scheme.lower() in (b"http", b"https"):
        slash = rest.find(b"/")
        return rest[slash:].partition(b"#")[0] if slash >= 0 else b"/"
    if url == b"*":
        return b"/"
    raise Refused(400, "the request's target is not understood")


def _plain_response(status: int, message: str = "") -> bytes:
    phrase = HTTPStatus(status).phrase
    body = (message or phrase).encode("ascii", "replace")
    return b"HTTP/1.1 %d %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status,
        phrase.encode(),
        len(body),
        body,
    )
