"""What PutMetricAlarm and PutCompositeAlarm take and what they refuse. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.arn import Arn
from forecourt.base.errors import NotImplementedYet
from forecourt.services.cloudwatch.alarms.composite import BadRule, parse
from forecourt.services.cloudwatch.alarms.judge import COMPARISONS
from forecourt.services.cloudwatch.alarms.points import period, queries
from forecourt.services.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    ValidationError,
)
from forecourt.telemetry.statistics import STATISTICS, need_extended

_MISSING = ("breaching", "notBreaching", "ignore", "missing")
_NOT_YET = ("ThresholdMetricId", "EvaluationWindow", "WarmUpConfiguration", "EvaluationCriteria", "EvaluationInterval",
            "ActionConfiguration")  # fmt: skip
ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_OF_ONE_METRIC = ("MetricName", "Namespace", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit")
_NOT_KEPT = ("AlarmName", "Tags")
_DAY, _WEEK, _HOUR = 86_400, 7 * 86_400, 3600


def settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises `ServiceError` where CloudWatch would refuse the alarm."""
    for member in _NOT_YET:
        if member in request:
            raise NotImplementedYet(f"Forecourt does not support {member} of alarms yet.")
    for member in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        _require(request, member)
    if request["ComparisonOperator"] not in COMPARISONS:
        raise NotImplementedYet("Forecourt does not detect anomalies.")
    _check_source(request)
    _check_periods(request)
    _check_actions(request)
    treated = request.get("TreatMissingData", "missing")
    if treated not in _MISSING:
        raise ValidationError(
            f"Value '{treated}' at 'treatMissingData' failed to satisfy constraint: Member must satisfy enum value "
            f"set: [{', '.join(_MISSING)}]"
        )
    return {member: value for member, value in request.items() if member not in _NOT_KEPT}


def composite_settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """Raises `ServiceError` where CloudWatch would refuse the composite alarm."""
    for member in ("ActionsSuppressor", "ActionConfiguration"):
        if member in request:
            raise NotImplementedYet(f"Forecourt does not support {member} of composite alarms yet.")
    try:
        parse(request["AlarmRule"])
    except BadRule as error:
        raise ValidationError(f"AlarmRule must not contain an invalid expression: {error}") from None
    _check_actions(request)
    return {member: value for member, value in request.items() if member not in _NOT_KEPT}


def _require(request: Mapping[str, Any], member: str) -> None:
    if member not in request:
        name = member[0].lower() + member[1:]
        raise ValidationError(
            f"1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        )


def _check_source(request: Mapping[str, Any]) -> None:
    if request.get("Metrics"):
        if given := [member for member in _OF_ONE_METRIC if request.get(member)]:
            raise InvalidParameterCombinationException(f"Metrics list and {given[0]} are mutually exclusive.")
        if sum(query.get("ReturnData", True) for query in request["Metrics"]) != 1:
            raise ValidationError("Exactly one element of the metrics list should return data.")
    else:
        for member in ("MetricName", "Namespace", "Period"):
            _require(request, member)
        if ("Statistic" in request) == ("ExtendedStatistic" in request):
            raise InvalidParameterCombinationException("Specify either Statistic or ExtendedStatistic.")
    for query in queries(request):
        if "MetricStat" in query:
            _check_statistic(query["MetricStat"]["Stat"])


def _check_statistic(name: str) -> None:
    try:
        if name not in STATISTICS:
            need_extended(name)
    except ValueError:
        raise InvalidParameterValueException(
            f"The value {name} for parameter ExtendedStatistic is not supported."
        ) from None


def _check_actions(request: Mapping[str, Any]) -> None:
    for arn in (arn for member in ACTIONS for arn in request.get(member, ())):
        try:
            Arn.parse(arn)
        except ValueError:
            raise ValidationError(f"Invalid arn syntax: {arn}") from None


def _check_periods(request: Mapping[str, Any]) -> None:
    length, count = request.get("Period", 60), request["EvaluationPeriods"]
    if length % 60 and length not in (10, 20, 30):
        raise ValidationError("Period must be 10, 20, 30 or a multiple of 60")
    if request.get("DatapointsToAlarm", count) > count:
        raise ValidationError("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    length = period(request)
    if length * count > (_WEEK if length >= _HOUR else _DAY):
        raise ValidationError(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
        )
