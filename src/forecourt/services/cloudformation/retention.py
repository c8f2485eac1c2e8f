"""Forgets what nobody asks for any more: stacks that were deleted 90 days ago, as AWS does, and answers that nobody
waited for."""

from __future__ import annotations

import asyncio

from forecourt.base.clock import Clock, Timer
from forecourt.services.cloudformation.model import DELETED, Record, Stack
from forecourt.services.cloudformation.signals import SIGNAL_SECONDS, Signal
from forecourt.services.cloudformation.store import StackStore, events_of
from forecourt.store import Tx

STACK_SECONDS = 90 * 86_400
_SWEEP_SECONDS = 3600.0


class Retention:
    def __init__(self, stacks: StackStore, clock: Clock) -> None:
        self._stacks = stacks
        self._clock = clock
        self._timer: Timer | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sweeping = asyncio.get_running_loop().create_task(self.sweep())
        self._timer = self._clock.call_later(_SWEEP_SECONDS, self.start)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._sweeping is not None:
            await asyncio.wait([self._sweeping])

    async def sweep(self) -> None:
        now = self._clock.now()
        for stack in await self._stacks.store.list(Stack):
            if stack.status == DELETED and (stack.deleted_at or now) < now - STACK_SECONDS:
                await self._forget(stack)
        old = [one for one in await self._stacks.store.list(Signal) if one.at < now - SIGNAL_SECONDS]
        if old:
            await self._stacks.store.write(lambda tx: [tx.delete(Signal, one.request, one.id) for one in old])

    async def _forget(self, stack: Stack) -> None:
        def change(tx: Tx) -> None:
            tx.delete_all(Record, *stack.key)
            tx.delete_log(events_of(stack.key))
            tx.delete(Stack, *stack.key)

        await self._stacks.store.write(change)
