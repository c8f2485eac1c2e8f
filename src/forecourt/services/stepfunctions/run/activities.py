"""Activities: tasks that wait for a worker, and workers that wait for a task (60 seconds at most).

Of a task that waits only its token is kept: its input stands in the execution's history.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from forecourt.services.stepfunctions.engine.tokens import decode_token

LONGEST_POLL_SECONDS = 60.0
# AWS: ActivityWorkerLimitExceeded beyond 1,000 pollers of one activity
MOST_POLLERS = 1_000


class TooManyPollers(Exception):
    pass


class Activities:
    def __init__(self) -> None:
        # By activity: the tokens that wait, in their order
        self._waiting: dict[str, OrderedDict[str, None]] = {}
        # By execution and nonce: where a token waits
        self._places: dict[tuple[str, str], tuple[str, str]] = {}
        self._pollers: dict[str, deque[asyncio.Future[str]]] = {}

    def add(self, activity_arn: str, token: str) -> None:
        pollers = self._pollers.get(activity_arn, deque())
        while pollers:
            poller = pollers.popleft()
            if not poller.done():
                poller.set_result(token)
                return
        self._put(activity_arn, token)

    def _put(self, activity_arn: str, token: str) -> OrderedDict[str, None]:
        waiting = self._waiting.setdefault(activity_arn, OrderedDict())
        waiting[token] = None
        self._places[_place(token)] = (activity_arn, token)
        return waiting

    def remove(self, execution_arn: str, nonce: str) -> None:
        """The task timed out or its execution ended before a worker came."""
        place = self._places.pop((execution_arn, nonce), None)
        if place is not None:
            self._take(*place)

    def _take(self, activity_arn: str, token: str) -> None:
        waiting = self._waiting[activity_arn]
        del waiting[token]
        if not waiting:
            del self._waiting[activity_arn]

    async def poll(self, activity_arn: str, seconds: float = LONGEST_POLL_SECONDS) -> str | None:
        """The next task's token; None where none came. Raises `TooManyPollers`."""
        if waiting := self._waiting.get(activity_arn):
            token = next(iter(waiting))
            self._take(activity_arn, token)
            del self._places[_place(token)]
            return token
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
        self._put(activity_arn, token).move_to_end(token, last=False)

    def clear(self) -> None:
        self._waiting.clear()
        self._places.clear()
        for pollers in self._pollers.values():
            for poller in pollers:
                poller.cancel()
        self._pollers.clear()


def _place(token: str) -> tuple[str, str]:
    place = decode_token(token)
    return place.execution_arn, place.nonce
