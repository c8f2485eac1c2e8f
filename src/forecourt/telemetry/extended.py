"""CloudWatch's extended statistics: percentiles and what is trimmed by them. Pure.

    p99.9        IQM        tm90 = TM(0%:90%)        TM(10%:)        TC(:250)        wm98        PR(100:500)

They are of values, so of a summary without its values there are none. Bounds are percentages of the values in their
order, or values themselves. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

# A value, how many there are of it, and the percentages of all at which they begin and end
Step = tuple[float, float, float, float]

_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")
_SHORT = re.compile(r"(tm|tc|ts|wm)(\d{1,3}(?:\.\d+)?)")
_RANGE = re.compile(r"(TM|TC|TS|WM)\((\d+(?:\.\d+)?%)?:(\d+(?:\.\d+)?%)?\)")
_VALUES = re.compile(r"(TM|TC|TS|WM|PR)\((-?\d+(?:\.\d+)?)?:(-?\d+(?:\.\d+)?)?\)")


class Bounds(NamedTuple):
    low: float
    high: float
    by_value: bool = False

    def share(self, step: Step) -> float:
        """How much of the step's count lies within."""
        value, count, begin, end = step
        if self.by_value:
            return count if self.low < value <= self.high else 0.0
        overlap = min(end, self.high) - max(begin, self.low)
        return count * max(overlap, 0.0) / (end - begin)


Extended = Callable[[Sequence[Step]], float | None]


@lru_cache(maxsize=256)
def extended(name: str) -> Extended:
    """Raises `ValueError` for what is none."""
    if found := _PERCENTILE.fullmatch(name):
        return _percentile(_percent(found[1]))
    if name == "IQM":
        return _of("TM", Bounds(25.0, 75.0))
    if found := _SHORT.fullmatch(name):
        return _of(found[1].upper(), Bounds(0.0, _percent(found[2])))
    if (found := _RANGE.fullmatch(name)) and (found[2] or found[3]):
        return _of(found[1], _checked(Bounds(_percent(found[2] or "0"), _percent(found[3] or "100"))))
    if (found := _VALUES.fullmatch(name)) and (found[2] or found[3]):
        bounds = Bounds(float(found[2] or "-inf"), float(found[3] or "inf"), by_value=True)
        return _of(found[1], _checked(bounds))
    raise ValueError(f"not a statistic: {name}")


def _percent(text: str) -> float:
    percent = float(text.rstrip("%"))
    if percent > 100:
        raise ValueError(f"not a percentile: {text}")
    return percent


def _checked(bounds: Bounds) -> Bounds:
    if bounds.low >= bounds.high:
        raise ValueError("the lower bound is not below the upper one")
    return bounds


def steps(values: Mapping[float, float]) -> Sequence[Step]:
    """The counts by value, in order."""
    return list(_steps(values))


def _steps(values: Mapping[float, float]) -> Iterator[Step]:
    total, before = sum(values.values()), 0.0
    for value in sorted(values):
        after = before + values[value]
        yield value, values[value], 100 * before / total, 100 * after / total
        before = after


def _percentile(percent: float) -> Extended:
    def statistic(of: Sequence[Step]) -> float | None:
        return next((value for value, _, _, end in of if end >= percent - 1e-9), None)

    return statistic


def _of(kind: str, bounds: Bounds) -> Extended:
    compute = _KINDS[kind]
    return lambda of: compute(of, bounds)


def _trimmed_count(of: Sequence[Step], bounds: Bounds) -> float:
    return sum(bounds.share(step) for step in of)


def _trimmed_sum(of: Sequence[Step], bounds: Bounds) -> float:
    return sum(step[0] * bounds.share(step) for step in of)


def _trimmed_mean(of: Sequence[Step], bounds: Bounds) -> float | None:
    count = _trimmed_count(of, bounds)
    return _trimmed_sum(of, bounds) / count if count else None


def _winsorized_mean(of: Sequence[Step], bounds: Bounds) -> float | None:
    """What lies outside counts as the bound it lies beyond."""
    inside = [step for step in of if bounds.share(step)]
    if not inside:
        return None
    low, high = inside[0][0], inside[-1][0]
    count = sum(step[1] for step in of)
    return sum(min(max(step[0], low), high) * step[1] for step in of) / count


def _percentile_rank(of: Sequence[Step], bounds: Bounds) -> float:
    return 100 * _trimmed_count(of, bounds) / sum(step[1] for step in of)


_KINDS: Mapping[str, Callable[[Sequence[Step], Bounds], float | None]] = {
    "TM": _trimmed_mean,
    "TC": _trimmed_count,
    "TS": _trimmed_sum,
    "WM": _winsorized_mean,
    "PR": _percentile_rank,
}
