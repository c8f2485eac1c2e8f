"""103 definitions that people really use: each is valid, or is refused for a known reason, and runs to its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests import corpus

from forecourt.services.stepfunctions.asl.validate import load
from forecourt.services.stepfunctions.integrations.catalog import is_known

from .driver import Failed, Run

FILES = corpus.files("asl", "*.json")
pytestmark = corpus.needed

# What AWS says to it too: QueryLanguage stands among the States.
REFUSED = {
    "wf--shared-fallback-state-jsonata--statemachine--statemachine.asl.json": (
        "SCHEMA_VALIDATION_FAILED: Expected value of type Object at /States/QueryLanguage"
    )
}
# Substitutions that a deployment would make.
_ACTION = re.compile(r'"Resource"(\s*:\s*)"\$\{[^}]*(?:Action|DDB|SNS|SQS)[^}]*\}"')
_FUNCTION = re.compile(r'"Resource"(\s*:\s*)"\$\{[^}"]*\}"')


def definition_of(file: Path) -> str:
    text = file.read_text()
    text = _ACTION.sub(r'"Resource"\1"arn:aws:states:::dynamodb:putItem"', text)
    text = _FUNCTION.sub(r'"Resource"\1"arn:aws:lambda:us-east-1:123456789012:function:f"', text)
    return re.sub(r"\$\{[^}\"]*\}", "placeholder", text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_definition_is_valid_or_refused_for_a_reason(file: Path) -> None:
    machine, found = load(definition_of(file), knows=is_known)
    reasons = [one.as_reason() for one in found if one.severity == "ERROR"]
    if file.name in REFUSED:
        assert reasons[0] == REFUSED[file.name]
    else:
        assert (machine is not None, reasons) == (True, [])


def rich_result(state: str, attempt: int) -> dict[str, Any]:
    body = {
        "statusCode": 200, "status": "SUCCEEDED", "Status": "SUCCEEDED", "count": attempt + 100, "index": 100,
        "body": '{"ok":true,"items":[]}', "Items": [], "Count": 0,
    }  # fmt: skip
    return {**body, "Payload": body, "Item": {"id": {"S": "1"}}, "Attempt": attempt}


@pytest.mark.parametrize("file", [file for file in FILES if file.name not in REFUSED], ids=lambda file: file.name)
@pytest.mark.parametrize("mood", ["answers", "failures"])
def test_definition_runs_to_an_end(file: Path, mood: str) -> None:
    machine, _ = load(definition_of(file))
    assert machine is not None
    root = machine.scopes[0]

    def tasks(state: str, attempt: int, arguments: Any) -> Any:
        if mood == "failures" or attempt > 40:
            raise Failed("States.TaskFailed" if attempt > 40 else "Lambda.ServiceException", "mocked")
        return rich_result(state, attempt)

    ran = Run(machine, '{"items":[1,2],"input":{"a":1},"detail":{"bucket":{"name":"b"}}}', tasks)
    ran.run()
    assert ran.execution.status in ("SUCCEEDED", "FAILED")
    path = ran.path()
    assert path[0] == root.start_at
    check_path(machine, ran)
    if mood == "answers" and ran.execution.status == "SUCCEEDED":
        assert ran.history[-1].type == "ExecutionSucceeded"


def check_path(machine: Any, ran: Run) -> None:
    """Every state entered is the start of a scope or a target of the state that its thread left before."""
    targets: dict[str, set[str]] = {}
    starts = {scope.start_at for scope in machine.scopes}
    for scope in machine.scopes:
        for state in scope.states.values():
            reachable = {state.next, getattr(state, "default", None), *(catcher.next for catcher in state.catch)}
            reachable |= {rule.next for rule in getattr(state, "rules", ())}
            targets[state.name] = {target for target in reachable if target}
    by_id = {event.id: event for event in ran.history}
    for event in ran.history:
        if not event.type.endswith("StateEntered"):
            continue
        assert event.details is not None
        before = by_id.get(event.previous)
        if before is not None and before.type.endswith("StateExited"):
            assert before.details is not None
            assert event.details["name"] in targets[before.details["name"]]
        else:
            assert event.details["name"] in starts
