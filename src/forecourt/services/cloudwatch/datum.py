"""A MetricDatum of PutMetricData as a statistic set, checked as CloudWatch checks it. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html: one of Value, Values (with
Counts) or StatisticValues; 150 values at most, no NaN, no infinity, nothing beyond 2^360; two weeks back, two hours
ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from forecourt.services.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from forecourt.telemetry.metrics import Dimensions
from forecourt.telemetry.statistics import StatisticSet

_LARGEST = 2.0**360
_MOST_VALUES = 150
_PAST_SECONDS = 14 * 86_400
_FUTURE_SECONDS = 2 * 3600


def statistic_set(datum: Mapping[str, Any], name: str) -> StatisticSet:
    """`name` is how messages call this datum: `MetricData.member.1`."""
    given = [member for member in ("Value", "Values", "StatisticValues") if member in datum]
    if not given:
        raise MissingRequiredParameterException(
            f"At least one of the parameters must be specified: {name}.Value, {name}.Values, {name}.StatisticValues."
        )
    if len(given) > 1:
        raise InvalidParameterCombinationException(
            f"The parameters {name}.{given[0]} and {name}.{given[1]} are mutually exclusive and you have specified "
            "both."
        )
    return _FORMS[given[0]](datum, name)


def _value(datum: Mapping[str, Any], name: str) -> StatisticSet:
    values = StatisticSet()
    values.add(_checked(datum["Value"], f"{name}.Value"))
    return values


def _values(datum: Mapping[str, Any], name: str) -> StatisticSet:
    given = datum["Values"]
    counts = datum.get("Counts") or [1.0] * len(given)
    if len(given) != len(counts):
        raise InvalidParameterValueException(
            f"The parameters {name}.Values and {name}.Counts must be of the same size."
        )
    if not 0 < len(given) <= _MOST_VALUES:
        raise InvalidParameterValueException(
            f"The collection {name}.Values must have a size between 1 and {_MOST_VALUES}."
        )
    values = StatisticSet()
    for value, count in zip(given, counts, strict=True):
        if _checked(count, f"{name}.Counts") <= 0:
            raise InvalidParameterValueException(f"The parameter {name}.Counts must be greater than 0.")
        values.add(_checked(value, f"{name}.Values"), count)
    return values


def _summary(datum: Mapping[str, Any], name: str) -> StatisticSet:
    given = {m: _checked(v, f"{name}.StatisticValues.{m}") for m, v in datum["StatisticValues"].items()}
    if given["SampleCount"] <= 0:
        raise InvalidParameterValueException(
            f"The parameter {name}.StatisticValues.SampleCount must be greater than 0."
        )
    if given["Minimum"] > given["Maximum"]:
        raise InvalidParameterValueException(
            f"The value of {name}.StatisticValues.Minimum must be less than or equal to {name}.StatisticValues.Maximum."
        )
    values = StatisticSet()
    values.add_summary(given["SampleCount"], given["Sum"], given["Minimum"], given["Maximum"])
    return values


_FORMS = {"Value": _value, "Values": _values, "StatisticValues": _summary}


def _checked(value: float, name: str) -> float:
    if not isfinite(value) or abs(value) > _LARGEST:
        raise InvalidParameterValueException(f"The value {value} for parameter {name} is invalid.")
    return float(value)


def timestamp(datum: Mapping[str, Any], now: float, name: str) -> float:
    at = epoch(datum["Timestamp"]) if "Timestamp" in datum else now
    if not now - _PAST_SECONDS <= at <= now + _FUTURE_SECONDS:
        raise InvalidParameterValueException(
            f"The parameter {name}.Timestamp must specify a time no more than two weeks in the past and no more than "
            "two hours in the future."
        )
    return at


def epoch(at: datetime | float | str) -> float:
    return at.timestamp() if isinstance(at, datetime) else float(at)


def dimensions(given: Any) -> Dimensions:
    return tuple((one["Name"], one.get("Value", "")) for one in given or ())
