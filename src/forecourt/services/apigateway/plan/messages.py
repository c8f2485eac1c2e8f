"""The four forms a request takes on its way, each frozen, each complete.

    MethodRequest -> IntegrationRequest -> [backend] -> IntegrationResponse -> MethodResponse

Headers are as they stand on the wire: pairs of bytes, names in lower case where they came from a client.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import AsyncIterator, Generator, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from forecourt.base.asgi import Direct, Receive, Scope
from forecourt.base.headers import Headers, once
from forecourt.base.principal import Principal
from forecourt.services.apigateway.plan.errors import GatewayError

_NOTHING: Mapping[str, Any] = {}


class ClientGone(Exception):
    """The client closed the connection before its request was complete. Nobody waits for an answer."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every request that a plan serves: the names of the API, its stage and its variables."""

    account: str
    region: str
    api_id: str
    api_name: str
    stage: str
    variables: Mapping[str, str] = {}
    deployment_id: str = ""
    is_canary: bool = False
    # EDGE, REGIONAL, PRIVATE
    endpoint_type: str = "REGIONAL"
    domain_suffix: str = "amazonaws.com"
    # What a request's and a response's body may have
    payload_bytes: int
    # Follows from the others: the stage's ARN
    arn_prefix: str = ""

    def __post_init__(self) -> None:
        arn = f"arn:aws:execute-api:{self.region}:{self.account}:{self.api_id}/{self.stage}"
        msgspec.structs.force_setattr(self, "arn_prefix", arn)


class RequestBody:
    """The client's body, read at most once and never more than `most_bytes` of it."""

    __slots__ = ("_most_bytes", "_receive", "_whole", "length")

    def __init__(self, scope: Scope, receive: Receive, most_bytes: int, ours: Direct | None = None) -> None:
        """`ours`: the request's own, where the server has that extension."""
        self._receive = receive
        self._most_bytes = most_bytes
        whole = None if ours is None else ours.whole_body
        # What Content-Length says; None where the body comes in chunks
        self.length: int | None = _announced(scope["headers"]) if whole is None else len(whole)
        # One that is too large counts as one that is still to be read: then its length is looked at.
        is_here = whole is not None and len(whole) <= most_bytes
        self._whole: bytes | None = b"" if self.length == 0 else whole if is_here else None

    async def read(self) -> bytes:
        """Raises `GatewayError` (REQUEST_TOO_LARGE), `ClientGone`."""
        if self._whole is None:
            self.check_length()
            message = await self._receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self._whole = message.get("body", b"")
            else:
                self._whole = b"".join([part async for part in self._parts(message)])
            if len(self._whole) > self._most_bytes:
                raise GatewayError("REQUEST_TOO_LARGE")
        return self._whole

    def check_length(self) -> None:
        """Raises `GatewayError` where the client announces more than the gateway takes."""
        if self.length is not None and self.length > self._most_bytes:
            raise GatewayError("REQUEST_TOO_LARGE")

    @property
    def is_whole(self) -> bool:
        return self._whole is not None

    @property
    def whole(self) -> bytes:
        """The body, once it was read."""
        assert self._whole is not None, "this step needs the body, and its plan did not read it"
        return self._whole

    async def stream(self) -> AsyncIterator[bytes]:
        if self._whole is not None:
            yield self._whole
            return
        self.check_length()
        async for part in self._parts(await self._receive()):
            yield part

    async def _parts(self, message: Mapping[str, Any]) -> AsyncIterator[bytes]:
        size = 0
        while True:
            if message["type"] != "http.request":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self._most_bytes:
                raise GatewayError("REQUEST_TOO_LARGE")
            yield part
            if not message.get("more_body"):
                return
            message = await self._receive()


def _announced(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
        if name == b"transfer-encoding":
            return None
    return 0


class ResourceMethod(msgspec.Struct, frozen=True):
    """The method that a request found. All empty where it found none."""

    path: str = ""
    id: str = ""
    operation_name: str = ""


class MethodRequest(msgspec.Struct, frozen=True):
    """What a client asks of a method."""

    served: Served
    resource: ResourceMethod
    scope: Scope
    request_id: str
    # Seconds since the epoch
    time: float
    # As it stood in the request line, without the stage
    raw_path: bytes
    headers: Headers
    body: RequestBody
    # Raw, as they stood in the request line
    raw_path_parameters: Mapping[str, bytes] = {}
    # What the authorizer says: `$context.authorizer.*`
    authorizer: Mapping[str, Any] = _NOTHING
    # What authorization and the API key add to `$context.identity.*`
    identity: Mapping[str, Any] = _NOTHING
    # Whoever signed the request, where the method authorizes by AWS_IAM
    principal: Principal | None = None
    # What a Lambda authorizer says whose API key counts, where the API takes that
    usage_identifier_key: str | None = None
    # The bucket and the quota of the request's API key, where the method needs one
    client: Any = None
    # What a failed step adds: `$context.error.*`
    error: Mapping[str, Any] = _NOTHING
    # What access logs tell of authorization, by their names for it: how long it took, the function's request id
    checks: Mapping[str, int | str] = _NOTHING

    def with_(self, **known: Any) -> MethodRequest:
        """The request with what a step found out; logs and error responses see it, too (`latest`)."""
        # What is known, and not the request that knows it: that holds the scope, and circles are left to the garbage
        # collector, which stops everything to look for them.
        self.scope["state"].setdefault("known", {}).update(known)
        return msgspec.structs.replace(self, **known)

    def checked(self, name: str, started: float) -> MethodRequest:
        """`name`: `authorizer.latency` and its kin; `started`: by `perf_counter`."""
        return self.with_(checks={**self.checks, name: int((perf_counter() - started) * 1000)})

    @property
    def latest(self) -> MethodRequest:
        known = self.scope["state"].get("known")
        return self if known is None else msgspec.structs.replace(self, **known)

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def path_for_event(self) -> str:
        return decode_component(self.raw_path) or "/"

    @property
    def raw_query(self) -> bytes:
        query: bytes = self.scope["query_string"]
        return query

    @property
    def path_parameters(self) -> dict[str, str]:
        return {name: decode_component(value) for name, value in self.raw_path_parameters.items()}

    def header(self, name: bytes) -> bytes | None:
        """The last value, as AWS keeps it where there are several. `name` in lower case."""
        return last_value(self.headers, name)

    @property
    def header_names(self) -> list[bytes]:
        """The headers' names as the client spelt them, where the server knows."""
        names: list[bytes] | None = self.scope.get("header_names")
        return names if names is not None else [name for name, _ in self.headers]

    @property
    def extended_request_id(self) -> str:
        """`x-amz-apigw-id`: 16 characters, here of the request id's own digits."""
        return extended_request_id(self.request_id)

    @property
    def trace_id(self) -> str:
        """The trace that the client is part of, else a new one."""
        given = once(self.headers, _given_trace, self.headers)
        if given is not None:
            return given
        return _new_trace(int(self.time)) + self.request_id.replace("-", "")[:24]

    @property
    def source_ip(self) -> str:
        client = self.scope.get("client")
        return client[0] if client else "127.0.0.1"


class IntegrationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an HTTP backend or of an AWS service's HTTP face."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes | AsyncIterator[bytes]
    length: int | None = None


class IntegrationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the backend answered. `error` is what a `selectionPattern` is matched with where that is not the status."""

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes]
    error: str | None = None


class MethodResponse(msgspec.Struct, frozen=True):
    """What the client gets. A streamed `body` may carry its length. Awaited, it is itself: a handler may return it."""

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes]
    length: int | None = None
    # How long the backend took, for metrics and logs; 0 where none was called
    integration_latency_ms: float = 0.0
    # What the backend itself answered, for logs: its status, and the id that an AWS service gave the request
    integration_status: int | None = None
    integration_request_id: str | None = None
    # What Lambda answered where `integration_status` is what its function said
    integration_service_status: int | None = None

    @property
    def size(self) -> int | None:
        """The body's bytes, where that is known before they are sent."""
        return len(self.body) if isinstance(self.body, bytes) else self.length

    def __await__(self) -> Generator[None, None, MethodResponse]:
        return self
        yield


def last_value(headers: Headers, name: bytes) -> bytes | None:
    found = None
    for key, value in headers:
        if key == name:
            found = value
    return found


def _given_trace(headers: Headers) -> str | None:
    value = last_value(headers, b"x-amzn-trace-id")
    return None if value is None else value.decode("latin-1")


@lru_cache(maxsize=8)
def _new_trace(second: int) -> str:
    """`X-Amzn-Trace-Id`'s format, up to the part that is unique."""
    return f"Root=1-{second:08x}-"


def extended_request_id(request_id: str) -> str:
    return extended_request_id_bytes(request_id).decode()


def extended_request_id_bytes(request_id: str) -> bytes:
    return b2a_base64(request_id[-11:].encode(), newline=False)


def decode_component(raw: bytes) -> str:
    return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8", "replace")
