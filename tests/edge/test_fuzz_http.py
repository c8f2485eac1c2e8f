"""Broken HTTP against a real server: whatever it is sent, it refuses or answers, stays up and does not grow.

Together with `tests/wire/test_fuzz.py` 20,000 requests. Four kinds: calls of the AWS API that were broken on the way,
paths and hosts of deployed APIs and of our own pages, bytes that are hardly HTTP, and bodies that stop midway.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecourt.testing import Forecourt

sys.path.insert(0, str(Path(__file__).parents[1]))
from wire.test_fuzz import FUZZED, mutated, protocols, valid

CALLS, PATHS, BYTES, STUMPS = 5_000, 3_000, 1_200, 40
CONNECTIONS = 8
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FORBIDDEN = bytes(range(32)) + b"\x7f"


@pytest.fixture(scope="module")
def victim() -> Iterator[Forecourt]:
    """A server of its own, with an API deployed: the requests may well delete what they find."""
    with Forecourt(arguments=("--log-level", "warning")) as forecourt:
        yield forecourt


@pytest.fixture(scope="module")
def api(victim: Forecourt) -> str:
    gateway = victim.client("apigateway")
    api_id: str = gateway.create_rest_api(name="fuzz")["id"]
    root = gateway.get_resources(restApiId=api_id)["items"][0]["id"]
    proxy = gateway.create_resource(restApiId=api_id, parentId=root, pathPart="{proxy+}")["id"]
    for resource in (root, proxy):
        method = {"restApiId": api_id, "resourceId": resource, "httpMethod": "ANY"}
        gateway.put_method(**method, authorizationType="NONE")
        templates = {"application/json": '{"statusCode": 200}'}
        gateway.put_integration(**method, type="MOCK", requestTemplates=templates, passthroughBehavior="NEVER")
        gateway.put_method_response(**method, statusCode="200")
        gateway.put_integration_response(**method, statusCode="200", selectionPattern="")
    gateway.create_deployment(restApiId=api_id, stageName="prod")
    return api_id


class Line:
    """One keep-alive connection; opened again where the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: bytes, *, head_only: bool = False, patience: float = 30) -> tuple[int, bytes]:
        """Status and body; 0 where the server closed the connection without an answer."""
        for _ in range(2):
            fresh = self._streams is None
            try:
                return await asyncio.wait_for(self._ask(message, head_only), patience)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if fresh:
                    return 0, b""
        return 0, b""

    async def _ask(self, message: bytes, head_only: bool) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(message)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        found = _STATUS.match(head)
        assert found is not None, head
        length = _LENGTH.search(head)
        body = b""
        if length is not None and not head_only:
            body = await reader.readexactly(int(length[1]))
        elif b"chunked" in head.lower() and not head_only:
            body = await self._chunks(reader)
        if b"connection: close" in head.lower():
            self.close()
        return int(found[1]), body

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def clean(value: bytes) -> bytes:
    """Without what would end a line: the message itself is to stay whole here."""
    return value.translate(None, _FORBIDDEN).strip()


def rendered(method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    lines = [f"{method} ".encode() + (clean(target).replace(b" ", b"%20") or b"/") + b" HTTP/1.1"]
    named = {name for name, _ in headers}
    lines += [name + b": " + clean(value) for name, value in headers if name not in (b"content-length",)]
    if b"host" not in named:
        lines.append(b"host: localhost")
    lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def broken_call(rng: random.Random) -> tuple[str, bytes]:
    service = rng.choice(FUZZED)
    request, _ = valid(service, rng.choice(protocols(service)), rng)
    request = mutated(request, rng)
    request.headers.append((b"x-amz-date", b"20260101T000000Z"))
    target = b"/" + request.raw_path.lstrip(b"/") + (b"?" + request.query_string if request.query_string else b"")
    return request.method, rendered(request.method, target, request.headers, request.body)


def odd_path(rng: random.Random, api: str) -> tuple[str, bytes]:
    tail = rng.choice(
        (
            b"", b"/", b"//", b"/../..", b"/%2e%2e/%2F", b"/%", b"/%zz", b"/%00", b"/\xff\xfe", b"/a" * 2000, b"?",
            b"?=&&=", b"?%ff=%fe", b"?a=" + b"b" * 9000, b"/;x=1", b"/[x]", b"#frag", rng.randbytes(30),
        )
    )  # fmt: skip
    start = rng.choice(
        (
            f"/restapis/{api}/prod/_user_request_", f"/_aws/execute-api/{api}/prod", f"/_aws/execute-api/{api}/none",
            "/_aws/execute-api/none/prod", "/restapis//prod/_user_request_", "/_forecourt/health",
            "/_forecourt/metrics", "/_forecourt/none", "/_forecourt/clock",
            "/_aws/cognito/none/oauth2/token", "/_aws/cognito/none/login",
            "/eu-west-1_abc/.well-known/jwks.json", "/", "/favicon.ico", "/2018-06-01/runtime/invocation/next",
        )
    )  # fmt: skip
    host = rng.choice(
        ("localhost", f"{api}.execute-api.localhost", "x.auth.eu-west-1.localhost", "", "[::1]", "a" * 300)
    )
    method = rng.choice(("GET", "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"))
    headers = [(b"host", host.encode())]
    for _ in range(rng.randrange(4)):
        name = rng.choice(
            (b"content-type", b"origin", b"accept", b"cookie", b"x-forwarded-for", b"authorization", b"range")
        )
        headers.append((name, rng.randbytes(rng.randrange(60))))
    return method, rendered(method, start.encode() + tail, headers, rng.choice((b"", b"{}", b"{", rng.randbytes(200))))


def broken_bytes(rng: random.Random, api: str) -> bytes:
    """A request of which the head itself is damaged; nothing may follow on its connection."""
    _, message = odd_path(rng, api)
    out = bytearray(message)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(min(len(out), 120))
        choice = rng.random()
        if choice < 0.5:
            out[at] = rng.randrange(256)
        elif choice < 0.8:
            out[at:at] = rng.choice((b"\r\n", b"\0", b":", b" ", b"\r", b"\n", b"transfer-encoding: chunked\r\n"))
        else:
            del out[at : at + rng.randrange(1, 20)]
    return bytes(out) + b"\r\n\r\n"


def acceptable(status: int) -> bool:
    """What Forecourt does not have, it says so (501); everything else of 5xx would be a bug."""
    return status < 500 or status == 501


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


async def ask_all(victim: Forecourt, messages: list[tuple[str, bytes]]) -> Counter[int]:
    """Asks over some connections at a time. Fails at the first answer that would be a bug."""
    statuses: Counter[int] = Counter()
    left = iter(messages)

    async def work() -> None:
        line = Line(victim.port)
        for method, message in left:
            status, body = await line.ask(message, head_only=method == "HEAD")
            assert acceptable(status), f"{status} {body[:500]!r} for {message[:1500]!r}"
            statuses[status] += 1
        line.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return statuses


async def test_broken_calls_are_refused_and_memory_stays(victim: Forecourt) -> None:
    rng = random.Random("calls")
    messages = [broken_call(rng) for _ in range(CALLS)]
    warm = await ask_all(victim, messages[: CALLS // 2])
    before = resident_mb(victim.pid)
    statuses = warm + await ask_all(victim, messages[CALLS // 2 :])
    assert sum(statuses.values()) == CALLS
    assert sum(count for status, count in statuses.items() if 400 <= status < 500) > CALLS / 2
    assert resident_mb(victim.pid) - before < 60


async def test_odd_paths_and_hosts_are_answered(victim: Forecourt, api: str) -> None:
    rng = random.Random("paths")
    statuses = await ask_all(victim, [odd_path(rng, api) for _ in range(PATHS)])
    assert statuses[200] > 50
    assert statuses[0] < PATHS / 20


async def test_bytes_that_are_hardly_http_end_their_own_connection_only(victim: Forecourt, api: str) -> None:
    rng = random.Random("bytes")

    async def send(message: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", victim.port)
        writer.write(message)
        try:
            await writer.drain()
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(4096), 3)
        except OSError:
            answer = b""
        for found in _STATUS.finditer(answer):
            assert acceptable(int(found[1])), f"{answer!r} for {message!r}"
        writer.close()

    messages = [broken_bytes(rng, api) for _ in range(BYTES)]
    for start in range(0, BYTES, CONNECTIONS):
        await asyncio.gather(*map(send, messages[start : start + CONNECTIONS]))
    assert victim.ask("/_forecourt/health")["status"] == "running"


async def test_a_client_that_stops_midway_is_let_go(victim: Forecourt, api: str) -> None:
    rng = random.Random("stumps")
    for _ in range(STUMPS):
        _, message = odd_path(rng, api) if rng.random() < 0.5 else broken_call(rng)
        _, writer = await asyncio.open_connection("127.0.0.1", victim.port)
        writer.write(message[: rng.randrange(1, len(message))])
        await writer.drain()
        writer.close()
    assert victim.ask("/_forecourt/health")["status"] == "running"
    assert not [line for line in victim.output.splitlines() if '"level":"ERROR"' in line]
