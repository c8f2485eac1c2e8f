"""Metric and subscription filters at work: every event that is written to a group is held against the group's filters.

A group without filters costs a look-up. Patterns are matched in a thread, one batch after the other; what a metric
filter finds is counted at the time of the event, what a subscription filter finds is handed to its `Subscriber`. Events
that wait for this have a bound; what is more is dropped and said in Forecourt's own log.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/MonitoringLogData.html
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.services.logs.model import MetricFilter, SubscriptionFilter
from forecourt.services.logs.pattern import Matcher, compile_pattern
from forecourt.services.logs.subscriber import Subscriber
from forecourt.store import Store
from forecourt.telemetry.log_group import NewEvent
from forecourt.telemetry.log_store import GroupKey
from forecourt.telemetry.metrics import MetricId, Metrics
from forecourt.telemetry.segments import LogEvent
from forecourt.telemetry.statistics import StatisticSet

_log = logging.getLogger("forecourt.logs")

_MOST_WAITING = 100_000
_MINUTE_MS = 60_000
MakeSubscriber = Callable[[SubscriptionFilter], Subscriber]


class _Active(NamedTuple):
    """A group's filters, compiled."""

    metrics: list[tuple[MetricFilter, Matcher]]
    subscriptions: list[tuple[Subscriber, Matcher]]


class Value(NamedTuple):
    """What one event says to a metric."""

    timestamp_ms: int
    value: float
    dimensions: tuple[tuple[str, str], ...] = ()


class Filters:
    def __init__(self, store: Store, metrics: Metrics, make_subscriber: MakeSubscriber) -> None:
        self._store = store
        self._metrics = metrics
        self._make_subscriber = make_subscriber
        self._active: dict[GroupKey, _Active] = {}
        self._waiting: list[tuple[_Active, list[LogEvent]]] = []
        self._count = 0
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        counted = {filter.group_key for filter in await self._store.list(MetricFilter)}
        subscribed = {filter.group_key for filter in await self._store.list(SubscriptionFilter)}
        for key in counted | subscribed:
            await self.refresh(key)

    async def stop(self) -> None:
        if self._working is not None:
            await self._working
        await self.clear()

    async def clear(self) -> None:
        active, self._active = self._active, {}
        for group in active.values():
            for subscriber, _ in group.subscriptions:
                await subscriber.close()

    async def refresh(self, key: GroupKey) -> None:
        """The group's filters are no longer what they were."""
        before = self._active.pop(key, None)
        metrics = await self._store.list(MetricFilter, *key)
        subscriptions = await self._store.list(SubscriptionFilter, *key)
        known = {one.filter.name: one for one, _ in before.subscriptions} if before else {}
        kept = [self._subscriber(filter, known) for filter in subscriptions]
        for gone in known.values():
            await gone.close()
        if metrics or subscriptions:
            self._active[key] = _Active(
                [(filter, compile_pattern(filter.pattern)) for filter in metrics],
                [(one, compile_pattern(one.filter.pattern)) for one in kept],
            )

    def _subscriber(self, filter: SubscriptionFilter, known: dict[str, Subscriber]) -> Subscriber:
        """The one that is at work, where its filter is the same; it is taken from `known`."""
        if filter.name in known and known[filter.name].filter == filter:
            return known.pop(filter.name)
        return self._make_subscriber(filter)

    def metric_filters(self, key: GroupKey) -> int:
        active = self._active.get(key)
        return len(active.metrics) if active else 0

    def take(self, key: GroupKey, events: Sequence[NewEvent], sequences: Sequence[int]) -> None:
        """`telemetry.log_store.OnEvents`."""
        active = self._active.get(key)
        if active is None:
            return
        if self._count + len(events) > _MOST_WAITING:
            _log.warning("%d log events of %s were not held against its filters: too many", len(events), key[2])
            return
        self._count += len(events)
        self._waiting.append((active, [_log_event(*one) for one in zip(events, sequences, strict=True)]))
        if self._working is None or self._working.done():
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            active, events = self._waiting.pop(0)
            self._count -= len(events)
            try:
                await self._apply(active, events)
            except Exception:
                _log.exception("a batch of log events was not held against its filters")

    async def _apply(self, active: _Active, events: list[LogEvent]) -> None:
        for filter, matcher in active.metrics:
            values = await asyncio.to_thread(values_of, filter.transformation, matcher, events)
            self._record(filter, values, events)
        for subscriber, matcher in active.subscriptions:
            subscriber.offer(await asyncio.to_thread(_matching, matcher, events))

    def _record(self, filter: MetricFilter, values: list[Value], events: list[LogEvent]) -> None:
        wanted = filter.transformation
        unit = wanted.get("unit", "None")
        for value in values:
            metric_id = _metric_id(filter, value.dimensions)
            self._metrics.put(metric_id, value.timestamp_ms / 1000, _one(value.value), unit)
        if "defaultValue" not in wanted:
            return
        # A minute in which events came in and nothing was found has the default value.
        metric_id = _metric_id(filter, ())
        for minute in {event.timestamp_ms // _MINUTE_MS for event in events}:
            series = self._metrics.get(metric_id)
            if series is None or minute not in series.sets:
                self._metrics.put(metric_id, minute * 60.0, _one(wanted["defaultValue"]), unit)


def values_of(transformation: Mapping[str, Any], matcher: Matcher, events: Sequence[LogEvent]) -> list[Value]:
    """What a metric filter makes of `events`. An event without a number where one is wanted, or without a dimension,
    says nothing. Pure."""
    said = transformation["metricValue"]
    wanted: Mapping[str, str] = transformation.get("dimensions") or {}
    plain = None if said.startswith("$") else float(said)
    found = []
    for event in events:
        if not matcher.matches(event.message):
            continue
        fields = matcher.extract(event.message) if plain is None or wanted else {}
        number = plain if plain is not None else _number(fields.get(said))
        dimensions = tuple((name, fields[field]) for name, field in wanted.items() if fields.get(field))
        if number is not None and len(dimensions) == len(wanted):
            found.append(Value(event.timestamp_ms, number, dimensions))
    return found


def _matching(matcher: Matcher, events: Sequence[LogEvent]) -> list[LogEvent]:
    return [event for event in events if matcher.matches(event.message)]


def _log_event(event: NewEvent, sequence: int) -> LogEvent:
    timestamp_ms, ingestion_ms, stream, message = event
    return LogEvent(timestamp_ms, sequence, ingestion_ms, stream, message)


def _metric_id(filter: MetricFilter, dimensions: tuple[tuple[str, str], ...]) -> MetricId:
    wanted = filter.transformation
    return MetricId(filter.account, filter.region, wanted["metricNamespace"], wanted["metricName"], dimensions)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _one(value: float) -> StatisticSet:
    values = StatisticSet()
    values.add(value)
    return values
