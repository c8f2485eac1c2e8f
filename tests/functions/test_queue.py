"""Asynchronous invocations: acknowledged once safe, retried on Forecourt's clock, their outcome delivered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.functions.harness import Lambda

from forecourt.base.clock import Clock
from forecourt.services.functions.queue import QUEUE, pause_seconds
from forecourt.store import open_store

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:outcomes"
CODE = {
    "app.py": "def handler(event, context):\n  print('got', event, context.aws_request_id)\n  return event\n"
    "def boom(event, context):\n  print('got', event, context.aws_request_id)\n  raise ValueError('boom')\n"
}


async def until(condition: Callable[[], Any]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


async def queued(functions: Lambda) -> int:
    return len(await functions.functions._store.store.due(QUEUE, float("inf"), 10))


async def until_queued(functions: Lambda, count: int) -> None:
    for _ in range(500):
        if await queued(functions) == count and not functions.functions._queue._at_work:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{await queued(functions)} events are in the queue, not {count}")


def runs(functions: Lambda) -> int:
    return functions.records.text.count("got ")


async def send(functions: Lambda, event: Any = None) -> None:
    answer = await functions.call(
        "Invoke", FunctionName="f", InvocationType="Event", Payload=json.dumps(event or {"a": 1}).encode()
    )
    assert answer == {"StatusCode": 202, "Payload": b""}


async def test_an_event_runs_once_and_leaves_the_queue(functions: Lambda) -> None:
    await functions.create("f", CODE)
    await send(functions)
    await until(lambda: runs(functions) == 1)
    await until_queued(functions, 0)
    functions.clock.advance(100_000)
    assert runs(functions) == 1
    assert functions.records.calls == []


async def test_invoke_async_is_the_old_form(functions: Lambda) -> None:
    await functions.create("f", CODE)
    assert await functions.call("InvokeAsync", FunctionName="f", InvokeArgs=b'"old"') == {"Status": 202}
    await until(lambda: "got old" in functions.records.text)


async def test_a_failing_event_is_tried_again_after_one_minute_and_two(functions: Lambda) -> None:
    await functions.create("f", CODE, "app.boom", DeadLetterConfig={"TargetArn": QUEUE_ARN})
    await send(functions, {"order": 7})
    for run, pause in ((1, 60), (2, 120)):
        await until(lambda run=run: runs(functions) == run)
        await until_queued(functions, 1)
        functions.clock.advance(pause - 1)
        await asyncio.sleep(0.02)
        assert runs(functions) == run
        functions.clock.advance(1.5)
    await until(lambda: runs(functions) == 3)
    await until_queued(functions, 0)
    ids = {line.split()[-1] for line in functions.records.text.splitlines() if line.startswith("got ")}
    assert len(ids) == 1
    service, operation, params = functions.records.calls[-1]
    assert (service, operation) == ("sqs", "SendMessage")
    assert json.loads(params["MessageBody"]) == {"order": 7}
    assert params["MessageAttributes"]["RequestID"]["StringValue"] in ids
    assert "boom" in params["MessageAttributes"]["ErrorMessage"]["StringValue"]


async def test_destinations_get_a_record_of_the_outcome(functions: Lambda) -> None:
    await functions.create("f", CODE)
    destinations = {"OnSuccess": {"Destination": QUEUE_ARN}, "OnFailure": {"Destination": QUEUE_ARN}}
    await functions.call(
        "PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0, DestinationConfig=destinations
    )
    await send(functions)
    await until(lambda: len(functions.records.calls) == 2)
    record = json.loads(functions.records.calls[1][2]["MessageBody"])
    assert record.pop("timestamp").endswith("Z")
    request_id = record["requestContext"].pop("requestId")
    assert request_id in functions.records.text
    assert record == {
        "version": "1.0",
        "requestContext": {
            "functionArn": ARN + ":$LATEST", "condition": "Success", "approximateInvokeCount": 1,
        },
        "requestPayload": {"a": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"a": 1},
    }  # fmt: skip
    await functions.call("UpdateFunctionConfiguration", FunctionName="f", Handler="app.boom")
    await send(functions)
    await until(lambda: len(functions.records.calls) == 4)
    record = json.loads(functions.records.calls[3][2]["MessageBody"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "ValueError"


DESTINATIONS = [
    ("arn:aws:sns:us-east-1:000000000000:topic", ("sns", "Publish")),
    ("arn:aws:lambda:us-east-1:000000000000:function:g", ("lambda", "Invoke")),
    ("arn:aws:events:us-east-1:000000000000:event-bus/default", ("events", "PutEvents")),
    ("arn:aws:s3:::bucket", ("s3", "PutObject")),
]


@pytest.mark.parametrize(("arn", "expected"), DESTINATIONS)
async def test_kinds_of_destinations(functions: Lambda, arn: str, expected: tuple[str, str]) -> None:
    await functions.create("f", CODE, "app.boom")
    config = {"OnFailure": {"Destination": arn}}
    await functions.call(
        "PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0, DestinationConfig=config
    )
    await send(functions)
    await until(lambda: functions.records.calls)
    assert functions.records.calls[0][:2] == expected


async def test_a_throttled_event_waits_until_it_is_too_old(functions: Lambda) -> None:
    await functions.create("f", CODE)
    await functions.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    config = {"OnFailure": {"Destination": QUEUE_ARN}}
    await functions.call(
        "PutFunctionEventInvokeConfig", FunctionName="f", MaximumEventAgeInSeconds=60, DestinationConfig=config
    )
    await send(functions)
    await until(lambda: ("Throttles", 1) in functions.records.metrics)
    await until_queued(functions, 1)
    functions.clock.advance(30)
    await until(lambda: functions.records.metrics.count(("Throttles", 1)) == 2)
    await until_queued(functions, 1)
    functions.clock.advance(31)
    await until_queued(functions, 0)
    record = json.loads(functions.records.calls[-1][2]["MessageBody"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert "responsePayload" not in record
    assert runs(functions) == 0


def test_pauses_grow_to_five_minutes() -> None:
    assert [pause_seconds(pauses) for pauses in (0, 1, 2, 8, 9, 1000)] == [1, 2, 4, 256, 300, 300]


async def test_an_event_of_a_deleted_function_is_dropped(functions: Lambda) -> None:
    await functions.create("f", CODE, "app.boom")
    await send(functions)
    await until(lambda: runs(functions) == 1)
    await until_queued(functions, 1)
    await functions.call("DeleteFunction", FunctionName="f")
    functions.clock.advance(61)
    await until_queued(functions, 0)


async def test_what_was_acknowledged_runs_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    store = open_store(tmp_path / "data", clock)
    first = Lambda(store, tmp_path, clock)
    # Not started: what is accepted stays in the queue, as if the process had died right after the answer.
    await first.create("f", CODE)
    await send(first)
    assert runs(first) == 0
    await store.close()
    store = open_store(tmp_path / "data", clock)
    second = Lambda(store, tmp_path, clock)
    await second.functions.start()
    await until(lambda: runs(second) == 1)
    await until_queued(second, 0)
    await second.functions.stop()
    await store.close()
