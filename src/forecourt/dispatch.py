"""The implementation of the `Caller` port: the one place that every call of a service passes.

HTTP clients (through the edge), an API's integration, a state machine's task and a user pool's trigger all come here:
the call is authorized once, counted once, and its handler run. A service of ours is a table of handlers; every other
service is a backing service.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from forecourt.base.call import Authorizer, CallContext, Demand, Handler
from forecourt.base.errors import NotImplementedYet
from forecourt.base.ports import MetricSink
from forecourt.base.principal import Principal, root

_log = logging.getLogger("forecourt.call")
_T = TypeVar("_T")


# What a call needs, from its service, operation and parameters.
Describe = Callable[[str, str, Mapping[str, Any], CallContext], Sequence[Demand]]
# Checks parameters of a call that did not come over the wire against AWS's model. Raises `ServiceError`.
Validate = Callable[[str, str, Mapping[str, Any]], None]
# Is told of every call that was carried out, by service and operation.
Watch = Callable[[str, str], None]
# Is told who asks for what, where.
NoteAccess = Callable[[Principal, str, str], None]
# Looks at a call, with what it needed, before it is carried out. Raises `ServiceError`.
Inspect = Callable[[CallContext, str, str, Mapping[str, Any], Sequence[Demand]], Awaitable[None]]


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
        self._watch: Watch = lambda service, operation: None
        self._note_access: NoteAccess = lambda principal, action, region: None
        self._inspections: dict[tuple[str, str], Inspect] = {}

    def watch(self, watch: Watch) -> None:
        self._watch = watch

    def note_access(self, note: NoteAccess) -> None:
        self._note_access = note

    def inspect(self, operations: Iterable[tuple[str, str]], inspect: Inspect) -> None:
        """`operations` with their services."""
        self._inspections.update(dict.fromkeys(operations, inspect))

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

    async def _admit(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> Sequence[Demand]:
        demands = await self.authorize(context, service, operation, params)
        inspect = self._inspections.get((service, operation))
        if inspect is not None:
            await inspect(context, service, operation, params, demands)
        return demands

    async def authorize(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> Sequence[Demand]:
        """What was asked for and is granted. Raises `AccessDenied` where a policy does not let the principal do it.

        The root that Forecourt itself calls as (it has no access key) may do everything.
        """
        principal = context.principal
        if principal.kind == "root" and not principal.access_key_id:
            return ()
        demands = self._describe(service, operation, params, context)
        if demands:
            self._note_access(principal, demands[0].action, context.region)
        for demand in demands:
            await self._authorizer.authorize(principal, demand.action, demand.resource, demand.conditions)
        return demands

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
        await self._admit(context, service, operation, params)
        started = time.perf_counter()
        try:
            return await handler(context, params) or {}
        finally:
            self._watch(service, operation)
            self._count(context, service, operation, time.perf_counter() - started)

    async def _call_backing(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        backing = self._backing
        if backing is None:
            raise NotImplementedYet(f"Forecourt has no service {service!r}, and no backing services are set up.")
        return await self.pass_on(
            context, service, operation, params, lambda context: backing.call(context, service, operation, params)
        )

    async def pass_on(
        self,
        context: CallContext,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        carry_out: Callable[[CallContext], Awaitable[_T]],
    ) -> _T:
        """A call of a backing service, carried out once it is authorized: in the account and the region that the
        resource's ARN names, where those are not the caller's."""
        demands = await self._admit(context, service, operation, params)
        account, region = _place(demands, context)
        if account != context.account:
            context = msgspec.structs.replace(context, principal=root(account))
        if region != context.region:
            context = msgspec.structs.replace(context, region=region)
        try:
            return await carry_out(context)
        finally:
            self._watch(service, operation)

    def _count(self, context: CallContext, service: str, operation: str, seconds: float) -> None:
        self._metrics.record(
            context.account,
            context.region,
            "Forecourt/Calls",
            "Latency",
            (("Service", service), ("Operation", operation)),
            seconds * 1000,
        )


def _place(demands: Sequence[Demand], context: CallContext) -> tuple[str, str]:
    """The account and region that the call is carried out in: one, or what is asked of one would be done in the
    other."""
    # The first is about the call's own resource; what another service is asked for beside it is done there.
    service = demands[0].action.partition(":")[0] if demands else ""
    own = [demand for demand in demands if demand.action.startswith(f"{service}:")]
    found = {place for demand in own if (place := _place_of(demand, context)) is not None}
    if len(found) > 1:
        raise NotImplementedYet("Forecourt does not carry out one call in several places: make one for each.")
    return found.pop() if found else (context.account, context.region)


def _place_of(demand: Demand, context: CallContext) -> tuple[str, str] | None:
    """Of an ARN that names no account (S3's), none."""
    parts = demand.resource.split(":", 5)
    if len(parts) != 6 or not parts[4].isdigit():
        return None
    return parts[4], parts[3] or context.region
