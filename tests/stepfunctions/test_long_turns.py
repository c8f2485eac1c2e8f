"""A turn takes a bounded number of steps: what it leaves undone is gone on with, whatever else comes in."""

from __future__ import annotations

import asyncio
import json

from forecourt.services.stepfunctions.engine import events
from forecourt.services.stepfunctions.run.timers import execution_key

from .world import world

EACH = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
MACHINE = {
    "StartAt": "Both",
    "States": {
        "Both": {
            "Type": "Parallel",
            "End": True,
            "Branches": [
                {
                    "StartAt": "W",
                    "States": {
                        "W": {"Type": "Wait", "Seconds": 5, "Next": "M"},
                        "M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": EACH, "End": True},
                    },
                },
                {
                    "StartAt": "Ask",
                    "States": {
                        "Ask": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                            "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
                            "End": True,
                        }
                    },
                },
            ],
        }
    },
}


async def test_an_answer_that_comes_in_beside_a_long_turn_does_not_end_it() -> None:
    async with world() as w:
        tokens: list[str] = []
        w.services["sqs", "SendMessage"] = lambda params: tokens.append(params["MessageBody"]) or {"MessageId": "1"}
        execution = await w.start(await w.create(MACHINE), {"items": list(range(1000))})
        await w.until_event(execution, "TaskSubmitted")
        key, shell = execution_key(execution), w.sfn._shell
        _, state = await shell.view(key)
        frame, due_at = next((f.id, f.timers["wait"]) for f in state.frames.values() if f.timers)
        # Both are in the inbox before the execution is driven: one commit holds both turns
        await asyncio.gather(
            shell.deliver(key, events.TimerFired(frame, "wait", due_at)),
            w.api("SendTaskSuccess", taskToken=tokens[0], output='"yes"'),
        )
        ended = await w.until(execution)
        assert json.loads(ended["output"]) == [list(range(1000)), "yes"]
