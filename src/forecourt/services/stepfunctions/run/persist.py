"""How an execution lies in the store, and how a turn is written there.

- An execution without branches or iterations is one document, `ExecutionState`. As soon as it has child frames, every
  frame is a document of its own and only those that changed are written: a Map of ten thousand costs as much per step
  as a chain.
- A turn's history events are one entry of the log `states/<execution arn>`: an array of events.
- Timers stand in the queue `states.timers`, pending outside work in `states.work`, both keyed by the execution's ARN.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Resource
from forecourt.services.stepfunctions.engine import commands, model
from forecourt.services.stepfunctions.engine.history import HistoryEvent
from forecourt.services.stepfunctions.engine.model import Execution, Frame
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.model import (
    ExecutionKey,
    ExecutionRecord,
    ExecutionState,
    FrameState,
    execution_arn,
)
from forecourt.store import Store, Task, Tx

TIMERS = "states.timers"
WORK = "states.work"
RETENTION = "states.retention"
RETENTION_SECONDS = 90 * 86_400
_ENTRIES_AT_ONCE = 16

_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(list[HistoryEvent]).decode


class Pending(msgspec.Struct, array_like=True):
    """Outside work as it is stored. `deliveries` counts how often a restart found it."""

    key: ExecutionKey
    kind: str  # task, map-run, go-on
    frame: int = 0
    nonce: str = ""
    resource: tuple[str, str, str, str, str] = ("", "service", "", "", "request")
    arguments: str = "null"
    # The role that the work is done as: the task's own (Credentials), or the execution's
    role_arn: str = ""
    test_case: str = ""
    state: str = ""
    heartbeat_seconds: int = 0
    timeout_seconds: int = 0
    scope: int = 0
    items: str | None = None
    redrive: bool = False
    deliveries: int = 0
    # What a submitted `.sync` task is waiting for
    submitted: str | None = None

    @property
    def row_key(self) -> str:
        return work_key(execution_arn(self.key), self.nonce or "go-on")

    def as_resource(self) -> Resource:
        return Resource(*self.resource)  # type: ignore[arg-type]


_decode_pending = msgspec.msgpack.Decoder(Pending).decode


def load_pending(task: Task) -> Pending:
    return _decode_pending(task.body)


def work_key(arn: str, nonce: str) -> str:
    return f"{arn}/{nonce}"


def timer_key(arn: str, frame: int, kind: str) -> str:
    return f"{arn}/{frame}/{kind}"


def stream_of(arn: str) -> str:
    return f"states/{arn}"


def pending_of(key: ExecutionKey, execution: Execution, command: commands.Command) -> Pending | None:
    """The stored form of a command that asks for outside work."""
    match command:
        case commands.InvokeTask():
            r = command.resource
            return Pending(
                key, "task", command.frame, command.nonce, (r.arn, r.kind, r.service, r.action, r.pattern),
                command.arguments.text, command.role_arn or execution.role_arn,
                execution.machine_arn.partition("#")[2], command.state, command.heartbeat_seconds,
                command.timeout_seconds,
            )  # fmt: skip
        case commands.StartMapRun():
            return Pending(
                key,
                "map-run",
                command.frame,
                command.nonce,
                arguments=command.input.text,
                role_arn=execution.role_arn,
                state=command.state,
                scope=command.scope,
                items=command.items.text if command.items is not None else None,
                redrive=command.redrive,
            )
    return None


class Batch:
    """Everything that one or more turns of an execution change, encoded and ready to be written."""

    def __init__(
        self,
        key: ExecutionKey,
        execution: Execution,
        turns: list[Turn],
        stored: Stored,
        settled: Sequence[str] = (),
        kept: Sequence[Pending] = (),
        fired: Sequence[tuple[int, str]] = (),
    ) -> None:
        """`settled`: nonces whose pending work is over. `kept`: pending work in a new form. `fired`: timers."""
        self.arn = execution_arn(key)
        self.pending: list[Pending] = []
        self.timers: list[commands.StartTimer] = []
        self.cancelled: list[commands.CancelTimer] = []
        self.done_work = {work_key(self.arn, nonce) for nonce in settled}
        self.events = [_encode(events) for turn in turns if (events := turn.events)]
        self.finished = not execution.is_open
        self.goes_on = False
        self.kept = kept
        self._collect(key, execution, turns)
        self.cancelled += [commands.CancelTimer(*timer) for timer in fired if not _still_set(execution, *timer)]
        self.documents = _Documents(key, execution, turns, stored)

    def _collect(self, key: ExecutionKey, execution: Execution, turns: list[Turn]) -> None:
        for turn in turns:
            for command in turn.commands:
                match command:
                    case commands.StartTimer():
                        self.timers.append(command)
                    case commands.CancelTimer():
                        self.timers = [t for t in self.timers if (t.frame, t.kind) != (command.frame, command.kind)]
                        self.cancelled.append(command)
                    case commands.AbandonWork():
                        self.pending = [work for work in self.pending if work.nonce != command.nonce]
                        self.done_work.add(work_key(self.arn, command.nonce))
                    case commands.GoOn():
                        self.goes_on = True
                    case _:
                        if (work := pending_of(key, execution, command)) is not None:
                            self.pending.append(work)
        if self.goes_on:
            self.pending.append(Pending(key, "go-on"))

    def write(self, tx: Tx) -> None:
        for task_key in self.done_work:
            tx.dequeue(WORK, task_key)
        for cancel in self.cancelled:
            tx.dequeue(TIMERS, timer_key(self.arn, cancel.frame, cancel.kind))
        if not self.finished:
            for timer in self.timers:
                body = _encode((timer.frame, timer.kind))
                tx.enqueue(Task(TIMERS, timer_key(self.arn, timer.frame, timer.kind), timer.due_at, body))
            for work in (*self.pending, *self.kept):
                tx.enqueue(Task(WORK, work.row_key, 0.0, _encode(work)))
        if self.events:
            tx.append(stream_of(self.arn), self.events)
        self.documents.write(tx)


def _still_set(execution: Execution, frame: int, kind: str) -> bool:
    """Whether a timer that fired has been set anew since."""
    if not frame:
        return execution.timeout_due > 0
    return frame in execution.frames and kind in execution.frames[frame].timers


class Stored:
    """In what form an execution lies in the store, as far as the next batch must know."""

    def __init__(self, split: bool = False) -> None:
        self.split = split
        # By frame with children: the input and items that are stored for it
        self.heavy: dict[int, tuple[Data, Data | None]] = {}


class _Documents:
    """The state's documents that a batch of turns changes."""

    def __init__(self, key: ExecutionKey, execution: Execution, turns: list[Turn], stored: Stored) -> None:
        self.key = key
        self.puts: list[ExecutionState | FrameState] = []
        self.gone: list[str] = []
        account, region, machine, name = key
        split = len(execution.frames) > 1
        frames = execution.frames
        if split:
            execution.frames = {}
        data = model.dump(execution)
        execution.frames = frames
        self.puts.append(
            ExecutionState(account=account, region=region, machine=machine, name=name, data=data, split=split)
        )
        if split:
            self._split(execution, turns, stored)
        elif stored.split:
            self.gone = ["*"]
        if not split:
            stored.heavy = {}
        stored.split = split

    def _split(self, execution: Execution, turns: list[Turn], stored: Stored) -> None:
        removed = set().union(*(turn.removed for turn in turns))
        touched = set().union(*(turn.touched for turn in turns)) if stored.split else set(execution.frames)
        for number in sorted(touched & execution.frames.keys()):
            self._frame(execution.frames[number], stored)
        for number in removed:
            self.gone.append(_frame_id(number))
            if stored.heavy.pop(number, None) is not None:
                self.gone.append(_heavy_id(number))

    def _frame(self, frame: Frame, stored: Stored) -> None:
        """A frame that has children is rewritten often: its input and items are stored once, beside it."""
        if frame.fan is None:
            self._put(_frame_id(frame.id), model.dump(frame))
            return
        heavy = (frame.input, frame.items)
        if stored.heavy.get(frame.id) != heavy:
            items = heavy[1].text if heavy[1] is not None else None
            self._put(_heavy_id(frame.id), _encode((frame.id, frame.input.text, items)))
            stored.heavy[frame.id] = heavy
        frame.input, frame.items = model.NO_INPUT, None
        try:
            self._put(_frame_id(frame.id), model.dump(frame))
        finally:
            frame.input, frame.items = heavy

    def _put(self, frame_id: str, data: bytes) -> None:
        account, region, machine, name = self.key
        self.puts.append(
            FrameState(account=account, region=region, machine=machine, name=name, frame=frame_id, data=data)
        )

    def write(self, tx: Tx) -> None:
        for document in self.puts:
            tx.put(document)
        for frame_id in self.gone:
            if frame_id == "*":
                tx.delete_all(FrameState, *self.key)
            else:
                tx.delete(FrameState, *self.key, frame_id)


def _frame_id(number: int) -> str:
    return f"{number:08d}"


def _heavy_id(number: int) -> str:
    return f"{number:08d}+"


def delete_state(tx: Tx, key: ExecutionKey) -> None:
    tx.delete(ExecutionState, *key)
    tx.delete_all(FrameState, *key)


def delete_execution(tx: Tx, key: ExecutionKey) -> None:
    delete_state(tx, key)
    tx.delete(ExecutionRecord, *key)
    tx.delete_log(stream_of(execution_arn(key)))


_decode_heavy = msgspec.msgpack.Decoder(tuple[int, str, str | None]).decode


async def load(store: Store, key: ExecutionKey) -> tuple[Execution, Stored] | None:
    state = await store.get(ExecutionState, *key)
    if state is None:
        return None
    execution, stored = model.load_execution(state.data), Stored(state.split)
    if state.split:
        documents = await store.list(FrameState, *key)
        for document in documents:
            if not document.frame.endswith("+"):
                frame = model.load_frame(document.data)
                execution.frames[frame.id] = frame
        for document in documents:
            if document.frame.endswith("+"):
                _attach(execution, stored, *_decode_heavy(document.data))
    return execution, stored


def _attach(execution: Execution, stored: Stored, number: int, input: str, items: str | None) -> None:
    frame = execution.frames[number]
    if frame.fan is not None:
        frame.input = Data.of_text(input)
        frame.items = Data.of_text(items) if items is not None else None
        stored.heavy[number] = (frame.input, frame.items)


# Where a page of history begins: (entry of the log, id of the last event shown)
Position = tuple[int, int]


async def history(
    store: Store, arn: str, after: Position | None, limit: int, reverse: bool
) -> tuple[list[HistoryEvent], Position | None]:
    """Up to `limit` events behind the position `after`, and where the next page begins (None: there is none)."""
    found: list[HistoryEvent] = []
    last_id = after[1] if after else 0
    entry = after[0] if after else await _first_entry(store, arn, reverse)
    while chunk := await _entries(store, arn, entry, reverse):
        for sequence, body in chunk:
            events = _decode_events(body)
            for event in reversed(events) if reverse else events:
                if last_id and (event.id >= last_id if reverse else event.id <= last_id):
                    continue
                if len(found) == limit:
                    return found, (sequence, found[-1].id)
                found.append(event)
            entry = sequence - 1 if reverse else sequence + 1
    return found, None


async def event_of(store: Store, arn: str, event_id: int) -> HistoryEvent | None:
    """One event; those of late are found first."""
    entry = await _first_entry(store, arn, reverse=True)
    while chunk := await _entries(store, arn, entry, reverse=True):
        for sequence, body in chunk:
            for event in _decode_events(body):
                if event.id == event_id:
                    return event
            entry = sequence - 1
    return None


async def _first_entry(store: Store, arn: str, reverse: bool) -> int:
    if not reverse:
        return 1
    last = await store.read_log(stream_of(arn), limit=1, reverse=True)
    return last[0][0] if last else 0


async def _entries(store: Store, arn: str, entry: int, reverse: bool) -> list[tuple[int, bytes]]:
    """Some entries of the log from `entry` on, in the direction of reading."""
    if not reverse:
        return await store.read_log(stream_of(arn), after=entry - 1, limit=_ENTRIES_AT_ONCE)
    first = max(entry - _ENTRIES_AT_ONCE, 0)
    return (await store.read_log(stream_of(arn), after=first, limit=entry - first))[::-1] if entry > 0 else []


def record_of(record: ExecutionRecord, execution: Execution) -> ExecutionRecord:
    """The record brought up to the execution's present."""
    record.status = execution.status
    record.stopped_at = execution.stopped_at
    record.output = execution.output.text if execution.output is not None else None
    record.error, record.cause = execution.error, execution.cause
    record.redrive_count, record.redriven_at = execution.redrive_count, execution.redriven_at
    record.last_event_id = execution.last_event_id
    return record
