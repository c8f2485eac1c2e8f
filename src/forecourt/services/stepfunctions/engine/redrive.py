"""Redrive: an execution that failed, was aborted or timed out goes on where it stopped.

States that ended well are not run again: of a Parallel or Map state only the branches and iterations that did not
succeed. Attempts of retriers count from zero. A Task is scheduled again without being entered again.
https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

from forecourt.services.stepfunctions.asl.machine import Map
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.recovery import attempt
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.states.distributed import redrive_distributed
from forecourt.services.stepfunctions.engine.states.map import start_iterations
from forecourt.services.stepfunctions.engine.turn import Turn


def redrive(turn: Turn) -> None:
    execution = turn.execution
    execution.status = model.RUNNING
    execution.redrive_count += 1
    execution.redriven_at = turn.at
    execution.stopped_at = 0.0
    execution.error = execution.cause = None
    root = execution.frames[1]
    root.previous = turn.record_after(
        execution.last_event_id, "ExecutionRedriven", {"redriveCount": execution.redrive_count}
    )
    _revive(turn, root)


def _revive(turn: Turn, frame: Frame) -> None:
    state = turn.state_of(frame)
    frame.attempts, frame.retry_count = [], 0
    turn.touched.add(frame.id)
    if frame.fan is not None:
        _revive_children(turn, frame)
    elif isinstance(state, Map) and state.distributed:
        attempt(turn, frame, state, redrive_distributed)
    elif state.type == "Task" and frame.entered_id:
        attempt(turn, frame, state, ENTER["Task"])
    else:
        turn.make_ready(frame)


def _revive_children(turn: Turn, frame: Frame) -> None:
    fan = frame.fan
    assert fan is not None
    frame.phase = model.FAN
    stopped = [child for child in turn.execution.children(frame) if child.phase == model.STOPPED]
    fan.running = len(stopped)
    for child in stopped:
        child.previous = frame.previous
        _revive(turn, child)
    state = turn.state_of(frame)
    if isinstance(state, Map) and not stopped:
        attempt(turn, frame, state, start_iterations)
