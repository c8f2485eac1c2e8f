"""Writing what happened to an execution: its state, history, timers and pending work, in one transaction.

A `Batch` is made of the turns that one commit holds: it works out and encodes what they change in the store
(`stored.py` says how an execution lies there), and then only writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from forecourt.services.stepfunctions.engine import commands, events, model
from forecourt.services.stepfunctions.engine.model import Execution, Frame
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.model import ExecutionKey, ExecutionRecord, ExecutionState, FrameState
from forecourt.services.stepfunctions.run.pending import Pending, dump_pending, pending_of
from forecourt.services.stepfunctions.run.stored import (
    TIMERS,
    UNFINISHED,
    Stored,
    frame_id,
    heavy_id,
    stream_of,
    timer_row,
)
from forecourt.store import Task, Tx

RETENTION = "states.retention"
RETENTION_SECONDS = 90 * 86_400
_MOST_EVENTS_PER_ENTRY = 500

_encode = msgspec.msgpack.Encoder().encode
_decode_key = msgspec.msgpack.Decoder(ExecutionKey).decode


class Step(NamedTuple):
    """An event, and the turn that it caused. `keep`: the work that it concerns is stored in this new form."""

    event: events.Event
    turn: Turn
    keep: Pending | None = None


class Batch:
    def __init__(
        self, key: ExecutionKey, place: str, execution: Execution, steps: Sequence[Step], stored: Stored
    ) -> None:
        turns = [step.turn for step in steps]
        self.events = [event for turn in turns for event in turn.events]
        self.finished = not execution.is_open and bool(self.events)
        # Work to be performed once this is committed, and nonces of work that nobody waits for any more
        self.work: list[Pending] = []
        self.abandoned: list[str] = []
        # Whether the execution asked to be gone on with
        self.goes_on = False
        self._key = key
        self._place = place
        self._stored = stored
        self._timers: dict[tuple[int, str], float | None] = {}
        # Frames whose work changed
        self._touched: set[int] = set()
        went_on = stored.goes_on
        for step in steps:
            self._take_event(execution, step)
            self._take_commands(execution, step.turn)
        self._forget_work(turns)
        self.is_empty = not (
            self.events
            or self._timers
            or self._touched
            or went_on != stored.goes_on
            or any(turn.commands or turn.touched for turn in turns)
        )
        self._mark = self._marked()
        self._set_history()
        self._documents = _Documents(key, place, execution, turns, self._touched, stored)

    @property
    def first_alarm(self) -> float | None:
        return min((due_at for due_at in self._timers.values() if due_at is not None), default=None)

    def _take_event(self, execution: Execution, step: Step) -> None:
        stored = self._stored
        match event := step.event:
            case events.TimerFired():
                if not _is_set(execution, event.frame, event.kind):
                    self._timers[event.frame, event.kind] = None
            case events.Continue():
                stored.goes_on = self.goes_on = False
            case events.TaskSubmitted() if step.keep is not None:
                if event.frame in stored.work and step.turn.events:
                    stored.work[event.frame] = step.keep
                    self._touched.add(event.frame)
            case (
                events.TaskSucceeded()
                | events.TaskFailed()
                | events.TaskSubmitted()
                | events.MapRunEnded()
                | events.ActivityStarted()
            ):
                self._settle(event.frame, event.nonce)

    def _take_commands(self, execution: Execution, turn: Turn) -> None:
        for command in turn.commands:
            match command:
                case commands.StartTimer():
                    self._timers[command.frame, command.kind] = command.due_at
                case commands.CancelTimer():
                    self._timers[command.frame, command.kind] = None
                case commands.AbandonWork():
                    self._settle(command.frame, command.nonce)
                    self.abandoned.append(command.nonce)
                case commands.GoOn():
                    self._stored.goes_on = self.goes_on = True
                case _:
                    if (work := pending_of(self._key, execution, command)) is not None:
                        self._stored.work[work.frame] = work
                        self.work.append(work)

    def _settle(self, frame: int, nonce: str) -> None:
        if self._stored.settle(frame, nonce):
            self._touched.add(frame)

    def _forget_work(self, turns: Sequence[Turn]) -> None:
        """What came and went within the batch, and what nobody can wait for any more."""
        work = self._stored.work
        if self.finished:
            work.clear()
            self._stored.goes_on = self.goes_on = False
        for turn in turns:
            for number in turn.removed:
                work.pop(number, None)
        self.work = [one for one in self.work if work.get(one.frame) is one]

    def _marked(self) -> bool | None:
        """Whether the row that leads a restart here comes (True), goes (False), or stays as it is (None)."""
        stored = self._stored
        needed = bool(stored.work) or stored.goes_on
        if needed == stored.marked:
            return None
        stored.marked = needed
        return needed

    def _set_history(self) -> None:
        starts = range(0, len(self.events), _MOST_EVENTS_PER_ENTRY)
        self._entries = [_encode(self.events[start : start + _MOST_EVENTS_PER_ENTRY]) for start in starts]
        self._entries_before = self._stored.entries
        self._stored.entries += len(self._entries)

    def write(self, tx: Tx) -> None:
        for (frame, kind), due_at in self._timers.items():
            row = timer_row(self._place, frame, kind)
            if due_at is None or self.finished:
                tx.dequeue(TIMERS, row)
            else:
                tx.enqueue(Task(TIMERS, row, due_at, _encode((frame, kind, self._key))))
        if self._mark is True:
            tx.enqueue(Task(UNFINISHED, self._place, 0.0))
        elif self._mark is False:
            tx.dequeue(UNFINISHED, self._place)
        if self._entries:
            tx.append(stream_of(self._place), self._entries, after=self._entries_before)
        self._documents.write(tx)


def _is_set(execution: Execution, frame: int, kind: str) -> bool:
    """Whether a timer that fired has been set anew since."""
    if not frame:
        return execution.timeout_due > 0
    return frame in execution.frames and kind in execution.frames[frame].timers


class _Documents:
    """The state's documents that a batch changes."""

    def __init__(
        self,
        key: ExecutionKey,
        place: str,
        execution: Execution,
        turns: Sequence[Turn],
        touched: set[int],
        stored: Stored,
    ) -> None:
        self._place = place
        self._puts: list[ExecutionState | FrameState] = []
        # The frames' documents that go; None: all of them
        self._gone: list[str] | None = []
        # What succeeded can't go on any more: only its record and history are kept
        self._ends = execution.status == model.SUCCEEDED
        if self._ends:
            self._existed = stored.exists
            self._gone = None if stored.split else []
            return
        split = len(execution.frames) > 1
        self._puts.append(
            ExecutionState(
                place=place,
                execution=key,
                data=_without_frames(execution) if split else model.dump(execution),
                entries=stored.entries,
                split=split,
                goes_on=stored.goes_on,
                work=b"" if split else b"".join(dump_pending(one) for one in stored.work.values()),
            )
        )
        if split:
            self._frames(execution, turns, touched, stored)
        elif stored.split:
            self._gone = None
            stored.heavy = {}
        stored.split = split
        stored.exists = True

    def _frames(self, execution: Execution, turns: Sequence[Turn], touched: set[int], stored: Stored) -> None:
        changed = touched.union(*(turn.touched for turn in turns)) if stored.split else set(execution.frames)
        for number in sorted(changed & execution.frames.keys()):
            self._frame(execution.frames[number], stored)
        self._gone = []
        for number in _removed(turns):
            self._gone.append(frame_id(number))
            if stored.heavy.pop(number, None) is not None:
                self._gone.append(heavy_id(number))

    def _frame(self, frame: Frame, stored: Stored) -> None:
        if frame.fan is None:
            work = stored.work.get(frame.id)
            self._put(frame_id(frame.id), model.dump(frame), dump_pending(work) if work is not None else b"")
            return
        heavy = (frame.input, frame.items)
        if stored.heavy.get(frame.id) != heavy:
            items = heavy[1].text if heavy[1] is not None else None
            self._put(heavy_id(frame.id), _encode((frame.id, frame.input.text, items)))
            stored.heavy[frame.id] = heavy
        frame.input, frame.items = model.NO_INPUT, None
        try:
            self._put(frame_id(frame.id), model.dump(frame))
        finally:
            frame.input, frame.items = heavy

    def _put(self, frame: str, data: bytes, work: bytes = b"") -> None:
        self._puts.append(FrameState(place=self._place, frame=frame, data=data, work=work))

    def write(self, tx: Tx) -> None:
        for document in self._puts:
            tx.put(document)
        if self._gone is None:
            tx.delete_all(FrameState, self._place)
        else:
            for frame in self._gone:
                tx.delete(FrameState, self._place, frame)
        if self._ends and self._existed:
            tx.delete(ExecutionState, self._place)


def _without_frames(execution: Execution) -> bytes:
    frames, execution.frames = execution.frames, {}
    try:
        return model.dump(execution)
    finally:
        execution.frames = frames


def _removed(turns: Iterable[Turn]) -> set[int]:
    return set[int]().union(*(turn.removed for turn in turns))


# --- records ----------------------------------------------------------------------------------------------------------


def record_of(record: ExecutionRecord, execution: Execution) -> ExecutionRecord:
    """The record brought up to the execution's present."""
    record.status = execution.status
    record.stopped_at = execution.stopped_at
    record.output = execution.output.text if execution.output is not None else None
    record.error, record.cause = execution.error, execution.cause
    record.redrive_count, record.redriven_at = execution.redrive_count, execution.redriven_at
    record.last_event_id = execution.last_event_id
    return record


def expire_later(tx: Tx, record: ExecutionRecord) -> None:
    tx.enqueue(Task(RETENTION, record.place, record.stopped_at + RETENTION_SECONDS, _encode(record.key)))


def expiring(task: Task) -> ExecutionKey:
    key: ExecutionKey = _decode_key(task.body)
    return key


def delete_execution(tx: Tx, record: ExecutionRecord) -> None:
    tx.delete(ExecutionState, record.place)
    tx.delete_all(FrameState, record.place)
    tx.delete(ExecutionRecord, *record.key)
    tx.delete_log(stream_of(record.place))
