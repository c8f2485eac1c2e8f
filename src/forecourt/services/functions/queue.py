"""Asynchronous invocations: a durable queue.

An event is acknowledged once it is in the store, and taken out once its outcome is final and delivered; what was under
way when Forecourt ended runs again. A function that fails is tried again after one minute and after two more; one that
is throttled, or that Lambda itself failed, after a growing pause until the event is too old.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.clock import Clock, Timer
from forecourt.base.errors import ServiceError
from forecourt.services.functions.destinations import Condition, Destinations, Outcome, record
from forecourt.services.functions.errors import RecursiveInvocationException, ResourceNotFoundException
from forecourt.services.functions.invoker import Event, Invoked, Invoker, is_retryable
from forecourt.services.functions.model import EventInvokeConfig, Function
from forecourt.services.functions.names import LATEST, FunctionId
from forecourt.services.functions.runtime.messages import Failure
from forecourt.services.functions.store import FunctionStore
from forecourt.store import Task

_log = logging.getLogger("forecourt.functions")

QUEUE = "lambda.events"
_RETRY_SECONDS = (60.0, 120.0)
_LONGEST_PAUSE_SECONDS = 300.0
_MAX_AGE_SECONDS = 21_600
_AT_WORK = 64

# The context in which a function acts: its role
ActAs = Callable[[FunctionId, str], Awaitable[CallContext]]


class QueuedEvent(msgspec.Struct, kw_only=True):
    account: str
    region: str
    name: str
    qualifier: str | None
    request_id: str
    payload: bytes
    client_context: str = ""
    trace_id: str = ""
    accepted_at: float
    # Invocations that the function has failed
    failures: int = 0
    # Times that it could not be invoked at all
    pauses: int = 0

    @property
    def id(self) -> FunctionId:
        return FunctionId(self.account, self.region, self.name, self.qualifier)


_decode = msgspec.msgpack.Decoder(QueuedEvent).decode


def pause_seconds(pauses: int) -> float:
    """1 s, 2 s, 4 s, … 5 minutes."""
    return min(2.0 ** min(pauses, 16), _LONGEST_PAUSE_SECONDS)


class EventQueue:
    def __init__(
        self, store: FunctionStore, invoker: Invoker, destinations: Destinations, act_as: ActAs, clock: Clock
    ) -> None:
        self._store = store
        self._invoker = invoker
        self._destinations = destinations
        self._act_as = act_as
        self._clock = clock
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._again = False
        self._timer: Timer | None = None
        self._running = False

    async def accept(self, id: FunctionId, event: Event) -> None:
        """Returns once the event is safe."""
        now = self._clock.now()
        queued = QueuedEvent(
            account=id.account,
            region=id.region,
            name=id.name,
            qualifier=id.qualifier,
            request_id=event.request_id,
            payload=event.payload,
            client_context=event.client_context,
            trace_id=event.trace_id,
            accepted_at=now,
        )
        await self._put(queued, now)
        self._wake()

    def start(self) -> None:
        self._running = True
        self._wake()

    async def stop(self) -> None:
        """What is under way is left in the queue."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._at_work.values(), *([self._pump] if self._pump else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._at_work.clear()

    async def reset(self) -> None:
        await self.stop()
        self.start()

    async def _put(self, event: QueuedEvent, due_at: float) -> None:
        task = Task(QUEUE, event.request_id, due_at, msgspec.msgpack.encode(event))
        await self._store.write(lambda tx: tx.enqueue(task))

    def _wake(self) -> None:
        if not self._running:
            return
        if self._pump is not None and not self._pump.done():
            self._again = True
            return
        self._pump = asyncio.ensure_future(self._take())

    async def _take(self) -> None:
        """Starts what is due, as far as there is room, and sets the alarm for what is due next."""
        self._again = True
        while self._again:
            self._again = False
            now = self._clock.now()
            waiting = await self._store.store.due(QUEUE, float("inf"), len(self._at_work) + _AT_WORK)
            waiting = [task for task in waiting if task.key not in self._at_work]
            for task in waiting:
                if task.due_at > now or len(self._at_work) >= _AT_WORK:
                    break
                self._begin(task)
            later = [task.due_at for task in waiting if task.due_at > now]
            if later:
                self._set_alarm(later[0])

    def _begin(self, task: Task) -> None:
        work = asyncio.ensure_future(self._work(_decode(task.body)))
        self._at_work[task.key] = work

        def done(_: asyncio.Task[None]) -> None:
            self._at_work.pop(task.key, None)
            self._wake()

        work.add_done_callback(done)

    def _set_alarm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at(when, self._wake)

    async def _work(self, event: QueuedEvent) -> None:
        try:
            await self._attempt(event)
        except Exception:
            _log.exception("an asynchronous invocation of %s failed in Forecourt", event.id.arn)
            event.pauses += 1
            await self._put(event, self._clock.now() + pause_seconds(event.pauses))

    async def _attempt(self, event: QueuedEvent) -> None:
        config = await self._store.store.get(EventInvokeConfig, *event.id.function, event.qualifier or LATEST)
        retries, max_age = len(_RETRY_SECONDS), _MAX_AGE_SECONDS
        if config is not None:
            retries = retries if config.maximum_retry_attempts is None else config.maximum_retry_attempts
            max_age = config.maximum_event_age or max_age
        if self._clock.now() - event.accepted_at > max_age:
            await self._finish(event, config, "EventAgeExceeded", None)
            return
        try:
            invoked = await self._invoker.invoke(event.id, _event(event))
        except ResourceNotFoundException:
            # The function is gone, and its queue with it.
            await self._drop(event)
            return
        except RecursiveInvocationException:
            await self._finish(event, config, "RetriesExhausted", None)
            return
        except ServiceError as error:
            if not is_retryable(error):
                raise
            event.pauses += 1
            await self._put(event, self._clock.now() + pause_seconds(event.pauses - 1))
            return
        if not isinstance(invoked.result, Failure):
            await self._finish(event, config, "Success", invoked)
            return
        event.failures += 1
        if event.failures <= retries:
            await self._put(event, self._clock.now() + _RETRY_SECONDS[event.failures - 1])
        else:
            await self._finish(event, config, "RetriesExhausted", invoked)

    async def _finish(
        self, event: QueuedEvent, config: EventInvokeConfig | None, condition: Condition, invoked: Invoked | None
    ) -> None:
        count = event.failures + (condition == "Success")
        qualified = event.id._replace(qualifier=event.qualifier or LATEST)
        outcome = Outcome(
            request_id=event.request_id,
            function_arn=qualified.arn,
            payload=event.payload,
            condition=condition,
            invoke_count=count,
            invoked=invoked,
        )
        await self._deliver(event, config, outcome)
        await self._drop(event)

    async def _deliver(self, event: QueuedEvent, config: EventInvokeConfig | None, outcome: Outcome) -> None:
        destination = "" if config is None else config.on_success if outcome.succeeded else config.on_failure
        function = await self._store.store.get(Function, *event.id.function)
        dead_letter = "" if outcome.succeeded or function is None else function.configuration.dead_letter_arn
        if (not destination and not dead_letter) or function is None:
            return
        context = await self._act_as(event.id, function.configuration.role)
        if destination:
            await self._destinations.send(context, destination, record(outcome, self._clock.utcnow()))
        if dead_letter:
            await self._destinations.send_dead_letter(context, dead_letter, outcome)

    async def _drop(self, event: QueuedEvent) -> None:
        await self._store.write(lambda tx: tx.dequeue(QUEUE, event.request_id))


def _event(event: QueuedEvent) -> Event:
    return Event(
        request_id=event.request_id,
        payload=event.payload,
        client_context=event.client_context,
        trace_id=event.trace_id,
    )
