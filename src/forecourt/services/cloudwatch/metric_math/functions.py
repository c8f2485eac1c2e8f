"""The functions of metric math. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax-functions-list
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from forecourt.services.cloudwatch.metric_math.values import (
    BadExpression,
    Environment,
    Series,
    Value,
    combined,
    number_of,
    series_of,
)  # fmt: skip

Function = Callable[[Environment, list[Value]], Value]


def _aggregate(over: Callable[[Sequence[float]], float]) -> Function:
    """Of one series: a number. Of an array: a series, over all that have a value at a time."""

    def function(_: Environment, arguments: list[Value]) -> Value:
        (value,) = _exactly(1, arguments)
        if isinstance(value, list):
            times = sorted({at for series in value for at in series})
            return {at: over([series[at] for series in value if at in series]) for at in times}
        series = series_of(value)
        return over(list(series.values())) if series else 0.0

    return function


def _each(apply: Callable[[float], float]) -> Function:
    def function(_: Environment, arguments: list[Value]) -> Value:
        (value,) = _exactly(1, arguments)
        return combined(lambda a, _: float(apply(a)), value, 0.0)

    return function


def _over(apply: Callable[[Environment, Series], Series]) -> Function:
    """Of a series or of each of an array."""

    def function(environment: Environment, arguments: list[Value]) -> Value:
        (value,) = _exactly(1, arguments)
        if isinstance(value, list):
            return [apply(environment, series) for series in value]
        return apply(environment, series_of(value))

    return function


def _fill(environment: Environment, arguments: list[Value]) -> Value:
    value, filling = _exactly(2, arguments)
    if isinstance(value, list):
        return [series_of(_fill(environment, [series, filling])) for series in value]
    series = series_of(value)
    if not series:
        return {at: number_of(filling) for at in environment.times} if not isinstance(filling, str) else {}
    times = range(min(series), max(series) + 1, environment.period)
    if filling == "LINEAR":
        return _on_a_line(series, times)
    if filling == "REPEAT":
        repeated = itertools.accumulate(times, lambda last, at: series.get(at, last), initial=0.0)
        return dict(zip(times, itertools.islice(repeated, 1, None), strict=True))
    return {at: series.get(at, number_of(filling)) for at in times}


def _on_a_line(series: Series, times: range) -> Series:
    """Between two points, what lies on the line from the one to the other."""
    filled: Series = {}
    for (start, first), (end, last) in itertools.pairwise(sorted(series.items())):
        between = (at for at in times if start <= at < end)
        filled |= {at: first + (last - first) * (at - start) / (end - start) for at in between}
    return filled | series


def _if(_: Environment, arguments: list[Value]) -> Value:
    condition, then, otherwise = _exactly(3, arguments)

    def chosen(at: int, holds: float) -> float | None:
        branch = then if holds else otherwise
        return branch.get(at) if isinstance(branch, dict) else number_of(branch)

    found = {at: chosen(at, holds) for at, holds in series_of(condition).items()}
    return {at: value for at, value in found.items() if value is not None}


def _steps(of: Callable[[int, float, int, float], float]) -> Function:
    """From each point to the next: `of` gets the times and values of both."""

    def steps(_: Environment, series: Series) -> Series:
        pairs = itertools.pairwise(sorted(series.items()))
        return {at: of(earlier, before, at, value) for (earlier, before), (at, value) in pairs}

    return _over(steps)


def _running_sum(_: Environment, series: Series) -> Series:
    times = sorted(series)
    return dict(zip(times, itertools.accumulate(series[at] for at in times), strict=True))


def _of_time(part: Callable[[datetime], float]) -> Function:
    """What the clock showed at each point, in UTC."""
    return _over(lambda _, series: {at: float(part(datetime.fromtimestamp(at, UTC))) for at in series})


def _time_series(environment: Environment, arguments: list[Value]) -> Value:
    (value,) = _exactly(1, arguments)
    return dict.fromkeys(environment.times, number_of(value))


def _array(value: Value) -> list[Series]:
    if not isinstance(value, list):
        raise BadExpression("Error in expression: an array of time series is expected")
    return value


def _one_of(index: int) -> Function:
    def function(_: Environment, arguments: list[Value]) -> Value:
        (value,) = _exactly(1, arguments)
        found = _array(value)
        return found[index] if found else {}

    return function


def _remove_empty(_: Environment, arguments: list[Value]) -> Value:
    (value,) = _exactly(1, arguments)
    return [series for series in _array(value) if series]


def _slice(_: Environment, arguments: list[Value]) -> Value:
    """With one index a series, with two an array."""
    if len(arguments) not in (2, 3):
        raise BadExpression(f"Error in expression: 2 or 3 arguments are expected, not {len(arguments)}")
    found, (start, *end) = _array(arguments[0]), [int(number_of(index)) for index in arguments[1:]]
    if end:
        return found[start : end[0]]
    return found[start] if 0 <= start < len(found) else {}


def _sort(_: Environment, arguments: list[Value]) -> Value:
    """`SORT(METRICS(), MAX, DESC, 5)`"""
    if len(arguments) not in (3, 4) or arguments[1] not in _STATISTICS or arguments[2] not in ("ASC", "DESC"):
        raise BadExpression("Error in expression: SORT takes an array, a function, ASC or DESC, and a limit")
    over = _STATISTICS[str(arguments[1])]
    found = [series for series in _array(arguments[0]) if series]
    found.sort(key=lambda series: over(list(series.values())), reverse=arguments[2] == "DESC")
    return found[: int(number_of(arguments[3]))] if len(arguments) == 4 else found


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def _exactly(count: int, arguments: list[Value]) -> list[Value]:
    if len(arguments) != count:
        raise BadExpression(f"Error in expression: {count} arguments are expected, not {len(arguments)}")
    return arguments


_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
    "STDDEV": _deviation,
}
FUNCTIONS: Mapping[str, Function] = {
    **{name: _aggregate(over) for name, over in _STATISTICS.items()},
    "DATAPOINT_COUNT": _aggregate(lambda values: float(len(values))),
    "ABS": _each(abs),
    "CEIL": _each(math.ceil),
    "FLOOR": _each(math.floor),
    "LOG": _each(lambda value: math.log(value) if value > 0 else math.nan),
    "LOG10": _each(lambda value: math.log10(value) if value > 0 else math.nan),
    "FILL": _fill,
    "IF": _if,
    "DIFF": _steps(lambda earlier, before, at, value: value - before),
    "DIFF_TIME": _steps(lambda earlier, before, at, value: float(at - earlier)),
    "RATE": _steps(lambda earlier, before, at, value: (value - before) / (at - earlier)),
    "RUNNING_SUM": _over(_running_sum),
    "PERIOD": lambda environment, arguments: float(environment.period),
    "TIME_SERIES": _time_series,
    "FIRST": _one_of(0),
    "LAST": _one_of(-1),
    "REMOVE_EMPTY": _remove_empty,
    "SLICE": _slice,
    "SORT": _sort,
    "EPOCH": _of_time(datetime.timestamp),
    "MINUTE": _of_time(lambda at: at.minute),
    "HOUR": _of_time(lambda at: at.hour),
    "DAY": _of_time(datetime.isoweekday),
    "DATE": _of_time(lambda at: at.day),
    "MONTH": _of_time(lambda at: at.month),
    "YEAR": _of_time(lambda at: at.year),
}
