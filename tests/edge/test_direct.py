"""Applications that answer by a plain call (`base.asgi.Direct`) in place of a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from forecourt.base.asgi import Direct, Receive, Scope, Send, direct
from forecourt.edge.http1 import Server
from forecourt.testing import free_port


def ours(scope: Scope) -> Direct:
    found = direct(scope)
    assert found is not None
    return found


def answers(scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
    """`/later` after a turn of the loop, `/streams` by ASGI after all, `/fails` never, others at once."""
    exchange = ours(scope)
    if scope["path"] == "/fails":
        raise ValueError("of our making")
    if scope["path"] == "/evil":
        exchange.respond(200, [(b"x", b"y\r\nset-cookie: z")], [], b"")
    body = exchange.whole_body
    text = scope["path"].encode() + b" " + (b"?" if body is None else body)
    if scope["path"] == "/later":
        asyncio.get_running_loop().call_soon(exchange.respond, 200, [], [], text)
    elif scope["path"] == "/streams":
        asyncio.get_running_loop().call_soon(exchange.run, stream(send))
    else:
        exchange.respond(204 if scope["path"] == "/none" else 200, [], [], text)
    return None


async def stream(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"streamed"})


@asynccontextmanager
async def connected(app: Any = answers) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = free_port()
    server = Server(app, "127.0.0.1", port)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await server.stop()


def request(path: str, body: bytes = b"", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def asked(*requests: bytes) -> bytes:
    """Everything that is answered until the server closes."""
    async with connected() as (reader, writer):
        writer.write(b"".join(requests) + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await asyncio.wait_for(reader.read(-1), 10)


async def test_answers_keep_their_order_whether_they_come_at_once_or_later() -> None:
    got = await asked(request("/a"), request("/later"), request("/streams"), request("/b"))
    places = [got.index(text) for text in (b"/a ", b"/later ", b"streamed", b"/b ", b"/last ")]
    assert places == sorted(places)
    assert got.count(b"HTTP/1.1 200 OK") == 5


async def test_a_body_that_came_with_its_head_is_whole() -> None:
    assert b"/a {}" in await asked(request("/a", b"{}", "POST"))


async def test_a_body_that_is_still_to_come_is_not() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
        got = await asyncio.wait_for(reader.read(-1), 5)
        # What follows a request that was not read to its end is no request.
        assert got.endswith(b"/a ?")
        assert b"connection: close" not in got


async def test_head_and_no_content_have_no_body() -> None:
    got = await asked(request("/head", method="HEAD"), request("/none"))
    assert b"content-length: 6\r\n" in got
    assert b"/head" not in got
    assert b"/none" not in got


async def test_thousands_of_requests_in_one_read_are_answered_one_after_the_other() -> None:
    got = await asked(*[b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n"] * 5000)
    assert got.count(b"/n ") == 5000


async def test_what_fails_or_is_no_http_is_500() -> None:
    for path in ("/fails", "/evil"):
        got = await asked(request(path))
        assert got.startswith(b"HTTP/1.1 500 ")
        assert b"making" not in got
        assert b"set-cookie" not in got


async def test_a_client_that_closes_its_side_at_once_still_gets_its_answer() -> None:
    async with connected() as (reader, writer):
        writer.write(request("/a"))
        writer.write_eof()
        assert b"/a " in await asyncio.wait_for(reader.read(-1), 5)


async def test_what_is_refused_is_answered_after_what_was_asked_before() -> None:
    async with connected() as (reader, writer):
        writer.write(request("/a") + request("/b") + b"NO SUCH THING\r\n\r\n")
        got = await asyncio.wait_for(reader.read(-1), 5)
        assert got.index(b"/a ") < got.index(b"/b ")
        assert b" 400 " not in got[: got.index(b"/b ")]
