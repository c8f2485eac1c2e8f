"""Which plan answers an API's stage. Fed by the store's change notices; an invocation only looks up.

Plans are compiled when the process starts and whenever a stage changes; a stage's plan is replaced whole, and requests
that are under way keep the one they have. Changes are worked off in their order, and who calls an API that has one
under way waits for it: what a client was told is deployed is served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from forecourt.services.apigateway.http.model import Api as HttpApi
from forecourt.services.apigateway.http.model import HttpSnapshot
from forecourt.services.apigateway.http.model import Stage as HttpStage
from forecourt.services.apigateway.plan.canary import Canary
from forecourt.services.apigateway.plan.compile import compile_plan
from forecourt.services.apigateway.plan.http_api import HttpPlan, compile_http_plan
from forecourt.services.apigateway.plan.limiting import KINDS
from forecourt.services.apigateway.plan.plan import Plan
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.plan.state import Shared
from forecourt.services.apigateway.rest.model import Stage
from forecourt.services.apigateway.snapshot import Snapshot
from forecourt.store import Change, Document, Store

_log = logging.getLogger("forecourt.apigateway")
_ALL = "*"


class Registry:
    def __init__(self, store: Store, ports: Ports, shared: Shared) -> None:
        self._store = store
        self._ports = ports
        self._shared = shared
        # By API, then by stage as it stands in a path
        self._plans: dict[str, dict[bytes, Plan | Canary | HttpPlan]] = {}
        self._http_apis: set[str] = set()
        self._unsubscribe: list[Callable[[], None]] = []
        self._changed: asyncio.Queue[Change] = asyncio.Queue()
        # APIs (or `*`) with changes that are not worked off yet: how many, and who waits for them
        self.pending: dict[str, tuple[int, asyncio.Event]] = {}
        self._follower: asyncio.Task[None] | None = None

    def find(self, api_id: str, stage: bytes) -> Plan | Canary | HttpPlan | None:
        stages = self._plans.get(api_id)
        return stages.get(stage) if stages is not None else None

    def is_changing(self, api_id: str) -> bool:
        return api_id in self.pending or _ALL in self.pending

    def is_http(self, api_id: str) -> bool:
        """Whether there is such an HTTP API, served or not."""
        return api_id in self._http_apis

    async def settled(self, api_id: str) -> None:
        """Waits until every change of the API that was acknowledged is served."""
        for name in (api_id, _ALL):
            while (pending := self.pending.get(name)) is not None:
                await pending[1].wait()

    async def start(self) -> None:
        kinds: tuple[type[Document], ...] = (Stage, HttpStage, HttpApi, *KINDS)
        for kind in kinds:
            self._unsubscribe.append(self._store.changes.subscribe(kind, self._on_change))
        await self._shared.limits.keys.load()
        self._http_apis = {api.api_id for api in await self._store.list(HttpApi)}
        for stage in await self._store.list(Stage):
            await self._load(stage)
        for http_stage in await self._store.list(HttpStage):
            await self._load_http(http_stage)
        self._follower = asyncio.create_task(self._follow(), name="apigateway plans")

    async def stop(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        if self._follower is not None:
            self._follower.cancel()
            self._follower = None
        for _, event in self.pending.values():
            event.set()
        self.pending.clear()

    def reset(self) -> None:
        self._plans.clear()
        self._http_apis.clear()

    def _on_change(self, changes: list[Change]) -> None:
        for change in changes:
            name = _concerned(change)
            count, event = self.pending.get(name) or (0, asyncio.Event())
            self.pending[name] = (count + 1, event)
            self._changed.put_nowait(change)

    async def _follow(self) -> None:
        while True:
            change = await self._changed.get()
            try:
                await self._apply(change)
            except Exception:
                _log.exception("a change was not applied: %s %s", change.kind.__name__, "/".join(change.key))
            finally:
                self._done(_concerned(change))

    def _done(self, name: str) -> None:
        count, event = self.pending[name]
        if count > 1:
            self.pending[name] = (count - 1, event)
        else:
            del self.pending[name]
            event.set()

    async def _apply(self, change: Change) -> None:
        document = None if change.deleted else await self._store.get(change.kind, *change.key)
        if change.kind in (Stage, HttpStage):
            if document is None:
                self._drop(*change.key)
            elif isinstance(document, HttpStage):
                await self._load_http(document)
            else:
                await self._load(document)
        elif change.kind is HttpApi:
            (self._http_apis.discard if document is None else self._http_apis.add)(change.key[2])
        elif document is None:
            self._shared.limits.keys.forget(change)
        else:
            self._shared.limits.keys.put(document)

    def _drop(self, account: str, region: str, api_id: str, stage_name: str) -> None:
        self._shared.stage_caches.drop(account, region, api_id, stage_name)
        stages = self._plans.get(api_id, {})
        stages.pop(stage_name.encode(), None)
        if not stages:
            self._plans.pop(api_id, None)

    async def _load(self, stage: Stage) -> None:
        stable = await self._compile(stage, stage.deployment_id)
        if stable is None:
            # Its deployment is gone, or its API is not to be called here.
            self._plans.get(stage.rest_api_id, {}).pop(stage.stage_name.encode(), None)
            return
        serving: Plan | Canary = stable
        settings = stage.canary_settings
        if settings is not None and settings.deployment_id and settings.percent_traffic > 0:
            canary = await self._compile(stage, settings.deployment_id, canary=True)
            if canary is not None:
                serving = Canary(stable, canary, settings.percent_traffic, self._ports.ids)
        self._plans.setdefault(stage.rest_api_id, {})[stage.stage_name.encode()] = serving

    async def _load_http(self, stage: HttpStage) -> None:
        if not stage.deployment_id:
            return
        snapshot = await self._store.get(HttpSnapshot, stage.account, stage.region, stage.api_id, stage.deployment_id)
        if snapshot is None:
            # An automatic deployment that a later one has replaced: its own notice follows.
            return
        if snapshot.disable_execute_api_endpoint:
            self._plans.get(stage.api_id, {}).pop(stage.stage_name.encode(), None)
            return
        plan = compile_http_plan(snapshot, stage, self._ports, self._shared)
        self._plans.setdefault(stage.api_id, {})[stage.stage_name.encode()] = plan

    async def _compile(self, stage: Stage, deployment_id: str, *, canary: bool = False) -> Plan | None:
        key = (stage.account, stage.region, stage.rest_api_id, deployment_id)
        snapshot = await self._store.get(Snapshot, *key)
        if snapshot is None:
            _log.error("stage %s of %s: its deployment is gone", stage.stage_name, stage.rest_api_id)
            return None
        if snapshot.disable_execute_api_endpoint:
            return None
        return compile_plan(snapshot, stage, self._ports, self._shared, canary=canary)


def _concerned(change: Change) -> str:
    """The API that a change is of. API keys and usage plans may concern any."""
    return change.key[2] if change.kind in (Stage, HttpStage, HttpApi) else _ALL
