"""What a plan needs of the world, once per process. The composition root fills it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink, RoleSessions
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.meter import Meter
from forecourt.upstream import Upstream

# One step, or all steps from here on: a step holds the next one and calls it, or does not.
Handler = Callable[[MethodRequest], Awaitable[MethodResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    upstream: Upstream
    caller: Caller
    clock: Clock
    ids: Ids
    logs: LogSink
    meter: Meter
    roles: RoleSessions
