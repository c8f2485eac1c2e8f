"""What CloudWatch Logs keeps besides events, and how a flush of events makes the groups and streams that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forecourt.services.logs.errors import (
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from forecourt.services.logs.model import FILTERS, LogGroup, LogStream, MetricFilter, SubscriptionFilter
from forecourt.store import AlreadyExists, Store, Tx
from forecourt.telemetry.log_store import GroupKey, Written


class LogsStore:
    def __init__(self, store: Store) -> None:
        self.store = store

    async def group(self, key: GroupKey) -> LogGroup:
        """Raises `ResourceNotFoundException`."""
        return _found_group(await self.store.get(LogGroup, *key))

    async def stream(self, key: GroupKey, name: str) -> LogStream:
        """Raises `ResourceNotFoundException`, which says whether the group or the stream is missing."""
        found = await self.store.get(LogStream, *key, name)
        if found is None:
            await self.group(key)
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return found

    async def create_group(self, group: LogGroup) -> None:
        try:
            await self.store.write(lambda tx: tx.insert(group))
        except AlreadyExists:
            raise ResourceAlreadyExistsException("The specified log group already exists") from None

    async def change_group(self, key: GroupKey, change: Callable[[LogGroup], None]) -> None:
        """`change` may raise: then nothing changes."""

        def run(tx: Tx) -> None:
            group = _found_group(tx.get(LogGroup, *key))
            change(group)
            tx.put(group)

        await self.store.write(run)

    async def delete_group(self, key: GroupKey) -> None:
        def run(tx: Tx) -> None:
            tx.delete(LogGroup, *key)
            for kind in (LogStream, *FILTERS):
                tx.delete_all(kind, *key)

        await self.store.write(run)

    async def create_stream(self, stream: LogStream) -> None:
        def run(tx: Tx) -> None:
            _found_group(tx.get(LogGroup, *stream.group_key))
            tx.insert(stream)

        try:
            await self.store.write(run)
        except AlreadyExists:
            raise ResourceAlreadyExistsException("The specified log stream already exists") from None

    async def delete_stream(self, stream: LogStream) -> None:
        await self.store.write(lambda tx: tx.delete(LogStream, *stream.group_key, stream.name))

    async def put_filter(self, wanted: MetricFilter | SubscriptionFilter, most: int) -> None:
        """Adds the filter to its group or replaces the one of its name; a group has at most `most` of a kind."""

        def run(tx: Tx) -> None:
            _found_group(tx.get(LogGroup, *wanted.group_key))
            others = [one for one in tx.list(type(wanted), *wanted.group_key) if one.name != wanted.name]
            if len(others) >= most:
                raise LimitExceededException("Resource limit exceeded.")
            tx.put(wanted)

        await self.store.write(run)

    async def delete_filter(
        self, kind: type[MetricFilter] | type[SubscriptionFilter], key: GroupKey, name: str, missing: str
    ) -> None:
        """Raises `ResourceNotFoundException`, which says `missing`."""

        def run(tx: Tx) -> None:
            _found_group(tx.get(LogGroup, *key))
            if not tx.delete(kind, *key, name):
                raise ResourceNotFoundException(missing)

        await self.store.write(run)

    async def note(self, written: Sequence[Written]) -> None:
        """Brings streams up to date with what was written; makes groups and streams that a log sink wrote to."""

        def run(tx: Tx) -> None:
            for batch in written:
                if tx.get(LogGroup, *batch.group) is None:
                    account, region, name = batch.group
                    tx.put(LogGroup(account=account, region=region, name=name, created_ms=batch.ingestion_ms))
                tx.put(_noted(tx.get(LogStream, *batch.group, batch.stream), batch))

        await self.store.write(run)


def _noted(stream: LogStream | None, batch: Written) -> LogStream:
    account, region, group = batch.group
    stream = stream or LogStream(
        account=account, region=region, group=group, name=batch.stream, created_ms=batch.ingestion_ms
    )
    first = stream.first_event_ms
    stream.first_event_ms = batch.first_ms if first is None else min(first, batch.first_ms)
    stream.last_event_ms = max(stream.last_event_ms or 0, batch.last_ms)
    stream.last_ingestion_ms = batch.ingestion_ms
    return stream


def _found_group(group: LogGroup | None) -> LogGroup:
    if group is None:
        raise ResourceNotFoundException("The specified log group does not exist.")
    return group
