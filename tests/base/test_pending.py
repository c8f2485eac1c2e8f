"""`begin`: a coroutine that is run until it waits."""

from __future__ import annotations

import asyncio

import pytest

from forecourt.base.pending import Begun, begin


async def _doubled(waited: asyncio.Future[int] | None) -> int:
    if waited is None:
        return 2
    await asyncio.sleep(0)
    return 2 * await waited


async def test_what_never_waits_is_a_result() -> None:
    assert begin(_doubled(None)) == 2


async def test_what_waits_goes_on_in_a_task() -> None:
    waited = asyncio.get_running_loop().create_future()
    rest = begin(_doubled(waited))
    assert isinstance(rest, Begun)
    task = asyncio.ensure_future(rest)
    await asyncio.sleep(0)
    waited.set_result(21)
    assert await task == 42


async def test_an_error_comes_out_where_it_happens() -> None:
    async def fails(wait: bool) -> None:
        if wait:
            await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        begin(fails(False))
    rest = begin(fails(True))
    assert isinstance(rest, Begun)
    with pytest.raises(ValueError, match="no"):
        await rest


async def test_what_is_waited_for_may_fail_and_be_handled() -> None:
    waited = asyncio.get_running_loop().create_future()

    async def handles() -> str:
        try:
            await waited
        except KeyError:
            return "handled"
        return "nothing happened"

    rest = begin(handles())
    assert isinstance(rest, Begun)
    waited.set_exception(KeyError())
    assert await rest == "handled"


async def test_a_cancelled_task_cancels_what_was_begun() -> None:
    heard = []

    async def waits() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    rest = begin(waits())
    assert isinstance(rest, Begun)
    task = asyncio.ensure_future(rest)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["cancelled"]
