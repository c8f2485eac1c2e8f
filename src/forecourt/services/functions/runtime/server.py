"""The Runtime API's listener: as much of HTTP/1.1 as runtimes need, on a loopback port of its own per environment.

A runtime may send its response and the next `next` in one go (ours do): the reply to the first then waits and leaves
together with the next event, which saves both sides a wake-up per invocation.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from forecourt.services.functions.runtime.endpoints import Endpoint, find
from forecourt.services.functions.runtime.messages import refusal
from forecourt.services.functions.runtime.session import Session

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_HEADER_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """Parses requests (llhttp) and passes them to their endpoints. Implements `session.Channel`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._parser = httptools.HttpRequestParser(self)
        self._out: list[bytes] = []
        self._waiting = False
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._trailers: dict[bytes, bytes] | None = None
        self._header_bytes = 0
        self._endpoint: Endpoint | None = None
        self._refusal: bytes | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError):
            self._out.append(refusal(400, "InvalidRequest", "The request is not HTTP/1.1"))
            self._flush()
            self._transport.close()
            return
        if not self._waiting:
            self._flush()

    # httptools

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise ValueError("too many headers")
        into = self._headers if self._trailers is None else self._trailers
        into[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._trailers = {}
        path = self._url.partition(b"?")[0]
        self._endpoint = find(self._parser.get_method(), path, self._session, self)
        if self._endpoint is None:
            self._refusal = refusal(404, "NotFound", "404 page not found")
            return
        self._refusal = self._endpoint.begin(self._headers)
        if self._refusal is None and self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.send(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._refusal is None and self._endpoint is not None:
            self._endpoint.data(body)

    def on_message_complete(self) -> None:
        endpoint, refused, trailers = self._endpoint, self._refusal, self._trailers or {}
        self._reset()
        if refused is None and endpoint is not None:
            self._waiting = True
            answer = endpoint.end(trailers)
            if answer is None:
                return
        else:
            answer = refused or b""
        self._waiting = False
        self._out.append(answer)

    # session.Channel

    @property
    def closed(self) -> bool:
        return self._transport.is_closing()

    def send(self, data: bytes) -> None:
        self._waiting = False
        self._out.append(data)
        self._flush()

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()


async def listen(session: Session) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(lambda: Connection(session), "127.0.0.1", 0)
