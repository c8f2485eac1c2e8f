"""A response that is passed on while the function still writes it.

Chunks wait in a bounded queue: a client that reads slowly stops the function's connection, not our memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from forecourt.services.functions.runtime.messages import MAX_STREAMED_RESPONSE_BYTES, Success
from forecourt.services.functions.runtime.session import Channel

_HIGH_WATER_BYTES = 1 << 20


class StreamSink:
    """The sink of InvokeWithResponseStream."""

    limit = MAX_STREAMED_RESPONSE_BYTES

    def __init__(self) -> None:
        self.opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting_bytes = 0
        self._paused = False
        self._channel: Channel | None = None

    def open(self, content_type: str, channel: Channel) -> None:
        self._channel = channel
        if not self.opened.done():
            self.opened.set_result(content_type)

    def write(self, chunk: bytes) -> None:
        self._chunks.put_nowait(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes > _HIGH_WATER_BYTES and not self._paused and self._channel is not None:
            self._paused = True
            self._channel.pause()

    def result(self) -> Success:
        return Success(b"")

    def end(self) -> None:
        """No chunk follows."""
        self._chunks.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            self._waiting_bytes -= len(chunk)
            if self._paused and self._waiting_bytes <= _HIGH_WATER_BYTES // 2 and self._channel is not None:
                self._paused = False
                self._channel.resume()
            yield chunk
