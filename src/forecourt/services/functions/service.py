"""Lambda, put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from forecourt.auth.authenticate import Authenticator
from forecourt.base.call import Authorizer, CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import Credentials, LogSink, MetricSink, RoleSessions
from forecourt.services.functions.api.account import AccountApi
from forecourt.services.functions.api.base import Shared
from forecourt.services.functions.api.code_signing import CodeSigningApi
from forecourt.services.functions.api.code_source import CodeSource
from forecourt.services.functions.api.concurrency import ConcurrencyApi
from forecourt.services.functions.api.event_invoke import EventInvokeApi
from forecourt.services.functions.api.event_sources import EventSourcesApi
from forecourt.services.functions.api.functions import FunctionsApi
from forecourt.services.functions.api.invoke import InvokeApi
from forecourt.services.functions.api.layers import LayersApi
from forecourt.services.functions.api.managed import ManagedApi
from forecourt.services.functions.api.permissions import PermissionsApi
from forecourt.services.functions.api.tags import TagsApi
from forecourt.services.functions.api.urls import UrlsApi
from forecourt.services.functions.api.versions import AliasesApi, VersionsApi
from forecourt.services.functions.catalog import Catalog
from forecourt.services.functions.code import CodeFolders, remove_folder
from forecourt.services.functions.concurrency import Concurrency
from forecourt.services.functions.destinations import Destinations
from forecourt.services.functions.downloads import Downloads
from forecourt.services.functions.event_sources.pollers import Pollers
from forecourt.services.functions.fleet import Fleet, Limits
from forecourt.services.functions.invoker import Invoker
from forecourt.services.functions.making import Maker
from forecourt.services.functions.model import ProvisionedConcurrency
from forecourt.services.functions.names import FunctionId
from forecourt.services.functions.queue import EventQueue
from forecourt.services.functions.runtime.spec import FunctionSpec
from forecourt.services.functions.store import FunctionStore
from forecourt.services.functions.urls.serve import FunctionUrls
from forecourt.store import Store
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer

_PRINCIPAL = "lambda.amazonaws.com"


class Functions:
    """`work_dir` is scratch: emptied at start and stop. `endpoint_url` is where functions find Forecourt."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        sealer: Sealer,
        caller: Caller,
        roles: RoleSessions,
        clock: Clock,
        ids: Ids,
        logs: LogSink,
        metrics: MetricSink,
        work_dir: Path,
        endpoint_url: str,
        concurrency: int = 1000,
        limits: Limits | None = None,
    ) -> None:
        self._roles = roles
        self._ids = ids
        self._clock = clock
        self._work_dir = work_dir
        self._store = FunctionStore(store, blobs, sealer)
        folders = CodeFolders(work_dir / "code", blobs.kept)
        maker = Maker(
            folder=work_dir / "environments", code=folders, assume=self._assume, logs=logs, clock=clock, ids=ids
        )
        self._fleet = Fleet(maker, folders, endpoint_url=endpoint_url, clock=clock, limits=limits or Limits())
        self._catalog = Catalog(self._store, self._fleet.retire)
        self.invoker = Invoker(self._catalog, self._fleet, Concurrency(concurrency), metrics, clock, ids)
        destinations = Destinations(caller)
        self._queue = EventQueue(self._store, self.invoker, destinations, self._act_as, clock)
        self._pollers = Pollers(self._store, self.invoker, caller, destinations, self._act_as, clock, ids)
        shared, code = Shared(self._store, clock, ids), CodeSource(caller)
        self._downloads = Downloads(blobs, sealer, clock)
        self.permissions = PermissionsApi(shared)
        self.apis: tuple[object, ...] = (
            FunctionsApi(shared, code, roles, self._downloads),
            VersionsApi(shared),
            AliasesApi(shared),
            LayersApi(shared, code, self._downloads),
            self.permissions,
            ConcurrencyApi(shared, concurrency, self._provision),
            EventInvokeApi(shared),
            TagsApi(shared),
            UrlsApi(shared),
            ManagedApi(shared),
            CodeSigningApi(shared),
            AccountApi(shared, concurrency),
            EventSourcesApi(shared, caller, self._pollers.results.get),
            InvokeApi(self.invoker, self._queue, ids),
        )

    def urls(self, authenticator: Authenticator, authorizer: Authorizer) -> FunctionUrls:
        """What answers the HTTP requests of function URLs."""
        return FunctionUrls(self._store.store, self.invoker, authenticator, authorizer, self._clock, self._downloads)

    async def start(self) -> None:
        await asyncio.to_thread(self._clean)
        self._queue.start()
        await self._pollers.start()
        for config in await self._store.store.list(ProvisionedConcurrency):
            id = FunctionId(config.account, config.region, config.name, config.qualifier)
            await self._provision(id, config.requested)

    async def stop(self) -> None:
        await self._pollers.close()
        await self._queue.stop()
        await self._fleet.stop()
        self._catalog.close()
        await asyncio.to_thread(self._clean)

    async def reset(self) -> None:
        """The store was emptied."""
        self._catalog.clear()
        await self._pollers.reset()
        await self._fleet.reset()
        await self._queue.reset()
        await self._store.blobs.clear()

    def _clean(self) -> None:
        remove_folder(self._work_dir)
        self._work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def _assume(self, spec: FunctionSpec) -> Credentials:
        conditions = {"aws:SourceArn": spec.arn, "aws:SourceAccount": spec.account}
        return await self._roles.assume(spec.role, spec.name, _PRINCIPAL, conditions)

    async def _act_as(self, id: FunctionId, role: str) -> CallContext:
        conditions = {"aws:SourceArn": id.arn, "aws:SourceAccount": id.account}
        principal = await self._roles.principal(role, id.name, _PRINCIPAL, conditions)
        return CallContext(principal=principal, region=id.region, request_id=self._ids.uuid())

    async def _provision(self, id: FunctionId, count: int) -> None:
        target = await self._catalog.find(id)
        self._fleet.provision(target.main, count)
