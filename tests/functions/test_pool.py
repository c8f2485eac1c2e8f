"""Who gets an environment: reuse, bounds, waiting in line, and what goes when."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.functions.harness import Lambda
from tests.functions.test_queue import until

from forecourt.base.clock import Clock
from forecourt.services.functions import Limits
from forecourt.services.functions.errors import TooManyRequestsException
from forecourt.store import open_store

CODE = {
    "app.py": "import os, time\ndef handler(event, context):\n"
    "  if event: time.sleep(event)\n  return [os.getpid(), os.environ['AWS_LAMBDA_FUNCTION_NAME']]\n"
}


@asynccontextmanager
async def limited(folder: Path, limits: Limits, concurrency: int = 1000) -> AsyncIterator[Lambda]:
    clock = Clock()
    store = open_store(None, clock)
    functions = Lambda(store, folder, clock, limits, concurrency=concurrency)
    await functions.functions.start()
    try:
        yield functions
    finally:
        await functions.functions.stop()
        await store.close()


async def pid_of(functions: Lambda, name: str = "f", seconds: float = 0) -> int:
    payload, _ = await functions.invoke(name, seconds)
    assert payload[1] == name
    return int(payload[0])


def starts(functions: Lambda) -> int:
    return functions.records.text.count("INIT_START")


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not os.path.exists(f"/proc/{pid}")


async def test_invocations_at_once_have_environments_of_their_own(functions: Lambda) -> None:
    await functions.create("f", CODE)
    pids = await asyncio.gather(*(pid_of(functions, seconds=0.3) for _ in range(3)))
    assert len(set(pids)) == 3
    assert await pid_of(functions) in pids
    assert starts(functions) == 3


async def test_more_than_the_machine_bears_waits_in_line(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(environments=2)) as functions:
        await functions.create("f", CODE)
        pids = await asyncio.gather(*(pid_of(functions, seconds=0.01) for _ in range(20)))
        assert len(pids) == 20
        assert len(set(pids)) <= 2


async def test_the_line_is_bounded(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(environments=1, waiting=2)) as functions:
        await functions.create("f", CODE)
        together = await asyncio.gather(*(pid_of(functions, seconds=0.05) for _ in range(6)), return_exceptions=True)
        refused = [result for result in together if isinstance(result, TooManyRequestsException)]
        assert len(refused) == 4
        assert {result.members["Reason"] for result in refused} == {"ConcurrentInvocationLimitExceeded"}


async def test_the_accounts_concurrency(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(), concurrency=2) as functions:
        await functions.create("f", CODE)
        together = await asyncio.gather(*(pid_of(functions, seconds=0.1) for _ in range(3)), return_exceptions=True)
        assert sum(isinstance(result, TooManyRequestsException) for result in together) == 1
        await pid_of(functions)


async def test_another_function_takes_the_place_of_an_idle_one(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(environments=1)) as functions:
        await functions.create("f", CODE)
        await functions.create("g", CODE)
        first = await pid_of(functions, "f")
        second = await pid_of(functions, "g")
        assert first != second
        assert gone(first)()
        assert await pid_of(functions, "f") != first


async def test_idle_environments_end_on_forecourts_clock(functions: Lambda) -> None:
    await functions.create("f", CODE)
    pid = await pid_of(functions)
    functions.clock.advance(299)
    await asyncio.sleep(0.02)
    assert await pid_of(functions) == pid
    functions.clock.advance(301)
    await until(gone(pid))
    assert await pid_of(functions) != pid


async def test_an_environment_is_replaced_before_its_credentials_expire(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(idle_seconds=100_000)) as functions:
        await functions.create("f", CODE)
        pid = await pid_of(functions)
        functions.clock.advance(2500)
        assert await pid_of(functions) == pid
        functions.clock.advance(200)
        assert await pid_of(functions) != pid


async def test_a_deleted_functions_environments_end(functions: Lambda) -> None:
    await functions.create("f", CODE)
    pid = await pid_of(functions)
    await functions.call("DeleteFunction", FunctionName="f")
    await until(gone(pid))
    await until(lambda: os.listdir(functions.folder / "work" / "environments") == [])
    await until(lambda: os.listdir(functions.folder / "work" / "code") == [])


async def test_an_update_lets_what_is_busy_finish(functions: Lambda) -> None:
    await functions.create("f", CODE)
    pid = await pid_of(functions)
    busy = asyncio.ensure_future(pid_of(functions, seconds=0.3))
    await asyncio.sleep(0.05)
    await functions.call("UpdateFunctionConfiguration", FunctionName="f", Description="new")
    assert await pid_of(functions) != pid
    assert await busy == pid
    await until(gone(pid))


async def test_an_update_serves_what_is_still_in_line(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(environments=1)) as functions:
        await functions.create("f", CODE)
        await functions.create("g", CODE)
        busy = asyncio.ensure_future(pid_of(functions, "g", seconds=0.2))
        await asyncio.sleep(0.1)
        in_line = [asyncio.ensure_future(pid_of(functions)) for _ in range(3)]
        await asyncio.sleep(0)
        await functions.call("UpdateFunctionConfiguration", FunctionName="f", Description="new")
        in_line.append(asyncio.ensure_future(pid_of(functions)))
        old, new = (await asyncio.wait_for(asyncio.gather(*in_line), 10))[::3]
        assert old != new
        await busy
        await until(lambda: functions.functions._fleet._draining == [])


async def test_a_waiter_that_gives_up_leaves_the_line(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(environments=1)) as functions:
        await functions.create("f", CODE)
        busy = asyncio.ensure_future(pid_of(functions, seconds=0.2))
        await asyncio.sleep(0.1)
        waiting = asyncio.ensure_future(pid_of(functions))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await pid_of(functions) == await busy


async def test_stop_ends_every_worker_and_leaves_nothing(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits()) as functions:
        await functions.create("f", CODE)
        idle = await pid_of(functions)
        busy = asyncio.ensure_future(functions.invoke("f", 30))
        await asyncio.sleep(0.1)
    payload, _ = await busy
    assert payload["errorType"] == "Runtime.ExitError"
    await until(gone(idle))
    assert os.listdir(tmp_path / "work") == []


async def test_many_functions_share_a_small_machine(tmp_path: Path) -> None:
    async with limited(tmp_path, Limits(environments=3, starting=2)) as functions:
        names = ["a", "b", "c", "d", "e"]
        for name in names:
            await functions.create(name, CODE)
        calls = [pid_of(functions, name, 0.001) for name in names * 40]
        pids = await asyncio.wait_for(asyncio.gather(*calls), 60)
        assert len(pids) == 200
        fleet = functions.functions._fleet
        assert sum(pool.size for pool in fleet._all()) <= 3
        # An environment that was started for somebody who was served meanwhile may still be on its way.
        await until(lambda: not fleet._busy and not any(pool.starting for pool in fleet._all()))
