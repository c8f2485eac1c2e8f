"""A Step Functions in the test's own process: a real store, a movable clock, and services that answer from a table.

`World.services` maps (service, operation) to a function of the parameters; what it raises as `ServiceError` is the
call's failure. Calls of Step Functions itself go to the service under test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.errors import RemoteError
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.services.stepfunctions import StepFunctions
from forecourt.store import Store, open_store

ROLE = "arn:aws:iam::000000000000:role/states"
Service = Callable[[dict[str, Any]], Any]
CONTEXT = CallContext(principal=root(), region="us-east-1", request_id="r")


class Roles:
    async def principal(self, role_arn: str, session: str, service: str, conditions: Mapping[str, str]) -> Any:
        return root()

    async def assume(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("nothing here needs credentials")


class Logs:
    def __init__(self) -> None:
        self.entries: list[tuple[str, str, dict[str, Any]]] = []

    def write(self, account: str, region: str, group: str, stream: str, timestamp_ms: int, message: str) -> None:
        self.entries.append((group, stream, msgspec.json.decode(message)))


class World:
    def __init__(self, folder: Path | None = None, clock: Clock | None = None, store: Store | None = None) -> None:
        # Time stands still unless a test moves it
        self.clock = clock or Clock(now=lambda: 1_700_000_000.0)
        self.store = store or open_store(folder, self.clock)
        self.services: dict[tuple[str, str], Service] = {}
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.logs = Logs()
        self.sfn = self._service(None)

    def _service(self, mocks: dict[str, Any] | None) -> StepFunctions:
        sfn = StepFunctions(
            store=self.store, caller=self, clock=self.clock, ids=Ids(seed=1), logs=self.logs, metrics=None,
            roles=Roles(), mocks=mocks,
        )  # fmt: skip
        self.handlers = operations(*sfn.apis)
        return sfn

    def with_mocks(self, mocks: dict[str, Any]) -> None:
        self.sfn = self._service(mocks)

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        if service == "stepfunctions":
            return await self.handlers[operation](context, params)
        self.calls.append((service, operation, dict(params)))
        answer = self.services.get((service, operation))
        if answer is None:
            raise RemoteError("UnknownOperationException", f"no {service}:{operation} in this test")
        result = answer(dict(params))
        return await result if inspect.isawaitable(result) else result

    async def api(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self.handlers[operation](CONTEXT, params)

    async def create(self, definition: Any, name: str = "m", type: str = "STANDARD", **more: Any) -> str:
        text = definition if isinstance(definition, str) else msgspec.json.encode(definition).decode()
        created = await self.api("CreateStateMachine", name=name, definition=text, roleArn=ROLE, type=type, **more)
        return created["stateMachineArn"]

    async def start(self, machine: str, input: Any = None, **more: Any) -> str:
        text = msgspec.json.encode({} if input is None else input).decode()
        return (await self.api("StartExecution", stateMachineArn=machine, input=text, **more))["executionArn"]

    async def describe(self, execution: str) -> dict[str, Any]:
        return await self.api("DescribeExecution", executionArn=execution)

    async def until(self, execution: str, *statuses: str) -> dict[str, Any]:
        """The execution, once it has one of the statuses (any end where none is given)."""
        wanted = statuses or ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
        for _ in range(5000):
            described = await self.describe(execution)
            if described["status"] in wanted:
                return described
            await asyncio.sleep(0.002)
        raise AssertionError(f"{execution} is still {described['status']}: {await self.types(execution)}")

    async def until_event(self, execution: str, type: str, count: int = 1) -> None:
        for _ in range(5000):
            if (await self.types(execution)).count(type) >= count:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"no {type} in {await self.types(execution)}")

    async def history(self, execution: str, **more: Any) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        token: dict[str, Any] = {}
        while True:
            page = await self.api("GetExecutionHistory", executionArn=execution, **more, **token)
            events += page["events"]
            if "nextToken" not in page:
                return events
            token = {"nextToken": page["nextToken"]}

    async def types(self, execution: str) -> list[str]:
        return [event["type"] for event in await self.history(execution)]

    async def run(self, definition: Any, input: Any = None, name: str = "m") -> dict[str, Any]:
        return await self.until(await self.start(await self.create(definition, name), input))

    async def close(self) -> None:
        await self.sfn.stop()
        await self.store.close()


@asynccontextmanager
async def world(folder: Path | None = None):  # type: ignore[no-untyped-def]
    it = World(folder)
    await it.sfn.start()
    try:
        yield it
    finally:
        await it.close()


def lambda_answer(result: Any) -> dict[str, Any]:
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": msgspec.json.encode(result)}


def lambda_error(type: str, message: str) -> dict[str, Any]:
    payload = {"errorType": type, "errorMessage": message}
    return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": msgspec.json.encode(payload)}
