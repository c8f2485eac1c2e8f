"""The shape of ASGI: what the edge hands to whoever answers an HTTP request.

https://asgi.readthedocs.io/en/latest/specs/www.html. `scope["raw_path"]` is the undecoded path, which SigV4 and
`%2F` need.
The edge adds `scope["state"]["request_id"]`.

One extension is our own server's: `direct(scope)` answers a request with a plain call. An application that has answered
by it, or will, returns None in place of a coroutine, and the request costs no task and no turn of the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from forecourt.base.headers import Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None] | None]

DIRECT = "forecourt.direct"


class Direct(Protocol):
    """One request, for an application that need not wait to answer it."""

    @property
    def head_bytes(self) -> int:
        """The request's line and headers have no more bytes than these."""
        ...

    @property
    def whole_body(self) -> bytes | None:
        """The request's body where all of it is here. It can still be received."""
        ...

    def respond(self, status: int, headers: Headers, own: Headers, body: bytes) -> None:
        """The whole response. `headers` may recur (`base.headers`); `own` are ours, and nobody looks through them.

        Both are without framing (Content-Length, Transfer-Encoding). Raises `InvalidHeader`.
        """
        ...

    def run(self, answer: Awaitable[None]) -> None:
        """The answer takes longer than a call, after all: `answer` uses ASGI's `receive` and `send`."""
        ...


def direct(scope: Scope) -> Direct | None:
    """None where the server has no such extension."""
    extensions = scope.get("extensions")
    return None if extensions is None else extensions.get(DIRECT)
