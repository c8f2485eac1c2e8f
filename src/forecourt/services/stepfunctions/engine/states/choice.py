"""Choice: the first rule that holds names the next state."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Choice, Rule
from forecourt.services.stepfunctions.engine.flow import Failure, as_data, assigned, exit_state, fail_scope
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.turn import Turn


def enter_choice(turn: Turn, frame: Frame, state: Choice) -> None:
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    for index, rule in enumerate(state.rules):
        if _holds(state, rule, index, scope, effective):
            if rule.output is not None:
                output = rule.output(scope, effective)
            else:
                output = state.flow.pass_through(scope, effective)
            variables = assigned(rule.assign, scope, effective)
            exit_state(turn, frame, state, as_data(frame, output), variables, rule.next)
            return
    if state.default is None:
        fail_scope(turn, frame, _no_match(frame, state))
        return
    output = state.flow.pass_through(scope, effective)
    variables = assigned(state.assign, scope, effective)
    exit_state(turn, frame, state, as_data(frame, output), variables, state.default)


def _holds(state: Choice, rule: Rule, index: int, scope: Any, effective: Any) -> bool:
    holds = rule.test(scope, effective)
    if isinstance(holds, bool):
        return holds
    field = f"Choices[{index}]/Condition"
    raise StatesError(
        errors.QUERY_EVALUATION_ERROR, f"The JSONata expression for the field '{field}' must return a boolean", field
    )


def _no_match(frame: Frame, state: Choice) -> Failure:
    return Failure(
        errors.NO_CHOICE_MATCHED,
        f"An error occurred while executing the state '{state.name}' (entered at the event id #{frame.entered_id}). "
        f"Failed to transition out of the state. The state '{state.name}' does not point to a next state.",
    )


ENTER["Choice"] = enter_choice
