"""Timers that lie in the store: however many wait, memory holds one alarm, for the earliest."""

from __future__ import annotations

import asyncio
import logging
import math

from forecourt.base.arn import Arn
from forecourt.base.clock import Clock, Timer
from forecourt.services.stepfunctions.engine import events
from forecourt.services.stepfunctions.errors import ExecutionDoesNotExist
from forecourt.services.stepfunctions.model import ExecutionKey, execution_arn
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.stored import TIMERS, timer_of
from forecourt.store import Store, Task

_log = logging.getLogger("forecourt.stepfunctions")
_AT_ONCE = 500


def execution_key(arn: str) -> ExecutionKey:
    """Raises `ValueError` where `arn` is not an execution's."""
    parsed = Arn.parse(arn)
    kind, _, rest = parsed.resource.partition(":")
    machine, _, name = rest.partition(":")
    if parsed.service != "states" or kind != "execution" or not machine or not name or ":" in name:
        raise ValueError(f"not an execution's ARN: {arn!r}")
    return parsed.account, parsed.region, machine, name


class Timers:
    def __init__(self, store: Store, shell: Shell, clock: Clock) -> None:
        self._store = store
        self._shell = shell
        self._clock = clock
        self._alarm: Timer | None = None
        self._ringing: asyncio.Task[None] | None = None
        self._again = False

    async def start(self) -> None:
        await self._set_next()

    def set_alarm(self, due_at: float) -> None:
        if self._alarm is None or due_at < self._alarm.when:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._clock.call_at(due_at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._fire_due())
        else:
            self._again = True

    async def _fire_due(self) -> None:
        try:
            while due := await self._store.due(TIMERS, self._clock.now(), _AT_ONCE):
                await asyncio.gather(*(self._fire(task) for task in due))
        except Exception:
            _log.exception("timers could not be read; they are tried again in a second")
            self.set_alarm(self._clock.now() + 1.0)
            return
        await self._set_next()
        if self._again:
            self._again = False
            self.set_alarm(self._clock.now())

    async def _fire(self, task: Task) -> None:
        """A timer leaves the queue with the commit of what it caused."""
        frame, kind, key = timer_of(task)
        try:
            await self._shell.deliver(key, events.TimerFired(frame, kind, task.due_at))
        except ExecutionDoesNotExist:
            await self._shell.drop_timer(task)
        except Exception:
            # Keep the timer: it is due again at once, so leave the store a moment
            _log.exception("a timer of %s could not be fired", execution_arn(key))
            await asyncio.sleep(0.5)

    async def _set_next(self) -> None:
        following = await self._store.due(TIMERS, math.inf, 1)
        if following:
            self.set_alarm(following[0].due_at)

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._ringing is not None:
            self._ringing.cancel()
