"""An execution tried out without a server: mocked tasks, and time that passes as soon as nothing else can happen."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Machine, Resource
from forecourt.services.stepfunctions.engine import advance, commands, events
from forecourt.services.stepfunctions.engine.history import to_wire
from forecourt.services.stepfunctions.engine.model import new_execution
from forecourt.services.stepfunctions.integrations.job import Job, TaskError
from forecourt.services.stepfunctions.integrations.mocks import Mocks

_ACCOUNT, _REGION = "000000000000", "us-east-1"
_PREFIX = f"arn:aws:states:{_REGION}:{_ACCOUNT}"
_START = 1_700_000_000.0


class Rehearsal:
    def __init__(self, machine: Machine, input: str, machine_name: str, case: str, mocks: Mocks) -> None:
        self._machine = machine
        self._name = machine_name
        self._case = case
        self._mocks = mocks
        self._at = _START
        self._next: deque[events.Event] = deque([events.Start()])
        self._timers: dict[tuple[int, str], float] = {}
        self.execution = new_execution(
            f"{_PREFIX}:execution:{machine_name}:rehearsal", "rehearsal", f"{_PREFIX}:stateMachine:{machine_name}",
            machine_name, "", Data.of_text(input), _START, b"rehearsal seed!!",
        )  # fmt: skip

    def outcome(self) -> tuple[str | None, str | None, str | None]:
        """(output, error, cause)."""
        execution = self.execution
        return execution.output.text if execution.output is not None else None, execution.error, execution.cause

    def events(self) -> Iterator[dict[str, Any]]:
        """The history as it comes about."""
        while self.execution.is_open:
            if not self._next and not self._fire_earliest():
                return
            turn = advance(self._machine, self.execution, self._next.popleft(), self._at)
            for command in turn.commands:
                self._obey(command)
            for event in turn.events:
                yield to_wire(event, True)

    def _fire_earliest(self) -> bool:
        if not self._timers:
            return False
        (frame, kind), due_at = min(self._timers.items(), key=lambda timer: timer[1])
        del self._timers[frame, kind]
        self._at = max(self._at, due_at)
        self._next.append(events.TimerFired(frame, kind, due_at))
        return True

    def _obey(self, command: commands.Command) -> None:
        match command:
            case commands.StartTimer():
                self._timers[command.frame, command.kind] = command.due_at
            case commands.CancelTimer():
                self._timers.pop((command.frame, command.kind), None)
            case commands.GoOn():
                self._next.append(events.Continue())
            case commands.InvokeTask():
                answer = self._answer(command.nonce, command.state, command.resource, command.arguments)
                if isinstance(answer, TaskError):
                    self._next.append(events.TaskFailed(command.frame, command.nonce, answer.error, answer.cause))
                else:
                    self._next.append(events.TaskSucceeded(command.frame, command.nonce, answer))
            case commands.StartMapRun():
                answer = self._answer(command.nonce, command.state, Resource("", "service"), command.input)
                ended = (command.frame, command.nonce)
                if isinstance(answer, TaskError):
                    self._next.append(events.MapRunEnded(*ended, "FAILED", None, answer.error, answer.cause))
                else:
                    self._next.append(events.MapRunEnded(*ended, "SUCCEEDED", answer))

    def _answer(self, nonce: str, state: str, resource: Resource, arguments: Data) -> Data | TaskError:
        job = Job(
            account=_ACCOUNT, region=_REGION, machine=self._name, name="rehearsal", execution_arn=self.execution.arn,
            role_arn="", state=state, nonce=nonce, resource=resource, arguments=arguments, test_case=self._case,
        )  # fmt: skip
        try:
            answer = self._mocks.answer(job)
        except TaskError as error:
            return error
        return answer or TaskError("States.TaskFailed", f"The test case does not mock the state '{state}'")
