"""The process dies at every commit in turn; whatever was acknowledged goes on and comes to the same end.

The store's wrapper kills its world at the n-th commit, once just before it and once just after. A new world then starts
over the same data. Nothing whose result the history holds may be done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.errors import ExecutionAlreadyExists, TaskTimedOut
from forecourt.store import Store, open_store

from .world import World, lambda_answer, lambda_error

LAMBDA = "arn:aws:states:::lambda:invoke"
CHILD = {
    "StartAt": "C1",
    "States": {
        "C1": {"Type": "Wait", "Seconds": 2, "Next": "C2"},
        "C2": {"Type": "Pass", "Result": "kid", "End": True},
    },
}
PARENT = "arn:aws:states:us-east-1:000000000000:stateMachine:child"


def called(name: str, **fields: Any) -> dict[str, Any]:
    parameters = {"FunctionName": name, "Payload": {"key.$": f"States.Format('{name}-{{}}', $$.Map.Item.Value)"}}
    return {"Type": "Task", "Resource": LAMBDA, "Parameters": parameters, "OutputPath": "$.Payload", **fields}


MACHINE: dict[str, Any] = {
    "StartAt": "P",
    "States": {
        "P": {
            "Type": "Parallel",
            "Next": "Last",
            "Branches": [
                {
                    "StartAt": "M",
                    "States": {
                        "M": {
                            "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "End": True,
                            "ItemProcessor": {
                                "StartAt": "Each",
                                "States": {"Each": called("each", End=True, Retry=[{"ErrorEquals": ["Flaky"]}])},
                            },
                        }
                    },
                },
                {
                    "StartAt": "W",
                    "States": {
                        "W": {"Type": "Wait", "Seconds": 3, "Next": "Ask"},
                        "Ask": {
                            "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                            "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}, "End": True,
                        },
                    },
                },
                {
                    "StartAt": "N",
                    "States": {
                        "N": {
                            "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
                            "Parameters": {"StateMachineArn": PARENT}, "OutputPath": "$.Output", "End": True,
                        }
                    },
                },
            ],
        },
        "Last": {"Type": "Pass", "Parameters": {"all.$": "$"}, "End": True},
    },
}  # fmt: skip
EXPECTED = {"all": [[{"key": "each-1"}, {"key": "each-2"}, {"key": "each-3"}], "approved", "kid"]}


class Killed(Exception):
    pass


class FaultStore:
    """A store that dies at its n-th write: before it is committed, or after."""

    def __init__(self, inner: Store, kill_at: int, after: bool) -> None:
        self._inner = inner
        self._kill_at = kill_at
        self._after = after
        self.writes = 0
        self.dead = asyncio.Event()

    async def write(self, change: Callable[..., Any]) -> Any:
        self._require_life()
        self.writes += 1
        dies = self.writes == self._kill_at
        if dies and not self._after:
            self.dead.set()
            raise Killed
        result = await self._inner.write(change)
        if dies:
            self.dead.set()
            raise Killed
        self._require_life()
        return result

    def _require_life(self) -> None:
        if self.dead.is_set():
            raise Killed

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._require_life()
            return await method(*args, **kwargs)

        return call


class Scene:
    """What survives the process: the data, the clock, and the world outside."""

    def __init__(self, inner: Store, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock
        self.tokens: set[str] = set()
        self.invocations: list[str] = []

    def world(self, store: FaultStore) -> World:
        w = World(clock=self.clock, store=store)  # type: ignore[arg-type]
        w.services["lambda", "Invoke"] = self._function
        w.services["sqs", "SendMessage"] = lambda params: self.tokens.add(params["MessageBody"]) or {"MessageId": "1"}
        return w

    def _function(self, params: dict[str, Any]) -> dict[str, Any]:
        key = json.loads(params["Payload"])["key"]
        self.invocations.append(key)
        if key == "each-2" and self.invocations.count(key) == 1:
            return lambda_error("Flaky", "the first time")
        return lambda_answer({"key": key})

    async def done(self, execution: str) -> set[str]:
        """The keys of the tasks whose success is recorded."""
        plain = World(clock=self.clock, store=self.inner)
        try:
            history = await plain.history(execution)
        except ServiceError:
            return set()
        outputs = [
            event["taskSucceededEventDetails"]["output"] for event in history if event["type"] == "TaskSucceeded"
        ]
        found = [json.loads(output) for output in outputs]
        return {one["Payload"]["key"] for one in found if isinstance(one, dict) and "Payload" in one}


async def act(scene: Scene, store: FaultStore, execution_name: str) -> str | None:
    """One life of the process. Returns the output, or None where it was killed."""
    others = asyncio.all_tasks()
    w = scene.world(store)
    try:
        life = asyncio.create_task(_live(scene, w, execution_name))
        death = asyncio.create_task(store.dead.wait())
        await asyncio.wait([life, death], return_when=asyncio.FIRST_COMPLETED)
        if life.done() and not life.cancelled() and not store.dead.is_set():
            return life.result()
        return None
    finally:
        await _vanish(others)


async def _live(scene: Scene, w: World, name: str) -> str:
    await w.sfn.start()
    await w.create(CHILD, "child")
    machine = await w.create(MACHINE, "m")
    try:
        execution = await w.start(machine, {"items": [1, 2, 3]}, name=name)
    except ExecutionAlreadyExists:
        execution = f"arn:aws:states:us-east-1:000000000000:execution:m:{name}"
    for _ in range(400):
        for _ in range(3):
            await asyncio.sleep(0.001)
        for token in list(scene.tokens):
            with contextlib.suppress(TaskTimedOut):
                await w.api("SendTaskSuccess", taskToken=token, output='"approved"')
            scene.tokens.discard(token)
        described = await w.describe(execution)
        if described["status"] != "RUNNING":
            return described.get("output") or f"{described['status']} {described.get('error')} {described.get('cause')}"
        scene.clock.advance(1)
    raise AssertionError(f"not over: {await w.types(execution)}")


async def _vanish(others: set[asyncio.Task[Any]]) -> None:
    """What the process did is gone: its tasks end where they stand, and those that callbacks still began."""
    while mine := asyncio.all_tasks() - others - {asyncio.current_task()}:
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_killed_at_every_commit(after: bool) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        clock = Clock(now=lambda: 1_700_000_000.0)
        inner = open_store(None, clock)
        scene = Scene(inner, clock)
        first = FaultStore(inner, kill_at, after)
        output = await act(scene, first, "e")
        execution = "arn:aws:states:us-east-1:000000000000:execution:m:e"
        if output is None:
            done, before = await scene.done(execution), len(scene.invocations)
            output = await act(scene, FaultStore(inner, 0, False), "e")
            assert output is not None
            again = set(scene.invocations[before:]) & done
            assert not again, f"killed at commit {kill_at}: {again} was recorded as done and done again"
        assert json.loads(output) == EXPECTED, f"killed at commit {kill_at}"
        await inner.close()
        if not first.dead.is_set():
            break
    assert kill_at > 12, "the machine commits more often than this"


async def test_killed_again_and_again() -> None:
    """Every life ends after a few commits, until one suffices."""
    clock = Clock(now=lambda: 1_700_000_000.0)
    inner = open_store(None, clock)
    scene = Scene(inner, clock)
    output, lives = None, 0
    while output is None:
        lives += 1
        output = await act(scene, FaultStore(inner, 6 + lives // 4, lives % 2 == 0), "e")
    if output.startswith("FAILED"):
        # A task that two restarts find unanswered is reported as lost; Retry does not name that error here
        assert output.split()[1] in ("Lambda.Unknown", "Sqs.SdkClientException")
    else:
        assert json.loads(output) == EXPECTED
    assert lives > 2
    await inner.close()


VICTIM = Path(__file__).with_name("victim.py")


def test_killed_by_signal_with_a_hundred_executions_open(tmp_path: Path) -> None:
    draw = random.Random(4)
    effects = tmp_path / "effects"
    for _ in range(20):
        victim = _spawn(tmp_path)
        assert victim.stdout is not None
        victim.stdout.readline()  # it runs
        time.sleep(draw.uniform(0.0, 0.15))
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    last = _spawn(tmp_path)
    report, _ = last.communicate(timeout=60)
    assert last.returncode == 0
    outcome = json.loads(report.splitlines()[-1])
    assert outcome == {"executions": 100, "ended": {"SUCCEEDED": 100}, "redone": 0}, outcome
    assert effects.exists()


def _spawn(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'tests'}"}
    return subprocess.Popen(
        [sys.executable, str(VICTIM), str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )
