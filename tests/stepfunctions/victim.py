"""A process to be killed: a hundred executions with a task, a wait and a map, over the store in the given folder.

Every effect is written to a file before it answers; the last life, which nobody kills, reports how it all ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from forecourt.base.clock import Clock
from forecourt.services.stepfunctions.errors import ExecutionAlreadyExists
from stepfunctions.world import World, lambda_answer

RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5}]
TASK = {
    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": RETRY, "End": True,
    "Parameters": {"FunctionName": "f", "Payload": {"key.$": "States.Format('{}/{}', $$.Execution.Name, $)"}},
    "OutputPath": "$.Payload.key",
}  # fmt: skip
MACHINE = {
    "StartAt": "M",
    "States": {
        "M": {
            "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "Next": "W",
            "ItemProcessor": {"StartAt": "T", "States": {"T": TASK}},
        },
        "W": {"Type": "Wait", "Seconds": 1, "End": True},
    },
}  # fmt: skip


async def main(folder: Path) -> None:
    effects = folder / "effects"
    w = World(folder / "data", clock=Clock())

    async def function(params: dict[str, Any]) -> dict[str, Any]:
        key = json.loads(params["Payload"])["key"]
        with effects.open("a") as file:
            file.write(key + "\n")
        await asyncio.sleep(0.02)
        return lambda_answer({"key": key})

    w.services["lambda", "Invoke"] = function
    already = await _recorded(w) if effects.exists() else set()
    before = effects.read_text().count("\n") if effects.exists() else 0
    await w.sfn.start()
    machine = await w.create(MACHINE)
    print("running", flush=True)
    names = [f"e{n}" for n in range(100)]
    for name in names:
        try:
            await w.start(machine, {"items": [1, 2, 3]}, name=name)
        except ExecutionAlreadyExists:
            continue
    ended = [await w.until(f"arn:aws:states:us-east-1:000000000000:execution:m:{name}") for name in names]
    again = [key for key in effects.read_text().splitlines()[before:] if key in already]
    statuses = Counter(one["status"] for one in ended)
    for one in ended:
        assert json.loads(one["output"]) == [f"{one['name']}/{n}" for n in (1, 2, 3)], one
    print(json.dumps({"executions": len(ended), "ended": statuses, "redone": len(again)}), flush=True)
    await w.close()


async def _recorded(w: World) -> set[str]:
    """The effects whose success the history holds already."""
    found: set[str] = set()
    machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
    try:
        listed = (await w.api("ListExecutions", stateMachineArn=machine, maxResults=1000))["executions"]
    except Exception:
        return found
    for one in listed:
        for event in await w.history(one["executionArn"]):
            if event["type"] == "TaskSucceeded":
                found.add(json.loads(event["taskSucceededEventDetails"]["output"])["Payload"]["key"])
    return found


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
