"""`GET /runtime/invocation/next`: the runtime is ready and waits for an event."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.functions.runtime.messages import refusal
from forecourt.services.functions.runtime.session import Channel, Session
from forecourt.services.functions.runtime.states import InvalidStateTransition


class Next:
    def __init__(self, session: Session, channel: Channel) -> None:
        self._session = session
        self._channel = channel

    def begin(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        return None

    def data(self, chunk: bytes) -> None:
        pass

    def end(self, trailers: Mapping[bytes, bytes]) -> bytes | None:
        try:
            self._session.ready(self._channel)
        except InvalidStateTransition as error:
            return refusal(403, "InvalidStateTransition", str(error))
        return None
