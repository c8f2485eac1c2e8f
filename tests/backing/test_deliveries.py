"""What topics, buckets and rules hand on arrives at the services that are Forecourt's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from forecourt.base.call import CallContext
from forecourt.base.errors import RemoteError
from forecourt.services.backing import Backing, Keep
from forecourt.services.backing.bridges.inputs import at_path, transformed
from forecourt.store import Store, open_store
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer

from .conftest import Bench, caller
from .test_remote import Endpoint, endpoint  # noqa: F401 - the fixture

FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:f"
MACHINE = "arn:aws:states:eu-west-1:000000000000:stateMachine:m"
ROLE = "arn:aws:iam::000000000000:role/r"


class Others:
    """Stands for the services that are called: keeps the calls, fails as often as it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[CallContext, str, str, dict[str, Any]]] = []
        self.failures = 0
        self.code = "ServiceException"
        self.came = asyncio.Event()

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        if self.failures:
            self.failures -= 1
            raise RemoteError(self.code, "not now", 404 if "NotFound" in self.code else 500)
        self.calls.append((context, service, operation, dict(params)))
        self.came.set()
        return {}

    async def next(self) -> tuple[CallContext, str, str, dict[str, Any]]:
        await asyncio.wait_for(self.came.wait(), 10)
        self.came.clear()
        return self.calls[-1]


@pytest.fixture
def others() -> Others:
    return Others()


@pytest.fixture
async def backing(bench: Bench, others: Others) -> AsyncIterator[Backing]:
    bench.backing = Backing(clock=bench.clock, caller=others)
    yield bench.backing
    await bench.backing._courier.close()


async def topic(backing: Backing, protocol: str, target: str, **attributes: str) -> str:
    arn: str = (await backing.call(caller(), "sns", "CreateTopic", {"Name": "news"}))["TopicArn"]
    params = {"TopicArn": arn, "Protocol": protocol, "Endpoint": target, "Attributes": attributes}
    await backing.call(caller(), "sns", "Subscribe", params)
    return arn


async def rule(backing: Backing, *targets: dict[str, Any]) -> str:
    made = await backing.call(caller(), "events", "PutRule", {"Name": "r", "EventPattern": '{"source": ["shop"]}'})
    named = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    await backing.call(caller(), "events", "PutTargets", {"Rule": "r", "Targets": named})
    arn: str = made["RuleArn"]
    return arn


async def put_event(backing: Backing, source: str = "shop") -> None:
    entry = {"Source": source, "DetailType": "Sold", "Detail": '{"pet": {"name": "Rex \\"the\\" dog", "tags": ["a"]}}'}
    answer = await backing.call(caller(), "events", "PutEvents", {"Entries": [entry]})
    assert answer["FailedEntryCount"] == 0


async def test_a_topic_invokes_a_function(backing: Backing, others: Others) -> None:
    arn = await topic(backing, "lambda", FUNCTION)
    attributes = {"colour": {"DataType": "String", "StringValue": "red"}}
    message = {"TopicArn": arn, "Message": "hello", "Subject": "s", "MessageAttributes": attributes}
    sent = await backing.call(caller(), "sns", "Publish", message)
    context, service, operation, params = await others.next()
    assert (service, operation, params["FunctionName"], params["InvocationType"]) == (
        "lambda",
        "Invoke",
        FUNCTION,
        "Event",
    )
    assert (context.principal.kind, context.principal.name) == ("service", "sns.amazonaws.com")
    assert context.conditions == {"aws:SourceArn": arn, "aws:SourceAccount": "000000000000"}
    record = json.loads(params["Payload"])["Records"][0]
    assert (record["EventSource"], record["EventSubscriptionArn"].startswith(arn)) == ("aws:sns", True)
    sns = record["Sns"]
    assert (sns["Message"], sns["Subject"], sns["MessageId"]) == ("hello", "s", sent["MessageId"])
    assert sns["MessageAttributes"] == {"colour": {"Type": "String", "Value": "red"}}


async def test_a_filter_policy_holds_a_message_back(backing: Backing, others: Others) -> None:
    arn = await topic(backing, "lambda", FUNCTION, FilterPolicy='{"colour": ["red"]}')
    for colour in ("blue", "red"):
        attributes = {"colour": {"DataType": "String", "StringValue": colour}}
        await backing.call(
            caller(), "sns", "Publish", {"TopicArn": arn, "Message": colour, "MessageAttributes": attributes}
        )
    _, _, _, params = await others.next()
    assert json.loads(params["Payload"])["Records"][0]["Sns"]["Message"] == "red"
    assert len(others.calls) == 1


async def test_a_topic_posts_to_an_endpoint(backing: Backing, endpoint: Endpoint) -> None:  # noqa: F811
    arn = await topic(backing, "http", endpoint.url + "/hook?x=1")
    await backing.call(caller(), "sns", "Publish", {"TopicArn": arn, "Message": "hello"})
    for _ in range(200):
        if endpoint.seen:
            break
        await asyncio.sleep(0.01)
    posted = endpoint.seen[0]
    assert (posted.method, posted.raw_path, posted.query_string) == ("POST", b"/hook", b"x=1")
    assert (b"x-amz-sns-message-type", b"Notification") in posted.headers
    assert json.loads(posted.body)["Message"] == "hello"


async def test_a_bucket_invokes_a_function(backing: Backing, others: Others) -> None:
    location = {"LocationConstraint": "eu-west-1"}
    await backing.call(caller(), "s3", "CreateBucket", {"Bucket": "photos", "CreateBucketConfiguration": location})
    wanted = {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"]}
    notification = {"Bucket": "photos", "NotificationConfiguration": {"LambdaFunctionConfigurations": [wanted]}}
    await backing.call(caller(), "s3", "PutBucketNotificationConfiguration", notification)
    await backing.call(caller(), "s3", "PutObject", {"Bucket": "photos", "Key": "a b.jpg", "Body": b"1234"})
    context, _, operation, params = await others.next()
    record = json.loads(params["Payload"])["Records"][0]
    assert (operation, record["eventName"], record["eventSource"]) == ("Invoke", "ObjectCreated:Put", "aws:s3")
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("a+b.jpg", 4)
    assert context.conditions["aws:SourceArn"] == "arn:aws:s3:::photos"


async def test_a_rule_reaches_its_targets_each_in_its_way(backing: Backing, others: Others) -> None:
    await rule(
        backing,
        {"Arn": FUNCTION},
        {"Arn": MACHINE, "InputPath": "$.detail.pet"},
        {"Arn": "arn:aws:sns:eu-west-1:000000000000:t", "Input": '"fixed"'},
        {"Arn": "arn:aws:logs:eu-west-1:000000000000:log-group:/aws/events/x"},
    )
    await put_event(backing)
    await put_event(backing, source="elsewhere")
    while len(others.calls) < 5:
        await others.next()
    made = {(service, operation): params for _, service, operation, params in others.calls}
    event = json.loads(made["lambda", "Invoke"]["Payload"])
    assert (event["source"], event["detail-type"], event["account"]) == ("shop", "Sold", "000000000000")
    assert event["time"].endswith("Z")
    assert json.loads(made["stepfunctions", "StartExecution"]["input"]) == {"name": 'Rex "the" dog', "tags": ["a"]}
    assert made["sns", "Publish"] == {"TopicArn": "arn:aws:sns:eu-west-1:000000000000:t", "Message": '"fixed"'}
    assert made["logs", "CreateLogStream"]["logGroupName"] == "/aws/events/x"
    assert json.loads(made["logs", "PutLogEvents"]["logEvents"][0]["message"]) == event
    assert len(others.calls) == 5


async def test_a_disabled_rule_reaches_nobody(backing: Backing, others: Others) -> None:
    await rule(backing, {"Arn": FUNCTION})
    await backing.call(caller(), "events", "DisableRule", {"Name": "r"})
    await put_event(backing)
    await backing.call(caller(), "events", "EnableRule", {"Name": "r"})
    await put_event(backing)
    await others.next()
    await asyncio.sleep(0.05)
    assert len(others.calls) == 1


async def test_a_rule_still_reaches_a_queue(backing: Backing) -> None:
    url = (await backing.call(caller(), "sqs", "CreateQueue", {"QueueName": "q"}))["QueueUrl"]
    await rule(backing, {"Arn": "arn:aws:sqs:eu-west-1:000000000000:q"})
    await put_event(backing)
    got = await backing.call(caller(), "sqs", "ReceiveMessage", {"QueueUrl": url})
    assert json.loads(got["Messages"][0]["Body"])["source"] == "shop"


class _Rule:
    arn, name = "arn:rule", "r"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"pet": <name>, "n": <n>}', '{"pet": "Rex \\"x\\"", "n": 7}'),
        ('{"text": "pet <name> is sold"}', '{"text": "pet Rex \\"x\\" is sold"}'),
        ('"<tags> by <aws.events.rule-name>"', '"[\\"a\\"] by r"'),
        ('{"none": <none>, "unknown": "<other>"}', '{"none": null, "unknown": "<other>"}'),
    ],
)
def test_an_input_transformer_fills_its_template(template: str, expected: str) -> None:
    event = {"time": "t", "detail": {"name": 'Rex "x"', "n": 7, "tags": ["a"]}}
    paths = {"name": "$.detail.name", "n": "$.detail.n", "tags": "$.detail.tags", "none": "$.detail.none"}
    filled = transformed(_Rule(), {"InputTemplate": template, "InputPathsMap": paths}, event)
    assert filled == expected
    assert json.loads(filled) is not None


@pytest.mark.parametrize(
    ("path", "expected"), [("$", {"a": [{"b": 1}]}), ("$.a[0].b", 1), ("$.a[1]", None), ("$.x.y", None)]
)
def test_a_path_finds_its_value(path: str, expected: Any) -> None:
    assert at_path(path, {"a": [{"b": 1}]}) == expected


async def test_a_failed_delivery_is_made_again_until_it_is_given_up(
    bench: Bench, backing: Backing, others: Others, caplog: pytest.LogCaptureFixture
) -> None:
    arn = await topic(backing, "lambda", FUNCTION)
    others.failures = 2
    await backing.call(caller(), "sns", "Publish", {"TopicArn": arn, "Message": "hello"})
    for seconds in (2, 6):
        await asyncio.sleep(0.05)
        bench.clock.advance(seconds)
    await others.next()
    others.failures, others.code = 1, "ResourceNotFoundException"
    await backing.call(caller(), "sns", "Publish", {"TopicArn": arn, "Message": "gone"})
    await asyncio.sleep(0.1)
    assert len(others.calls) == 1
    assert "could not be delivered" in caplog.text


async def letter(others: Others) -> tuple[str, dict[str, str], Any]:
    """The dead letter that comes next: its queue, its attributes, its body."""
    context, service, operation, params = await others.next()
    assert (context.principal.name, service, operation) == ("events.amazonaws.com", "sqs", "SendMessage")
    said = {name: value["StringValue"] for name, value in params["MessageAttributes"].items()}
    return params["QueueUrl"].rpartition("/")[2], said, json.loads(params["MessageBody"])


QUEUE = {"DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-west-1:000000000000:lost"}}


@pytest.mark.parametrize(
    ("policy", "pauses", "why"),
    [
        ({"MaximumRetryAttempts": 2}, (2, 6), "MaximumRetryAttempts"),
        ({"MaximumRetryAttempts": 0}, (), "MaximumRetryAttempts"),
        ({"MaximumEventAgeInSeconds": 60}, (2, 6, 26), "MaximumEventAgeInSeconds"),
    ],
)
async def test_what_a_target_never_takes_goes_to_its_dead_letter_queue(
    bench: Bench, backing: Backing, others: Others, policy: dict[str, int], pauses: tuple[int, ...], why: str
) -> None:
    rule_arn = await rule(backing, {"Arn": FUNCTION, "RetryPolicy": policy, **QUEUE})
    others.failures = 1 + len(pauses)
    await put_event(backing)
    for seconds in pauses:
        await asyncio.sleep(0.05)
        bench.clock.advance(seconds)
    queue, said, event = await letter(others)
    assert (queue, event["source"]) == ("lost", "shop")
    assert said == {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": FUNCTION,
        "ERROR_CODE": "ServiceException",
        "ERROR_MESSAGE": "not now",
        "RETRY_ATTEMPTS": str(len(pauses)),
        "EXHAUSTED_RETRY_CONDITION": why,
    }


async def test_a_target_that_is_not_there_is_not_tried_again(backing: Backing, others: Others) -> None:
    await rule(backing, {"Arn": FUNCTION, **QUEUE}, {"Arn": MACHINE, "RoleArn": ROLE})
    others.failures, others.code = 1, "ResourceNotFoundException"
    await put_event(backing)
    _, said, _ = await letter(others)
    assert (said["RETRY_ATTEMPTS"], said.get("EXHAUSTED_RETRY_CONDITION")) == ("0", None)
    # The rule's other target had its event.
    assert [(service, operation) for _, service, operation, _ in others.calls] == [
        ("stepfunctions", "StartExecution"),
        ("sqs", "SendMessage"),
    ]


async def test_what_was_not_delivered_at_a_crash_is_delivered_after_it_and_once(bench: Bench, others: Others) -> None:
    def open_with(store: Store) -> Backing:
        keep = Keep(store, Blobs(bench.folder / "blobs"), Sealer(b"k" * 32))
        return Backing(clock=bench.clock, keep=keep, caller=others)

    bench.store = open_store(bench.folder, bench.clock)
    bench.backing = open_with(bench.store)
    arn = await topic(bench.backing, "lambda", FUNCTION)
    others.failures = 1
    await bench.backing.call(caller(), "sns", "Publish", {"TopicArn": arn, "Message": "hello"})
    await asyncio.sleep(0.05)
    await bench.backing._courier.close()
    await bench.forget()

    bench.store = open_store(bench.folder, bench.clock)
    bench.backing = open_with(bench.store)
    await bench.backing.start()
    _, _, _, params = await others.next()
    assert json.loads(params["Payload"])["Records"][0]["Sns"]["Message"] == "hello"
    # The journal's replay carries the Publish out again, and delivers nothing.
    assert (await bench.backing.call(caller(), "sns", "ListTopics", {}))["Topics"]
    await asyncio.sleep(0.05)
    assert len(others.calls) == 1
    assert await bench.store.due("backing.deliveries", 1.0, 10) == []
    await bench.backing._courier.close()


CONNECTION = {
    "Name": "c",
    "AuthorizationType": "API_KEY",
    "AuthParameters": {
        "ApiKeyAuthParameters": {"ApiKeyName": "x-api-key", "ApiKeyValue": "secret"},
        "InvocationHttpParameters": {
            "HeaderParameters": [{"Key": "x-shop", "Value": "pets"}],
            "QueryStringParameters": [{"Key": "page", "Value": "1"}],
            "BodyParameters": [{"Key": "added", "Value": "yes"}],
        },
    },
}


async def destination(backing: Backing, url: str, **connection: Any) -> str:
    made = await backing.call(caller(), "events", "CreateConnection", {**CONNECTION, **connection})
    asked = {"Name": "d", "ConnectionArn": made["ConnectionArn"], "InvocationEndpoint": url, "HttpMethod": "PUT"}
    return str((await backing.call(caller(), "events", "CreateApiDestination", asked))["ApiDestinationArn"])


async def test_a_rule_calls_an_api_destination_as_its_connection_says(
    backing: Backing,
    endpoint: Endpoint,  # noqa: F811
) -> None:
    arn = await destination(backing, endpoint.url + "/orders/*")
    parameters = {"PathParameterValues": ["a/b"], "QueryStringParameters": {"q": "x y"}}
    target = {"Arn": arn, "RoleArn": ROLE, "InputPath": "$.detail", "HttpParameters": parameters}
    await rule(backing, target)
    await put_event(backing)
    for _ in range(500):
        if endpoint.seen:
            break
        await asyncio.sleep(0.01)
    (seen,) = endpoint.seen
    headers = dict(seen.headers)
    assert (seen.method, seen.raw_path, seen.query_string) == ("PUT", b"/orders/a%2Fb", b"page=1&q=x+y")
    assert (headers[b"x-api-key"], headers[b"x-shop"]) == (b"secret", b"pets")
    assert json.loads(seen.body)["added"] == "yes"


@pytest.mark.parametrize(("status", "retries"), [("400 Bad Request", "0"), ("503 Not Now", "1")])
async def test_what_an_endpoint_refuses_is_not_sent_again(
    bench: Bench,
    backing: Backing,
    others: Others,
    endpoint: Endpoint,  # noqa: F811
    status: str,
    retries: str,
) -> None:
    endpoint.status = status
    arn = await destination(backing, endpoint.url)
    await rule(backing, {"Arn": arn, "RoleArn": ROLE, "RetryPolicy": {"MaximumRetryAttempts": 1}, **QUEUE})
    await put_event(backing)
    if retries == "1":
        while not endpoint.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        bench.clock.advance(2)
    _, said, _ = await letter(others)
    assert said["RETRY_ATTEMPTS"] == retries
    assert status[:3] in said["ERROR_MESSAGE"]


async def test_a_connection_that_wants_oauth_is_not_called(
    backing: Backing,
    endpoint: Endpoint,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    oauth = {"ClientParameters": {"ClientID": "i", "ClientSecret": "s"}, "AuthorizationEndpoint": endpoint.url,
             "HttpMethod": "POST"}  # fmt: skip
    given = {"AuthorizationType": "OAUTH_CLIENT_CREDENTIALS", "AuthParameters": {"OAuthParameters": oauth}}
    await rule(backing, {"Arn": await destination(backing, endpoint.url, **given), "RoleArn": ROLE})
    await put_event(backing)
    await asyncio.sleep(0.05)
    assert endpoint.seen == []
    assert "authorization is not known here" in caplog.text


async def rotate(backing: Backing) -> str:
    made = await backing.call(caller(), "secretsmanager", "CreateSecret", {"Name": "s", "SecretString": "old"})
    asked = {"SecretId": "s", "RotationLambdaARN": FUNCTION, "RotationRules": {"AutomaticallyAfterDays": 30}}
    await backing.call(caller(), "secretsmanager", "RotateSecret", asked)
    return str(made["ARN"])


async def test_a_secrets_rotation_calls_its_function_step_by_step(backing: Backing, others: Others) -> None:
    arn = await rotate(backing)
    while len(others.calls) < 4:
        await others.next()
    events = [json.loads(params["Payload"]) for _, _, _, params in others.calls]
    assert [event["Step"] for event in events] == ["createSecret", "setSecret", "testSecret", "finishSecret"]
    assert {event["SecretId"] for event in events} == {arn}
    assert len({event["ClientRequestToken"] for event in events}) == 1
    assert {context.principal.name for context, *_ in others.calls} == {"secretsmanager.amazonaws.com"}


async def test_a_rotation_ends_where_a_step_fails(
    backing: Backing, others: Others, caplog: pytest.LogCaptureFixture
) -> None:
    others.failures = 1
    await rotate(backing)
    await asyncio.sleep(0.1)
    assert others.calls == []
    assert "could not be delivered" in caplog.text
