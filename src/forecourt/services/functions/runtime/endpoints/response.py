"""`POST /runtime/invocation/{request id}/response`: the handler's result, in one piece or streamed.

A streamed response (`Lambda-Runtime-Function-Response-Mode: streaming`, chunked) may still fail after it began: the
error then comes in the trailers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from forecourt.services.functions.runtime.messages import ACCEPTED, Failure, refusal, response_too_large
from forecourt.services.functions.runtime.session import Channel, Session
from forecourt.services.functions.runtime.states import Event, InvalidStateTransition

Headers = Mapping[bytes, bytes]


class Response:
    def __init__(self, session: Session, channel: Channel, request_id: str) -> None:
        self._session = session
        self._channel = channel
        self._request_id = request_id
        self._size = 0

    def begin(self, headers: Headers) -> bytes | None:
        session = self._session
        if session.invocation is None or session.invocation.request_id != self._request_id:
            return refusal(400, "InvalidRequestID", "Invalid request ID")
        try:
            session.advance(Event.RESPONSE)
        except InvalidStateTransition as error:
            return refusal(403, "InvalidStateTransition", str(error))
        if int(headers.get(b"content-length", b"0")) > session.sink.limit:
            return self._too_large()
        content_type = headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
        session.sink.open(content_type, self._channel)
        return None

    def data(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= self._session.sink.limit:
            self._session.sink.write(chunk)

    def end(self, trailers: Headers) -> bytes | None:
        session = self._session
        if self._size > session.sink.limit:
            return self._too_large()
        session.advance(Event.RESPONSE_END)
        session.finish(_trailing_failure(trailers) or session.sink.result())
        return ACCEPTED

    def _too_large(self) -> bytes:
        self._session.advance(Event.RESPONSE_END)
        self._session.finish(response_too_large())
        limit = self._session.sink.limit
        return refusal(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({limit} bytes).")


def _trailing_failure(trailers: Headers) -> Failure | None:
    error_type = trailers.get(b"lambda-runtime-function-error-type")
    if not error_type:
        return None
    try:
        body = base64.b64decode(trailers.get(b"lambda-runtime-function-error-body", b""))
    except binascii.Error:
        body = b""
    return Failure(body, error_type.decode("latin-1"))
