"""Cryptography that a thread would not speed up: SRP's exponentiations and RSA signatures hold the interpreter's lock.

They compute on the event loop, in the order in which they came, one in each turn of it. So sixty-four sign-ins at once
take as long as ever, while any other request waits for one or two operations (a millisecond) and not for all of them.
Those who wait are requests, and the server bounds how many there are of these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Turns:
    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Computes `work`, and keeps the others out until the loop has turned."""
        await self._lock.acquire()
        asyncio.get_running_loop().call_soon(self._lock.release)
        return work(*args, **kwargs)
