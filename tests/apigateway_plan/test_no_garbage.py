"""An invocation leaves no circle of objects behind: to find them, the garbage collector stops every other request."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tests.apigateway_plan.harness import API, OWNER, Gateway, backend, gateway, http_proxy, listening

from forecourt.services.apigateway.rest import model

_REQUESTS = 50
_KEY = "secret-key-of-20-chars"


async def _with_key(made: Gateway) -> None:
    await made.put(
        model.ApiKey(
            **OWNER, id="k", value="secret-key-of-20-chars", enabled=True, created_date=0, last_updated_date=0
        ),
        model.UsagePlan(**OWNER, id="p", name="p", api_stages=[model.ApiStage(api_id=API, stage="prod")]),
        model.UsagePlanKey(**OWNER, usage_plan_id="p", id="k"),
    )


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    writer.write(f"GET /prod{path} HTTP/1.1\r\nHost: x\r\nx-api-key: {_KEY}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    await reader.readexactly(int(length.partition(b": ")[2]))
    return head.partition(b"\r\n")[0]


@pytest.mark.parametrize(("path", "status"), [("/", b"200"), ("/keyed", b"200"), ("/nowhere", b"403")])
async def test_requests_leave_no_garbage(path: str, status: bytes) -> None:
    async with gateway() as made, backend() as behind, listening(made) as (_, port):
        await _with_key(made)
        keyed = http_proxy(behind.url)
        keyed.api_key_required = True
        await made.deploy({"ANY /": http_proxy(behind.url), "ANY /keyed": keyed})
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for _ in range(5):
                assert status in await _get(reader, writer, path)
            gc.collect()
            gc.disable()
            for _ in range(_REQUESTS):
                await _get(reader, writer, path)
            # A circle for each request would be many objects each.
            assert gc.collect() < _REQUESTS
        finally:
            gc.enable()
            writer.close()
