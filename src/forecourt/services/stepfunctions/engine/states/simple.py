"""Pass, Succeed and Fail: states that are over at once."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Fail, Pass, Succeed, Value
from forecourt.services.stepfunctions.engine.flow import Failure, as_data, assigned, exit_state, fail_scope
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.turn import Turn


def enter_pass(turn: Turn, frame: Frame, state: Pass) -> None:
    scope = turn.scope(frame)
    flow = state.flow
    effective = flow.effective_input(scope)
    result = state.fixed_result if state.has_result else flow.arguments(scope, effective)
    if state.jsonata:
        output = flow.pass_through(scope, effective)
    else:
        scope.result = result
        output = flow.output(scope, result)
    variables = assigned(state.assign, scope, result)
    exit_state(turn, frame, state, as_data(frame, output), variables, state.next)


def enter_succeed(turn: Turn, frame: Frame, state: Succeed) -> None:
    scope = turn.scope(frame)
    output = state.flow.pass_through(scope, state.flow.effective_input(scope))
    exit_state(turn, frame, state, as_data(frame, output), None, None)


def enter_fail(turn: Turn, frame: Frame, state: Fail) -> None:
    scope = turn.scope(frame)
    error = _text(state, "Error", state.error, scope)
    cause = _text(state, "Cause", state.cause, scope)
    fail_scope(turn, frame, Failure(error or "", cause))


def _text(state: Fail, field: str, value: Value | None, scope: Any) -> str | None:
    if value is None:
        return None
    text = value(scope, scope.input)
    if isinstance(text, str):
        return text
    if state.jsonata:
        raise StatesError(
            errors.QUERY_EVALUATION_ERROR, f"The JSONata expression for '{field}' must return a string", field
        )
    raise StatesError(errors.RUNTIME, f"The value of '{field}Path' must be a string")


ENTER["Pass"] = enter_pass
ENTER["Succeed"] = enter_succeed
ENTER["Fail"] = enter_fail
