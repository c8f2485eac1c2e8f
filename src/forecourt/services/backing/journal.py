"""What makes an embedded service's acknowledged write survive: a journal of the requests that changed something.

moto keeps its state in memory. A request that changed it is appended, once it was carried out, to an event log of the
store, with the time and the seed that it ran with, and is answered when the log is on the disk. After a restart the
requests are carried out again, in their order, and leave everything as it was. Now and then, and at a clean stop, the
state is kept whole (`snapshot`) and the journal begins anew.

The log's order is the order in which moto ran them: one task takes all that has gathered and appends it at once. Large
bodies lie beside, as blobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from forecourt.services.backing.message import Request
from forecourt.store import Document, Store, Task, Tx
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer

STREAM = "backing.journal"
_LARGE_BODY_BYTES = 256 * 1024
_PAGE = 500
_NAME = "moto"
_PURPOSE = "backing"
_QUEUE = "backing.deliveries"
_MAX_PARCELS = 10_000


class Entry(msgspec.Struct, frozen=True, array_like=True):
    request: Request
    at: float
    seed: bytes
    status: int
    # The digest of a body that lies beside.
    blob: str = ""


class Snapshot(Document):
    """The state that the journal begins from."""

    __kind__ = "backing.Snapshot"
    __key__ = ("name",)

    name: str
    blob: str
    written_by: str


class _Pending(NamedTuple):
    entry: Entry
    # What the request hands on, under its key.
    parcel: tuple[str, bytes] | None
    done: asyncio.Future[None]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def _append(tx: Tx, events: list[bytes], tasks: list[Task]) -> None:
    tx.append(STREAM, events)
    for task in tasks:
        tx.enqueue(task)


class Journal:
    """Everything is sealed: the services keep secrets, and so do the requests that brought them."""

    def __init__(self, store: Store, blobs: Blobs, sealer: Sealer) -> None:
        self._store = store
        self._blobs = blobs
        self._sealer = sealer
        self._pending: list[_Pending] = []
        self._writing: asyncio.Task[None] | None = None
        # Blobs that entries of the present journal refer to.
        self._beside: set[str] = set()
        self.entries = 0
        self.bytes = 0

    def append(self, entry: Entry, parcel: tuple[str, bytes] | None = None) -> asyncio.Future[None]:
        """Done when the entry is on the disk, and with it what it hands on. Entries are kept in the calls' order."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(entry, parcel, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return done

    async def flush(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _write_batch(self, batch: list[_Pending]) -> None:
        try:
            events = [self._seal(_encode(await self._beside_if_large(pending.entry))) for pending in batch]
            tasks = [self._task(*pending.parcel) for pending in batch if pending.parcel is not None]
            await self._store.write(lambda tx: _append(tx, events, tasks))
        except Exception as error:
            for pending in batch:
                pending.done.set_exception(error)
            return
        self.entries += len(events)
        self.bytes += sum(map(len, events))
        for pending in batch:
            if not pending.done.done():
                pending.done.set_result(None)

    def _task(self, key: str, body: bytes) -> Task:
        return Task(queue=_QUEUE, key=key, due_at=0.0, body=self._seal(body))

    async def _beside_if_large(self, entry: Entry) -> Entry:
        if len(entry.request.body) <= _LARGE_BODY_BYTES:
            return entry
        digest = await self._blobs.put(self._seal(entry.request.body))
        self._beside.add(digest)
        self.bytes += len(entry.request.body)
        return msgspec.structs.replace(entry, request=msgspec.structs.replace(entry.request, body=b""), blob=digest)

    async def parcels(self) -> list[bytes]:
        """What is not delivered yet."""
        return [self._open(task.body) for task in await self._store.due(_QUEUE, 0.0, _MAX_PARCELS)]

    async def hand_on(self, key: str, body: bytes) -> None:
        """Keeps what no request of a client's handed on."""
        await self._store.write(lambda tx: tx.enqueue(self._task(key, body)))

    async def delivered(self, key: str) -> None:
        await self._store.write(lambda tx: tx.dequeue(_QUEUE, key))

    # -- after a restart -----------------------------------------------------------------------------------------------

    async def snapshot(self) -> tuple[bytes, str] | None:
        """The state to begin from, and the version of moto that wrote it."""
        found = await self._store.get(Snapshot, _NAME)
        if found is None:
            return None
        return await self._read(found.blob), found.written_by

    async def pages(self) -> AsyncIterator[list[Entry]]:
        """The entries behind the snapshot, in their order."""
        after = 0
        while events := await self._store.read_log(STREAM, after, _PAGE):
            after = events[-1][0]
            self.entries += len(events)
            self.bytes += sum(len(data) for _, data in events)
            yield [await self._whole(_decode(self._open(data))) for _, data in events]

    async def _whole(self, entry: Entry) -> Entry:
        if not entry.blob:
            return entry
        self._beside.add(entry.blob)
        body = await self._read(entry.blob)
        return msgspec.structs.replace(entry, request=msgspec.structs.replace(entry.request, body=body))

    def _seal(self, data: bytes) -> bytes:
        return self._sealer.seal(data, _PURPOSE)

    def _open(self, data: bytes) -> bytes:
        return self._sealer.open(data, _PURPOSE)

    async def _read(self, blob: str) -> bytes:
        return self._open(await asyncio.to_thread(self._blobs.kept(blob).read_bytes))

    # -- beginning anew ------------------------------------------------------------------------------------------------

    async def begin_from(self, state: bytes, written_by: str) -> None:
        """Keeps `state`, which holds all that was appended, and empties the journal."""
        old = await self._store.get(Snapshot, _NAME)
        digest = await self._blobs.put(self._seal(state))

        def swap(tx: Tx) -> None:
            tx.put(Snapshot(name=_NAME, blob=digest, written_by=written_by))
            tx.delete_log(STREAM)

        await self._store.write(swap)
        unused = self._beside | ({old.blob} if old is not None else set())
        self.forget()
        for blob in unused - {digest}:
            await self._blobs.delete(blob)

    def forget(self) -> None:
        """The store was emptied."""
        self._beside = set()
        self.entries = 0
        self.bytes = 0
