"""What an origin answered: a head, and a body that is here or is still to be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from forecourt.base.headers import Headers
from forecourt.upstream.errors import ResponseTooLarge


class Rest(Protocol):
    """Where the rest of a response comes from."""

    async def next_part(self, response: Response) -> bytes:
        """What has arrived of the body; empty at its end. Raises `BadResponse`, `TimedOut`."""
        ...

    def abandon(self, response: Response) -> None:
        """The reader of `response` is through with it."""
        ...


class Response:
    """Status and headers, and a body that is either whole (`body`) or read from the connection."""

    __slots__ = ("_rest", "body", "headers", "status")

    def __init__(self, status: int, headers: Headers, rest: Rest | None, body: bytes | None = None) -> None:
        """`rest`: where the body is read from, if it is not here."""
        self.status = status
        self.headers = headers
        # The whole body where it came along with the head, else None: use `read` or `chunks`.
        self.body = body
        self._rest = rest

    def complete(self, body: bytes) -> None:
        """All of it came at once."""
        self.body, self._rest = body, None

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header `name` (given in lower case)."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def length(self) -> int | None:
        """The size of the body where it is known beforehand."""
        if self.body is not None:
            return len(self.body)
        value = self.header(b"content-length")
        return int(value) if value is not None else None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `ResponseTooLarge` above `limit` bytes, before reading where that is known."""
        if self.body is not None:
            if len(self.body) > limit:
                raise ResponseTooLarge(f"the response's body is larger than {limit} bytes")
            return self.body
        parts: list[bytes] = []
        size = 0
        try:
            if (self.length or 0) > limit:
                raise ResponseTooLarge(f"the response's body is larger than {limit} bytes")
            async for part in self.chunks():
                size += len(part)
                if size > limit:
                    raise ResponseTooLarge(f"the response's body is larger than {limit} bytes")
                parts.append(part)
        finally:
            self.close()
        self.body = b"".join(parts)
        return self.body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `BadResponse` where it stops midway, `TimedOut` where it is too slow."""
        if self.body is not None:
            yield self.body
            return
        rest = self._rest
        assert rest is not None, "a response is read once"
        self._rest = None
        try:
            while part := await rest.next_part(self):
                yield part
        finally:
            rest.abandon(self)

    def close(self) -> None:
        """Gives up what was not read yet; a no-op when all of it was."""
        if self._rest is not None:
            self._rest.abandon(self)
            self._rest = None
