"""Reads a Kinesis or DynamoDB stream: every shard in order, from where it last came to.

The checkpoint moves once what was read is done, or given up.
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.services.functions.event_sources import filters
from forecourt.services.functions.event_sources.batches import SOURCES, Batches
from forecourt.services.functions.event_sources.events import Record, filterable
from forecourt.services.functions.event_sources.windows import Window, start_of
from forecourt.services.functions.model import Checkpoint, EventSourceMapping
from forecourt.store import Store

_PAUSE_SECONDS = 0.5
_NEW_SHARDS_SECONDS = 10.0


class StreamReader:
    def __init__(
        self,
        mapping: EventSourceMapping,
        role: str,
        store: Store,
        caller: Caller,
        act: Callable[[], Awaitable[CallContext]],
        batches: Batches,
        clock: Clock,
    ) -> None:
        self._mapping = mapping
        self._role = role
        self._store = store
        self._caller = caller
        self._act = act
        self._batches = batches
        self._clock = clock
        self._source = SOURCES[mapping.service]
        self._patterns = [filters.parse(text) for text in mapping.filters]
        self._shards: dict[str, asyncio.Task[None]] = {}
        # Where each shard that is known is begun
        self._starts: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled. Raises what the stream answers; whoever runs it tries again."""
        try:
            while True:
                await self._begin()
                ended = [task for task in self._shards.values() if task.done() and task.exception() is not None]
                if ended:
                    await ended[0]
                if under_way := [task for task in self._shards.values() if not task.done()]:
                    await asyncio.wait(under_way, timeout=_NEW_SHARDS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            for task in self._shards.values():
                task.cancel()
            await asyncio.gather(*self._shards.values(), return_exceptions=True)

    async def _begin(self) -> None:
        """Reads the shards that may be read now. One that comes out of another follows it, from its own beginning."""
        shards = await self._list_shards()
        start = "TRIM_HORIZON" if self._starts else self._mapping.starting_position
        for shard in shards:
            self._starts.setdefault(shard["ShardId"], start)
        for shard in shards:
            name, parents = shard["ShardId"], {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")}
            under_way = any(parent in self._shards and not self._shards[parent].done() for parent in parents if parent)
            if name not in self._shards and not under_way:
                self._shards[name] = asyncio.ensure_future(self._read(name, self._starts[name]))

    async def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self._caller.call(await self._act(), self._source.service, operation, params)

    async def _list_shards(self) -> list[dict[str, Any]]:
        if self._source.service == "kinesis":
            shards = (await self._call("ListShards", StreamName=_stream_name(self._mapping.source_arn)))["Shards"]
        else:
            stream = await self._call("DescribeStream", StreamArn=self._mapping.source_arn)
            shards = stream["StreamDescription"]["Shards"]
        return list(shards)

    def _key(self, shard: str) -> tuple[str, str, str, str]:
        return self._mapping.account, self._mapping.region, self._mapping.uuid, shard

    async def _iterator(self, shard: str, start: str, checkpoint: Checkpoint | None) -> str:
        position: dict[str, Any] = {"ShardIteratorType": start}
        if checkpoint is not None:
            number = checkpoint.sequence_number
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber" if self._is_dynamodb else
                        "StartingSequenceNumber": number}  # fmt: skip
        elif start == "AT_TIMESTAMP":
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

    async def _read(self, shard: str, start: str) -> None:
        """The shard to its end, or for ever."""
        checkpoint = await self._store.get(Checkpoint, *self._key(shard))
        iterator: str | None = await self._iterator(shard, start, checkpoint)
        window = self._open_window(checkpoint)
        kept = checkpoint.sequence_number if checkpoint is not None else ""
        while iterator:
            before, until = window, window.end if window is not None else float("inf")
            records, last, iterator = await self._gather(shard, iterator, until)
            if self._mapping.tumbling_seconds:
                window = await self._tumble(shard, records, window)
            else:
                await self._process(shard, records)
            if last or window != before:
                kept = last or kept
                await self._keep(shard, kept, window)

    def _open_window(self, checkpoint: Checkpoint | None) -> Window | None:
        seconds = self._mapping.tumbling_seconds
        if checkpoint is None or not checkpoint.window_start or not seconds:
            return None
        return Window(checkpoint.window_start, seconds, json.loads(checkpoint.state))

    async def _gather(self, shard: str, iterator: str | None, until: float) -> tuple[list[Record], str, str | None]:
        """Records that pass, the number of the last one that was read, and where to go on: as many as are wanted, or as
        came until the window is over that their first one opened; or nothing, once `until` is there."""
        mapping = self._mapping
        wanted, closes_at = mapping.batch_size * mapping.parallelization, 0.0
        records: list[Record] = []
        last = ""
        while iterator and len(records) < wanted:
            answer = await self._call("GetRecords", ShardIterator=iterator, Limit=wanted - len(records))
            iterator = answer.get("NextShardIterator")
            found = [
                self._source.record(record, mapping.source_arn, mapping.region, shard, self._role)
                for record in answer["Records"]
            ]
            if found:
                last = self._source.sequence(found[-1])
                records += filter(self._passes, found)
            now = self._clock.now()
            closes_at = closes_at or now + mapping.window_seconds
            if now >= until or (last and (not records or now >= closes_at)):
                break
            if not found:
                closes_at = closes_at if records else 0.0
                await asyncio.sleep(_PAUSE_SECONDS)
        return records, last, iterator

    async def _tumble(self, shard: str, records: list[Record], window: Window | None) -> Window | None:
        """Batch by batch, each with the state of its window; returns the window that is still open."""
        seconds, size, arn = self._mapping.tumbling_seconds, self._mapping.batch_size, self._mapping.source_arn
        for start, group in groupby(records, lambda record: start_of(self._source.arrived(record), seconds)):
            if window is not None and window.start != start:
                await self._batches.finish(window.members(shard, arn, final=True))
                window = None
            window, found = window or Window(start, seconds, {}), list(group)
            for first in range(0, len(found), size):
                members = await self._batches.process(shard, found[first : first + size], window.members(shard, arn))
                window = window._replace(state=members["state"])
        if window is not None and self._clock.now() >= window.end:
            await self._batches.finish(window.members(shard, arn, final=True))
            return None
        return window

    async def _process(self, shard: str, records: list[Record]) -> None:
        """Records of one key one after the other; of different keys as many at once as `ParallelizationFactor` says."""
        size, factor = self._mapping.batch_size, self._mapping.parallelization
        lanes: list[list[Record]] = [[] for _ in range(factor)]
        for record in records:
            lanes[zlib.crc32(self._source.key(record).encode()) % factor].append(record)

        async def follow(lane: list[Record]) -> None:
            for start in range(0, len(lane), size):
                await self._batches.process(shard, lane[start : start + size], {})

        under_way = [asyncio.ensure_future(follow(lane)) for lane in lanes if lane]
        try:
            await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()

    def _passes(self, record: Record) -> bool:
        shown = filterable(record)
        return not self._patterns or any(filters.matches(pattern, shown) for pattern in self._patterns)

    async def _keep(self, shard: str, sequence_number: str, window: Window | None) -> None:
        account, region, uuid, _ = self._key(shard)
        checkpoint = Checkpoint(
            account=account,
            region=region,
            uuid=uuid,
            shard=shard,
            sequence_number=sequence_number,
            window_start=window.start if window is not None else 0,
            state=json.dumps(window.state).encode() if window is not None else b"",
        )
        await self._store.write(lambda tx: tx.put(checkpoint))


def _stream_name(arn: str) -> str:
    return Arn.parse(arn).resource.removeprefix("stream/")
