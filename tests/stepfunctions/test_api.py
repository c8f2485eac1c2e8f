"""Operations over the network with boto3: machines, versions, aliases, tags, map runs, and AWS's refusals."""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from forecourt.testing import Forecourt

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

ROLE = "arn:aws:iam::000000000000:role/states"
PASS = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
OTHER = json.dumps({"StartAt": "B", "States": {"B": {"Type": "Pass", "Result": "b", "End": True}}})
_numbers = itertools.count()


@pytest.fixture(scope="module")
def sfn(server: Forecourt) -> SFNClient:
    # Nothing is checked on the client's side: the refusals are the server's. No `sync-` in front of the host.
    return server.client("stepfunctions", config=Config(parameter_validation=False, inject_host_prefix=False))


def name() -> str:
    return f"sfn-{time.time_ns()}-{next(_numbers)}"


def create(sfn: SFNClient, definition: str = PASS, **more: Any) -> str:
    return sfn.create_state_machine(**{"name": name(), "definition": definition, "roleArn": ROLE, **more})[
        "stateMachineArn"
    ]


def task(resource: str) -> str:
    states = {"T": {"Type": "Task", "Resource": resource, "End": True}}
    if ":::" in resource:
        states["T"]["Parameters"] = {}
    return json.dumps({"StartAt": "T", "States": states})


def refused(call: Any, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    response = raised.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def ended(sfn: SFNClient, execution: str) -> dict[str, Any]:
    for _ in range(500):
        described = sfn.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            return described  # type: ignore[return-value]
        time.sleep(0.01)
    raise AssertionError("still running")


def test_create_describe_update_delete(sfn: SFNClient) -> None:
    called = name()
    arn = create(sfn, name=called)
    described = sfn.describe_state_machine(stateMachineArn=arn)
    assert described["definition"] == PASS
    assert (described["status"], described["type"], described["roleArn"]) == ("ACTIVE", "STANDARD", ROLE)
    assert described["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    assert described["tracingConfiguration"] == {"enabled": False}
    assert "revisionId" not in described
    assert create(sfn, name=called) == arn, "the same again is the same"
    assert refused(sfn.create_state_machine, name=called, definition=OTHER, roleArn=ROLE) == (
        "StateMachineAlreadyExists",
        f"State Machine Already Exists: '{arn}'",
        400,
    )
    updated = sfn.update_state_machine(stateMachineArn=arn, definition=OTHER, tracingConfiguration={"enabled": True})
    described = sfn.describe_state_machine(stateMachineArn=arn)
    assert (described["definition"], described["revisionId"]) == (OTHER, updated["revisionId"])
    assert described["tracingConfiguration"] == {"enabled": True}
    assert refused(sfn.update_state_machine, stateMachineArn=arn)[0] == "MissingRequiredParameter"
    assert refused(sfn.update_state_machine, stateMachineArn=arn, roleArn="x")[0] == "InvalidArn"
    assert arn in [one["stateMachineArn"] for one in sfn.list_state_machines(maxResults=1000)["stateMachines"]]
    sfn.delete_state_machine(stateMachineArn=arn)
    sfn.delete_state_machine(stateMachineArn=arn)
    assert refused(sfn.describe_state_machine, stateMachineArn=arn) == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{arn}'",
        400,
    )


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        (
            {"definition": '{"StartAt":"A"}'},
            "InvalidDefinition",
            "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'",
        ),
        ({"name": "a b"}, "InvalidName", "Invalid Name: 'a b'"),
        ({"name": "a/b"}, "InvalidName", "Invalid Name: 'a/b'"),
        (
            {"versionDescription": "x"},
            "ValidationException",
            "Version description can only be set when publish is true",
        ),
        (
            {"loggingConfiguration": {"level": "ALL"}},
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Must specify exactly one Log Destination.",
        ),
        ({"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}}, "InvalidEncryptionConfiguration", None),
        ({"tags": [{"key": f"k{n}", "value": "v"} for n in range(51)]}, "TooManyTags", None),
        ({"type": "FAST"}, "ValidationException", None),
        ({"roleArn": "states"}, "InvalidArn", "Invalid Role Arn: 'states'"),
    ],
)
def test_create_refuses(sfn: SFNClient, params: dict[str, Any], code: str, message: str | None) -> None:
    given = {"name": name(), "definition": PASS, "roleArn": ROLE, **params}
    error = refused(sfn.create_state_machine, **given)
    assert (error[0], error[2]) == (code, 400)
    assert message is None or error[1] == message


def test_validate_definition(sfn: SFNClient) -> None:
    answer = sfn.validate_state_machine_definition(definition="{}")
    assert answer["result"] == "FAIL"
    assert answer["diagnostics"] == [
        {
            "severity": "ERROR",
            "code": "SCHEMA_VALIDATION_FAILED",
            "message": "These fields are required: [States, StartAt]",
            "location": "/",
        }
    ]
    assert sfn.validate_state_machine_definition(definition=PASS)["result"] == "OK"


def test_execution_over_the_wire(sfn: SFNClient) -> None:
    arn = create(sfn)
    started = sfn.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')
    assert started["executionArn"] == arn.replace(":stateMachine:", ":execution:") + ":one"
    described = ended(sfn, started["executionArn"])
    assert (described["status"], described["input"], described["output"]) == ("SUCCEEDED", '{"a": 1}', '{"a": 1}')
    assert described["startDate"] == started["startDate"]
    events = sfn.get_execution_history(executionArn=started["executionArn"])["events"]
    assert [event["type"] for event in events] == [
        "ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"
    ]  # fmt: skip
    assert events[0]["executionStartedEventDetails"] == {
        "input": '{"a": 1}', "inputDetails": {"truncated": False}, "roleArn": ROLE
    }  # fmt: skip
    machine = sfn.describe_state_machine_for_execution(executionArn=started["executionArn"])
    assert (machine["stateMachineArn"], machine["definition"]) == (arn, PASS)


@pytest.mark.parametrize(
    ("input", "reason"),
    [
        ("", "Invalid execution input."),
        (
            "not a json",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or "
            "'false')",
        ),
        ("{'a':1}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
    ],
)
def test_inputs_that_are_no_json(sfn: SFNClient, input: str, reason: str) -> None:
    code, message, status = refused(sfn.start_execution, stateMachineArn=create(sfn), input=input)
    assert (code, status) == ("InvalidExecutionInput", 400)
    assert message == f"Invalid State Machine Execution Input: '{reason}'"


@pytest.mark.parametrize("input", ["1", '"x"', "null", "[]"])
def test_any_json_is_an_input(sfn: SFNClient, input: str) -> None:
    execution = sfn.start_execution(stateMachineArn=create(sfn), input=input)["executionArn"]
    assert ended(sfn, execution)["output"] == input


def test_arns_that_name_nothing(sfn: SFNClient) -> None:
    missing = "arn:aws:states:us-east-1:000000000000:stateMachine:nope"
    assert refused(sfn.start_execution, stateMachineArn=missing)[:2] == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{missing}'",
    )
    assert refused(sfn.describe_execution, executionArn="xyz")[:2] == (
        "InvalidArn",
        "Invalid Arn: 'Invalid ARN prefix: xyz'",
    )
    assert refused(sfn.describe_execution, executionArn=missing)[:2] == (
        "InvalidArn",
        "Invalid Arn: 'Resource type not valid in this context: stateMachine'",
    )
    gone = missing.replace(":stateMachine:", ":execution:") + ":x"
    assert refused(sfn.describe_execution, executionArn=gone)[:2] == (
        "ExecutionDoesNotExist",
        f"Execution Does Not Exist: '{gone}'",
    )
    activity = missing.replace(":stateMachine:", ":activity:")
    assert refused(sfn.describe_activity, activityArn=activity)[:2] == (
        "ActivityDoesNotExist",
        f"Activity Does Not Exist: '{activity}'",
    )
    assert refused(sfn.list_executions)[:2] == ("ValidationException", "Must provide a StateMachine ARN or MapRun ARN")


def test_versions(sfn: SFNClient) -> None:
    created = sfn.create_state_machine(
        name=name(), definition=PASS, roleArn=ROLE, publish=True, versionDescription="v1"
    )
    arn, first = created["stateMachineArn"], created["stateMachineVersionArn"]
    assert first == f"{arn}:1"
    described = sfn.describe_state_machine(stateMachineArn=first)
    assert (described["stateMachineArn"], described["description"]) == (first, "v1")
    assert sfn.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"] == first
    updated = sfn.update_state_machine(stateMachineArn=arn, definition=OTHER, publish=True)
    assert updated["stateMachineVersionArn"] == f"{arn}:2"
    old = sfn.start_execution(stateMachineArn=first)["executionArn"]
    new = sfn.start_execution(stateMachineArn=f"{arn}:2")["executionArn"]
    assert (ended(sfn, old)["output"], ended(sfn, new)["output"]) == ("{}", '"b"')
    assert ended(sfn, old)["stateMachineVersionArn"] == first
    listed = sfn.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"]
    assert [one["stateMachineVersionArn"] for one in listed] == [f"{arn}:2", f"{arn}:1"]
    assert [one["executionArn"] for one in sfn.list_executions(stateMachineArn=first)["executions"]] == [old]
    assert refused(sfn.publish_state_machine_version, stateMachineArn=arn, revisionId="old")[:2] == (
        "ConflictException",
        "Failed to publish the State Machine version for revision old. The current State Machine revision is "
        f"{updated['revisionId']}.",
    )
    sfn.delete_state_machine_version(stateMachineVersionArn=first)
    assert refused(sfn.start_execution, stateMachineArn=first)[0] == "StateMachineDoesNotExist"


def test_aliases(sfn: SFNClient) -> None:
    arn = create(sfn, publish=True)
    sfn.update_state_machine(stateMachineArn=arn, definition=OTHER, publish=True)
    one, two = f"{arn}:1", f"{arn}:2"
    routing = [{"stateMachineVersionArn": one, "weight": 50}, {"stateMachineVersionArn": two, "weight": 50}]
    alias = sfn.create_state_machine_alias(name="live", routingConfiguration=routing)["stateMachineAliasArn"]
    assert alias == f"{arn}:live"
    assert sfn.create_state_machine_alias(name="live", routingConfiguration=routing)["stateMachineAliasArn"] == alias
    outputs = set()
    for _ in range(40):
        execution = sfn.start_execution(stateMachineArn=alias)["executionArn"]
        described = ended(sfn, execution)
        assert described["stateMachineAliasArn"] == alias
        outputs.add((described["stateMachineVersionArn"], described["output"]))
    assert outputs == {(one, "{}"), (two, '"b"')}
    assert refused(
        sfn.create_state_machine_alias,
        name="live",
        routingConfiguration=[{"stateMachineVersionArn": one, "weight": 100}],
    )[:2] == (
        "ConflictException",
        "Failed to create alias because an alias with the same name and a different routing configuration already "
        "exists.",
    )
    assert refused(sfn.delete_state_machine_version, stateMachineVersionArn=one)[:2] == (
        "ConflictException",
        "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: "
        "[live]",
    )
    sfn.update_state_machine_alias(
        stateMachineAliasArn=alias, routingConfiguration=[{"stateMachineVersionArn": two, "weight": 100}]
    )
    described = sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
    assert described["routingConfiguration"] == [{"stateMachineVersionArn": two, "weight": 100}]
    listed = sfn.list_state_machine_aliases(stateMachineArn=arn)["stateMachineAliases"]
    assert [found["stateMachineAliasArn"] for found in listed] == [alias]
    sfn.delete_state_machine_alias(stateMachineAliasArn=alias)
    assert refused(sfn.describe_state_machine_alias, stateMachineAliasArn=alias)[0] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([("", 100)], "Routing configuration must contain state machine version ARNs. Received: [{0}]"),
        (
            [(":1", 50), (":1", 50)],
            "Routing configuration must contain distinct state machine version ARNs. Received: [{0}:1, {0}:1]",
        ),
        ([(":1", 70), (":2", 29)], "Sum of routing configuration weights must equal 100. Received: [70, 29]"),
    ],
)
def test_routing_that_is_refused(sfn: SFNClient, parts: list[tuple[str, int]], message: str) -> None:
    arn = create(sfn, publish=True)
    routing = [{"stateMachineVersionArn": arn + ending, "weight": weight} for ending, weight in parts]
    error = refused(sfn.create_state_machine_alias, name="a", routingConfiguration=routing)
    assert error == ("ValidationException", message.format(arn), 400)


def test_tags(sfn: SFNClient) -> None:
    arn = create(sfn, tags=[{"key": "a", "value": "1"}])
    sfn.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "2"}])
    sfn.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    assert refused(sfn.tag_resource, resourceArn=arn + "x", tags=[])[0] == "ResourceNotFound"


def test_activities(sfn: SFNClient) -> None:
    called = name()
    arn = sfn.create_activity(name=called)["activityArn"]
    assert sfn.create_activity(name=called)["activityArn"] == arn
    assert sfn.describe_activity(activityArn=arn)["name"] == called
    assert arn in [one["activityArn"] for one in sfn.list_activities(maxResults=1000)["activities"]]
    sfn.delete_activity(activityArn=arn)
    assert refused(sfn.describe_activity, activityArn=arn)[0] == "ActivityDoesNotExist"


def test_a_worker_over_the_wire(sfn: SFNClient) -> None:
    activity = sfn.create_activity(name=name())["activityArn"]
    machine = create(sfn, task(activity))
    execution = sfn.start_execution(stateMachineArn=machine, input='{"n":1}')["executionArn"]
    got = sfn.get_activity_task(activityArn=activity, workerName="w")
    assert got["input"] == '{"n":1}'
    sfn.send_task_failure(taskToken=got["taskToken"], error="Sick", cause="flu")
    described = ended(sfn, execution)
    assert (described["status"], described["error"], described["cause"]) == ("FAILED", "Sick", "flu")
    assert refused(sfn.send_task_failure, taskToken=got["taskToken"])[0] == "TaskTimedOut"
    assert refused(sfn.get_activity_task, activityArn=f"{activity}x")[0] == "ActivityDoesNotExist"

    assert "redriveDate" in sfn.redrive_execution(executionArn=execution)
    again = sfn.get_activity_task(activityArn=activity)
    assert (again["input"], again["taskToken"] != got["taskToken"]) == ('{"n":1}', True)
    sfn.send_task_success(taskToken=again["taskToken"], output="2")
    described = ended(sfn, execution)
    assert (described["status"], described["output"], described["redriveCount"]) == ("SUCCEEDED", "2", 1)
    assert refused(sfn.redrive_execution, executionArn=execution)[0] == "ExecutionNotRedrivable"


def test_stop_over_the_wire(sfn: SFNClient) -> None:
    machine = create(sfn, json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 99, "End": True}}}))
    execution = sfn.start_execution(stateMachineArn=machine)["executionArn"]
    assert "stopDate" in sfn.stop_execution(executionArn=execution, error="Enough", cause="c")
    described = sfn.describe_execution(executionArn=execution)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Enough", "c")
    assert refused(sfn.stop_execution, executionArn=f"{execution}x")[0] == "ExecutionDoesNotExist"


def test_express_synchronously_over_the_wire(sfn: SFNClient) -> None:
    answer = sfn.start_sync_execution(stateMachineArn=create(sfn, type="EXPRESS"), input='{"a":1}')
    assert (answer["status"], answer["output"]) == ("SUCCEEDED", '{"a":1}')


def test_dynamodb_and_s3_through_the_caller(server: Forecourt, sfn: SFNClient) -> None:
    table, bucket = name(), name()
    dynamodb, s3 = server.client("dynamodb"), server.client("s3")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="in.csv", Body=b"id,n\na,1\nb,2\nc,3\n")
    put = {
        "Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "End": True,
        "OutputPath": "$.SdkHttpMetadata.HttpStatusCode",
        "Parameters": {"TableName": table, "Item": {"id": {"S.$": "$.id"}, "n": {"N.$": "$.n"}}},
    }  # fmt: skip
    fan = {
        "Type": "Map", "End": True, "MaxConcurrency": 2,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": bucket, "Key": "in.csv"},
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Put", "States": {"Put": put},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": bucket, "Prefix": "out"}
        },
    }  # fmt: skip
    arn = create(sfn, json.dumps({"StartAt": "Fan", "States": {"Fan": fan}}))
    execution = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    described = ended(sfn, execution)
    assert described["status"] == "SUCCEEDED", described
    details = json.loads(described["output"])["ResultWriterDetails"]
    manifest = json.loads(s3.get_object(Bucket=details["Bucket"], Key=details["Key"])["Body"].read())
    written = manifest["ResultFiles"]["SUCCEEDED"]
    results = json.loads(s3.get_object(Bucket=bucket, Key=written[0]["Key"])["Body"].read())
    assert sorted(json.loads(one["Input"])["id"] for one in results) == ["a", "b", "c"]
    assert dynamodb.get_item(TableName=table, Key={"id": {"S": "b"}})["Item"]["n"] == {"N": "2"}
    run = sfn.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"]
    counts = sfn.describe_map_run(mapRunArn=run)["itemCounts"]
    assert (counts["succeeded"], counts["total"]) == (3, 3)
    assert len(sfn.list_executions(mapRunArn=run)["executions"]) == 3
    assert refused(sfn.update_map_run, mapRunArn=run, maxConcurrency=5)[0] == "ValidationException"


HANDLER = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("told to")
    return {"got": event, "name": context.function_name}
"""


def test_a_real_function(server: Forecourt, sfn: SFNClient) -> None:
    called = name()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", HANDLER)
    function = server.client("lambda").create_function(
        FunctionName=called,
        Runtime="python3.11",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    state = {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "OutputPath": "$.Payload", "Next": "Direct",
        "Parameters": {"FunctionName": called, "Payload.$": "$"},
    }  # fmt: skip
    direct = {"Type": "Task", "Resource": function, "Parameters": {"fail": True}, "End": True}
    caught = [{"ErrorEquals": ["ValueError"], "ResultPath": "$.error", "Next": "Done"}]
    states = {"Invoke": state, "Direct": {**direct, "Catch": caught}, "Done": {"Type": "Succeed"}}
    arn = create(sfn, json.dumps({"StartAt": "Invoke", "States": states}))
    described = ended(sfn, sfn.start_execution(stateMachineArn=arn, input='{"a":1}')["executionArn"])
    assert described["status"] == "SUCCEEDED", described
    output = json.loads(described["output"])
    assert (output["got"], output["name"]) == ({"a": 1}, called)
    assert output["error"]["Error"] == "ValueError"
    assert json.loads(output["error"]["Cause"])["errorMessage"] == "told to"


def test_human_approval_over_the_wire(server: Forecourt, sfn: SFNClient) -> None:
    sqs = server.client("sqs")
    queue = sqs.create_queue(QueueName=name())["QueueUrl"]
    state = {
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True,
        "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token", "order.$": "$.order"}},
    }  # fmt: skip
    arn = create(sfn, json.dumps({"StartAt": "Ask", "States": {"Ask": state}}))
    execution = sfn.start_execution(stateMachineArn=arn, input='{"order":7}')["executionArn"]
    message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]
    body = json.loads(message["Body"])
    assert body["order"] == 7
    sfn.send_task_success(taskToken=body["token"], output='{"approved":true}')
    assert ended(sfn, execution)["output"] == '{"approved":true}'
    assert refused(sfn.send_task_heartbeat, taskToken=body["token"])[0] == "TaskTimedOut"


def test_events_and_topics(server: Forecourt, sfn: SFNClient) -> None:
    topic = server.client("sns").create_topic(Name=name())["TopicArn"]
    publish = {
        "Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "Put", "ResultPath": "$.published",
        "Parameters": {"TopicArn": topic, "Message": {"a.$": "$.a"}},
    }  # fmt: skip
    put = {
        "Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "Next": "Sdk", "ResultPath": "$.put",
        "Parameters": {"Entries": [{"Source": "s", "DetailType": "d", "Detail": {"x": 1}, "EventBusName": "default"}]},
    }  # fmt: skip
    sdk = {
        "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sns:getTopicAttributes", "End": True,
        "Parameters": {"TopicArn": topic}, "ResultPath": "$.topic",
    }  # fmt: skip
    arn = create(sfn, json.dumps({"StartAt": "Publish", "States": {"Publish": publish, "Put": put, "Sdk": sdk}}))
    described = ended(sfn, sfn.start_execution(stateMachineArn=arn, input='{"a":1}')["executionArn"])
    assert described["status"] == "SUCCEEDED", described
    output = json.loads(described["output"])
    assert output["published"]["MessageId"]
    assert output["put"]["FailedEntryCount"] == 0
    assert output["topic"]["Attributes"]["TopicArn"] == topic


def test_start_sync_execution_where_the_sync_host_does_not_resolve(
    server: Forecourt, sfn: SFNClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDKs' setting that keeps `sync-` from the host, read by boto3 and the CLI from the environment."""
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    machine = create(sfn, type="EXPRESS")
    client = server.client("stepfunctions")
    assert client.start_sync_execution(stateMachineArn=machine, input="{}")["status"] == "SUCCEEDED"
