"""HTTP messages as values, and what a request turned out to be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec

Headers = list[tuple[bytes, bytes]]


class HttpRequest(msgspec.Struct, frozen=True):
    """As it came: `raw_path` and `query_string` are not decoded, names of headers are in lower case."""

    method: str
    raw_path: bytes
    query_string: bytes
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> str:
        """The first header called `name` (lower case), or ""."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return ""


class HttpResponse(msgspec.Struct):
    """`body` is an iterator where the operation streams (an event stream); every chunk is one whole frame."""

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The operation that a request is for. `operation` is "" where only the service is known."""

    service: str
    operation: str
    protocol: str
    region: str
    path_params: Mapping[str, str] = {}
    # AWS takes the call without a signature (InitiateAuth, AssumeRoleWithWebIdentity, ...).
    unsigned: bool = False
    # json 1.0 or 1.1, as the client said it
    json_version: str = "1.1"
    # The client asked for the codes of the query protocol that the service used to speak.
    query_mode: bool = False
