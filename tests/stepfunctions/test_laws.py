"""Random machines with random answers obey the laws of history."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from forecourt.services.stepfunctions.asl.data import MAX_BYTES

from .driver import Failed, Run, machine_of

RESOURCE = "arn:aws:states:::lambda:invoke"
ERRORS = ["E1", "E2", "States.TaskFailed", "States.Timeout", "States.ALL"]


@st.composite
def recovery(draw: st.DrawFn, targets: list[str]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(ERRORS[:4]), min_size=1, max_size=2, unique=True))
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        fields["Retry"] = [{
            "ErrorEquals": names, "MaxAttempts": draw(st.integers(0, 2)), "IntervalSeconds": draw(st.integers(1, 9)),
            "JitterStrategy": draw(st.sampled_from(["FULL", "NONE"])),
        }]  # fmt: skip
    if draw(st.booleans()):
        caught = draw(st.sampled_from([["States.ALL"], ["E1"], ["States.Timeout", "E2"]]))
        fields["Catch"] = [{"ErrorEquals": caught, "Next": draw(st.sampled_from(targets)), "ResultPath": "$.e"}]
    return fields


@st.composite
def scope(draw: st.DrawFn, prefix: str, depth: int) -> dict[str, Any]:
    """A chain of states that may only go forward, so that every machine ends."""
    count = draw(st.integers(1, 4))
    names = [f"{prefix}{i}" for i in range(count)] + [f"{prefix}end"]
    states: dict[str, Any] = {names[-1]: draw(st.sampled_from([{"Type": "Succeed"}, {"Type": "Pass", "End": True}]))}
    for index in range(count):
        later = names[index + 1 :]
        states[names[index]] = draw(state(names[index], later, depth))
    reached, pending = {names[0]}, [names[0]]
    while pending:
        current = states[pending.pop()]
        following = [current.get("Next"), current.get("Default"), *(c["Next"] for c in current.get("Catch", ()))]
        following += [rule["Next"] for rule in current.get("Choices", ())]
        for target in following:
            if target and target not in reached:
                reached.add(target)
                pending.append(target)
    return {"StartAt": names[0], "States": {name: states[name] for name in names if name in reached}}


@st.composite
def state(draw: st.DrawFn, name: str, later: list[str], depth: int) -> dict[str, Any]:
    kinds = ["Pass", "Task", "Wait", "Choice", "Fail"] + (["Parallel", "Map"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    following = {"Next": later[0]}
    if kind == "Pass":
        return {"Type": "Pass", "Result": draw(st.integers()), "ResultPath": "$.p", **following}
    if kind == "Task":
        limit = {"TimeoutSeconds": draw(st.integers(1, 50))} if draw(st.booleans()) else {}
        task = {"Type": "Task", "Resource": RESOURCE, "Parameters": {"FunctionName": "f"}, "ResultPath": "$.t", **limit}
        return {**task, **following, **draw(recovery(later))}
    if kind == "Wait":
        return {"Type": "Wait", "Seconds": draw(st.integers(0, 1000)), **following}
    if kind == "Choice":
        rule = {"Variable": "$.p", "IsPresent": draw(st.booleans()), "Next": draw(st.sampled_from(later))}
        return {"Type": "Choice", "Choices": [rule], "Default": later[0]}
    if kind == "Fail":
        return {"Type": "Fail", "Error": draw(st.sampled_from(["E1", "E2"]))}
    if kind == "Parallel":
        branches = [draw(scope(f"{name}b{i}", depth - 1)) for i in range(draw(st.integers(1, 3)))]
        return {"Type": "Parallel", "Branches": branches, "ResultPath": "$.b", **following, **draw(recovery(later))}
    processor = draw(scope(f"{name}m", depth - 1))
    return {
        "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": draw(st.integers(0, 3)), "ItemProcessor": processor,
        "ItemSelector": {"items": [], "v.$": "$$.Map.Item.Value"}, "ResultPath": "$.m", **following,
        **draw(recovery(later)),
    }  # fmt: skip


ANSWERS = st.lists(st.sampled_from(["ok", "E1", "E2", "never"]), min_size=1, max_size=6)


def run(definition: dict[str, Any], answers: list[str], **options: Any) -> Run:
    count = [0]

    def tasks(name: str, attempt: int, arguments: Any) -> Any:
        answer = answers[count[0] % len(answers)]
        count[0] += 1
        if answer in ("E1", "E2"):
            raise Failed(answer, "drawn")
        # A task that never answers must have a time-out, or the machine's
        return None if answer == "never" else {"n": attempt}

    text = msgspec.json.encode({"TimeoutSeconds": 90_000, **definition}).decode()
    return Run(machine_of(text), '{"items":[1,2,3]}', tasks, **options).run()


@settings(max_examples=120, deadline=None)
@given(scope("s", 2), ANSWERS)
def test_the_laws_of_history(definition: dict[str, Any], answers: list[str]) -> None:
    ran = run(definition, answers)
    history = ran.history
    assert [event.id for event in history] == list(range(1, len(history) + 1))
    assert all(event.previous < event.id for event in history)
    assert all(one.timestamp <= other.timestamp for one, other in pairwise(history))
    terminal = [event for event in history if event.type.startswith("Execution") and event.type != "ExecutionStarted"]
    assert terminal == [history[-1]]
    assert not ran.timers, "no timer outlives its execution"
    check_threads(ran)
    for event in history:
        for member in ("input", "output"):
            assert len((event.details or {}).get(member) or "") <= MAX_BYTES


def check_threads(ran: Run) -> None:
    """Where the execution succeeded, every state that was entered was left, or aborted, exactly once."""
    if ran.execution.status != "SUCCEEDED":
        return
    opened: dict[str, int] = {}
    for event in ran.history:
        kind = event.type
        if kind.endswith("StateEntered"):
            opened["all"] = opened.get("all", 0) + 1
        elif kind.endswith(("StateExited", "StateAborted")):
            opened["all"] = opened.get("all", 0) - 1
    failed_inside = any(event.type in ("ParallelStateFailed", "MapStateFailed") for event in ran.history)
    assert opened["all"] == 0 or failed_inside


@settings(max_examples=60, deadline=None)
@given(scope("s", 2), ANSWERS)
def test_the_same_events_give_the_same_history(definition: dict[str, Any], answers: list[str]) -> None:
    first, second = run(definition, answers), run(definition, answers, reload=True)
    assert list(first.lines()) == list(second.lines())
    assert first.outcome() == second.outcome()
