"""Closed executions are kept for 90 days; their names can then be used again."""

from __future__ import annotations

import asyncio
import functools
import logging

from forecourt.base.clock import Clock, Timer
from forecourt.services.stepfunctions.model import ExecutionRecord
from forecourt.services.stepfunctions.run import persist
from forecourt.services.stepfunctions.run.persist import RETENTION, RETENTION_SECONDS
from forecourt.store import Store, Task, Tx

_log = logging.getLogger("forecourt.stepfunctions")
_EVERY_SECONDS = 3600.0
_AT_ONCE = 500


class Retention:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._timer: Timer | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._timer = self._clock.call_later(_EVERY_SECONDS, self._sweep)

    def _sweep(self) -> None:
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self.sweep())
        self.start()

    async def sweep(self) -> None:
        try:
            while due := await self._store.due(RETENTION, self._clock.now(), _AT_ONCE):
                await self._store.write_long(functools.partial(_expire_all, due, self._clock.now()))
        except Exception:
            _log.exception("old executions could not be deleted; they are tried again")

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()


def _expire_all(tasks: list[Task], now: float, tx: Tx) -> None:
    for task in tasks:
        _expire(tx, task, now)


def _expire(tx: Tx, task: Task, now: float) -> None:
    tx.dequeue(RETENTION, task.key)
    record = tx.get(ExecutionRecord, *persist.expiring(task))
    if record is None:
        return
    if record.status == "RUNNING":  # redriven meanwhile: its next end counts
        return
    if record.stopped_at + RETENTION_SECONDS > now:
        persist.expire_later(tx, record)
        return
    persist.delete_execution(tx, record)
