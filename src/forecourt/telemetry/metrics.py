"""CloudWatch's metrics, counted in memory: what `MetricSink` takes, `cloudwatch` answers from and Prometheus scrapes.

A series is an account, region, namespace, name and set of dimensions; it holds one statistic set per minute in which
something was recorded. Two bounds keep memory flat whatever is recorded: the number of series (a new one beyond it is
dropped and counted) and the number of statistic sets over all series (the oldest minutes go first).

`record` costs about a microsecond: one look-up, then additions to the open minute's set. Call it on the event loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from math import log
from typing import NamedTuple

from forecourt.base.clock import Clock
from forecourt.telemetry.statistics import PER_WIDTH, ZERO_AT, StatisticSet, bucket_of, merged

Dimensions = tuple[tuple[str, str], ...]
Said = tuple[str, str, str, str, Dimensions]

_MINUTE = 60
MOST_SERIES = 10_000
MOST_SETS = 200_000

# The metrics of AWS's services that are not counts. https://docs.aws.amazon.com/apigateway/latest/developerguide/
# api-gateway-metrics-and-dimensions.html, .../lambda/latest/dg/monitoring-metrics-types.html,
# .../step-functions/latest/dg/procedure-cw-metrics.html
_UNITS = {
    "Latency": "Milliseconds",
    "IntegrationLatency": "Milliseconds",
    "Duration": "Milliseconds",
    "PostRuntimeExtensionsDuration": "Milliseconds",
    "InitDuration": "Milliseconds",
    "IteratorAge": "Milliseconds",
    "AsyncEventAge": "Milliseconds",
    "ExecutionTime": "Milliseconds",
    "ActivityRunTime": "Milliseconds",
    "ActivityScheduleTime": "Milliseconds",
    "LambdaFunctionRunTime": "Milliseconds",
    "LambdaFunctionTime": "Milliseconds",
    "ServiceIntegrationRunTime": "Milliseconds",
    "DataProcessed": "Bytes",
}


class MetricId(NamedTuple):
    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions = ()


class Series:
    """One metric. `total_count` and `total_sum` never fall while the process runs, as Prometheus wants it."""

    __slots__ = ("current", "id", "said", "sets", "total_count", "total_sum", "unit")

    def __init__(self, metric_id: MetricId, unit: str) -> None:
        self.id = metric_id
        self.unit = unit
        self.said: list[Said] = []
        self.sets: dict[int, StatisticSet] = {}
        self.current: StatisticSet | None = None
        self.total_count = 0.0
        self.total_sum = 0.0


class Metrics:
    def __init__(self, clock: Clock, *, most_series: int = MOST_SERIES, most_sets: int = MOST_SETS) -> None:
        self._now = clock.now
        self._most_series = most_series
        self._most_sets = most_sets
        self.reset()

    def reset(self) -> None:
        self._series: dict[MetricId, Series] = {}
        # Series by what callers say, dimensions in their order: spares `record` the sorting.
        self._said: dict[Said, Series] = {}
        self._by_minute: dict[int, list[Series]] = {}
        self._sets = 0
        self._changed: set[int] = set()
        self._minute = 0
        self._minute_ends = 0.0
        self.dropped = 0

    def record(
        self, account: str, region: str, namespace: str, name: str, dimensions: Dimensions, value: float
    ) -> None:
        said = (account, region, namespace, name, dimensions)
        series = self._said.get(said)
        if series is None:
            series = self._admit(MetricId(*said))
            if series is None:
                return
            self._said[said] = series
            series.said.append(said)
        if self._now() >= self._minute_ends:
            self._next_minute()
        current = series.current
        if current is None:
            current = series.current = self._set(series, self._minute)
        # `StatisticSet.add`, written out: this is the hot path.
        current.count += 1.0
        current.sum += value
        if value < current.minimum:
            current.minimum = value
        if value > current.maximum:
            current.maximum = value
        bucket = ZERO_AT + int(log(value) * PER_WIDTH // 1) if value > 0 else bucket_of(value)
        buckets = current.buckets
        buckets[bucket] = buckets.get(bucket, 0.0) + 1.0
        series.total_count += 1.0
        series.total_sum += value

    def put(self, metric_id: MetricId, at: float, values: StatisticSet, unit: str = "") -> None:
        """Adds `values` to the minute of `at` (epoch seconds), which may be past."""
        series = self._admit(metric_id, unit)
        if series is not None:
            self._set(series, int(at // _MINUTE)).merge(values)
            self._changed.add(int(at // _MINUTE))
            series.total_count += values.count
            series.total_sum += values.sum

    def restore(self, metric_id: MetricId, unit: str, minute: int, values: StatisticSet) -> None:
        """Puts back what an earlier process recorded: it is shown, and not counted again."""
        series = self._admit(metric_id, unit)
        if series is not None:
            self._set(series, minute).merge(values)

    def take_changed(self) -> set[int]:
        """The minutes (since the epoch) in which something changed since the last call."""
        changed, self._changed = self._changed, set()
        if self._by_minute.get(self._minute):
            changed.add(self._minute)
        return changed

    def note_changed(self, minutes: set[int]) -> None:
        """What `take_changed` gave could not be kept."""
        self._changed |= minutes

    def of_minute(self, minute: int) -> list[tuple[Series, StatisticSet]]:
        return [(series, series.sets[minute]) for series in self._by_minute.get(minute, ())]

    @property
    def oldest_minute(self) -> int | None:
        return min(self._by_minute, default=None)

    def series(self, account: str, region: str) -> Iterator[Series]:
        return (s for s in self._series.values() if s.id.account == account and s.id.region == region)

    def all(self) -> Iterator[Series]:
        return iter(self._series.values())

    def get(self, metric_id: MetricId) -> Series | None:
        return self._series.get(_canonical(metric_id))

    def _admit(self, said: MetricId, unit: str = "") -> Series | None:
        metric_id = _canonical(said)
        series = self._series.get(metric_id)
        if series is None:
            if len(self._series) >= self._most_series:
                self.dropped += 1
                return None
            default = _UNITS.get(said.name, "Count") if said.namespace.startswith(("AWS/", "Forecourt/")) else "None"
            series = self._series[metric_id] = Series(metric_id, unit or default)
        return series

    def _next_minute(self) -> None:
        for series in self._by_minute.get(self._minute, ()):
            series.current = None
        self._changed.add(self._minute)
        self._minute = int(self._now() // _MINUTE)
        self._minute_ends = (self._minute + 1) * _MINUTE

    def _set(self, series: Series, minute: int) -> StatisticSet:
        found = series.sets.get(minute)
        if found is None:
            found = series.sets[minute] = StatisticSet()
            self._by_minute.setdefault(minute, []).append(series)
            self._sets += 1
            while self._sets > self._most_sets and len(self._by_minute) > 1:
                self._forget(min(self._by_minute))
        return found

    def _forget(self, minute: int) -> None:
        for series in self._by_minute.pop(minute):
            del series.sets[minute]
            series.current = None
            self._sets -= 1
            if not series.sets:
                del self._series[series.id]
                for said in series.said:
                    del self._said[said]


def _canonical(metric_id: MetricId) -> MetricId:
    """Dimensions have no order."""
    return metric_id._replace(dimensions=tuple(sorted(metric_id.dimensions)))


def by_period(series: Series, start: float, end: float, period: int, origin: int = 0) -> dict[int, StatisticSet]:
    """The statistic sets of `series` in `[start, end)` by the start of their period (epoch seconds), in order.

    Periods are counted from `origin` on.
    """
    sets: dict[int, list[StatisticSet]] = {}
    within = range(math.ceil(start / _MINUTE), math.ceil(end / _MINUTE))
    minutes = [m for m in series.sets if m in within] if len(series.sets) < len(within) else within
    for minute in minutes:
        values = series.sets.get(minute)
        if values is not None:
            at = minute * _MINUTE
            sets.setdefault(origin + (at - origin) // period * period, []).append(values)
    return {at: merged(sets[at]) for at in sorted(sets)}
