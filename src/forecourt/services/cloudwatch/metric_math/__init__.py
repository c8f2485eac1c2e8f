"""CloudWatch's metric math. Pure.

    100 * errors / requests          SUM(METRICS())          FILL(m1, 0)          IF(m1 > 5, m1, 0)

A value is a number, a time series (timestamp to value) or an array of series. Between two series, operators work where
both have a value. `SEARCH`, `ANOMALY_DETECTION_BAND` and what asks other services are refused by name.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import math
import operator
import re

from forecourt.services.cloudwatch.metric_math.functions import FUNCTIONS
from forecourt.services.cloudwatch.metric_math.values import (
    BadExpression,
    Binary,
    Environment,
    Result,
    Series,
    Value,
    combined,
    series_in,
)

__all__ = ["BadExpression", "Environment", "Result", "Series", "evaluate"]

_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\"[^\"]*\")|(<=|>=|==|!=|&&|\|\||[-+*/^()\[\],<>]))"
)


def _divide(a: float, b: float) -> float:
    return a / b if b else math.nan


_LEVELS: tuple[dict[str, Binary], ...] = (
    dict.fromkeys(("||", "OR"), lambda a, b: float(bool(a) or bool(b))),
    dict.fromkeys(("&&", "AND"), lambda a, b: float(bool(a) and bool(b))),
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


def evaluate(expression: str, environment: Environment) -> Result:
    """Raises `BadExpression`."""
    parser = _Parser(expression, environment)
    try:
        value = parser.expression(0)
        parser.end()
    except (OverflowError, RecursionError, ValueError) as error:
        if isinstance(error, BadExpression):
            raise
        raise BadExpression(f"Error in expression: {error}") from None
    if isinstance(value, str):
        raise BadExpression(f"Error in expression: unexpected {value}")
    return value


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
            value = combined(_LEVELS[level][str(sign)], value, self.expression(level + 1))
        return value

    def end(self) -> None:
        if self._peek() is not None:
            raise BadExpression(f"Error in expression: unexpected {self._peek()}")

    def _operand(self) -> Value:
        token = self._next()
        if token == "-":
            return combined(operator.sub, 0.0, self._operand())
        if token == "(":
            value = self.expression(0)
            self._expect(")")
            return value
        if token == "[":
            return [series for value in self._list("]") for series in series_in(value)]
        if token[0].isdigit():
            return float(token)
        if not (token[0].isalpha() or token[0] == "_"):
            raise BadExpression(f"Error in expression: unexpected {token}")
        if self._take("("):
            return self._call(token)
        # Identifiers begin with a small letter; what does not is a word among arguments.
        return token if token.isupper() else self._environment.named(token)

    def _call(self, name: str) -> Value:
        if name == "METRICS":
            return self._metrics()
        arguments = self._list(")")
        function = FUNCTIONS.get(name)
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
