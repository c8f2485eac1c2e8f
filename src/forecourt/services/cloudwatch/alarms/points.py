"""The data points that an alarm is judged by: one metric's statistic, or an expression over several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudwatch.alarms.judge import LOOK_BACK, Point, Rule
from forecourt.services.cloudwatch.alarms.model import Alarm
from forecourt.services.cloudwatch.data import DataQueries
from forecourt.telemetry.metrics import Metrics

_MINUTE = 60


def rule(alarm: Alarm) -> Rule:
    settings = alarm.settings
    periods = settings["EvaluationPeriods"]
    return Rule(
        settings["ComparisonOperator"],
        settings["Threshold"],
        periods,
        settings.get("DatapointsToAlarm", periods),
        settings.get("TreatMissingData", "missing"),
    )


def queries(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return settings.get("Metrics") or [{"Id": "m1", "MetricStat": metric_stat(settings)}]


def metric_stat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The metric that PutMetricAlarm's own members name."""
    stat = {
        "Metric": {
            "Namespace": settings["Namespace"],
            "MetricName": settings["MetricName"],
            "Dimensions": settings.get("Dimensions", []),
        },
        "Period": settings["Period"],
        "Stat": settings.get("Statistic") or settings["ExtendedStatistic"],
    }
    return stat | ({"Unit": settings["Unit"]} if "Unit" in settings else {})


def period(settings: Mapping[str, Any]) -> int:
    """Metrics are kept by the minute: a shorter period is watched as one."""
    asked = queries(settings)
    periods = [query["MetricStat"]["Period"] for query in asked if "MetricStat" in query]
    periods += [query["Period"] for query in asked if "Expression" in query and query.get("Period")]
    return max(_MINUTE, *periods) if periods else _MINUTE


def points(alarm: Alarm, metrics: Metrics, now: float) -> list[Point]:
    """The periods that ended last. Raises `ServiceError` where an expression can't be worked out."""
    length, wanted = period(alarm.settings), rule(alarm).periods + LOOK_BACK
    end = int(now // _MINUTE * _MINUTE)
    start = end - wanted * length
    request = {
        "StartTime": start,
        "EndTime": end,
        "ScanBy": "TimestampAscending",
        "MetricDataQueries": [_at_length(query, length) for query in queries(alarm.settings)],
    }
    answer = DataQueries(metrics, alarm.account, alarm.region, request, origin=start).answer()
    (result,) = answer["MetricDataResults"][:1] or [{"Timestamps": (), "Values": ()}]
    values = dict(zip(result["Timestamps"], result["Values"], strict=True))
    return [Point(at, values.get(at)) for at in range(start, end, length)]


def _at_length(query: Mapping[str, Any], length: int) -> Mapping[str, Any]:
    if "MetricStat" not in query:
        return query
    return {**query, "MetricStat": {**query["MetricStat"], "Period": length}}
