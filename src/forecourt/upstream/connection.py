"""One connection to an origin, which carries one exchange after the other.

llhttp parses (strict: it refuses a message with both Content-Length and Transfer-Encoding, two lengths, folded headers,
bare CR or LF, bad chunk sizes). What it lets through and a second parser might read differently is refused here: any
Transfer-Encoding other than one `chunked`, a status below 100, a protocol switch that nobody asked for, and bytes that
come before a request was sent or after a response was complete.

A response whose head only repeats its connection's last one is not parsed again (`repeats`).

A response that arrives whole in one read is handed over once, with the body in hand, when the connection is free again.
Otherwise the reader gets the head and pulls the rest; reading from the socket pauses while too much is waiting.

Waiting is bounded by one timer per connection that is re-armed only when it fires, so that a quick exchange costs no
timer at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import cast

import httptools

from forecourt.base.headers import Headers
from forecourt.base.outbox import outbox
from forecourt.upstream.errors import BadResponse, ConnectFailed, ResponseTooLarge, TimedOut, UpstreamError
from forecourt.upstream.repeats import Repeats
from forecourt.upstream.response import Response

# Who is told of the response, or why there is none. Called once, and must not raise.
OnReply = Callable[[Response | Exception], None]

# More than this much unread body pauses the socket; less than half of it lets it go on.
_HIGH_WATER = 256 * 1024
# How much larger than its content a chunked body's framing may be (one-byte chunks are six times as large).
_FRAMING_FACTOR = 8
_MAX_INTERIM_RESPONSES = 8
# How long a reader that does not read may hold up an origin beyond the deadline.
_MAX_STALL_SECONDS = 60


class Connection(asyncio.Protocol):
    """`on_free` is called once for every `exchange`, when the connection may be used again (if it is `usable`)."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_head_bytes: int, on_free: Callable[[Connection], None]
    ) -> None:
        self._loop = loop
        self._outbox = outbox(loop)
        self._max_head_bytes = max_head_bytes
        self._on_free = on_free
        self._parser = httptools.HttpResponseParser(self)
        self._repeats = Repeats()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._writable: asyncio.Future[None] | None = None
        self._keep_alive_seconds: float | None = None
        self.idle_since = 0.0
        self.busy = False
        self._forget_exchange()

    def _forget_exchange(self) -> None:
        self._headers: Headers = []
        self._response: Response | None = None  # the response that is still being read
        self._on_reply: OnReply | None = None
        self._reader: asyncio.Future[None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._received_bytes = 0
        self._body_bytes = 0
        self._interim = 0
        self._stalls = 0
        self._head_done = False
        self._complete = False
        self._reusable = False
        self._is_head = False
        self._paused = False
        self._error: Exception | None = None

    # -- the exchange

    async def exchange(
        self, head: bytes, body: bytes | AsyncIterable[bytes], is_head: bool, deadline: float
    ) -> Response:
        """Sends one request and returns its response, whole or begun. `deadline` is the loop's time.

        Raises `ConnectFailed` where the connection was already gone and nothing was written, else `TimedOut`,
        `BadResponse`, `ResponseTooLarge`, or what `body` raised.
        """
        if not self.usable:
            raise ConnectFailed("the connection was closed before the request was sent")
        waiter: asyncio.Future[Response] = self._loop.create_future()

        def settle(reply: Response | Exception) -> None:
            if waiter.done():
                return
            if isinstance(reply, Response):
                waiter.set_result(reply)
            else:
                waiter.set_exception(reply)

        self.begin(head, body, is_head, deadline, settle)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._fail(BadResponse("the exchange was given up"))
            raise

    def begin(
        self,
        head: bytes,
        body: bytes | AsyncIterable[bytes],
        is_head: bool,
        deadline: float,
        on_reply: OnReply,
    ) -> None:
        """`exchange` without waiting for it. The connection must be usable."""
        assert self._transport is not None
        self.busy = True
        self._is_head = is_head
        self._on_reply = on_reply
        if self._timer is None or self._timer_at > deadline:
            self._arm(deadline)
        else:
            self._deadline = deadline
        if isinstance(body, bytes):
            self._outbox.write(self._transport, head + body if body else head)
        else:
            self._sender = self._loop.create_task(self._send_body(head, body))

    async def _send_body(self, head: bytes, body: AsyncIterable[bytes]) -> None:
        """A response may begin meanwhile; one that is complete ends the sending (`_finish`)."""
        chunked = b"\r\ntransfer-encoding: chunked\r\n" in head
        try:
            await self._write(head)
            async for part in body:
                if part:
                    await self._write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if chunked:
                await self._write(b"0\r\n\r\n")
        except Exception as error:
            self._fail(error)
        self._sender = None

    async def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise BadResponse("the origin closed the connection before the request was sent whole")
        self._transport.write(data)
        if self._writable is not None:
            await self._writable

    async def next_part(self, response: Response) -> bytes:
        """What has arrived of the body; empty at its end."""
        while True:
            if self._response is not response:
                raise BadResponse("the response was given up")
            if self._parts:
                part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                self._parts = []
                self._waiting_bytes = 0
                if self._paused and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                return part
            if self._complete:
                return b""
            if self._error is not None:
                raise self._error
            self._reader = self._loop.create_future()
            await self._reader

    def abandon(self, response: Response) -> None:
        """The reader of `response` is through with it."""
        if self._response is response:
            self._response = None
            if self._complete:
                self._finish()
            else:
                self._fail(BadResponse("the response was given up"))

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self.busy or self._complete:
            self._distrust()
            return
        if not (self._received_bytes or self._is_head or self._sender is not None):
            body = self._repeats.find(data)
            if body is not None:
                self._answer_repeat(body)
                return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(BadResponse("the origin switches to a protocol that was not asked for"))
        except httptools.HttpParserError as error:
            # A refusal that one of the callbacks below raised is wrapped by the parser.
            cause = error.__context__
            self._fail(cause if isinstance(cause, UpstreamError) else BadResponse(str(error)))
        else:
            if self._complete:
                self._learn(data)
                self._finish()
            else:
                self._after_part()

    def _answer_repeat(self, body: bytes) -> None:
        on_reply, self._on_reply = self._on_reply, None
        self._free()
        if on_reply is not None:
            on_reply(Response(self._repeats.status, self._repeats.headers, None, body))

    def _learn(self, data: bytes) -> None:
        response = self._response
        if response is None or not self._reusable or self._interim or len(data) != self._received_bytes:
            return
        if response.header(b"transfer-encoding") is None:
            self._repeats.learn(data, self._body_bytes, response.status, response.headers)

    def _after_part(self) -> None:
        if not self._head_done:
            if self._received_bytes > self._max_head_bytes:
                self._fail(ResponseTooLarge(f"the response's head is larger than {self._max_head_bytes} bytes"))
        elif self._received_bytes > self._max_head_bytes + self._body_bytes * _FRAMING_FACTOR:
            self._fail(BadResponse("the response's framing is larger than what it frames"))
        else:
            self._deliver()
            if self._waiting_bytes > _HIGH_WATER and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()

    def _deliver(self) -> None:
        if self._on_reply is not None and self._response is not None:
            on_reply, self._on_reply = self._on_reply, None
            on_reply(self._response)
        self._wake_reader()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.busy or self._complete:
            return
        if self._head_done and self._until_close():
            self._complete_for_good()
            self._finish()
        else:
            detail = f": {error}" if error is not None else ""
            self._fail(BadResponse(f"the origin closed the connection before the response was complete{detail}"))

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # -- the parser's callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:
            self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._interim_response(status)
            return
        for name, value in self._headers:
            size = len(name)
            if size == 17 and name.lower() == b"transfer-encoding" and value.lower() != b"chunked":
                raise BadResponse(f"Transfer-Encoding {value!r} is not understood")
            if size == 10 and name.lower() == b"keep-alive":
                self._note_keep_alive(value)
        if self._received_bytes > self._max_head_bytes and self._size_of_head() > self._max_head_bytes:
            raise ResponseTooLarge(f"the response's head is larger than {self._max_head_bytes} bytes")
        self._head_done = True
        self._response = Response(status, self._headers, self)
        if self._is_head:
            # llhttp is not told which method it was; what a Content-Length announces here does not come. An origin that
            # sends it all the same would have it taken for the answer to the next request: there is none here.
            self._complete_for_good()

    def _interim_response(self, status: int) -> None:
        self._interim += 1
        if status < 100 or status == 101 or self._interim > _MAX_INTERIM_RESPONSES:
            raise BadResponse(f"unexpected status {status}")
        self._headers = []

    def _size_of_head(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self._headers)

    def on_body(self, data: bytes) -> None:
        if self._complete:
            raise BadResponse("a body came with a response to HEAD")
        self._parts.append(data)
        self._waiting_bytes += len(data)
        self._body_bytes += len(data)

    def on_message_begin(self) -> None:
        if self._complete:
            raise BadResponse("a second response came")

    def on_message_complete(self) -> None:
        if self._head_done and not self._complete:
            self._complete = True
            self._reusable = self._parser.should_keep_alive()
            if self._reader is not None:
                self._wake_reader()

    def _complete_for_good(self) -> None:
        """The message is complete, and the connection carries no other."""
        self._complete = True
        self._reusable = False
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _note_keep_alive(self, value: bytes) -> None:
        self._keep_alive_seconds = _keep_alive_timeout(value)

    def _finish(self) -> None:
        """The response is complete. If its body was taken, the connection is free; an unfinished request ends it."""
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
            self._reusable = False
        response, on_reply = self._response, self._on_reply
        if response is None:
            self._release()
        elif on_reply is not None:
            response.complete(self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))
            self._release()
            on_reply(response)

    def _distrust(self) -> None:
        """Bytes came that no request asked for: whatever they are, no later request shall take them for its answer."""
        self._reusable = False
        self._close()

    def _until_close(self) -> bool:
        return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)

    # -- the end

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def is_fresh(self, now: float, idle_seconds: float) -> bool:
        """Usable, and not idle for longer than we, or (with a margin) the origin, keep connections."""
        if self._keep_alive_seconds is not None:
            idle_seconds = min(idle_seconds, self._keep_alive_seconds)
        transport = self._transport
        return transport is not None and now - self.idle_since < idle_seconds and not transport.is_closing()

    def close(self) -> None:
        if self.busy and not self._complete:
            self._fail(BadResponse("the client is closing"))
        else:
            self._close()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def _release(self) -> None:
        if not self.busy:
            return
        if not self._reusable:
            self._close()
        self._forget_exchange()
        self._free()

    def _free(self) -> None:
        self.busy = False
        self.idle_since = self._loop.time()
        self._on_free(self)

    def _fail(self, error: Exception) -> None:
        """Whoever waits gets `error`; the connection is not used again."""
        self._reusable = False
        if self._complete and self._on_reply is not None:
            # The response is whole; what came after it spoils the connection only.
            self._finish()
            return
        if not self._complete:
            self._error = error
        on_reply, self._on_reply = self._on_reply, None
        for waiter in (self._reader, self._writable):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        self._close()
        if self.busy and (self._response is None or not self._complete):
            self.busy = False
            self._on_free(self)
        if on_reply is not None:
            on_reply(error)

    # -- waiting

    def _arm(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None and self._timer_at > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self.busy or self._complete:
            return
        now = self._loop.time()
        if now < self._deadline:
            self._arm(self._deadline)
        elif self._paused and self._stalls < _MAX_STALL_SECONDS:
            # The origin is in time; the reader is what it waits for.
            self._stalls += 1
            self._arm(now + 1.0)
        else:
            self._fail(TimedOut("the response was not complete in time"))


def _keep_alive_timeout(value: bytes) -> float | None:
    """`timeout=5, max=100` -> 4.0: a second less than the origin says, so that it never closes under a request."""
    for part in value.split(b","):
        name, _, seconds = part.strip().partition(b"=")
        if name.lower() == b"timeout" and seconds.isdigit() and len(seconds) < 6:
            return max(float(seconds) - 1.0, 0.0)
    return None
