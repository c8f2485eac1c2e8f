"""Step Functions, put together."""

from __future__ import annotations

from typing import Any

from forecourt.base.call import Authorizer, Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink, MetricSink, RoleSessions
from forecourt.services.stepfunctions.api.executions import ExecutionsApi
from forecourt.services.stepfunctions.api.machines import StateMachinesApi
from forecourt.services.stepfunctions.api.mapruns import MapRunsApi
from forecourt.services.stepfunctions.api.tags import TagsApi
from forecourt.services.stepfunctions.api.tasks import ActivitiesApi, TasksApi
from forecourt.services.stepfunctions.api.teststate import TestStateApi
from forecourt.services.stepfunctions.api.versions import AliasesApi, VersionsApi
from forecourt.services.stepfunctions.integrations import Integrations, Mocks
from forecourt.services.stepfunctions.integrations.api_calls import ApiCalls
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.integrations.connection import Connections
from forecourt.services.stepfunctions.integrations.exchange import Exchanges
from forecourt.services.stepfunctions.integrations.http import HttpTasks
from forecourt.services.stepfunctions.model import ExecutionRecord
from forecourt.services.stepfunctions.run.activities import Activities
from forecourt.services.stepfunctions.run.committer import Committer
from forecourt.services.stepfunctions.run.express import Express
from forecourt.services.stepfunctions.run.logs import ExecutionLogs
from forecourt.services.stepfunctions.run.machines import Machines
from forecourt.services.stepfunctions.run.maprun import MapRuns
from forecourt.services.stepfunctions.run.metrics import ExecutionMetrics
from forecourt.services.stepfunctions.run.retention import Retention
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.timers import Timers
from forecourt.services.stepfunctions.run.work import Workers
from forecourt.store import Store
from forecourt.upstream import Upstream


class StepFunctions:
    """`api_url`: where an API of ours is reached by `apigateway:invoke`. `mocks`: the content of a MockConfigFile."""

    def __init__(
        self,
        *,
        store: Store,
        caller: Caller,
        clock: Clock,
        ids: Ids,
        logs: LogSink | None,
        metrics: MetricSink | None,
        roles: RoleSessions,
        authorizer: Authorizer | None = None,
        upstream: Upstream | None = None,
        api_url: str = "http://127.0.0.1:4566",
        mocks: dict[str, Any] | None = None,
    ) -> None:
        self._upstream = upstream or Upstream()
        self._owns_upstream = upstream is None
        self._store = store
        self._activities = Activities()
        self._committer = Committer(store)
        self._machines = Machines(store)
        execution_logs = ExecutionLogs(logs)
        self._shell = Shell(store, self._committer, self._machines, clock, ids, execution_logs)
        self._calls = ServiceCalls(caller, roles, clock)
        integrations = self._integrations(authorizer, clock, api_url, Mocks(mocks))
        self._workers = Workers(integrations, self._activities)
        self._express = Express(self._machines, self._workers, clock, ids, execution_logs)
        self._map_runs = MapRuns(store, self._committer, self._shell, self._express, self._calls, clock)
        self._timers = Timers(store, self._shell, clock)
        self._retention = Retention(store, clock)
        self._metrics = ExecutionMetrics(metrics)
        self._connect()
        self.apis = (
            StateMachinesApi(store, self._machines, clock, ids),
            VersionsApi(store, clock),
            AliasesApi(store, clock),
            ExecutionsApi(store, self._shell, self._express, clock, ids),
            TasksApi(self._shell),
            ActivitiesApi(store, self._shell, self._activities, clock),
            MapRunsApi(store, self._map_runs),
            TagsApi(store),
            TestStateApi(integrations, clock, ids),
        )

    def _integrations(self, authorizer: Authorizer | None, clock: Clock, api_url: str, mocks: Mocks) -> Integrations:
        exchanges = Exchanges(self._upstream)
        http = HttpTasks(Connections(self._calls, authorizer, exchanges, clock), exchanges)
        api_calls = ApiCalls(self._calls, exchanges, api_url)
        return Integrations(self._calls, http, api_calls, clock, self._shell.finished, mocks)

    def _connect(self) -> None:
        self._shell.perform = lambda pending: self._workers.perform(pending, self._shell)
        self._shell.abandon = self._workers.abandon
        self._shell.set_alarm = self._timers.set_alarm
        self._workers.run_map = self._map_runs.perform

        def count(record: ExecutionRecord) -> None:
            self._metrics.finished(record)

        self._shell.on_finished.append(count)
        self._express.on_finished.append(count)

    async def start(self) -> None:
        """Goes on with everything that was open when the process ended."""
        await self._workers.recover(self._store, self._committer, self._shell)
        await self._timers.start()
        self._retention.start()

    async def stop(self) -> None:
        self._timers.stop()
        self._retention.stop()
        self._map_runs.closing = True
        await self._workers.close()
        await self._shell.close()
        self._activities.clear()
        self._express.clear()
        if self._owns_upstream:
            await self._upstream.close()

    async def reset(self) -> None:
        """The store was emptied."""
        self._timers.stop()
        self._map_runs.closing = True
        await self._workers.close()
        self._map_runs.closing = False
        self._activities.clear()
        self._express.clear()
        self._shell.forget()
        self._machines.clear()
        self._calls.forget()
