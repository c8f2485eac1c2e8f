"""Wait: until a timer fires. A moment that has passed already costs no timer."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Wait
from forecourt.services.stepfunctions.asl.timestamps import parse_timestamp
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.flow import as_data, assigned, exit_state
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.turn import Turn

_MOST_SECONDS = 99_999_999


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
        return turn.at + _seconds(state, state.seconds(scope, effective))
    assert state.timestamp is not None
    text = state.timestamp(scope, effective)
    moment = parse_timestamp(text)
    if moment is None:
        raise _bad(state, "Timestamp", f"The value '{text}' is not a valid ISO-8601 timestamp")
    return moment


def _seconds(state: Wait, value: Any) -> float:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    if not whole or not 0 <= value <= _MOST_SECONDS:
        raise _bad(state, "Seconds", f"The value must be an integer between 0 and {_MOST_SECONDS}")
    return float(value)


def _bad(state: Wait, field: str, what: str) -> StatesError:
    if state.jsonata:
        return StatesError(errors.QUERY_EVALUATION_ERROR, f"The field '{field}' is not valid. {what}", field)
    return StatesError(errors.RUNTIME, f"The field '{field}' is not valid. {what}")


ENTER["Wait"] = enter_wait
