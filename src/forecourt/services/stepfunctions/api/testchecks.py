"""What TestState refuses, in AWS's words where they are known: a mock, a context object or a configuration that does
not go with the state, and a state that nobody can run without a mock."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl.json_text import BadJson, parse_json
from forecourt.services.stepfunctions.asl.machine import Machine, Map, Parallel, State, Task
from forecourt.services.stepfunctions.errors import InvalidDefinition, ValidationException
from forecourt.services.stepfunctions.integrations.conformance import Unlike, check_result

Given = dict[str, Any]
_OUTSIDE = ("Task", "Parallel", "Map")


def check_request(machine: Machine, given: Given) -> None:
    """Raises `InvalidDefinition` and `ValidationException`."""
    state = machine.state(0, machine.scopes[0].start_at)
    mock = given.get("mock")
    read_object("variables", given.get("variables"))
    if mock is None:
        _check_without_mock(state, given)
    else:
        _check_mock(state, mock, given)
    _check_context(state, given)
    _check_configuration(machine, state, given)


def read_json(field: str, text: str) -> Any:
    try:
        return parse_json(text)
    except BadJson as error:
        raise ValidationException(f"The value of '{field}' is not valid JSON: {error}") from None


def read_object(field: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value = read_json(field, text)
    if not isinstance(value, dict):
        raise ValidationException(f"The value of '{field}' must be a JSON object")
    return value


def _check_without_mock(state: State, given: Given) -> None:
    if state.type in ("Parallel", "Map"):
        raise InvalidDefinition(
            "TestState API does not support Map or Parallel states. Supported state types include: "
            "[Task, Wait, Pass, Succeed, Fail, Choice]"
        )
    if isinstance(state, Task):
        if state.resource.kind == "activity":
            raise InvalidDefinition("TestState API does not support Activity tasks unless a mock is specified")
        if state.resource.pattern != "request":
            raise InvalidDefinition(
                "TestState API does not support '.sync' or '.waitForTaskToken' service integration patterns unless a "
                "mock is specified"
            )
        if not given.get("roleArn"):
            raise ValidationException("RoleArn must be specified when testing a Task state")
    if given.get("context") is not None:
        raise ValidationException("Context can only be specified when a mock is specified")


def _check_mock(state: State, mock: Given, given: Given) -> None:
    if state.type not in _OUTSIDE:
        raise ValidationException(f"State type '{state.type}' is not supported when a mock is specified")
    if "result" in mock and "errorOutput" in mock:
        raise ValidationException("A test mock should have only one of the following fields: [result, errorOutput].")
    if "result" not in mock and "errorOutput" not in mock:
        raise ValidationException("A test mock should have one of the following fields: [result, errorOutput].")
    if given.get("revealSecrets"):
        raise ValidationException("TestState does not support RevealSecrets when a mock is specified.")
    if "result" in mock:
        _check_result(state, read_json("mock.result", mock["result"]), mock.get("fieldValidationMode", "STRICT"))
    elif not mock["errorOutput"].get("error"):
        raise ValidationException("The error of a mocked errorOutput must be specified")


def _check_result(state: State, result: Any, mode: str) -> None:
    if isinstance(state, Task):
        try:
            check_result(state.resource, result, mode)
        except Unlike as error:
            raise ValidationException(str(error)) from None
    elif isinstance(state, Map) and state.writer is not None and state.writer.resource is not None:
        if not isinstance(result, dict):
            raise ValidationException("Mocked result must be a JSON object.")
    elif not isinstance(result, list):
        raise ValidationException("Mocked result must be an array.")
    elif isinstance(state, Parallel) and len(result) != len(state.branches):
        raise ValidationException("Mocked result must contain the same number of items as number of Parallel branches.")


# --- the context object -----------------------------------------------------------------------------------------------

_TEXT, _WHOLE, _ANY = "a string", "a number", ""
_CONTEXT: dict[str, dict[str, str]] = {
    "Execution": {
        "Id": _TEXT,
        "Input": _ANY,
        "Name": _TEXT,
        "RoleArn": _TEXT,
        "StartTime": _TEXT,
        "RedriveCount": _WHOLE,
        "RedriveTime": _TEXT,
    },
    "State": {"EnteredTime": _TEXT, "Name": _TEXT, "RetryCount": _WHOLE},
    "StateMachine": {"Id": _TEXT, "Name": _TEXT},
    "Task": {"Token": _TEXT},
}


def _check_context(state: State, given: Given) -> None:
    context = read_object("context", given.get("context"))
    for name, part in (context or {}).items():
        if name == "Map":
            raise _bad_context("'Map' field is not supported when mocking a Context object")
        if name not in _CONTEXT:
            raise _bad_context(f"Field '{name}' is not allowed")
        if not isinstance(part, dict):
            raise _bad_context(f"{name} must be an object")
        for member, value in part.items():
            _check_member(name, member, value)
    if "Task" in (context or {}) and not (isinstance(state, Task) and state.resource.pattern != "request"):
        raise _bad_context(
            "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' "
            "service integration pattern"
        )


def _check_member(name: str, member: str, value: Any) -> None:
    kind = _CONTEXT[name].get(member)
    if kind is None:
        raise _bad_context(f"Field '{member}' is not allowed")
    right = {_TEXT: isinstance(value, str), _WHOLE: type(value) is int, _ANY: True}[kind]
    if not right:
        raise _bad_context(f"{name}.{member} must be {kind}")


def _bad_context(what: str) -> ValidationException:
    return ValidationException(f"Invalid Context object provided: {what}")


# --- the configuration ------------------------------------------------------------------------------------------------


def _check_configuration(machine: Machine, state: State, given: Given) -> None:
    """What only says something about a mocked state of its kind."""
    configuration = given.get("stateConfiguration") or {}
    mock = given.get("mock") or {}
    cause = configuration.get("errorCausedByState")
    if cause is not None and (state.type not in ("Map", "Parallel") or "errorOutput" not in mock):
        raise ValidationException("errorCausedByState needs a Map or Parallel state with a mocked errorOutput")
    if cause is not None and not any(cause in scope.states for scope in machine.scopes[1:]):
        raise ValidationException(f"The state '{state.name}' contains no state '{cause}'")
    if "retrierRetryCount" in configuration and "errorOutput" not in mock:
        raise ValidationException("retrierRetryCount needs a mocked errorOutput")
    for field in ("mapIterationFailureCount", "mapItemReaderData"):
        if field in configuration and (not isinstance(state, Map) or not mock):
            raise ValidationException(f"{field} needs a Map state with a mock")
    if "mapItemReaderData" in configuration and getattr(state, "reader", None) is None:
        raise ValidationException("mapItemReaderData needs a Map state with an ItemReader")
