"""Every AWS service that is not ours: carried out by moto in this process, or by a remote endpoint.

Whichever way a request came (an HTTP client's bytes, or a call from inside that `client` serialized), it is one
`Request` and takes one path: remote, or its turn on moto's thread, then the journal, then the answer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from forecourt.auth.supplies import Mode
from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import NotImplementedYet
from forecourt.base.ids import Ids
from forecourt.base.ports import RoleSessions
from forecourt.base.principal import root
from forecourt.services.backing.admission import Admission
from forecourt.services.backing.deliveries import Courier, Parcel, encode, parcel
from forecourt.services.backing.embedded import Embedded, Outcome
from forecourt.services.backing.errors import Broken, InvalidRequest, StateUnreadable, WouldWait
from forecourt.services.backing.journal import Entry, Journal
from forecourt.services.backing.message import Headers, Request, Response, not_replayable, only_reads, without_chunks
from forecourt.services.backing.rules import Rules
from forecourt.services.backing.scheduler import Scheduler
from forecourt.services.backing.schedules import Schedules, Source
from forecourt.store import Store
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer

if TYPE_CHECKING:
    from forecourt.services.backing.remote import Remote

_log = logging.getLogger("forecourt.backing")

# A journal of so many entries (two seconds of replay) or bytes is followed by a snapshot; one that costs much is taken
# more seldom, so that it takes a twentieth of moto's time at most.
_MAX_ENTRIES = 2000
_MAX_BYTES = 64 * 1024 * 1024
_ENTRIES_PER_SECOND_OF_SNAPSHOT = 20_000
# A queue is looked at again when something changed, and for what falls due by itself (delays, visibility) this often.
_POLL_SECONDS = 0.25


class Keep(NamedTuple):
    store: Store
    blobs: Blobs
    sealer: Sealer


class Backing:
    """`keep` is where the embedded services' writes are kept; without it they are not (an ephemeral run). `caller` is
    whom they hand on to (a topic's message to a function), as a role's session from `roles` where a target names one.
    By `mode` (`auth.supplies`) what they hand to one another needs the receiver's policy.

    Raises `ValueError` where an endpoint is not a URL.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        keep: Keep | None = None,
        endpoints: Mapping[str, str] | None = None,
        caller: Caller | None = None,
        roles: RoleSessions | None = None,
        ids: Ids | None = None,
        mode: Mode = "off",
    ) -> None:
        self._clock = clock
        self._remote = _remote(endpoints) if endpoints else None
        self._embedded = Embedded(clock, Admission(mode))
        self._journal: Journal | None = None
        if keep is not None:
            # Apart from other blobs: what is equal to a function's code must not go with a bucket's object.
            self._journal = Journal(keep.store, Blobs(keep.blobs.folder / "backing"), keep.sealer)
        self._courier = Courier(caller, roles, clock, ids or Ids(), self._journal)
        self._ids = ids or Ids()
        sources: dict[str, Source] = {
            "events": Rules(self, self._as_root),
            "scheduler": Scheduler(self, self._courier, self._as_root),
        }
        self._schedules = Schedules(keep.store if keep is not None else None, sources, clock)
        self._turn = asyncio.Lock()
        self._loaded = False
        self._changed = asyncio.Event()
        self._closing = False
        self._max_entries = _MAX_ENTRIES
        self._max_bytes = _MAX_BYTES
        self._compacting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """moto is not loaded before it is needed; what it had handed on and was not delivered is."""
        await self._courier.resume()
        await self._schedules.start()

    async def stop(self) -> None:
        self._closing = True
        await self._schedules.stop()
        self._wake()
        if self._loaded and self._journal is not None and self._journal.entries:
            async with self._turn:
                await self._compact()
        await self._courier.close()
        self._embedded.close()
        if self._remote is not None:
            await self._remote.close()

    async def reset(self) -> None:
        await self._courier.forget()
        self._schedules.forget()
        async with self._turn:
            await self._embedded.on_thread(self._embedded.reset)
            if self._journal is not None:
                self._journal.forget()
        self._wake()

    # -- the two ways in -----------------------------------------------------------------------------------------------

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """As `Caller.call`. Raises `RemoteError` with what the service answered."""
        client = _client()
        host = urlsplit(context.public_url).netloc or "localhost:4566"
        request = client.serialize(
            service, operation, params, account=context.account, region=context.region, host=host
        )
        result: dict[str, Any] = client.parse(service, operation, await self._run(request))
        return result

    async def http(
        self,
        context: CallContext,
        service: str,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Headers,
        body: bytes,
    ) -> tuple[int, Headers, bytes]:
        """Answers a client's own request: status, headers, body."""
        request = Request(
            service=service,
            account=context.account,
            region=context.region,
            method=method,
            raw_path=raw_path,
            query_string=query_string,
            headers=without_chunks(headers, body),
            body=body,
        )
        response = await self._run(request)
        return response.status, response.headers, response.body

    async def _run(self, request: Request) -> Response:
        if self._remote is not None and self._remote.serves(request.service):
            return await self._remote.run(request)
        await self._load()
        try:
            response = await self._wait_for(request)
        except Broken as failure:
            raise _explained(failure) from failure
        if response.status < 300:
            await self._schedules.note(request)
        return response

    def _as_root(self, account: str, region: str) -> CallContext:
        return CallContext(principal=root(account), region=region, request_id=self._ids.uuid())

    # -- moto ----------------------------------------------------------------------------------------------------------

    async def _wait_for(self, request: Request) -> Response:
        """A ReceiveMessage waits here, not on moto's thread."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            changed = self._changed
            try:
                return await self._shielded(request)
            except WouldWait as wait:
                left = began + wait.seconds - loop.time()
            if left <= 0 or self._closing:
                return await self._shielded(request, patient=False)
            try:
                await asyncio.wait_for(changed.wait(), min(left, _POLL_SECONDS))
            except TimeoutError:
                continue

    async def _shielded(self, request: Request, *, patient: bool = True) -> Response:
        """What moto carried out is kept, even if the one who asked has gone."""
        return await asyncio.shield(asyncio.ensure_future(self._carry_out(request, patient)))

    async def _carry_out(self, request: Request, patient: bool) -> Response:
        at, seed = self._clock.now(), secrets.token_bytes(16)
        async with self._turn:
            outcome: Outcome = await self._embedded.on_thread(self._embedded.run, request, at, seed, patient)
            response = outcome.response
            if only_reads(request) or not outcome.changed:
                return response
            handed_on = parcel(outcome.deliveries, request.trace_id) if outcome.deliveries else None
            kept = await self._keep(Entry(request, at, seed, response.status), handed_on)
        if kept is not None:
            await kept
            self._compact_if_long()
        if handed_on is not None:
            self._courier.take(handed_on)
        self._wake()
        return response

    async def _keep(self, entry: Entry, handed_on: Parcel | None) -> asyncio.Future[None] | None:
        if self._journal is None:
            return None
        if not_replayable(entry.request):
            await self._journal.flush()
            if await self._compact():
                return None
        return self._journal.append(entry, (handed_on.key, encode(handed_on)) if handed_on is not None else None)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # -- the journal ---------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        if self._loaded:
            return
        async with self._turn:
            if not self._loaded and self._journal is not None:
                await self._restore(self._journal)
            self._loaded = True

    async def _restore(self, journal: Journal) -> None:
        """Raises `StateUnreadable`: to begin empty would be to lose what was acknowledged."""
        kept = await journal.snapshot()
        if kept is not None:
            state, version = kept
            try:
                await self._embedded.on_thread(self._embedded.restore, state)
            except Exception as error:
                _log.exception("the kept state of the embedded services cannot be read")
                raise StateUnreadable(version, _snapshot().written_by()) from error
        differing = 0
        async for page in journal.pages():
            differing += await self._embedded.on_thread(self._embedded.replay, page)
        if differing:
            _log.warning("%d of %d kept requests were answered otherwise than before", differing, journal.entries)

    def _compact_if_long(self) -> None:
        journal = self._journal
        if journal is None or self._compacting is not None or self._closing:
            return
        if journal.entries >= self._max_entries or journal.bytes >= self._max_bytes:
            self._compacting = asyncio.create_task(self._compact_in_turn())

    async def _compact_in_turn(self) -> None:
        try:
            async with self._turn:
                if not await self._compact():
                    self._max_entries *= 2
        finally:
            self._compacting = None

    async def _compact(self) -> bool:
        """Whether the state could be kept whole. To be called in one's turn."""
        journal = self._journal
        assert journal is not None
        await journal.flush()
        snapshot = _snapshot()
        began = time.perf_counter()
        try:
            state = await self._embedded.on_thread(snapshot.dump)
        except snapshot.NotPicklable as error:
            _log.warning("the embedded services' state is kept as a journal only: %s", error)
            return False
        await journal.begin_from(state, snapshot.written_by())
        took = time.perf_counter() - began
        self._max_entries = max(self._max_entries, int(took * _ENTRIES_PER_SECOND_OF_SNAPSHOT))
        self._max_bytes = max(_MAX_BYTES, len(state))
        return True


def _client() -> Any:
    """botocore takes a tenth of a second to import, and many a process never calls a backing service."""
    from forecourt.services.backing import client

    return client


def _snapshot() -> Any:
    """For the same reason: it knows certificates, whose library takes its time to import."""
    from forecourt.services.backing import snapshot

    return snapshot


def _remote(endpoints: Mapping[str, str]) -> Remote:
    from forecourt.services.backing.remote import Remote

    return Remote(endpoints)


def _explained(failure: Broken) -> InvalidRequest | NotImplementedYet:
    """moto trips over parameters that AWS refuses: then it was the caller's mistake. Else it lacks something."""
    wrong = _client().mistakes(failure.request)
    if wrong:
        return InvalidRequest(wrong)
    _log.warning("moto failed: %s", failure, exc_info=failure.__cause__)
    return NotImplementedYet(
        f"The embedded {failure.request.service} (moto) cannot carry this out as it was asked. "
        "Forecourt's log has the reason under this request id."
    )
