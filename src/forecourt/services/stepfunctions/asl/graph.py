"""Checks of the graph in each scope: every target exists, every state is reachable, something ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forecourt.services.stepfunctions.asl.diagnostics import DUPLICATE, MISSING_END, MISSING_TARGET, Diagnostic

Raw = dict[str, Any]


def transitions(state: Raw) -> Iterator[tuple[str, str]]:
    """(target, where it is written below the state)."""
    if isinstance(state.get("Next"), str):
        yield state["Next"], "Next"
    for index, rule in enumerate(state.get("Choices", ())):
        yield rule["Next"], f"Choices[{index}]/Next"
    if isinstance(state.get("Default"), str):
        yield state["Default"], "Default"
    for index, catcher in enumerate(state.get("Catch", ())):
        yield catcher["Next"], f"Catch[{index}]/Next"


def nested_scopes(state: Raw) -> Iterator[tuple[Raw, str]]:
    """(scope, where it is written below the state)."""
    for index, branch in enumerate(state.get("Branches", ())):
        yield branch, f"Branches[{index}]"
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield state[field], field


def check_graph(scope: Raw, location: str, seen: dict[str, str]) -> Iterator[Diagnostic]:
    """`seen` collects the names of all scopes: they must differ throughout a machine."""
    states: dict[str, Raw] = scope["States"]
    if scope["StartAt"] not in states:
        yield Diagnostic(MISSING_TARGET, f"Missing 'Next' target: {scope['StartAt']}", f"{location}/StartAt")
    for name, state in states.items():
        here = f"{location}/States/{name}"
        if name in seen:
            yield Diagnostic(DUPLICATE, f"Duplicate State name: {name}", here)
        seen.setdefault(name, here)
        for target, where in transitions(state):
            if target not in states:
                yield Diagnostic(MISSING_TARGET, f"Missing 'Next' target: {target}", f"{here}/{where}")
    yield from _check_flow(scope, location)
    for name, state in states.items():
        for nested, where in nested_scopes(state):
            yield from check_graph(nested, f"{location}/States/{name}/{where}", seen)


def _check_flow(scope: Raw, location: str) -> Iterator[Diagnostic]:
    states: dict[str, Raw] = scope["States"]
    if not any(state.get("End") is True or state["Type"] in ("Succeed", "Fail") for state in states.values()):
        # Measured on AWS: no location, and nothing is said of unreachable states
        yield Diagnostic(MISSING_END, "Workflow has no terminal state", None)
        return
    if scope["StartAt"] not in states:
        return
    reached, pending = {scope["StartAt"]}, [scope["StartAt"]]
    while pending:
        for target, _ in transitions(states[pending.pop()]):
            if target in states and target not in reached:
                reached.add(target)
                pending.append(target)
    for name in states:
        if name not in reached:
            yield Diagnostic(MISSING_TARGET, f'State "{name}" is not reachable.', f"{location}/States/{name}")
