"""Metrics over a restart: what was recorded in a minute is one document.

What PutMetricData acknowledged is kept before it answers; callers that wait at the same time share a write. What
Forecourt itself records is kept once a minute, so a process that is killed loses no more than that. What memory has let
go, the store lets go.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from forecourt.base.clock import Clock, Timer
from forecourt.store import Document, Store, StoreUnavailable, Tx
from forecourt.telemetry.metrics import Dimensions, MetricId, Metrics, Series
from forecourt.telemetry.statistics import StatisticSet

_log = logging.getLogger(__name__)

_KEEP_SECONDS = 60.0
_PAGE = 100


class KeptSet(msgspec.Struct, array_like=True):
    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions
    unit: str
    count: float
    sum: float
    minimum: float
    maximum: float
    buckets: dict[int, float]


class MetricMinute(Document):
    """`minute`: since the epoch, in twelve digits, so that keys sort."""

    __kind__ = "cloudwatch.MetricMinute"
    __key__ = ("minute",)

    minute: str
    sets: list[KeptSet]


class MetricsKeeper:
    def __init__(self, store: Store, metrics: Metrics, clock: Clock) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._keeping = asyncio.Lock()
        self._begun = self._finished = 0  # how many times everything was written
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        after: tuple[str, ...] | None = None
        while page := await self._store.list(MetricMinute, after=after, limit=_PAGE):
            for kept in page:
                self._restore(kept)
            after = (page[-1].minute,)
        self._schedule()

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._try_to_keep()

    async def keep(self) -> None:
        """Returns once everything recorded until now is in the store. Raises `StoreUnavailable`."""
        enough = self._begun + 1  # the next one to begin has all of it
        async with self._keeping:
            if self._finished >= enough:
                return
            self._begun += 1
            await self._write(self._metrics.take_changed())
            self._finished = self._begun

    async def _write(self, minutes: set[int]) -> None:
        if not minutes:
            return
        documents = [self._document(minute) for minute in minutes]
        oldest = self._metrics.oldest_minute

        def change(tx: Tx) -> None:
            for document in documents:
                tx.put(document)
            if oldest is not None:
                _forget_before(tx, _name(oldest))

        try:
            await self._store.write(change)
        except BaseException:
            self._metrics.note_changed(minutes)
            raise

    def _document(self, minute: int) -> MetricMinute:
        sets = [_kept(series, values) for series, values in self._metrics.of_minute(minute)]
        return MetricMinute(minute=_name(minute), sets=sets)

    def _restore(self, minute: MetricMinute) -> None:
        for kept in minute.sets:
            values = StatisticSet()
            values.add_summary(kept.count, kept.sum, kept.minimum, kept.maximum)
            values.buckets = kept.buckets
            metric_id = MetricId(kept.account, kept.region, kept.namespace, kept.name, kept.dimensions)
            self._metrics.restore(metric_id, kept.unit, int(minute.minute), values)

    def _schedule(self) -> None:
        self._timer = self._clock.call_later(_KEEP_SECONDS, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._try_to_keep())
        self._schedule()

    async def _try_to_keep(self) -> None:
        try:
            await self.keep()
        except StoreUnavailable as error:
            _log.error("metrics were not kept: %s", error.message)


def _kept(series: Series, values: StatisticSet) -> KeptSet:
    return KeptSet(
        *series.id, series.unit, values.count, values.sum, values.minimum, values.maximum, dict(values.buckets)
    )


def _forget_before(tx: Tx, oldest: str) -> None:
    for old in tx.list(MetricMinute, limit=_PAGE):
        if old.minute >= oldest:
            return
        tx.delete(MetricMinute, old.minute)


def _name(minute: int) -> str:
    return f"{minute:012}"
