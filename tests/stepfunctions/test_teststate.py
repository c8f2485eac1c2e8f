"""TestState over the network: every kind of state, inspection, mocks, contexts, configurations, and refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from forecourt.testing import Forecourt

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

ROLE = "arn:aws:iam::000000000000:role/states"
INNER = {"StartAt": "X", "States": {"X": {"Type": "Pass", "End": True}}}
VALUES = '{"Values":["first","second","third"]}'


@pytest.fixture(scope="module")
def sfn(server: Forecourt) -> SFNClient:
    return server.client("stepfunctions", config=Config(parameter_validation=False, inject_host_prefix=False))


def outcome(sfn: SFNClient, state: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The answer; mock, context and variables are given as values."""
    if "result" in given.get("mock", {}):
        given["mock"] = {**given["mock"], "result": json.dumps(given["mock"]["result"])}
    for field in ("context", "variables"):
        if field in given:
            given[field] = json.dumps(given[field])
    answer: dict[str, Any] = dict(sfn.test_state(definition=json.dumps(state), **given))
    del answer["ResponseMetadata"]
    return answer


def refused(sfn: SFNClient, state: dict[str, Any], **given: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        outcome(sfn, state, **given)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def task(resource: str, **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": {}, "End": True, **more}


def distributed(**more: Any) -> dict[str, Any]:
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **INNER}
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **more}


def jsonata_map(**more: Any) -> dict[str, Any]:
    return distributed(QueryLanguage="JSONata", Items="{% $states.input.Values %}", **more)


PARALLEL = {"Type": "Parallel", "Branches": [INNER], "End": True}


@pytest.mark.parametrize(
    ("state", "given", "expected"),
    [
        ({"Type": "Pass", "Result": 1, "End": True}, {}, {"status": "SUCCEEDED", "output": "1"}),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.v", "NumericEquals": 1, "Next": "One"}], "Default": "D"},
            {"input": '{"v":1}'},
            {"status": "SUCCEEDED", "output": '{"v":1}', "nextState": "One"},
        ),
        ({"Type": "Wait", "Seconds": 60, "Next": "N"}, {}, {"status": "SUCCEEDED", "output": "{}", "nextState": "N"}),
        ({"Type": "Fail", "Error": "E", "Cause": "c"}, {}, {"status": "FAILED", "error": "E", "cause": "c"}),
        ({"Type": "Succeed"}, {"input": "5"}, {"status": "SUCCEEDED", "output": "5"}),
        (
            {"Type": "Pass", "Parameters": {"a.$": "$v"}, "End": True},
            {"variables": {"v": 3}},
            {"status": "SUCCEEDED", "output": '{"a":3}'},
        ),
        (
            {**distributed(), "Next": "N", "End": False},
            {"input": "[1,2]", "mock": {"result": [3, 4]}},
            {"status": "SUCCEEDED", "output": "[3,4]", "nextState": "N"},
        ),
        (
            distributed(ResultWriter={"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}),
            {"input": "[]", "mock": {"result": {"MapRunArn": "m"}}},
            {"status": "SUCCEEDED", "output": '{"MapRunArn":"m"}'},
        ),
        (PARALLEL, {"mock": {"result": [9]}}, {"status": "SUCCEEDED", "output": "[9]"}),
        (
            PARALLEL,
            {"mock": {"errorOutput": {"error": "E", "cause": "c"}}},
            {"status": "FAILED", "error": "E", "cause": "c"},
        ),
        (
            {"Type": "Task", "Resource": "arn:aws:states:us-east-1:000000000000:activity:a", "End": True},
            {"mock": {"result": 5}},
            {"status": "SUCCEEDED", "output": "5"},
        ),
    ],
)
def test_every_kind_of_state(sfn: SFNClient, state: Any, given: Any, expected: Any) -> None:
    assert outcome(sfn, state, **given) == expected


def test_a_real_call(server: Forecourt, sfn: SFNClient) -> None:
    queue = server.client("sqs").create_queue(QueueName="tested")["QueueUrl"]
    state = task("sqs:sendMessage", Parameters={"QueueUrl": queue, "MessageBody": {"a": 1}})
    answer = outcome(sfn, state, roleArn=ROLE)
    assert answer["status"] == "SUCCEEDED"
    assert server.client("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"] == '{"a":1}'


# --- the context object and the state's place -------------------------------------------------------------------------


def test_the_context_object_that_nobody_gives(sfn: SFNClient) -> None:
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.context %}", "End": True}
    context = json.loads(outcome(sfn, state, input='{"a":1}')["output"])
    machine, name = context["StateMachine"]["Name"], context["Execution"]["Name"]
    assert context["Execution"].pop("StartTime")
    assert context["Execution"] == {
        "Id": f"arn:aws:states:us-east-1:000000000000:express:{machine}:{name}", "Input": {"a": 1}, "Name": name,
        "RoleArn": None,
    }  # fmt: skip
    assert set(context["State"]) == {"Name", "EnteredTime"}
    assert context["State"]["Name"] == "StateName"
    assert context["StateMachine"]["Id"] == f"arn:aws:states:us-east-1:000000000000:stateMachine:{machine}"


@pytest.mark.parametrize(
    "context",
    [{}, {"Execution": {}, "State": {}}, {"Execution": {"Input": [1], "Name": "n"}, "State": {"RetryCount": 3}}],
)
def test_a_context_object_that_is_given_is_all_there_is(sfn: SFNClient, context: Any) -> None:
    state = task("lambda:invoke", ResultSelector={"seen.$": "$$"})
    answer = outcome(sfn, state, mock={"result": {}}, context=context)
    assert json.loads(answer["output"]) == {"seen": context}


def test_a_given_token_reaches_the_arguments(sfn: SFNClient) -> None:
    state = task("sqs:sendMessage.waitForTaskToken", Parameters={"MessageBody": {"t.$": "$$.Task.Token"}})
    given = {"mock": {"result": {"anything": 1}}, "context": {"Task": {"Token": "abcd123"}}}
    answer = outcome(sfn, state, inspectionLevel="DEBUG", **given)
    assert answer["inspectionData"]["afterParameters"] == '{"MessageBody":{"t":"abcd123"}}'
    assert answer["output"] == '{"anything":1}'


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"Execution": {"Id": 1}}, "Execution.Id must be a string"),
        ({"State": {"RetryCount": "1"}}, "State.RetryCount must be a number"),
        ({"Map": {}}, "'Map' field is not supported when mocking a Context object"),
        ({"Execution": {"pokemon": "squirtle"}}, "Field 'pokemon' is not allowed"),
        ({"Pokedex": {}}, "Field 'Pokedex' is not allowed"),
        (
            {"Task": {"Token": "t"}},
            "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' "
            "service integration pattern",
        ),
    ],
)
def test_context_objects_that_are_refused(sfn: SFNClient, context: Any, said: str) -> None:
    message = f"Invalid Context object provided: {said}"
    given = {"mock": {"result": {}}, "context": context}
    assert refused(sfn, task("lambda:invoke"), **given) == ("ValidationException", message)


MACHINE = {
    "StartAt": "Each",
    "QueryLanguage": "JSONata",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemProcessor": {"StartAt": "Fork", "States": {"Fork": {**PARALLEL, "Branches": [INNER]}}},
            "Next": "Bye",
        },
        "Bye": {"Type": "Fail", "Error": "{% $states.input.e %}"},
    },
}


def test_a_state_of_a_whole_machine(sfn: SFNClient) -> None:
    answer = outcome(sfn, MACHINE, stateName="Bye", input='{"e":"Boom"}')
    assert (answer["status"], answer["error"]) == ("FAILED", "Boom")
    # Within a Map, within a Parallel
    assert outcome(sfn, MACHINE, stateName="X", input="[7]") == {"status": "SUCCEEDED", "output": "[7]"}
    answer = outcome(sfn, MACHINE, stateName="Each", input="[1]", mock={"result": [2]})
    assert answer == {"status": "SUCCEEDED", "output": "[2]", "nextState": "Bye"}
    nowhere = ("ValidationException", "State not found in definition")
    assert refused(sfn, MACHINE, stateName="Nowhere") == nowhere
    assert refused(sfn, {"Type": "Succeed"}, stateName="Nowhere") == nowhere
    broken = {**MACHINE, "StartAt": "Gone"}
    assert refused(sfn, broken, stateName="Bye")[0] == "InvalidDefinition"
    assert refused(sfn, MACHINE)[0] == "InvalidDefinition"


# --- inspection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "given", "seen"),
    [
        (
            {"Type": "Pass", "End": True},
            {},
            {"afterInputPath": "5", "afterParameters": "5", "afterResultSelector": "5", "afterResultPath": "5"},
        ),
        (
            {"Type": "Pass", "Result": 1, "End": True},
            {},
            {"result": "1", "afterResultSelector": "1", "afterResultPath": "1"},
        ),
        ({"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": True}, {}, {}),
        (
            {"Type": "Pass", "Assign": {"b.$": "$"}, "Next": "N", "Parameters": 5},
            {"variables": {"a": 1}},
            {
                "afterInputPath": "5", "afterParameters": "5", "afterResultSelector": "5", "afterResultPath": "5",
                "variables": '{"a":1,"b":5}',
            },
        ),
        ({"Type": "Fail", "Error": "E"}, {}, {"afterInputPath": "5"}),
        ({"Type": "Succeed"}, {}, {"afterInputPath": "5"}),
        (
            task("lambda:invoke", ResultPath=None, OutputPath="$.x", InputPath=None, Parameters={"FunctionName": "f"}),
            {"mock": {"result": {"Payload": "p"}}, "input": '{"x":3}'},
            {
                "input": '{"x":3}', "afterInputPath": "{}", "afterParameters": '{"FunctionName":"f"}',
                "result": '{"Payload":"p"}', "afterResultSelector": '{"Payload":"p"}', "afterResultPath": '{"x":3}',
            },
        ),
        (
            {
                "Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
                "Arguments": {"FunctionName": "foo", "Payload": "{% $states.input %}"},
            },
            {"mock": {"result": {"StatusCode": 200}}},
            {"afterArguments": '{"FunctionName":"foo","Payload":5}', "result": '{"StatusCode":200}'},
        ),
        (
            distributed(ItemsPath="$.Values", ToleratedFailureCount=2),
            {"input": VALUES, "mock": {"result": [1]}},
            {
                "input": VALUES, "afterInputPath": VALUES, "afterItemsPath": '["first","second","third"]',
                "maxConcurrency": 0, "toleratedFailureCount": 2, "afterResultSelector": "[1]", "afterResultPath": "[1]",
            },
        ),
        (
            jsonata_map(ToleratedFailurePercentage=1, MaxConcurrency=3),
            {"input": VALUES, "mock": {"result": [1]}},
            {"input": VALUES, "maxConcurrency": 3, "toleratedFailurePercentage": 1.0},
        ),
        (
            distributed(ItemsPath="$$.Execution.Name"),
            {"mock": {"result": [1]}},
            {"afterInputPath": "5"},
        ),
    ],
)  # fmt: skip
def test_what_is_shown(sfn: SFNClient, state: Any, given: Any, seen: Any) -> None:
    answer = outcome(sfn, state, **{"input": "5", "inspectionLevel": "DEBUG", **given})
    assert answer["inspectionData"] == {"input": "5", **seen}


def test_items_that_are_none(sfn: SFNClient) -> None:
    answer = outcome(sfn, distributed(ItemsPath="$$.Execution.Name"), mock={"result": []})
    said = 'Reference path "$.Execution.Name" must point to array.'
    assert answer == {"status": "FAILED", "error": "States.Runtime", "cause": said}


def test_batches(sfn: SFNClient) -> None:
    state = distributed(ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"by": 1}})
    answer = outcome(sfn, state, input="[1,2,3]", mock={"result": []}, inspectionLevel="DEBUG")
    assert json.loads(answer["inspectionData"]["afterItemBatcher"]) == [
        {"BatchInput": {"by": 1}, "Items": [1, 2]},
        {"BatchInput": {"by": 1}, "Items": [3]},
    ]


def reader(**config: Any) -> dict[str, Any]:
    parameters = {"Bucket": "b", "Key": "k"}
    return {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, "Parameters": parameters}


@pytest.mark.parametrize(
    ("config", "data", "selector", "seen"),
    [
        (
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "id,name\n7,Rex\n8,Max\n",
            {"id.$": "$$.Map.Item.Value.id", "at.$": "$$.Map.Item.Index"},
            {"afterItemSelector": '[{"id":"7","at":0},{"id":"8","at":1}]'},
        ),
        (
            {"InputType": "JSON", "ItemsPointer": "/a/b"},
            '{"a":{"b":[4]}}',
            {"v.$": "$$.Map.Item.Value"},
            {"afterItemsPointer": "[4]", "afterItemSelector": '[{"v":4}]'},
        ),
    ],
)
def test_reader_data(sfn: SFNClient, config: Any, data: str, selector: Any, seen: Any) -> None:
    given = {"mock": {"result": []}, "inspectionLevel": "DEBUG", "stateConfiguration": {"mapItemReaderData": data}}
    answer = outcome(sfn, distributed(ItemReader=reader(**config), ItemSelector=selector), **given)
    shown = {name: answer["inspectionData"].get(name) for name in seen}
    assert shown == seen
    assert "afterItemsPath" not in answer["inspectionData"]


# --- errors -----------------------------------------------------------------------------------------------------------

BUSY = {"errorOutput": {"error": "Busy", "cause": "c"}}
RETRIED = task(
    "lambda:invoke",
    Retry=[
        {"ErrorEquals": ["Other"]},
        {"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 5},
    ],
)


@pytest.mark.parametrize(
    ("count", "status", "details"),
    [
        (0, "RETRIABLE", {"retryIndex": 1, "retryBackoffIntervalSeconds": 1}),
        (4, "RETRIABLE", {"retryIndex": 1, "retryBackoffIntervalSeconds": 16}),
        (5, "FAILED", {"retryIndex": 1}),
    ],
)
def test_retries(sfn: SFNClient, count: int, status: str, details: Any) -> None:
    configuration = {"retrierRetryCount": count}
    answer = outcome(sfn, RETRIED, mock=BUSY, stateConfiguration=configuration, inspectionLevel="DEBUG")
    assert (answer["status"], answer["error"], answer["cause"]) == (status, "Busy", "c")
    assert answer["inspectionData"]["errorDetails"] == details
    assert "result" not in answer["inspectionData"]


def test_a_caught_error(sfn: SFNClient) -> None:
    catchers = [
        {"ErrorEquals": ["Other"], "Next": "A"},
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "B"},
    ]
    state = task("lambda:invoke", Catch=catchers)
    answer = outcome(sfn, state, mock=BUSY, input='{"a":1}', inspectionLevel="DEBUG")
    assert (answer["status"], answer["nextState"]) == ("CAUGHT_ERROR", "B")
    assert json.loads(answer["output"]) == {"a": 1, "e": {"Error": "Busy", "Cause": "c"}}
    assert answer["inspectionData"]["errorDetails"] == {"catchIndex": 1}


@pytest.mark.parametrize(
    ("tolerance", "failed", "status"),
    [
        ({"ToleratedFailureCount": 1}, 0, "SUCCEEDED"),
        ({"ToleratedFailureCount": 1}, 1, "SUCCEEDED"),
        ({"ToleratedFailureCount": 1}, 2, "FAILED"),
        ({"ToleratedFailurePercentage": 50}, 1, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 50}, 2, "FAILED"),
        # Measured on AWS: nothing is judged where nothing is tolerated in so many words
        ({}, 2, "SUCCEEDED"),
    ],
)
def test_failed_iterations(sfn: SFNClient, tolerance: Any, failed: int, status: str) -> None:
    given = {"input": VALUES, "mock": {"result": [1, 1, 1]}, "stateConfiguration": {"mapIterationFailureCount": failed}}
    answer = outcome(sfn, jsonata_map(**tolerance), **given)
    assert answer["status"] == status
    if status == "FAILED":
        assert (answer["error"], answer["cause"]) == (
            "States.ExceedToleratedFailureThreshold",
            "The specified tolerated failure threshold was exceeded",
        )


def test_an_error_within_a_map(sfn: SFNClient) -> None:
    for configuration in ({"errorCausedByState": "X"}, {"errorCausedByState": "X", "mapIterationFailureCount": 2}):
        given = {"input": VALUES, "mock": BUSY, "stateConfiguration": configuration, "inspectionLevel": "DEBUG"}
        assert outcome(sfn, jsonata_map(), **given) == {
            "status": "FAILED", "error": "Busy", "cause": "c", "inspectionData": {"input": VALUES, "maxConcurrency": 0},
        }  # fmt: skip


# --- mocks against the models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["STRICT", "PRESENT"])
@pytest.mark.parametrize(
    ("resource", "result", "said"),
    [
        ("events:putEvents", {"Entries": "x"}, "Field 'Entries' must be an array"),
        ("events:putEvents", {"Entries": [{"EventId": "ok"}, {"EventId": [1]}]}, "Field 'EventId' must be a string"),
        ("events:putEvents", {"FailedEntryCount": True}, "Field 'FailedEntryCount' must be a number"),
        ("lambda:invoke", {"StatusCode": "200"}, "Field 'StatusCode' must be a number"),
        ("lambda:invoke", {"Payload": {"a": 1}}, "Field 'Payload' must be a string"),
        ("dynamodb:putItem", {"ConsumedCapacity": {"CapacityUnits": "1"}}, "Field 'CapacityUnits' must be a number"),
        ("aws-sdk:s3:getObject", {"ContentLength": "9000"}, "Field 'ContentLength' must be a number"),
        ("aws-sdk:s3:getObject", {"StorageClass": "Papyrus"}, "Field 'StorageClass' is not an expected value"),
        ("aws-sdk:kms:encrypt", {"CiphertextBlob": 123}, "Field 'CiphertextBlob' must be a string"),
        ("aws-sdk:kms:encrypt", {"CiphertextBlob": ""}, "Field 'CiphertextBlob' is smaller than the minimum length"),
        (
            "aws-sdk:lambda:getFunction",
            {"Configuration": {"MemorySize": 127}},
            "Field 'MemorySize' is less than the minimum value",
        ),
        (
            "aws-sdk:lambda:getFunction",
            {"Configuration": {"MemorySize": 32769}},
            "Field 'MemorySize' exceeds the maximum value",
        ),
        (
            "aws-sdk:sfn:describeExecution",
            {"ExecutionArn": "a" * 257, "StateMachineArn": "a", "Status": "FAILED", "StartDate": "2026-01-01"},
            "Field 'ExecutionArn' exceeds the maximum length",
        ),
        (
            "states:startExecution",
            {"ExecutionArn": "a", "StartDate": 1764103483},
            "Field 'StartDate' must be a string",
        ),
        (
            "states:startExecution",
            {"ExecutionArn": "a", "StartDate": "yesterday"},
            "Field 'StartDate' is not a valid timestamp",
        ),
        ("codebuild:startBuild.sync", {"Id": 7}, "Field 'Id' must be a string"),
        ("ecs:runTask.sync", {"TaskArn": 7}, "Field 'TaskArn' must be a string"),
        ("athena:startQueryExecution.sync", {"QueryExecution": []}, "Field 'QueryExecution' must be an object"),
    ],
)
def test_mocks_that_no_service_answers(sfn: SFNClient, resource: str, result: Any, said: str, mode: str) -> None:
    mock = {"result": result, "fieldValidationMode": mode}
    message = f"Mock result schema validation error: {said}"
    assert refused(sfn, task(resource), mock=mock) == ("ValidationException", message)
    anything = outcome(sfn, task(resource), mock={**mock, "fieldValidationMode": "NONE"})
    assert json.loads(anything["output"]) == result


@pytest.mark.parametrize(
    ("result", "missing"),
    [
        ({}, "ExecutionArn"),
        ({"executionArn": "a", "startDate": "b"}, "ExecutionArn"),
        ({"ExecutionArn": "a"}, "StartDate"),
    ],
)
def test_what_is_missing_matters_in_strict_mode_only(sfn: SFNClient, result: Any, missing: str) -> None:
    state = task("states:startExecution")
    message = f"Mock result schema validation error: Required field '{missing}' is missing"
    assert refused(sfn, state, mock={"result": result}) == ("ValidationException", message)
    for mode in ("PRESENT", "NONE"):
        answer = outcome(sfn, state, mock={"result": result, "fieldValidationMode": mode})
        assert json.loads(answer["output"]) == result


@pytest.mark.parametrize(
    ("resource", "result"),
    [
        ("events:putEvents", {"random": "json"}),
        ("events:putEvents", {}),
        ("lambda:invoke", {"Payload": "function output", "SdkHttpMetadata": {"HttpStatusCode": 200}}),
        ("sqs:sendMessage.waitForTaskToken", ["anything"]),
        ("http:invoke", {"StatusCode": "x"}),
        ("apigateway:invoke", {"approval": True}),
        ("states:startExecution.sync:2", {"Output": {"a": 1}}),
    ],
)
def test_mocks_that_pass(sfn: SFNClient, resource: str, result: Any) -> None:
    assert json.loads(outcome(sfn, task(resource), mock={"result": result})["output"]) == result


# --- refusals ---------------------------------------------------------------------------------------------------------

_BOTH = "A test mock should have only one of the following fields: [result, errorOutput]."
_NO_FAN = (
    "TestState API does not support Map or Parallel states. Supported state types include: "
    "[Task, Wait, Pass, Succeed, Fail, Choice]"
)
_NEEDS_ROLE = "RoleArn must be specified when testing a Task state"
_BRANCHES = "Mocked result must contain the same number of items as number of Parallel branches."


@pytest.mark.parametrize(
    ("state", "given", "code", "said"),
    [
        (
            {"Type": "Pass", "End": True},
            {"mock": {"result": 1}},
            "ValidationException",
            "State type 'Pass' is not supported when a mock is specified",
        ),
        ({"Type": "Fail"}, {"mock": BUSY}, "ValidationException", "State type 'Fail' is not supported"),
        (task("events:putEvents"), {"mock": {"result": {}, **BUSY}}, "ValidationException", _BOTH),
        (task("events:putEvents"), {}, "ValidationException", _NEEDS_ROLE),
        (
            task("events:putEvents"),
            {"mock": {"result": {}}, "revealSecrets": True},
            "ValidationException",
            "TestState does not support RevealSecrets when a mock is specified.",
        ),
        (distributed(), {}, "InvalidDefinition", _NO_FAN),
        (PARALLEL, {}, "InvalidDefinition", _NO_FAN),
        (task("ecs:runTask.sync"), {"roleArn": ROLE}, "InvalidDefinition", "'.sync' or '.waitForTaskToken'"),
        (distributed(), {"mock": {"result": {}}}, "ValidationException", "Mocked result must be an array."),
        (PARALLEL, {"mock": {"result": 1}}, "ValidationException", "Mocked result must be an array."),
        (PARALLEL, {"mock": {"result": [1, 2]}}, "ValidationException", _BRANCHES),
        (
            distributed(ResultWriter={"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}),
            {"mock": {"result": []}},
            "ValidationException",
            "Mocked result must be a JSON object.",
        ),
        (
            distributed(),
            {"input": "[1]", "mock": {"result": []}, "stateConfiguration": {"mapIterationFailureCount": 2}},
            "ValidationException",
            "mapIterationFailureCount exceeds",
        ),
        (
            distributed(),
            {"mock": {"result": []}, "stateConfiguration": {"mapItemReaderData": "[]"}},
            "ValidationException",
            "ItemReader",
        ),
        (
            distributed(),
            {"mock": BUSY, "stateConfiguration": {"errorCausedByState": "No"}},
            "ValidationException",
            "contains no state 'No'",
        ),
        ({"Type": "Nope"}, {}, "InvalidDefinition", "should have one of these values"),
        ({"Type": "Pass", "End": True}, {"variables": [1]}, "ValidationException", "must be a JSON object"),
        ({"Type": "Pass", "End": True}, {"context": {}}, "ValidationException", "Context can only be specified"),
        ({"Type": "Pass", "End": True}, {"input": "{"}, "InvalidExecutionInput", "Unexpected"),
    ],
)
def test_what_is_refused(sfn: SFNClient, state: Any, given: Any, code: str, said: str) -> None:
    error = refused(sfn, state, **given)
    assert error[0] == code
    assert said in error[1]


def test_a_definition_that_is_no_json(sfn: SFNClient) -> None:
    with pytest.raises(ClientError) as raised:
        sfn.test_state(definition="{")
    assert raised.value.response["Error"]["Code"] == "InvalidDefinition"
