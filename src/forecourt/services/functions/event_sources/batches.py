"""Batches of a stream's records: tried again, halved, given up.

A batch that fails is tried again, as often and as long as the mapping says, in halves where it says so; then it is
given up: a description goes to the failure destination, and the shard goes on.
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.functions.event_sources.events import Record, dynamodb_record, failed_items, kinesis_record
from forecourt.services.functions.event_sources.windows import Members, handed_on
from forecourt.services.functions.invoker import Invoked
from forecourt.services.functions.model import EventSourceMapping
from forecourt.services.functions.runtime.messages import Failure

_LONGEST_RETRY_SECONDS = 60.0

Invoke = Callable[[bytes], Awaitable[Invoked]]
GiveUp = Callable[[dict[str, Any]], Awaitable[None]]


class Source(msgspec.Struct, frozen=True):
    """What differs between the two kinds of streams. `sequence`, `key` and `arrived` look into a function's record."""

    service: str
    record: Callable[[Mapping[str, Any], str, str, str, str], Record]
    sequence: Callable[[Record], str]
    key: Callable[[Record], str]
    arrived: Callable[[Record], float]
    batch_info: str


SOURCES: Mapping[str, Source] = {
    "kinesis": Source(
        "kinesis",
        kinesis_record,
        lambda record: str(record["kinesis"]["sequenceNumber"]),
        lambda record: str(record["kinesis"]["partitionKey"]),
        lambda record: float(record["kinesis"]["approximateArrivalTimestamp"]),
        "KinesisBatchInfo",
    ),
    "dynamodb": Source(
        "dynamodbstreams",
        dynamodb_record,
        lambda record: str(record["dynamodb"]["SequenceNumber"]),
        lambda record: json.dumps(record["dynamodb"].get("Keys"), sort_keys=True),
        lambda record: float(record["dynamodb"]["ApproximateCreationDateTime"]),
        "DDBStreamBatchInfo",
    ),
}


class Batches:
    def __init__(self, mapping: EventSourceMapping, invoke: Invoke, give_up: GiveUp, clock: Clock) -> None:
        self._mapping = mapping
        self._source = SOURCES[mapping.service]
        self._invoke = invoke
        self._give_up = give_up
        self._clock = clock

    async def process(self, shard: str, records: list[Record], members: Members, failures: int = 0) -> Members:
        """Returns once the records are done or given up: what is to go with those that follow."""
        while records:
            payload, reason = await self._attempt(records, members)
            if reason == "":
                return handed_on(members, payload)
            records = self._left(records, payload)
            if self._is_too_old(records):
                await self._describe(shard, records, failures + 1, "RecordAgeExceeded")
                return members
            if reason == "failed" and self._mapping.bisect and not payload and len(records) > 1:
                # No attempt is lost by it; a partial response has said already where to part.
                middle = len(records) // 2
                members = await self.process(shard, records[:middle], members, failures)
                records = records[middle:]
                continue
            failures += reason == "failed"
            if 0 <= self._mapping.maximum_retry_attempts < failures:
                await self._describe(shard, records, failures, "RetryAttemptsExhausted")
                return members
            await _pause(failures)
        return members

    async def finish(self, members: Members) -> None:
        """The last call of a window, without records."""
        failures = 0
        while (reason := (await self._attempt([], members))[1]) != "":
            failures += reason == "failed"
            if 0 <= self._mapping.maximum_retry_attempts < failures:
                return
            await _pause(failures)

    async def _attempt(self, records: list[Record], members: Members) -> tuple[bytes, str]:
        """The answer, if there is one, and why the batch is not done ("" where it is)."""
        try:
            invoked = await self._invoke(json.dumps({"Records": records, **members}).encode())
        except ServiceError as error:
            if error.status != 429:
                raise
            return b"", "throttled"
        if isinstance(invoked.result, Failure):
            return b"", "failed"
        payload = invoked.result.payload
        if not self._mapping.report_item_failures:
            return payload, ""
        failed = failed_items(payload, [self._source.sequence(record) for record in records])
        return (payload, "") if failed == [] else (payload, "failed")

    def _left(self, records: list[Record], payload: bytes) -> list[Record]:
        """A partial response says where to start over: at the first record that failed."""
        known = [self._source.sequence(record) for record in records]
        failed = failed_items(payload, known) if payload else None
        return records[known.index(failed[0]) :] if failed else records

    def _is_too_old(self, records: list[Record]) -> bool:
        age = self._clock.now() - self._source.arrived(records[0])
        return 0 < self._mapping.maximum_record_age < age

    async def _describe(self, shard: str, records: list[Record], invoked: int, condition: str) -> None:
        sequence = self._source.sequence
        await self._give_up(
            {
                "requestContext": {
                    "condition": condition,
                    "approximateInvokeCount": invoked,
                },
                "version": "1.0",
                self._source.batch_info: {
                    "shardId": shard,
                    "startSequenceNumber": sequence(records[0]),
                    "endSequenceNumber": sequence(records[-1]),
                    "batchSize": len(records),
                    "streamArn": self._mapping.source_arn,
                },
            }
        )


async def _pause(failures: int) -> None:
    await asyncio.sleep(min(2.0 ** min(failures, 10) / 4, _LONGEST_RETRY_SECONDS))
