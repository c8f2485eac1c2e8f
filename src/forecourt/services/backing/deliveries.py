"""What an embedded service hands on to others: a topic to a function, a bucket's event, a rule's target.

moto would call its own simulations of Lambda and Step Functions, or post to an endpoint while everybody waits. Instead
the request that causes a delivery notes it, as data; the delivery is kept in the same transaction as the request, and
made once the request was acknowledged, through the `Caller` like everything else. Carrying a request out again after
a restart notes it again, and that note is thrown away. A delivery that fails is tried again, then given up and logged;
one that was under way at a crash is made again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.ports import RoleSessions
from forecourt.base.principal import Principal
from forecourt.base.principal import service as service_principal
from forecourt.services.backing.journal import Journal
from forecourt.upstream import Origin, Upstream, UpstreamError
from forecourt.upstream import Request as HttpRequest

_log = logging.getLogger("forecourt.backing")

# AWS goes on for hours; here whoever is down for longer than this is down.
_RETRY_AFTER_SECONDS = (1.0, 5.0, 25.0, 125.0)
_FINAL = frozenset(
    ("ResourceNotFoundException", "AccessDeniedException", "StateMachineDoesNotExist", "NotFoundException")
)
_POST_TIMEOUT_SECONDS = 15.0
_AT_ONCE = 16


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A call of `service`, or a POST where it is "http"."""

    account: str
    region: str
    # The AWS service that delivers, and its resource that is the reason: `sns`, a topic's ARN.
    source: str
    source_arn: str
    service: str
    operation: str
    params: dict[str, Any]
    role_arn: str = ""


class Parcel(msgspec.Struct, frozen=True):
    """The deliveries of one request, made one after the other."""

    key: str
    deliveries: list[Delivery]


encode = msgspec.msgpack.encode


def parcel(deliveries: Sequence[Delivery]) -> Parcel:
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

    async def _deliver_all(self, parcel: Parcel) -> None:
        for delivery in parcel.deliveries:
            await self._deliver(delivery)
        if self._journal is not None:
            await self._journal.delivered(parcel.key)

    async def _deliver(self, delivery: Delivery) -> None:
        for wait in (*_RETRY_AFTER_SECONDS, None):
            try:
                async with self._slots:
                    await self._attempt(delivery)
                return
            except (ServiceError, UpstreamError, ValueError) as error:
                if wait is None or getattr(error, "code", "") in _FINAL:
                    _log.warning(
                        "%s could not be delivered to %s %s: %s",
                        delivery.source_arn, delivery.service, delivery.operation, error,
                    )  # fmt: skip
                    return
                await self._clock.sleep(wait)

    async def _attempt(self, delivery: Delivery) -> None:
        if delivery.service == "http":
            await self._post(**delivery.params)
            return
        if self._caller is None:
            raise ValueError("nobody is there to be called")
        context = CallContext(
            principal=await self._principal(delivery),
            region=delivery.region,
            request_id=self._ids.uuid(),
            source_ip=f"{delivery.source}.amazonaws.com",
            conditions=_conditions(delivery),
        )
        await self._caller.call(context, delivery.service, delivery.operation, delivery.params)

    async def _principal(self, delivery: Delivery) -> Principal:
        name = f"{delivery.source}.amazonaws.com"
        if not delivery.role_arn or self._roles is None:
            return service_principal(name, delivery.account)
        found: Principal = await self._roles.principal(delivery.role_arn, delivery.source, name, _conditions(delivery))
        return found

    async def _post(self, url: str, headers: dict[str, str], body: str) -> None:
        origin = Origin.parse(url)
        target = url.split("//", 1)[1].partition("/")[2]
        sent = [(b"host", origin.authority.encode()), *((k.encode(), v.encode()) for k, v in headers.items())]
        request = HttpRequest(b"POST", b"/" + target.encode(), sent, body.encode())
        answer = await self._upstream.send(origin, request, _POST_TIMEOUT_SECONDS)
        answer.close()
        if answer.status >= 500:
            raise ValueError(f"{url} answered {answer.status}")


def _conditions(delivery: Delivery) -> dict[str, str]:
    return {"aws:SourceArn": delivery.source_arn, "aws:SourceAccount": delivery.account}
