"""Standard executions: load, advance, commit, perform.

Each execution has an inbox. Whoever puts an event there gets its answer when the turn that the event caused is durable.
One drive at a time per execution empties the inbox: it advances the machine by everything that has come in, commits
once, and only then performs what was decided. What cannot be committed is forgotten, and the execution is loaded again.
A drive is no task but two callbacks, one that advances and one that follows the commit: a turn costs little more than
what it does.

Executions stay in memory while something happens to them, and a bounded number of them a while longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Machine
from forecourt.services.stepfunctions.engine import advance, events, model
from forecourt.services.stepfunctions.engine.model import Execution, new_execution
from forecourt.services.stepfunctions.engine.tokens import Token
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.errors import ExecutionAlreadyExists, ExecutionDoesNotExist
from forecourt.services.stepfunctions.model import ExecutionKey, ExecutionRecord, execution_arn
from forecourt.services.stepfunctions.run import history, persist, stored
from forecourt.services.stepfunctions.run.committer import Committer
from forecourt.services.stepfunctions.run.logs import ExecutionLogs
from forecourt.services.stepfunctions.run.machines import Machines
from forecourt.services.stepfunctions.run.pending import Pending
from forecourt.services.stepfunctions.run.persist import Batch, Step
from forecourt.services.stepfunctions.run.start import StartRequest
from forecourt.services.stepfunctions.run.stored import Stored
from forecourt.store import AlreadyExists, Store, StoreUnavailable, Task, Tx

_log = logging.getLogger("forecourt.stepfunctions")
_MOST_IDLE = 1_000
_FIRST_PAUSE = 0.1
_MOST_SECONDS_TO_CLOSE = 5.0
_FIRST_STEPS = 120  # how far an execution may come before StartExecution answers

Answer = Callable[[Execution], Any]


class Started(NamedTuple):
    arn: str
    started_at: float


class _Letter(NamedTuple):
    event: events.Event
    # None: nobody waits, and what the store cannot take now is delivered again
    answer: asyncio.Future[Execution] | None
    # Pending work that is stored in this new form where the event is taken
    keep: Pending | None


class _Live:
    """An execution in memory."""

    __slots__ = ("busy", "execution", "forgotten", "inbox", "key", "machine", "record", "stored", "taken")

    def __init__(
        self, key: ExecutionKey, execution: Execution, machine: Machine, record: ExecutionRecord, stored: Stored
    ) -> None:
        self.key = key
        self.execution = execution
        self.machine = machine
        self.record = record
        self.stored = stored
        self.inbox: list[_Letter] = []
        # What the drive under way took from the inbox
        self.taken: list[_Letter] = []
        self.busy = False
        # Whether the store was emptied since
        self.forgotten = False


class Shell:
    def __init__(
        self, store: Store, committer: Committer, machines: Machines, clock: Clock, ids: Ids, logs: ExecutionLogs
    ) -> None:
        self._store = store
        self._committer = committer
        self._machines = machines
        self._clock = clock
        self._ids = ids
        self._logs = logs
        self._live: OrderedDict[ExecutionKey, _Live] = OrderedDict()
        self._loading: dict[ExecutionKey, asyncio.Future[_Live]] = {}
        self._starting: dict[ExecutionKey, asyncio.Future[None]] = {}
        self._waiters: dict[ExecutionKey, list[asyncio.Future[ExecutionRecord]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._closed = False
        # Filled by whoever performs work, keeps time and watches ends; see service.py
        self.perform: Callable[[Pending], None] = lambda pending: None
        self.abandon: Callable[[str, str], None] = lambda arn, nonce: None
        self.set_alarm: Callable[[float], None] = lambda due_at: None
        self.on_finished: list[Callable[[ExecutionRecord], None]] = []

    # --- starting -----------------------------------------------------------------------------------------------------

    async def start(self, request: StartRequest) -> Started:
        """Idempotent while an execution of the same name and input runs."""
        machine = await self._machines.get(request.revision.digest)
        at = self._clock.now()
        record = request.record(at)
        execution = self._new_execution(request, at)
        turn = advance(machine, execution, events.Start(), at, most_steps=_FIRST_STEPS)
        _name_revision(turn, record)
        live = _Live(request.key, execution, machine, record, Stored())
        batch = Batch(request.key, record.place, execution, [Step(events.Start(), turn)], live.stored)
        persist.record_of(record, execution)

        def change(tx: Tx) -> ExecutionRecord | None:
            try:
                tx.insert(record)
            except AlreadyExists:
                return tx.get(ExecutionRecord, *request.key)
            self._write(tx, live, batch)
            return None

        # Whoever has an event for it already waits until it is known whether this is the execution of that name
        starting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        is_first = self._starting.setdefault(request.key, starting) is starting
        try:
            existing = await self._committer.commit(change)
            if existing is None:
                self._keep(live)
        finally:
            starting.set_result(None)
            if is_first:
                del self._starting[request.key]
        if existing is not None:
            return _same_or_conflict(existing, request)
        self._after_commit(live, batch)
        return Started(request.arn, at)

    def _discard(self, live: _Live, error: BaseException) -> None:
        """What is in memory is not what is stored: it is forgotten, and whoever waits for it hears so."""
        if self._live.get(live.key) is live:
            del self._live[live.key]
        letters, live.taken, live.inbox = [*live.taken, *live.inbox], [], []
        for letter in letters:
            if letter.answer is not None and not letter.answer.done():
                letter.answer.set_exception(error)
            elif letter.answer is None and not self._closed:
                self._spawn(self._deliver_again(live.key, letter))

    def _new_execution(self, request: StartRequest, at: float) -> Execution:
        return new_execution(
            request.arn,
            request.name,
            request.revision.machine_arn,
            request.revision.machine,
            request.revision.role_arn,
            Data.of_text(request.input),
            at,
            self._ids.bytes(16),
        )

    # --- events -------------------------------------------------------------------------------------------------------

    async def deliver(self, key: ExecutionKey, event: events.Event, keep: Pending | None = None) -> Execution:
        """Returns the execution once what the event caused is durable. Raises `ExecutionDoesNotExist`."""
        if self._closed:
            raise StoreUnavailable("Forecourt is ending")
        live = await self._open(key)
        answer: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        live.inbox.append(_Letter(event, answer, keep))
        self._wake(live)
        return await answer

    async def awaits(self, key: ExecutionKey, token: Token) -> bool:
        """Whether the execution still waits for an answer with this token."""
        execution = (await self._open(key)).execution
        frame = execution.frames.get(token.frame)
        return execution.is_open and frame is not None and frame.work is not None and frame.work.nonce == token.nonce

    async def scheduled_input(self, key: ExecutionKey, token: Token) -> str | None:
        """What the activity task of this token is given; None where nobody waits for it any more."""
        if not await self.awaits(key, token):
            return None
        live = await self._open(key)
        work = live.execution.frames[token.frame].work
        scheduled = await history.event_of(self._store, live.record.place, work.scheduled_id) if work else None
        return str(scheduled.details["input"]) if scheduled is not None and scheduled.details else None

    async def redrive(self, key: ExecutionKey, client_token: str) -> Execution:
        live = await self._open(key)
        live.record.redrive_token = client_token
        return await self.deliver(key, events.Redrive())

    def post(self, key: ExecutionKey, event: events.Event, keep: Pending | None = None) -> None:
        """As `deliver`, with nobody waiting. What the store cannot take now is tried again."""
        live = self._live.get(key)
        if live is None or key in self._starting:
            self._spawn(self._deliver_until_taken(key, event, keep))
            return
        self._live.move_to_end(key)
        live.inbox.append(_Letter(event, None, keep))
        self._wake(live)

    async def _deliver_again(self, key: ExecutionKey, letter: _Letter) -> None:
        await asyncio.sleep(_FIRST_PAUSE)
        await self._deliver_until_taken(key, letter.event, letter.keep)

    async def _deliver_until_taken(self, key: ExecutionKey, event: events.Event, keep: Pending | None) -> None:
        for pause in (_FIRST_PAUSE, 1.0, 5.0, 15.0, 60.0):
            try:
                await self.deliver(key, event, keep)
                return
            except ExecutionDoesNotExist:
                return
            except Exception:
                if self._closed:
                    return
                _log.exception("an event of %s could not be recorded; it is tried again", execution_arn(key))
                await asyncio.sleep(pause)

    # --- drives -------------------------------------------------------------------------------------------------------

    def _wake(self, live: _Live) -> None:
        if not live.busy and not self._closed:
            live.busy = True
            self._busy += 1
            self._at_rest.clear()
            asyncio.get_running_loop().call_soon(self._drive, live)

    def _drive(self, live: _Live) -> None:
        live.taken, live.inbox = live.inbox, []
        try:
            batch = self._advance(live)
        except Exception as error:
            self._lost(live, error)
            return
        if batch.is_empty:
            self._answer(live)
            return
        redriven = any(isinstance(letter.event, events.Redrive) for letter in live.taken)
        write = self._write_with_record if redriven or batch.finished else self._write
        self._committer.submit(lambda tx: write(tx, live, batch), partial(self._committed, live, batch))

    def _advance(self, live: _Live) -> Batch:
        at = self._clock.now()
        try:
            turns = [advance(live.machine, live.execution, letter.event, at) for letter in live.taken]
        except Exception:
            _log.exception("the machine failed on %s", execution_arn(live.key))
            if not any(isinstance(letter.event, events.Break) for letter in live.taken):
                # Not into this inbox, which is lost with what is in memory
                self._spawn(self._deliver_until_taken(live.key, events.Break(), None))
            raise
        steps = [Step(letter.event, turn, letter.keep) for letter, turn in zip(live.taken, turns, strict=True)]
        batch = Batch(live.key, live.record.place, live.execution, steps, live.stored)
        persist.record_of(live.record, live.execution)
        return batch

    def _committed(self, live: _Live, batch: Batch, _: None, error: Exception | None) -> None:
        if live.forgotten:
            self._rest(live)
            return
        try:
            if error is not None:
                raise error
            self._after_commit(live, batch)
        except Exception as error:
            self._lost(live, error)
        else:
            self._answer(live)

    def _lost(self, live: _Live, error: Exception) -> None:
        """The turn is lost with the commit: what is stored counts."""
        self._discard(live, error)
        self._rest(live)

    def _answer(self, live: _Live) -> None:
        for letter in live.taken:
            if letter.answer is not None and not letter.answer.done():
                letter.answer.set_result(live.execution)
        live.taken = []
        if live.inbox:
            asyncio.get_running_loop().call_soon(self._drive, live)
        else:
            self._rest(live)

    def _rest(self, live: _Live) -> None:
        live.busy = False
        self._busy -= 1
        if not self._busy:
            self._at_rest.set()
        self._shrink()

    def _write_with_record(self, tx: Tx, live: _Live, batch: Batch) -> None:
        self._write(tx, live, batch)
        tx.put(live.record)

    def _write(self, tx: Tx, live: _Live, batch: Batch) -> None:
        batch.write(tx)
        if batch.finished:
            persist.expire_later(tx, live.record)

    def _after_commit(self, live: _Live, batch: Batch) -> None:
        self._logs.write(live.record, batch.events)
        for nonce in batch.abandoned:
            self.abandon(live.record.arn, nonce)
        if batch.finished:
            self._finished(live)
            return
        if batch.first_alarm is not None:
            self.set_alarm(batch.first_alarm)
        for pending in batch.work:
            self.perform(pending)
        if batch.goes_on:
            self.post(live.key, events.Continue())

    def _finished(self, live: _Live) -> None:
        if self._live.get(live.key) is live:
            del self._live[live.key]
        for waiter in self._waiters.pop(live.key, ()):
            if not waiter.done():
                waiter.set_result(live.record)
        for callback in self.on_finished:
            callback(live.record)

    async def finished(self, key: ExecutionKey) -> ExecutionRecord:
        """The record, once the execution has its terminal state. Raises `ExecutionDoesNotExist`."""
        waiter: asyncio.Future[ExecutionRecord] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(key, [])
        waiters.append(waiter)
        try:
            record = await self._store.get(ExecutionRecord, *key)
            if record is None:
                raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{execution_arn(key)}'")
            return record if record.status != model.RUNNING else await waiter
        finally:
            waiters.remove(waiter)
            if not waiters and self._waiters.get(key) is waiters:
                del self._waiters[key]

    async def view(self, key: ExecutionKey) -> tuple[Machine, Execution]:
        """To look at, not to change."""
        live = await self._open(key)
        return live.machine, live.execution

    # --- memory -------------------------------------------------------------------------------------------------------

    async def _open(self, key: ExecutionKey) -> _Live:
        while (starting := self._starting.get(key)) is not None:
            await asyncio.shield(starting)
        live = self._live.get(key)
        if live is not None:
            self._live.move_to_end(key)
            return live
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.ensure_future(self._load(key))
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _load(self, key: ExecutionKey) -> _Live:
        record = await self._store.get(ExecutionRecord, *key)
        loaded = await stored.load(self._store, record.place) if record is not None else None
        if loaded is None or record is None:
            raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{execution_arn(key)}'")
        machine = await self._machines.get(record.digest)
        live = self._live.get(key)
        if live is None:
            live = _Live(key, loaded[0], machine, record, loaded[1])
            self._keep(live)
        return live

    def _keep(self, live: _Live) -> None:
        self._live[live.key] = live
        if len(self._live) > _MOST_IDLE:
            self._shrink()

    def _shrink(self) -> None:
        """Forgets the executions that nothing has happened to for longest: a tenth of them at once."""
        if len(self._live) <= _MOST_IDLE:
            return
        excess = len(self._live) - _MOST_IDLE * 9 // 10
        idle = [key for key, live in self._live.items() if not live.busy]
        for key in idle[:excess]:
            del self._live[key]

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drop_timer(self, task: Task) -> None:
        """A timer of an execution that is gone."""
        await self._committer.commit(lambda tx: tx.dequeue(task.queue, task.key))

    async def close(self) -> None:
        """Turns under way are committed; what they decided is performed after the next start."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOST_SECONDS_TO_CLOSE):
                await self._at_rest.wait()
                if self._tasks:
                    await asyncio.wait(set(self._tasks))
        for task in list(self._tasks):
            task.cancel()

    def forget(self) -> None:
        """What is under way is ended, what is known is forgotten."""
        for task in list(self._tasks):
            task.cancel()
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.cancel()
        for live in self._live.values():
            live.forgotten = True
            for letter in (*live.taken, *live.inbox):
                if letter.answer is not None and not letter.answer.done():
                    letter.answer.set_exception(StoreUnavailable("It was ended"))
            live.inbox = []
        self._live.clear()
        self._waiters.clear()


def _name_revision(turn: Turn, record: ExecutionRecord) -> None:
    """ExecutionStarted names the version and alias that were started; the machine does not know them."""
    details = turn.events[0].details
    if details is not None and record.version_arn:
        details["stateMachineVersionArn"] = record.version_arn
    if details is not None and record.alias_arn:
        details["stateMachineAliasArn"] = record.alias_arn


def _same_or_conflict(existing: ExecutionRecord, request: StartRequest) -> Started:
    if existing.status == model.RUNNING and existing.input == request.input:
        return Started(request.arn, existing.started_at)
    raise ExecutionAlreadyExists(f"Execution Already Exists: '{request.arn}'")
