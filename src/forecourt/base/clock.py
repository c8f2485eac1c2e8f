"""Time as a value that is handed in, so that a test or a user can move it.

A `Clock` answers "what time is it" and "wake me then". It may be moved forward (`forecourt clock advance 2d`): every
timer that thereby falls due fires at once, in the order of its due time. Durations that guard against a stuck peer
(socket time-outs) are not Forecourt's time; they use the event loop's own timers.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime

# A loop timer never sleeps longer than this, so that a system clock that was set (NTP, suspend) is noticed.
_LONGEST_NAP_SECONDS = 60.0


class Timer:
    """A call that is due at `when` (epoch seconds). `cancel()` is idempotent."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """The system's clock plus an offset that only grows."""

    def __init__(self, offset_seconds: float = 0.0, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.offset_seconds = offset_seconds
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._nap: asyncio.TimerHandle | None = None
        self._nap_until = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now() + self.offset_seconds

    def machine_now(self) -> float:
        """Seconds since the epoch by the machine's own clock: what clients sign their requests with."""
        return self._now()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.now() * 1000)

    def utcnow(self) -> datetime:
        """The time as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def advance(self, seconds: float) -> float:
        """Moves the clock forward by `seconds` and fires what falls due. Returns the new time.

        Raises `ValueError` for a negative number: tokens and histories assume that time does not run backwards.
        """
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self.offset_seconds += seconds
        self._fire()
        return self.now()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` on the event loop once the clock shows `when` (epoch seconds)."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        self._arm()
        return timer

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return self.call_at(self.now() + seconds, callback)

    async def sleep_until(self, when: float) -> None:
        """Returns once the clock shows `when` (epoch seconds)."""
        if when <= self.now():
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_at(when, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + seconds)

    def _fire(self) -> None:
        self._nap = None
        now = self.now()
        while self._timers and (self._timers[0][2].cancelled or self._timers[0][0] <= now):
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()
        self._arm()

    def _arm(self) -> None:
        if not self._timers:
            return
        due = self._timers[0][0]
        if self._nap is not None:
            if self._nap_until <= due:
                return
            self._nap.cancel()
        nap = min(max(due - self.now(), 0.0), _LONGEST_NAP_SECONDS)
        self._nap_until = due
        self._nap = asyncio.get_running_loop().call_later(nap, self._fire)
