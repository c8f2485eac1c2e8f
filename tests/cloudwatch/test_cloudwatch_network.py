"""CloudWatch with boto3, over the network; and the same numbers for Prometheus."""

from __future__ import annotations

import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forecourt.testing import Forecourt


@pytest.fixture
def namespace() -> str:
    return f"Test/{uuid.uuid4().hex}"


def window(server: Forecourt) -> dict[str, Any]:
    """By the server's clock, which another test may have moved."""
    now = datetime.fromtimestamp(server.ask("/_forecourt/clock")["now"], UTC)
    return {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=2)}


def test_what_was_put_is_listed_and_got(server: Forecourt, namespace: str) -> None:
    cloudwatch = server.client("cloudwatch")
    dimensions = [{"Name": "Pet", "Value": "rex"}]
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "weight", "Dimensions": dimensions, "Values": [1.0, 3.0], "Counts": [2.0, 1.0]},
            {"MetricName": "barks", "Dimensions": dimensions, "Value": 7.0, "Unit": "Count"},
        ],
    )
    listed = cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
    assert sorted(metric["MetricName"] for metric in listed) == ["barks", "weight"]
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="weight",
        Dimensions=dimensions,
        Period=3600,
        Statistics=["SampleCount", "Maximum"],
        **window(server),
    )["Datapoints"]
    assert [(p["SampleCount"], p["Maximum"]) for p in points] == [(3.0, 3.0)]
    stat = {"Metric": listed[0] | {"MetricName": "barks"}, "Period": 3600, "Stat": "Sum"}
    queries = [{"Id": "m", "MetricStat": stat, "ReturnData": False}, {"Id": "twice", "Expression": "2 * m"}]
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, **window(server))["MetricDataResults"]
    assert [(r["Id"], r["Values"], r["StatusCode"]) for r in results] == [("twice", [14.0], "Complete")]


def test_errors_are_boto3s_own(server: Forecourt, namespace: str) -> None:
    cloudwatch = server.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException):
        cloudwatch.put_metric_data(Namespace="AWS/Mine", MetricData=[{"MetricName": "m", "Value": 1.0}])
    with pytest.raises(cloudwatch.exceptions.InvalidParameterCombinationException) as error:
        cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName="m",
            Period=60,
            Statistics=["Sum"],
            StartTime=datetime(2026, 1, 2, tzinfo=UTC),
            EndTime=datetime(2026, 1, 1, tzinfo=UTC),
        )
    assert error.value.response["Error"]["Code"] == "InvalidParameterCombination"


def test_prometheus_scrapes_the_same(server: Forecourt, namespace: str) -> None:
    server.client("cloudwatch").put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "barks", "Value": 7.0, "Unit": "Count"}]
    )
    with urllib.request.urlopen(f"{server.url}/_forecourt/metrics") as response:
        text = response.read().decode()
    name = namespace.replace("/", "_").lower()
    line = next(line for line in text.splitlines() if line.startswith(f"{name}_barks_sum"))
    assert line.endswith(" 7")
    assert 'region="us-east-1"' in line


def test_an_alarm_changes_its_state_as_time_passes_and_a_queue_hears_of_it(namespace: str) -> None:
    """With a server of its own: the clock is moved."""
    with Forecourt() as server:
        cloudwatch, sns, sqs = server.client("cloudwatch"), server.client("sns"), server.client("sqs")
        topic = sns.create_topic(Name="alarms")["TopicArn"]
        queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        cloudwatch.put_metric_alarm(
            AlarmName="barks", Namespace=namespace, MetricName="barks", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=2.0, ComparisonOperator="GreaterThanThreshold", AlarmActions=[topic],
        )  # fmt: skip
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "barks", "Value": 3.0}])
        server.advance_clock(60)
        cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=["barks"])
        (received,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
        assert '\\"NewStateValue\\": \\"ALARM\\"' in received["Body"]
        (found,) = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
        assert (found["AlarmName"], found["ActionsEnabled"], found["OKActions"]) == ("barks", True, [])
        cloudwatch.delete_alarms(AlarmNames=["barks"])
        with pytest.raises(cloudwatch.exceptions.ResourceNotFound):
            cloudwatch.delete_alarms(AlarmNames=["barks"])


def test_a_dashboard_is_kept(server: Forecourt, namespace: str) -> None:
    cloudwatch, name = server.client("cloudwatch"), namespace.replace("/", "-")
    body = '{"widgets": []}'
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)
    assert cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] == body
    assert [d["DashboardName"] for d in cloudwatch.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"]] == [
        name
    ]
    with pytest.raises(cloudwatch.exceptions.DashboardInvalidInputError):
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody="{")
    cloudwatch.delete_dashboards(DashboardNames=[name])
    with pytest.raises(cloudwatch.exceptions.ResourceNotFound):
        cloudwatch.get_dashboard(DashboardName=name)


def test_boto3_compresses_what_is_large(server: Forecourt) -> None:
    """More than 10 KB of PutMetricData go out gzipped."""
    cloudwatch, namespace = server.client("cloudwatch"), f"test/{uuid.uuid4()}"
    dimensions = [{"Name": "d", "Value": "v" * 100}]
    data = [{"MetricName": f"m{n}", "Value": n, "Dimensions": dimensions} for n in range(200)]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace)
    assert sum(len(page["Metrics"]) for page in pages) == 200
