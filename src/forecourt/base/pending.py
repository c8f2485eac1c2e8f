"""A result that comes later, handed straight on to whoever waits for it.

An `asyncio.Future` wakes its waiter in the next turn of the event loop, by way of a task. Here the waiter is called
where the result is known. A coroutine may await it all the same.

`begin` is for coroutines that might wait and mostly do not: what it takes to know that is not a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Settled once, by `resolve`, `fail` or `follow`; waited for once, by `then` or `await`."""

    __slots__ = ("_error", "_on_error", "_on_result", "_result", "_settled", "_task")

    def __init__(self) -> None:
        self._settled = False
        self._on_result: Callable[[T], None] | None = None
        self._error: Exception | None = None

    def resolve(self, result: T) -> None:
        if self._on_result is not None:
            self._on_result(result)
        else:
            self._settled = True
            self._result = result

    def fail(self, error: Exception) -> None:
        if self._on_result is not None:
            self._on_error(error)
        else:
            self._settled = True
            self._error = error

    def follow(self, result: Awaitable[T]) -> None:
        """Settled as `result` will be."""
        # Held here, since the loop itself holds a task only weakly.
        self._task = asyncio.ensure_future(self._settle(result))

    async def _settle(self, awaited: Awaitable[T]) -> None:
        try:
            result = await awaited
        except Exception as error:
            self.fail(error)
        else:
            self.resolve(result)

    def then(self, on_result: Callable[[T], None], on_error: Callable[[Exception], None]) -> None:
        """Calls one of the two, at once where the result is known already. Neither may raise."""
        if not self._settled:
            self._on_error: Callable[[Exception], None] = on_error
            self._on_result = on_result
        elif self._error is not None:
            on_error(self._error)
        else:
            on_result(self._result)

    def __await__(self) -> Generator[Any, None, T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def settle(settled: Callable[[Any], None], outcome: Any) -> None:
            # Whoever awaited may have been cancelled.
            if not future.done():
                settled(outcome)

        self.then(lambda result: settle(future.set_result, result), lambda error: settle(future.set_exception, error))
        return future.__await__()


class Begun(Generic[T]):
    """The rest of a coroutine that waits. Await it once, in a task."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            while True:
                try:
                    sent = yield self._waits_for
                except BaseException as error:  # a cancellation, too, is the coroutine's to hear of
                    self._waits_for = self._coroutine.throw(error)
                else:
                    self._waits_for = self._coroutine.send(sent)
        except StopIteration as end:
            result: T = end.value
            return result


def begin(coroutine: Coroutine[Any, Any, T]) -> T | Begun[T]:
    """Runs it until it waits: its result where it never does. Raises what it raises.

    It has no task of its own until it first waits, so it must not ask for one (`asyncio.timeout`) before.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    return Begun(coroutine, waits_for)
