"""`HTTP_PROXY` through a REST API, beside nginx `proxy_pass` and MiniStack, in turns; start-up time and idle memory.

    floor       nginx proxy_pass with kept-alive upstream connections, one worker
    MiniStack   1.5, in an environment of its own (requirements/bench-ministack.lock)

All three forward to the same nginx backend on the load generator's core. The turns are interleaved and the best of
each is kept, since a shared machine only ever makes a server slower than it is.

Latency is taken at half of the server's own best rate, and at 2,000 a second at most, by an open-loop prober: each
request is due at its time, whether or not the last one was answered. The prober measures how late it is itself; where
other processes keep it from its core, the table says so in place of a figure that would be theirs. What nginx has there
is the machine's own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from bench.support import (
    BUILD,
    LOAD_CORE,
    ROOT,
    SERVER_CORE,
    Load,
    PinnedForecourt,
    cpu_seconds,
    nginx,
    pinned,
    report,
    resident_mb,
    wait_for,
    wrk,
)
from forecourt.testing import free_port

# An account of AWS may send 10,000 requests a second; here the server is what is measured.
UNLIMITED = ("--quotas", "apigateway.throttle_rate=1000000", "--quotas", "apigateway.throttle_burst=1000000")
_ROUNDS = 3
_SECONDS = 4
_MOST_PROBES_PER_SECOND = 2000.0
_PROBER_LATE_MS = 3.0
_BODY = r"{\"id\":7,\"name\":\"Rex\",\"kind\":\"dog\"}"
_MINISTACK = BUILD.parent / "bench-ministack"


def main() -> None:
    with ExitStack() as servers:
        port, _ = servers.enter_context(backend())
        floor_port, floor_pid = servers.enter_context(floor(port))
        forecourt = servers.enter_context(PinnedForecourt(*UNLIMITED))
        ours = _deploy(forecourt.client("apigateway"), port)
        peer, peer_pid = servers.enter_context(_ministack())
        theirs = _deploy(_client(peer), port)
        contenders = {
            "nginx": Contender(f"http://127.0.0.1:{floor_port}/pets/7", floor_pid),
            "Forecourt": Contender(f"{forecourt.url}/_aws/execute-api/{ours}/dev/pets/7", forecourt.pid),
            "MiniStack": Contender(f"http://127.0.0.1:{peer}/restapis/{theirs}/dev/_user_request_/pets/7", peer_pid),
        }
        best = in_turns(contenders, _ROUNDS, _SECONDS)
        paced = {name: asyncio.run(paced_p99(contenders[name].url, best[name][0].per_second / 2)) for name in best}
    floor_load, floor_cpu = best["nginx"]
    rows = [
        (
            name,
            load.per_second,
            load.per_second / floor_load.per_second,
            load.per_second / best["MiniStack"][0].per_second,
            cpu * 1e6,
            floor_cpu / cpu,
            load.p99_ms,
            paced[name],
            load.errors,
        )
        for name, (load, cpu) in best.items()
    ]
    columns = (
        "server",
        "requests/s",
        "of nginx",
        "x MiniStack",
        "CPU us each",
        "of nginx by CPU",
        "p99 ms, full",
        "p99 ms, half",
        "errors",
    )
    title = f"HTTP_PROXY through a REST API, one core, 32 connections; load average {os.getloadavg()[0]:.1f}"
    report("gateway", title, columns, rows)
    _start()


class Contender(NamedTuple):
    """`script`: wrk's, where a plain GET is not what is asked."""

    url: str
    pid: int
    script: Path | None = None


def in_turns(contenders: dict[str, Contender], rounds: int, seconds: int) -> dict[str, tuple[Load, float]]:
    """The best turn of each, and the least processor time that it took for a request."""
    loads: dict[str, Load] = {}
    costs: dict[str, float] = {}
    for contender in contenders.values():
        wrk(contender.url, seconds=1, script=contender.script)
    for _ in range(rounds):
        for name, contender in contenders.items():
            before = cpu_seconds(contender.pid)
            load = wrk(contender.url, seconds=seconds, script=contender.script)
            cost = (cpu_seconds(contender.pid) - before) / load.requests
            costs[name] = min(cost, costs.get(name, cost))
            if name not in loads or load.per_second > loads[name].per_second:
                loads[name] = load
    return {name: (load, costs[name]) for name, load in loads.items()}


@contextmanager
def backend() -> Iterator[tuple[int, int]]:
    answer = f'location / {{ default_type application/json; return 200 "{_BODY}"; }}'
    with nginx(BUILD, "backend", LOAD_CORE, free_port(), answer) as server:
        yield server


@contextmanager
def floor(port: int) -> Iterator[tuple[int, int]]:
    upstream = f"upstream backend {{ server 127.0.0.1:{port}; keepalive 128; }}"
    forward = 'location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    with nginx(BUILD, "floor", SERVER_CORE, free_port(), forward, upstream) as server:
        yield server


@contextmanager
def _ministack() -> Iterator[tuple[int, int]]:
    _install_ministack()
    port = free_port()
    environment = {"GATEWAY_PORT": str(port), "LOG_LEVEL": "WARNING"}
    with pinned(SERVER_CORE, str(_MINISTACK / "bin" / "ministack"), environment=environment) as process:
        wait_for(port)
        yield port, process.pid


def _install_ministack() -> None:
    if (_MINISTACK / "bin" / "ministack").exists():
        return
    print("Installing MiniStack into an environment of its own ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(_MINISTACK)], check=True)
    lock = ROOT / "requirements" / "bench-ministack.lock"
    pip = [str(_MINISTACK / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
    subprocess.run(pip, check=True)


def _client(port: int) -> Any:
    return boto3.client(
        "apigateway",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def _deploy(apis: Any, backend: int) -> str:
    """A REST API with `ANY /{proxy+}` forwarded to the backend, on stage `dev`. Returns its id."""
    api: str = apis.create_rest_api(name="bench")["id"]
    root = next(item["id"] for item in apis.get_resources(restApiId=api)["items"] if item["path"] == "/")
    proxy = apis.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    method = {"restApiId": api, "resourceId": proxy, "httpMethod": "ANY"}
    apis.put_method(**method, authorizationType="NONE", requestParameters={"method.request.path.proxy": True})
    apis.put_integration(
        **method,
        type="HTTP_PROXY",
        integrationHttpMethod="ANY",
        uri=f"http://127.0.0.1:{backend}/{{proxy}}",
        requestParameters={"integration.request.path.proxy": "method.request.path.proxy"},
    )
    apis.create_deployment(restApiId=api, stageName="dev")
    return api


async def paced_p99(url: str, per_second: float, seconds: float = 5.0, connections: int = 32) -> float | str:
    """Milliseconds from when a request was due to when its answer was read, at the 99th percentile.

    What is answered in the first second does not count. Text where the prober itself came too late.
    """
    prober = _Prober(url, min(per_second, _MOST_PROBES_PER_SECOND))
    await prober.open(connections)
    await prober.run(1.0)
    prober.taken.clear()
    prober.late.clear()
    await prober.run(seconds)
    prober.close()
    late = _p99(prober.late) * 1000
    return f"no figure: prober {late:.0f} ms late" if late > _PROBER_LATE_MS else _p99(prober.taken) * 1000


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


class _Prober:
    """Sends at a steady rate, on whichever connection is free; requests that find none wait, and their wait counts."""

    def __init__(self, url: str, per_second: float) -> None:
        self._host, _, path = url.removeprefix("http://").partition("/")
        self.request = f"GET /{path} HTTP/1.1\r\nhost: {self._host}\r\n\r\n".encode()
        self._interval = 1 / per_second
        self._connections: list[_Connection] = []
        self.free: deque[_Connection] = deque()
        self.waiting: deque[float] = deque()
        self.taken: list[float] = []
        self.late: list[float] = []

    async def open(self, connections: int) -> None:
        name, _, port = self._host.partition(":")
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), name, int(port))
            self._connections.append(connection)
        self.free.extend(self._connections)

    async def run(self, seconds: float) -> None:
        """The loop's timers are a millisecond coarse: what falls due within one is sent together, due at its waking."""
        due = time.perf_counter()
        end = due + seconds
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            while due <= now:
                self.late.append(now - due)
                self.waiting.append(now)
                due += self._interval
            self.send()
        await asyncio.sleep(0.2)

    def send(self) -> None:
        while self.waiting and self.free:
            self.free.popleft().ask(self.waiting.popleft())

    def close(self) -> None:
        for connection in self._connections:
            connection.transport.close()


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, prober: _Prober) -> None:
        self._prober = prober
        self._received = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, due: float) -> None:
        self._due = due
        self._received = b""
        self.transport.write(self._prober.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if _is_whole(self._received):
            self._prober.taken.append(time.perf_counter() - self._due)
            self._prober.free.append(self)
            self._prober.send()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return bool(end) and (len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n"))


def _start() -> None:
    """Seconds from exec to ready, the best of five, and resident memory two seconds after."""
    times: list[float] = []
    memory = 0.0
    for _ in range(5):
        started = time.perf_counter()
        with PinnedForecourt() as forecourt:
            times.append(time.perf_counter() - started)
            if len(times) == 5:
                time.sleep(2)
                memory = resident_mb(forecourt.pid)
    rows = [("start to ready, s", min(times), "below 1"), ("idle memory, MB", memory, "below 120")]
    report("start", "Start-up", ("what", "measured", "aim"), rows)
