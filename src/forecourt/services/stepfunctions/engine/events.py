"""What can happen to an execution. Each names the frame it concerns and the attempt (`nonce`), so that what comes too
late, or twice, is recognised and ignored."""

from __future__ import annotations

import msgspec

from forecourt.services.stepfunctions.asl.data import Data


class Event(msgspec.Struct, frozen=True):
    pass


class Start(Event, frozen=True):
    pass


class Continue(Event, frozen=True):
    """Go on with what the last turn left undone (a turn takes a bounded number of steps)."""


class Stop(Event, frozen=True):
    error: str | None = None
    cause: str | None = None


class Break(Event, frozen=True):
    """The machine itself failed on this execution: it must not stay open for ever."""


class Redrive(Event, frozen=True):
    pass


class TaskSubmitted(Event, frozen=True):
    """A `.sync` or `.waitForTaskToken` task was handed over; its outcome comes later."""

    frame: int
    nonce: str
    output: Data


class TaskSucceeded(Event, frozen=True):
    frame: int
    nonce: str
    output: Data


class TaskFailed(Event, frozen=True):
    frame: int
    nonce: str
    error: str
    cause: str = ""


class ActivityStarted(Event, frozen=True):
    frame: int
    nonce: str
    worker: str | None = None


class TaskHeartbeat(Event, frozen=True):
    frame: int
    nonce: str


class TimerFired(Event, frozen=True):
    """`kind` is wait, retry, timeout, heartbeat, or execution (then `frame` is 0)."""

    frame: int
    kind: str
    due_at: float


class MapRunEnded(Event, frozen=True):
    frame: int
    nonce: str
    status: str
    output: Data | None = None
    error: str = ""
    cause: str = ""
