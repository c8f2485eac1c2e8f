"""CloudWatch Logs: groups, streams, events, filter patterns, metric and subscription filters, queries, retention, tags.

`Logs` keeps groups and streams in the store and events in `telemetry.log_store`. A log sink that writes to a group or
stream which is not there makes it, as AWS's services do with their own log groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from forecourt.base.call import Caller
from forecourt.base.clock import Clock, Timer
from forecourt.base.ids import Ids
from forecourt.base.ports import RoleSessions
from forecourt.services.logs.api.events import EventsApi
from forecourt.services.logs.api.filters import FiltersApi
from forecourt.services.logs.api.groups import GroupsApi
from forecourt.services.logs.api.policies import PoliciesApi
from forecourt.services.logs.api.queries import QueriesApi
from forecourt.services.logs.api.query_definitions import QueryDefinitionsApi
from forecourt.services.logs.api.tags import TagsApi
from forecourt.services.logs.embedded_metrics import embedded_in
from forecourt.services.logs.filters import Filters
from forecourt.services.logs.model import LogGroup
from forecourt.services.logs.queries import Queries
from forecourt.services.logs.store import LogsStore
from forecourt.services.logs.subscriber import Ports, Subscriber
from forecourt.store import Store
from forecourt.telemetry.log_group import NewEvent
from forecourt.telemetry.log_store import GroupKey, LogStore
from forecourt.telemetry.metrics import MetricId, Metrics

_DAY_MS = 86_400_000
_SWEEP_SECONDS = 3600.0


class Logs:
    def __init__(
        self,
        *,
        store: Store,
        events: LogStore,
        metrics: Metrics,
        caller: Caller,
        roles: RoleSessions,
        clock: Clock,
        ids: Ids,
    ) -> None:
        ports = Ports(caller, roles, clock, ids)
        make_subscriber = partial(Subscriber, ports=ports)
        self._logs = LogsStore(store)
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._timer: Timer | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._queries = Queries(events, clock)
        self._filters = Filters(store, metrics, make_subscriber)
        self.apis = (
            GroupsApi(self._logs, events, self._filters, clock),
            EventsApi(self._logs, events, clock),
            FiltersApi(self._logs, self._filters, make_subscriber, clock),
            QueriesApi(self._logs, events, self._queries, clock, ids),
            QueryDefinitionsApi(self._logs, clock, ids),
            PoliciesApi(self._logs, clock),
            TagsApi(self._logs),
        )
        events.on_written = self._logs.note
        events.on_events = self._take

    async def start(self) -> None:
        await self._events.start()
        await self._filters.start()
        self._schedule()

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._sweeping is not None:
            await self._sweeping
        await self._queries.stop()
        await self._events.stop()
        await self._filters.stop()

    async def reset(self) -> None:
        await self._queries.clear()
        await self._filters.clear()
        await self._events.reset()

    def _take(self, key: GroupKey, events: Sequence[NewEvent], sequences: Sequence[int]) -> None:
        """`telemetry.log_store.OnEvents`."""
        account, region, _ = key
        now_ms = self._clock.now_ms()
        for _, _, _, message in events:
            for one in embedded_in(message, now_ms):
                metric = MetricId(account, region, one.namespace, one.name, one.dimensions)
                self._metrics.put(metric, one.at, one.values, one.unit)
        self._filters.take(key, events, sequences)

    async def sweep(self) -> None:
        """Deletes events that are older than their group's retention. Whole segments only; reads see none of them."""
        for group in await self._logs.store.list(LogGroup):
            if group.retention_days:
                await self._events.expire(group.key, self._clock.now_ms() - group.retention_days * _DAY_MS)

    def _schedule(self) -> None:
        self._timer = self._clock.call_later(_SWEEP_SECONDS, self._begin_sweep)

    def _begin_sweep(self) -> None:
        self._sweeping = asyncio.get_running_loop().create_task(self.sweep())
        self._schedule()
