"""One environment's side of the Runtime API: its state, the invocation it works on, and who waits for what.

The endpoints (`endpoints/`) call in from the network, the environment from inside. Two facts are awaited: that the
runtime is initialized (or failed to), and the result of the invocation it was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from forecourt.services.functions.runtime.messages import (
    MAX_RESPONSE_BYTES,
    Failure,
    Invocation,
    Result,
    Success,
    next_head,
)
from forecourt.services.functions.runtime.states import Event, State, advance


class Channel(Protocol):
    """The connection a request came in by."""

    @property
    def closed(self) -> bool: ...
    def send(self, data: bytes) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Sink(Protocol):
    """Where a response's body goes as it arrives. At most `limit` bytes are accepted."""

    limit: int

    def open(self, content_type: str, channel: Channel) -> None: ...
    def write(self, chunk: bytes) -> None: ...
    def result(self) -> Success: ...


class Buffer:
    """The sink of an ordinary invocation: the body in one piece."""

    limit = MAX_RESPONSE_BYTES

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def open(self, content_type: str, channel: Channel) -> None:
        pass

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def result(self) -> Success:
        return Success(self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))


class Session:
    def __init__(self, on_ready: Callable[[], None]) -> None:
        self.state = State.STARTED
        self.invocation: Invocation | None = None
        self.sink: Sink = Buffer()
        # None: initialized; a `Failure`: what the runtime, or its end, said.
        self.initialized: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self._on_result: Callable[[Result], None] | None = None
        self._waiting: Channel | None = None
        self._on_ready = on_ready

    @property
    def usable(self) -> bool:
        """It waits for an invocation and can be reached."""
        return self.state is State.READY and self._waiting is not None and not self._waiting.closed

    @property
    def pending(self) -> bool:
        """Somebody waits for a result."""
        return self._on_result is not None

    def advance(self, event: Event) -> None:
        """Raises `InvalidStateTransition`."""
        self.state = advance(self.state, event)

    def invoke(self, invocation: Invocation, sink: Sink, deadline_ms: int, on_result: Callable[[Result], None]) -> None:
        """Hands `invocation` to the waiting runtime. `on_result` is called once."""
        assert self._waiting is not None
        self.advance(Event.INVOKE)
        self.invocation, self.sink = invocation, sink
        self._on_result = on_result
        channel, self._waiting = self._waiting, None
        channel.send(next_head(invocation, deadline_ms) + invocation.payload)

    def ready(self, channel: Channel) -> None:
        self.advance(Event.NEXT)
        self._waiting = channel
        if not self.initialized.done():
            self.initialized.set_result(None)
        self._on_ready()

    def fail_init(self, failure: Failure) -> None:
        if not self.initialized.done():
            self.initialized.set_result(failure)

    def finish(self, result: Result) -> None:
        """The first result counts: a late answer does not undo a time-out."""
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            on_result(result)
