"""Wait: until a timer fires. A moment that has passed already costs no timer."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl.machine import Wait
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.flow import as_data, assigned, exit_state
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.turn import Turn


def enter_wait(turn: Turn, frame: Frame, state: Wait) -> None:
    scope = turn.scope(frame)
    due_at = _due_at(turn, state, scope, state.flow.effective_input(scope))
    if due_at <= turn.at:
        leave_wait(turn, frame, state)
        return
    frame.phase = model.TIMER
    turn.start_timer(frame, "wait", due_at)


def leave_wait(turn: Turn, frame: Frame, state: Wait) -> None:
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    output = state.flow.pass_through(scope, effective)
    variables = assigned(state.assign, scope, effective)
    exit_state(turn, frame, state, as_data(frame, output), variables, state.next)


def _due_at(turn: Turn, state: Wait, scope: Any, effective: Any) -> float:
    if state.seconds is not None:
        return turn.at + float(state.seconds(scope, effective))
    assert state.timestamp is not None
    return float(state.timestamp(scope, effective))


ENTER["Wait"] = enter_wait
