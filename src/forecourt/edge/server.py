"""Granian, embedded: the ASGI server in this process and on this event loop.

Granian keeps the undecoded path (`raw_path`), and hyper under it refuses what smuggles requests. What the slow or the
greedy may take is bounded here (headers) and in `body` (bodies).
"""

from __future__ import annotations

import asyncio
import errno
import socket

from forecourt.base.asgi import App

# hyper's read buffer: bounds a request's headers (AWS allows 10,240 bytes to an API, which the router enforces).
_BUFFER_BYTES = 64 * 1024
_BACKLOG = 4096


class PortTaken(Exception):
    """The address cannot be listened on. The message says why and what to do."""


def check_port(host: str, port: int) -> None:
    """Raises `PortTaken` where `host:port` cannot be bound, before anything else is set up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"port {port} is in use. Stop what uses it, or choose another with --port.") from error
            if error.errno == errno.EACCES:
                raise PortTaken(f"port {port} needs more rights than this user has. Choose one above 1023.") from error
            raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error


class Server:
    """Serves `app` on `host:port` until `stop()`. A client that has not sent its headers in time is cut off."""

    def __init__(self, app: App, host: str, port: int, header_timeout_seconds: float) -> None:
        # Imported by who serves with it: the checks above are everybody's.
        from granian.constants import HTTPModes, Interfaces
        from granian.http import HTTP1Settings
        from granian.server.embed import Server as Granian

        self._address = "127.0.0.1" if host == "localhost" else host
        self._port = port
        self._granian = Granian(
            app,
            address=self._address,
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=True,
            backlog=_BACKLOG,
            backpressure=_BACKLOG,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(header_timeout_seconds * 1000), max_buffer_size=_BUFFER_BYTES
            ),
            log_enabled=False,
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once the port answers. Raises `PortTaken`."""
        self._serving = asyncio.create_task(self._granian.serve(), name="granian")
        while not self._serving.done():
            try:
                _, writer = await asyncio.open_connection(self._address, self._port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.close()
            return
        raise PortTaken(f"the server ended while starting on {self._address}:{self._port}")

    async def stop(self) -> None:
        """No new connections from here on; answers that are under way are still sent."""
        if self._serving is None:
            return
        self._granian.stop()  # type: ignore[no-untyped-call]
        await self._serving
