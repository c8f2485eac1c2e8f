"""Takes the nodes of a graph in their order, as many at a time as may be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

_AT_ONCE = 8


async def walk(
    graph: Mapping[str, set[str]],
    step: Callable[[str], Awaitable[None]],
    stops: Callable[[Mapping[str, BaseException]], bool],
) -> dict[str, BaseException]:
    """What failed, by node. What waits for a node that failed is not begun; once `stops` says so, nothing is."""
    waiting = {name: set(needed) for name, needed in graph.items()}
    running: dict[asyncio.Future[None], str] = {}
    failed: dict[str, BaseException] = {}
    try:
        while True:
            if not stops(failed):
                for name in sorted(name for name, needed in waiting.items() if not needed):
                    if len(running) < _AT_ONCE:
                        del waiting[name]
                        running[asyncio.ensure_future(step(name))] = name
            if not running:
                return failed
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name = running.pop(task)
                error = task.exception()
                if error is not None:
                    failed[name] = error
                    continue
                for needed in waiting.values():
                    needed.discard(name)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
