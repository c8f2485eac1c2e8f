"""Requests that come while a change of their API is being worked off, over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from tests.apigateway_plan.harness import API, backend, gateway, http_proxy

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.edge.http1 import Server
from forecourt.testing import free_port


async def _get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /prod/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(-1), 10)
    writer.close()
    return answer


async def test_a_request_that_waits_for_a_change_is_answered_by_a_connection_that_is_free() -> None:
    async with gateway() as made, backend() as behind:
        await made.deploy({"ANY /": http_proxy(behind.url)})

        def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
            scope["state"] = {"request_id": "00000000-0000-4000-8000-000000000000"}
            return made.gateway.invoke(API, scope["raw_path"], scope, receive, send)

        port = free_port()
        server = Server(app, "127.0.0.1", port)
        await server.start()
        try:
            # Leaves a connection to the backend that the next request finds free.
            assert (await _get(port)).startswith(b"HTTP/1.1 200")
            pending = made.gateway._registry.pending
            worked_off = asyncio.Event()
            pending[API] = (1, worked_off)
            waiting = asyncio.create_task(_get(port))
            while len(server.connections) == 0 or not server.in_flight:
                await asyncio.sleep(0)
            del pending[API]
            worked_off.set()
            assert (await waiting).startswith(b"HTTP/1.1 200")
        finally:
            await server.stop()
