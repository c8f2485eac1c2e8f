"""Parallel: all branches at once, each with its own copy of the input; the outputs in the branches' order."""

from __future__ import annotations

from forecourt.services.stepfunctions.asl.machine import Parallel, State
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.flow import as_data
from forecourt.services.stepfunctions.engine.model import Fan, Frame
from forecourt.services.stepfunctions.engine.recovery import attempt
from forecourt.services.stepfunctions.engine.registry import CHILD_DONE, CHILD_STOPPED, ENTER
from forecourt.services.stepfunctions.engine.states.task import complete
from forecourt.services.stepfunctions.engine.turn import Turn


def enter_parallel(turn: Turn, frame: Frame, state: Parallel) -> None:
    scope = turn.scope(frame)
    arguments = as_data(frame, state.flow.arguments(scope, state.flow.effective_input(scope)))
    started = turn.record(frame, "ParallelStateStarted")
    frame.phase = model.FAN
    frame.fan = Fan(len(state.branches), started, running=len(state.branches))
    for index, branch in enumerate(state.branches):
        turn.new_frame(frame.id, index, branch, arguments, started)


def branch_done(turn: Turn, frame: Frame, state: Parallel, child: Frame) -> None:
    fan = frame.fan
    assert fan is not None
    fan.running -= 1
    fan.done += 1
    turn.touched.add(frame.id)
    if fan.done == fan.total:
        frame.previous = child.previous
        leave_fan(turn, frame, state)


def leave_fan(turn: Turn, frame: Frame, state: State) -> None:
    """All children are done: their outputs, in order, are the result.

    Measured on AWS: the Exited event follows what the Succeeded event follows, the last event of a child.
    """
    turn.record_after(frame.previous, f"{state.type}StateSucceeded")
    children = sorted(turn.execution.children(frame), key=lambda child: child.index)
    result = [child.output.value if child.output is not None else None for child in children]
    turn.remove_children(frame)
    frame.fan = frame.items = None
    attempt(turn, frame, state, lambda turn, frame, state: complete(turn, frame, state, result))


def branch_stopped(turn: Turn, frame: Frame, state: Parallel, child: Frame, how: str) -> None:
    """A branch has no events of its own."""


ENTER["Parallel"] = enter_parallel
CHILD_DONE["Parallel"] = branch_done
CHILD_STOPPED["Parallel"] = branch_stopped
