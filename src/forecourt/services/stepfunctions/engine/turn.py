"""One call of `advance`: what it knows, and the history and commands that it collects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.stepfunctions.asl.chance import Chance
from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Machine, State
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.asl.timestamps import format_timestamp
from forecourt.services.stepfunctions.engine.commands import AbandonWork, CancelTimer, Command, StartTimer
from forecourt.services.stepfunctions.engine.history import MOST_EVENTS, HistoryEvent
from forecourt.services.stepfunctions.engine.model import READY, Execution, Frame


class HistoryFull(Exception):
    """The next event would be one too many."""


class Turn:
    """`touched` and `removed` name the frames that changed, for whoever stores the execution."""

    __slots__ = (
        "at", "came_from", "chance", "commands", "events", "execution", "machine", "ready", "recording", "removed",
        "touched",
    )  # fmt: skip

    def __init__(self, machine: Machine, execution: Execution, at: float, recording: bool) -> None:
        self.machine = machine
        self.execution = execution
        self.at = at
        self.recording = recording
        self.chance = Chance(execution.seed, execution.draws)
        self.events: list[HistoryEvent] = []
        self.commands: list[Command] = []
        self.ready: deque[int] = deque()
        self.touched: set[int] = set()
        self.removed: set[int] = set()
        # The event that the last Entered event follows
        self.came_from = 0

    # --- history ------------------------------------------------------------------------------------------------------

    def record(self, frame: Frame, type_: str, details: dict[str, Any] | None = None) -> int:
        """Adds an event to the frame's thread. Returns its id."""
        frame.previous = self.record_after(frame.previous, type_, details)
        self.touched.add(frame.id)
        return frame.previous

    def record_after(self, previous: int, type_: str, details: dict[str, Any] | None = None) -> int:
        execution = self.execution
        execution.last_event_id += 1
        number = execution.last_event_id
        # The last place is the terminal event's
        if number >= MOST_EVENTS and not execution.express and not type_.startswith("Execution"):
            execution.last_event_id -= 1
            raise HistoryFull
        if self.recording:
            self.events.append(HistoryEvent(number, previous, self.at, type_, details))
        return number

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        self.commands.append(command)

    def start_timer(self, frame: Frame, kind: str, due_at: float) -> None:
        frame.timers = {**frame.timers, kind: due_at}
        self.touched.add(frame.id)
        self.commands.append(StartTimer(frame.id, kind, due_at))

    def cancel_timers(self, frame: Frame, fired: str = "") -> None:
        """Cancels all timers of a frame; the one that has `fired` is gone already."""
        if frame.timers:
            self.commands += [CancelTimer(frame.id, kind) for kind in frame.timers if kind != fired]
            frame.timers = {}

    def abandon_work(self, frame: Frame) -> None:
        if frame.work is not None:
            self.commands.append(AbandonWork(frame.id, frame.work.nonce))
            frame.work = None

    # --- frames -------------------------------------------------------------------------------------------------------

    def make_ready(self, frame: Frame) -> None:
        frame.phase = READY
        self.ready.append(frame.id)
        self.touched.add(frame.id)

    def new_frame(self, parent: int, index: int, scope: int, input: Data, previous: int) -> Frame:
        execution = self.execution
        frame = Frame(
            execution.next_frame, parent, index, scope, self.machine.scopes[scope].start_at, input, previous=previous
        )
        execution.next_frame += 1
        execution.frames[frame.id] = frame
        self.make_ready(frame)
        return frame

    def remove_children(self, frame: Frame) -> None:
        for child in self.execution.children(frame):
            if child.fan is not None:
                self.remove_children(child)
            del self.execution.frames[child.id]
            self.touched.discard(child.id)
            self.removed.add(child.id)

    def state_of(self, frame: Frame) -> State:
        return self.machine.scopes[frame.scope].states[frame.state]

    # --- what expressions see -----------------------------------------------------------------------------------------

    def scope(self, frame: Frame) -> Scope:
        return Scope(frame.input.value, self.variables(frame), self.chance, self._context_builder(frame), self.at)

    def variables(self, frame: Frame) -> Mapping[str, Any]:
        """The frame's own variables and those of the scopes around it."""
        if not frame.parent:
            return frame.variables
        outer = self.variables(self.execution.frames[frame.parent])
        return {**outer, **frame.variables} if frame.variables else outer

    def _context_builder(self, frame: Frame) -> Callable[[], dict[str, Any]]:
        return lambda: context_object(self.execution, frame, self.state_of(frame))


def context_object(execution: Execution, frame: Frame, state: State) -> dict[str, Any]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html

    Measured on AWS: only what can be redriven has a RedriveCount, only a state that can be retried a RetryCount.
    """
    if execution.given_context is not None:
        given: dict[str, Any] = execution.given_context.value
        return given
    context: dict[str, Any] = {
        "Execution": _about(execution),
        "StateMachine": {"Id": execution.machine_arn, "Name": execution.machine_name},
        "State": {"Name": frame.state, "EnteredTime": format_timestamp(frame.entered_at)},
    }
    if state.type in _RETRIED:
        context["State"]["RetryCount"] = frame.retry_count
    if item := _map_item(execution, frame):
        context["Map"] = {"Item": item}
    return context


_RETRIED = ("Task", "Parallel", "Map")


def _about(execution: Execution) -> dict[str, Any]:
    about: dict[str, Any] = {
        "Id": execution.arn,
        "Input": execution.input.value,
        "StartTime": format_timestamp(execution.started_at),
        "Name": execution.name,
        "RoleArn": execution.role_arn or None,
    }
    if not execution.express:
        about["RedriveCount"] = execution.redrive_count
    if execution.redrive_count:
        about["RedriveTime"] = format_timestamp(execution.redriven_at)
    return about


def _map_item(execution: Execution, frame: Frame) -> dict[str, Any] | None:
    """The item of the innermost Map iteration around the frame."""
    while frame.parent:
        if frame.item is not None:
            return map_item(frame.index, frame.item.value)
        frame = execution.frames[frame.parent]
    return map_item(frame.index, frame.item.value) if frame.item is not None else None


def map_item(index: int, value: Any) -> dict[str, Any]:
    """`Map.Item` of an inline Map."""
    return {"Index": index, "Value": value, "Source": "STATE_DATA"}
