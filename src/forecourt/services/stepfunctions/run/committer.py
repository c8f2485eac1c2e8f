"""Group commit across executions: while one transaction is being written, the next one gathers.

A change returns a value and must not raise for anything that is expected (a name that is taken is a result). Where one
does raise, the changes of its group are tried again one by one, so that only the broken one fails.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from forecourt.store import Store, Tx

T = TypeVar("T")
# Called with what the change returned once it is durable, or with why it is not
Settled = Callable[[Any, Exception | None], None]

_log = logging.getLogger("forecourt.stepfunctions")
_MOST_IN_GROUP = 256


class Committer:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Callable[[Tx], Any], Settled]] = []
        self._writer: asyncio.Task[None] | None = None

    def submit(self, change: Callable[[Tx], Any], settled: Settled) -> None:
        self._waiting.append((change, settled))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def commit(self, change: Callable[[Tx], T]) -> T:
        """Returns what `change` returned, once it is durable."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.submit(change, functools.partial(_settle, future))
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST_IN_GROUP], self._waiting[_MOST_IN_GROUP:]
                await self._write_group(group)
        finally:
            self._writer = None

    async def _write_group(self, group: list[tuple[Callable[[Tx], Any], Settled]]) -> None:
        try:
            results = await self._store.write(lambda tx: [change(tx) for change, _ in group])
        except Exception as error:
            if len(group) == 1:
                _tell(group[0][1], None, error)
                return
            for one in group:
                await self._write_group([one])
            return
        for (_, settled), result in zip(group, results, strict=True):
            _tell(settled, result, None)


def _tell(settled: Settled, result: Any, error: Exception | None) -> None:
    try:
        settled(result, error)
    except Exception:
        _log.exception("what follows a commit failed")


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():  # its waiter was cancelled
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
