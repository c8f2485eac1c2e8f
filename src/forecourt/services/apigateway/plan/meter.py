"""What is counted of a request that was answered: CloudWatch's metrics of `AWS/ApiGateway`.

By API and by stage always; by resource and method where the method's settings ask for detailed metrics. A request adds
to a tally, which costs about a microsecond; the tallies reach the metrics store once a second.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from forecourt.base.clock import Clock
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.telemetry.metrics import Dimensions, MetricId
from forecourt.telemetry.statistics import StatisticSet

_NAMESPACE = "AWS/ApiGateway"
_FLUSH_SECONDS = 1.0


class Sink(Protocol):
    """The metrics store, as far as it is needed here."""

    def put(self, metric_id: MetricId, at: float, values: StatisticSet, unit: str = "") -> None: ...


class Tally:
    """The requests since the last flush that count under the same dimensions."""

    __slots__ = (
        "_meter",
        "backend",
        "cached",
        "client_errors",
        "count",
        "latency",
        "scopes",
        "server_errors",
        "uncached",
    )

    def __init__(self, meter: Meter, scopes: tuple[tuple[str, str, Dimensions], ...]) -> None:
        """`scopes`: account, region and dimensions of every metric to count in."""
        self._meter = meter
        self.scopes = scopes
        self.clear()

    def clear(self) -> None:
        self.count = self.client_errors = self.server_errors = self.cached = self.uncached = 0
        # How many requests took how many tenths of a millisecond: as precise as anybody asks, and quick to count
        self.latency: dict[int, int] = {}
        self.backend: dict[int, int] = {}

    def note(self, request: MethodRequest, response: MethodResponse, latency_ms: float) -> None:
        if not self.count:
            self._meter.note(self)
        self.count += 1
        status, backend_ms = response.status, response.integration_latency_ms
        tenths = int(latency_ms * 10)
        self.latency[tenths] = self.latency.get(tenths, 0) + 1
        if backend_ms:
            tenths = int(backend_ms * 10)
            self.backend[tenths] = self.backend.get(tenths, 0) + 1
        if status >= 400:
            if status < 500:
                self.client_errors += 1
            else:
                self.server_errors += 1

    def sets(self) -> list[tuple[str, StatisticSet]]:
        sets = [
            ("Count", _of_each(1.0, self.count)),
            ("Latency", _durations(self.latency)),
            ("4XXError", _share(self.client_errors, self.count)),
            ("5XXError", _share(self.server_errors, self.count)),
            ("IntegrationLatency", _durations(self.backend)),
            ("CacheHitCount", _of_each(1.0, self.cached)),
            ("CacheMissCount", _of_each(1.0, self.uncached)),
        ]
        return [(name, values) for name, values in sets if values.count]


class HttpTally(Tally):
    """What an HTTP API counts besides, and by which names.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    """

    __slots__ = ("processed",)

    def clear(self) -> None:
        super().clear()
        # How many requests and responses were of so many bytes
        self.processed: dict[int, int] = {}

    def note(self, request: MethodRequest, response: MethodResponse, latency_ms: float) -> None:
        super().note(request, response, latency_ms)
        size = (request.body.length or 0) + (response.size or 0)
        self.processed[size] = self.processed.get(size, 0) + 1

    def sets(self) -> list[tuple[str, StatisticSet]]:
        sets = [(_HTTP_NAMES.get(name, name), values) for name, values in super().sets()]
        return [*sets, ("DataProcessed", _sizes(self.processed))]


_HTTP_NAMES = {"4XXError": "4xx", "5XXError": "5xx"}


def _of_each(value: float, count: int) -> StatisticSet:
    values = StatisticSet()
    if count:
        values.add(value, float(count))
    return values


def _durations(tenths: Mapping[int, int]) -> StatisticSet:
    values = StatisticSet()
    for duration, count in tenths.items():
        values.add(duration / 10, float(count))
    return values


def _sizes(counts: Mapping[int, int]) -> StatisticSet:
    values = StatisticSet()
    for size, count in counts.items():
        values.add(float(size), float(count))
    return values


def _share(count: int, total: int) -> StatisticSet:
    """One for each that is, nought for each that is not: the average is the rate, as AWS documents it."""
    values = _of_each(1.0, count)
    if total > count:
        values.add(0.0, float(total - count))
    return values


class Meter:
    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._noted: list[Tally] = []
        self._timer: asyncio.TimerHandle | None = None

    def note(self, tally: Tally) -> None:
        self._noted.append(tally)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        noted, self._noted = self._noted, []
        now = self._clock.now()
        for tally in noted:
            for name, values in tally.sets():
                for account, region, dimensions in tally.scopes:
                    self._sink.put(MetricId(account, region, _NAMESPACE, name, dimensions), now, values)
            tally.clear()
