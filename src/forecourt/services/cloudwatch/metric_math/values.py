"""Values of metric math: numbers, time series, arrays of series; and words, such as `ASC`, among arguments. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

Series: TypeAlias = dict[int, float]
Result: TypeAlias = "float | Series | list[Series]"
Value: TypeAlias = "Result | str"
Binary = Callable[[float, float], float]


class BadExpression(ValueError):
    """The message says what is wrong, as the caller of GetMetricData is to read it."""


class Environment(NamedTuple):
    """`named`: the other queries of the request; `period`: of the expression, in seconds; `times`: those it is over."""

    named: Callable[[str], Result]
    metrics: Callable[[], Mapping[str, Series]]
    period: int
    times: range = range(0)


def combined(apply: Binary, left: Value, right: Value) -> Value:
    if isinstance(left, list):
        return [series_of(combined(apply, one, right)) for one in left]
    if isinstance(right, list):
        return [series_of(combined(apply, left, one)) for one in right]
    if isinstance(left, str) or isinstance(right, str):
        raise BadExpression(f"Error in expression: unexpected {left if isinstance(left, str) else right}")
    if isinstance(left, dict) and isinstance(right, dict):
        return finite({at: apply(value, right[at]) for at, value in left.items() if at in right})
    if isinstance(left, dict):
        return finite({at: apply(value, number_of(right)) for at, value in left.items()})
    if isinstance(right, dict):
        return finite({at: apply(left, value) for at, value in right.items()})
    return apply(left, right)


def finite(series: Series) -> Series:
    """A division by zero gives no data point."""
    return {at: value for at, value in series.items() if math.isfinite(value)}


def number_of(value: Value) -> float:
    if not isinstance(value, float | int):
        raise BadExpression("Error in expression: a number is expected")
    return float(value)


def series_of(value: Value) -> Series:
    if not isinstance(value, dict):
        raise BadExpression("Error in expression: a time series is expected")
    return value


def series_in(value: Value) -> list[Series]:
    return value if isinstance(value, list) else [series_of(value)]
