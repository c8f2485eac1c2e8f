"""History events: AWS's types, and under which member their details stand."""

from __future__ import annotations

from typing import Any

import msgspec

MOST_EVENTS = 25_000


class HistoryEvent(msgspec.Struct, array_like=True, gc=False):
    id: int
    previous: int
    timestamp: float
    type: str
    details: dict[str, Any] | None = None


_SHARED = {"StateEntered": "stateEnteredEventDetails", "StateExited": "stateExitedEventDetails"}
# Types without details of their own.
_WITHOUT = {
    "LambdaFunctionStarted", "MapRunAborted", "MapRunSucceeded", "MapStateAborted", "MapStateFailed",
    "MapStateSucceeded", "ParallelStateAborted", "ParallelStateFailed", "ParallelStateStarted",
    "ParallelStateSucceeded", "TaskStateAborted", "WaitStateAborted",
}  # fmt: skip


def details_member(type_: str) -> str | None:
    """`TaskScheduled` -> `taskScheduledEventDetails`; None where the type has no details."""
    if type_ in _WITHOUT:
        return None
    for ending, member in _SHARED.items():
        if type_.endswith(ending):
            return member
    return type_[0].lower() + type_[1:] + "EventDetails"


_DATA_FIELDS = ("input", "output")
_SECRET_FIELDS = ("input", "output", "cause", "error", "parameters", "assignedVariables")


def to_wire(event: HistoryEvent, include_data: bool) -> dict[str, Any]:
    """As GetExecutionHistory shows it."""
    shown: dict[str, Any] = {
        "timestamp": event.timestamp,
        "type": event.type,
        "id": event.id,
        "previousEventId": event.previous,
    }
    member = details_member(event.type)
    if member is not None and event.details is not None:
        shown[member] = _shown_details(event.details, include_data)
    return shown


def _shown_details(details: dict[str, Any], include_data: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in details.items():
        if value is None or (not include_data and name in _SECRET_FIELDS and name not in ("error", "cause")):
            if name == "parameters":
                shown[name] = ""
            continue
        shown[name] = value
        if name in _DATA_FIELDS:
            shown[name + "Details"] = {"truncated": False}
        elif name == "assignedVariables":
            shown["assignedVariablesDetails"] = {"truncated": False}
    return shown
