"""One state's run for TestState, and what `inspectionData` tells of it.

Which of its members a state has was measured on AWS: a Map shows its items and limits but neither result nor arguments;
a Pass state shows a result only where it has one of its own; JSONata states show no path's outcome.
"""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.api.testchecks import read_json, read_object
from forecourt.services.stepfunctions.api.testmap import failed_iterations, inspect_map, items_in
from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.flow import JsonPathFlow
from forecourt.services.stepfunctions.asl.machine import Machine, Map, Pass, State
from forecourt.services.stepfunctions.engine import advance, commands, events, model
from forecourt.services.stepfunctions.engine.flow import Failure
from forecourt.services.stepfunctions.engine.model import Execution, Frame
from forecourt.services.stepfunctions.engine.recovery import attempt, fail_state, matches
from forecourt.services.stepfunctions.engine.states.task import complete
from forecourt.services.stepfunctions.engine.turn import Turn

Answer = dict[str, Any]


class Trial:
    """One state's run; the request has passed its checks."""

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

    @property
    def frame(self) -> Frame:
        return self.execution.frames[1]

    def begin(self) -> None:
        turn = Turn(self.machine, self.execution, self.at, True)
        frame = turn.new_frame(0, 0, 0, self.execution.input, 0)
        frame.entered_at = self.at
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
                self._see_arguments(command.arguments.text)
        if frame.phase == model.TIMER:
            due = frame.timers["wait"]
            self._note(self._advance(events.TimerFired(frame.id, "wait", due)))

    def _configure(self, frame: Frame) -> None:
        frame.variables = read_object("variables", self.given.get("variables")) or {}
        if (context := read_object("context", self.given.get("context"))) is not None:
            self.execution.given_context = Data(context)
        if count := self._configuration.get("retrierRetryCount"):
            frame.attempts = [count] * len(self.state.retry)
            frame.retry_count = count

    def _fan(self, turn: Turn, frame: Frame) -> None:
        """A Parallel or Map state whose children the mock stands for."""
        mock = self.given["mock"]
        frame.entered_id = turn.record(frame, f"{self.state.type}StateEntered", {"name": self.state.name})
        self._failure = self._without_items(turn, frame)
        if (error := mock.get("errorOutput")) is not None and self._failure is None:
            self._failure = Failure(error["error"], error.get("cause"))
        if self._failure is not None:
            fail_state(turn, frame, self.state, self._failure)
        else:
            result = read_json("mock.result", mock["result"])
            attempt(turn, frame, self.state, lambda turn, frame, state: self._finish_fan(turn, frame, result))
        self._note(turn)

    def _without_items(self, turn: Turn, frame: Frame) -> Failure | None:
        """Measured on AWS: where a Map's items are none, the cause has no preamble."""
        try:
            if isinstance(self.state, Map):
                items_in(turn, frame, self.state, self._configuration)
        except StatesError as error:
            return Failure(error.error, error.cause)
        return None

    def _finish_fan(self, turn: Turn, frame: Frame, result: Any) -> None:
        if isinstance(self.state, Map):
            self._failure = failed_iterations(turn, frame, self.state, self._configuration)
        if self._failure is not None:
            fail_state(turn, frame, self.state, self._failure)
        else:
            self._see_result(turn, frame, result)
            complete(turn, frame, self.state, result)

    def _advance(self, event: events.Event) -> Turn:
        return advance(self.machine, self.execution, event, self.at, most_steps=0)

    def settle_with_mock(self, mock: dict[str, Any]) -> None:
        if (error := mock.get("errorOutput")) is not None:
            self.fail(error["error"], error.get("cause"))
            return
        self.succeed(Data(read_json("mock.result", mock["result"])))

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
        """What is known before the state's work. An expression that fails ends it: the run will say so."""
        draws = turn.chance.draws
        try:
            if isinstance(self.state, Pass) and self.state.has_result:
                self._see_result(turn, frame, self.state.fixed_result)
            else:
                self._inspect_input(turn, frame)
        except StatesError:
            return
        finally:
            turn.chance.draws = draws

    def _inspect_input(self, turn: Turn, frame: Frame) -> None:
        scope, flow = turn.scope(frame), self.state.flow
        effective = flow.effective_input(scope)
        if not self.state.jsonata:
            self._inspected["afterInputPath"] = to_text(effective)
        if isinstance(self.state, Map):
            for name, value in inspect_map(turn, frame, self.state, self._configuration):
                self._inspected[name] = value
        elif self.state.type == "Parallel":
            self._see_arguments(to_text(flow.arguments(scope, effective)))
        elif isinstance(self.state, Pass) and not self.state.jsonata:
            arguments = flow.arguments(scope, effective)
            self._see_arguments(to_text(arguments))
            self._see_selected(turn, frame, arguments)

    def _see_arguments(self, text: str) -> None:
        self._inspected["afterArguments" if self.state.jsonata else "afterParameters"] = text

    def _see_result(self, turn: Turn, frame: Frame, result: Any) -> None:
        if not isinstance(self.state, Map):
            self._inspected["result"] = to_text(result)
        self._see_selected(turn, frame, result)

    def _see_selected(self, turn: Turn, frame: Frame, result: Any) -> None:
        flow = self.state.flow
        if not isinstance(flow, JsonPathFlow):
            return
        scope = turn.scope(frame)
        draws = turn.chance.draws
        try:
            selected = flow.result(scope, result)
            self._inspected["afterResultSelector"] = to_text(selected)
            scope.result = selected
            self._inspected["afterResultPath"] = to_text(flow.combined(scope, selected))
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
        """Measured on AWS: a retrier whose attempts are used up is named, too."""
        failure = self._failure
        if failure is None:
            return {}
        details: Answer = {}
        retrier = next((i for i, one in enumerate(self.state.retry) if matches(one.errors, failure)), None)
        if retrier is not None:
            details["retryIndex"] = retrier
        if self.frame.phase == model.RETRY:
            details["retryBackoffIntervalSeconds"] = int(self.frame.timers["retry"] - self.at)
        elif self.execution.status != model.FAILED:
            catcher = next((i for i, one in enumerate(self.state.catch) if matches(one.errors, failure)), None)
            if catcher is not None:
                details["catchIndex"] = catcher
        return {"errorDetails": details} if details else {}
