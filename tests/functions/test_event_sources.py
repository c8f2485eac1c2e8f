"""Event source mappings: filters and batch responses as cases; queues and streams over the network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.functions.harness import ROLE, zipped

from forecourt.base.clock import Clock
from forecourt.services.functions.event_sources.batches import Batches
from forecourt.services.functions.event_sources.events import failed_items, kinesis_record
from forecourt.services.functions.event_sources.filters import BadPattern, matches, parse
from forecourt.services.functions.invoker import Invoked
from forecourt.services.functions.model import EventSourceMapping
from forecourt.services.functions.runtime.messages import Failure, Success
from forecourt.testing import Forecourt

# pattern, record, whether it passes
FILTERS: list[tuple[str, Any, bool]] = [
    ('{"a": ["x"]}', {"a": "x"}, True),
    ('{"a": ["x", "y"]}', {"a": "y"}, True),
    ('{"a": ["x"]}', {"a": "z"}, False),
    ('{"a": ["x"]}', {}, False),
    ('{"a": [1]}', {"a": 1.0}, True),
    ('{"a": [1]}', {"a": True}, False),
    ('{"a": [true]}', {"a": 1}, False),
    ('{"a": [null]}', {"a": None}, True),
    ('{"a": [null]}', {}, False),
    ('{"a": ["x"]}', {"a": ["w", "x"]}, True),
    ('{"a": {"b": ["x"]}}', {"a": {"b": "x", "c": 1}}, True),
    ('{"a": {"b": ["x"]}}', {"a": "x"}, False),
    ('{"a": ["x"], "b": ["y"]}', {"a": "x", "b": "y"}, True),
    ('{"a": ["x"], "b": ["y"]}', {"a": "x", "b": "z"}, False),
    ('{"$or": [{"a": ["x"]}, {"b": ["y"]}]}', {"b": "y"}, True),
    ('{"$or": [{"a": ["x"]}, {"b": ["y"]}]}', {"b": "z"}, False),
    ('{"a": [{"prefix": "ab"}]}', {"a": "abc"}, True),
    ('{"a": [{"prefix": "ab"}]}', {"a": 7}, False),
    ('{"a": [{"suffix": "bc"}]}', {"a": "abc"}, True),
    ('{"a": [{"equals-ignore-case": "ABC"}]}', {"a": "abc"}, True),
    ('{"a": [{"anything-but": ["x"]}]}', {"a": "y"}, True),
    ('{"a": [{"anything-but": ["x"]}]}', {"a": "x"}, False),
    ('{"a": [{"anything-but": {"prefix": "x"}}]}', {"a": "xy"}, False),
    ('{"a": [{"anything-but": ["x"]}]}', {}, False),
    ('{"a": [{"numeric": [">", 1, "<=", 3]}]}', {"a": 3}, True),
    ('{"a": [{"numeric": [">", 1, "<=", 3]}]}', {"a": 1}, False),
    ('{"a": [{"numeric": ["=", 1]}]}', {"a": "1"}, False),
    ('{"a": [{"exists": true}]}', {"a": 0}, True),
    ('{"a": [{"exists": true}]}', {"a": {"b": 1}}, False),
    ('{"a": [{"exists": false}]}', {}, True),
]


@pytest.mark.parametrize(("pattern", "record", "expected"), FILTERS)
def test_filters(pattern: str, record: Any, expected: bool) -> None:
    assert matches(parse(pattern), record) is expected


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": "x"}', '{"a": [["x"]]}', '{"a": [{"like": "x"}]}'])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPattern):
        parse(text)


RESPONSES: list[tuple[str, list[str] | None]] = [
    ("null", []),
    ("{}", []),
    ('{"batchItemFailures": []}', []),
    ('{"other": 1}', []),
    ('{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "a"}]}', ["a", "c"]),
    ('{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', None),
    ('{"batchItemFailures": [{"itemIdentifier": ""}]}', None),
    ('{"batchItemFailures": [{"wrong": "a"}]}', None),
    ('{"batchItemFailures": "a"}', None),
    ('"text"', None),
    ("no json", None),
]


@pytest.mark.parametrize(("payload", "expected"), RESPONSES)
def test_partial_batch_responses(payload: str, expected: list[str] | None) -> None:
    assert failed_items(payload.encode(), ["a", "b", "c"]) == expected


CODE = """
import json
failed = set()
def handler(event, context):
    for record in event["Records"]:
        print("record", json.dumps(record))
        if "poison" in json.dumps(record):
            raise ValueError("poison")
def partial(event, context):
    failures = []
    for record in event["Records"]:
        print("record", json.dumps(record))
        if record["body"] == "later" and record["messageId"] not in failed:
            failed.add(record["messageId"])
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""


def make_function(server: Forecourt, name: str, handler: str = "app.handler", **more: Any) -> None:
    code = {"ZipFile": zipped({"app.py": CODE})}
    server.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler=handler, Code=code, **more
    )


def messages(server: Forecourt, name: str) -> list[str]:
    """What the function's log has by now: events arrive there a moment later."""
    logs = server.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def seen(server: Forecourt, name: str) -> list[Any]:
    """The records that the function has printed."""
    lines = [message for message in messages(server, name) if message.startswith("record ")]
    return [json.loads(line.removeprefix("record ")) for line in lines]


def until(condition: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError("it never happened")


def test_a_queue_feeds_a_function(server: Forecourt) -> None:
    sqs, functions = server.client("sqs"), server.client("lambda")
    url = sqs.create_queue(QueueName="esm-plain", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    make_function(server, "esm-plain", Timeout=1)
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="esm-plain",
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"kind": ["pet"]}}'}]},
    )
    assert (mapping["State"], mapping["BatchSize"]) == ("Creating", 10)
    assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled"
    with pytest.raises(functions.exceptions.ResourceConflictException):
        functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="esm-plain")
    sqs.send_message(QueueUrl=url, MessageBody='{"kind": "car"}')
    attributes = {"colour": {"DataType": "String", "StringValue": "brown"}}
    sqs.send_message(QueueUrl=url, MessageBody='{"kind": "pet"}', MessageAttributes=attributes)
    [record] = until(lambda: seen(server, "esm-plain"))
    assert record["body"] == '{"kind": "pet"}'
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == arn
    assert record["messageAttributes"]["colour"]["stringValue"] == "brown"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    until(lambda: set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()) == {"0"})
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    until(lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Disabled")
    found = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    assert [entry["UUID"] for entry in found] == [mapping["UUID"]]
    assert functions.delete_event_source_mapping(UUID=mapping["UUID"])["State"] == "Deleting"
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_event_source_mapping(UUID=mapping["UUID"])


def test_a_source_is_there_and_gives_the_function_time(server: Forecourt) -> None:
    sqs, functions = server.client("sqs"), server.client("lambda")
    make_function(server, "esm-refused", Timeout=30)
    sqs.create_queue(QueueName="esm-hasty", Attributes={"VisibilityTimeout": "29"})

    def refused(arn: str, **more: Any) -> str:
        with pytest.raises(functions.exceptions.InvalidParameterValueException) as error:
            functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="esm-refused", **more)
        return str(error.value.response["Error"]["Message"])

    assert refused("arn:aws:sqs:us-east-1:000000000000:esm-hasty") == (
        "Invalid request provided: Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds"
    )
    missing = refused("arn:aws:sqs:us-east-1:000000000000:esm-nowhere")
    assert missing.startswith(
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQ"
    )
    for arn in (
        "arn:aws:kinesis:us-east-1:000000000000:stream/nowhere",
        "arn:aws:dynamodb:us-east-1:000000000000:table/nowhere/stream/2026-01-01T00:00:00.000",
    ):
        assert refused(arn, StartingPosition="LATEST") == f"Stream not found: {arn}"


def test_what_a_function_did_not_process_comes_again(server: Forecourt) -> None:
    sqs, functions = server.client("sqs"), server.client("lambda")
    url = sqs.create_queue(QueueName="esm-partial", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    make_function(server, "esm-partial", "app.partial", Timeout=1)
    for body in ("now", "later"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="esm-partial", FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    until(lambda: [record["body"] for record in seen(server, "esm-partial")].count("later") == 2)
    assert [record["body"] for record in seen(server, "esm-partial")].count("now") == 1
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_table_feeds_a_function(server: Forecourt) -> None:
    dynamodb, functions = server.client("dynamodb"), server.client("lambda")
    table = dynamodb.create_table(
        TableName="esm",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    make_function(server, "esm-table")
    mapping = functions.create_event_source_mapping(
        EventSourceArn=table["LatestStreamArn"], FunctionName="esm-table", StartingPosition="TRIM_HORIZON"
    )
    dynamodb.put_item(TableName="esm", Item={"id": {"S": "1"}, "name": {"S": "Rex"}})
    [record] = until(lambda: seen(server, "esm-table"))
    assert (record["eventName"], record["eventSource"]) == ("INSERT", "aws:dynamodb")
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "1"}, "name": {"S": "Rex"}}
    dynamodb.delete_item(TableName="esm", Key={"id": {"S": "1"}})
    records = until(lambda: len(seen(server, "esm-table")) == 2 and seen(server, "esm-table"))
    assert records[1]["eventName"] == "REMOVE"
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def test_a_stream_goes_on_after_a_poisoned_batch(server: Forecourt) -> None:
    kinesis, functions, sqs = server.client("kinesis"), server.client("lambda"), server.client("sqs")
    kinesis.create_stream(StreamName="esm", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="esm", WaiterConfig={"Delay": 1})
    arn = kinesis.describe_stream_summary(StreamName="esm")["StreamDescriptionSummary"]["StreamARN"]
    url = sqs.create_queue(QueueName="esm-poison")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    make_function(server, "esm-stream")
    with pytest.raises(functions.exceptions.InvalidParameterValueException):
        functions.create_event_source_mapping(EventSourceArn=arn, FunctionName="esm-stream")
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="esm-stream",
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    kinesis.put_record(StreamName="esm", PartitionKey="p", Data=b"poison")
    # The partition key is what the function sees in clear: the data is base64.
    kinesis.put_record(StreamName="esm", PartitionKey="poison", Data=b"x")
    message = until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))[0]
    document = json.loads(message["Body"])
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["KinesisBatchInfo"]["streamArn"] == arn
    kinesis.put_record(StreamName="esm", PartitionKey="healthy", Data=b"y")
    until(lambda: [record for record in seen(server, "esm-stream") if record["kinesis"]["partitionKey"] == "healthy"])
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


def kinesis_records(*keys: str) -> list[dict[str, Any]]:
    given = [{"PartitionKey": key, "SequenceNumber": str(n), "Data": b"", "ApproximateArrivalTimestamp": 0}
             for n, key in enumerate(keys, 1)]  # fmt: skip
    return [kinesis_record(record, "arn", "us-east-1", "shard-0", "role") for record in given]


class Reader:
    """A function that fails on a poisoned batch, or says which record is; and what was told of batches given up."""

    def __init__(self, *, reports: bool = False, **settings: Any) -> None:
        self.reports = reports
        self.batches: list[str] = []
        self.given_up: list[tuple[str, int, str, str]] = []
        where = {"account": "0", "region": "us-east-1", "source_arn": "arn:aws:kinesis:us-east-1:0:stream/s"}
        mapping = EventSourceMapping(
            **where, uuid="u", name="f", qualifier="", report_item_failures=reports, **settings
        )
        self.work = Batches(mapping, self.invoke, self.give_up, Clock(now=lambda: 1000.0))

    async def invoke(self, payload: bytes) -> Invoked:
        keys = [record["kinesis"]["partitionKey"] for record in json.loads(payload)["Records"]]
        self.batches.append("".join(keys))
        result: Any = Success(b"{}")
        if "x" in keys:
            failed = json.loads(payload)["Records"][keys.index("x")]["kinesis"]["sequenceNumber"]
            failures = [{"itemIdentifier": failed}]
            report = Success(json.dumps({"batchItemFailures": failures}).encode())
            result = report if self.reports else Failure(b"{}", "Unhandled")
        return Invoked(result, "1", None)

    async def give_up(self, document: dict[str, Any]) -> None:
        info, context = document["KinesisBatchInfo"], document["requestContext"]
        span = info["startSequenceNumber"], info["endSequenceNumber"]
        self.given_up.append((context["condition"], context["approximateInvokeCount"], *span))


@pytest.mark.parametrize(
    ("settings", "batches", "given_up"),
    [
        ({"maximum_retry_attempts": 0}, ["abxc"], [("RetryAttemptsExhausted", 1, "1", "4")]),
        # Halving costs no attempt: only the poisoned record is lost.
        (
            {"maximum_retry_attempts": 0, "bisect": True},
            ["abxc", "ab", "xc", "x", "c"],
            [("RetryAttemptsExhausted", 1, "3", "3")],
        ),
        (
            {"maximum_retry_attempts": 0, "bisect": True, "reports": True},
            ["abxc"],
            [("RetryAttemptsExhausted", 1, "3", "4")],
        ),
        ({"maximum_record_age": 60, "bisect": True}, ["abxc"], [("RecordAgeExceeded", 1, "1", "4")]),
    ],
    ids=["given up whole", "halved", "parted as reported", "too old"],
)
async def test_a_batch_that_fails(settings: dict[str, Any], batches: list[str], given_up: list[Any]) -> None:
    reader = Reader(**settings)
    await reader.work.process("shard-0", kinesis_records(*"abxc"), {})
    assert (reader.batches, reader.given_up) == (batches, given_up)


def stream_of(server: Forecourt, name: str, shards: int = 1) -> str:
    kinesis = server.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return str(kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"])


def batches(server: Forecourt, name: str) -> list[list[str]]:
    """The partition keys of each batch that the function has printed."""
    return [json.loads(message[6:]) for message in messages(server, name) if message.startswith("batch ")]


BATCHES = """
import json, time
def handler(event, context):
    print("batch", json.dumps([record["kinesis"]["partitionKey"] for record in event["Records"]]))
    if event["Records"][0]["kinesis"]["partitionKey"] == "slow":
        time.sleep(20)
"""


def make_reader_of_batches(server: Forecourt, name: str, arn: str, **settings: Any) -> str:
    code = {"ZipFile": zipped({"app.py": BATCHES})}
    functions = server.client("lambda")
    functions.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code=code, Timeout=30
    )
    mapping = functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, StartingPosition="TRIM_HORIZON", **settings
    )
    return str(mapping["UUID"])


def test_a_window_gathers_the_records_of_a_stream(server: Forecourt) -> None:
    kinesis, arn = server.client("kinesis"), stream_of(server, "esm-window")
    uuid = make_reader_of_batches(server, "esm-window", arn, MaximumBatchingWindowInSeconds=2, BatchSize=4)
    kinesis.put_record(StreamName="esm-window", PartitionKey="1", Data=b"x")
    time.sleep(0.7)
    kinesis.put_record(StreamName="esm-window", PartitionKey="2", Data=b"x")
    until(lambda: batches(server, "esm-window") == [["1", "2"]])
    # A full batch does not wait.
    for key in "3456":
        kinesis.put_record(StreamName="esm-window", PartitionKey=key, Data=b"x")
    until(lambda: batches(server, "esm-window") == [["1", "2"], ["3", "4", "5", "6"]])
    server.client("lambda").delete_event_source_mapping(UUID=uuid)


def test_a_shard_is_read_in_parallel_by_key(server: Forecourt) -> None:
    """A batch that takes its time does not hold up other keys."""
    kinesis, arn = server.client("kinesis"), stream_of(server, "esm-parallel")
    records = [{"PartitionKey": key, "Data": b"x"} for key in ("slow", *"abcdefgh")]
    kinesis.put_records(StreamName="esm-parallel", Records=records)
    uuid = make_reader_of_batches(server, "esm-parallel", arn, ParallelizationFactor=10)
    seen_keys = until(lambda: len(found := batches(server, "esm-parallel")) > 2 and found)
    assert ["slow"] in [batch[:1] for batch in seen_keys]
    server.client("lambda").delete_event_source_mapping(UUID=uuid)


def test_what_comes_out_of_a_shard_that_is_split_is_read_from_its_beginning(server: Forecourt) -> None:
    kinesis, arn = server.client("kinesis"), stream_of(server, "esm-split")
    uuid = make_reader_of_batches(server, "esm-split", arn)
    kinesis.put_record(StreamName="esm-split", PartitionKey="before", Data=b"x")
    until(lambda: batches(server, "esm-split") == [["before"]])
    middle = str(2**127)
    kinesis.split_shard(StreamName="esm-split", ShardToSplit="shardId-000000000000", NewStartingHashKey=middle)
    kinesis.put_record(StreamName="esm-split", PartitionKey="after", Data=b"x")
    until(lambda: ["after"] in batches(server, "esm-split"), 30)
    server.client("lambda").delete_event_source_mapping(UUID=uuid)


SUMS = """
import json
def handler(event, context):
    state = event["state"]
    for record in event["Records"]:
        state["keys"] = state.get("keys", "") + record["kinesis"]["partitionKey"]
    print("window", json.dumps([state, event["isFinalInvokeForWindow"], event["window"], len(event["Records"])]))
    return {"state": state}
"""


def test_a_tumbling_window_hands_its_state_on() -> None:
    """With a server of its own: the clock is moved."""
    with Forecourt() as server:
        kinesis, functions, arn = server.client("kinesis"), server.client("lambda"), stream_of(server, "tumbling")
        code = {"ZipFile": zipped({"app.py": SUMS})}
        functions.create_function(
            FunctionName="sums", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code=code
        )
        settings = {"EventSourceArn": arn, "FunctionName": "sums", "StartingPosition": "TRIM_HORIZON"}
        with pytest.raises(functions.exceptions.InvalidParameterValueException):
            functions.create_event_source_mapping(**settings, TumblingWindowInSeconds=60, ParallelizationFactor=2)
        made = functions.create_event_source_mapping(**settings, TumblingWindowInSeconds=900)
        assert made["TumblingWindowInSeconds"] == 900

        def windows() -> list[Any]:
            return [json.loads(message[7:]) for message in messages(server, "sums") if message.startswith("window ")]

        # At the beginning of a window, so that all of it falls into one
        server.advance_clock(900 - server.ask("/_forecourt/clock")["now"] % 900)
        for number, key in enumerate("ab", 1):
            kinesis.put_record(StreamName="tumbling", PartitionKey=key, Data=b"x")
            until(lambda: len(windows()) == number)  # noqa: B023 - called at once
        assert [state["keys"] for state, *_ in windows()] == ["a", "ab"]
        server.advance_clock(900)
        state, final, window, records = until(lambda: len(windows()) == 3 and windows())[2]
        assert (state, final, records) == ({"keys": "ab"}, True, 0)
        assert window == windows()[0][2]
        kinesis.put_record(StreamName="tumbling", PartitionKey="c", Data=b"x")
        assert until(lambda: len(windows()) == 4 and windows())[3][0] == {"keys": "c"}
