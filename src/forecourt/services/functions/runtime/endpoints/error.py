"""`POST /runtime/invocation/{request id}/error` and `POST /runtime/init/error`: what went wrong, as the runtime says.

The body is what Invoke answers, byte for byte; `Lambda-Runtime-Function-Error-Type` classifies it.
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.functions.runtime.messages import (
    ACCEPTED,
    MAX_RESPONSE_BYTES,
    Failure,
    error_document,
    refusal,
)
from forecourt.services.functions.runtime.session import Channel, Session
from forecourt.services.functions.runtime.states import Event, InvalidStateTransition

Headers = Mapping[bytes, bytes]


class _Body:
    """Keeps as much of the error's body as Invoke could answer."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._error_type = "Runtime.Unknown"

    def open(self, headers: Headers) -> None:
        self._error_type = headers.get(b"lambda-runtime-function-error-type", b"Runtime.Unknown").decode("latin-1")

    def data(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= MAX_RESPONSE_BYTES:
            self._chunks.append(chunk)

    def failure(self, *, fatal: bool) -> Failure:
        body = b"".join(self._chunks) if self._size <= MAX_RESPONSE_BYTES else b""
        return Failure(body or error_document(self._error_type, ""), self._error_type, fatal)


class InvocationError(_Body):
    def __init__(self, session: Session, channel: Channel, request_id: str) -> None:
        super().__init__()
        self._session = session
        self._request_id = request_id

    def begin(self, headers: Headers) -> bytes | None:
        session = self._session
        if session.invocation is None or session.invocation.request_id != self._request_id:
            return refusal(400, "InvalidRequestID", "Invalid request ID")
        try:
            session.advance(Event.ERROR)
        except InvalidStateTransition as error:
            return refusal(403, "InvalidStateTransition", str(error))
        self.open(headers)
        return None

    def end(self, trailers: Headers) -> bytes | None:
        self._session.finish(self.failure(fatal=False))
        return ACCEPTED


class InitError(_Body):
    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def begin(self, headers: Headers) -> bytes | None:
        try:
            self._session.advance(Event.INIT_ERROR)
        except InvalidStateTransition as error:
            return refusal(403, "InvalidStateTransition", str(error))
        self.open(headers)
        return None

    def end(self, trailers: Headers) -> bytes | None:
        self._session.fail_init(self.failure(fatal=True))
        return ACCEPTED
