"""Nested executions: `states:startExecution`, also `.sync` (Output is text) and `.sync:2` (Output is JSON)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl.data import Data, from_text, to_text
from forecourt.services.stepfunctions.integrations.call import ServiceCalls, optimized_error, with_metadata
from forecourt.services.stepfunctions.integrations.job import Job, TaskError
from forecourt.services.stepfunctions.model import ExecutionKey, ExecutionRecord

Finished = Callable[[ExecutionKey], Awaitable[ExecutionRecord]]


async def start(calls: ServiceCalls, job: Job) -> Data:
    """A name that is not given is derived from the attempt, so that a repeated start starts nothing twice."""
    arguments = job.arguments.value
    if not isinstance(arguments, dict) or "StateMachineArn" not in arguments:
        raise TaskError("States.Runtime", "The Parameters of states:startExecution must name a StateMachineArn")
    params = {"stateMachineArn": arguments["StateMachineArn"], "name": arguments.get("Name", job.repeatable_id)}
    if "Input" in arguments:
        given = arguments["Input"]
        params["input"] = given if isinstance(given, str) else to_text(given)
    if "TraceHeader" in arguments:
        params["traceHeader"] = arguments["TraceHeader"]
    try:
        output = await calls.raw(job, "stepfunctions", "StartExecution", params)
    except ServiceError as error:
        raise optimized_error("stepfunctions", error, job.repeatable_id) from error
    result = {"ExecutionArn": output["executionArn"], "StartDate": float(output["startDate"])}
    return Data(with_metadata(result, job.repeatable_id))


def describe(record: ExecutionRecord, json_output: bool) -> dict[str, Any]:
    """DescribeExecution as it becomes the result (or the cause) of the task."""
    shown: dict[str, Any] = {
        "ExecutionArn": record.arn,
        "Input": from_text(record.input) if json_output else record.input,
        "InputDetails": {"Included": True},
        "Name": record.name,
        "StartDate": int(record.started_at * 1000),
        "StateMachineArn": record.machine_arn,
        "Status": record.status,
        "StopDate": int(record.stopped_at * 1000),
    }
    if record.output is not None:
        shown["Output"] = from_text(record.output) if json_output else record.output
        shown["OutputDetails"] = {"Included": True}
    if record.error is not None:
        shown["Error"] = record.error
    if record.cause is not None:
        shown["Cause"] = record.cause
    return dict(sorted(shown.items()))


async def watch(finished: Finished, job: Job, key: ExecutionKey) -> Data:
    record = await finished(key)
    shown = describe(record, job.resource.pattern == "sync:2")
    if record.status != "SUCCEEDED":
        raise TaskError("States.TaskFailed", to_text(shown))
    return Data(shown)
