"""CloudWatch's metrics: PutMetricData, ListMetrics, GetMetricStatistics, GetMetricData.

Held in `telemetry.Metrics` and kept in the store by `MetricsKeeper`.
"""

from __future__ import annotations

from forecourt.base.clock import Clock
from forecourt.services.cloudwatch.api import MetricsApi
from forecourt.services.cloudwatch.keep import MetricsKeeper
from forecourt.store import Store
from forecourt.telemetry.metrics import Metrics


class CloudWatch:
    def __init__(self, *, metrics: Metrics, clock: Clock, store: Store | None = None) -> None:
        """Without a store metrics are in memory only."""
        self._metrics = metrics
        self._keeper = MetricsKeeper(store, metrics, clock)
        self.apis = (MetricsApi(metrics, self._keeper, clock),)

    async def start(self) -> None:
        await self._keeper.start()

    async def stop(self) -> None:
        await self._keeper.stop()

    async def reset(self) -> None:
        self._metrics.reset()
