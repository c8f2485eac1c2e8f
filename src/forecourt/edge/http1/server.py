"""Listens, and keeps the slow and the idle from piling up: one look at all connections a second."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from forecourt.base.asgi import App
from forecourt.edge.http1.connection import Connection

_BACKLOG = 4096
_IDLE_SECONDS = 75.0
# A client that has said nothing for so long is not remembered for what it said: many may be idle.
_FORGET_SECONDS = 5.0
# A client that takes nothing of its response, or sends nothing of its body, for so long is gone.
_STALL_SECONDS = 60.0


class Server:
    """Serves `app` on `host:port` until `stop()`. A client that has not sent its headers in time is cut off."""

    scheme = "http"

    def __init__(self, app: App, host: str, port: int, header_timeout_seconds: float = 10.0) -> None:
        self.app = app
        self._host = "127.0.0.1" if host == "localhost" else host
        self._port = port
        self._header_timeout_seconds = header_timeout_seconds
        self.connections: set[Connection] = set()
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop
        self._listening: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Returns once the port answers. Raises `OSError` where it cannot be had."""
        self.loop = asyncio.get_running_loop()
        self._listening = await self.loop.create_server(
            lambda: Connection(self), self._host, self._port, backlog=_BACKLOG, reuse_address=True
        )
        for listener in self._listening.sockets:
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sweeper = self.loop.call_later(1.0, self._sweep)

    async def stop(self) -> None:
        """No new connections or requests from here on; answers that are under way are still sent."""
        self.stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._listening is not None:
            self._listening.close()
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()
        # One turn of the loop, so that what was closed is closed.
        await asyncio.sleep(0)

    @property
    def in_flight(self) -> int:
        """How many requests are being answered."""
        return sum(connection.is_answering for connection in self.connections)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.connections):
            waited = now - connection.progress
            if connection.in_head:
                if now - connection.head_since > self._header_timeout_seconds:
                    connection.abort()
            elif connection.is_idle:
                if waited > (_IDLE_SECONDS if connection.served else self._header_timeout_seconds):
                    connection.close()
                elif waited > _FORGET_SECONDS:
                    connection.forget()
            elif connection.waits_for_peer and waited > _STALL_SECONDS:
                connection.abort()
        self._sweeper = self.loop.call_later(1.0, self._sweep)
