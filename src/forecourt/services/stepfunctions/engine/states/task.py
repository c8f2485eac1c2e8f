"""Task: outside work, with time-out, heartbeat, and the history that AWS writes about it.

A task is *scheduled* (its arguments are computed and the command goes out), perhaps *submitted* (`.sync` and
`.waitForTaskToken`), and has one outcome. Whatever arrives for another attempt than the current one is ignored.
"""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Resource, Task
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.engine.commands import InvokeTask
from forecourt.services.stepfunctions.engine.flow import Failure, as_data, assigned, exit_state
from forecourt.services.stepfunctions.engine.model import Frame, Work
from forecourt.services.stepfunctions.engine.recovery import attempt, fail_state
from forecourt.services.stepfunctions.engine.registry import ENTER
from forecourt.services.stepfunctions.engine.tokens import encode_token
from forecourt.services.stepfunctions.engine.turn import Turn

# By kind of resource: what the history's events are called.
_PREFIX = {"lambda": "LambdaFunction", "activity": "Activity", "service": "Task"}


def enter_task(turn: Turn, frame: Frame, state: Task) -> None:
    scope = turn.scope(frame)
    nonce = turn.chance.bytes(12).hex()
    if state.resource.pattern == "waitForTaskToken" and turn.execution.given_context is None:
        scope = scope.with_context({"Task": {"Token": encode_token(turn.execution.arn, frame.id, nonce)}})
    effective = state.flow.effective_input(scope)
    arguments = as_data(frame, state.flow.arguments(scope, effective))
    if arguments.too_large:
        raise StatesError(
            errors.DATA_LIMIT_EXCEEDED,
            f"The state/task '{state.name}' was given an input with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    timeout = state.timeout_seconds(scope, effective) if state.timeout_seconds is not None else 0
    heartbeat = state.heartbeat_seconds(scope, effective) if state.heartbeat_seconds is not None else 0
    role = state.role_arn(scope, effective) if state.role_arn is not None else None
    _schedule(turn, frame, state, nonce, arguments, timeout, heartbeat, role)


def _schedule(
    turn: Turn, frame: Frame, state: Task, nonce: str, arguments: Data, timeout: int, heartbeat: int, role: str | None
) -> None:
    resource = state.resource
    scheduled = turn.record(
        frame,
        _PREFIX[resource.kind] + "Scheduled",
        _scheduled_details(turn, resource, arguments, timeout, heartbeat, role),
    )
    if resource.kind == "lambda":
        turn.record(frame, "LambdaFunctionStarted")
    elif resource.kind == "service":
        turn.record(frame, "TaskStarted", _names(resource))
    frame.phase = model.TASK
    frame.work = Work(nonce, scheduled, heartbeat, timeout)
    if timeout:
        turn.start_timer(frame, "timeout", turn.at + timeout)
    if heartbeat:
        turn.start_timer(frame, "heartbeat", turn.at + heartbeat)
    turn.command(InvokeTask(frame.id, nonce, resource, arguments, role, state.name, heartbeat, timeout))


def _names(resource: Resource) -> dict[str, Any]:
    if resource.kind != "service":
        return {}
    return {"resourceType": resource.service, "resource": resource.history_name}


def _scheduled_details(
    turn: Turn, resource: Resource, arguments: Data, timeout: int, heartbeat: int, role: str | None
) -> dict[str, Any]:
    details: dict[str, Any]
    if resource.kind == "service":
        region = turn.execution.arn.split(":", 4)[3]
        details = {**_names(resource), "region": region, "parameters": arguments.text}
    else:
        details = {"resource": resource.arn, "input": arguments.text}
    if timeout:
        details["timeoutInSeconds"] = timeout
    if heartbeat and resource.kind != "lambda":
        details["heartbeatInSeconds"] = heartbeat
    if role is not None and resource.kind != "activity":
        details["taskCredentials"] = {"roleArn": role}
    return details


# --- what comes back --------------------------------------------------------------------------------------------------


def succeeded(turn: Turn, frame: Frame, state: Task, event: events.TaskSucceeded) -> None:
    if event.output.too_large:
        subject = state.resource.arn if state.resource.kind != "service" else state.resource.service
        cause = (
            f"The state/task '{subject}' returned a result with a size exceeding the maximum number of bytes "
            "service limit."
        )
        failed(turn, frame, state, errors.DATA_LIMIT_EXCEEDED, cause)
        return
    turn.record(
        frame, _PREFIX[state.resource.kind] + "Succeeded", {**_names(state.resource), "output": event.output.text}
    )
    turn.cancel_timers(frame)
    frame.work = None
    attempt(turn, frame, state, lambda turn, frame, state: complete(turn, frame, state, event.output.value))


def complete(turn: Turn, frame: Frame, state: Any, raw_result: Any) -> None:
    """A result goes through the state's output processing. Also used by Parallel and Map."""
    scope = turn.scope(frame)
    result = state.flow.result(scope, raw_result)
    scope.result = result
    output = state.flow.output(scope, result)
    variables = assigned(state.assign, scope, result)
    exit_state(turn, frame, state, as_data(frame, output), variables, state.next)


def failed(turn: Turn, frame: Frame, state: Task, error: str, cause: str | None) -> None:
    _record_end(turn, frame, state, "Failed", error, cause)
    frame.work = None
    fail_state(turn, frame, state, Failure(error, cause))


def _record_end(turn: Turn, frame: Frame, state: Task, outcome: str, error: str, cause: str | None) -> None:
    details = {**_names(state.resource), "error": error, "cause": cause}
    turn.record(frame, _PREFIX[state.resource.kind] + outcome, details)


def submitted(turn: Turn, frame: Frame, state: Task, event: events.TaskSubmitted) -> None:
    assert frame.work is not None
    frame.work.submitted = True
    turn.record(frame, "TaskSubmitted", {**_names(state.resource), "output": event.output.text})


def activity_started(turn: Turn, frame: Frame, state: Task, event: events.ActivityStarted) -> None:
    assert frame.work is not None
    frame.work.submitted = True
    turn.record(frame, "ActivityStarted", {"workerName": event.worker})
    heartbeat(turn, frame)


def heartbeat(turn: Turn, frame: Frame) -> None:
    if frame.work is not None and frame.work.heartbeat_seconds:
        turn.start_timer(frame, "heartbeat", turn.at + frame.work.heartbeat_seconds)


def timed_out(turn: Turn, frame: Frame, state: Task, kind: str) -> None:
    """`kind` is timeout or heartbeat. Measured on AWS: history shows States.Timeout for both."""
    turn.cancel_timers(frame, fired=kind)
    _record_end(turn, frame, state, "TimedOut", errors.TIMEOUT, None)
    turn.abandon_work(frame)
    also = errors.HEARTBEAT_TIMEOUT if kind == "heartbeat" else ""
    fail_state(turn, frame, state, Failure(errors.TIMEOUT, None, also=also))


ENTER["Task"] = enter_task
