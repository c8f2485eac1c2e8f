"""The server against clients that are slow, greedy, ahead of time, or up to something, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.edge.http1 import Server, connection
from forecourt.testing import free_port


class App:
    """Answers with what it saw; paths ask for special treatment."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.disconnected = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        special = getattr(self, scope["path"].strip("/"), None) if scope["path"].count("/") == 1 else None
        await (special or self.echo)(scope, receive, send)

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            body += message["body"]
            if not message["more_body"]:
                break
        answer = b"%b %b %b" % (scope["method"].encode(), scope["raw_path"], body)
        await reply(send, answer)

    async def ignore(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"ignored")

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"67108864")]})
        self.sent = 0
        for _ in range(1024):
            await send({"type": "http.response.body", "body": b"z" * 65536, "more_body": True})
            self.sent += 65536
        await send({"type": "http.response.body", "body": b""})

    async def fail(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("of our making")

    async def half(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("midway")

    async def inject(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y\r\nset-cookie: evil")]})
        await send({"type": "http.response.body", "body": b""})

    async def none(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def quick(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()
        await reply(send, b"answered all the same")

    async def early(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, b"no", 413)


async def reply(send: Send, body: bytes, status: int = 200) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def answer(self) -> tuple[int, bytes]:
        head = await self.head()
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return int(head.split(b" ")[1]), await asyncio.wait_for(self.reader.readexactly(int(length or 0)), 5)

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        try:
            return await asyncio.wait_for(self.reader.read(-1), 5)
        except ConnectionError:
            return b""


@asynccontextmanager
async def serving(header_timeout_seconds: float = 10.0) -> AsyncIterator[tuple[App, Any, Server]]:
    app, port = App(), free_port()
    server = Server(app, "127.0.0.1", port, header_timeout_seconds)
    clients: list[Client] = []

    async def connect() -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
        clients.append(client)
        return client

    await server.start()
    try:
        yield app, connect, server
    finally:
        await server.stop()
        for client in clients:
            client.writer.close()


REQUEST = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_whole_and_byte_by_byte_on_one_connection() -> None:
    request = b"POST /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nX-Own: y \r\nContent-Length: 3\r\n\r\nabc"
    async with serving() as (app, connect, _):
        client = await connect()
        client.send(request)
        assert await client.answer() == (200, b"POST /a%2Fb abc")
        for at in range(len(request)):
            client.send(request[at : at + 1])
            await client.writer.drain()
        assert await client.answer() == (200, b"POST /a%2Fb abc")
        for scope in app.scopes:
            assert (scope["path"], scope["query_string"], scope["http_version"]) == ("/a/b", b"c=d", "1.1")
            assert scope["headers"] == [(b"host", b"x"), (b"x-own", b"y"), (b"content-length", b"3")]
            assert scope["header_names"] == [b"Host", b"X-Own", b"Content-Length"]
            assert scope["client"][0] == "127.0.0.1"


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50)))
        assert [await client.answer() for _ in range(50)] == [(200, b"GET /%d " % n) for n in range(50)]


async def test_a_chunked_body_and_a_request_behind_it() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(
            b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            + REQUEST
        )
        assert await client.answer() == (200, b"PUT /a abcde")
        assert await client.answer() == (200, b"GET /a ")


REFUSED = {
    "both lengths": b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "other order": b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "a signed length": b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
    "an unknown coding": b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a coding before chunked": b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding after chunked": b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a space before the colon": b"GET /a HTTP/1.1\r\nHost : x\r\n\r\n",
    "bare line feeds": b"GET /a HTTP/1.1\nHost: x\n\n",
    "NUL in a value": b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n",
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bare word as the target": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"FROB /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a request of version 3": b"GET /a HTTP/3.0\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_and_trusts_nothing_that_follows(name: str) -> None:
    async with serving() as (app, connect, _):
        client = await connect()
        client.send(REFUSED[name] + REQUEST)
        got = await client.rest()
        assert got.startswith(b"HTTP/1.1 400 ")
        assert got.count(b"HTTP/1.1 ") == 1
        assert app.scopes == []


@pytest.mark.parametrize("path", [b"/a", b"/quick"])
async def test_a_bad_chunk_ends_the_request_and_the_connection(path: bytes) -> None:
    """Whether the application gives up or answers all the same, the client hears what was wrong."""
    async with serving() as (app, connect, _):
        client = await connect()
        client.send(
            b"PUT " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n" + REQUEST
        )
        got = await client.rest()
        assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"GET /a" not in got
        await asyncio.wait_for(app.disconnected.wait(), 5)
        assert len(app.scopes) == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"a" * 80_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 80_000 + b"\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 30_000,
    ],
)
async def test_a_head_without_end(request_bytes: bytes) -> None:
    async with serving() as (app, connect, _):
        client = await connect()
        client.send(request_bytes)
        assert (await client.rest())[:12] in (b"HTTP/1.1 431", b"")
        assert app.scopes == []


@pytest.mark.parametrize("sent", [b"", b"GET /a HT", b"GET /a HTTP/1.1\r\nHost: x\r\n"])
async def test_a_client_that_never_finishes_its_head_is_cut_off(sent: bytes) -> None:
    async with serving(header_timeout_seconds=0.2) as (_, connect, server):
        client = await connect()
        client.send(sent)
        assert await client.rest() == b""
        assert not server.connections


async def test_a_drip_of_header_bytes_does_not_buy_time() -> None:
    async with serving(header_timeout_seconds=0.3) as (_, connect, _server):
        client = await connect()
        client.send(b"GET /a HTTP/1.1\r\nHost: x\r\n")

        async def drip() -> None:
            while True:
                client.send(b"a: b\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await client.rest() == b""
        dripping.cancel()


async def test_many_that_never_finish_do_not_hold_up_the_others() -> None:
    async with serving() as (_, connect, _server):
        for _ in range(300):
            (await connect()).send(b"GET /a HTTP/1.1\r\nHo")
        client = await connect()
        client.send(REQUEST)
        assert await client.answer() == (200, b"GET /a ")


async def test_a_reader_that_stops_stops_the_application() -> None:
    async with serving() as (app, connect, _):
        client = await connect()
        client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.head()
        await asyncio.sleep(0.1)
        assert app.sent < 32 << 20
        received = 0
        while received < 64 << 20:
            received += len(await client.reader.read(1 << 20))
        assert received == 64 << 20


async def test_an_application_that_does_not_read_stops_the_client() -> None:
    async with serving() as (_, connect, server):
        client = await connect()
        gate = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await gate.wait()
            size = 0
            while (message := await receive())["more_body"]:
                size += len(message["body"])
            await reply(send, b"%d" % (size + len(message["body"])))

        server.app = slow
        client.send(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n")
        client.send(b"x" * (32 << 20))
        await asyncio.sleep(0.2)
        (held,) = server.connections
        assert held._answering is not None
        assert held._answering.buffered < 4 << 20
        gate.set()
        assert await client.answer() == (200, b"33554432")


async def test_a_streamed_answer_is_chunked_and_for_http_1_0_ends_with_the_connection() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"transfer-encoding: chunked" in await client.head()
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        client.send(b"GET /stream HTTP/1.0\r\n\r\n")
        head = await client.head()
        assert b"chunked" not in head
        assert b"connection: close" in head
        assert await client.rest() == b"onetwo"


async def test_no_body_where_there_is_none() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST)
        assert b"content-length: 8" in await client.head()
        none = await client.head()
        assert none.startswith(b"HTTP/1.1 204 No Content")
        assert b"content-length" not in none
        assert await client.answer() == (200, b"GET /a ")


async def test_expect_100_continue() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(b"PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert await client.answer() == (200, b"PUT /a ab")


async def test_an_answer_before_the_request_was_read_closes_the_connection() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(b"PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab")
        assert await client.answer() == (413, b"no")
        assert await client.rest() == b""


async def test_a_failure_is_500_without_detail_and_half_an_answer_is_cut_off() -> None:
    async with serving() as (_, connect, _server):
        for path in (b"fail", b"inject"):
            client = await connect()
            client.send(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            got = await client.rest()
            assert got.startswith(b"HTTP/1.1 500 ")
            assert b"our making" not in got
            assert b"set-cookie" not in got
        client = await connect()
        client.send(b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
        got = await client.rest()
        assert not got.endswith(b"0\r\n\r\n")
        assert got.count(b"HTTP/1.1") <= 1


async def test_the_application_hears_that_the_client_is_gone() -> None:
    async with serving() as (app, connect, _):
        client = await connect()
        client.send(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab")
        while not app.scopes:
            await asyncio.sleep(0.01)
        client.writer.transport.abort()
        await asyncio.wait_for(app.disconnected.wait(), 5)


@pytest.mark.parametrize("head", [b"GET /a HTTP/1.0\r\n", b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"])
async def test_who_wants_no_further_requests_gets_none(head: bytes) -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(head + b"\r\n")
        assert await client.answer() == (200, b"GET /a ")
        assert await client.rest() == b""


async def test_absolute_targets_fragments_and_an_upgrade_that_is_declined() -> None:
    async with serving() as (_, connect, _server):
        client = await connect()
        client.send(b"GET http://x/abs?q HTTP/1.1\r\nHost: x\r\n\r\nGET /f#g HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await client.answer() == (200, b"GET /abs ")
        assert await client.answer() == (200, b"GET /f ")
        client.send(b"GET /u HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n")
        assert await client.answer() == (200, b"GET /u ")
        assert await client.rest() == b""


async def test_a_stop_lets_what_is_under_way_finish() -> None:
    async with serving() as (_, connect, server):
        gate = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await gate.wait()
            await reply(send, b"done")

        server.app = slow
        busy, idle = await connect(), await connect()
        busy.send(REQUEST)
        while all(connection.is_idle for connection in server.connections):
            await asyncio.sleep(0.01)
        await server.stop()
        assert await idle.rest() == b""
        gate.set()
        assert await busy.answer() == (200, b"done")
        assert await busy.rest() == b""
        with pytest.raises(OSError):  # noqa: PT011
            await connect()


def test_the_limits_are_those_of_the_docs() -> None:
    assert connection.MAX_HEAD_BYTES == 65_536
