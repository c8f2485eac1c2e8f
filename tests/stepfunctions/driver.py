"""Runs an execution on the bare engine: tasks answer from a script, timers fire as soon as nothing else can happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Machine
from forecourt.services.stepfunctions.asl.validate import load
from forecourt.services.stepfunctions.engine import advance, commands, events, model
from forecourt.services.stepfunctions.engine.history import HistoryEvent
from forecourt.services.stepfunctions.engine.model import Execution, dump, load_execution, new_execution

START = 1_700_000_000.0
ARN = "arn:aws:states:us-east-1:000000000000:execution:m:x"
# (state, attempt from 0, arguments) -> result; what it raises as Failed is the task's failure; None: never answers
Tasks = Callable[[str, int, Any], Any]
_MOST_EVENTS = 20_000


class Failed(Exception):
    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


def machine_of(definition: str, express: bool = False) -> Machine:
    machine, found = load(definition, express)
    assert machine is not None, found
    return machine


class Run:
    """`reload` stores and loads the execution between all turns, as a restart would."""

    def __init__(self, machine: Machine, input: str, tasks: Tasks, *, reload: bool = False, steps: int = 200) -> None:
        self.machine = machine
        self.execution: Execution = new_execution(
            ARN, "x", "arn:aws:states:us-east-1:000000000000:stateMachine:m", "m", "role", Data.of_text(input), START,
            b"0123456789abcdef",
        )  # fmt: skip
        self.tasks = tasks
        self.reload = reload
        self.steps = steps
        self.at = START
        self.history: list[HistoryEvent] = []
        self.timers: dict[tuple[int, str], float] = {}
        self.attempts: dict[str, int] = {}
        self.invocations: list[commands.InvokeTask] = []
        self.waiting: list[events.Event] = []

    def send(self, event: events.Event) -> None:
        turn = advance(self.machine, self.execution, event, self.at, most_steps=self.steps)
        if self.reload:
            self.execution = load_execution(dump(self.execution))
        self.history += turn.events
        for command in turn.commands:
            self._obey(command)

    def _obey(self, command: commands.Command) -> None:
        match command:
            case commands.StartTimer():
                self.timers[command.frame, command.kind] = command.due_at
            case commands.CancelTimer():
                self.timers.pop((command.frame, command.kind), None)
            case commands.GoOn():
                self.waiting.append(events.Continue())
            case commands.InvokeTask():
                self.invocations.append(command)
                self._answer(command)
            case commands.StartMapRun():
                items = command.items.value if command.items is not None else []
                result = [self._attempt(command.state, item) for item in items]
                self.waiting.append(events.MapRunEnded(command.frame, command.nonce, model.SUCCEEDED, Data(result)))

    def _attempt(self, state: str, arguments: Any) -> Any:
        attempt = self.attempts.get(state, 0)
        self.attempts[state] = attempt + 1
        return self.tasks(state, attempt, arguments)

    def _answer(self, command: commands.InvokeTask) -> None:
        try:
            result = self._attempt(command.state, command.arguments.value)
        except Failed as error:
            self.waiting.append(events.TaskFailed(command.frame, command.nonce, error.error, error.cause))
            return
        if result is not None:
            self.waiting.append(events.TaskSucceeded(command.frame, command.nonce, Data(result)))

    def run(self) -> Run:
        self.send(events.Start())
        return self.go_on()

    def go_on(self) -> Run:
        for _ in range(_MOST_EVENTS):
            if not self.execution.is_open:
                return self
            if self.waiting:
                self.send(self.waiting.pop(0))
            elif self.timers:
                self._fire_earliest()
            else:
                raise AssertionError(f"nothing will happen any more: {list(self.lines())}")
        raise AssertionError("the execution does not end")

    def _fire_earliest(self) -> None:
        (frame, kind), due = min(self.timers.items(), key=lambda timer: timer[1])
        del self.timers[frame, kind]
        self.at = max(self.at, due)
        self.send(events.TimerFired(frame, kind, due))

    # --- what is to be seen -------------------------------------------------------------------------------------------

    def outcome(self) -> str:
        execution = self.execution
        if execution.status == model.SUCCEEDED:
            assert execution.output is not None
            return f"SUCCEEDED {execution.output.text}"
        return " ".join(part for part in (execution.status, execution.error, execution.cause) if part)

    def path(self) -> list[str]:
        return [event.details["name"] for event in self.history if event.type.endswith("StateEntered")]  # type: ignore[index]

    def lines(self) -> Iterator[str]:
        """One line per event: `id<previous type seconds details`."""
        for event in self.history:
            details = {
                k: v for k, v in (event.details or {}).items() if v is not None and k not in ("roleArn", "region")
            }
            seconds = f" +{event.timestamp - START:g}s" if event.timestamp != START else ""
            shown = "".join(f" {key}={value}" for key, value in details.items())
            yield f"{event.id}<{event.previous} {event.type}{seconds}{shown}"
