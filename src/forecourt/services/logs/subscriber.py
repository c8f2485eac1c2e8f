"""Where a subscription filter's events go: a function, a Kinesis stream or a Firehose stream, in AWS's envelope.

Events wait in a bounded buffer and are sent stream by stream, gzipped. What the destination does not take is tried
again, then given up and logged; what waits when the process ends is not delivered (it is in the log).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, NotImplementedYet, ServiceError
from forecourt.base.ids import Ids
from forecourt.base.ports import RoleSessions
from forecourt.base.principal import service
from forecourt.services.logs import requests
from forecourt.services.logs.errors import InvalidParameterException
from forecourt.services.logs.model import SubscriptionFilter
from forecourt.telemetry.segments import LogEvent

_log = logging.getLogger("forecourt.logs")

_MOST_WAITING_BYTES = 16 * 1024 * 1024
# Of messages, before they are compressed; an asynchronous event of Lambda and a record of Kinesis have 1 MB.
_MOST_SENT_BYTES = 512 * 1024
_RETRY_AFTER_SECONDS = (1.0, 5.0, 25.0, 125.0)
_FINAL = frozenset(("ResourceNotFoundException", "AccessDeniedException", "AccessDenied"))
_CONTROL = "CWL CONTROL MESSAGE: Checking health of destination {}."


class Ports(NamedTuple):
    """What a subscriber calls with."""

    caller: Caller
    roles: RoleSessions
    clock: Clock
    ids: Ids


class Subscriber:
    """One subscription filter's way to its destination."""

    def __init__(self, filter: SubscriptionFilter, ports: Ports) -> None:
        self.filter = filter
        self._ports = ports
        self._waiting: list[LogEvent] = []
        self._bytes = 0
        self._working: asyncio.Task[None] | None = None

    async def try_out(self) -> None:
        """Before the filter is kept. Raises `InvalidParameterException` where the destination can't be reached."""
        vendor = _vendor(self.filter)
        try:
            await vendor.try_out(self)
        except NotImplementedYet:
            raise
        except ServiceError as error:
            _log.info("the destination %s can't be used: %s", self.filter.destination_arn, error)
            raise InvalidParameterException(vendor.unreachable) from None

    def offer(self, events: Sequence[LogEvent]) -> None:
        size = sum(len(event.message) for event in events)
        if self._bytes + size > _MOST_WAITING_BYTES:
            _log.warning("%d log events were not sent to %s: too many", len(events), self.filter.destination_arn)
            return
        self._waiting += events
        self._bytes += size
        if self._waiting and (self._working is None or self._working.done()):
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            events, self._waiting, self._bytes = self._waiting, [], 0
            for part in parts(events):
                await self._deliver(part)

    async def _deliver(self, events: Sequence[LogEvent]) -> None:
        data = await asyncio.to_thread(envelope, self.filter, events)
        # `ByLogStream` keeps a stream's events in one shard.
        key = events[0].stream if self.filter.distribution == "ByLogStream" else secrets.token_hex(16)
        for wait in (*_RETRY_AFTER_SECONDS, None):
            try:
                await _vendor(self.filter).send(self, data, key)
                return
            except ServiceError as error:
                if wait is None or error.code in _FINAL:
                    _log.warning(
                        "%d log events were not taken by %s: %s", len(events), self.filter.destination_arn, error
                    )
                    return
                await self._ports.clock.sleep(wait)

    async def call(self, service_name: str, operation: str, params: Mapping[str, Any]) -> None:
        """As CloudWatch Logs, which policies call by its name or by its name in the region."""
        regional = f"logs.{self.filter.region}.amazonaws.com"
        try:
            await self._call_as(regional, service_name, operation, params)
        except AccessDenied:
            await self._call_as("logs.amazonaws.com", service_name, operation, params)

    async def _call_as(self, name: str, service_name: str, operation: str, params: Mapping[str, Any]) -> None:
        filter = self.filter
        conditions = {"aws:SourceArn": filter.source_arn, "aws:SourceAccount": filter.account}
        if filter.role_arn:
            principal = await self._ports.roles.principal(filter.role_arn, "CloudWatchLogs", name, conditions)
        else:
            principal = service(name, filter.account)
        context = CallContext(
            principal=principal,
            region=Arn.parse(filter.destination_arn).region,
            request_id=self._ports.ids.uuid(),
            source_ip="logs.amazonaws.com",
            conditions=conditions,
        )
        await self._ports.caller.call(context, service_name, operation, params)

    def control_message(self, destination: str) -> bytes:
        event = {"id": "", "timestamp": self._ports.clock.now_ms(), "message": _CONTROL.format(destination)}
        return _packed("CONTROL_MESSAGE", "CloudwatchLogs", "", "", [], [event])


def check_destination(destination_arn: str, role_arn: str) -> None:
    """Whether CloudWatch Logs can write there at all, and with or without a role."""
    try:
        name = Arn.parse(destination_arn).service
    except ValueError:
        raise InvalidParameterException("Invalid destinationArn") from None
    if name == "logs":
        raise NotImplementedYet("Forecourt has no CloudWatch Logs destinations in other accounts yet.")
    if name not in _VENDORS:
        raise InvalidParameterException(
            f"PutSubscriptionFilter operation cannot work with destinationArn for vendor {name}"
        )
    if _VENDORS[name].with_role and not role_arn:
        raise InvalidParameterException(f"destinationArn for vendor {name} cannot be used without roleArn")
    if not _VENDORS[name].with_role and role_arn:
        raise InvalidParameterException(f"destinationArn for vendor {name} cannot be used with roleArn")


def parts(events: Sequence[LogEvent]) -> Iterator[list[LogEvent]]:
    """Each of one stream and small enough to be sent, in order. Pure."""
    for _, run in groupby(sorted(events, key=lambda event: event.stream), key=lambda event: event.stream):
        part: list[LogEvent] = []
        size = 0
        for event in run:
            if part and size + len(event.message) > _MOST_SENT_BYTES:
                yield part
                part, size = [], 0
            part.append(event)
            size += len(event.message)
        yield part


def envelope(filter: SubscriptionFilter, events: Sequence[LogEvent]) -> bytes:
    """What the destination gets. Pure."""
    shown = [
        {
            "id": requests.event_id((event.timestamp_ms, event.sequence)),
            "timestamp": event.timestamp_ms,
            "message": event.message,
        }
        for event in events
    ]
    return _packed("DATA_MESSAGE", filter.account, filter.group, events[0].stream, [filter.name], shown)


def _packed(kind: str, owner: str, group: str, stream: str, filters: list[str], events: list[dict[str, Any]]) -> bytes:
    document = {
        "messageType": kind,
        "owner": owner,
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": filters,
        "logEvents": events,
    }
    return gzip.compress(msgspec.json.encode(document))


class _Vendor(NamedTuple):
    with_role: bool
    try_out: Callable[[Subscriber], Awaitable[None]]
    # The data and its partition key
    send: Callable[[Subscriber, bytes, str], Awaitable[None]]
    unreachable: str


def _vendor(filter: SubscriptionFilter) -> _Vendor:
    return _VENDORS[Arn.parse(filter.destination_arn).service]


async def _try_function(to: Subscriber) -> None:
    await to.call("lambda", "Invoke", {"FunctionName": to.filter.destination_arn, "InvocationType": "DryRun"})


async def _to_function(to: Subscriber, data: bytes, key: str) -> None:
    payload = msgspec.json.encode({"awslogs": {"data": base64.b64encode(data).decode()}})
    params = {"FunctionName": to.filter.destination_arn, "InvocationType": "Event", "Payload": payload}
    await to.call("lambda", "Invoke", params)


async def _to_kinesis(to: Subscriber, data: bytes, key: str) -> None:
    name = Arn.parse(to.filter.destination_arn).resource.removeprefix("stream/")
    await to.call("kinesis", "PutRecord", {"StreamName": name, "Data": data, "PartitionKey": key})


async def _try_kinesis(to: Subscriber) -> None:
    await _to_kinesis(to, to.control_message("Kinesis stream"), "control")


async def _to_firehose(to: Subscriber, data: bytes, key: str) -> None:
    name = Arn.parse(to.filter.destination_arn).resource.removeprefix("deliverystream/")
    await to.call("firehose", "PutRecord", {"DeliveryStreamName": name, "Record": {"Data": data}})


async def _try_firehose(to: Subscriber) -> None:
    await _to_firehose(to, to.control_message("Firehose"), "control")


_VENDORS = {
    "lambda": _Vendor(
        False,
        _try_function,
        _to_function,
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your "
        "function.",
    ),
    "kinesis": _Vendor(
        True,
        _try_kinesis,
        _to_kinesis,
        "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE "
        "state. ",
    ),
    "firehose": _Vendor(
        True,
        _try_firehose,
        _to_firehose,
        "Could not deliver test message to specified Firehose stream. Check if the given Firehose stream is in ACTIVE "
        "state.",
    ),
}
