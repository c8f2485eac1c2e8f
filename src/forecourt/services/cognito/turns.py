"""Cryptography that a thread would not speed up: SRP's exponentiations and RSA signatures hold the interpreter's lock.

They compute on the event loop, in the order in which they came, one in each turn of it. So sixty-four sign-ins at once
take as long as ever, while any other request waits for a few operations (some milliseconds) and not for all of them.
Those who wait are requests, and the server bounds how many there are of these.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Turns:
    def __init__(self) -> None:
        self._waiting: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        # Whether something was computed in this turn of the loop.
        self._taken = False

    async def take(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` returns or raises: at once, or when the others before it had their turns."""
        loop = asyncio.get_running_loop()
        if self._taken:
            done: asyncio.Future[_T] = loop.create_future()
            self._waiting.append((done, partial(work, *args, **kwargs)))
            return await done
        self._taken = True
        loop.call_soon(self._next)
        return work(*args, **kwargs)

    def _next(self) -> None:
        self._taken = False
        while self._waiting and not self._taken:
            done, work = self._waiting.popleft()
            if done.cancelled():
                continue
            self._taken = True
            asyncio.get_running_loop().call_soon(self._next)
            try:
                done.set_result(work())
            except Exception as error:
                done.set_exception(error)
