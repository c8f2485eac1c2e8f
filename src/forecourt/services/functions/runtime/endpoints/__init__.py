"""The Runtime API's endpoints, one module per group, and the table that finds them.

An endpoint lives for one request: `begin` sees the head (bytes it returns refuse the request, whose body is then
discarded), `data` each piece of the body, `end` the trailers; what `end` returns is the reply, or None where `next`
answers later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from forecourt.services.functions.runtime.endpoints.error import InitError, InvocationError
from forecourt.services.functions.runtime.endpoints.next import Next
from forecourt.services.functions.runtime.endpoints.response import Response
from forecourt.services.functions.runtime.messages import RUNTIME_API_VERSION
from forecourt.services.functions.runtime.session import Channel, Session

Headers = Mapping[bytes, bytes]


class Endpoint(Protocol):
    def begin(self, headers: Headers) -> bytes | None: ...
    def data(self, chunk: bytes) -> None: ...
    def end(self, trailers: Headers) -> bytes | None: ...


_ROOT = f"/{RUNTIME_API_VERSION}/runtime/".encode()
_INVOCATION: Mapping[tuple[bytes, bytes], Callable[[Session, Channel, str], Endpoint]] = {
    (b"POST", b"response"): Response,
    (b"POST", b"error"): InvocationError,
}


def find(method: bytes, path: bytes, session: Session, channel: Channel) -> Endpoint | None:
    if not path.startswith(_ROOT):
        return None
    match path[len(_ROOT) :].split(b"/"):
        case [b"invocation", b"next"] if method == b"GET":
            return Next(session, channel)
        case [b"invocation", request_id, action] if (method, action) in _INVOCATION:
            return _INVOCATION[method, action](session, channel, request_id.decode("latin-1"))
        case [b"init", b"error"] if method == b"POST":
            return InitError(session)
    return None
