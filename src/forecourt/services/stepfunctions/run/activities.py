"""Activities: tasks that wait for a worker, and workers that wait for a task (60 seconds at most)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from forecourt.services.stepfunctions.engine.tokens import decode_token

LONGEST_POLL_SECONDS = 60.0
# AWS: ActivityWorkerLimitExceeded beyond 1,000 pollers of one activity
MOST_POLLERS = 1_000


class ActivityTask(NamedTuple):
    token: str
    input: str


class TooManyPollers(Exception):
    pass


class Activities:
    def __init__(self) -> None:
        self._waiting: dict[str, deque[ActivityTask]] = {}
        self._pollers: dict[str, deque[asyncio.Future[ActivityTask]]] = {}

    def add(self, activity_arn: str, token: str, input: str) -> None:
        task = ActivityTask(token, input)
        pollers = self._pollers.get(activity_arn, deque())
        while pollers:
            poller = pollers.popleft()
            if not poller.done():
                poller.set_result(task)
                return
        self._waiting.setdefault(activity_arn, deque()).append(task)

    def remove(self, execution_arn: str, nonce: str) -> None:
        """The task timed out or its execution ended before a worker came."""
        for activity_arn, waiting in list(self._waiting.items()):
            kept = deque(task for task in waiting if _place(task) != (execution_arn, nonce))
            if kept:
                self._waiting[activity_arn] = kept
            else:
                del self._waiting[activity_arn]

    async def poll(self, activity_arn: str, seconds: float = LONGEST_POLL_SECONDS) -> ActivityTask | None:
        """The next task; None where none came. Raises `TooManyPollers`."""
        waiting = self._waiting.get(activity_arn)
        if waiting:
            return waiting.popleft()
        pollers = self._pollers.setdefault(activity_arn, deque())
        if len(pollers) >= MOST_POLLERS:
            raise TooManyPollers
        poller: asyncio.Future[ActivityTask] = asyncio.get_running_loop().create_future()
        pollers.append(poller)
        try:
            return await asyncio.wait_for(poller, seconds)
        except TimeoutError:
            return None
        except asyncio.CancelledError:
            # A worker that hung up must not take a task with it
            if poller.done() and not poller.cancelled():
                self.give_back(activity_arn, poller.result())
            raise
        finally:
            if poller in pollers:
                pollers.remove(poller)

    def give_back(self, activity_arn: str, task: ActivityTask) -> None:
        self._waiting.setdefault(activity_arn, deque()).appendleft(task)

    def clear(self) -> None:
        self._waiting.clear()
        for pollers in self._pollers.values():
            for poller in pollers:
                poller.cancel()
        self._pollers.clear()


def _place(task: ActivityTask) -> tuple[str, str]:
    token = decode_token(task.token)
    return token.execution_arn, token.nonce
