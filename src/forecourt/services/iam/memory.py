"""What is asked for at every call, and changes seldom: looked up once, until something changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MOST = 10_000


class Memory(Generic[K, V]):
    def __init__(self, load: Callable[[K], Awaitable[V]]) -> None:
        self.known: dict[K, V] = {}
        self._load = load
        self._era = 0

    def forget(self) -> None:
        self.known.clear()
        self._era += 1

    async def of(self, key: K) -> V:
        if key in self.known:
            return self.known[key]
        era = self._era
        found = await self._load(key)
        # What was read before a change and came after it is not kept.
        if era == self._era:
            if len(self.known) >= _MOST:
                self.known.clear()
            self.known[key] = found
        return found
