"""`forecourt sfn`: what it prints and how it ends."""

from __future__ import annotations

import json
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from forecourt.cli.sfn import sfn, state_statuses
from forecourt.testing import Forecourt

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


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("x", "is not JSON"),
        ("[]", "The mock configuration must be an object"),
        ('{"StateMachines":1}', "StateMachines must be an object"),
        ('{"StateMachines":{"A":{"TestCases":[]}}}', "StateMachines.A.TestCases must be an object"),
        ('{"StateMachines":{"A":{"TestCases":{"C":{"S":"r"}}}}}',
         "StateMachines.A.TestCases.C.S: MockedResponses has no 'r'"),
        ('{"MockedResponses":{"r":{"x":{"Return":1}}}}', "MockedResponses.r: 'x' is neither a number nor a range"),
        ('{"MockedResponses":{"r":{"0":{"Throw":1}}}}', "MockedResponses.r.0.Throw must be an object"),
    ],
)  # fmt: skip
def test_mocks_that_are_none(files: Path, config: str, said: str) -> None:
    (files / "bad.json").write_text(config)
    code, output = run("run", files / "good.json", "--mocks", files / "bad.json")
    assert (code, said in output) == (1, True), output


def test_mistakes_end_with_a_sentence(files: Path) -> None:
    arguments = ("run", files / "good.json", "--mocks", files / "mocks.json")
    assert "Name one with --case: Happy, Sad" in run(*arguments, "--case", "Merry")[1]
    assert "Name one with --machine: Orders" in run(*arguments, "--machine", "Order")[1]
    assert "Name one with --case: Happy, Sad" in run("run", files / "good.json", "--mocks", files / "mocks.json")[1]
    assert "not JSON" in run("run", files / "good.json", "--input", "{")[1]
    code, output = run("graph", files / "none.json", "-o", files / "x.svg")
    assert (code, "cannot be read" in output) == (1, True)


def test_graph(files: Path) -> None:
    target = files / "x.svg"
    assert run("graph", files / "good.json", "-o", target)[0] == 0
    drawn = ElementTree.fromstring(target.read_text())
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(text or "" for text in texts) == [
        "A", "B", "Charge", "Fail", "Fan", "Pass", "Pass", "Refund", "Task lambda:invoke"
    ]  # fmt: skip


# Over two layers, back over three, back to where it came from, and an end beside a Catch
TANGLED: dict[str, Any] = {
    "StartAt": "Start",
    "States": {
        "Start": {"Type": "Choice", "Default": "Long", "Choices": [
            {"Variable": "$.x", "IsNull": True, "Next": "Done"}, {"Variable": "$.y", "IsNull": True, "Next": "Short"},
        ]},
        "Short": {"Type": "Pass", "Next": "Done"},
        "Long": {"Type": "Task", "Resource": "${Function}", "Next": "Longer", "Retry": [{"ErrorEquals": ["X"]}],
                 "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Long"}]},
        "Longer": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True,
                   "Catch": [{"ErrorEquals": ["E"], "Next": "Last"}, {"ErrorEquals": ["F"], "Next": "Start"}]},
        "Last": {"Type": "Pass", "Next": "Done"},
        "Done": {"Type": "Succeed"},
    },
}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def test_ways_keep_away_from_states(files: Path) -> None:
    (files / "tangled.json").write_text(json.dumps(TANGLED))
    target = files / "x.svg"
    code, output = run("graph", files / "tangled.json", "-o", target)
    # What a deployment fills in is told of and drawn nevertheless
    assert (code, "Value is not a valid resource ARN at /States/Long/Resource" in output) == (0, True)
    drawn = ElementTree.fromstring(target.read_text())
    sides = ("x", "y", "width", "height")
    boxes = [[float(box.get(side, 0)) for side in sides] for box in drawn.iter(f"{SVG}rect") if box.get("x")]
    assert len(boxes) == 6
    ways = [way for way in drawn.iter(f"{SVG}path") if way.get("fill") == "none"]
    assert len([way for way in ways if way.get("stroke-dasharray")]) == 2
    width, height = float(drawn.get("width", 0)), float(drawn.get("height", 0))
    for way in ways:
        for x, y in points_of(way.get("d", "")):
            assert 0 <= x <= width
            assert 0 <= y <= height
            for left, top, wide, high in boxes:
                assert not (left + 1 < x < left + wide - 1 and top + 1 < y < top + high - 1), way.get("d")


def points_of(path: str) -> list[tuple[float, float]]:
    """The corners of a path of M, H, V, q and C, and what lies between them on straight lines."""
    points: list[tuple[float, float]] = []
    for part in re.findall(r"[MHVqC][^MHVqC]*", path):
        numbers = [float(number) for number in re.findall(r"-?[0-9.]+", part)]
        x, y = points[-1] if points else (0.0, 0.0)
        match part[0]:
            case "H":
                to = [numbers[0], y]
            case "V":
                to = [x, numbers[0]]
            case "q":
                to = [x + numbers[2], y + numbers[3]]
            case _:
                to = numbers[-2:]
        if part[0] in "HV":
            points += [(x + (to[0] - x) * n / 20, y + (to[1] - y) * n / 20) for n in range(1, 20)]
        points.append((to[0], to[1]))
    return points


def test_statuses_of_states() -> None:
    events = [
        {"id": 1, "previousEventId": 0, "type": "ExecutionStarted"},
        {"id": 2, "previousEventId": 0, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": "A"}},
        {"id": 3, "previousEventId": 2, "type": "TaskFailed", "taskFailedEventDetails": {"error": "E"}},
        {"id": 4, "previousEventId": 3, "type": "TaskStateExited", "stateExitedEventDetails": {"name": "A"}},
        {"id": 5, "previousEventId": 4, "type": "WaitStateEntered", "stateEnteredEventDetails": {"name": "B"}},
    ]
    assert state_statuses(iter(events)) == {"A": "CAUGHT", "B": "RUNNING"}


def test_against_a_running_forecourt(server: Forecourt, files: Path) -> None:
    definition = files / "plain.json"
    definition.write_text(
        json.dumps(
            {
                "StartAt": "A",
                "States": {
                    "A": {"Type": "Pass", "Result": {"x": 1}, "Next": "B"},
                    "B": {"Type": "Fail", "Error": "Nope", "Cause": "because"},
                },
            }
        )
    )
    code, output = run("run", definition, "--input", "{}", "--endpoint-url", server.url)
    assert code == 1
    assert "  A 0.0s" in output
    assert output.strip().endswith("FAILED\nNope because")

    client = server.client("stepfunctions")
    machine = client.create_state_machine(
        name=f"cli-{time.time_ns()}", definition=definition.read_text(), roleArn="arn:aws:iam::000000000000:role/x"
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine)["executionArn"]
    while client.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(0.01)
    code, output = run("history", execution, "--endpoint-url", server.url)
    assert code == 0
    assert all(kind in output for kind in ("ExecutionStarted", "PassStateExited", "ExecutionFailed", "error=Nope"))
    target = files / "execution.svg"
    assert run("graph", execution, "-o", target, "--endpoint-url", server.url)[0] == 0
    fills = [element.get("fill") for element in ElementTree.fromstring(target.read_text()).iter() if element.get("rx")]
    assert len(set(fills)) == 2, "A succeeded, B failed: two colours"
    code, output = run("history", execution + "x", "--endpoint-url", server.url)
    assert (code, "Execution Does Not Exist" in output) == (1, True)


def test_where_nothing_answers(files: Path) -> None:
    code, output = run("history", "arn:aws:states:us-east-1:0:execution:m:e", "--endpoint-url", "http://127.0.0.1:1")
    assert code == 1
    assert output.startswith("Error: ")
