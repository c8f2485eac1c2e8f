"""Alarms: AWS's tables of missing data, states that follow the metrics, and who is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cloudwatch.test_cloudwatch import NOW, PETS, Client

from forecourt.services.cloudwatch.alarms import composite
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


RULES = {
    "ALARM(a)": True,
    'ALARM("a")': True,
    'alarm("with space")': True,
    "ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)": True,
    "OK(a)": False,
    "ALARM(a) AND ALARM(b)": False,
    "ALARM(a) OR ALARM(b)": True,
    "ALARM(a) AND NOT ALARM(b)": True,
    "NOT (OK(a) OR INSUFFICIENT_DATA(c))": False,
    "OK(b) AND (ALARM(c) OR INSUFFICIENT_DATA(c))": True,
    "ALARM(b) AND ALARM(b) OR TRUE": True,
    "FALSE": False,
    "ALARM(nobody) OR OK(nobody)": False,
    "AT_LEAST(2, ALARM, (a, b, c))": False,
    "AT_LEAST(2, NOT ALARM, (a, b, c))": True,
    'AT_LEAST(50%, ALARM, (a, "with space", b, c))': True,
    "AT_LEAST(51%, ALARM, (a, b))": False,
}


@pytest.mark.parametrize("rule", RULES)
def test_rules_of_composite_alarms(rule: str) -> None:
    states = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA", "with space": "ALARM"}
    arns = {f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}": state for name, state in states.items()}
    assert composite.parse(rule).holds(states | arns) is RULES[rule]


@pytest.mark.parametrize(
    "rule",
    ["", "ALARM", "ALARM(", "ALARM()", "ALARM(a", "BROKEN(a)", "ALARM(a) ALARM(b)", "ALARM(a) AND", "(TRUE", '"a"',
     "AT_LEAST(x, ALARM, (a))", "AT_LEAST(1, ALARM, a)", "AT_LEAST(1, BAD, (a))", "NOT", 'ALARM("a)', "(" * 5000],
    ids=lambda rule: rule[:30] or "empty",
)  # fmt: skip
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(composite.BadRule):
        composite.parse(rule)


async def set_state(cloudwatch: Client, name: str, state: str) -> None:
    await cloudwatch("SetAlarmState", AlarmName=name, StateValue=state, StateReason="a test")


async def state_of(cloudwatch: Client, name: str) -> dict[str, Any]:
    found = await cloudwatch("DescribeAlarms", AlarmNames=[name], AlarmTypes=["CompositeAlarm"])
    assert found["MetricAlarms"] == []
    (alarm,) = found["CompositeAlarms"]
    return dict(alarm)


async def test_a_composite_alarm_follows_its_children_and_tells_a_topic(cloudwatch: Client) -> None:
    for name in ("cpu", "disk"):
        await alarm(cloudwatch, name)
    rule = 'ALARM("cpu") AND ALARM(disk)'
    await cloudwatch("PutCompositeAlarm", AlarmName="both", AlarmRule=rule, AlarmActions=[TOPIC])
    await cloudwatch("PutCompositeAlarm", AlarmName="none", AlarmRule="NOT ALARM(both)")
    assert [(await state_of(cloudwatch, name))["StateValue"] for name in ("both", "none")] == ["OK", "ALARM"]
    cloudwatch.told.clear()
    await set_state(cloudwatch, "cpu", "ALARM")
    assert (await state_of(cloudwatch, "both"))["StateValue"] == "OK"
    cloudwatch.told.clear()
    await set_state(cloudwatch, "disk", "ALARM")
    both = await state_of(cloudwatch, "both")
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:disk"
    assert (both["StateValue"], both["AlarmRule"]) == ("ALARM", rule)
    assert both["StateReason"] == f"{arn} transitioned to ALARM at Friday 15 January, 2027 08:00:00 UTC"
    assert (await state_of(cloudwatch, "none"))["StateValue"] == "OK"
    # Only its own change is told, of the child's the topic of the child.
    told = [json.loads(params["Message"]) for service, _, params in cloudwatch.told if service == "sns"]
    assert [one["AlarmName"] for one in told] == ["disk", "both"]
    assert told[1]["AlarmRule"] == rule
    assert told[1]["TriggeringChildren"][0]["Arn"] == arn
    (event,) = [
        json.loads(entry["Detail"])
        for service, _, params in cloudwatch.told
        if service == "events"
        for entry in params["Entries"]
        if entry["Resources"] == [both["AlarmArn"]]
    ]
    assert event["configuration"] == {"alarmRule": rule}
    history = await cloudwatch("DescribeAlarmHistory", AlarmName="both", HistoryItemType="StateUpdate")
    assert {item["AlarmType"] for item in history["AlarmHistoryItems"]} == {"CompositeAlarm"}
    # A minute later nothing has changed: what was set by hand is judged anew, and the composite follows.
    cloudwatch.clock.advance(60)
    await cloudwatch.service.watch.look()
    assert (await state_of(cloudwatch, "both"))["StateValue"] == "OK"


async def test_composite_alarms_that_go_by_each_other_do_not_run_in_circles(cloudwatch: Client) -> None:
    await cloudwatch("PutCompositeAlarm", AlarmName="x", AlarmRule="FALSE")
    await cloudwatch("PutCompositeAlarm", AlarmName="y", AlarmRule="NOT ALARM(x)")
    await cloudwatch("PutCompositeAlarm", AlarmName="x", AlarmRule="ALARM(y)")
    await cloudwatch.service.watch.look()
    assert {(await state_of(cloudwatch, name))["StateValue"] for name in "xy"} <= {"OK", "ALARM"}
    for name in "xy":
        refused = await cloudwatch.refused("DeleteAlarms", AlarmNames=[name])
        assert refused == ("ValidationError", f"Cannot delete {name} as there are composite alarm(s) depending on it.")
    await cloudwatch("PutCompositeAlarm", AlarmName="x", AlarmRule="FALSE")
    await cloudwatch("DeleteAlarms", AlarmNames=["y"])


async def test_parents_and_children_of_composite_alarms(cloudwatch: Client) -> None:
    await alarm(cloudwatch, "leaf")
    await cloudwatch("PutCompositeAlarm", AlarmName="branch", AlarmRule="ALARM(leaf)")
    await cloudwatch("PutCompositeAlarm", AlarmName="root", AlarmRule="OK(branch) OR OK(leaf)")
    children = await cloudwatch("DescribeAlarms", ChildrenOfAlarmName="root")
    assert [one["AlarmName"] for one in children["MetricAlarms"]] == ["leaf"]
    assert [one["AlarmName"] for one in children["CompositeAlarms"]] == ["branch"]
    parents = await cloudwatch("DescribeAlarms", ParentsOfAlarmName="leaf")
    assert [one["AlarmName"] for one in parents["CompositeAlarms"]] == ["branch", "root"]
    assert (await cloudwatch("DescribeAlarms"))["CompositeAlarms"] == []
    assert (await cloudwatch.refused("DescribeAlarms", ParentsOfAlarmName="leaf", StateValue="OK"))[
        0
    ] == "ValidationError"


async def test_what_is_refused_of_composite_alarms(cloudwatch: Client) -> None:
    await alarm(cloudwatch, "leaf")
    for rule, code in (("ALARM(", "ValidationError"), ("ALARM(nobody)", "ValidationError")):
        assert (await cloudwatch.refused("PutCompositeAlarm", AlarmName="c", AlarmRule=rule))[0] == code
    assert (await cloudwatch.refused("PutCompositeAlarm", AlarmName="leaf", AlarmRule="TRUE"))[0] == "ValidationError"
    suppressed = {"AlarmName": "c", "AlarmRule": "TRUE", "ActionsSuppressor": "leaf"}
    assert (await cloudwatch.refused("PutCompositeAlarm", **suppressed))[0] == "NotImplementedException"
