"""Alarms: AWS's tables of missing data, states that follow the metrics, and who is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cloudwatch.test_cloudwatch import NOW, PETS, Client

from forecourt.services.cloudwatch.alarms.judge import Point, Rule, judge

CASES = [
    line.split()
    for line in (Path(__file__).parent / "alarm_cases.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
VALUES = {"0": 0.0, "X": 9.0, "-": None}
TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"


@pytest.mark.parametrize("case", CASES, ids=" ".join)
@pytest.mark.parametrize("at", range(4), ids=TREATMENTS)
def test_missing_data(case: list[str], at: int) -> None:
    split = case.index("of")
    marks, needed, periods, states = case[: split - 1], int(case[split - 1]), int(case[split + 1]), case[split + 2 :]
    points = [Point(n * 60, VALUES[mark]) for n, mark in enumerate(marks)]
    rule = Rule("GreaterThanThreshold", 1.0, periods, needed, TREATMENTS[at])
    for current in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        assert judge(rule, points, current).state == (current if states[at] == "same" else states[at])


def test_reasons_are_awss() -> None:
    rule = Rule("GreaterThanThreshold", 1.0, 1, 1)
    assert judge(rule, [Point(NOW, 5.0)], "OK").reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (15/01/27 08:00:00)] was greater than the threshold "
        "(1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert judge(rule, [Point(NOW, 0.0)], "ALARM").reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (15/01/27 08:00:00)] was not greater than the "
        "threshold (1.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert judge(rule, [Point(NOW, None)], "OK").reason == "Insufficient Data: 1 datapoint was unknown."
    assert judge(rule._replace(missing="breaching"), [Point(NOW, None)], "OK").reason == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as "
        "[Breaching]."
    )


@pytest.fixture
async def cloudwatch() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.service.stop()
    await client.store.close()


async def alarm(cloudwatch: Client, name: str = "slow", **changed: Any) -> None:
    wanted = {
        "AlarmName": name,
        "Namespace": "AWS/ApiGateway",
        "MetricName": "Latency",
        "Dimensions": PETS,
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 100.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "AlarmActions": [TOPIC],
        "TreatMissingData": "notBreaching",
    }
    await cloudwatch("PutMetricAlarm", **{**wanted, **changed})


async def state(cloudwatch: Client, name: str = "slow") -> str:
    (found,) = (await cloudwatch("DescribeAlarms", AlarmNames=[name]))["MetricAlarms"]
    return str(found["StateValue"])


async def test_an_alarm_follows_its_metric_and_tells_a_topic(cloudwatch: Client) -> None:
    await alarm(cloudwatch)
    assert await state(cloudwatch) == "INSUFFICIENT_DATA"
    cloudwatch.record("Latency", 50.0, minutes_ago=1)
    await cloudwatch.service.watch.look()
    assert await state(cloudwatch) == "OK"
    cloudwatch.record("Latency", 400.0, minutes_ago=1)
    await cloudwatch.service.watch.look()
    assert await state(cloudwatch) == "ALARM"
    await cloudwatch.service.watch.look()
    ((_, _, published),) = [told for told in cloudwatch.told if told[:2] == ("sns", "Publish")]
    message = json.loads(published["Message"])
    assert (message["NewStateValue"], message["OldStateValue"]) == ("ALARM", "OK")
    assert message["Trigger"]["Dimensions"] == [{"name": "ApiName", "value": "pets"}]
    assert "225.0" in message["NewStateReason"]
    events = [json.loads(p["Entries"][0]["Detail"]) for s, _, p in cloudwatch.told if s == "events"]
    assert [(e["previousState"]["value"], e["state"]["value"]) for e in events] == [
        ("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM"),
    ]  # fmt: skip
    history = (await cloudwatch("DescribeAlarmHistory", AlarmName="slow"))["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        "Alarm updated from OK to ALARM", "Alarm updated from INSUFFICIENT_DATA to OK", 'Alarm "slow" created',
    ]  # fmt: skip


async def test_disabled_actions_tell_nobody_but_eventbridge(cloudwatch: Client) -> None:
    await alarm(cloudwatch)
    await cloudwatch("DisableAlarmActions", AlarmNames=["slow"])
    await cloudwatch("SetAlarmState", AlarmName="slow", StateValue="ALARM", StateReason="try")
    await cloudwatch("EnableAlarmActions", AlarmNames=["slow"])
    assert [told[0] for told in cloudwatch.told] == ["events"]
    await cloudwatch("SetAlarmState", AlarmName="slow", StateValue="OK", StateReason="try")
    await cloudwatch("SetAlarmState", AlarmName="slow", StateValue="ALARM", StateReason="again")
    assert [told[0] for told in cloudwatch.told] == ["events", "events", "events", "sns"]


async def test_an_expression_is_watched_too(cloudwatch: Client) -> None:
    metric = {"Namespace": "AWS/ApiGateway", "MetricName": "Count", "Dimensions": PETS}
    errors = {"Namespace": "AWS/ApiGateway", "MetricName": "5XXError", "Dimensions": PETS}
    queries = [
        {"Id": "m", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "e", "MetricStat": {"Metric": errors, "Period": 300, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "rate", "Expression": "100 * e / m", "Label": "rate", "ReturnData": True},
    ]
    await cloudwatch(
        "PutMetricAlarm",
        AlarmName="rate",
        Metrics=queries,
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    for minutes_ago, failed in ((4, 1.0), (1, 0.0)):
        cloudwatch.record("Count", 1.0, 1.0, 1.0, minutes_ago=minutes_ago)
        cloudwatch.record("5XXError", failed, 0.0, 0.0, minutes_ago=minutes_ago)
    await cloudwatch.service.watch.look()
    assert await state(cloudwatch, "rate") == "ALARM"


async def test_new_settings_keep_state_tags_and_history(cloudwatch: Client) -> None:
    await alarm(cloudwatch, Tags=[{"Key": "team", "Value": "a"}])
    await cloudwatch("SetAlarmState", AlarmName="slow", StateValue="ALARM", StateReason="try")
    await alarm(cloudwatch, Threshold=7.0)
    (found,) = (await cloudwatch("DescribeAlarmsForMetric", Namespace="AWS/ApiGateway", MetricName="Latency",
                                 Dimensions=PETS))["MetricAlarms"]  # fmt: skip
    assert (found["StateValue"], found["Threshold"]) == ("ALARM", 7.0)
    assert (await cloudwatch("ListTagsForResource", ResourceARN=found["AlarmArn"]))["Tags"] == [
        {"Key": "team", "Value": "a"}
    ]


async def test_refusals(cloudwatch: Client) -> None:
    put = {
        "AlarmName": "bad", "Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "LessThanThreshold",
    }  # fmt: skip

    async def refused(*without: str, **changed: Any) -> str:
        request = {name: value for name, value in {**put, **changed}.items() if name not in without}
        return (await cloudwatch.refused("PutMetricAlarm", **request))[0]

    assert await refused("Threshold") == "ValidationError"
    assert await refused("Statistic") == "InvalidParameterCombinationException"
    assert await refused(Period=61) == "ValidationError"
    assert await refused(DatapointsToAlarm=2) == "ValidationError"
    assert await refused(EvaluationPeriods=1441) == "ValidationError"
    assert await refused(TreatMissingData="perhaps") == "ValidationError"
    assert await refused(ComparisonOperator="GreaterThanUpperThreshold") == "NotImplementedException"
    assert await refused("Statistic", ExtendedStatistic="tm101") == "InvalidParameterValueException"
    assert await refused(AlarmActions=["somebody"]) == "ValidationError"
    unknown = [{"Id": "e", "Expression": "nobody * 2"}]
    of_one = ("Namespace", "MetricName", "Statistic", "Period")
    assert await refused(*of_one, Metrics=unknown) == "ValidationError"
    assert (await cloudwatch("DescribeAlarms"))["MetricAlarms"] == []
    assert (await cloudwatch.refused("DeleteAlarms", AlarmNames=["nobody"]))[0] == "ResourceNotFound"
    assert (await cloudwatch.refused("SetAlarmState", AlarmName="x", StateValue="OK", StateReason=""))[0] == (
        "ResourceNotFound"
    )
