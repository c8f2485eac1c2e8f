"""Retry and Catch: what a failed state does next.

The first retrier that names the error decides: while it has attempts left there is another attempt, otherwise the
catchers are asked, in order. `States.Runtime` is neither retried nor caught.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Catcher, State
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.flow import Failure, as_data, assigned, exit_state, fail_scope
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.registry import AGAIN, ENTER
from forecourt.services.stepfunctions.engine.turn import Turn


def matches(names: tuple[str, ...], failure: Failure) -> bool:
    error = failure.error
    if error == errors.RUNTIME:
        return False
    if error in names or failure.also in names:
        return True
    if errors.ALL in names and failure.by_all:
        return True
    return errors.TASK_FAILED in names and error != errors.TIMEOUT and failure.by_all


def fail_state(turn: Turn, frame: Frame, state: State, failure: Failure) -> None:
    """Retries, catches, or fails the scope. The state's own failure event is recorded already."""
    turn.cancel_timers(frame)
    if _retry(turn, frame, state, failure):
        return
    for catcher in state.catch:
        if matches(catcher.errors, failure):
            turn.remove_children(frame)
            _catch(turn, frame, state, catcher, failure)
            return
    fail_scope(turn, frame, failure)


def fail_evaluation(turn: Turn, frame: Frame, state: State, error: StatesError) -> None:
    """An expression of the state failed, or its output is too large."""
    cause = record_evaluation(turn, frame, state, error)
    turn.abandon_work(frame)
    by_all = error.error != errors.DATA_LIMIT_EXCEEDED
    fail_state(turn, frame, state, Failure(error.error, cause if by_all else error.cause, by_all))


def record_evaluation(turn: Turn, frame: Frame, state: State, error: StatesError) -> str:
    """The failure's cause, with its preamble; a JSONata state's has an event of its own."""
    cause = (
        f"An error occurred while executing the state '{state.name}' (entered at the event id #{frame.entered_id}). "
        f"{error.cause}"
    )
    if error.error == errors.QUERY_EVALUATION_ERROR:
        details = {"error": error.error, "cause": cause, "location": error.location or None, "state": state.name}
        turn.record(frame, "EvaluationFailed", details)
    return cause


def _retry(turn: Turn, frame: Frame, state: State, failure: Failure) -> bool:
    for index, retrier in enumerate(state.retry):
        if not matches(retrier.errors, failure):
            continue
        attempts = frame.attempts or [0] * len(state.retry)
        if attempts[index] >= retrier.max_attempts:
            return False
        delay = retrier.delay(attempts[index])
        if retrier.full_jitter:
            delay *= turn.chance.fraction()
        frame.attempts = [count + (at == index) for at, count in enumerate(attempts)]
        frame.retry_count += 1
        frame.work = frame.fan = frame.items = None
        turn.remove_children(frame)
        frame.phase = model.RETRY
        turn.start_timer(frame, "retry", turn.at + delay)
        return True
    return False


def retry_now(turn: Turn, frame: Frame, state: State) -> None:
    """The delay is over."""
    attempt(turn, frame, state, AGAIN.get(state.type, ENTER[state.type]))


def attempt(turn: Turn, frame: Frame, state: State, work: Any) -> None:
    """Runs a state's work; an expression that fails becomes the state's failure."""
    try:
        work(turn, frame, state)
    except StatesError as error:
        fail_evaluation(turn, frame, state, error)


def _catch(turn: Turn, frame: Frame, state: State, catcher: Catcher, failure: Failure) -> None:
    scope = turn.scope(frame)
    output: dict[str, Any] = {"Error": failure.error}
    if failure.cause is not None:
        output["Cause"] = failure.cause
    scope.error_output = output
    try:
        variables = assigned(catcher.assign, scope, output)
        exit_state(turn, frame, state, as_data(frame, catcher.output(scope, output)), variables, catcher.next)
    except StatesError as error:
        # A catcher's own failure is not caught by its siblings
        fail_scope(turn, frame, Failure(error.error, error.cause))
