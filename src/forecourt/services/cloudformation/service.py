"""CloudFormation, put together."""

from __future__ import annotations

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import RoleSessions
from forecourt.services.cloudformation.api.changes import ChangeSetsApi
from forecourt.services.cloudformation.api.exports import ExportsApi
from forecourt.services.cloudformation.api.launch import Launch
from forecourt.services.cloudformation.api.protection import ProtectionApi
from forecourt.services.cloudformation.api.requests import Requests
from forecourt.services.cloudformation.api.resources import ResourcesApi
from forecourt.services.cloudformation.api.stacks import StacksApi
from forecourt.services.cloudformation.api.templates import TemplatesApi
from forecourt.services.cloudformation.macros import Macros
from forecourt.services.cloudformation.nested import NestedStacks
from forecourt.services.cloudformation.resources.work import Ports
from forecourt.services.cloudformation.retention import Retention
from forecourt.services.cloudformation.run.runner import Runner
from forecourt.services.cloudformation.signals import Signals
from forecourt.services.cloudformation.store import StackStore
from forecourt.store import Store
from forecourt.store.sealing import Sealer


class CloudFormation:
    def __init__(
        self, *, store: Store, sealer: Sealer, caller: Caller, roles: RoleSessions, clock: Clock, ids: Ids
    ) -> None:
        self._stacks = stacks = StackStore(store, sealer)
        self._signals = Signals(store, sealer, clock)
        self._runner = Runner(stacks, roles)
        self._runner.ports = Ports(caller, clock, ids, self._signals, NestedStacks(stacks, self._runner))
        self._retention = Retention(stacks, clock)
        macros = Macros(caller)
        requests = Requests(stacks, caller, macros, roles)
        launch = Launch(stacks, self._runner, caller, clock, ids)
        self.apis = (
            StacksApi(stacks, requests, launch, clock, ids),
            ProtectionApi(stacks, requests),
            ChangeSetsApi(stacks, requests, launch, clock, ids),
            ResourcesApi(stacks),
            TemplatesApi(stacks, requests),
            ExportsApi(stacks),
        )

    async def signal(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers what custom resources and wait conditions send."""
        await self._signals.take(token, scope, receive, send)

    async def start(self) -> None:
        await self._runner.start()
        self._retention.start()

    async def stop(self) -> None:
        await self._retention.stop()
        await self._runner.stop()

    async def reset(self) -> None:
        """The store was emptied; what an operation under way wrote after that goes, too."""
        await self._runner.stop()
        await self._stacks.forget()
