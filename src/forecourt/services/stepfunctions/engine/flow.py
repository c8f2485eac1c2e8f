"""Leaving states: to the next one, to the end of a scope, to the end of the execution.

Every way out of a state passes `exit_state` or `fail_state`; every way out of the execution passes `finish`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import MAX_BYTES, MOST_INTERMEDIATE, Data, measure, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import State, Value
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.commands import CancelTimer, Finish
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.registry import CHILD_DONE, CHILD_STOPPED
from forecourt.services.stepfunctions.engine.turn import Turn


class Failure(NamedTuple):
    """What went wrong in a state. `by_all` tells whether `States.ALL` matches it; `also` is a second name of it."""

    error: str
    cause: str | None
    by_all: bool = True
    also: str = ""


_OUTCOME_EVENTS = {
    model.SUCCEEDED: "ExecutionSucceeded",
    model.FAILED: "ExecutionFailed",
    model.TIMED_OUT: "ExecutionTimedOut",
    model.ABORTED: "ExecutionAborted",
}


def as_data(frame: Frame, value: Any) -> Data:
    """`value` as data; the frame's own input, where nothing changed it, without encoding it again."""
    return frame.input if value is frame.input.value else Data(value)


def assigned(assign: Value | None, scope: Scope, input: Any) -> dict[str, Any] | None:
    """What `Assign` gives to variables: together no more than a payload, and all that there are 10 MiB at most.

    https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
    """
    if assign is None:
        return None
    variables: dict[str, Any] = assign(scope, input)
    if measure(variables) > MOST_INTERMEDIATE or Data(variables).too_large:
        raise StatesError(
            errors.DATA_LIMIT_EXCEEDED,
            "The variables that are assigned have a size exceeding the maximum number of bytes service limit.",
        )
    known = {**scope.variables, **variables}
    if len(known) > _FEW_VARIABLES and sum(map(measure, known.values())) > _MOST_VARIABLE_BYTES:
        raise StatesError(
            errors.DATA_LIMIT_EXCEEDED,
            "The variables of the execution have a size exceeding the maximum number of bytes service limit.",
        )
    return variables


_MOST_VARIABLE_BYTES = 10 * 1024 * 1024
_FEW_VARIABLES = _MOST_VARIABLE_BYTES // MAX_BYTES


def exit_state(
    turn: Turn, frame: Frame, state: State, output: Data, variables: dict[str, Any] | None, next: str | None
) -> None:
    """Records the Exited event and goes on to `next`, or ends the scope."""
    if output.too_large:
        raise StatesError(
            errors.DATA_LIMIT_EXCEEDED,
            f"The state/task '{state.name}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    details: dict[str, Any] = {"name": state.name, "output": output.text}
    if variables is not None:
        details["assignedVariables"] = {name: to_text(value) for name, value in variables.items()}
        frame.variables = {**frame.variables, **variables}
    turn.record(frame, f"{state.type}StateExited", details)
    go_to(turn, frame, next, output)


def go_to(turn: Turn, frame: Frame, next: str | None, output: Data) -> None:
    frame.work = frame.fan = frame.items = None
    if frame.attempts:
        frame.attempts = []
    frame.retry_count = 0
    if next is None:
        end_scope(turn, frame, output)
    else:
        frame.state = next
        frame.input = output
        turn.make_ready(frame)


def end_scope(turn: Turn, frame: Frame, output: Data) -> None:
    """A thread of control came to its end with `output`."""
    if not frame.parent:
        finish(turn, model.SUCCEEDED, output=output, previous=frame.previous)
        return
    frame.phase = model.DONE
    frame.output = output
    frame.variables = {}
    frame.input = model.NO_INPUT
    parent = turn.execution.frames[frame.parent]
    state = turn.state_of(parent)
    CHILD_DONE[state.type](turn, parent, state, frame)


def fail_scope(turn: Turn, frame: Frame, failure: Failure) -> None:
    """A thread of control failed: the Parallel or Map state around it fails, or the execution."""
    from forecourt.services.stepfunctions.engine.recovery import fail_state

    frame.phase = model.STOPPED
    turn.cancel_timers(frame)
    turn.abandon_work(frame)
    if not frame.parent or failure.error == errors.RUNTIME:
        finish(turn, model.FAILED, failure=failure, previous=frame.previous)
        return
    parent = turn.execution.frames[frame.parent]
    state = turn.state_of(parent)
    CHILD_STOPPED[state.type](turn, parent, state, frame, "Failed")
    abort_children(turn, parent)
    parent.previous = frame.previous
    turn.record(parent, f"{state.type}StateFailed")
    fail_state(turn, parent, state, failure)


def abort_children(turn: Turn, frame: Frame) -> None:
    """Ends every open thread below `frame`."""
    for child in turn.execution.children(frame):
        if child.phase not in model.OPEN_PHASES:
            continue
        abort_children(turn, child)
        state = turn.state_of(child)
        if child.entered_id and state.type in ("Task", "Wait", "Parallel", "Map") and child.phase != model.READY:
            turn.record(child, f"{state.type}StateAborted")
        child.phase = model.STOPPED
        turn.cancel_timers(child)
        turn.abandon_work(child)
        parent_state = turn.state_of(frame)
        CHILD_STOPPED[parent_state.type](turn, frame, parent_state, child, "Aborted")
        turn.touched.add(child.id)


def finish(turn: Turn, status: str, previous: int, output: Data | None = None, failure: Failure | None = None) -> None:
    """Gives the execution its terminal state."""
    execution = turn.execution
    execution.status = status
    execution.stopped_at = turn.at
    execution.output = output
    details: dict[str, Any] = {}
    if output is not None:
        details["output"] = output.text
    if failure is not None:
        execution.error, execution.cause = failure.error or None, failure.cause
        details = {"error": execution.error, "cause": failure.cause}
    if execution.timeout_due:
        turn.command(CancelTimer(0, "execution"))
        execution.timeout_due = 0.0
    _stop_frames(turn)
    turn.record_after(previous, _OUTCOME_EVENTS[status], details)
    turn.command(Finish(status))


def _stop_frames(turn: Turn) -> None:
    """No timer and no work outlives the execution. What is open keeps its place for a redrive."""
    for frame in turn.execution.frames.values():
        if frame.phase in model.OPEN_PHASES:
            turn.cancel_timers(frame)
            turn.abandon_work(frame)
            frame.phase = model.STOPPED
            turn.touched.add(frame.id)
    turn.ready.clear()
