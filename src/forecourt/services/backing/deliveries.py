"""What an embedded service hands on to others: a topic to a function, a bucket's event, a rule's target.

moto would call its own simulations of Lambda and Step Functions, or post to an endpoint while everybody waits. Instead
the request that causes a delivery notes it, as data; the delivery is kept in the same transaction as the request, and
made once the request was acknowledged, through the `Caller` like everything else. Carrying a request out again after
a restart notes it again, and that note is thrown away. A delivery that fails is tried again, as its retry policy says,
then sent to its dead-letter queue, or given up and logged; one that was under way at a crash is made again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.ports import RoleSessions
from forecourt.base.principal import Principal
from forecourt.base.principal import service as service_principal
from forecourt.services.backing.errors import EndpointRefused
from forecourt.services.backing.journal import Journal
from forecourt.services.backing.last_resorts import DeadLetter, RetryPolicy
from forecourt.upstream import Origin, Upstream, UpstreamError
from forecourt.upstream import Request as HttpRequest

_log = logging.getLogger("forecourt.backing")

_THROTTLED = frozenset(("TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException"))
_HTTP_TIMEOUT_SECONDS = 15.0
_AT_ONCE = 16
# More than so many deliveries do not wait to be tried again: the next that fails is given up at once.
_MAX_WAITING = 10_000


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A call of `service`; or an HTTP request, where that is "http" and the operation the method."""

    account: str
    region: str
    # The AWS service that delivers, and its resource that is the reason: `sns`, a topic's ARN.
    source: str
    source_arn: str
    service: str
    operation: str
    params: dict[str, Any]
    role_arn: str = ""
    # The trace header of the request that caused it
    trace_id: str = ""
    # When it came to be, in epoch seconds: what its age is counted from.
    at: float = 0.0
    retry: RetryPolicy = RetryPolicy()
    dead_letter: DeadLetter | None = None
    # Only once the one before it in the parcel was made
    in_turn: bool = False


class Parcel(msgspec.Struct, frozen=True):
    """The deliveries of one request: begun one after the other, tried again each for itself."""

    key: str
    deliveries: list[Delivery]


encode = msgspec.msgpack.encode
_Failure = ServiceError | UpstreamError | ValueError


def parcel(deliveries: Sequence[Delivery], trace_id: str = "") -> Parcel:
    if trace_id:
        deliveries = [msgspec.structs.replace(delivery, trace_id=trace_id) for delivery in deliveries]
    return Parcel(secrets.token_hex(16), list(deliveries))


class Courier:
    def __init__(
        self, caller: Caller | None, roles: RoleSessions | None, clock: Clock, ids: Ids, journal: Journal | None
    ) -> None:
        self._caller = caller
        self._roles = roles
        self._clock = clock
        self._ids = ids
        self._journal = journal
        self._upstream = Upstream()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._waiting = 0

    async def resume(self) -> None:
        """Takes up what was under way when the process ended."""
        if self._journal is not None:
            for body in await self._journal.parcels():
                self.take(msgspec.msgpack.decode(body, type=Parcel))

    def take(self, parcel: Parcel) -> None:
        task = asyncio.create_task(self._deliver_all(parcel))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def forget(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def close(self) -> None:
        await self.forget()
        await self._upstream.close()

    async def keep(self, parcel: Parcel) -> None:
        """For a parcel that no request is kept with."""
        if self._journal is not None:
            await self._journal.hand_on(parcel.key, encode(parcel))

    async def _deliver_all(self, parcel: Parcel) -> None:
        failed: list[tuple[Delivery, _Failure]] = []
        broken = False
        for delivery in parcel.deliveries:
            broken = broken and delivery.in_turn
            error = None if broken else await self._failure(delivery)
            if error is not None:
                failed.append((delivery, error))
                broken = True
        await asyncio.gather(*(self._try_again(delivery, error) for delivery, error in failed))
        if self._journal is not None:
            await self._journal.delivered(parcel.key)

    async def _failure(self, delivery: Delivery) -> _Failure | None:
        try:
            async with self._slots:
                await self._attempt(delivery)
        except (ServiceError, UpstreamError, ValueError) as error:
            return error
        return None

    async def _try_again(self, delivery: Delivery, error: _Failure) -> None:
        until = (delivery.at or self._clock.now()) + delivery.retry.age_seconds
        attempts, exhausted = 0, ""
        for pause in delivery.retry.pauses():
            if _is_final(error) or self._waiting >= _MAX_WAITING:
                break
            if self._clock.now() + pause > until:
                exhausted = "MaximumEventAgeInSeconds"
                break
            await self._pause(pause)
            attempts += 1
            again = await self._failure(delivery)
            if again is None:
                return
            error = again
        else:
            exhausted = "MaximumRetryAttempts"
        await self._give_up(delivery, error, attempts, exhausted)

    async def _pause(self, seconds: float) -> None:
        self._waiting += 1
        try:
            await self._clock.sleep(seconds)
        finally:
            self._waiting -= 1

    async def _give_up(self, delivery: Delivery, error: _Failure, attempts: int, exhausted: str) -> None:
        _log.warning(
            "%s could not be delivered to %s %s: %s",
            delivery.source_arn, delivery.service, delivery.operation, error,
        )  # fmt: skip
        if delivery.dead_letter is not None:
            letter = _letter(delivery, delivery.dead_letter, error, attempts, exhausted)
            failure = await self._failure(letter)
            if failure is not None:
                _log.warning("nor to its dead-letter queue %s: %s", delivery.dead_letter.queue_arn, failure)

    async def _attempt(self, delivery: Delivery) -> None:
        if delivery.service == "http":
            await self._send(delivery.operation, **delivery.params)
            return
        if self._caller is None:
            raise ValueError("nobody is there to be called")
        context = CallContext(
            principal=await self._principal(delivery),
            region=delivery.region,
            request_id=self._ids.uuid(),
            source_ip=f"{delivery.source}.amazonaws.com",
            conditions=_conditions(delivery),
            trace_id=delivery.trace_id,
        )
        answer = await self._caller.call(context, delivery.service, delivery.operation, delivery.params)
        if "FunctionError" in answer:
            raise ValueError(f"the function failed: {answer['Payload'][:500].decode(errors='replace')}")

    async def _principal(self, delivery: Delivery) -> Principal:
        name = f"{delivery.source}.amazonaws.com"
        if not delivery.role_arn or self._roles is None:
            return service_principal(name, delivery.account)
        found: Principal = await self._roles.principal(delivery.role_arn, delivery.source, name, _conditions(delivery))
        return found

    async def _send(self, method: str, url: str, headers: dict[str, str], body: str) -> None:
        origin = Origin.parse(url)
        target = url.split("//", 1)[1].partition("/")[2]
        sent = [(b"host", origin.authority.encode()), *((k.encode(), v.encode()) for k, v in headers.items())]
        request = HttpRequest(method.encode(), b"/" + target.encode(), sent, body.encode())
        answer = await self._upstream.send(origin, request, _HTTP_TIMEOUT_SECONDS)
        answer.close()
        if answer.status == 429 or answer.status >= 500:
            raise ValueError(f"{url} answered {answer.status}")
        if answer.status >= 300:
            raise EndpointRefused(f"{url} answered {answer.status}")


def _is_final(error: _Failure) -> bool:
    """Whether asking again is of no use: the request is refused, and not because there are too many."""
    return isinstance(error, ServiceError) and error.status < 500 and error.code not in _THROTTLED


def _letter(delivery: Delivery, letter: DeadLetter, error: _Failure, attempts: int, exhausted: str) -> Delivery:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html"""
    attributes = {
        **letter.attributes,
        "ERROR_CODE": getattr(error, "code", "") or type(error).__name__,
        "ERROR_MESSAGE": getattr(error, "message", "") or str(error) or "none",
        "RETRY_ATTEMPTS": str(attempts),
    }
    if exhausted:
        attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
    queue = Arn.parse(letter.queue_arn)
    params = {
        "QueueUrl": f"http://localhost:4566/{queue.account}/{queue.resource}",
        "MessageBody": letter.body,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in sorted(attributes.items())
        },
    }
    return msgspec.structs.replace(
        delivery, service="sqs", operation="SendMessage", params=params, region=queue.region, dead_letter=None
    )


def _conditions(delivery: Delivery) -> dict[str, str]:
    return {"aws:SourceArn": delivery.source_arn, "aws:SourceAccount": delivery.account}
