"""The clock that may be moved: timers fire in order, once, and never early."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.base.clock import Clock


class Frozen:
    """A machine clock that stands still: only `advance` moves time."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_advance_wakes_a_sleeper_of_a_year_at_once() -> None:
    clock = Clock(now=Frozen())
    sleeper = asyncio.create_task(clock.sleep(365 * 86_400))
    await asyncio.sleep(0)
    clock.advance(365 * 86_400 - 1)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(1)
    await asyncio.wait_for(sleeper, 1)


async def test_timers_fire_in_the_order_of_their_due_times() -> None:
    clock = Clock(now=Frozen())
    fired: list[int] = []
    for when in (30, 10, 20, 40):
        clock.call_later(when, lambda when=when: fired.append(when))  # type: ignore[misc]
    clock.advance(30)
    assert fired == [10, 20, 30]


async def test_a_cancelled_timer_does_not_fire() -> None:
    clock = Clock(now=Frozen())
    fired: list[str] = []
    timer = clock.call_later(5, lambda: fired.append("cancelled"))
    clock.call_later(5, lambda: fired.append("kept"))
    timer.cancel()
    clock.advance(10)
    assert fired == ["kept"]


async def test_a_timer_may_set_another_that_is_already_due() -> None:
    clock = Clock(now=Frozen())
    fired: list[str] = []
    clock.call_later(1, lambda: clock.call_later(0, lambda: fired.append("second")))
    clock.advance(2)
    assert fired == ["second"]


async def test_real_time_fires_timers_without_a_move() -> None:
    clock = Clock()
    await asyncio.wait_for(clock.sleep(0.01), 2)
    assert clock.offset_seconds == 0


def test_the_clock_does_not_run_backwards() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20), st.lists(st.floats(0, 1e6), max_size=10))
def test_no_timer_fires_early_and_none_that_is_due_is_left(delays: list[float], moves: list[float]) -> None:
    async def run() -> None:
        clock = Clock(now=Frozen())
        start = clock.now()
        fired: list[float] = []
        for delay in delays:
            clock.call_at(start + delay, lambda delay=delay: fired.append(delay))  # type: ignore[misc]
        for move in moves:
            now = clock.advance(move)
            assert sorted(fired) == sorted(delay for delay in delays if start + delay <= now)

    asyncio.run(run())
