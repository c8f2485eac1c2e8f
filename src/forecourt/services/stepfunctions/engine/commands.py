"""What an execution asks the world to do. The shell commits them with the state, then performs them."""

from __future__ import annotations

import msgspec

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Resource


class Command(msgspec.Struct, frozen=True):
    pass


class InvokeTask(Command, frozen=True):
    """Do a task's work; answer with TaskSubmitted, TaskSucceeded or TaskFailed for this frame and nonce."""

    frame: int
    nonce: str
    resource: Resource
    arguments: Data
    role_arn: str | None = None
    state: str = ""
    heartbeat_seconds: int = 0
    timeout_seconds: int = 0


class StartMapRun(Command, frozen=True):
    """Run a Distributed Map; answer with MapRunEnded. `redrive` goes on with an earlier run."""

    frame: int
    nonce: str
    scope: int
    state: str
    input: Data
    items: Data | None
    redrive: bool = False


class AbandonWork(Command, frozen=True):
    """Nobody waits any more for this frame's outside work."""

    frame: int
    nonce: str


class StartTimer(Command, frozen=True):
    """Fire `kind` for `frame` at `due_at`; replaces an earlier timer of that frame and kind."""

    frame: int
    kind: str
    due_at: float


class CancelTimer(Command, frozen=True):
    frame: int
    kind: str


class GoOn(Command, frozen=True):
    """Call `advance` again with `Continue`."""


class Finish(Command, frozen=True):
    """The execution has its terminal state."""

    status: str
