"""The engine, case by case: definition, input and what tasks answer above; the way and the end below.

The cases stand in `machine_cases.txt`. A case that says `history` shows every event, the others the states entered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.engine import events, model

from .driver import Failed, Run, Tasks, machine_of
from .text import Block, blocks, name

CASES = blocks("\n" + Path(__file__).with_name("machine_cases.txt").read_text())


def scripted(answers: dict[str, list[Any]]) -> Tasks:
    """`{"state": [first answer, second, ...]}`: the last one stays; `{"!": error}` fails, ECHO, NEVER."""

    def tasks(state: str, attempt: int, arguments: Any) -> Any:
        given = answers.get(state, ["NEVER"])
        answer = given[min(attempt, len(given) - 1)]
        if answer == "ECHO":
            return arguments
        if answer == "NEVER":
            return None
        if isinstance(answer, dict) and "!" in answer:
            raise Failed(answer["!"], answer.get("cause", ""))
        return answer

    return tasks


def run(given: str, *, reload: bool = False, steps: int = 200) -> Run:
    fields = {"input": "{}", "tasks": "{}"}
    definition = []
    for line in given.splitlines():
        field, separator, value = line.partition(": ")
        if separator and field in fields:
            fields[field] = value
        elif line != "history":
            definition.append(line)
    tasks = scripted(msgspec.json.decode(fields["tasks"]))
    return Run(machine_of("\n".join(definition)), fields["input"], tasks, reload=reload, steps=steps).run()


def seen(ran: Run, given: str) -> str:
    shown = list(ran.lines()) if "\nhistory" in given or given.startswith("history") else [" > ".join(ran.path())]
    return "\n".join([*shown, ran.outcome()])


@pytest.mark.parametrize("case", CASES, ids=name)
def test_machine(case: Block) -> None:
    assert seen(run(case.given), case.given) == case.expected


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_restart_between_all_turns_changes_nothing(case: Block) -> None:
    whole, broken = run(case.given), run(case.given, reload=True)
    assert list(whole.lines()) == list(broken.lines())


@pytest.mark.parametrize("case", CASES, ids=name)
def test_short_turns_change_nothing_but_interleaving(case: Block) -> None:
    whole, short = run(case.given), run(case.given, steps=1)
    assert whole.outcome().split()[0] == short.outcome().split()[0]
    assert sorted(event.type for event in whole.history) == sorted(event.type for event in short.history)


FLAKY = """{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
 {"StartAt":"Good","States":{"Good":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f"},"End":true}}},
 {"StartAt":"Fan","States":{"Fan":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":2,"End":true,"ItemProcessor":{
  "StartAt":"Each","States":{"Each":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"g","i.$":"$"},"End":true}}}}}}]}}}"""


def test_redrive_runs_only_what_did_not_succeed() -> None:
    calls: list[Any] = []
    broken = True

    def tasks(state: str, attempt: int, arguments: Any) -> Any:
        calls.append((state, arguments.get("i")))
        if state == "Each" and arguments["i"] == 2 and broken:
            raise Failed("Boom", "x")
        return {"done": arguments.get("i")}

    ran = Run(machine_of(FLAKY), '{"items":[1,2,3]}', tasks, reload=True).run()
    assert ran.outcome() == "FAILED Boom x"
    assert ("Each", 1) in calls
    before, broken = len(calls), False
    ran.send(events.Redrive())
    ran.go_on()
    assert ran.outcome() == 'SUCCEEDED [{"done":null},[{"done":1},{"done":2},{"done":3}]]'
    assert sorted(calls[before:]) == [("Each", 2), ("Each", 3)]
    types = [event.type for event in ran.history]
    assert types.count("ExecutionRedriven") == 1
    assert types.index("ExecutionRedriven") == types.index("ExecutionFailed") + 1


def test_stop_ends_everything_that_is_open() -> None:
    ran = Run(machine_of(FLAKY), '{"items":[1,2,3]}', lambda *_: None)
    ran.send(events.Start())
    ran.send(events.Stop("Enough", "of it"))
    assert ran.outcome() == "ABORTED Enough of it"
    assert not ran.timers
    assert all(frame.phase not in model.OPEN_PHASES for frame in ran.execution.frames.values())
    late = ran.invocations[0]
    ran.send(events.TaskSucceeded(late.frame, late.nonce, Data({})))
    assert ran.history[-1].type == "ExecutionAborted"


def test_an_answer_to_an_earlier_attempt_is_ignored() -> None:
    definition = (
        '{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":5,'
        '"Parameters":{"FunctionName":"f"},"Retry":[{"ErrorEquals":["States.Timeout"]}],"End":true}}}'
    )
    ran = Run(machine_of(definition), "{}", lambda *_: None)
    ran.send(events.Start())
    first = ran.invocations[0]
    ran._fire_earliest()  # the time-out
    ran._fire_earliest()  # the retry's delay
    count = len(ran.history)
    ran.send(events.TaskSucceeded(first.frame, first.nonce, Data("late")))
    assert len(ran.history) == count
    second = ran.invocations[1]
    ran.send(events.TaskSucceeded(second.frame, second.nonce, Data("in time")))
    assert ran.outcome() == 'SUCCEEDED "in time"'


def test_history_is_limited_to_25000_events() -> None:
    loop = (
        '{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"C"},"E":{"Type":"Succeed"},"C":{"Type":"Choice",'
        '"Choices":[{"Variable":"$.n","IsPresent":true,"Next":"E"}],"Default":"A"}}}'
    )
    ran = Run(machine_of(loop), "{}", lambda *_: None, steps=5000).run()
    assert ran.outcome() == (
        "FAILED States.Runtime The execution reached the maximum number of history events (25000)."
    )
    assert ran.history[-1].id == 25_000


def test_a_result_larger_than_the_limit_is_a_failure() -> None:
    definition = (
        '{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",'
        '"Parameters":{"FunctionName":"f"},"Catch":[{"ErrorEquals":["States.DataLimitExceeded"],"Next":"C"}],'
        '"End":true},"C":{"Type":"Pass","OutputPath":"$.Cause","End":true}}}'
    )
    ran = Run(machine_of(definition), "{}", lambda *_: "ü" * 131_072).run()
    assert ran.outcome() == (
        "SUCCEEDED \"The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes "
        'service limit."'
    )


def test_an_output_larger_than_the_limit_is_not_caught_by_states_all() -> None:
    definition = (
        '{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{"Type":"Pass",'
        '"End":true}}},{"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}],'
        '"Catch":[{"ErrorEquals":["States.ALL"],"Next":"C"}],"End":true},"C":{"Type":"Succeed"}}}'
    )
    ran = Run(machine_of(definition), '"' + "x" * 200_000 + '"', lambda *_: None).run()
    assert ran.outcome().startswith("FAILED States.DataLimitExceeded The state/task 'P' returned a result")
