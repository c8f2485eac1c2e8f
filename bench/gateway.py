"""`HTTP_PROXY` through a REST API, beside nginx `proxy_pass` and MiniStack, in turns; start-up time and idle memory.

    floor       nginx proxy_pass with kept-alive upstream connections, one worker
    MiniStack   1.5, in an environment of its own (requirements/bench-ministack.lock)

All three forward to the same nginx backend on the load generator's core. The turns are interleaved and the best of
each is kept, since a shared machine only ever makes a server slower than it is. Latency is taken at half of the
server's own best rate, by an open-loop prober: each request is due at its time, whether or not the last one was
answered.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
_UNLIMITED = ("--quotas", "apigateway.throttle_rate=1000000", "--quotas", "apigateway.throttle_burst=1000000")
_ROUNDS = 3
_SECONDS = 4
_BODY = r"{\"id\":7,\"name\":\"Rex\",\"kind\":\"dog\"}"
_MINISTACK = BUILD.parent / "bench-ministack"


def main() -> None:
    with ExitStack() as servers:
        backend, _ = servers.enter_context(_backend())
        floor, floor_pid = servers.enter_context(_floor(backend))
        forecourt = servers.enter_context(PinnedForecourt(*_UNLIMITED))
        ours = _deploy(forecourt.client("apigateway"), backend)
        peer, peer_pid = servers.enter_context(_ministack())
        theirs = _deploy(_client(peer), backend)
        contenders = {
            "nginx": Contender(f"http://127.0.0.1:{floor}/pets/7", floor_pid),
            "Forecourt": Contender(f"{forecourt.url}/_aws/execute-api/{ours}/dev/pets/7", forecourt.pid),
            "MiniStack": Contender(f"http://127.0.0.1:{peer}/restapis/{theirs}/dev/_user_request_/pets/7", peer_pid),
        }
        best = _in_turns(contenders)
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
    report("gateway", "HTTP_PROXY through a REST API, one core, 32 connections", columns, rows)
    _start()


class Contender(NamedTuple):
    url: str
    pid: int


def _in_turns(contenders: dict[str, Contender]) -> dict[str, tuple[Load, float]]:
    """The best turn of each, and the least processor time that it took for a request."""
    loads: dict[str, Load] = {}
    costs: dict[str, float] = {}
    for contender in contenders.values():
        wrk(contender.url, seconds=1)
    for _ in range(_ROUNDS):
        for name, contender in contenders.items():
            before = cpu_seconds(contender.pid)
            load = wrk(contender.url, seconds=_SECONDS)
            cost = (cpu_seconds(contender.pid) - before) / load.requests
            costs[name] = min(cost, costs.get(name, cost))
            if name not in loads or load.per_second > loads[name].per_second:
                loads[name] = load
    return {name: (load, costs[name]) for name, load in loads.items()}


@contextmanager
def _backend() -> Iterator[tuple[int, int]]:
    answer = f'location / {{ default_type application/json; return 200 "{_BODY}"; }}'
    with nginx(BUILD, "backend", LOAD_CORE, free_port(), answer) as server:
        yield server


@contextmanager
def _floor(backend: int) -> Iterator[tuple[int, int]]:
    upstream = f"upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; }}"
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


async def paced_p99(url: str, per_second: float, seconds: float = 4.0, connections: int = 64) -> float:
    """Milliseconds from when a request was due to when its answer was read, at the 99th percentile.

    The rate is bounded by what this prober itself can send on its core (about 4,000 a second).
    """
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    request = f"GET /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    interval = connections / min(per_second, 4000.0)
    taken: list[float] = []

    async def probe(number: int) -> None:
        reader, writer = await asyncio.open_connection(name, int(port))
        due = started + interval * number / connections
        while due < started + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(request)
            await _read_answer(reader)
            taken.append(time.perf_counter() - due)
            due += interval
        writer.close()

    started = time.perf_counter() + 0.1
    await asyncio.gather(*(probe(number) for number in range(connections)))
    taken.sort()
    return taken[int(len(taken) * 0.99)] * 1000


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    if length:
        await reader.readexactly(int(length))
        return
    while (await reader.readuntil(b"\r\n")).strip() != b"0":
        await reader.readuntil(b"\r\n")
    await reader.readuntil(b"\r\n")


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
