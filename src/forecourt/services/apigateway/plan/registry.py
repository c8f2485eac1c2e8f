"""Which plan answers an API's stage. Fed by the store's change notices; an invocation only looks up.

Plans are compiled when the process starts and whenever a stage changes; a stage's plan is replaced whole, and requests
that are under way keep the one they have.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from forecourt.services.apigateway.plan.compile import compile_plan
from forecourt.services.apigateway.plan.plan import Plan
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Stage
from forecourt.services.apigateway.snapshot import Snapshot
from forecourt.store import Change, Store

_log = logging.getLogger("forecourt.apigateway")


class Registry:
    def __init__(self, store: Store, ports: Ports) -> None:
        self._store = store
        self._ports = ports
        # By API, then by stage as it stands in a path
        self._plans: dict[str, dict[bytes, Plan]] = {}
        self._unsubscribe: list[Callable[[], None]] = []
        self._changed: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        # APIs with a change that is not compiled yet: how many, and who waits for it
        self._pending: dict[str, tuple[int, asyncio.Event]] = {}
        self._follower: asyncio.Task[None] | None = None

    def find(self, api_id: str, stage: bytes) -> Plan | None:
        stages = self._plans.get(api_id)
        return stages.get(stage) if stages is not None else None

    def is_pending(self, api_id: str) -> bool:
        return api_id in self._pending

    async def settled(self, api_id: str) -> None:
        """Waits until every change of the API that was acknowledged is served."""
        while (pending := self._pending.get(api_id)) is not None:
            await pending[1].wait()

    async def start(self) -> None:
        self._unsubscribe.append(self._store.changes.subscribe(Stage, self._on_change))
        for stage in await self._store.list(Stage):
            await self._load(stage)
        self._follower = asyncio.create_task(self._follow(), name="apigateway plans")

    async def stop(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        if self._follower is not None:
            self._follower.cancel()
            self._follower = None
        for _, event in self._pending.values():
            event.set()
        self._pending.clear()

    def reset(self) -> None:
        self._plans.clear()

    def _on_change(self, changes: list[Change]) -> None:
        for change in changes:
            if change.deleted:
                self._drop(*change.key)
            else:
                count, event = self._pending.get(change.key[2]) or (0, asyncio.Event())
                self._pending[change.key[2]] = (count + 1, event)
                self._changed.put_nowait(tuple(change.key))

    def _done(self, api_id: str) -> None:
        count, event = self._pending[api_id]
        if count > 1:
            self._pending[api_id] = (count - 1, event)
        else:
            del self._pending[api_id]
            event.set()

    def _drop(self, account: str, region: str, api_id: str, stage_name: str) -> None:
        stages = self._plans.get(api_id, {})
        stages.pop(stage_name.encode(), None)
        if not stages:
            self._plans.pop(api_id, None)

    async def _follow(self) -> None:
        while True:
            key = await self._changed.get()
            try:
                stage = await self._store.get(Stage, *key)
                if stage is not None:
                    await self._load(stage)
            except Exception:
                _log.exception("the plan of stage %s was not compiled", "/".join(key))
            finally:
                self._done(key[2])

    async def _load(self, stage: Stage) -> None:
        key = (stage.account, stage.region, stage.rest_api_id)
        snapshot = await self._store.get(Snapshot, *key, stage.deployment_id)
        if snapshot is None:
            _log.error("stage %s of %s: its deployment is gone", stage.stage_name, stage.rest_api_id)
            return
        plan = compile_plan(snapshot, stage, self._ports)
        self._plans.setdefault(stage.rest_api_id, {})[stage.stage_name.encode()] = plan
