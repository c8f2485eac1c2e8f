"""The implementation of the `Caller` port: the one place that every call of a service passes.

HTTP clients (through the edge), an API's integration, a state machine's task and a user pool's trigger all come here:
the call is authorized once, counted once, and its handler run. A service of ours is a table of handlers; every other
service is a backing service.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from forecourt.base.call import Authorizer, CallContext, Handler
from forecourt.base.errors import NotImplementedYet
from forecourt.base.ports import MetricSink

_log = logging.getLogger("forecourt.call")


class Demand(NamedTuple):
    """One permission that a call needs."""

    action: str
    resource: str
    conditions: Mapping[str, Any]


# What a call needs, from its service, operation and parameters.
Describe = Callable[[str, str, Mapping[str, Any], CallContext], Sequence[Demand]]
# Checks parameters of a call that did not come over the wire against AWS's model. Raises `ServiceError`.
Validate = Callable[[str, str, Mapping[str, Any]], None]


class BackingCaller(Protocol):
    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]: ...


class Dispatcher:
    """Calls an operation of any AWS service. Services are registered while the process is composed."""

    def __init__(self, authorizer: Authorizer, describe: Describe, validate: Validate, metrics: MetricSink) -> None:
        self._authorizer = authorizer
        self._describe = describe
        self._validate = validate
        self._metrics = metrics
        self._services: dict[str, Mapping[str, Handler]] = {}
        self._backing: BackingCaller | None = None

    def register(self, service: str, handlers: Mapping[str, Handler]) -> None:
        self._services[service] = handlers

    def register_backing(self, backing: BackingCaller) -> None:
        self._backing = backing

    def owns(self, service: str) -> bool:
        """Whether the service is ours and not a backing service."""
        return service in self._services

    def implemented(self) -> dict[str, list[str]]:
        """Operations by service, for `docs/coverage.md`."""
        return {service: sorted(handlers) for service, handlers in sorted(self._services.items())}

    async def authorize(self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """Raises `AccessDenied` where a policy does not let the principal make this call."""
        if context.principal.kind == "root":
            return
        for demand in self._describe(service, operation, params, context):
            await self._authorizer.authorize(
                context.principal, demand.action, demand.resource, {**context.conditions, **demand.conditions}
            )

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The `Caller` port: parameters are checked against AWS's model first."""
        if service not in self._services:
            return await self._call_backing(context, service, operation, params)
        self._validate(service, operation, params)
        return await self.run(context, service, operation, params)

    async def run(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A call of a service of ours, whose parameters were checked when they were decoded."""
        handler = self._services[service].get(operation)
        if handler is None:
            raise NotImplementedYet(
                f"Forecourt does not implement {service}:{operation} yet. docs/coverage.md lists what it does."
            )
        await self.authorize(context, service, operation, params)
        started = time.perf_counter()
        try:
            return await handler(context, params) or {}
        finally:
            self._count(context, service, operation, time.perf_counter() - started)

    async def _call_backing(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        if self._backing is None:
            raise NotImplementedYet(f"Forecourt has no service {service!r}, and no backing services are set up.")
        await self.authorize(context, service, operation, params)
        return await self._backing.call(context, service, operation, params)

    def _count(self, context: CallContext, service: str, operation: str, seconds: float) -> None:
        self._metrics.record(
            context.account,
            context.region,
            "Forecourt/Calls",
            "Latency",
            (("Service", service), ("Operation", operation)),
            seconds * 1000,
        )
