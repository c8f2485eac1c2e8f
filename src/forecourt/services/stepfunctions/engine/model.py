"""The state of an execution: everything that has to be remembered between two events.

It is encoded compactly (arrays, no field names) and decoded lazily: JSON values stay text until something looks inside.
"""

from __future__ import annotations

from typing import Any

import msgspec

from forecourt.services.stepfunctions.asl.data import EMPTY_OBJECT, Data

# A frame's phase: what it waits for.
READY = 0  # to be stepped: the state is about to be entered
TASK = 1  # outside work: a task, an activity, a map run
TIMER = 2  # a Wait state's timer
RETRY = 3  # the delay before the next attempt
FAN = 4  # its children: branches or iterations
DONE = 5  # a child that ended well; `output` is kept for the parent
STOPPED = 6  # ended by a failure or an abort; kept so that the execution can be redriven

OPEN_PHASES = (READY, TASK, TIMER, RETRY, FAN)

RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"


class Fan(msgspec.Struct, array_like=True):
    """A Parallel or Map state's view of its children."""

    total: int
    started_id: int
    next_index: int = 0
    running: int = 0
    done: int = 0
    concurrency: int = 0


class Work(msgspec.Struct, array_like=True):
    """Outside work that a frame waits for. `nonce` makes its task token unguessable and names the attempt."""

    nonce: str
    scheduled_id: int
    heartbeat_seconds: int = 0
    timeout_seconds: int = 0
    submitted: bool = False


class Frame(msgspec.Struct, array_like=True):
    id: int
    parent: int  # the parent frame's id; 0 for the root
    index: int  # which branch or iteration
    scope: int
    state: str
    input: Data
    phase: int = READY
    previous: int = 0  # the id of the last history event of this thread
    entered_id: int = 0
    entered_at: float = 0.0
    retry_count: int = 0
    attempts: list[int] = []
    variables: dict[str, Any] = {}
    timers: dict[str, float] = {}
    work: Work | None = None
    fan: Fan | None = None
    items: Data | None = None  # a Map state's items, while it runs
    item: Data | None = None  # the item that an iteration is for
    output: Data | None = None


class Execution(msgspec.Struct, array_like=True):
    arn: str
    name: str
    machine_arn: str
    machine_name: str
    role_arn: str
    input: Data
    started_at: float
    seed: bytes
    express: bool = False
    draws: int = 0
    status: str = RUNNING
    last_event_id: int = 0
    next_frame: int = 1
    redrive_count: int = 0
    redriven_at: float = 0.0
    stopped_at: float = 0.0
    output: Data | None = None
    error: str | None = None
    cause: str | None = None
    timeout_due: float = 0.0
    frames: dict[int, Frame] = {}
    # What TestState puts into the context object
    given_context: Data | None = None

    @property
    def is_open(self) -> bool:
        return self.status == RUNNING

    def children(self, frame: Frame) -> list[Frame]:
        """In the order of their start."""
        return [child for child in self.frames.values() if child.parent == frame.id]


def new_execution(
    arn: str, name: str, machine_arn: str, machine_name: str, role_arn: str, input: Data, at: float, seed: bytes,
    express: bool = False,
) -> Execution:  # fmt: skip
    return Execution(arn, name, machine_arn, machine_name, role_arn, input, at, seed, express)


def _encode_data(value: Any) -> Any:
    return value.text


def _decode_data(kind: type, value: Any) -> Any:
    return Data.of_text(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_data)
_execution_decoder = msgspec.msgpack.Decoder(Execution, dec_hook=_decode_data)
_frame_decoder = msgspec.msgpack.Decoder(Frame, dec_hook=_decode_data)

dump = _encoder.encode


def load_execution(data: bytes) -> Execution:
    return _execution_decoder.decode(data)


def load_frame(data: bytes) -> Frame:
    return _frame_decoder.decode(data)


NO_INPUT = EMPTY_OBJECT
