"""`forecourt sfn`: what it prints and how it ends."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from forecourt.cli.sfn import sfn, state_statuses

GOOD: dict[str, Any] = {
    "StartAt": "Charge",
    "States": {
        "Charge": {
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"},
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 5}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Refund"}], "Next": "Fan",
        },
        "Fan": {
            "Type": "Parallel", "End": True,
            "Branches": [{"StartAt": n, "States": {n: {"Type": "Pass", "Result": n, "End": True}}} for n in "AB"],
        },
        "Refund": {"Type": "Fail", "Error": "Refunded", "Cause": "sorry"},
    },
}  # fmt: skip
MOCKS = {
    "StateMachines": {"Orders": {"TestCases": {"Happy": {"Charge": "ok"}, "Sad": {"Charge": "no"}}}},
    "MockedResponses": {
        "ok": {"0": {"Throw": {"Error": "Busy"}}, "1": {"Return": {"paid": True}}},
        "no": {"0": {"Throw": {"Error": "Declined"}}},
    },
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "good.json").write_text(json.dumps(GOOD))
    (tmp_path / "bad.json").write_text('{"StartAt":"A","States":{"A":{"Type":"Nope"}}}')
    (tmp_path / "mocks.json").write_text(json.dumps(MOCKS))
    return tmp_path


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(sfn, [str(argument) for argument in arguments], terminal_width=200)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_validate(files: Path) -> None:
    assert run("validate", files / "good.json")[0] == 0
    code, output = run("validate", files / "bad.json")
    assert code == 1
    assert "SCHEMA_VALIDATION_FAILED" in output
    assert "/States/A/Type" in output.replace("\n", "")


def test_run_with_mocks(files: Path) -> None:
    code, output = run("run", files / "good.json", "--mocks", files / "mocks.json", "--case", "Happy")
    assert code == 0
    assert "Charge 5.0s" in output
    assert "TaskFailed" in output
    assert output.strip().endswith('SUCCEEDED\n["A","B"]')
    code, output = run("run", files / "good.json", "--mocks", files / "mocks.json", "--case", "Sad")
    assert code == 1
    assert output.strip().endswith("FAILED\nRefunded sorry")


def test_mistakes_end_with_a_sentence(files: Path) -> None:
    assert "Name one with --case: Happy, Sad" in run("run", files / "good.json", "--mocks", files / "mocks.json")[1]
    assert "not JSON" in run("run", files / "good.json", "--input", "{")[1]
    code, output = run("graph", files / "none.json", "-o", files / "x.svg")
    assert (code, "cannot be read" in output) == (1, True)


def test_graph(files: Path) -> None:
    target = files / "x.svg"
    assert run("graph", files / "good.json", "-o", target)[0] == 0
    drawn = ElementTree.fromstring(target.read_text())
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(text or "" for text in texts) == ["A", "B", "Charge", "Fan", "Refund"]


def test_statuses_of_states() -> None:
    events = [
        {"id": 1, "previousEventId": 0, "type": "ExecutionStarted"},
        {"id": 2, "previousEventId": 0, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "A"}},
        {"id": 3, "previousEventId": 2, "type": "TaskFailed", "taskFailedEventDetails": {"error": "E"}},
        {"id": 4, "previousEventId": 3, "type": "TaskStateExited", "stateExitedEventDetails": {"name": "A"}},
        {"id": 5, "previousEventId": 4, "type": "WaitStateEntered", "stateEnteredEventDetails": {"name": "B"}},
    ]
    assert state_statuses(iter(events)) == {"A": "CAUGHT", "B": "RUNNING"}
