"""Map, distributed: to the engine, a map run is one piece of outside work. `run/maprun.py` does it."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Map
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.engine.commands import StartMapRun
from forecourt.services.stepfunctions.engine.flow import Failure
from forecourt.services.stepfunctions.engine.model import Frame, Work
from forecourt.services.stepfunctions.engine.recovery import attempt, fail_state
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.states.task import complete
from forecourt.services.stepfunctions.engine.turn import Turn


def map_run_arn(execution_arn: str, label: str, run_id: str) -> str:
    """`arn:aws:states:region:account:mapRun:machine/label:id`."""
    prefix, _, _ = execution_arn.partition(":execution:")
    machine = execution_arn.split(":")[6]
    return f"{prefix}:mapRun:{machine}/{label}:{run_id}"


def start_run(turn: Turn, frame: Frame, state: Map, items: Data | None) -> None:
    """`items` is None where a reader has them. Raises `StatesError` where a limit is none."""
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    for limit in (state.tolerated_failure_count, state.tolerated_failure_percentage):
        if limit is not None:
            limit(scope, effective)
    _start(turn, frame, state, items, redrive=False)


def _start(turn: Turn, frame: Frame, state: Map, items: Data | None, redrive: bool) -> None:
    nonce = frame.output.value if redrive and frame.output is not None else turn.chance.uuid()
    arn = map_run_arn(turn.execution.arn, state.label or state.name, nonce)
    if redrive:
        count = turn.execution.redrive_count
        started = turn.record(frame, "MapRunRedriven", {"mapRunArn": arn, "redriveCount": count})
    else:
        started = turn.record(frame, "MapRunStarted", {"mapRunArn": arn})
    frame.phase = model.TASK
    frame.work = Work(nonce, started)
    frame.output = Data(nonce)
    turn.command(StartMapRun(frame.id, nonce, frame.scope, state.name, frame.input, items, redrive))


def redrive_distributed(turn: Turn, frame: Frame, state: Map) -> None:
    """Goes on with the run that was stopped, or starts one where it had not come to that."""
    if frame.output is None:
        ENTER["Map"](turn, frame, state)
    else:
        _start(turn, frame, state, None, redrive=True)


def map_run_ended(turn: Turn, frame: Frame, state: Map, event: events.MapRunEnded) -> None:
    started = frame.work.scheduled_id if frame.work is not None else frame.previous
    frame.work = None
    if event.status == model.SUCCEEDED:
        turn.record(frame, "MapRunSucceeded")
        turn.record(frame, "MapStateSucceeded")
        # Measured on AWS: the Exited event follows the run's start
        frame.previous = started
        frame.output = None
        result: Any = event.output.value if event.output is not None else None
        attempt(turn, frame, state, lambda turn, frame, state: complete(turn, frame, state, result))
        return
    error = event.error or errors.EXCEED_TOLERATED_FAILURE_THRESHOLD
    if event.status == model.ABORTED:
        turn.record(frame, "MapRunAborted")
    else:
        turn.record(frame, "MapRunFailed", {"error": error, "cause": event.cause})
    turn.record(frame, "MapStateFailed")
    fail_state(turn, frame, state, Failure(error, event.cause))
