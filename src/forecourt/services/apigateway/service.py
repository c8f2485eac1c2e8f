"""API Gateway: the control planes' operations, and the answering of invocations.

The two halves meet only in the store: a stage that changes is compiled into a plan (`plan/registry.py`), and an
invocation is answered by the plan that is there (`plan/plan.py`).
"""

from __future__ import annotations

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink, RoleSessions
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.gateway_responses import default_response
from forecourt.services.apigateway.plan.meter import Meter, Sink
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.plan.registry import Registry
from forecourt.services.apigateway.plan.respond import respond
from forecourt.store import Store
from forecourt.upstream import Upstream


class ApiGateway:
    """An `ApiInvoker`. `start` returns when every stage there is serves."""

    def __init__(
        self,
        *,
        store: Store,
        caller: Caller,
        clock: Clock,
        ids: Ids,
        logs: LogSink,
        metrics: Sink,
        roles: RoleSessions,
        upstream: Upstream | None = None,
    ) -> None:
        self._upstream = upstream or Upstream()
        self._owns_upstream = upstream is None
        self._ports = Ports(
            upstream=self._upstream,
            caller=caller,
            clock=clock,
            ids=ids,
            logs=logs,
            meter=Meter(metrics, clock),
            roles=roles,
        )
        self._registry = Registry(store, self._ports)

    async def start(self) -> None:
        await self._registry.start()

    async def stop(self) -> None:
        await self._registry.stop()
        self._ports.meter.flush()
        if self._owns_upstream:
            await self._upstream.close()

    async def reset(self) -> None:
        self._registry.reset()

    async def invoke(self, api_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        stage, slash, rest = raw_path[1:].partition(b"/")
        if self._registry.is_pending(api_id):
            await self._registry.settled(api_id)
        plan = self._registry.find(api_id, stage)
        if plan is None:
            await self._refuse(scope, send)
            return
        await plan.serve(slash + rest or b"/", scope, receive, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        """No such API or stage. AWS does not say which."""
        error = GatewayError("INVALID_API_KEY")
        await respond(send, default_response(error), scope["state"]["request_id"])
