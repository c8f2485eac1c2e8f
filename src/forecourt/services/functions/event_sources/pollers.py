"""Every enabled mapping has one reader, whatever changes: mappings are the truth, readers follow them.

A reader that fails (the source is gone, the role may not read it) is started again after a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.services.functions.destinations import Destinations
from forecourt.services.functions.event_sources.batches import Batches
from forecourt.services.functions.event_sources.sqs import QueueReader
from forecourt.services.functions.event_sources.streams import StreamReader
from forecourt.services.functions.invoker import Event, Invoked, Invoker
from forecourt.services.functions.model import EventSourceMapping
from forecourt.services.functions.names import FunctionId
from forecourt.services.functions.queue import ActAs
from forecourt.services.functions.runtime.messages import Failure
from forecourt.services.functions.store import FunctionStore
from forecourt.store import Change

_log = logging.getLogger("forecourt.functions")
_PAUSE_SECONDS = 5.0

Key = tuple[str, ...]


class Pollers:
    def __init__(
        self,
        store: FunctionStore,
        invoker: Invoker,
        caller: Caller,
        destinations: Destinations,
        act_as: ActAs,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._invoker = invoker
        self._caller = caller
        self._destinations = destinations
        self._act_as = act_as
        self._clock = clock
        self._ids = ids
        self._readers: dict[Key, asyncio.Task[None]] = {}
        self._unsubscribe = store.store.changes.subscribe(EventSourceMapping, self._changed)
        self._running = False
        # What the last batch of a mapping came to; kept in memory, as AWS shows it with a delay too.
        self.results: dict[Key, str] = {}

    async def start(self) -> None:
        self._running = True
        for mapping in await self._store.store.list(EventSourceMapping):
            self._follow((mapping.account, mapping.region, mapping.uuid))

    async def stop(self) -> None:
        self._running = False
        readers = list(self._readers.values())
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        self._readers.clear()

    async def close(self) -> None:
        self._unsubscribe()
        await self.stop()

    async def reset(self) -> None:
        await self.stop()
        self.results.clear()
        await self.start()

    def _changed(self, changes: Iterable[Change]) -> None:
        if self._running:
            for change in changes:
                self._follow(change.key)

    def _follow(self, key: Key) -> None:
        """Starts over with the mapping as it is now."""
        old = self._readers.pop(key, None)
        if old is not None:
            old.cancel()
        self._readers[key] = asyncio.ensure_future(self._read(key, old))

    async def _read(self, key: Key, old: asyncio.Task[None] | None) -> None:
        if old is not None:
            await asyncio.wait((old,))
        while (mapping := await self._store.store.get(EventSourceMapping, *key)) is not None and mapping.enabled:
            try:
                await (await self._reader(key, mapping)).run()
            except ServiceError as error:
                self._report(key, mapping, error)
            except Exception:
                _log.exception("the reader of %s failed", mapping.source_arn)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _report(self, key: Key, mapping: EventSourceMapping, error: ServiceError) -> None:
        problem = f"PROBLEM: {error.message}"
        if self.results.get(key) != problem:
            self.results[key] = problem
            _log.warning("The event source %s can't be read: %s", mapping.source_arn, error)

    async def _reader(self, key: Key, mapping: EventSourceMapping) -> QueueReader | StreamReader:
        id = FunctionId(mapping.account, mapping.region, mapping.name, mapping.qualifier or None)
        role = (await self._store.resolve(id)).configuration.role

        async def act() -> CallContext:
            return await self._act_as(id, role)

        async def invoke(payload: bytes, trace_id: str = "") -> Invoked:
            event = Event(request_id=self._ids.uuid(), payload=payload, trace_id=trace_id)
            invoked = await self._invoker.invoke(id, event)
            failed = isinstance(invoked.result, Failure)
            self.results[key] = "PROBLEM: Function call failed" if failed else "OK"
            return invoked

        async def give_up(document: dict[str, Any]) -> None:
            if mapping.on_failure:
                now = self._clock.utcnow()
                document["requestContext"] |= {"requestId": self._ids.uuid(), "functionArn": id.arn}
                document["timestamp"] = f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
                await self._destinations.send(await act(), mapping.on_failure, document)

        if mapping.service == "sqs":
            return QueueReader(mapping, self._caller, act, invoke)
        batches = Batches(mapping, invoke, give_up, self._clock)
        return StreamReader(mapping, role, self._store.store, self._caller, act, batches, self._clock)
