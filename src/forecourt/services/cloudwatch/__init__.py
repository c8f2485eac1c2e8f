"""CloudWatch's metrics: PutMetricData, ListMetrics, GetMetricStatistics, GetMetricData. Kept in `telemetry.Metrics`."""

from __future__ import annotations

from forecourt.base.clock import Clock
from forecourt.services.cloudwatch.api import MetricsApi
from forecourt.telemetry.metrics import Metrics


class CloudWatch:
    def __init__(self, *, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self.apis = (MetricsApi(metrics, clock),)

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def reset(self) -> None:
        self._metrics.reset()
