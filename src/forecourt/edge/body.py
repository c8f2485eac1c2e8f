"""A request's body, read whole, within bounds of size and time."""

from __future__ import annotations

import asyncio

from forecourt.base.asgi import Message, Receive
from forecourt.base.errors import ServiceError
from forecourt.wire.errors import RequestTooLarge


class RequestTimedOut(ServiceError):
    code = "RequestTimeoutException"
    status = 408


class ClientGone(ServiceError):
    """The body broke off: the client has gone, or it sent what is no HTTP body and still waits for an answer."""

    code = "IncompleteBody"
    status = 400

    def __init__(self) -> None:
        super().__init__("The request's body is not complete")


async def read_body(receive: Receive, limit: int, timeout_seconds: float) -> bytes:
    """Raises `RequestTooLarge` over `limit` bytes, `RequestTimedOut`, and `ClientGone`."""
    try:
        async with asyncio.timeout(timeout_seconds):
            message = await receive()
            chunk = _chunk(message)
            if not message.get("more_body"):
                if len(chunk) > limit:
                    raise RequestTooLarge(f"Request must be smaller than {limit} bytes")
                return chunk
            return await _read_chunks(receive, limit, chunk)
    except TimeoutError as error:
        raise RequestTimedOut(f"The request's body did not arrive within {timeout_seconds:.0f} seconds") from error


async def _read_chunks(receive: Receive, limit: int, first: bytes) -> bytes:
    chunks = [first]
    size = len(first)
    while True:
        message = await receive()
        chunk = _chunk(message)
        size += len(chunk)
        if size > limit:
            raise RequestTooLarge(f"Request must be smaller than {limit} bytes")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    return body
