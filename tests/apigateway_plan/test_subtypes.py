"""First-class integrations of HTTP APIs with AWS services, made and called over the network."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from forecourt.testing import Forecourt

ROLE = "arn:aws:iam::000000000000:role/integration"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="module")
def api(server: Forecourt) -> str:
    apis = server.client("apigatewayv2")
    made: str = apis.create_api(Name=unique("subtypes"), ProtocolType="HTTP")["ApiId"]
    apis.create_stage(ApiId=made, StageName="$default", AutoDeploy=True)
    return made


def route(server: Forecourt, api: str, subtype: str, parameters: Mapping[str, str]) -> str:
    """A new route to `subtype`. Returns its URL."""
    apis = server.client("apigatewayv2")
    integration = apis.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype=subtype,
        CredentialsArn=ROLE,
        PayloadFormatVersion="1.0",
        RequestParameters=dict(parameters),
    )["IntegrationId"]
    path = unique("/route")
    apis.create_route(ApiId=api, RouteKey=f"POST {path}", Target=f"integrations/{integration}")
    return f"{server.url}/_aws/execute-api/{api}{path}"


def post(url: str, document: Any) -> Any:
    answer = requests.post(url, json=document, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def test_a_queue_from_message_to_message(server: Forecourt, api: str) -> None:
    queues = server.client("sqs")
    queue = queues.create_queue(QueueName=unique("q"))["QueueUrl"]
    send = route(server, api, "SQS-SendMessage", {"QueueUrl": queue, "MessageBody": "$request.body.text"})
    receive = route(server, api, "SQS-ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": "2"})
    handle = "$request.body.handle"
    delete = route(server, api, "SQS-DeleteMessage", {"QueueUrl": queue, "ReceiptHandle": handle})
    sent = post(send, {"text": "hello"})
    found = post(receive, {})["Messages"]
    assert [(message["MessageId"], message["Body"]) for message in found] == [(sent["MessageId"], "hello")]
    post(delete, {"handle": found[0]["ReceiptHandle"]})
    counted = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessages"] == counted["ApproximateNumberOfMessagesNotVisible"] == "0"
    post(send, {"text": "again"})
    post(route(server, api, "SQS-PurgeQueue", {"QueueUrl": queue}), {})
    counted = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessages"] == "0"


def test_kinesis(server: Forecourt, api: str) -> None:
    streams = server.client("kinesis")
    stream = unique("s")
    streams.create_stream(StreamName=stream, ShardCount=1)
    streams.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    parameters = {"StreamName": stream, "Data": "$request.body.data", "PartitionKey": "$request.header.key"}
    url = route(server, api, "Kinesis-PutRecord", parameters)
    answer = requests.post(url, json={"data": "hello"}, headers={"key": "k1"}, timeout=30)
    assert answer.status_code == 200, answer.text
    shard = answer.json()["ShardId"]
    at = streams.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=at["ShardIterator"])["Records"]
    assert [(record["Data"], record["PartitionKey"]) for record in records] == [(b"hello", "k1")]


def machine_of(server: Forecourt, state: Mapping[str, Any], kind: str) -> str:
    definition = {"StartAt": "Only", "States": {"Only": state}}
    made: str = server.client("stepfunctions").create_state_machine(
        name=unique("m"), definition=json.dumps(definition), roleArn=ROLE, type=kind
    )["stateMachineArn"]
    return made


def test_an_execution_is_started_and_stopped(server: Forecourt, api: str) -> None:
    machine = machine_of(server, {"Type": "Wait", "Seconds": 3600, "End": True}, "STANDARD")
    start = route(server, api, "StepFunctions-StartExecution", {"StateMachineArn": machine, "Input": "$request.body"})
    parameters = {"ExecutionArn": "$request.body.arn", "Cause": "$request.body.why"}
    stop = route(server, api, "StepFunctions-StopExecution", parameters)
    arn = post(start, {"a": 1})["executionArn"]
    post(stop, {"arn": arn, "why": "enough"})
    seen = server.client("stepfunctions").describe_execution(executionArn=arn)
    assert (json.loads(seen["input"]), seen["status"], seen["cause"]) == ({"a": 1}, "ABORTED", "enough")


def test_a_synchronous_execution_answers(server: Forecourt, api: str) -> None:
    machine = machine_of(server, {"Type": "Pass", "End": True}, "EXPRESS")
    parameters = {"StateMachineArn": machine, "Input": "$request.body"}
    answer = post(route(server, api, "StepFunctions-StartSyncExecution", parameters), {"a": 1})
    assert (answer["status"], json.loads(answer["output"])) == ("SUCCEEDED", {"a": 1})


def test_a_service_that_refuses_is_heard(server: Forecourt, api: str) -> None:
    nobody = "arn:aws:states:us-east-1:000000000000:stateMachine:nobody"
    url = route(server, api, "StepFunctions-StartExecution", {"StateMachineArn": nobody, "Input": "$request.body"})
    answer = requests.post(url, json={}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["__type"] == "StateMachineDoesNotExist"


def test_a_configuration_of_appconfig_is_the_body() -> None:
    """AppConfig is not embedded: Forecourt is pointed to one that is elsewhere."""
    asked: list[str] = []

    class AppConfig(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'{"limit": 7}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Configuration-Version", "3")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), AppConfig)
    thread = threading.Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        backing = ("--backing", f"appconfig=http://127.0.0.1:{elsewhere.server_port}")
        with Forecourt(arguments=backing) as forecourt:
            apis = forecourt.client("apigatewayv2")
            made = apis.create_api(Name=unique("appconfig"), ProtocolType="HTTP")["ApiId"]
            apis.create_stage(ApiId=made, StageName="$default", AutoDeploy=True)
            parameters = {
                "Application": "shop",
                "Environment": "prod",
                "Configuration": "$request.querystring.name",
                "ClientId": "$context.requestId",
            }
            url = route(forecourt, made, "AppConfig-GetConfiguration", parameters)
            answer = requests.post(f"{url}?name=limits", timeout=30)
            assert (answer.status_code, answer.json()) == (200, {"limit": 7})
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["configuration-version"] == "3"
            client = answer.headers["apigw-requestid"].rstrip("=")
            assert asked[0].startswith("/applications/shop/environments/prod/configurations/limits?")
            assert client in asked[0]
    finally:
        elsewhere.shutdown()
        thread.join()
        elsewhere.server_close()


def test_a_message_with_attributes_and_what_is_no_number(server: Forecourt, api: str) -> None:
    queues = server.client("sqs")
    queue = queues.create_queue(QueueName=unique("q") + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    parameters = {
        "QueueUrl": queue,
        "MessageBody": "$request.body.text",
        "MessageGroupId": "$request.body.group",
        "MessageDeduplicationId": "$context.requestId",
        "MessageAttributes": "$request.body.attributes",
    }
    colour = {"colour": {"DataType": "String", "StringValue": "blue"}}
    post(route(server, api, "SQS-SendMessage", parameters), {"text": "hi", "group": "g", "attributes": colour})
    asked = {
        "QueueUrl": queue,
        "MaxNumberOfMessages": "$request.body.most",
        "MessageAttributeNames": "colour, other",
        "AttributeNames": '["All"]',
    }
    receive = route(server, api, "SQS-ReceiveMessage", asked)
    (message,) = post(receive, {"most": 1})["Messages"]
    assert message["MessageAttributes"] == colour
    assert message["Attributes"]["MessageGroupId"] == "g"
    refused = requests.post(receive, json={"most": "many"}, timeout=30)
    assert (refused.status_code, refused.json()) == (400, {"message": "Bad Request"})


def test_an_event_with_everything(server: Forecourt, api: str) -> None:
    queues, events = server.client("sqs"), server.client("events")
    name = unique("events")
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name=name)
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": ["web"]}))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "q", "Arn": arn}])
    parameters = {
        "Detail": "$request.body",
        "DetailType": "${request.body.kind}-made",
        "Source": "web",
        "EventBusName": name,
        "Resources": "arn:aws:s3:::a, arn:aws:s3:::b",
        "Time": "2026-11-20T10:00:00Z",
    }
    answer = post(route(server, api, "EventBridge-PutEvents", parameters), {"kind": "order", "n": 1})
    assert (answer["FailedEntryCount"], len(answer["Entries"])) == (0, 1)
    (message,) = queues.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail"] == {"kind": "order", "n": 1}
    assert (event["detail-type"], event["source"]) == ("order-made", "web")
    assert event["resources"] == ["arn:aws:s3:::a", "arn:aws:s3:::b"]
    assert event["time"] == "2026-11-20T10:00:00Z"
