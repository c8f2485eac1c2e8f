"""The client against servers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from forecourt.base.headers import Recurring
from forecourt.upstream import (
    BadResponse,
    ConnectFailed,
    InvalidRequest,
    Limits,
    Origin,
    Request,
    Response,
    ResponseTooLarge,
    TimedOut,
    Upstream,
    end_to_end,
)
from forecourt.upstream.message import render_head

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = [(b"host", b"backend")]
GET = Request(b"GET", b"/", HOST)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Backend:
    """Counts connections and requests; `serve` gets each connection."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head


@asynccontextmanager
async def backend(serve: Callable[[Backend, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]):
    made = Backend(lambda reader, writer: serve(made, reader, writer))
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield made, Origin("http", "127.0.0.1", port)
    finally:
        server.close()


@asynccontextmanager
async def client(**limits: float) -> AsyncIterator[Upstream]:
    upstream = Upstream(Limits(**limits))  # type: ignore[arg-type]
    try:
        yield upstream
    finally:
        await upstream.close()


def answers(*parts: bytes, close: bool = False):
    """Every request gets `parts`, each in a write of its own."""

    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await made.head(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                if len(parts) > 1:
                    await asyncio.sleep(0.001)
            if close:
                return

    return serve


async def fetch(
    response_bytes: bytes, request: Request = GET, *, close: bool = False, limit: int = 1 << 20
) -> Response:
    async with backend(answers(response_bytes, close=close)) as (_, origin), client() as upstream:
        response = await upstream.send(origin, request, 5)
        await response.read(limit)
        return response


REFUSED = {
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, other order": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
    "length overflow": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nab",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding after chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "folded header": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "space before colon": b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 2\r\n\r\nok",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "huge chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunk longer than said": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/9": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "status below 100": b"HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "protocol switch": b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "interim responses without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20,
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(name: str) -> None:
    with pytest.raises(BadResponse):
        await fetch(REFUSED[name])


STOPPED_MIDWAY = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
}


@pytest.mark.parametrize("name", STOPPED_MIDWAY)
async def test_a_response_that_stops_midway(name: str) -> None:
    with pytest.raises(BadResponse):
        await fetch(STOPPED_MIDWAY[name], close=True)


ACCEPTED = {
    "with a length": (OK, b"ok"),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified, with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
    "a trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", b"ok"),
    "an interim response": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nL: m\r\n\r\n" + OK, b"ok"),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_accepts_whole_and_byte_by_byte(name: str) -> None:
    sent, body = ACCEPTED[name]
    whole = await fetch(sent)
    async with (
        backend(answers(*[sent[at : at + 1] for at in range(len(sent))])) as (made, origin),
        client() as upstream,
    ):
        for _ in range(2):
            parts = await upstream.send(origin, GET, 5)
            assert await parts.read(100) == body == whole.body
            assert (parts.status, parts.headers) == (whole.status, whole.headers)
        assert made.connections == 1


async def test_a_body_that_ends_with_the_connection() -> None:
    response = await fetch(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end", close=True)
    assert (response.body, response.headers) == (b"until the end", [(b"X", b"y")])


async def test_head_has_no_body_whatever_its_length_says() -> None:
    async with (
        backend(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")) as (made, origin),
        client() as upstream,
    ):
        for _ in range(3):
            response = await upstream.send(origin, Request(b"HEAD", b"/", HOST), 5)
            assert (response.body, response.header(b"content-length")) == (b"", b"999")
        assert made.connections == 3


async def test_a_connection_is_used_again_and_the_last_one_first() -> None:
    async with backend(answers(OK)) as (made, origin), client() as upstream:
        await asyncio.gather(*[upstream.send(origin, GET, 5) for _ in range(3)])
        assert made.connections == 3
        for _ in range(5):
            await upstream.send(origin, GET, 5)
        assert (made.connections, len(made.requests)) == (3, 8)


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\r\nnoise"])
async def test_bytes_after_a_response_never_answer_the_next_request(extra: bytes) -> None:
    async with backend(answers(OK + extra)) as (made, origin), client() as upstream:
        for _ in range(2):
            with suppress(BadResponse):
                assert (await upstream.send(origin, GET, 5)).body == b"ok"
            await asyncio.sleep(0.01)
        assert made.connections == 2


async def test_a_body_after_head_never_answers_the_next_request() -> None:
    async with backend(answers(OK)) as (made, origin), client() as upstream:
        for _ in range(2):
            with suppress(BadResponse):
                await upstream.send(origin, Request(b"HEAD", b"/", HOST), 5)
            await asyncio.sleep(0.01)
        assert made.connections == 2


async def test_nor_does_one_that_comes_late() -> None:
    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await made.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        if head.startswith(b"HEAD"):
            await asyncio.sleep(0.05)
        with suppress(ConnectionError):
            writer.write(b"ok")
            await writer.drain()

    async with backend(serve) as (_, origin), client() as upstream:
        await upstream.send(origin, Request(b"HEAD", b"/", HOST), 5)
        assert (await upstream.send(origin, GET, 5)).body == b"ok"


async def test_a_request_that_was_sent_is_not_sent_again() -> None:
    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made.head(reader)
        writer.write(OK)
        await made.head(reader)  # and hangs up without an answer

    async with backend(serve) as (made, origin), client() as upstream:
        assert (await upstream.send(origin, GET, 5)).body == b"ok"
        with pytest.raises(BadResponse):
            await upstream.send(origin, GET, 5)
        assert (made.connections, len(made.requests)) == (1, 2)


async def test_a_kept_connection_that_the_origin_closed_is_no_failure() -> None:
    async with backend(answers(OK, close=True)) as (made, origin), client() as upstream:
        for _ in range(3):
            assert (await upstream.send(origin, Request(b"POST", b"/", HOST, b"x"), 5)).body == b"ok"
            await asyncio.sleep(0.02)
        assert made.connections == 3


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
async def test_connections_that_the_origin_will_close_are_not_kept(head: bytes) -> None:
    async with backend(answers(head + b"Content-Length: 2\r\n\r\nok")) as (made, origin), client() as upstream:
        for _ in range(2):
            assert (await upstream.send(origin, GET, 5)).body == b"ok"
        assert made.connections == 2


async def test_the_origins_own_keep_alive_time_is_respected() -> None:
    response = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok"
    async with backend(answers(response)) as (made, origin), client() as upstream:
        for _ in range(2):
            await upstream.send(origin, GET, 5)
        assert made.connections == 2


async def test_idle_connections_are_closed() -> None:
    async with backend(answers(OK)) as (made, origin), client(idle_seconds=0.01) as upstream:
        await upstream.send(origin, GET, 5)
        await asyncio.sleep(0.03)
        await upstream.send(origin, GET, 5)
        assert made.connections == 2


async def test_nobody_listens() -> None:
    async with backend(answers(OK)) as (_, origin):
        pass
    async with client() as upstream:
        with pytest.raises(ConnectFailed):
            await upstream.send(origin, GET, 5)
        with pytest.raises(ConnectFailed):
            await upstream.send(Origin("http", "does-not-exist.invalid", 80), GET, 5)


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_an_origin_that_hangs(sent: bytes) -> None:
    async with backend(answers(sent)) as (_, origin), client() as upstream:
        with pytest.raises(TimedOut):
            await (await upstream.send(origin, GET, 0.05)).read(100)


async def test_a_shorter_time_limit_after_a_longer_one_holds() -> None:
    replies = iter([OK, b""])

    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await made.head(reader)
            writer.write(next(replies))

    async with backend(serve) as (_, origin), client() as upstream:
        await upstream.send(origin, GET, 60)
        async with asyncio.timeout(5):
            with pytest.raises(TimedOut):
                await upstream.send(origin, GET, 0.05)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 80_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 " + b"o" * 80_000,
    ],
)
async def test_a_head_without_end(sent: bytes) -> None:
    with pytest.raises((ResponseTooLarge, BadResponse)):
        await fetch(sent)


async def test_chunk_extensions_without_end() -> None:
    async with (
        backend(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000)) as (_, origin),
        client() as upstream,
    ):
        with pytest.raises(BadResponse):
            await (await upstream.send(origin, GET, 5)).read(100)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 20,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
async def test_a_body_larger_than_the_reader_accepts(sent: bytes) -> None:
    with pytest.raises(ResponseTooLarge):
        await fetch(sent, limit=4)


async def test_a_reader_that_stops_stops_the_origin() -> None:
    written = 0

    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await made.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
            written += 1

    async with backend(serve) as (_, origin), client() as upstream:
        response = await upstream.send(origin, GET, 30)
        assert response.body is None
        assert response.length == 64 << 20
        await asyncio.sleep(0.1)
        assert written < 32
        received = 0
        async for part in response.chunks():
            received += len(part)
        assert received == 64 << 20


async def test_a_large_request_is_streamed_with_back_pressure() -> None:
    go_on = asyncio.Event()
    received = produced = 0

    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await made.head(reader)
        await go_on.wait()
        while received < 32 << 20:
            received += len(await reader.read(1 << 20))
        writer.write(OK)

    async def body() -> AsyncIterator[bytes]:
        nonlocal produced
        for _ in range(32):
            produced += 1
            yield b"y" * (1 << 20)

    async with backend(serve) as (_, origin), client() as upstream:
        sending = asyncio.create_task(upstream.send(origin, Request(b"PUT", b"/", HOST, body(), 32 << 20), 30))
        await asyncio.sleep(0.1)
        assert produced < 24
        go_on.set()
        assert (await sending).body == b"ok"


async def test_a_streamed_request_of_unknown_size_is_chunked_and_the_connection_is_kept() -> None:
    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await made.head(reader)
            made.requests.append(await reader.readuntil(b"0\r\n\r\n"))
            writer.write(OK)

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b""
        yield b"de"

    async with backend(serve) as (made, origin), client() as upstream:
        for _ in range(2):
            await upstream.send(origin, Request(b"POST", b"/", HOST, body()), 5)
        assert b"transfer-encoding: chunked" in made.requests[0]
        assert made.requests[1] == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert made.connections == 1


async def test_a_response_that_comes_before_the_request_was_sent_whole() -> None:
    stopped = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"z" * 1000
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    async with (
        backend(answers(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")) as (made, origin),
        client() as upstream,
    ):
        response = await upstream.send(origin, Request(b"POST", b"/", HOST, body(), 1 << 30), 5)
        assert (response.status, response.body) == (413, b"no")
        await asyncio.wait_for(stopped.wait(), 5)
        await upstream.send(origin, GET, 5)
        assert made.connections == 2


async def test_what_the_body_raises_reaches_the_caller() -> None:
    class Gone(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        raise Gone

    async with backend(answers()) as (_, origin), client() as upstream:
        with pytest.raises(Gone):
            await upstream.send(origin, Request(b"POST", b"/", HOST, body()), 5)


async def test_at_most_so_many_connections_and_the_rest_waits_in_line() -> None:
    async with backend(answers(OK)) as (made, origin), client(max_connections=2) as upstream:
        responses = await asyncio.gather(*[upstream.send(origin, GET, 5) for _ in range(50)])
        assert [response.body for response in responses] == [b"ok"] * 50
        assert made.connections == 2


async def test_the_line_is_bounded_in_length_and_time() -> None:
    async with backend(answers(b"")) as (_, origin), client(max_connections=1, max_waiting=1) as upstream:
        served = asyncio.create_task(upstream.send(origin, GET, 60))
        results = await asyncio.gather(*[upstream.send(origin, GET, 0.1) for _ in range(2)], return_exceptions=True)
        assert [type(result) for result in results] == [TimedOut, ConnectFailed]
        served.cancel()


async def test_who_gives_up_frees_the_place() -> None:
    silent = True

    async def serve(made: Backend, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await made.head(reader)
            if not silent:
                writer.write(OK)

    async with backend(serve) as (_, origin), client(max_connections=1) as upstream:
        first = asyncio.create_task(upstream.send(origin, GET, 5))
        await asyncio.sleep(0.05)
        first.cancel()
        silent = False
        assert (await upstream.send(origin, GET, 5)).body == b"ok"


UNSENDABLE = {
    "a line break in a value": Request(b"GET", b"/", [*HOST, (b"a", b"b\r\nevil: 1")]),
    "a bare LF in a value": Request(b"GET", b"/", [*HOST, (b"a", b"b\nevil: 1")]),
    "NUL in a value": Request(b"GET", b"/", [*HOST, (b"a", b"b\0")]),
    "a space in a name": Request(b"GET", b"/", [*HOST, (b"a b", b"c")]),
    "an empty name": Request(b"GET", b"/", [*HOST, (b"", b"c")]),
    "a colon in a name": Request(b"GET", b"/", [*HOST, (b"a:b", b"c")]),
    "a space in the target": Request(b"GET", b"/ HTTP/1.1\r\nevil: 1", HOST),
    "an empty target": Request(b"GET", b"", HOST),
    "a line break in the method": Request(b"GET\r\n", b"/", HOST),
    "a length of one's own": Request(b"POST", b"/", [*HOST, (b"Content-Length", b"7")], b"ab"),
    "a coding of one's own": Request(b"POST", b"/", [*HOST, (b"transfer-encoding", b"chunked")], b"ab"),
    "no header": Request(b"GET", b"/", []),
}


@pytest.mark.parametrize("name", UNSENDABLE)
async def test_what_would_smuggle_is_not_sent(name: str) -> None:
    async with backend(answers(OK)) as (made, origin), client() as upstream:
        with pytest.raises(InvalidRequest):
            await upstream.send(origin, UNSENDABLE[name], 5)
        assert made.connections == 0


def test_host_is_the_first_header_and_what_recurs_comes_last() -> None:
    request = Request(b"GET", b"/a", [(b"host", b"b"), (b"x-own", b"1")], recurring=Recurring([(b"accept", b"*/*")]))
    for _ in range(2):
        assert render_head(request) == b"GET /a HTTP/1.1\r\nhost: b\r\nx-own: 1\r\naccept: */*\r\n\r\n"


def test_hop_by_hop_headers_are_dropped_also_those_that_connection_names() -> None:
    headers = [
        (b"Connection", b"close, X-Mine"),
        (b"x-mine", b"1"),
        (b"TE", b"trailers"),
        (b"Accept", b"*/*"),
        (b"Upgrade", b"h2c"),
    ]
    assert end_to_end(headers) == [(b"Accept", b"*/*")]


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://a/b", ("http", "a", 80), "a"),
        ("https://a:8443", ("https", "a", 8443), "a:8443"),
        ("http://[::1]:80/x", ("http", "::1", 80), "[::1]"),
    ],
)
def test_origins(url: str, origin: tuple[str, str, int], authority: str) -> None:
    assert Origin.parse(url) == origin
    assert Origin.parse(url).authority == authority


@pytest.mark.parametrize("url", ["ftp://a", "/path", "http://", "http://a:99999"])
def test_not_origins(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Origin.parse(url)
