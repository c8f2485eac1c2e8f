"""The pool: which connection carries a request, and when one is opened, kept, or closed.

Per origin at most `max_connections`; who comes later waits in line until its time is over. The connection used last is
taken first, so that the surplus of a burst grows old and is closed. A connection that turns out to be closed before
anything was written is no failure: the next one, at last a new one, gets the request. Nothing else is ever sent twice.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from dataclasses import dataclass

from forecourt.upstream.connection import Connection, OnReply
from forecourt.upstream.errors import ConnectFailed, TimedOut, TlsFailed, UnknownHost
from forecourt.upstream.message import Origin, Request, render_head
from forecourt.upstream.response import Response


@dataclass(frozen=True, slots=True)
class Limits:
    max_connections: int = 512  # per origin
    max_waiting: int = 4096  # requests in line per origin
    connect_timeout_seconds: float = 5.0
    # Below the 5 s after which Node's servers, the commonest with a short one, close an idle connection.
    idle_seconds: float = 4.0
    max_head_bytes: int = 64 * 1024


class Upstream:
    """Use from one event loop. `close()` ends all connections.

    `server_name` is what servers' certificates are asked for and compared with in place of the origin's host.
    """

    def __init__(
        self, limits: Limits | None = None, tls: ssl.SSLContext | None = None, server_name: str | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._tls = tls
        self._server_name = server_name
        self._pools: dict[Origin, _Pool] = {}
        self._reaper: asyncio.TimerHandle | None = None

    async def send(self, origin: Origin, request: Request, timeout: float) -> Response:
        """Sends `request` within `timeout` seconds and returns its response, whole or begun.

        Raises `InvalidRequest`, `ConnectFailed`, `TimedOut`, `BadResponse`, `ResponseTooLarge`.
        """
        head = render_head(request)
        pool = self._pools.get(origin) or self._open_pool(origin)
        now = pool.loop.time()
        deadline = now + timeout
        is_head = request.method == b"HEAD"
        while (connection := pool.take(now)) is not None:
            try:
                return await connection.exchange(head, request.body, is_head, deadline)
            except ConnectFailed:
                pool.discard(connection)
        connection = await pool.wait(deadline)
        return await connection.exchange(head, request.body, is_head, deadline)

    def begin(self, origin: Origin, request: Request, timeout: float, on_reply: OnReply) -> bool:
        """`send` without waiting, where a connection is free: `on_reply` hears of the response, or why there is none.

        False where none is free; nothing was sent then. Raises `InvalidRequest`.
        """
        pool = self._pools.get(origin)
        if pool is None:
            return False
        head = render_head(request)
        now = pool.loop.time()
        connection = pool.take(now)
        if connection is None:
            return False
        connection.begin(head, request.body, request.method == b"HEAD", now + timeout, on_reply)
        return True

    def _open_pool(self, origin: Origin) -> _Pool:
        loop = asyncio.get_running_loop()
        tls = None
        if origin.scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context()
            tls = self._tls
        pool = self._pools[origin] = _Pool(origin, self._limits, loop, tls, self._server_name or origin.host)
        if self._reaper is None:
            self._reaper = loop.call_later(1.0, self._reap)
        return pool

    def _reap(self) -> None:
        """Closes what was idle for too long, and forgets origins that nobody uses."""
        self._reaper = None
        for origin, pool in list(self._pools.items()):
            pool.reap()
            if pool.unused:
                del self._pools[origin]
        if self._pools:
            self._reaper = asyncio.get_running_loop().call_later(1.0, self._reap)

    async def close(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        await asyncio.sleep(0)


class _Pool:
    def __init__(
        self,
        origin: Origin,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None,
        server_name: str,
    ) -> None:
        self.loop = loop
        self._origin = origin
        self._limits = limits
        self._tls = tls
        self._server_name = server_name
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._connecting = 0
        self._line: deque[asyncio.Future[None]] = deque()

    def take(self, now: float) -> Connection | None:
        """The idle connection that was used last, if any is fit."""
        idle, idle_seconds = self._idle, self._limits.idle_seconds
        while idle:
            connection = idle.pop()
            if connection.is_fresh(now, idle_seconds):
                return connection
            self.discard(connection)
        return None

    async def wait(self, deadline: float) -> Connection:
        """A connection, new or one that another request gives back. Raises `ConnectFailed` or `TimedOut`."""
        while len(self._all) + self._connecting >= self._limits.max_connections:
            await self._stand_in_line(deadline)
            if (connection := self.take(self.loop.time())) is not None:
                return connection
            if self.loop.time() >= deadline:
                raise TimedOut(f"no connection to {self._origin.authority} became free in time")
        return await self._connect(deadline)

    async def _stand_in_line(self, deadline: float) -> None:
        if len(self._line) >= self._limits.max_waiting:
            raise ConnectFailed(f"too many requests wait for a connection to {self._origin.authority}")
        turn = self.loop.create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except TimeoutError:
            raise TimedOut(f"no connection to {self._origin.authority} became free in time") from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next_in_line()
            raise
        finally:
            if turn in self._line:
                self._line.remove(turn)

    async def _connect(self, deadline: float) -> Connection:
        origin = self._origin
        connect_by = min(deadline, self.loop.time() + self._limits.connect_timeout_seconds)
        self._connecting += 1
        try:
            async with asyncio.timeout_at(connect_by):
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self.loop, self._limits.max_head_bytes, self._on_free),
                    origin.host,
                    origin.port,
                    ssl=self._tls,
                    server_hostname=self._server_name if self._tls is not None else None,
                )
        except TimeoutError:
            self._next_in_line()
            raise ConnectFailed(f"no connection to {origin.authority} in time") from None
        except (OSError, UnicodeError) as error:
            self._next_in_line()
            raise _refusal(error)(f"cannot connect to {origin.authority}: {error}") from error
        finally:
            self._connecting -= 1
        self._all.add(connection)
        return connection

    def _on_free(self, connection: Connection) -> None:
        if connection.usable:
            self._idle.append(connection)
        else:
            self._all.discard(connection)
        if self._line:
            self._next_in_line()

    def discard(self, connection: Connection) -> None:
        connection.close()
        self._all.discard(connection)
        self._next_in_line()

    def _next_in_line(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def reap(self) -> None:
        now = self.loop.time()
        while self._idle and not self._idle[0].is_fresh(now, self._limits.idle_seconds):
            self.discard(self._idle.popleft())

    @property
    def unused(self) -> bool:
        return not self._all and not self._connecting and not self._line

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()


def _refusal(error: OSError | UnicodeError) -> type[ConnectFailed]:
    if isinstance(error, ssl.SSLError):
        return TlsFailed
    return UnknownHost if isinstance(error, socket.gaierror | UnicodeError) else ConnectFailed
