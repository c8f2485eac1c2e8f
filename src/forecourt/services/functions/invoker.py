"""From a function's name to the result of an invocation: resolve, admit, get an environment, invoke, count.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.ports import MetricSink
from forecourt.services.functions import lineage
from forecourt.services.functions.catalog import Catalog
from forecourt.services.functions.concurrency import Concurrency
from forecourt.services.functions.errors import RecursiveInvocationException, TooManyRequestsException
from forecourt.services.functions.fleet import Fleet
from forecourt.services.functions.names import FunctionId
from forecourt.services.functions.runtime.environment import Completion
from forecourt.services.functions.runtime.messages import Failure, Invocation, Result
from forecourt.services.functions.runtime.session import Buffer, Sink
from forecourt.services.functions.runtime.spec import FunctionSpec
from forecourt.telemetry import trace

_NAMESPACE = "AWS/Lambda"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be invoked with."""

    request_id: str
    payload: bytes
    client_context: str = ""
    cognito_identity: str = ""
    # The trace header that the event came with
    trace_id: str = ""
    tail: bool = False


class Invoked(msgspec.Struct, frozen=True):
    result: Result
    executed_version: str
    log_tail: bytes | None


class Invoker:
    def __init__(
        self, catalog: Catalog, fleet: Fleet, concurrency: Concurrency, metrics: MetricSink, clock: Clock, ids: Ids
    ) -> None:
        self._catalog = catalog
        self._fleet = fleet
        self._concurrency = concurrency
        self._metrics = metrics
        self._clock = clock
        self._ids = ids

    async def invoke(self, id: FunctionId, event: Event, sink: Sink | None = None) -> Invoked:
        """Raises `ResourceNotFoundException`, `TooManyRequestsException`, `RecursiveInvocationException`; what the
        function does is in the result."""
        spec = (await self._catalog.find(id)).choose(self._ids)
        trace_id = self._trace_id(spec, event)
        try:
            self._concurrency.enter(spec)
        except TooManyRequestsException:
            self._record(spec, "Throttles", 1)
            raise
        try:
            environment = await self._fleet.acquire(spec)
        except BaseException as error:
            self._concurrency.leave(spec)
            if isinstance(error, TooManyRequestsException):
                self._record(spec, "Throttles", 1)
            raise
        invocation = Invocation(
            request_id=event.request_id,
            payload=event.payload,
            invoked_function_arn=id.arn,
            trace_id=trace_id,
            client_context=event.client_context,
            cognito_identity=event.cognito_identity,
            tail=event.tail,
        )
        completed = environment.invoke(invocation, sink or Buffer())
        completed.add_done_callback(partial(self._completed, spec))
        # Who gives up waiting does not stop the function.
        completion = await asyncio.shield(completed)
        return Invoked(completion.result, spec.version, completion.log_tail)

    async def check(self, id: FunctionId) -> str:
        """A dry run: the version that would be invoked."""
        return (await self._catalog.find(id)).main.version

    def _trace_id(self, spec: FunctionSpec, event: Event) -> str:
        """The trace that the event belongs to, or a new one. Raises `RecursiveInvocationException`."""
        came = trace.of_request(event.trace_id, self._clock, self._ids)
        come, visits = lineage.visited(came, spec.arn)
        if visits > lineage.MOST_VISITS and spec.ends_loops:
            self._record(spec, "RecursiveInvocationsDropped", 1)
            raise RecursiveInvocationException(
                "Lambda has detected your function being invoked in a recursive loop with other Lambda functions, and "
                "stopped your function's invocation."
            )
        return str(come._replace(parent=come.parent or self._ids.bytes(8).hex(), sampled=come.sampled or "0"))

    def _completed(self, spec: FunctionSpec, completed: asyncio.Future[Completion]) -> None:
        self._record(spec, "ConcurrentExecutions", self._concurrency.of(spec))
        self._concurrency.leave(spec)
        if completed.cancelled():
            return
        completion = completed.result()
        self._record(spec, "Invocations", 1)
        self._record(spec, "Duration", completion.duration_ms)
        self._record(spec, "Errors", 1 if isinstance(completion.result, Failure) else 0)

    def _record(self, spec: FunctionSpec, name: str, value: float) -> None:
        dimensions = (("FunctionName", spec.name),)
        self._metrics.record(spec.account, spec.region, _NAMESPACE, name, dimensions, value)


def is_retryable(error: ServiceError) -> bool:
    """The function was not at fault: the event stays in the queue."""
    return error.status == 429 or error.status >= 500
