"""Requests that come while a change of their API is being worked off, over a real connection."""

from __future__ import annotations

import asyncio

from tests.apigateway_plan.harness import API, backend, gateway, http_proxy, listening


async def _get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /prod/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(-1), 10)
    writer.close()
    return answer


async def test_a_request_that_waits_for_a_change_is_answered_by_a_connection_that_is_free() -> None:
    async with gateway() as made, backend() as behind, listening(made) as (server, port):
        await made.deploy({"ANY /": http_proxy(behind.url)})
        # Leaves a connection to the backend that the next request finds free.
        assert (await _get(port)).startswith(b"HTTP/1.1 200")
        pending = made.gateway._registry.pending
        worked_off = asyncio.Event()
        pending[API] = (1, worked_off)
        waiting = asyncio.create_task(_get(port))
        while not server.in_flight:
            await asyncio.sleep(0)
        del pending[API]
        worked_off.set()
        assert (await waiting).startswith(b"HTTP/1.1 200")
