"""Metric filters and subscription filters with boto3, over the network: what they find is counted and delivered."""

from __future__ import annotations

import base64
import gzip
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.functions.harness import ROLE, zipped
from tests.functions.test_event_sources import messages, until

from forecourt.services.logs.filters import Value, values_of
from forecourt.services.logs.pattern import compile_pattern
from forecourt.services.logs.subscriber import parts
from forecourt.telemetry.segments import LogEvent
from forecourt.testing import Forecourt

CODE = """
import base64, gzip, json
def handler(event, context):
    print("GOT " + gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode())
"""


@pytest.fixture
def group(server: Forecourt) -> str:
    name = f"/filters/{uuid.uuid4().hex}"
    server.client("logs").create_log_group(logGroupName=name)
    server.client("logs").create_log_stream(logGroupName=name, logStreamName="s")
    return name


def put(server: Forecourt, group: str, *said: str) -> None:
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in said]
    server.client("logs").put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def total(server: Forecourt, namespace: str, name: str, *dimensions: tuple[str, str]) -> list[float]:
    now = datetime.now(UTC)
    points = server.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions],
        StartTime=now - timedelta(minutes=30),
        EndTime=now + timedelta(minutes=2),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return [point["Sum"] for point in points]


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_metric_filter_counts_what_it_finds(server: Forecourt, group: str) -> None:
    logs, namespace = server.client("logs"), f"Filters/{uuid.uuid4().hex}"
    count = {"metricName": "errors", "metricNamespace": namespace, "metricValue": "1", "defaultValue": 0.0}
    logs.put_metric_filter(
        logGroupName=group, filterName="errors", filterPattern="ERROR", metricTransformations=[count]
    )
    size = {"metricName": "size", "metricNamespace": namespace, "metricValue": "$.size", "unit": "Bytes"}
    logs.put_metric_filter(
        logGroupName=group,
        filterName="size",
        filterPattern="{ $.size = * && $.kind = * }",
        metricTransformations=[size | {"dimensions": {"Kind": "$.kind"}}],
    )
    put(server, group, "ERROR one", "fine", "ERROR two", '{"size": 3.5, "kind": "a"}', '{"size": 4, "kind": "a"}')
    until(lambda: total(server, namespace, "size", ("Kind", "a")))
    assert total(server, namespace, "size", ("Kind", "a")) == [7.5]
    assert total(server, namespace, "errors") == [2.0]
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["metricFilterCount"] == 2
    pages = logs.get_paginator("describe_metric_filters").paginate(logGroupName=group, PaginationConfig={"PageSize": 1})
    assert [f["filterName"] for page in pages for f in page["metricFilters"]] == ["errors", "size"]
    (found,) = logs.describe_metric_filters(metricName="size", metricNamespace=namespace)["metricFilters"]
    assert (found["filterPattern"], found["logGroupName"]) == ("{ $.size = * && $.kind = * }", group)
    logs.delete_metric_filter(logGroupName=group, filterName="errors")
    put(server, group, "ERROR three", '{"size": 1, "kind": "b"}')
    until(lambda: total(server, namespace, "size", ("Kind", "b")))
    assert total(server, namespace, "errors") == [2.0]
    assert refused(logs.delete_metric_filter, logGroupName=group, filterName="errors") == (
        "ResourceNotFoundException",
        "The specified metric filter does not exist.",
    )


def test_the_default_value_is_of_minutes_in_which_nothing_was_found(server: Forecourt, group: str) -> None:
    logs, namespace = server.client("logs"), f"Filters/{uuid.uuid4().hex}"
    count = {"metricName": "errors", "metricNamespace": namespace, "metricValue": "1", "defaultValue": 0.0}
    logs.put_metric_filter(
        logGroupName=group, filterName="errors", filterPattern="ERROR", metricTransformations=[count]
    )
    put(server, group, "all is well")
    until(lambda: total(server, namespace, "errors"))
    assert total(server, namespace, "errors") == [0.0]


def test_a_bad_metric_filter_is_refused(server: Forecourt, group: str) -> None:
    logs = server.client("logs")
    count = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}

    def put_filter(pattern: str = "x", **changed: Any) -> tuple[str, str]:
        return refused(
            logs.put_metric_filter,
            logGroupName=group,
            filterName="f",
            filterPattern=pattern,
            metricTransformations=[count | changed],
        )

    assert put_filter("{ bad") == ("InvalidParameterException", "Invalid filter pattern")
    assert put_filter(metricValue="many")[0] == "InvalidParameterException"
    assert put_filter(dimensions={"A": "$.a"}, defaultValue=1.0) == (
        "InvalidParameterException",
        "Invalid metric transformation: dimensions and default value are mutually exclusive properties.",
    )
    missing = {"logGroupName": "/filters/nobody", "filterName": "f", "filterPattern": "x"}
    assert refused(logs.put_metric_filter, **missing, metricTransformations=[count]) == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_a_subscription_delivers_to_a_function(server: Forecourt, group: str) -> None:
    logs, name = server.client("logs"), f"subscriber-{uuid.uuid4().hex[:8]}"
    function = server.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Timeout=20,
        Code={"ZipFile": zipped({"app.py": CODE})},
    )["FunctionArn"]  # fmt: skip
    wanted = {"logGroupName": group, "filterName": "all-errors", "filterPattern": "ERROR"}
    logs.put_subscription_filter(**wanted, destinationArn=function)
    (described,) = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert (described["destinationArn"], described["distribution"]) == (function, "ByLogStream")
    put(server, group, "ERROR ü", "fine", "ERROR two")
    until(lambda: [m for m in messages(server, name) if m.startswith("GOT")])
    (said,) = [m for m in messages(server, name) if m.startswith("GOT")]
    got = json.loads(said.removeprefix("GOT "))
    ids = [event["eventId"] for event in logs.filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]]
    assert [event.pop("id") for event in got["logEvents"]] == ids
    assert [event["message"] for event in got["logEvents"]] == ["ERROR ü", "ERROR two"]
    del got["logEvents"]
    assert got == {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": group,
        "logStream": "s",
        "subscriptionFilters": ["all-errors"],
    }
    logs.delete_subscription_filter(logGroupName=group, filterName="all-errors")
    assert logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] == []


def test_a_subscription_delivers_to_kinesis_and_firehose(server: Forecourt, group: str) -> None:
    logs, name = server.client("logs"), f"log-stream-{uuid.uuid4().hex[:8]}"
    kinesis, firehose, s3 = server.client("kinesis"), server.client("firehose"), server.client("s3")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    stream = kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
    s3.create_bucket(Bucket=name)
    to_bucket = {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{name}"}
    delivery = firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=to_bucket)
    for at, arn in (("to-kinesis", stream), ("to-firehose", delivery["DeliveryStreamARN"])):
        logs.put_subscription_filter(
            logGroupName=group, filterName=at, filterPattern="", destinationArn=arn, roleArn=role(server, name, at)
        )
    put(server, group, "one", "two")

    def records() -> list[dict[str, Any]]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return [json.loads(gzip.decompress(r["Data"])) for r in kinesis.get_records(ShardIterator=iterator)["Records"]]

    until(lambda: len(records()) == 2)
    control, data = records()
    assert (control["messageType"], control["owner"]) == ("CONTROL_MESSAGE", "CloudwatchLogs")
    assert [event["message"] for event in data["logEvents"]] == ["one", "two"]
    until(lambda: s3.list_objects_v2(Bucket=name)["KeyCount"] == 2)


def role(server: Forecourt, name: str, at: str) -> str:
    """One that CloudWatch Logs may take on and that may write to streams."""
    iam, name = server.client("iam"), f"{name}-{at}"
    trust = {"Effect": "Allow", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    writes = {"Effect": "Allow", "Action": ["kinesis:PutRecord", "firehose:PutRecord"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [writes]})
    iam.put_role_policy(RoleName=name, PolicyName="writes", PolicyDocument=document)
    return str(arn)


def test_resource_policies_and_keys_are_kept(server: Forecourt, group: str) -> None:
    logs, name = server.client("logs"), f"policy-{uuid.uuid4().hex}"
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    logs.put_resource_policy(policyName=name, policyDocument=document)
    pages = logs.get_paginator("describe_resource_policies").paginate(PaginationConfig={"PageSize": 1})
    assert {p["policyName"]: p["policyDocument"] for page in pages for p in page["resourcePolicies"]}[name] == document
    assert refused(logs.put_resource_policy, policyName=name, policyDocument="{")[0] == "InvalidParameterException"
    logs.delete_resource_policy(policyName=name)
    assert refused(logs.delete_resource_policy, policyName=name)[0] == "ResourceNotFoundException"
    logs.associate_kms_key(logGroupName=group, kmsKeyId="arn:aws:kms:us-east-1:000000000000:key/k")
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["kmsKeyId"].endswith("key/k")
    logs.disassociate_kms_key(logGroupName=group)
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert "kmsKeyId" not in described


def test_a_bad_subscription_is_refused(server: Forecourt, group: str) -> None:
    logs = server.client("logs")

    def subscribe(arn: str, **more: Any) -> tuple[str, str]:
        wanted = {"logGroupName": group, "filterName": "f", "filterPattern": ""}
        return refused(logs.put_subscription_filter, **wanted, destinationArn=arn, **more)

    function, stream = (f"arn:aws:{kind}" for kind in (
        "lambda:us-east-1:000000000000:function:nobody", "kinesis:us-east-1:000000000000:stream/nobody",
    ))  # fmt: skip
    assert subscribe(function) == (
        "InvalidParameterException",
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your "
        "function.",
    )
    assert subscribe(function, roleArn=ROLE)[1] == "destinationArn for vendor lambda cannot be used with roleArn"
    assert subscribe(stream)[1] == "destinationArn for vendor kinesis cannot be used without roleArn"
    assert subscribe(stream, roleArn=ROLE)[1].startswith("Could not deliver test message to specified Kinesis stream.")
    assert subscribe("arn:aws:sqs:us-east-1:000000000000:q")[1].endswith("vendor sqs")
    assert subscribe("nowhere")[0] == "InvalidParameterException"


def test_an_event_without_a_number_or_a_dimension_says_nothing() -> None:
    events = [
        LogEvent(n, n, n, "s", message)
        for n, message in enumerate(('{"a": 1, "d": "x"}', '{"a": "much", "d": "x"}', '{"a": 2}', '{"d": "x"}', "a"))
    ]
    said = {"metricValue": "$.a", "dimensions": {"D": "$.d"}}
    assert values_of(said, compile_pattern("{ $.a = * || $.d = * }"), events) == [Value(0, 1.0, (("D", "x"),))]
    assert values_of({"metricValue": "2"}, compile_pattern('"a"'), events[4:]) == [Value(4, 2.0)]


def test_what_is_sent_together_is_of_one_stream_and_small_enough() -> None:
    big = base64.b64encode(bytes(300_000)).decode()
    events = [LogEvent(n, n, n, stream, text) for n, (stream, text) in enumerate((
        ("a", "1"), ("b", "2"), ("a", big), ("a", big), ("a", "3"),
    ))]  # fmt: skip
    assert [[event.sequence for event in part] for part in parts(events)] == [[0, 2], [3, 4], [1]]
