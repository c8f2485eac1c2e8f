"""CloudWatch: metrics, alarms on them, dashboards.

Metrics are held in `telemetry.Metrics` and kept in the store by `MetricsKeeper`; `alarms/` watches them.
"""

from __future__ import annotations

from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cloudwatch.alarms.actions import Actions
from forecourt.services.cloudwatch.alarms.api import AlarmsApi
from forecourt.services.cloudwatch.alarms.store import AlarmStore
from forecourt.services.cloudwatch.alarms.watch import Watch
from forecourt.services.cloudwatch.api import MetricsApi
from forecourt.services.cloudwatch.dashboards import DashboardsApi
from forecourt.services.cloudwatch.keep import MetricsKeeper
from forecourt.store import Store
from forecourt.telemetry.metrics import Metrics


class CloudWatch:
    def __init__(self, *, store: Store, metrics: Metrics, caller: Caller, clock: Clock, ids: Ids) -> None:
        self._metrics = metrics
        self._keeper = MetricsKeeper(store, metrics, clock)
        alarms = AlarmStore(store, clock)
        self.watch = Watch(alarms, metrics, Actions(caller, ids), clock)
        self.apis = (
            MetricsApi(metrics, self._keeper, clock),
            AlarmsApi(alarms, self.watch, clock),
            DashboardsApi(store, clock),
        )

    async def start(self) -> None:
        await self._keeper.start()
        self.watch.start()

    async def stop(self) -> None:
        await self.watch.stop()
        await self._keeper.stop()

    async def reset(self) -> None:
        self._metrics.reset()
