"""CloudWatch's metric math, the basic part. Pure.

    100 * errors / requests          SUM(METRICS())          FILL(m1, 0)          IF(m1 > 5, m1, 0)

A value is a number, a time series (timestamp to value) or an array of series. Between two series, operators work where
both have a value. Functions: `ABS AVG CEIL DIFF FILL FLOOR IF MAX METRICS MIN PERIOD RATE RUNNING_SUM SUM`. Others
(`SEARCH`, `ANOMALY_DETECTION_BAND`, …) are refused by name.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

Series: TypeAlias = dict[int, float]
Value: TypeAlias = "float | Series | list[Series]"
Binary = Callable[[float, float], float]

_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\"[^\"]*\")|(<=|>=|==|!=|&&|\|\||[-+*/^()\[\],<>]))"
)


class BadExpression(ValueError):
    """The message says what is wrong, as the caller of GetMetricData is to read it."""


def _divide(a: float, b: float) -> float:
    return a / b if b else math.nan


_LEVELS: tuple[dict[str, Binary], ...] = (
    {"||": lambda a, b: float(bool(a) or bool(b))},
    {"&&": lambda a, b: float(bool(a) and bool(b))},
    {
        "<": lambda a, b: float(a < b),
        "<=": lambda a, b: float(a <= b),
        ">": lambda a, b: float(a > b),
        ">=": lambda a, b: float(a >= b),
        "==": lambda a, b: float(a == b),
        "!=": lambda a, b: float(a != b),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": _divide},
    {"^": math.pow},
)


class Environment(NamedTuple):
    """`named`: the other queries of the request; `period`: of the expression, in seconds."""

    named: Callable[[str], Value]
    metrics: Callable[[], Mapping[str, Series]]
    period: int


def evaluate(expression: str, environment: Environment) -> Value:
    """Raises `BadExpression`."""
    parser = _Parser(expression, environment)
    try:
        value = parser.expression(0)
        parser.end()
        return value
    except (OverflowError, RecursionError, ValueError) as error:
        if isinstance(error, BadExpression):
            raise
        raise BadExpression(f"Error in expression: {error}") from None


class _Parser:
    """Evaluates while it parses: there is nothing to keep."""

    def __init__(self, text: str, environment: Environment) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._environment = environment

    def expression(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._operand()
        value = self.expression(level + 1)
        while (sign := self._peek()) in _LEVELS[level]:
            self._at += 1
            value = _combined(_LEVELS[level][str(sign)], value, self.expression(level + 1))
        return value

    def end(self) -> None:
        if self._peek() is not None:
            raise BadExpression(f"Error in expression: unexpected {self._peek()}")

    def _operand(self) -> Value:
        token = self._next()
        if token == "-":
            return _combined(operator.sub, 0.0, self._operand())
        if token == "(":
            value = self.expression(0)
            self._expect(")")
            return value
        if token == "[":
            return [_series(value) for value in self._list("]")]
        if token[0].isdigit():
            return float(token)
        if not (token[0].isalpha() or token[0] == "_"):
            raise BadExpression(f"Error in expression: unexpected {token}")
        return self._call(token) if self._take("(") else self._environment.named(token)

    def _call(self, name: str) -> Value:
        if name == "METRICS":
            return self._metrics()
        arguments = self._list(")")
        function = _FUNCTIONS.get(name)
        if function is None:
            raise BadExpression(f"Error in expression: unsupported function {name}")
        return function(self._environment, arguments)

    def _metrics(self) -> Value:
        """All metrics of the request, or those whose id holds a text."""
        pattern = "" if self._peek() == ")" else self._next().strip('"')
        self._expect(")")
        return [series for name, series in self._environment.metrics().items() if pattern in name]

    def _list(self, end: str) -> list[Value]:
        values: list[Value] = []
        while not self._take(end):
            if values:
                self._expect(",")
            values.append(self.expression(0))
        return values

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise BadExpression("Error in expression: it ends too early")
        self._at += 1
        return token

    def _take(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise BadExpression(f"Error in expression: {token} expected")


def _tokens(text: str) -> list[str]:
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadExpression(f"Error in expression: unexpected {text[at]}")
        found.append(match[0].strip())
        at = match.end()
    return found


def _combined(apply: Binary, left: Value, right: Value) -> Value:
    if isinstance(left, list):
        return [_series(_combined(apply, one, right)) for one in left]
    if isinstance(right, list):
        return [_series(_combined(apply, left, one)) for one in right]
    if isinstance(left, dict) and isinstance(right, dict):
        return _finite({at: apply(value, right[at]) for at, value in left.items() if at in right})
    if isinstance(left, dict):
        return _finite({at: apply(value, _number(right)) for at, value in left.items()})
    if isinstance(right, dict):
        return _finite({at: apply(left, value) for at, value in right.items()})
    return apply(left, right)


def _finite(series: Series) -> Series:
    """A division by zero gives no data point."""
    return {at: value for at, value in series.items() if math.isfinite(value)}


def _number(value: Value) -> float:
    if not isinstance(value, float | int):
        raise BadExpression("Error in expression: a number is expected")
    return float(value)


def _series(value: Value) -> Series:
    if not isinstance(value, dict):
        raise BadExpression("Error in expression: a time series is expected")
    return value


def _aggregate(over: Callable[[Sequence[float]], float]) -> Callable[[Environment, list[Value]], Value]:
    """Of one series: a number. Of an array: a series, over all that have a value at a time."""

    def function(_: Environment, arguments: list[Value]) -> Value:
        (value,) = _exactly(1, arguments)
        if isinstance(value, list):
            times = sorted({at for series in value for at in series})
            return {at: over([series[at] for series in value if at in series]) for at in times}
        series = _series(value)
        return over(list(series.values())) if series else 0.0

    return function


def _each(apply: Callable[[float], float]) -> Callable[[Environment, list[Value]], Value]:
    def function(_: Environment, arguments: list[Value]) -> Value:
        (value,) = _exactly(1, arguments)
        return _combined(lambda a, _: float(apply(a)), value, 0.0)

    return function


def _fill(environment: Environment, arguments: list[Value]) -> Value:
    value, filling = _exactly(2, arguments)
    series = _series(value)
    if not series:
        return {}
    times = range(min(series), max(series) + 1, environment.period)
    return {at: series.get(at, _number(filling)) for at in times}


def _if(_: Environment, arguments: list[Value]) -> Value:
    condition, then, otherwise = _exactly(3, arguments)

    def chosen(at: int, holds: float) -> float | None:
        branch = then if holds else otherwise
        return branch.get(at) if isinstance(branch, dict) else _number(branch)

    found = {at: chosen(at, holds) for at, holds in _series(condition).items()}
    return {at: value for at, value in found.items() if value is not None}


def _differences(environment: Environment, arguments: list[Value], per_second: bool) -> Value:
    (value,) = _exactly(1, arguments)
    points = sorted(_series(value).items())
    return {
        at: (value - before) / ((at - earlier) if per_second else 1)
        for (earlier, before), (at, value) in itertools.pairwise(points)
    }


def _running_sum(_: Environment, arguments: list[Value]) -> Value:
    (value,) = _exactly(1, arguments)
    total, sums = 0.0, {}
    for at, one in sorted(_series(value).items()):
        total += one
        sums[at] = total
    return sums


def _exactly(count: int, arguments: list[Value]) -> list[Value]:
    if len(arguments) != count:
        raise BadExpression(f"Error in expression: {count} arguments are expected, not {len(arguments)}")
    return arguments


_FUNCTIONS: dict[str, Callable[[Environment, list[Value]], Value]] = {
    "SUM": _aggregate(math.fsum),
    "AVG": _aggregate(lambda values: math.fsum(values) / len(values)),
    "MIN": _aggregate(min),
    "MAX": _aggregate(max),
    "ABS": _each(abs),
    "CEIL": _each(math.ceil),
    "FLOOR": _each(math.floor),
    "FILL": _fill,
    "IF": _if,
    "DIFF": lambda environment, arguments: _differences(environment, arguments, per_second=False),
    "RATE": lambda environment, arguments: _differences(environment, arguments, per_second=True),
    "RUNNING_SUM": _running_sum,
    "PERIOD": lambda environment, arguments: float(environment.period),
}
