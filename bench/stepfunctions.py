"""How fast Step Functions is, and how little it needs.

    python bench/stepfunctions.py                            in this process, over a store in a temporary folder
    python bench/stepfunctions.py --endpoint-url URL [...]   over HTTP, against each server named (ours, another's)

In-process, everything but HTTP is measured: validation, the machine, the durable commit, recovery. Over HTTP the same
workloads run against every server in turn, so that the numbers can be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.services.stepfunctions import StepFunctions
from forecourt.store import open_store
from forecourt.upstream import Origin, Request, Upstream

ROLE = "arn:aws:iam::000000000000:role/bench"
CONTEXT = CallContext(principal=root(), region="us-east-1", request_id="bench")
LAMBDA = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f"}


def chain(length: int, state: dict[str, Any]) -> dict[str, Any]:
    states = {f"S{n}": {**state, "Next": f"S{n + 1}"} for n in range(length - 1)}
    return {"StartAt": "S0", "States": {**states, f"S{length - 1}": {**state, "End": True}}}


PASSES = chain(50, {"Type": "Pass"})
FUNCTIONS = chain(10, LAMBDA)
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
MAP = {
    "StartAt": "M",
    "States": {
        "M": {
            "Type": "Map", "End": True, "ResultPath": None,
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        }
    },
}  # fmt: skip


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
        return CONTEXT.principal

    async def assume(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def api(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        return await self.handlers[operation](CONTEXT, params)

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


async def create(target: Target, name: str, definition: dict[str, Any], type: str = "STANDARD") -> str:
    params = {"name": f"{name}-{time.time_ns()}", "definition": json.dumps(definition), "roleArn": ROLE, "type": type}
    return str((await target.api("CreateStateMachine", params))["stateMachineArn"])


async def start_many(
    target: Target, machine: str, count: int, at_once: int, operation: str
) -> tuple[float, list[float]]:
    """Seconds in all, and the latency of each start."""
    latencies: list[float] = []
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            began = time.perf_counter()
            await target.api(operation, {"stateMachineArn": machine, "input": '{"a":1}'})
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - began, latencies


async def until_idle(target: Target, machine: str) -> None:
    query = {"stateMachineArn": machine, "statusFilter": "RUNNING", "maxResults": 1}
    while (await target.api("ListExecutions", query))["executions"]:
        await asyncio.sleep(0.02)


def show(what: str, value: float, unit: str, extra: str = "") -> None:
    print(f"  {what:<52} {value:>12,.1f} {unit:<14} {extra}", flush=True)


def p99(latencies: list[float]) -> str:
    last = statistics.quantiles(latencies, n=100)[98]
    return f"p50 {statistics.median(latencies) * 1000:.1f} ms, p99 {last * 1000:.1f} ms"


async def workloads(target: Target, count: int) -> None:
    for kind, operation in (("STANDARD", "StartExecution"), ("EXPRESS", "StartSyncExecution")):
        machine = await create(target, "passes", PASSES, kind)
        began = time.perf_counter()
        _, latencies = await start_many(target, machine, count, 64, operation)
        if kind == "STANDARD":
            await until_idle(target, machine)
        seconds = time.perf_counter() - began
        show(f"{kind.title()}: a chain of 50 Pass states", count * 50 / seconds, "transitions/s", p99(latencies))
    machine = await create(target, "one", chain(1, {"Type": "Pass"}))
    seconds, latencies = await start_many(target, machine, count * 2, 64, "StartExecution")
    show("Standard: starts", count * 2 / seconds, "starts/s", p99(latencies))
    machine = await create(target, "map", MAP)
    items = json.dumps(list(range(2000)))
    began = time.perf_counter()
    await target.api("StartExecution", {"stateMachineArn": machine, "input": items})
    await until_idle(target, machine)
    show("Standard: an inline Map of 2,000", time.perf_counter() - began, "s")


async def here(count: int, waiting: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="forecourt-bench-"))
    try:
        target = Here(folder)
        await target.sfn.start()
        await workloads(target, count)
        machine = await create(target, "functions", FUNCTIONS)
        began = time.perf_counter()
        await start_many(target, machine, count // 2, 64, "StartExecution")
        await until_idle(target, machine)
        show("Standard: a chain of 10 functions", count // 2 * 10 / (time.perf_counter() - began), "transitions/s")
        await waiting_executions(target, waiting)
        await target.close()
        began = time.perf_counter()
        again = Here(folder)
        await again.sfn.start()
        show(f"Recovery with {waiting:,} open", time.perf_counter() - began, "s")
        await again.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def waiting_executions(target: Here, count: int) -> None:
    machine = await create(target, "wait", WAIT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, _ = await start_many(target, machine, count, 256, "StartExecution")
    show(f"Standard: starts of {count:,} that wait", count / seconds, "starts/s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    show("Memory per waiting execution", grown / count, "bytes")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint-url", action="append", default=[], help="a server to measure; may be repeated")
    parser.add_argument("--count", type=int, default=1000, help="executions per workload")
    parser.add_argument("--waiting", type=int, default=20_000, help="executions that wait (in-process only)")
    arguments = parser.parse_args()
    for url in arguments.endpoint_url:
        print(url)
        target = There(url)
        await workloads(target, arguments.count)
        await target.close()
    if not arguments.endpoint_url:
        print("in this process")
        await here(arguments.count, arguments.waiting)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
