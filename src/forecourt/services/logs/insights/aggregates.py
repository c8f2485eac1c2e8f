"""What `stats` computes over rows: `count(*)`, `avg(x)`, `pct(x, 99)`. Pure.

An aggregate is made anew for each group; it takes the value of its argument row by row, and gives its own at the end.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Stats.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from forecourt.services.logs.insights.values import Value, number, shown, sort_key


class Aggregate(Protocol):
    def take(self, value: Value, at: float) -> None:
        """`at`: the row's time."""
        ...

    def value(self) -> Value: ...


class Count:
    def __init__(self) -> None:
        self._count = 0

    def take(self, value: Value, at: float) -> None:
        self._count += value is not None

    def value(self) -> Value:
        return self._count


class CountDistinct:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def take(self, value: Value, at: float) -> None:
        if value is not None:
            self._seen.add(shown(value))

    def value(self) -> Value:
        return len(self._seen)


class Moments:
    """Of numbers: how many, their mean, and the squares of the distances from it (Welford)."""

    def __init__(self, result: Callable[[int, float, float, float], Value]) -> None:
        self._result = result
        self._count, self._mean, self._squares, self._sum = 0, 0.0, 0.0, 0.0

    def take(self, value: Value, at: float) -> None:
        known = number(value)
        if known is None:
            return
        self._count += 1
        self._sum += known
        distance = known - self._mean
        self._mean += distance / self._count
        self._squares += distance * (known - self._mean)

    def value(self) -> Value:
        return number(self._result(self._count, self._mean, self._squares, self._sum)) if self._count else None


class Chosen:
    """The value that comes first by `key`."""

    def __init__(self, key: Callable[[Value, float], object], sign: int) -> None:
        self._key = key
        self._sign = sign
        self._best: tuple[object, Value] | None = None

    def take(self, value: Value, at: float) -> None:
        if value is None:
            return
        key = self._key(value, at)
        if self._best is None or (key < self._best[0] if self._sign < 0 else key > self._best[0]):  # type: ignore[operator]
            self._best = key, value

    def value(self) -> Value:
        return self._best[1] if self._best is not None else None


class Percentile:
    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._values: list[float] = []

    def take(self, value: Value, at: float) -> None:
        known = number(value)
        if known is not None:
            self._values.append(known)

    def value(self) -> Value:
        if not self._values:
            return None
        ordered = sorted(self._values)
        return ordered[max(math.ceil(self._percent / 100 * len(ordered)) - 1, 0)]


def _mean(count: int, mean: float, squares: float, total: float) -> Value:
    return mean


def _sum(count: int, mean: float, squares: float, total: float) -> Value:
    return total


def _deviation(count: int, mean: float, squares: float, total: float) -> Value:
    return math.sqrt(squares / count)


def _by_value(value: Value, at: float) -> object:
    return sort_key(value)


def _by_time(value: Value, at: float) -> object:
    return at


class Kind(NamedTuple):
    """`numbers`: how many numbers follow the value in the arguments; `counts_rows`: `(*)` and `()` mean each row."""

    make: Callable[..., Aggregate]
    numbers: int = 0
    counts_rows: bool = False


KINDS: Mapping[str, Kind] = {
    "count": Kind(Count, counts_rows=True),
    "count_distinct": Kind(CountDistinct),
    "avg": Kind(lambda: Moments(_mean)),
    "sum": Kind(lambda: Moments(_sum)),
    "stddev": Kind(lambda: Moments(_deviation)),
    "min": Kind(lambda: Chosen(_by_value, -1)),
    "max": Kind(lambda: Chosen(_by_value, 1)),
    "sortsfirst": Kind(lambda: Chosen(_by_value, -1)),
    "sortslast": Kind(lambda: Chosen(_by_value, 1)),
    "earliest": Kind(lambda: Chosen(_by_time, -1)),
    "latest": Kind(lambda: Chosen(_by_time, 1)),
    "pct": Kind(Percentile, 1),
}
