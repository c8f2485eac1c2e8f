"""Reads a queue: receives a batch, invokes, deletes what was processed.

What a function fails to process is left alone and becomes visible again. A FIFO queue is read one batch at a time, so
that its order holds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.services.functions import lineage
from forecourt.services.functions.event_sources import filters
from forecourt.services.functions.event_sources.events import Record, failed_items, filterable, sqs_record
from forecourt.services.functions.invoker import Invoked
from forecourt.services.functions.model import EventSourceMapping
from forecourt.services.functions.runtime.messages import Failure

_log = logging.getLogger("forecourt.functions")

_RECEIVE_AT_MOST = 10
_PARALLEL_BATCHES = 5
# From one look at an empty queue to the next
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 1.0

# With the events and their trace header
Invoke = Callable[[bytes, str], Awaitable[Invoked]]


async def queue_url(caller: Caller, context: CallContext, arn: str) -> str:
    queue = Arn.parse(arn)
    params = {"QueueName": queue.resource, "QueueOwnerAWSAccountId": queue.account}
    return str((await caller.call(context, "sqs", "GetQueueUrl", params))["QueueUrl"])


class QueueReader:
    def __init__(
        self, mapping: EventSourceMapping, caller: Caller, act: Callable[[], Awaitable[CallContext]], invoke: Invoke
    ) -> None:
        self._mapping = mapping
        self._caller = caller
        self._act = act
        self._invoke = invoke
        self._patterns = [filters.parse(text) for text in mapping.filters]
        fifo = mapping.source_arn.endswith(".fifo")
        self._slots = asyncio.Semaphore(1 if fifo else mapping.maximum_concurrency or _PARALLEL_BATCHES)
        self._batches: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. Raises what the queue answers; whoever runs it tries again."""
        url = await queue_url(self._caller, await self._act(), self._mapping.source_arn)
        pause = _SHORTEST_PAUSE_SECONDS
        try:
            while True:
                await self._slots.acquire()
                try:
                    messages = await self._batch(url)
                except BaseException:
                    self._slots.release()
                    raise
                if messages:
                    self._start(url, messages)
                    pause = _SHORTEST_PAUSE_SECONDS
                else:
                    self._slots.release()
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        finally:
            for task in self._batches:
                task.cancel()
            await asyncio.gather(*self._batches, return_exceptions=True)

    def _start(self, url: str, messages: list[dict[str, Any]]) -> None:
        task = asyncio.ensure_future(self._process(url, messages))
        self._batches.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._batches.discard(task)
            self._slots.release()
            if not task.cancelled() and (error := task.exception()) is not None:
                # The messages become visible again.
                _log.warning("A batch of %s was not processed: %s", self._mapping.source_arn, error)

        task.add_done_callback(done)

    async def _batch(self, url: str) -> list[dict[str, Any]]:
        """A batch is full, or its window over."""
        wanted = self._mapping.batch_size
        messages = await self._receive(url, wanted)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._mapping.window_seconds
        while messages and len(messages) < wanted:
            more = await self._receive(url, wanted - len(messages))
            messages += more
            if not more:
                if loop.time() >= deadline:
                    break
                await asyncio.sleep(_SHORTEST_PAUSE_SECONDS)
        return messages

    async def _receive(self, url: str, count: int) -> list[dict[str, Any]]:
        params = {
            "QueueUrl": url,
            "MaxNumberOfMessages": min(count, _RECEIVE_AT_MOST),
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        answer = await self._caller.call(await self._act(), "sqs", "ReceiveMessage", params)
        return list(answer.get("Messages") or ())

    async def _process(self, url: str, messages: list[dict[str, Any]]) -> None:
        records = [sqs_record(message, self._mapping.source_arn, self._mapping.region) for message in messages]
        passed = [record for record in records if self._passes(record)]
        handled = [record for record in records if record not in passed]
        if passed:
            trace_id = lineage.most_travelled(record["attributes"].get("AWSTraceHeader", "") for record in passed)
            invoked = await self._invoke(json.dumps({"Records": passed}).encode(), trace_id)
            handled += self._handled(invoked, passed)
        await self._delete(url, handled)

    def _passes(self, record: Record) -> bool:
        shown = filterable(record)
        return not self._patterns or any(filters.matches(pattern, shown) for pattern in self._patterns)

    def _handled(self, invoked: Invoked, records: list[Record]) -> list[Record]:
        if isinstance(invoked.result, Failure):
            return []
        if not self._mapping.report_item_failures:
            return records
        failed = failed_items(invoked.result.payload, [record["messageId"] for record in records])
        return [] if failed is None else [record for record in records if record["messageId"] not in failed]

    async def _delete(self, url: str, records: Sequence[Record]) -> None:
        for start in range(0, len(records), _RECEIVE_AT_MOST):
            entries = [
                {"Id": str(index), "ReceiptHandle": record["receiptHandle"]}
                for index, record in enumerate(records[start : start + _RECEIVE_AT_MOST])
            ]
            params = {"QueueUrl": url, "Entries": entries}
            await self._caller.call(await self._act(), "sqs", "DeleteMessageBatch", params)
