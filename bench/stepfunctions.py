"""How fast Step Functions is and how little it needs, beside MiniStack, in one run.

    python -m bench stepfunctions

Over HTTP the same workloads run against Forecourt (durable, in a temporary folder) and MiniStack (in memory), each
server on one core and the load generator on the other. Latency is that of StartExecution at half of the server's own
best rate, each start due at its time whether or not the last one was answered. In-process, on one core, everything but
HTTP is measured, Lambda functions that answer at once, and recovery. The floor of a durable transition is what SQLite
alone takes to write as much: an entry of a log and a state, for 64 executions in a commit.

MiniStack gives each execution a thread: it gets fewer of them, and of those that wait as many as it can be asked to
carry.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from bench.gateway import _ministack
from bench.support import LOAD_CORE, SERVER_CORE, PinnedForecourt, report, resident_mb
from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.cli.start import settle_collector
from forecourt.services.stepfunctions import StepFunctions
from forecourt.store import open_store
from forecourt.upstream import Origin, Request, Upstream

_ROLE = "arn:aws:iam::000000000000:role/bench"
_CONTEXT = CallContext(principal=root(), region="us-east-1", request_id="bench")
_AT_ONCE = 32
_CROWD = 256
_WAITING = 100_000
_PACED_SECONDS = 4.0
_HALF_QUOTA = 650  # starts a second
_LONGEST_DRAIN = 20.0


def _chain(length: int, state: dict[str, Any]) -> dict[str, Any]:
    states = {f"S{n}": {**state, "Next": f"S{n + 1}"} for n in range(length - 1)}
    return {"StartAt": "S0", "States": {**states, f"S{length - 1}": {**state, "End": True}}}


_ONE = _chain(1, {"Type": "Pass"})
_PASSES = _chain(50, {"Type": "Pass"})
_FUNCTIONS = _chain(10, {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f"})
_WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
_MAP = {
    "StartAt": "M",
    "States": {
        "M": {
            "Type": "Map", "End": True,
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        }
    },
}  # fmt: skip


class Amount(NamedTuple):
    """How much each workload is."""

    executions: int
    synchronous: int
    items: int
    waiting: int


class Figures(NamedTuple):
    """None where it was not measured, or did not end in time."""

    standard: float | None = None
    express: float | None = None
    starts: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    quota_p99_ms: float | None = None
    items: float | None = None
    functions: float | None = None
    functions_cpu: float | None = None
    floor: float | None = None
    floor_cpu: float | None = None
    waiting_starts: float | None = None
    waiting_bytes: float | None = None
    recovery: float | None = None


_FORECOURT = Amount(2_000, 1_000, 10_000, 5_000)
_PEER = Amount(200, 64, 10_000, 500)
# title, whether more is better
_ROWS = {
    "standard": ("Standard, 50 Pass states: transitions/s", True),
    "express": ("Express, 50 Pass states: transitions/s", True),
    "starts": ("Standard: starts/s", True),
    "p50_ms": ("a start at half load: p50, ms", False),
    "p99_ms": ("a start at half load: p99, ms", False),
    "quota_p99_ms": (f"a start at {_HALF_QUOTA}/s, half of AWS's quota: p99, ms", False),
    "items": ("Express, an inline Map of 10,000: items/s", True),
    "functions": ("Standard, 10 functions: transitions/s", True),
    "functions_cpu": ("Standard, 10 functions: processor time of a transition, us", False),
    "floor": ("SQLite alone: transitions/s", True),
    "floor_cpu": ("SQLite alone: processor time of a transition, us", False),
    "waiting_starts": ("Standard: starts/s of those that wait", True),
    "waiting_bytes": ("memory of one that waits, bytes", False),
    "recovery": (f"recovery with {_WAITING:,} waiting, s", False),
}


class _Durable(PinnedForecourt):
    """Not ephemeral: what is started is on the disk before it is answered."""

    def __init__(self, data: Path) -> None:
        super().__init__()
        where = self._command.index("--ephemeral")
        self._command[where : where + 1] = ["--data", str(data)]


def main() -> None:
    inside = uvloop.run(_inside())
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder, _Durable(Path(folder)) as server:
        ours = uvloop.run(_outside(server.url, server.pid, _FORECOURT))
    with _ministack() as (port, pid):
        theirs = uvloop.run(_outside(f"http://127.0.0.1:{port}", pid, _PEER))
    rows = [
        (title, *(getattr(figures, name) for figures in (inside, ours, theirs)), _ratio(name, ours, theirs))
        for name, (title, _) in _ROWS.items()
    ]
    columns = ("what", "in-process", "Forecourt", "MiniStack", "times better")
    report("stepfunctions", "Step Functions, one core, in-process and over HTTP", columns, rows)


def _ratio(name: str, ours: Figures, theirs: Figures) -> float | None:
    our, their = getattr(ours, name), getattr(theirs, name)
    if not our or not their:
        return None
    return float(our / their if _ROWS[name][1] else their / our)


# --- whom to measure --------------------------------------------------------------------------------------------------


class Here:
    """A Step Functions in this process; Lambda answers at once."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = open_store(folder, self.clock)
        self.sfn = StepFunctions(
            store=self.store, caller=self, clock=self.clock, ids=Ids(), logs=None, metrics=None, roles=self
        )
        self.handlers = operations(*self.sfn.apis)

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": b"{}"}

    async def principal(self, *args: Any) -> Any:
        return _CONTEXT.principal

    async def assume(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def api(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = await self.handlers[operation](_CONTEXT, params)
        return result

    async def close(self) -> None:
        await self.sfn.stop()
        await self.store.close()


class There:
    """A server that speaks the API."""

    def __init__(self, url: str) -> None:
        self._upstream = Upstream()
        self._origin = Origin.parse(url)

    async def api(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"test/{now[:8]}/us-east-1/states/aws4_request"
        headers = [
            (b"host", self._origin.authority.encode()),
            (b"content-type", b"application/x-amz-json-1.0"),
            (b"x-amz-date", now.encode()),
            (b"x-amz-target", f"AWSStepFunctions.{operation}".encode()),
            (
                b"authorization",
                f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}".encode(),
            ),
        ]
        body = json.dumps(params).encode()
        response = await self._upstream.send(self._origin, Request(b"POST", b"/", headers, body), 60.0)
        answer: dict[str, Any] = json.loads(await response.read(1 << 24) or b"{}")
        if response.status != 200:
            raise RuntimeError(f"{operation}: {response.status} {answer}")
        return answer

    async def close(self) -> None:
        await self._upstream.close()


Target = Here | There


# --- what is measured -------------------------------------------------------------------------------------------------


async def _inside() -> Figures:
    os.sched_setaffinity(0, {int(SERVER_CORE)})
    folder = Path(tempfile.mkdtemp(prefix="forecourt-bench-"))
    try:
        target = Here(folder)
        await target.sfn.start()
        settle_collector()
        figures = await _workloads(target, _FORECOURT)
        figures = figures._replace(**await _functions(target, 500, 10), **_floor(folder))
        figures = figures._replace(**await _waiting(target, _WAITING, lambda: resident_mb(os.getpid())))
        await target.close()
        return figures._replace(recovery=await _recovery(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _outside(url: str, pid: int, amount: Amount) -> Figures:
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    target = There(url)
    try:
        figures = await _workloads(target, amount)
        return figures._replace(**await _waiting(target, amount.waiting, lambda: resident_mb(pid)))
    finally:
        await target.close()


async def _workloads(target: Target, amount: Amount) -> Figures:
    standard = await _transitions(target, _PASSES, amount.executions, 50)
    express = await _create(target, _PASSES, "EXPRESS")
    synchronous = await _start_many(target, express, amount.synchronous, "StartSyncExecution")
    one = await _create(target, _ONE)
    starts = amount.executions / await _start_many(target, one, amount.executions)
    await _idle(target, one)
    latencies = await _paced(target, one, starts / 2)
    await _idle(target, one)
    at_quota = await _paced(target, one, _HALF_QUOTA)
    return Figures(
        standard=standard,
        express=amount.synchronous * 50 / synchronous,
        starts=starts,
        p50_ms=latencies[len(latencies) // 2],
        p99_ms=latencies[int(len(latencies) * 0.99)],
        quota_p99_ms=at_quota[int(len(at_quota) * 0.99)],
        items=amount.items / await _map(target, amount.items),
    )


async def _transitions(target: Target, definition: dict[str, Any], executions: int, length: int) -> float | None:
    machine = await _create(target, definition)
    began = time.perf_counter()
    await _start_many(target, machine, executions)
    ended = await _idle(target, machine)
    return executions * length / (time.perf_counter() - began) if ended else None


async def _functions(target: Target, executions: int, length: int) -> dict[str, float | None]:
    """The better of three."""
    rounds = []
    for _ in range(3):
        began = time.process_time()
        per_second = await _transitions(target, _FUNCTIONS, executions, length)
        rounds.append((per_second or 0.0, (time.process_time() - began) / (executions * length) * 1e6))
    return {"functions": max(rounds)[0], "functions_cpu": min(cpu for _, cpu in rounds)}


def _floor(folder: Path) -> dict[str, float]:
    """What a transition of `_FUNCTIONS` writes, written by nothing but SQLite."""
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, stream TEXT, sequence INTEGER, body BLOB)")
    database.execute("CREATE UNIQUE INDEX by_stream ON log (stream, sequence)")
    database.execute("CREATE TABLE state (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
    entry, state = os.urandom(270), os.urandom(840)
    executions, transitions = 640, 10
    began, cpu = time.perf_counter(), time.process_time()
    for first in range(0, executions, 64):
        for sequence in range(transitions):
            database.execute("BEGIN IMMEDIATE")
            for number in range(first, first + 64):
                key = f"{number:024}"
                database.execute("INSERT INTO log (stream, sequence, body) VALUES (?, ?, ?)", (key, sequence, entry))
                database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, state))
            database.execute("COMMIT")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    database.close()
    count = executions * transitions
    return {"floor": count / seconds, "floor_cpu": cpu / count * 1e6}


async def _map(target: Target, items: int) -> float:
    machine = await _create(target, _MAP, "EXPRESS")
    began = time.perf_counter()
    await target.api("StartSyncExecution", {"stateMachineArn": machine, "input": json.dumps(list(range(items)))})
    return time.perf_counter() - began


async def _waiting(target: Target, count: int, memory_mb: Callable[[], float]) -> dict[str, float]:
    machine = await _create(target, _WAIT)
    before = memory_mb()
    seconds = await _start_many(target, machine, count, at_once=_CROWD)
    await asyncio.sleep(0.5)
    return {"waiting_starts": count / seconds, "waiting_bytes": (memory_mb() - before) * (1 << 20) / count}


async def _recovery(folder: Path) -> float:
    began = time.perf_counter()
    target = Here(folder)
    await target.sfn.start()
    seconds = time.perf_counter() - began
    await target.close()
    return seconds


# --- load -------------------------------------------------------------------------------------------------------------


async def _create(target: Target, definition: dict[str, Any], type: str = "STANDARD") -> str:
    params = {"name": f"m-{time.time_ns()}", "definition": json.dumps(definition), "roleArn": _ROLE, "type": type}
    return str((await target.api("CreateStateMachine", params))["stateMachineArn"])


async def _start(target: Target, machine: str, operation: str = "StartExecution") -> None:
    await target.api(operation, {"stateMachineArn": machine, "input": '{"a":1}'})


async def _start_many(
    target: Target, machine: str, count: int, operation: str = "StartExecution", at_once: int = _AT_ONCE
) -> float:
    """Seconds until all are answered."""
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            await _start(target, machine, operation)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - began


async def _paced(target: Target, machine: str, per_second: float) -> list[float]:
    """Milliseconds from when each start was due to its answer, sorted."""
    taken: list[float] = []
    began = time.perf_counter()

    async def start(due: float) -> None:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await _start(target, machine)
        taken.append((time.perf_counter() - due) * 1000)

    dues = (began + number / per_second for number in range(int(per_second * _PACED_SECONDS)))
    await asyncio.gather(*(start(due) for due in dues))
    return sorted(taken)


async def _idle(target: Target, machine: str) -> bool:
    """Waits until no execution runs, for so long as a benchmark can."""
    query = {"stateMachineArn": machine, "statusFilter": "RUNNING", "maxResults": 1}
    deadline = time.perf_counter() + _LONGEST_DRAIN
    while (await target.api("ListExecutions", query))["executions"]:
        if time.perf_counter() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
