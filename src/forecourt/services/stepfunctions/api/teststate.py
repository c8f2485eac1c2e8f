"""TestState: one state by itself, with the same machine that runs executions.

The state is put into a machine of its own, in which every state that it could go on to is a stub. Then the machine is
advanced by one step, and where that asks for outside work the work is performed, or the mock answers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.stepfunctions.api.definitions import require_valid
from forecourt.services.stepfunctions.api.executions import check_input
from forecourt.services.stepfunctions.api.testmap import failed_iterations, inspect_map
from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.graph import transitions
from forecourt.services.stepfunctions.asl.json_text import BadJson, parse_json
from forecourt.services.stepfunctions.asl.machine import Machine, Map, Pass, State, Task
from forecourt.services.stepfunctions.engine import advance, commands, events, model
from forecourt.services.stepfunctions.engine.flow import Failure
from forecourt.services.stepfunctions.engine.model import Execution, Frame, new_execution
from forecourt.services.stepfunctions.engine.recovery import attempt, fail_state, matches
from forecourt.services.stepfunctions.engine.states.task import complete
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.errors import InvalidDefinition, ValidationException
from forecourt.services.stepfunctions.integrations import Integrations, Job, TaskError
from forecourt.services.stepfunctions.integrations.conformance import Unlike, check_result

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]
_LONGEST_SECONDS = 300.0
_OUTSIDE = ("Task", "Parallel", "Map")


class TestStateApi:
    __test__ = False  # not a test, whatever its name says to pytest

    def __init__(self, integrations: Integrations, clock: Clock, ids: Ids) -> None:
        self._integrations = integrations
        self._clock = clock
        self._ids = ids

    @operation("TestState")
    async def test(self, context: CallContext, request: t.TestStateInputTypeDef) -> Answer:
        given: dict[str, Any] = dict(request)
        name, definition = single_state(given["definition"], given.get("stateName"))
        machine = require_valid(to_text(definition), "STANDARD")
        input = given.get("input", "{}")
        check_input(input)
        trial = Trial(machine, self._execution(context, given, input), self._clock.now(), given)
        if trial.needs_mock and not given.get("mock"):
            raise ValidationException(f"A mock is required to test the state '{name}'")
        check_mock(trial.state, given.get("mock"))
        check_configuration(machine, trial.state, given)
        if trial.state.type == "Task" and not given.get("mock") and not given.get("roleArn"):
            raise ValidationException("Either a roleArn or a mock must be specified")
        trial.begin()
        if trial.invocation is not None:
            await self._perform(context, trial, given)
        return trial.answer(given.get("inspectionLevel", "INFO"))

    def _execution(self, context: CallContext, given: dict[str, Any], input: str) -> Execution:
        prefix = f"arn:aws:states:{context.region}:{context.account}"
        return new_execution(
            f"{prefix}:express:TestState:{self._ids.uuid()}", "TestState", f"{prefix}:stateMachine:TestState",
            "TestState", given.get("roleArn", ""), Data.of_text(input), self._clock.now(), self._ids.bytes(16),
            express=True,
        )  # fmt: skip

    async def _perform(self, context: CallContext, trial: Trial, given: dict[str, Any]) -> None:
        command = trial.invocation
        assert command is not None
        if (mock := given.get("mock")) is not None:
            trial.settle_with_mock(mock)
            return
        job = Job(
            account=context.account,
            region=context.region,
            machine="TestState",
            name="TestState",
            execution_arn=trial.execution.arn,
            role_arn=command.role_arn or trial.execution.role_arn,
            state=command.state,
            nonce=command.nonce,
            resource=command.resource,
            arguments=command.arguments,
        )
        limit = min(command.timeout_seconds or _LONGEST_SECONDS, _LONGEST_SECONDS)
        try:
            async with asyncio.timeout(limit):
                trial.succeed(await self._integrations.request(job))
        except TaskError as error:
            trial.fail(error.error, error.cause)
        except TimeoutError:
            trial.fail("States.Timeout", None)
        if job.exchange is not None and given.get("inspectionLevel") == "TRACE":
            sent = job.exchange.revealed if given.get("revealSecrets") else job.exchange.request
            trial.show(request=sent, response=job.exchange.response)


def check_mock(state: State, mock: dict[str, Any] | None) -> None:
    """Raises `ValidationException`."""
    if mock is None:
        return
    if state.type not in _OUTSIDE:
        raise ValidationException(f"State type '{state.type}' is not supported when a mock is specified")
    if "result" in mock and "errorOutput" in mock:
        raise ValidationException("A test mock should have only one of the following fields: [result, errorOutput].")
    result = _json("mock.result", mock.get("result", "{}"))
    if isinstance(state, Task) and "result" in mock:
        try:
            check_result(state.resource, result, mock.get("fieldValidationMode", "STRICT"))
        except Unlike as error:
            raise ValidationException(str(error)) from None


def check_configuration(machine: Machine, state: State, given: dict[str, Any]) -> None:
    """What only says something about a mocked Map or Parallel state. Raises `ValidationException`."""
    configuration = given.get("stateConfiguration") or {}
    mock = given.get("mock") or {}
    cause = configuration.get("errorCausedByState")
    if cause is not None and (state.type not in ("Map", "Parallel") or "errorOutput" not in mock):
        raise ValidationException("errorCausedByState needs a Map or Parallel state with a mocked errorOutput")
    if cause is not None and not any(cause in scope.states for scope in machine.scopes[1:]):
        raise ValidationException(f"The state '{state.name}' contains no state '{cause}'")
    for field in ("mapIterationFailureCount", "mapItemReaderData"):
        if field in configuration and (not isinstance(state, Map) or not mock):
            raise ValidationException(f"{field} needs a Map state with a mock")
    if "mapItemReaderData" in configuration and getattr(state, "reader", None) is None:
        raise ValidationException("mapItemReaderData needs a Map state with an ItemReader")


def single_state(definition: str, state_name: str | None) -> tuple[str, dict[str, Any]]:
    """The state's name, and a machine that consists of it and stubs."""
    try:
        raw = parse_json(definition)
    except BadJson as error:
        raise InvalidDefinition(f"Invalid State Machine Definition: '{error}'") from None
    if not isinstance(raw, dict):
        raise InvalidDefinition("Invalid State Machine Definition: 'Definition must be a valid JSON object'")
    top: dict[str, Any] = {}
    if "States" in raw and "Type" not in raw:
        name = state_name or raw.get("StartAt", "")
        top = {"QueryLanguage": raw["QueryLanguage"]} if "QueryLanguage" in raw else {}
        raw = _find_state(raw, name)
        if raw is None:
            raise ValidationException(f"The definition has no state '{name}'")
    else:
        name = state_name or "TestState"
    try:
        targets = {target for target, _ in transitions(raw)} - {name}
    except (KeyError, TypeError, AttributeError):
        targets = set()
    states: dict[str, Any] = {name: raw}
    if not raw.get("End") and raw.get("Type") not in ("Choice", "Succeed", "Fail") and "Next" not in raw:
        states[name] = {**raw, "End": True}
    stubs = {target: {"Type": "Succeed"} for target in sorted(targets)}
    return name, {**top, "StartAt": name, "States": {**states, **stubs}}


def _find_state(scope: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The state of that name, in the machine or any scope within it."""
    for known, state in scope.get("States", {}).items():
        if known == name:
            found: dict[str, Any] = state
            return found
        inner = [*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")]
        for one in inner:
            if isinstance(one, dict) and (within := _find_state(one, name)) is not None:
                return within
    return None


def _json(field: str, text: str) -> Any:
    try:
        return parse_json(text)
    except BadJson as error:
        raise ValidationException(f"The value of '{field}' is not valid JSON: {error}") from None


def _object(field: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value = _json(field, text)
    if not isinstance(value, dict):
        raise ValidationException(f"The value of '{field}' must be a JSON object")
    return value


class Trial:
    """One state's run."""

    def __init__(self, machine: Machine, execution: Execution, at: float, given: dict[str, Any]) -> None:
        self.machine = machine
        self.execution = execution
        self.at = at
        self.given = given
        self.state: State = machine.state(0, machine.scopes[0].start_at)
        self.invocation: commands.InvokeTask | None = None
        self._configuration: dict[str, Any] = given.get("stateConfiguration") or {}
        self._failure: Failure | None = None
        self._inspected: dict[str, Any] = {"input": execution.input.text}
        resource = getattr(self.state, "resource", None)
        self.needs_mock = self.state.type in ("Parallel", "Map") or (
            resource is not None and (resource.kind == "activity" or resource.pattern != "request")
        )

    @property
    def frame(self) -> Frame:
        return self.execution.frames[1]

    def begin(self) -> None:
        turn = Turn(self.machine, self.execution, self.at, True)
        frame = turn.new_frame(0, 0, 0, self.execution.input, 0)
        self._configure(frame)
        self._inspect(turn, frame)
        turn.ready.clear()
        if self.state.type in ("Parallel", "Map"):
            self._fan(turn, frame)
            return
        self.execution.draws = turn.chance.draws
        turn = advance(self.machine, self.execution, events.Continue(), self.at, most_steps=1)
        self._note(turn)
        for command in turn.commands:
            if isinstance(command, commands.InvokeTask):
                self.invocation = command
        if frame.phase == model.TIMER:
            due = frame.timers["wait"]
            self._note(self._advance(events.TimerFired(frame.id, "wait", due)))

    def _configure(self, frame: Frame) -> None:
        frame.variables = _object("variables", self.given.get("variables")) or {}
        if (context := _object("context", self.given.get("context"))) is not None:
            self.execution.given_context = Data(context)
        if count := self._configuration.get("retrierRetryCount"):
            frame.attempts = [count] * len(self.state.retry)
            frame.retry_count = count

    def _fan(self, turn: Turn, frame: Frame) -> None:
        """A Parallel or Map state whose children the mock stands for."""
        mock = self.given["mock"]
        frame.entered_id = turn.record(frame, f"{self.state.type}StateEntered", {"name": self.state.name})
        if (error := mock.get("errorOutput")) is not None:
            self._failure = Failure(error.get("error", ""), error.get("cause"))
            fail_state(turn, frame, self.state, self._failure)
        else:
            result = _json("mock.result", mock.get("result", "{}"))
            self._see_result(turn, frame, result)
            attempt(turn, frame, self.state, lambda turn, frame, state: self._finish_fan(turn, frame, result))
        self._note(turn)

    def _finish_fan(self, turn: Turn, frame: Frame, result: Any) -> None:
        if isinstance(self.state, Map) and "mapIterationFailureCount" in self._configuration:
            self._failure = failed_iterations(turn, frame, self.state, self._configuration)
        if self._failure is not None:
            fail_state(turn, frame, self.state, self._failure)
        else:
            complete(turn, frame, self.state, result)

    def _advance(self, event: events.Event) -> Turn:
        return advance(self.machine, self.execution, event, self.at, most_steps=0)

    def settle_with_mock(self, mock: dict[str, Any]) -> None:
        if (error := mock.get("errorOutput")) is not None:
            self.fail(error.get("error", ""), error.get("cause"))
            return
        self.succeed(Data(_json("mock.result", mock.get("result", "{}"))))

    def succeed(self, output: Data) -> None:
        assert self.invocation is not None
        self._see_result(Turn(self.machine, self.execution, self.at, False), self.frame, output.value)
        self._note(self._advance(events.TaskSucceeded(1, self.invocation.nonce, output)))

    def fail(self, error: str, cause: str | None) -> None:
        assert self.invocation is not None
        self._failure = Failure(error, cause)
        self._note(self._advance(events.TaskFailed(1, self.invocation.nonce, error, cause or "")))

    def _note(self, turn: Turn) -> None:
        for event in turn.events:
            if event.type == "EvaluationFailed" and event.details is not None:
                self._failure = Failure(event.details["error"], event.details["cause"])

    def show(self, **inspected: Any) -> None:
        self._inspected |= inspected

    # --- inspection ---------------------------------------------------------------------------------------------------

    def _inspect(self, turn: Turn, frame: Frame) -> None:
        scope, flow = turn.scope(frame), self.state.flow
        draws = turn.chance.draws
        if isinstance(self.state, Pass) and self.state.has_result:
            self._see_result(turn, frame, self.state.fixed_result)
            return
        try:
            effective = flow.effective_input(scope)
            if not self.state.jsonata:
                self._inspected["afterInputPath"] = to_text(effective)
            if isinstance(self.state, Pass) and not self.state.jsonata:
                self._see_result(turn, frame, flow.arguments(scope, effective))
                del self._inspected["result"]
            if self.state.type in _OUTSIDE or isinstance(self.state, Pass):
                name = "afterArguments" if self.state.jsonata else "afterParameters"
                self._inspected[name] = to_text(flow.arguments(scope, effective))
            if isinstance(self.state, Map) and self.state.items is not None:
                self._inspected["afterItemsPath"] = to_text(self.state.items(scope, effective))
            if isinstance(self.state, Map):
                self._inspected |= inspect_map(turn, frame, self.state, self._configuration)
        except StatesError:
            return
        finally:
            turn.chance.draws = draws

    def _see_result(self, turn: Turn, frame: Frame, result: Any) -> None:
        self._inspected["result"] = to_text(result)
        if self.state.jsonata:
            return
        scope = turn.scope(frame)
        draws = turn.chance.draws
        try:
            selected = self.state.flow.result(scope, result)
            self._inspected["afterResultSelector"] = to_text(selected)
            scope.result = selected
            self._inspected["afterResultPath"] = to_text(self.state.flow.output(scope, selected))
        except StatesError:
            return
        finally:
            turn.chance.draws = draws

    # --- the answer ---------------------------------------------------------------------------------------------------

    def answer(self, level: str) -> Answer:
        frame, execution = self.frame, self.execution
        moved = frame.phase == model.READY and frame.state != self.state.name
        answer: Answer = {"status": "SUCCEEDED"}
        if execution.status == model.FAILED:
            answer = {"status": "FAILED", "error": execution.error or ""}
            answer |= {"cause": execution.cause} if execution.cause is not None else {}
        elif frame.phase == model.RETRY:
            answer = {"status": "RETRIABLE", **self._error()}
        elif execution.output is not None:
            answer["output"] = execution.output.text
        elif moved or frame.phase == model.READY:
            if self._failure is not None:
                answer = {"status": "CAUGHT_ERROR", **self._error()}
            answer |= {"output": frame.input.text, "nextState": frame.state}
        if level != "INFO":
            answer["inspectionData"] = {**self._inspected, **self._details()}
            if frame.variables:
                answer["inspectionData"]["variables"] = to_text(frame.variables)
        return answer

    def _error(self) -> Answer:
        if self._failure is None:
            return {}
        cause = {"cause": self._failure.cause} if self._failure.cause is not None else {}
        return {"error": self._failure.error, **cause}

    def _details(self) -> Answer:
        if self._failure is None:
            return {}
        details: Answer = {}
        if self.frame.phase == model.RETRY:
            details["retryIndex"] = next(
                i for i, retrier in enumerate(self.state.retry) if matches(retrier.errors, self._failure)
            )
            details["retryBackoffIntervalSeconds"] = int(self.frame.timers["retry"] - self.at)
        else:
            caught = (i for i, catcher in enumerate(self.state.catch) if matches(catcher.errors, self._failure))
            if (index := next(caught, None)) is not None:
                details["catchIndex"] = index
        return {"errorDetails": details} if details else {}
