"""A response that repeats its connection's last head is read as if it were the first."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport import Transport

from forecourt.upstream.connection import Connection
from forecourt.upstream.response import Response


async def exchanged(connections: list[Connection], reads: list[bytes]) -> list[Any]:
    """What each read is taken for, when it answers a request on the connection of its turn."""
    loop = asyncio.get_running_loop()
    got: list[Any] = []

    def heard(reply: Response | Exception) -> None:
        if isinstance(reply, Exception):
            got.append((type(reply), str(reply)))
        else:
            got.append((reply.status, list(reply.headers), reply.body))

    for connection, data in zip(connections, reads, strict=True):
        connection.begin(b"GET / HTTP/1.1\r\n\r\n", b"", False, loop.time() + 60, heard)
        connection.data_received(data)
        # May it carry another?
        got.append(connection.usable and not connection.busy)
        if not got[-1]:
            break
    return got


def connected() -> Connection:
    connection = Connection(asyncio.get_running_loop(), 65536, lambda free: None)
    connection.connection_made(Transport())
    return connection


RESPONSES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\n\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnull\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(RESPONSES, min_size=1, max_size=5))
def test_what_a_connection_said_before_changes_nothing(reads: list[bytes]) -> None:
    async def same() -> list[Any]:
        return await exchanged([connected()] * len(reads), reads)

    async def fresh() -> list[Any]:
        got: list[Any] = []
        for data in reads:
            got += await exchanged([connected()], [data])
            if got[-1] is not True:
                break
        return got

    assert asyncio.run(same()) == asyncio.run(fresh())


async def test_the_headers_are_the_same_list_as_long_as_they_recur() -> None:
    lists: list[Any] = []
    connection = connected()
    for body in (b"{}", b"[]", b"12"):
        head = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n"
        deadline = asyncio.get_running_loop().time() + 60
        connection.begin(b"GET / HTTP/1.1\r\n\r\n", b"", False, deadline, lists.append)
        connection.data_received(head + body)
    assert [reply.body for reply in lists] == [b"{}", b"[]", b"12"]
    assert lists[1].headers is lists[2].headers
