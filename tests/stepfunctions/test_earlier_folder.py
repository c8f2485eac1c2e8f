"""A data folder of the first release opens, and every execution that was open in it comes to its end.

`folder_0001.sql.gz` is such a folder as text. It was made by the release whose store has revision 0001:

    PYTHONPATH=src:tests python -m stepfunctions.test_earlier_folder folder_0001.sql.gz

which starts the executions below, and dies while one of each kind of work is under way.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from forecourt.store.sqlite import FILE

from .world import World, lambda_answer, lambda_error, world

FOLDER = Path(__file__).with_name("folder_0001.sql.gz")
PREFIX = "arn:aws:states:us-east-1:000000000000"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function"
ACTIVITY = f"{PREFIX}:activity:a"


def called(name: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"{FUNCTION}:{name}", **fields}


def alone(state: dict[str, Any], name: str = "S") -> dict[str, Any]:
    return {"StartAt": name, "States": {name: {**state, "End": True}}}


def service(resource: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", **fields}


PASS = {"Type": "Pass", "Result": "p"}
ASK = service("sqs:sendMessage.waitForTaskToken", HeartbeatSeconds=600, Parameters={"MessageBody.$": "$$.Task.Token"})
JOB = service("glue:startJobRun.sync", Parameters={"JobName": "j"}, ResultSelector={"id.$": "$.Id"})
NESTED = service(
    "states:startExecution.sync:2", Parameters={"StateMachineArn": f"{PREFIX}:stateMachine:waits"}, OutputPath="$.Name"
)
BRANCHES = (ASK, JOB, NESTED, called("each"))
EACH = alone(called("each"), "E")
CHAIN = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}"} for n in range(150)}

# By name of the machine, of which one execution `e` is started: its definition, and what its output has to be
MACHINES: dict[str, tuple[dict[str, Any], Any]] = {
    "over": (alone(PASS), "p"),
    "fails": (alone(called("broken")), "mended"),
    "waits": (alone({"Type": "Wait", "Seconds": 3600}), {"items": [1, 2, 3]}),
    "asks": (alone(called("each", TimeoutSeconds=900)), "each"),
    "works": (alone({"Type": "Task", "Resource": ACTIVITY, "TimeoutSeconds": 900}), "worked"),
    "beside": (
        {
            **alone({"Type": "Parallel", "Branches": [alone(state, f"B{n}") for n, state in enumerate(BRANCHES)]}),
            "TimeoutSeconds": 86_400,
        },
        ["approved", {"id": "r"}, None, "each"],
    ),
    "maps": (alone({"Type": "Map", "MaxConcurrency": 2, "ItemsPath": "$.items", "ItemProcessor": EACH}), ["each"] * 3),
    "crowds": (
        alone(
            {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemProcessor": {**EACH, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}},
            }
        ),
        ["each"] * 3,
    ),
    "goes-on": ({"StartAt": "S0", "States": {**CHAIN, "S150": {"Type": "Succeed"}}}, {"items": [1, 2, 3]}),
}


class Outside:
    """What the executions call. Nothing answers while `gate` is closed."""

    def __init__(self, w: World, gate: asyncio.Event) -> None:
        self._gate = gate
        self.tokens: set[str] = set()
        self.mended = gate.is_set()
        w.services["lambda", "Invoke"] = self._function
        w.services["sqs", "SendMessage"] = lambda params: self.tokens.add(params["MessageBody"]) or {"MessageId": "1"}
        w.services["glue", "StartJobRun"] = self._start_job
        w.services["glue", "GetJobRun"] = lambda params: {"JobRun": {"Id": params["RunId"], "JobRunState": self._job()}}
        self.jobs = 0

    async def _function(self, params: dict[str, Any]) -> dict[str, Any]:
        if "broken" in params["FunctionName"]:
            return lambda_answer("mended") if self.mended else lambda_error("Broken", "it is")
        await self._gate.wait()
        return lambda_answer("each")

    def _start_job(self, params: dict[str, Any]) -> dict[str, Any]:
        self.jobs += 1
        return {"JobRunId": "r"}

    def _job(self) -> str:
        return "SUCCEEDED" if self._gate.is_set() else "RUNNING"


def execution(machine: str, name: str = "e") -> str:
    return f"{PREFIX}:execution:{machine}:{name}"


async def test_every_execution_of_an_earlier_folder_comes_to_its_end(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / FILE)
    database.executescript(gzip.decompress(FOLDER.read_bytes()).decode())
    database.close()
    async with world(tmp_path) as w:
        gate = asyncio.Event()
        gate.set()
        outside = Outside(w, gate)
        before = {name: await w.types(execution(name)) for name in MACHINES}
        await _answer(w, before)
        await w.api("RedriveExecution", executionArn=execution("fails"))
        ended = {name: await _ended(w, execution(name)) for name in MACHINES}
        for name, (_, expected) in MACHINES.items():
            output = json.loads(ended[name].get("output", "null"))
            if name == "beside":
                output[2] = None  # the name of the nested execution
            assert (ended[name]["status"], output) == ("SUCCEEDED", expected), name
            types = await w.types(execution(name))
            assert types[: len(before[name])] == before[name], name
            assert types.count("ExecutionSucceeded") == 1, name
        assert (await _ended(w, execution("goes-on", "last")))["status"] == "SUCCEEDED"
        assert outside.jobs == 0, "a job that was submitted is only watched"
        assert not outside.tokens, "a message that was sent is not sent again"


async def _answer(w: World, before: dict[str, list[str]]) -> None:
    """The worker and the approver, whose tokens come from the release that made the folder."""
    task = await w.api("GetActivityTask", activityArn=ACTIVITY)
    await w.api("SendTaskSuccess", taskToken=task["taskToken"], output='"worked"')
    asked = [e for e in await w.history(execution("beside")) if e["type"] == "TaskScheduled"]
    bodies = [json.loads(e["taskScheduledEventDetails"]["parameters"]) for e in asked]
    token = next(body["MessageBody"] for body in bodies if "MessageBody" in body)
    await w.api("SendTaskHeartbeat", taskToken=token)
    await w.api("SendTaskSuccess", taskToken=token, output='"approved"')


async def _ended(w: World, arn: str) -> dict[str, Any]:
    """Time passes until the execution is over."""
    for _ in range(200):
        described = await w.describe(arn)
        if described["status"] != "RUNNING":
            return described
        w.clock.advance(30)
        for _ in range(5):
            await asyncio.sleep(0.001)
    raise AssertionError(f"{arn} is not over: {await w.types(arn)}")


# --- how the folder was made ------------------------------------------------------------------------------------------


async def _make(folder: Path) -> None:
    w = World(folder)
    await w.sfn.start()
    outside = Outside(w, asyncio.Event())
    await w.api("CreateActivity", name="a")
    for name, (definition, _) in MACHINES.items():
        machine = await w.create(definition, name)
        await w.start(machine, {"items": [1, 2, 3]}, name="e")
    await w.until(execution("fails"), "FAILED")
    await w.until_event(execution("beside"), "TaskSubmitted", 2)
    await w.until_event(execution("works"), "ActivityScheduled")
    while not await _children(w):
        await asyncio.sleep(0.01)
    assert outside.tokens
    await w.start(f"{PREFIX}:stateMachine:goes-on", {"items": [1, 2, 3]}, name="last")
    os._exit(0)  # before what the last one has to go on with


async def _children(w: World) -> bool:
    runs = (await w.api("ListMapRuns", executionArn=execution("crowds")))["mapRuns"]
    listed = await w.api("ListExecutions", mapRunArn=runs[0]["mapRunArn"]) if runs else {"executions": []}
    return len(listed["executions"]) == 3


def main(text: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        if os.fork() == 0:
            asyncio.run(_make(Path(name)))
        os.wait()
        database = sqlite3.connect(Path(name) / FILE)
        text.write_bytes(gzip.compress("\n".join(database.iterdump()).encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
