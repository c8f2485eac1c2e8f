"""How an execution lies in the store, and how it is read from there.

Everything is kept under the execution's `place` (see `model.py`):

- An execution without branches or iterations is one document, `ExecutionState`. As soon as it has child frames, every
  frame is a document of its own and only those that changed are written: a Map of ten thousand costs as much per step
  as a chain. A frame that has children is rewritten often: its input and items are stored once, beside it.
- The outside work that a frame waits for stands in the frame's document. One row in the queue `UNFINISHED` says that
  the execution has something to be gone on with after a restart; it comes with the first such work and goes with the
  last, so that one task after the other does not touch it.
- The history is a log of arrays of events, an array per commit. The state knows how many there are.
- Timers stand in the queue `TIMERS`.

So a task's result and the next task are two statements: an entry of the log, and the state.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.model import Execution
from forecourt.services.stepfunctions.model import ExecutionKey, ExecutionState, FrameState
from forecourt.services.stepfunctions.run.pending import Pending, load_pending
from forecourt.store import Store, Task

TIMERS = "states.timers"
UNFINISHED = "states.unfinished"

_encode = msgspec.msgpack.Encoder().encode
_decode_heavy = msgspec.msgpack.Decoder(tuple[int, str, str | None]).decode
_decode_timer = msgspec.msgpack.Decoder(tuple[int, str, ExecutionKey]).decode
_decode_deliveries = msgspec.msgpack.Decoder(dict[str, int]).decode
_HEAVY = "+"


def stream_of(place: str) -> str:
    return f"states/{place}"


def frame_id(number: int) -> str:
    return f"{number:08d}"


def heavy_id(number: int) -> str:
    return f"{number:08d}{_HEAVY}"


class Stored:
    """What the store holds of an execution, as far as the next commit must know."""

    __slots__ = ("entries", "exists", "goes_on", "heavy", "marked", "split", "work")

    def __init__(self) -> None:
        self.exists = False
        self.entries = 0
        self.split = False
        self.goes_on = False
        # Whether it has a row in the queue `UNFINISHED`
        self.marked = False
        # By frame: the outside work that it waits for
        self.work: dict[int, Pending] = {}
        # By frame with children: the input and items that are stored for it
        self.heavy: dict[int, tuple[Data, Data | None]] = {}

    def settle(self, frame: int, nonce: str) -> bool:
        """The work's outcome is known, or nobody waits for it any more. Returns whether it was pending."""
        work = self.work.get(frame)
        if work is None or work.nonce != nonce:
            return False
        del self.work[frame]
        return True


async def load(store: Store, place: str) -> tuple[Execution, Stored] | None:
    state = await store.get(ExecutionState, place)
    if state is None:
        return None
    execution, stored = model.load_execution(state.data), Stored()
    stored.exists, stored.entries, stored.split, stored.goes_on = True, state.entries, state.split, state.goes_on
    frames = await store.list(FrameState, place) if state.split else []
    for document in frames:
        if not document.frame.endswith(_HEAVY):
            frame = model.load_frame(document.data)
            execution.frames[frame.id] = frame
    for document in frames:
        if document.frame.endswith(_HEAVY):
            _attach(execution, stored, *_decode_heavy(document.data))
    stored.work = {work.frame: work for work in _work(state, *frames)}
    stored.marked = bool(stored.work) or stored.goes_on
    return execution, stored


def _attach(execution: Execution, stored: Stored, number: int, input: str, items: str | None) -> None:
    frame = execution.frames[number]
    if frame.fan is not None:
        frame.input = Data.of_text(input)
        frame.items = Data.of_text(items) if items is not None else None
        stored.heavy[number] = (frame.input, frame.items)


def _work(*documents: ExecutionState | FrameState) -> list[Pending]:
    return [load_pending(one.work) for one in documents if one.work]


class Timer(NamedTuple):
    frame: int
    kind: str
    key: ExecutionKey


def timer_row(place: str, frame: int, kind: str) -> str:
    return f"{place}/{frame}/{kind}"


def timer_of(task: Task) -> Timer:
    return Timer(*_decode_timer(task.body))


class Unfinished(NamedTuple):
    """What a restart has to go on with."""

    place: str
    key: ExecutionKey
    goes_on: bool
    work: list[Pending]

    def delivered(self) -> Task:
        """The row that remembers that this restart performs the work once more."""
        again = {one.nonce: one.deliveries + 1 for one in self.work if one.kind == "task" and one.submitted is None}
        return Task(UNFINISHED, self.place, 0.0, _encode(again) if again else b"")


async def unfinished(store: Store, row: Task) -> Unfinished | None:
    """What a row of the queue leads to."""
    state = await store.get(ExecutionState, row.key)
    if state is None:
        return None
    work = _work(state, *(await store.list(FrameState, row.key) if state.split else ()))
    deliveries = _decode_deliveries(row.body) if row.body else {}
    for one in work:
        one.deliveries = deliveries.get(one.nonce, 0)
    return Unfinished(row.key, state.execution, state.goes_on, work)
