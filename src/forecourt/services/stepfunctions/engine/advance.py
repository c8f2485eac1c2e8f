"""`advance`: the one function through which an execution changes.

It takes the execution over: the object that is handed in is the one that comes back changed, and whoever cannot store
the result must forget it and load the stored one again. A turn takes a bounded number of steps and then asks, by the
command `GoOn`, to be called again, so that a long chain of states does not hold up everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl.errors import RUNTIME, TIMEOUT
from forecourt.services.stepfunctions.asl.machine import Machine, Task
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.engine.commands import GoOn, StartTimer
from forecourt.services.stepfunctions.engine.flow import Failure, finish
from forecourt.services.stepfunctions.engine.history import MOST_EVENTS
from forecourt.services.stepfunctions.engine.model import Execution, Frame
from forecourt.services.stepfunctions.engine.recovery import attempt, retry_now
from forecourt.services.stepfunctions.engine.redrive import redrive
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.states import distributed, task, wait
from forecourt.services.stepfunctions.engine.turn import HistoryFull, Turn

MOST_STEPS = 200
_EXPRESS_SECONDS = 300


def advance(
    machine: Machine,
    execution: Execution,
    event: events.Event,
    at: float,
    *,
    recording: bool = True,
    most_steps: int = MOST_STEPS,
) -> Turn:
    """What `event`, at the time `at`, does to `execution`. The turn holds the history events and commands.

    `recording=False` keeps no history (an Express execution that nobody logs).
    """
    turn = Turn(machine, execution, at, recording)
    if execution.is_open or isinstance(event, events.Redrive):
        try:
            _HANDLERS[type(event)](turn, event)
            _run(turn, most_steps)
        except HistoryFull:
            _overflow(turn)
    execution.draws = turn.chance.draws
    return turn


def _run(turn: Turn, most_steps: int) -> None:
    """Steps every frame that is ready, and those that become so."""
    steps = 0
    while turn.ready:
        if steps == most_steps:
            turn.command(GoOn())
            return
        frame = turn.execution.frames.get(turn.ready.popleft())
        if frame is not None and frame.phase == model.READY:
            steps += 1
            _step(turn, frame)


def _step(turn: Turn, frame: Frame) -> None:
    state = turn.state_of(frame)
    frame.entered_at, turn.came_from = turn.at, frame.previous
    frame.entered_id = turn.record(frame, f"{state.type}StateEntered", {"name": state.name, "input": frame.input.text})
    attempt(turn, frame, state, ENTER[state.type])


def _overflow(turn: Turn) -> None:
    failure = Failure("States.Runtime", f"The execution reached the maximum number of history events ({MOST_EVENTS}).")
    finish(turn, model.FAILED, previous=turn.execution.last_event_id, failure=failure)


# --- one function per kind of event -----------------------------------------------------------------------------------


def _start(turn: Turn, event: events.Start) -> None:
    execution = turn.execution
    turn.record_after(0, "ExecutionStarted", {"input": execution.input.text, "roleArn": execution.role_arn})
    _limit_time(turn)
    turn.new_frame(0, 0, 0, execution.input, 0)


def _limit_time(turn: Turn) -> None:
    """The machine's TimeoutSeconds; five minutes at most for Express."""
    limit = turn.machine.timeout_seconds
    if turn.execution.express:
        limit = min(limit or _EXPRESS_SECONDS, _EXPRESS_SECONDS)
    if limit:
        turn.execution.timeout_due = turn.at + limit
        turn.command(StartTimer(0, "execution", turn.execution.timeout_due))


def _continue(turn: Turn, event: events.Continue) -> None:
    turn.ready.extend(frame.id for frame in turn.execution.frames.values() if frame.phase == model.READY)


def _stop(turn: Turn, event: events.Stop) -> None:
    failure = Failure(event.error, event.cause) if event.error is not None or event.cause is not None else None  # type: ignore[arg-type]
    # Measured on AWS: it follows no other event
    finish(turn, model.ABORTED, previous=0, failure=failure)


def _break(turn: Turn, event: events.Break) -> None:
    failure = Failure(RUNTIME, "An internal error occurred while executing the state machine.")
    finish(turn, model.FAILED, previous=turn.execution.last_event_id, failure=failure)


def _redrive(turn: Turn, event: events.Redrive) -> None:
    if not turn.execution.is_open:
        _limit_time(turn)
        redrive(turn)


def _waiting(turn: Turn, frame_id: int, nonce: str) -> tuple[Frame, Any] | None:
    """The frame and its state, if it still waits for this attempt's outcome."""
    frame = turn.execution.frames.get(frame_id)
    if frame is None or frame.phase != model.TASK or frame.work is None or frame.work.nonce != nonce:
        return None
    return frame, turn.state_of(frame)


def _task_event(handle: Callable[[Turn, Frame, Any, Any], None]) -> Callable[[Turn, Any], None]:
    def run(turn: Turn, event: Any) -> None:
        if waiting := _waiting(turn, event.frame, event.nonce):
            handle(turn, *waiting, event)

    return run


def _task_failed(turn: Turn, frame: Frame, state: Task, event: events.TaskFailed) -> None:
    task.failed(turn, frame, state, event.error, event.cause)


def _heartbeat(turn: Turn, frame: Frame, state: Task, event: events.TaskHeartbeat) -> None:
    task.heartbeat(turn, frame)


def _timer_fired(turn: Turn, event: events.TimerFired) -> None:
    if event.kind == "execution":
        _execution_timed_out(turn, event)
        return
    frame = turn.execution.frames.get(event.frame)
    if frame is None or frame.timers.get(event.kind) != event.due_at:
        return
    state = turn.state_of(frame)
    frame.timers = {kind: due for kind, due in frame.timers.items() if kind != event.kind}
    turn.touched.add(frame.id)
    if event.kind == "wait":
        attempt(turn, frame, state, wait.leave_wait)
    elif event.kind == "retry":
        retry_now(turn, frame, state)
    else:
        task.timed_out(turn, frame, state, event.kind)  # type: ignore[arg-type]


def _execution_timed_out(turn: Turn, event: events.TimerFired) -> None:
    execution = turn.execution
    if execution.timeout_due == event.due_at:
        finish(turn, model.TIMED_OUT, previous=0, failure=Failure(TIMEOUT, None))
        # Measured on AWS: the error stands in the history only
        execution.error = None


_HANDLERS: dict[type[events.Event], Callable[[Turn, Any], None]] = {
    events.Start: _start,
    events.Continue: _continue,
    events.Stop: _stop,
    events.Break: _break,
    events.Redrive: _redrive,
    events.TaskSubmitted: _task_event(task.submitted),
    events.TaskSucceeded: _task_event(task.succeeded),
    events.TaskFailed: _task_event(_task_failed),
    events.ActivityStarted: _task_event(task.activity_started),
    events.TaskHeartbeat: _task_event(_heartbeat),
    events.TimerFired: _timer_fired,
    events.MapRunEnded: _task_event(distributed.map_run_ended),
}
