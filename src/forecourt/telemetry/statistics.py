"""What CloudWatch keeps of a metric's values in one minute: a statistic set, and a histogram for percentiles. Pure.

A bucket covers values within 4 % of each other (as CloudWatch's own SEH1 covers 10 %), so a percentile is right to
about 2 %; count, sum, minimum and maximum are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, log

from forecourt.telemetry.extended import extended, steps

_WIDTH = log(1.04)
PER_WIDTH = 1 / _WIDTH
# Buckets of positive values are numbered around this, those of negative values around its negative; 0 is for zero.
ZERO_AT = 100_000


class StatisticSet:
    __slots__ = ("buckets", "count", "maximum", "minimum", "sum")

    def __init__(self) -> None:
        self.count = 0.0
        self.sum = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")
        self.buckets: dict[int, float] = {}

    def add(self, value: float, count: float = 1.0) -> None:
        self.add_summary(count, value * count, value, value)
        bucket = bucket_of(value)
        self.buckets[bucket] = self.buckets.get(bucket, 0.0) + count

    def add_summary(self, count: float, total: float, minimum: float, maximum: float) -> None:
        """Values of which only a summary is known: they count in everything but percentiles."""
        self.count += count
        self.sum += total
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)

    def merge(self, other: StatisticSet) -> None:
        self.add_summary(other.count, other.sum, other.minimum, other.maximum)
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0.0) + count

    def statistic(self, name: str) -> float | None:
        """`SampleCount`, `Average`, `Sum`, `Minimum`, `Maximum` or an extended one (`p99.9`), where it is known."""
        if name in _STATISTICS:
            return _STATISTICS[name](self)
        known = sum(self.buckets.values())
        # CloudWatch gives extended statistics only where it has the values, not of summaries.
        if known == 0 or known < self.count:
            return None
        values: dict[float, float] = {}
        for bucket, count in self.buckets.items():
            value = min(max(_middle(bucket), self.minimum), self.maximum)
            values[value] = values.get(value, 0.0) + count
        return extended(name)(steps(values))


_STATISTICS: dict[str, Callable[[StatisticSet], float]] = {
    "SampleCount": lambda s: s.count,
    "Average": lambda s: s.sum / s.count,
    "Sum": lambda s: s.sum,
    "Minimum": lambda s: s.minimum,
    "Maximum": lambda s: s.maximum,
}
STATISTICS = tuple(_STATISTICS)


def need_extended(name: str) -> None:
    """Raises `ValueError` for what is no extended statistic."""
    extended(name)


def bucket_of(value: float) -> int:
    if value > 0:
        return ZERO_AT + int(log(value) * PER_WIDTH // 1)
    return 0 if value == 0 else -bucket_of(-value)


def merged(sets: Iterable[StatisticSet]) -> StatisticSet:
    total = StatisticSet()
    for one in sets:
        total.merge(one)
    return total


def _middle(bucket: int) -> float:
    if bucket == 0:
        return 0.0
    middle = exp((abs(bucket) - ZERO_AT + 0.5) * _WIDTH)
    return middle if bucket > 0 else -middle
