"""Lambda over the network: boto3, the AWS CLI, functions that call back, and a server that is killed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.functions.harness import ROLE, zipped
from tests.functions.test_event_sources import messages, until

from forecourt.testing import Forecourt

CODE = """
import boto3, os
def handler(event, context):
    print("got", event)
    return event
def boom(event, context): raise ValueError("boom")
def identity(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"]
def chain(event, context):
    if event["depth"] == 0: return "bottom"
    payload = str({"depth": event["depth"] - 1}).replace("'", '"')
    return boto3.client("lambda").invoke(FunctionName=context.function_name, Payload=payload)["Payload"].read().decode()
"""


def make(server: Forecourt, name: str, handler: str = "app.handler", **more: Any) -> dict[str, Any]:
    functions = server.client("lambda")
    created: dict[str, Any] = functions.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler=handler, Timeout=20,
        Code={"ZipFile": zipped({"app.py": CODE})}, **more,
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    return created


def test_invoke_with_boto3(server: Forecourt) -> None:
    functions = server.client("lambda")
    make(server, "net-invoke")
    answer = functions.invoke(FunctionName="net-invoke", Payload=b'{"a": "\xc3\xbc"}', LogType="Tail")
    assert json.load(answer["Payload"]) == {"a": "ü"}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert b"got {'a': '\xc3\xbc'}" in base64.b64decode(answer["LogResult"])
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id}".encode() in base64.b64decode(answer["LogResult"])
    until(lambda: messages(server, "net-invoke"))
    streams = server.client("logs").describe_log_streams(logGroupName="/aws/lambda/net-invoke")["logStreams"]
    assert "[$LATEST]" in streams[0]["logStreamName"]


def test_a_function_error_is_not_an_http_error(server: Forecourt) -> None:
    make(server, "net-boom", "app.boom")
    answer = server.client("lambda").invoke(FunctionName="net-boom")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.load(answer["Payload"])["errorMessage"] == "boom"


def test_a_response_stream(server: Forecourt) -> None:
    make(server, "net-stream")
    answer = server.client("lambda").invoke_with_response_stream(FunctionName="net-stream", Payload=b'"x"')
    events = list(answer["EventStream"])
    assert events[0] == {"PayloadChunk": {"Payload": b'"x"'}}
    assert list(events[-1]) == ["InvokeComplete"]


def test_a_function_calls_forecourt_as_its_role(server: Forecourt) -> None:
    make(server, "net-identity", "app.identity")
    answer = server.client("lambda").invoke(FunctionName="net-identity")
    assert json.load(answer["Payload"]) == "arn:aws:sts::000000000000:assumed-role/function/net-identity"


def test_a_function_invokes_itself(server: Forecourt) -> None:
    make(server, "net-chain", "app.chain")
    answer = server.client("lambda").invoke(FunctionName="net-chain", Payload=b'{"depth": 3}')
    assert "bottom" in json.load(answer["Payload"])


TOO_LARGE = b'"' + b"x" * 6_291_456 + b'"'
ERRORS: list[tuple[str, dict[str, Any], str, int]] = [
    ("get_function", {"FunctionName": "net-none"}, "ResourceNotFoundException", 404),
    ("invoke", {"FunctionName": "net-none"}, "ResourceNotFoundException", 404),
    ("invoke", {"FunctionName": "net-errors", "Payload": b"{"}, "InvalidRequestContentException", 400),
    ("invoke", {"FunctionName": "net-errors", "Payload": TOO_LARGE}, "RequestTooLargeException", 413),
    ("get_policy", {"FunctionName": "net-errors"}, "ResourceNotFoundException", 404),
    ("publish_version", {"FunctionName": "net-errors", "RevisionId": "x"}, "PreconditionFailedException", 412),
]


def test_errors_have_awss_codes_and_statuses(server: Forecourt) -> None:
    functions = server.client("lambda")
    make(server, "net-errors")
    for operation, params, code, status in ERRORS:
        with pytest.raises(ClientError) as refused:
            getattr(functions, operation)(**params)
        response = refused.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), operation
        assert response["Type"] == "User"


def test_throttling_says_why(server: Forecourt) -> None:
    functions = server.client("lambda")
    make(server, "net-throttled")
    functions.put_function_concurrency(FunctionName="net-throttled", ReservedConcurrentExecutions=0)
    once = server.client("lambda", config=_no_retries())
    with pytest.raises(functions.exceptions.TooManyRequestsException) as throttled:
        once.invoke(FunctionName="net-throttled")
    assert throttled.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def _no_retries() -> Any:
    from botocore.config import Config

    return Config(retries={"total_max_attempts": 1})


def test_the_aws_cli(server: Forecourt, tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(zipped({"app.py": CODE}))

    def aws(*arguments: str) -> str:
        command = [str(Path(sys.executable).parent / "aws"), "--endpoint-url", server.url, "lambda", *arguments]
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        environment = {**os.environ, **keys}
        ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=tmp_path)
        return ran.stdout

    aws("create-function", "--function-name", "net-cli", "--runtime", "python3.11", "--handler", "app.handler",
        "--role", ROLE, "--zip-file", "fileb://code.zip")  # fmt: skip
    aws("invoke", "--function-name", "net-cli", "--payload", '{"a": 1}', "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"a": 1}


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    server = Forecourt(data=tmp_path)
    server.start()
    try:
        functions = server.client("lambda")
        make(server, "kept", Publish=True)
        functions.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
        # Throttled, so that the event is certain to be still in the queue.
        functions.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=0)
        answer = functions.invoke(FunctionName="kept:live", InvocationType="Event", Payload=b'"event"')
        assert answer["StatusCode"] == 202
        server.kill()
        server.start()
        functions.delete_function_concurrency(FunctionName="kept")
        assert json.load(functions.invoke(FunctionName="kept:live", Payload=b"7")["Payload"]) == 7
        server.advance_clock(300)
        until(lambda: "got event\n" in messages(server, "kept"))
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 5
    finally:
        server.kill()


def test_code_can_be_downloaded_for_ten_minutes(server: Forecourt) -> None:
    functions = server.client("lambda")
    made = make(server, "net-download")
    address = functions.get_function(FunctionName="net-download")["Code"]["Location"]
    with urllib.request.urlopen(address) as answer:
        code = answer.read()
        assert answer.headers["content-type"] == "application/zip"
    assert base64.b64encode(hashlib.sha256(code).digest()).decode() == made["CodeSha256"]
    layer = functions.publish_layer_version(LayerName="net-download", Content={"ZipFile": code})
    with urllib.request.urlopen(layer["Content"]["Location"]) as answer:
        assert answer.read() == code
    token = address.rpartition("/")[2]
    changed = address[:-10] + ("A" if token[-10] != "A" else "B") + address[-9:]
    assert _status(changed) == 403
    assert _status(address + "=%") in (403, 404)
    server.advance_clock(601)
    assert _status(address) == 403


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


LOOP = """
import boto3, json
def handler(event, context):
    print("ROUND", event["round"])
    payload = json.dumps({"round": event["round"] + 1})
    boto3.client("lambda").invoke(FunctionName=context.function_name, InvocationType="Event", Payload=payload)
"""


def test_a_function_that_calls_itself_for_ever_is_stopped(server: Forecourt) -> None:
    functions, sqs = server.client("lambda"), server.client("sqs")
    queue = sqs.create_queue(QueueName="net-loop")["QueueUrl"]
    functions.create_function(
        FunctionName="net-loop", Runtime="python3.11", Role=ROLE, Handler="app.handler", Timeout=60,
        Code={"ZipFile": zipped({"app.py": LOOP})},
        DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:000000000000:net-loop"},
    )  # fmt: skip
    functions.invoke(FunctionName="net-loop", InvocationType="Event", Payload=b'{"round": 1}')
    (dead,) = until(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages"), 60)
    assert json.loads(dead["Body"]) == {"round": 17}
    assert [m for m in messages(server, "net-loop") if m.startswith("ROUND")][-1] == "ROUND 16\n"


LOOP_OF_QUEUE_AND_TOPIC = """
import boto3, json, os
def handler(event, context):
    (record,) = event["Records"]
    round = int(record["body"] if "body" in record else record["Sns"]["Message"])
    print("ROUND", round, "Sns" in record)
    # In turns by the queue that feeds the function, and by a topic that calls it
    if round % 2:
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=str(round + 1))
    else:
        boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message=str(round + 1))
"""


def test_a_loop_through_a_queue_and_a_topic_is_stopped_too(server: Forecourt) -> None:
    functions, sqs, sns = server.client("lambda"), server.client("sqs"), server.client("sns")
    queue = sqs.create_queue(QueueName="net-loop-2", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    topic = sns.create_topic(Name="net-loop-2")["TopicArn"]
    function = functions.create_function(
        FunctionName="net-loop-2", Runtime="python3.11", Role=ROLE, Handler="app.handler", Timeout=60,
        Code={"ZipFile": zipped({"app.py": LOOP_OF_QUEUE_AND_TOPIC})},
        Environment={"Variables": {"QUEUE": queue, "TOPIC": topic}},
    )["FunctionArn"]  # fmt: skip
    functions.put_function_recursion_config(FunctionName="net-loop-2", RecursiveLoop="Terminate")
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    functions.add_permission(
        FunctionName="net-loop-2", StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )
    source = "arn:aws:sqs:us-east-1:000000000000:net-loop-2"
    mapping = functions.create_event_source_mapping(EventSourceArn=source, FunctionName="net-loop-2", BatchSize=1)
    sqs.send_message(QueueUrl=queue, MessageBody="1")
    dropped = {
        "Namespace": "AWS/Lambda", "MetricName": "RecursiveInvocationsDropped", "Statistics": ["Sum"], "Period": 60,
        "Dimensions": [{"Name": "FunctionName", "Value": "net-loop-2"}],
        "StartTime": time.time() - 3600, "EndTime": time.time() + 3600,
    }  # fmt: skip
    until(lambda: server.client("cloudwatch").get_metric_statistics(**dropped)["Datapoints"], 60)
    rounds = [m.split()[1] for m in messages(server, "net-loop-2") if m.startswith("ROUND")]
    assert rounds[-1] == "16"
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
