"""Activities: tasks that wait for a worker, and workers that wait for a task (60 seconds at most).

Of a task that waits only its token is kept: its input stands in the execution's history.
"""

from __future__ import annotations

import asyncio
from collections import deque

from forecourt.services.stepfunctions.engine.tokens import decode_token

LONGEST_POLL_SECONDS = 60.0
# AWS: ActivityWorkerLimitExceeded beyond 1,000 pollers of one activity
MOST_POLLERS = 1_000


class TooManyPollers(Exception):
    pass


class Activities:
    def __init__(self) -> None:
        self._waiting: dict[str, deque[str]] = {}
        self._pollers: dict[str, deque[asyncio.Future[str]]] = {}

    def add(self, activity_arn: str, token: str) -> None:
        pollers = self._pollers.get(activity_arn, deque())
        while pollers:
            poller = pollers.popleft()
            if not poller.done():
                poller.set_result(token)
                return
        self._waiting.setdefault(activity_arn, deque()).append(token)

    def remove(self, execution_arn: str, nonce: str) -> None:
        """The task timed out or its execution ended before a worker came."""
        for activity_arn, waiting in list(self._waiting.items()):
            kept = deque(token for token in waiting if _place(token) != (execution_arn, nonce))
            if kept:
                self._waiting[activity_arn] = kept
            else:
                del self._waiting[activity_arn]

    async def poll(self, activity_arn: str, seconds: float = LONGEST_POLL_SECONDS) -> str | None:
        """The next task's token; None where none came. Raises `TooManyPollers`."""
        waiting = self._waiting.get(activity_arn)
        if waiting:
            return waiting.popleft()
        pollers = self._pollers.setdefault(activity_arn, deque())
        if len(pollers) >= MOST_POLLERS:
            raise TooManyPollers
        poller: asyncio.Future[str] = asyncio.get_running_loop().create_future()
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

    def give_back(self, activity_arn: str, token: str) -> None:
        self._waiting.setdefault(activity_arn, deque()).appendleft(token)

    def clear(self) -> None:
        self._waiting.clear()
        for pollers in self._pollers.values():
            for poller in pollers:
                poller.cancel()
        self._pollers.clear()


def _place(token: str) -> tuple[str, str]:
    place = decode_token(token)
    return place.execution_arn, place.nonce
