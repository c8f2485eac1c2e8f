"""Reads a Kinesis or DynamoDB stream: every shard in order, a batch at a time, from where it last came to.

A batch that fails is tried again, as often and as long as the mapping says, in halves where it says so; then it is
given up: a description goes to the failure destination, and the shard goes on. The checkpoint moves once a batch is
done.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.functions.event_sources import filters
from forecourt.services.functions.event_sources.events import (
    Record,
    dynamodb_record,
    failed_items,
    filterable,
    kinesis_record,
)
from forecourt.services.functions.invoker import Invoked
from forecourt.services.functions.model import Checkpoint, EventSourceMapping
from forecourt.services.functions.runtime.messages import Failure
from forecourt.store import Store

_PAUSE_SECONDS = 0.5
_NEW_SHARDS_SECONDS = 10.0
_LONGEST_RETRY_SECONDS = 60.0

Invoke = Callable[[bytes], Awaitable[Invoked]]
GiveUp = Callable[[dict[str, Any]], Awaitable[None]]


class Source(msgspec.Struct, frozen=True):
    """What differs between the two kinds of streams. `sequence` and `arrived` look into a function's record."""

    service: str
    record: Callable[[Mapping[str, Any], str, str, str, str], Record]
    sequence: Callable[[Record], str]
    arrived: Callable[[Record], float]
    batch_info: str


SOURCES: Mapping[str, Source] = {
    "kinesis": Source(
        "kinesis",
        kinesis_record,
        lambda record: str(record["kinesis"]["sequenceNumber"]),
        lambda record: float(record["kinesis"]["approximateArrivalTimestamp"]),
        "KinesisBatchInfo",
    ),
    "dynamodb": Source(
        "dynamodbstreams",
        dynamodb_record,
        lambda record: str(record["dynamodb"]["SequenceNumber"]),
        lambda record: float(record["dynamodb"]["ApproximateCreationDateTime"]),
        "DDBStreamBatchInfo",
    ),
}


class StreamReader:
    def __init__(
        self,
        mapping: EventSourceMapping,
        role: str,
        store: Store,
        caller: Caller,
        act: Callable[[], Awaitable[CallContext]],
        invoke: Invoke,
        give_up: GiveUp,
        clock: Clock,
    ) -> None:
        self._mapping = mapping
        self._role = role
        self._store = store
        self._caller = caller
        self._act = act
        self._invoke = invoke
        self._give_up = give_up
        self._clock = clock
        self._source = SOURCES[mapping.service]
        self._patterns = [filters.parse(text) for text in mapping.filters]
        self._shards: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled. Raises what the stream answers; whoever runs it tries again."""
        try:
            while True:
                for shard in await self._list_shards():
                    if shard not in self._shards:
                        self._shards[shard] = asyncio.ensure_future(self._read(shard))
                ended = [task for task in self._shards.values() if task.done() and task.exception() is not None]
                if ended:
                    await ended[0]
                if self._shards:
                    await asyncio.wait(self._shards.values(), timeout=_NEW_SHARDS_SECONDS)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            for task in self._shards.values():
                task.cancel()
            await asyncio.gather(*self._shards.values(), return_exceptions=True)

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self._caller.call(await self._act(), self._source.service, operation, params)

    async def _list_shards(self) -> list[str]:
        if self._source.service == "kinesis":
            shards = (await self._call("ListShards", StreamName=_stream_name(self._mapping.source_arn)))["Shards"]
        else:
            stream = await self._call("DescribeStream", StreamArn=self._mapping.source_arn)
            shards = stream["StreamDescription"]["Shards"]
        return [shard["ShardId"] for shard in shards]

    async def _iterator(self, shard: str) -> str:
        key = (self._mapping.account, self._mapping.region, self._mapping.uuid, shard)
        checkpoint = await self._store.get(Checkpoint, *key)
        position: dict[str, Any] = {"ShardIteratorType": self._mapping.starting_position}
        if checkpoint is not None:
            number = checkpoint.sequence_number
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber" if self._is_dynamodb else
                        "StartingSequenceNumber": number}  # fmt: skip
        elif self._mapping.starting_position == "AT_TIMESTAMP":
            position["Timestamp"] = self._mapping.starting_timestamp
        stream = (
            {"StreamArn": self._mapping.source_arn}
            if self._is_dynamodb
            else {"StreamName": _stream_name(self._mapping.source_arn)}
        )
        return str((await self._call("GetShardIterator", ShardId=shard, **stream, **position))["ShardIterator"])

    @property
    def _is_dynamodb(self) -> bool:
        return self._source.service == "dynamodbstreams"

    async def _read(self, shard: str) -> None:
        """The shard to its end, or for ever."""
        iterator: str | None = await self._iterator(shard)
        while iterator:
            answer = await self._call("GetRecords", ShardIterator=iterator, Limit=self._mapping.batch_size)
            mapping = self._mapping
            records = [
                self._source.record(record, mapping.source_arn, mapping.region, shard, self._role)
                for record in answer["Records"]
            ]
            if records:
                await self._process(shard, [record for record in records if self._passes(record)])
                await self._keep(shard, self._source.sequence(records[-1]))
            else:
                await asyncio.sleep(_PAUSE_SECONDS)
            iterator = answer.get("NextShardIterator")

    def _passes(self, record: Record) -> bool:
        shown = filterable(record)
        return not self._patterns or any(filters.matches(pattern, shown) for pattern in self._patterns)

    async def _keep(self, shard: str, sequence_number: str) -> None:
        mapping = self._mapping
        checkpoint = Checkpoint(
            account=mapping.account,
            region=mapping.region,
            uuid=mapping.uuid,
            shard=shard,
            sequence_number=sequence_number,
        )
        await self._store.write(lambda tx: tx.put(checkpoint))

    async def _process(self, shard: str, records: list[Record], failures: int = 0) -> None:
        """Returns once the records are done or given up."""
        while records:
            payload, reason = await self._attempt(records)
            if reason == "":
                return
            records = self._left(records, payload)
            failures += 1
            if reason == "throttled":
                failures -= 1
            elif self._is_hopeless(records, failures):
                await self._describe(shard, records, failures, payload)
                return
            elif self._mapping.bisect and len(records) > 1:
                middle = len(records) // 2
                await self._process(shard, records[:middle], failures)
                records = records[middle:]
                continue
            await asyncio.sleep(min(2.0 ** min(failures, 10) / 4, _LONGEST_RETRY_SECONDS))

    async def _attempt(self, records: list[Record]) -> tuple[bytes, str]:
        """The payload, and why the batch is not done ("" where it is)."""
        try:
            invoked = await self._invoke(json.dumps({"Records": records}).encode())
        except ServiceError as error:
            if error.status != 429:
                raise
            return b"", "throttled"
        if isinstance(invoked.result, Failure):
            return b"", "failed"
        if not self._mapping.report_item_failures:
            return b"", ""
        payload = invoked.result.payload
        failed = failed_items(payload, [self._source.sequence(record) for record in records])
        return (payload, "") if failed == [] else (payload, "failed")

    def _left(self, records: list[Record], payload: bytes) -> list[Record]:
        """A partial response says where to start over: at the first record that failed."""
        known = [self._source.sequence(record) for record in records]
        failed = failed_items(payload, known) if payload else None
        return records[known.index(failed[0]) :] if failed else records

    def _is_hopeless(self, records: list[Record], failures: int) -> bool:
        mapping = self._mapping
        if 0 <= mapping.maximum_retry_attempts < failures:
            return True
        age = self._clock.now() - self._source.arrived(records[0])
        return 0 < mapping.maximum_record_age < age

    async def _describe(self, shard: str, records: list[Record], failures: int, payload: bytes) -> None:
        sequence = self._source.sequence
        retried = 0 <= self._mapping.maximum_retry_attempts < failures
        await self._give_up(
            {
                "requestContext": {
                    "condition": "RetryAttemptsExhausted" if retried else "RecordAgeExceeded",
                    "approximateInvokeCount": failures,
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


def _stream_name(arn: str) -> str:
    return Arn.parse(arn).resource.removeprefix("stream/")
