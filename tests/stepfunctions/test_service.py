"""Executions on the real shell and store, with services that answer from a table and a clock that the test moves."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from forecourt.base.errors import RemoteError, ServiceError

from .world import World, lambda_answer, lambda_error, world

PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
YEAR = 365 * 86_400


def task(resource: str, parameters: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": resource, "End": True, **fields}
    if parameters is not None:
        state["Parameters"] = parameters
    return {"StartAt": "T", "States": {"T": state}}


@pytest_asyncio.fixture
async def w() -> AsyncIterator[World]:
    async with world() as it:
        yield it


async def refused(call: Any) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await call
    return raised.value


# --- time -------------------------------------------------------------------------------------------------------------


async def test_a_year_passes_in_a_moment(w: World) -> None:
    machine = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": YEAR, "End": True}}})
    execution = await w.start(machine)
    w.clock.advance(YEAR - 1)
    await asyncio.sleep(0.02)
    assert (await w.describe(execution))["status"] == "RUNNING"
    w.clock.advance(1)
    ended = await w.until(execution)
    assert ended["stopDate"] - ended["startDate"] == YEAR


async def test_waiting_executions_hold_no_memory(w: World) -> None:
    machine = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}})
    executions = await asyncio.gather(*(w.start(machine, {"n": n}) for n in range(300)))
    w.sfn._shell.forget()
    w.clock.advance(60)
    ended = [await w.until(execution) for execution in executions]
    assert {one["status"] for one in ended} == {"SUCCEEDED"}
    assert json.loads(ended[7]["output"]) == {"n": 7}


async def test_a_task_times_out_and_its_late_answer_does_not_count(w: World) -> None:
    gate = asyncio.Event()

    async def slow(params: dict[str, Any]) -> dict[str, Any]:
        await gate.wait()
        return lambda_answer("late")

    w.services["lambda", "Invoke"] = slow
    machine = await w.create(task("arn:aws:states:::lambda:invoke", {"FunctionName": "f"}, TimeoutSeconds=5))
    execution = await w.start(machine)
    await w.until_event(execution, "TaskStarted")
    w.clock.advance(5)
    ended = await w.until(execution)
    gate.set()
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    assert "cause" not in ended
    assert (await w.types(execution))[-2:] == ["TaskTimedOut", "ExecutionFailed"]


async def test_the_machines_time_out(w: World) -> None:
    definition = {"TimeoutSeconds": 3, "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 25, "End": True}}}
    execution = await w.start(await w.create(definition))
    w.clock.advance(3)
    ended = await w.until(execution)
    assert ended["status"] == "TIMED_OUT"
    assert "error" not in ended
    assert ended["redriveStatus"] == "REDRIVABLE"
    assert (await w.types(execution)) == ["ExecutionStarted", "WaitStateEntered", "ExecutionTimedOut"]


# --- starting, stopping, redriving ------------------------------------------------------------------------------------


async def test_start_is_idempotent_while_the_same_runs(w: World) -> None:
    machine = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}})
    first = await w.api("StartExecution", stateMachineArn=machine, name="n", input='{"a":1}')
    w.clock.advance(1)
    assert await w.api("StartExecution", stateMachineArn=machine, name="n", input='{"a":1}') == first
    error = await refused(w.api("StartExecution", stateMachineArn=machine, name="n", input='{"a":2}'))
    assert (error.code, error.message) == (
        "ExecutionAlreadyExists",
        f"Execution Already Exists: '{first['executionArn']}'",
    )
    w.clock.advance(8)
    await w.until(first["executionArn"])
    error = await refused(w.api("StartExecution", stateMachineArn=machine, name="n", input='{"a":1}'))
    assert error.code == "ExecutionAlreadyExists"


async def test_a_crowd_that_starts_the_same_name_starts_one_execution(w: World) -> None:
    machine = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}})
    started = await asyncio.gather(*(w.start(machine, name="one") for _ in range(50)))
    assert len(set(started)) == 1
    assert len((await w.api("ListExecutions", stateMachineArn=machine))["executions"]) == 1
    assert await w.types(started[0]) == ["ExecutionStarted", "WaitStateEntered"]


async def test_names_are_free_again_after_ninety_days(w: World) -> None:
    machine = await w.create(PASS)
    execution = await w.start(machine, name="n")
    await w.until(execution)
    w.clock.advance(90 * 86_400 + 1)
    await w.sfn._retention.sweep()
    assert (await refused(w.describe(execution))).code == "ExecutionDoesNotExist"
    assert await w.start(machine, name="n") == execution


async def test_stop(w: World) -> None:
    machine = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}})
    execution = await w.start(machine)
    stopped = await w.api("StopExecution", executionArn=execution, error="E", cause="c")
    described = await w.describe(execution)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "E", "c")
    assert described["stopDate"] == stopped["stopDate"]
    assert await w.api("StopExecution", executionArn=execution) == stopped
    w.clock.advance(9)
    await asyncio.sleep(0.02)
    assert (await w.types(execution))[-1] == "ExecutionAborted"


async def test_redrive_goes_on_where_it_failed(w: World) -> None:
    broken = True
    w.services["lambda", "Invoke"] = lambda params: lambda_error("Boom", "x") if broken else lambda_answer(5)
    machine = await w.create(
        {
            "StartAt": "A",
            "States": {
                "A": {"Type": "Pass", "Next": "L"},
                "L": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f", "End": True},
            },
        }
    )
    execution = await w.start(machine)
    ended = await w.until(execution)
    assert (ended["error"], ended["cause"]) == ("Boom", '{"errorType":"Boom","errorMessage":"x"}')
    assert (ended["redriveStatus"], ended["redriveCount"]) == ("REDRIVABLE", 0)
    broken = False
    w.clock.advance(60)
    redriven = await w.api("RedriveExecution", executionArn=execution, clientToken="t")
    ended = await w.until(execution, "SUCCEEDED")
    assert (ended["output"], ended["redriveCount"], ended["redriveDate"]) == ("5", 1, redriven["redriveDate"])
    types = await w.types(execution)
    assert types[types.index("ExecutionRedriven") :] == [
        "ExecutionRedriven", "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded",
        "TaskStateExited", "ExecutionSucceeded",
    ]  # fmt: skip
    assert types.count("PassStateEntered") == 1
    assert await w.api("RedriveExecution", executionArn=execution, clientToken="t") == redriven
    error = await refused(w.api("RedriveExecution", executionArn=execution))
    assert error.code == "ExecutionNotRedrivable"
    listed = await w.api("ListExecutions", stateMachineArn=machine, redriveFilter="REDRIVEN")
    assert [one["executionArn"] for one in listed["executions"]] == [execution]


async def test_redrive_ends_after_fourteen_days(w: World) -> None:
    execution = await w.start(await w.create({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}))
    await w.until(execution)
    w.clock.advance(14 * 86_400 + 1)
    error = await refused(w.api("RedriveExecution", executionArn=execution))
    assert error.message == "Execution redrivable period exceeded"


async def test_listing_pages_and_filters(w: World) -> None:
    machine = await w.create(PASS)
    waiting = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}}, "waiting")
    names = []
    for n in range(5):
        names.append(await w.start(machine, name=f"n{n}"))
        w.clock.advance(1)
    running = await w.start(waiting)
    first = await w.api("ListExecutions", stateMachineArn=machine, maxResults=3)
    second = await w.api("ListExecutions", stateMachineArn=machine, maxResults=3, nextToken=first["nextToken"])
    assert [one["executionArn"] for one in first["executions"] + second["executions"]] == names[::-1]
    assert "nextToken" not in second
    assert (await w.api("ListExecutions", stateMachineArn=machine, statusFilter="FAILED"))["executions"] == []
    listed = await w.api("ListExecutions", stateMachineArn=waiting, statusFilter="RUNNING")
    assert [one["executionArn"] for one in listed["executions"]] == [running]


async def test_history_pages_in_both_directions(w: World) -> None:
    states: dict[str, Any] = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}"} for n in range(400)}
    execution = await w.start(await w.create({"StartAt": "S0", "States": {**states, "S400": {"Type": "Succeed"}}}))
    await w.until(execution)
    forward = await w.history(execution, maxResults=97)
    backward = await w.history(execution, maxResults=97, reverseOrder=True)
    assert [event["id"] for event in forward] == list(range(1, 805))
    assert backward == forward[::-1]
    hidden = await w.history(execution, includeExecutionData=False)
    assert "input" not in hidden[0]["executionStartedEventDetails"]


# --- task tokens and activities ---------------------------------------------------------------------------------------


async def test_human_approval(w: World) -> None:
    sent: dict[str, Any] = {}

    def send(params: dict[str, Any]) -> dict[str, Any]:
        sent.update(json.loads(params["MessageBody"]))
        return {"MessageId": "1"}

    w.services["sqs", "SendMessage"] = send
    body = {"token.$": "$$.Task.Token", "what.$": "$.what"}
    definition = task("arn:aws:states:::sqs:sendMessage.waitForTaskToken", {"QueueUrl": "q", "MessageBody": body})
    machine = await w.create(definition)
    execution = await w.start(machine, {"what": "cake"})
    await w.until_event(execution, "TaskSubmitted")
    assert sent["what"] == "cake"
    await w.api("SendTaskSuccess", taskToken=sent["token"], output='{"ok":true}')
    assert (await w.until(execution))["output"] == '{"ok":true}'
    error = await refused(w.api("SendTaskSuccess", taskToken=sent["token"], output="1"))
    assert (error.code, error.message) == ("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")

    execution = await w.start(machine, {"what": "tea"})
    await w.until_event(execution, "TaskSubmitted")
    await w.api("SendTaskFailure", taskToken=sent["token"], error="No", cause="thanks")
    ended = await w.until(execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "No", "thanks")


async def test_a_callback_may_come_before_its_call_returns(w: World) -> None:
    async def send(params: dict[str, Any]) -> dict[str, Any]:
        await w.api("SendTaskSuccess", taskToken=json.loads(params["MessageBody"])["t"], output='"early"')
        return {"MessageId": "1"}

    w.services["sqs", "SendMessage"] = send
    parameters = {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}}
    execution = await w.start(await w.create(task("arn:aws:states:::sqs:sendMessage.waitForTaskToken", parameters)))
    assert (await w.until(execution))["output"] == '"early"'
    assert "TaskSubmitted" not in await w.types(execution)


@pytest.mark.parametrize("token", ["x", "", "AAAA", "kqNhYmM", "🎂" * 9])
async def test_a_token_that_is_none(w: World, token: str) -> None:
    error = await refused(w.api("SendTaskSuccess", taskToken=token, output="1"))
    assert (error.code, error.message) == ("InvalidToken", "Invalid Token: 'Invalid token'")
    assert (await refused(w.api("SendTaskSuccess", taskToken=token, output="{"))).code == "InvalidOutput"


async def test_heartbeats_keep_a_task_alive(w: World) -> None:
    tokens: list[str] = []
    w.services["sqs", "SendMessage"] = lambda params: tokens.append(params["MessageBody"]) or {"MessageId": "1"}
    parameters = {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}
    definition = task("arn:aws:states:::sqs:sendMessage.waitForTaskToken", parameters, HeartbeatSeconds=10)
    execution = await w.start(await w.create(definition))
    await w.until_event(execution, "TaskSubmitted")
    for _ in range(5):
        w.clock.advance(9)
        await w.api("SendTaskHeartbeat", taskToken=tokens[0])
    assert (await w.describe(execution))["status"] == "RUNNING"
    w.clock.advance(10)
    assert (await w.until(execution))["error"] == "States.Timeout"


async def test_an_activity_and_its_worker(w: World) -> None:
    activity = (await w.api("CreateActivity", name="act"))["activityArn"]
    worker = asyncio.create_task(w.api("GetActivityTask", activityArn=activity, workerName="bob"))
    await asyncio.sleep(0.01)
    execution = await w.start(await w.create(task(activity)), {"x": 1})
    got = await worker
    assert got["input"] == '{"x":1}'
    await w.api("SendTaskSuccess", taskToken=got["taskToken"], output='"done"')
    assert (await w.until(execution))["output"] == '"done"'
    assert (await w.types(execution))[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    started = (await w.history(execution))[3]["activityStartedEventDetails"]
    assert started == {"workerName": "bob"}


async def test_a_worker_that_comes_after_the_end_gets_nothing_of_it(w: World) -> None:
    activity = (await w.api("CreateActivity", name="act"))["activityArn"]
    machine = await w.create(task(activity))
    ended, open_ = await w.start(machine, {"n": 1}), await w.start(machine, {"n": 2})
    await w.api("StopExecution", executionArn=ended)
    got = await w.api("GetActivityTask", activityArn=activity)
    assert got["input"] == '{"n":2}'
    await w.api("SendTaskFailure", taskToken=got["taskToken"], error="E")
    assert (await w.until(open_))["error"] == "E"


# --- integrations -----------------------------------------------------------------------------------------------------


async def test_lambda_by_the_optimized_integration(w: World) -> None:
    w.services["lambda", "Invoke"] = lambda params: lambda_answer({"got": json.loads(params["Payload"])})
    parameters = {"FunctionName": "f", "Payload.$": "$"}
    ended = await w.run(task("arn:aws:states:::lambda:invoke", parameters), {"x": [1]})
    result = json.loads(ended["output"])
    assert result["Payload"] == {"got": {"x": [1]}}
    assert (result["ExecutedVersion"], result["StatusCode"]) == ("$LATEST", 200)
    assert result["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert w.calls[0][2] == {"FunctionName": "f", "Payload": b'{"x":[1]}'}


async def test_lambda_that_fails_without_a_type(w: World) -> None:
    w.services["lambda", "Invoke"] = lambda params: {"FunctionError": "Unhandled", "Payload": b'{"errorMessage":"m"}'}
    ended = await w.run(task("arn:aws:states:::lambda:invoke", {"FunctionName": "f"}))
    assert ended["error"] == "Lambda.Unknown"
    assert ended["cause"] == (
        "The cause could not be determined because Lambda did not return an error type. "
        'Returned payload: {"errorMessage":"m"}'
    )


async def test_optimized_errors_have_the_first_sdks_names(w: World) -> None:
    def missing(params: dict[str, Any]) -> Any:
        raise RemoteError("ResourceNotFoundException", "Requested resource not found")

    w.services["dynamodb", "PutItem"] = missing
    ended = await w.run(task("arn:aws:states:::dynamodb:putItem", {"TableName": "t", "Item": {"id": {"S": "1"}}}))
    assert ended["error"] == "DynamoDB.ResourceNotFoundException"
    assert ended["cause"].startswith(
        "Requested resource not found (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: Re"
    )

    def invalid(params: dict[str, Any]) -> Any:
        raise RemoteError("ValidationException", "bad")

    w.services["dynamodb", "PutItem"] = invalid
    ended = await w.run(task("arn:aws:states:::dynamodb:putItem", {"TableName": "t", "Item": {}}), name="again")
    assert ended["error"] == "DynamoDB.AmazonDynamoDBException"


async def test_the_sdk_integration_converts_case_both_ways(w: World) -> None:
    machine = await w.create(PASS, "target")
    parameters = {"StateMachineArn": machine, "Input": {"a": 1}, "Name": "by-sdk"}
    ended = await w.run(task("arn:aws:states:::aws-sdk:sfn:startExecution", parameters))
    result = json.loads(ended["output"])
    assert result["ExecutionArn"].endswith(":target:by-sdk")
    assert result["StartDate"] == "2023-11-14T22:13:20Z"
    parameters = {"ExecutionArn": "arn:aws:states:us-east-1:000000000000:execution:target:nope"}
    ended = await w.run(task("arn:aws:states:::aws-sdk:sfn:describeExecution", parameters), name="second")
    assert ended["error"] == "Sfn.ExecutionDoesNotExistException"
    assert ended["cause"].startswith("Execution Does Not Exist: 'arn:")


async def test_sdk_errors_of_the_second_sdk(w: World) -> None:
    def conflict(params: dict[str, Any]) -> Any:
        raise RemoteError("ConditionalCheckFailedException", "The conditional request failed")

    w.services["dynamodb", "PutItem"] = conflict
    parameters = {"TableName": "t", "Item": {"id": {"S": "1"}}}
    ended = await w.run(task("arn:aws:states:::aws-sdk:dynamodb:putItem", parameters))
    assert ended["error"] == "DynamoDb.ConditionalCheckFailedException"
    said = "The conditional request failed (Service: DynamoDb, Status Code: 400, Request ID: "
    assert ended["cause"].startswith(said)

    def no_key(params: dict[str, Any]) -> Any:
        raise RemoteError("NoSuchKey", "The specified key does not exist.", 404)

    w.services["s3", "GetObject"] = no_key
    ended = await w.run(task("arn:aws:states:::aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k"}), name="s3")
    assert ended["error"] == "S3.NoSuchKeyException"


async def test_blobs_and_json_strings(w: World) -> None:
    w.services["s3", "PutObject"] = lambda params: {"ETag": '"x"'}
    w.services["events", "PutEvents"] = lambda params: {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
    await w.run(task("arn:aws:states:::aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Body": {"a": 1}}))
    assert w.calls[0][2]["Body"] == b'{"a":1}'
    entries = [{"Source": "s", "DetailType": "d", "Detail": {"a": 1}}]
    ended = await w.run(task("arn:aws:states:::events:putEvents", {"Entries": entries}), name="events")
    entry = w.calls[1][2]["Entries"][0]
    assert entry["Detail"] == '{"a":1}'
    assert entry["Resources"] == [ended["executionArn"], ended["stateMachineArn"]]
    w.services["events", "PutEvents"] = lambda params: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "X"}]}
    ended = await w.run(task("arn:aws:states:::events:putEvents", {"Entries": entries}), name="failing")
    assert (ended["error"], ended["cause"]) == ("EventBridge.FailedEntry", '[{"ErrorCode":"X"}]')


@pytest.mark.parametrize(("pattern", "output"), [(".sync", '{"c":1}'), (".sync:2", {"c": 1})])
async def test_nested_executions(w: World, pattern: str, output: Any) -> None:
    child = await w.create(
        {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": {"c": 1}, "End": True}}}, "child"
    )
    parameters = {"StateMachineArn": child, "Input": {"a": 1}}
    ended = await w.run(task(f"arn:aws:states:::states:startExecution{pattern}", parameters), name="parent")
    result = json.loads(ended["output"])
    assert (result["Status"], result["Output"]) == ("SUCCEEDED", output)
    assert (await w.types(ended["executionArn"]))[2:6] == [
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
    ]


async def test_a_nested_execution_that_fails_and_one_that_is_stopped_with_its_parent(w: World) -> None:
    child = await w.create({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}}, "child")
    sync = "arn:aws:states:::states:startExecution.sync"
    ended = await w.run(task(sync, {"StateMachineArn": child}), name="parent")
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["Error"] == "E"
    slow = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 99, "End": True}}}, "slow")
    parent = await w.start(await w.create(task(sync, {"StateMachineArn": slow, "Name": "kid"}), "waiting"))
    await w.until_event(parent, "TaskSubmitted")
    await w.api("StopExecution", executionArn=parent)
    await w.until("arn:aws:states:us-east-1:000000000000:execution:slow:kid", "ABORTED")


async def test_sync_jobs_are_polled(w: World) -> None:
    states = iter(["QUEUED", "RUNNING", "SUCCEEDED"])
    w.services["athena", "StartQueryExecution"] = lambda params: {"QueryExecutionId": "q1"}
    w.services["athena", "GetQueryExecution"] = lambda params: {
        "QueryExecution": {"QueryExecutionId": params["QueryExecutionId"], "Status": {"State": next(states)}}
    }
    machine = await w.create(task("arn:aws:states:::athena:startQueryExecution.sync", {"QueryString": "select 1"}))
    execution = await w.start(machine)
    await w.until_event(execution, "TaskSubmitted")
    for _ in range(200):
        if (await w.describe(execution))["status"] != "RUNNING":
            break
        w.clock.advance(1)
        await asyncio.sleep(0.002)
    ended = await w.until(execution)
    assert json.loads(ended["output"])["QueryExecution"]["Status"]["State"] == "SUCCEEDED"


async def test_mocked_integrations(w: World) -> None:
    mocks = {
        "StateMachines": {"m": {"TestCases": {"Rough": {"T": "rough"}}}},
        "MockedResponses": {"rough": {"0-1": {"Throw": {"Error": "Busy", "Cause": "c"}}, "2": {"Return": {"ok": 1}}}},
    }
    w.with_mocks(mocks)
    definition = task("arn:aws:states:::sqs:sendMessage", {"QueueUrl": "q"}, Retry=[{"ErrorEquals": ["Busy"]}])
    execution = await w.start(await w.create(definition) + "#Rough")
    await w.until_event(execution, "TaskFailed")
    w.clock.advance(1)
    await w.until_event(execution, "TaskFailed", 2)
    w.clock.advance(2)
    assert (await w.until(execution))["output"] == '{"ok":1}'


# --- Express ----------------------------------------------------------------------------------------------------------


async def test_express_synchronously(w: World) -> None:
    w.services["lambda", "Invoke"] = lambda params: lambda_answer({"n": 1})
    machine = await w.create(task("arn:aws:states:::lambda:invoke", {"FunctionName": "f"}), type="EXPRESS")
    answer = await w.api("StartSyncExecution", stateMachineArn=machine, name="one", input="{}")
    assert (answer["status"], json.loads(answer["output"])["Payload"]) == ("SUCCEEDED", {"n": 1})
    assert ":express:m:one:" in answer["executionArn"]
    assert answer["billingDetails"] == {"billedDurationInMilliseconds": 100, "billedMemoryUsedInMB": 64}
    w.services["lambda", "Invoke"] = lambda params: lambda_error("Bad", "m")
    answer = await w.api("StartSyncExecution", stateMachineArn=machine)
    assert (answer["status"], answer["error"]) == ("FAILED", "Bad")


async def test_express_ends_after_five_minutes(w: World) -> None:
    definition = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 400, "End": True}}}
    machine = await w.create(definition, type="EXPRESS")
    waiting = asyncio.create_task(w.api("StartSyncExecution", stateMachineArn=machine))
    await asyncio.sleep(0.01)
    w.clock.advance(300)
    answer = await waiting
    assert (answer["status"], answer["error"]) == ("TIMED_OUT", "States.Timeout")
    assert answer["billingDetails"]["billedDurationInMilliseconds"] == 300_000


async def test_express_is_logged_by_level(w: World) -> None:
    group = "arn:aws:logs:us-east-1:000000000000:log-group:/sfn:*"
    logging = {
        "level": "ERROR", "includeExecutionData": False,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }  # fmt: skip
    definition = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}
    machine = await w.create(definition, "errors", "EXPRESS", loggingConfiguration=logging)
    await w.api("StartExecution", stateMachineArn=machine)
    assert [(entry[0], entry[2]["type"]) for entry in w.logs.entries] == [("/sfn", "ExecutionFailed")]
    machine = await w.create(
        PASS, "all", loggingConfiguration={**logging, "level": "ALL", "includeExecutionData": True}
    )
    await w.start(machine, {"a": 1})
    await asyncio.sleep(0.02)
    assert [entry[2]["type"] for entry in w.logs.entries[1:]] == [
        "ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"
    ]  # fmt: skip
    assert w.logs.entries[1][2]["details"]["input"] == '{"a":1}'


async def test_express_and_standard_keep_to_their_operations(w: World) -> None:
    express, standard = await w.create(PASS, "e", "EXPRESS"), await w.create(PASS, "s")
    error = await refused(w.api("StartSyncExecution", stateMachineArn=standard))
    assert error.code == "StateMachineTypeNotSupported"
    assert (await refused(w.api("ListExecutions", stateMachineArn=express))).code == "StateMachineTypeNotSupported"
    started = await w.api("StartExecution", stateMachineArn=express)
    assert (await refused(w.describe(started["executionArn"]))).code == "InvalidArn"


# --- the process ends and starts again --------------------------------------------------------------------------------


async def test_an_orderly_end_stops_nothing_that_was_started(w: World) -> None:
    slow = await w.create({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}}, "slow")
    nested = task("arn:aws:states:::states:startExecution.sync", {"StateMachineArn": slow, "Name": "kid"})
    parent = await w.start(await w.create(nested, "parent"))
    await w.until_event(parent, "TaskSubmitted")
    await w.sfn.stop()
    again = World(clock=w.clock, store=w.store)
    await again.sfn.start()
    assert (await again.describe("arn:aws:states:us-east-1:000000000000:execution:slow:kid"))["status"] == "RUNNING"
    w.clock.advance(9)
    assert (await again.until(parent))["status"] == "SUCCEEDED"
    await again.sfn.stop()


# --- HTTP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("GetExecutionHistory", {"nextToken": "WyJhIl0"}, "InvalidToken"),
        ("GetExecutionHistory", {"nextToken": "?"}, "InvalidToken"),
        ("ListMapRuns", {"nextToken": "?"}, "InvalidToken"),
    ],
)
async def test_operations_refuse_nonsense(w: World, operation: str, params: dict[str, Any], code: str) -> None:
    execution = await w.start(await w.create(PASS))
    assert (await refused(w.api(operation, executionArn=execution, **params))).code == code


@pytest.mark.parametrize(
    ("resource", "input", "error"),
    [
        ("arn:aws:states:::events:putEvents", [1], "States.Runtime"),
        ("arn:aws:states:::http:invoke", "x", "States.Runtime"),
        ("arn:aws:states:::lambda:invoke", {}, "States.Runtime"),
        ("arn:aws:states:::sqs:sendMessage", {"Nope": 1}, "States.Runtime"),
    ],
)
async def test_tasks_that_make_no_sense_fail(w: World, resource: str, input: Any, error: str) -> None:
    ended = await w.run(task(resource), input)
    assert (ended["status"], ended["error"]) == ("FAILED", error)


@pytest.mark.parametrize("input", ["[" * 100_000, "1e999", '"\\ud800"', "nul", '{"a":}', "{} {}"])
async def test_inputs_that_are_refused(w: World, input: str) -> None:
    machine = await w.create(PASS)
    error = await refused(w.api("StartExecution", stateMachineArn=machine, input=input))
    assert error.code == "InvalidExecutionInput"


async def test_after_a_reset_nothing_is_left_and_all_works(w: World) -> None:
    w.services["lambda", "Invoke"] = lambda params: asyncio.sleep(60)
    machine = await w.create(task("arn:aws:states:::lambda:invoke", {"FunctionName": "f"}))
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}}
    executions = [await w.start(machine), await w.start(await w.create(wait, "wait"))]
    await w.until_event(executions[0], "TaskStarted")
    await w.store.reset()
    await w.sfn.reset()
    await asyncio.sleep(0.02)
    for execution in executions:
        assert (await refused(w.describe(execution))).code == "ExecutionDoesNotExist"
    again = await w.start(await w.create(wait, "wait"))
    w.clock.advance(9)
    assert (await w.until(again))["status"] == "SUCCEEDED"
    assert len((await w.api("ListStateMachines"))["stateMachines"]) == 1


async def test_a_failure_of_the_machine_itself_ends_the_execution(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours must not leave an execution open for ever, nor stop the others."""
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": True}}}
    broken, sound = await w.start(await w.create(wait)), await w.start(await w.create(wait))
    monkeypatch.setattr("forecourt.services.stepfunctions.run.shell._log.exception", lambda *args: None)
    monkeypatch.setattr("forecourt.services.stepfunctions.run.timers._log.exception", lambda *args: None)
    w.sfn._shell._live.pop(next(key for key in w.sfn._shell._live if broken.endswith(key[3])))
    machine = (await w.sfn._shell.view(next(iter(w.sfn._shell._live))))[0]
    real = w.sfn._machines.get

    async def damaged(digest: str) -> Any:
        copy = await real(digest)
        return type(copy)([], copy.jsonata, copy.timeout_seconds, copy.raw) if copy is machine else copy

    monkeypatch.setattr(w.sfn._machines, "get", damaged)
    w.clock.advance(9)
    assert (await w.until(sound))["status"] == "SUCCEEDED"
    ended = await w.until(broken)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


# --- what would grow without end --------------------------------------------------------------------------------------

BIG = "x" * 60_000


def chain(*states: dict[str, Any]) -> dict[str, Any]:
    named = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}", **state} for n, state in enumerate(states)}
    return {"StartAt": "S0", "States": {**named, f"S{len(states)}": {"Type": "Succeed"}}}


@pytest.mark.parametrize(
    ("definition", "error"),
    [
        (chain({"Assign": {"x.$": "$.big"}}, *[{"Assign": {"x.$": "States.Format('{}{}', $x, $x)"}}] * 9),
         "States.DataLimitExceeded"),
        (chain({"Assign": {"a.$": "$.big", "b.$": "$.big", "c.$": "$.big", "d.$": "$.big", "e.$": "$.big"}}),
         "States.DataLimitExceeded"),
        (chain(*({"Assign": {f"v{n}.$": "States.Array($.big, $.big, $.big, $.big)"}} for n in range(50))),
         "States.DataLimitExceeded"),
        (chain({"Parameters": {f"p{n}.$": "$.big" for n in range(5_000)}}), "States.DataLimitExceeded"),
        (chain({"Parameters": {"p.$": "States.Format('" + "{}" * 9 + "'" + ", $.big" * 9 + ")"}}),
         "States.DataLimitExceeded"),
        (chain({"Parameters": {"p.$": f"States.JsonToString(States.Array({'States.Array($, $, $, $), ' * 19}$))"}}),
         "States.IntrinsicFailure"),
    ],
    ids=["a variable doubled", "an assignment", "all variables", "many references", "a long text", "an array's text"],
)  # fmt: skip
async def test_what_grows_fails_in_time(w: World, definition: dict[str, Any], error: str) -> None:
    ended = await w.run(definition, {"big": BIG})
    assert (ended["status"], ended["error"]) == ("FAILED", error)


async def test_ten_mebibytes_of_variables_are_kept(w: World) -> None:
    states = [{"Assign": {f"v{n}.$": "States.Array($.big, $.big, $.big, $.big)"}} for n in range(40)]
    assert (await w.run(chain(*states), {"big": BIG}))["status"] == "SUCCEEDED"


async def test_a_filter_s_pattern_does_not_hold_everybody_up(w: World) -> None:
    path = "$.a[?(@.x =~ /^(a|aa)+c?b$/)]"
    started = time.perf_counter()
    ended = await w.run(chain({"OutputPath": path}), {"a": [{"x": "a" * 60}] * 1_000})
    assert (ended["error"], time.perf_counter() - started < 5) == ("States.Runtime", True)
