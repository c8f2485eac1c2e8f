"""Small writes of one turn of the event loop, done together at its end.

A write wakes whoever reads at the other end. One by one, between the work of two requests, each write finds its reader
asleep again, and waking a sleeping processor costs more than the write itself. Together, the first one wakes it.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary


class Outbox:
    """Of one event loop. Whoever writes to a transport past it calls `flush` first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writes: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        if not self._writes:
            self._loop.call_soon(self.flush)
        self._writes.append((transport, data))

    def flush(self) -> None:
        if not self._writes:
            return
        writes, self._writes = self._writes, []
        for transport, data in writes:
            if not transport.is_closing():
                transport.write(data)


_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()


def outbox(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The loop's outbox: clients and backends share one, so that all of a turn goes out together."""
    found = _outboxes.get(loop)
    if found is None:
        found = _outboxes[loop] = Outbox(loop)
    return found
