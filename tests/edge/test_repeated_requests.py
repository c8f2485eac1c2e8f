"""A request that repeats its connection's last one is read as if it were the first."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport import Transport

from forecourt.base.asgi import Receive, Scope, Send, direct
from forecourt.edge.http1 import Server
from forecourt.edge.http1.connection import Connection
from forecourt.edge.http1.repeats import Repeats

_SECTION = b"\r\nHost: a\r\nX-Trace: \t7 \r\nAccept: */*\r\n\r\n"


def read(*reads: bytes) -> list[Any]:
    """What the application is asked when one connection brings these reads."""
    seen: list[Any] = []

    def app(scope: Scope, receive: Receive, send: Send) -> None:
        ours = direct(scope)
        assert ours is not None
        known = ("method", "raw_path", "path", "query_string", "header_names", "http_version", "scheme")
        seen.append(({name: scope[name] for name in known}, list(scope["headers"]), ours.whole_body))
        ours.respond(200, [], [], b"")

    async def run() -> None:
        server = Server(cast("Any", app), "127.0.0.1", 0)
        server.loop = asyncio.get_running_loop()
        transport, connection = Transport(), Connection(server)
        connection.connection_made(transport)
        for data in reads:
            connection.data_received(data)
        seen.append(transport.closed)

    asyncio.run(run())
    return seen


def one_by_one(*reads: bytes) -> list[Any]:
    """The same, had each come on a connection of its own; nothing is asked after one that closes."""
    seen: list[Any] = []
    for data in reads:
        *asked, closed = read(data)
        seen += asked
        if closed:
            return [*seen, True]
    return [*seen, False]


LINES = st.builds(
    lambda method, target, version: f"{method} {target} {version}".encode("latin-1"),
    st.sampled_from(["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "CONNECT", "get", "G T"]),
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=6).map(lambda text: "/" + text)
    | st.sampled_from(["/", "/a?b=c", "/%2F", "*", "http://b/c", "", "/a#b", "/a b"]),
    st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.1 ", "http/1.1"]),
)
SECTIONS = st.sampled_from(
    [
        _SECTION,
        b"\r\nHost: a\r\n\r\n",
        b"\r\nHost: a\r\n\r\n\r\n",
        b"\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        b"\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\r\nX: y\r\n\r\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(LINES, SECTIONS), min_size=1, max_size=4))
def test_what_a_connection_said_before_changes_nothing(requests: list[tuple[bytes, bytes]]) -> None:
    reads = [line + section for line, section in requests]
    assert read(*reads) == one_by_one(*reads)


@pytest.mark.parametrize("code", range(1, 256))
def test_every_character_of_a_target(code: int) -> None:
    reads = (b"GET / HTTP/1.1" + _SECTION, b"GET /%c HTTP/1.1" % code + _SECTION)
    assert read(*reads) == one_by_one(*reads)


def test_the_headers_are_the_same_list_as_long_as_they_recur() -> None:
    lists: list[Any] = []

    def app(scope: Scope, receive: Receive, send: Send) -> None:
        lists.append(scope["headers"])
        ours = direct(scope)
        assert ours is not None
        ours.respond(200, [], [], b"")

    async def run() -> None:
        server = Server(cast("Any", app), "127.0.0.1", 0)
        server.loop = asyncio.get_running_loop()
        connection = Connection(server)
        connection.connection_made(Transport())
        for line in (b"GET /a HTTP/1.1", b"GET /b HTTP/1.1", b"HEAD /c HTTP/1.1"):
            connection.data_received(line + _SECTION)
        connection.data_received(b"GET /d HTTP/1.1\r\nHost: other\r\n\r\n")

    asyncio.run(run())
    assert lists[1] is lists[2]
    assert lists[0] == lists[1]
    assert lists[3] == [(b"host", b"other")]


def test_what_is_long_is_not_remembered() -> None:
    repeats = Repeats()
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 5000 + b"\r\n\r\n"
    repeats.learn(data, [(b"host", b"a")], [b"Host"])
    assert repeats.find(data) is None


def test_who_never_repeats_himself_is_seldom_remembered_until_he_does() -> None:
    def said(number: int) -> bytes:
        return b"GET / HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % number

    repeats = Repeats()
    for number in range(103):
        repeats.learn(said(number), [(b"host", b"a")], [b"Host"])
    assert repeats.find(said(102)) is None
    repeats.learn(said(103), [(b"host", b"a")], [b"Host"])
    assert repeats.find(said(103)) == (b"GET", b"/")
    repeats.learn(said(104), [(b"host", b"a")], [b"Host"])
    assert repeats.find(said(104)) == (b"GET", b"/")


def test_what_is_forgotten_is_not_found() -> None:
    repeats = Repeats()
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    repeats.learn(data, [(b"host", b"a")], [b"Host"])
    assert repeats.find(data) == (b"GET", b"/")
    repeats.forget()
    assert repeats.find(data) is None
    assert repeats.headers == []
