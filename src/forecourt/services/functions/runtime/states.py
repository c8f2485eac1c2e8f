"""The states of an execution environment and what leads from one to the next. Pure.

A runtime starts, asks for work (`next`), answers it (`response` or `error`) and asks again. Whatever it does out of
that order is refused with `InvalidStateTransition` and changes nothing. A process that ends is `Exited` for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an environment stands; the values are the Runtime API's own words."""

    STARTED = "RuntimeStarted"
    READY = "RuntimeReady"
    RUNNING = "RuntimeRunning"
    RESPONDING = "RuntimeResponding"
    RESPONDED = "RuntimeInvocationResponseSent"
    INIT_FAILED = "RuntimeInitError"
    EXITED = "RuntimeExited"


class Event(StrEnum):
    NEXT = "Ready"
    INVOKE = "Running"
    RESPONSE = "InvocationResponse"
    RESPONSE_END = "ResponseSent"
    ERROR = "InvocationErrorResponse"
    INIT_ERROR = "InitError"
    EXIT = "Exited"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.STARTED, Event.NEXT): State.READY,
    (State.STARTED, Event.INIT_ERROR): State.INIT_FAILED,
    # A client whose connection broke while it waited asks again.
    (State.READY, Event.NEXT): State.READY,
    (State.READY, Event.INVOKE): State.RUNNING,
    (State.RUNNING, Event.RESPONSE): State.RESPONDING,
    (State.RUNNING, Event.ERROR): State.RESPONDED,
    (State.RESPONDING, Event.RESPONSE_END): State.RESPONDED,
    (State.RESPONDED, Event.NEXT): State.READY,
    **{(state, Event.EXIT): State.EXITED for state in State},
}


class InvalidStateTransition(Exception):
    def __init__(self, state: State, event: Event) -> None:
        super().__init__(
            f"State transition from {state} to {event} failed for runtime. Error: State transition is not allowed"
        )


def advance(state: State, event: Event) -> State:
    """Raises `InvalidStateTransition`."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise InvalidStateTransition(state, event) from None
