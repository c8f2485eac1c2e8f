"""What goes to a backend and what comes back, noted for the execution log (`dataTrace`) and for TestInvokeMethod.

Only methods that are traced pay for it: their authorizers and integrations get ports that note what passes them, in the
request's own `Trace`. Credentials are masked, bodies cut; nothing is read that would not have been read without.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.headers import Headers
from forecourt.services.apigateway.plan.backends import Sender
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import AwsHttp, Handler, Ports
from forecourt.upstream import OnReply, Origin, Request, Response

# A log event has 1,024 bytes: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
MOST_EVENT_BYTES = 1024
_TRUNCATED = " [TRUNCATED]"
_SECRET = frozenset((b"authorization", b"x-api-key", b"x-amz-security-token"))
_SHOWN = 6

_BODY = "Endpoint response body before transformations: "


class Trace:
    """What was noted of a request: of its authorizer's function first, then of its backend."""

    __slots__ = ("_authorizer", "endpoint", "noted")

    def __init__(self) -> None:
        self._authorizer: list[str] = []
        self.endpoint: list[str] = []
        self.noted = self._authorizer

    def pass_authorizer(self) -> None:
        self.noted = self.endpoint

    def of_authorizer(self) -> Iterator[str]:
        """As AWS tells it of an authorizer's function."""
        for line in self._authorizer:
            if line.startswith(_BODY):
                yield f"Authorizer result body before parsing: {line.removeprefix(_BODY)}"
            elif not line.startswith(("Received response.", "Endpoint response headers:")):
                yield line


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace_of_request() -> Trace:
    """Of the request that this task answers, or answered last."""
    return _trace.get() or Trace()


def begin() -> Trace:
    """The trace of a request."""
    trace = Trace()
    _trace.set(trace)
    return trace


def traced(handler: Handler) -> Handler:
    async def trace(request: MethodRequest) -> MethodResponse:
        begin()
        return await handler(request)

    return trace


def past_authorizer(handler: Handler) -> Handler:
    """The steps that follow the authorizer of a method that is traced."""

    def proceed(request: MethodRequest) -> Awaitable[MethodResponse]:
        trace_of_request().pass_authorizer()
        return handler(request)

    return proceed


def noting(ports: Ports, api_id: str) -> Ports:
    """Ports that note what passes."""
    return replace(
        ports,
        upstream=_Noting(ports.upstream),
        caller=_NotingCaller(ports.caller, api_id),
        aws=_NotingAws(ports.aws, api_id) if ports.aws is not None else None,
    )


# -- the forms of AWS's lines


def cut(text: str) -> str:
    if len(text) <= MOST_EVENT_BYTES // 4:
        return text
    data = text.encode()
    if len(data) <= MOST_EVENT_BYTES:
        return text
    return data[: MOST_EVENT_BYTES - len(_TRUNCATED)].decode("utf-8", "ignore") + _TRUNCATED


def masked(secret: str) -> str:
    """AWS shows the last six characters."""
    return "*" * max(len(secret) - _SHOWN, 0) + secret[-_SHOWN:] if len(secret) > _SHOWN else "*" * len(secret)


def header_map(headers: Iterable[tuple[bytes, bytes]], names: Iterable[bytes] | None = None) -> str:
    """`{Accept=*/*, Authorization=****1a2b3c}`. `names`: how they were spelt."""
    pairs = list(headers)
    spelt = list(names) if names is not None else [name for name, _ in pairs]
    shown = []
    for (name, value), written in zip(pairs, spelt, strict=False):
        text = value.decode("latin-1")
        shown.append(f"{written.decode('latin-1')}={masked(text) if name.lower() in _SECRET else text}")
    return "{" + ", ".join(shown) + "}"


def body_text(body: object) -> str:
    if not isinstance(body, bytes):
        return "[Streamed Data]"
    try:
        return body[: MOST_EVENT_BYTES * 2].decode()
    except UnicodeDecodeError as error:
        # A character that the cut went through is no sign of binary data.
        return body[: error.start].decode() if error.start > MOST_EVENT_BYTES else "[Binary Data]"


def _sent(uri: str, headers: Headers, body: object) -> None:
    trace = _trace.get()
    if trace is None:
        return
    trace.noted += [
        f"Endpoint request URI: {uri}",
        f"Endpoint request headers: {header_map(headers)}",
        f"Endpoint request body after transformations: {body_text(body)}",
        f"Sending request to {uri}",
    ]


def _received(status: int, started: float, headers: Headers, body: object) -> None:
    trace = _trace.get()
    if trace is None:
        return
    latency = int((perf_counter() - started) * 1000)
    trace.noted += [
        f"Received response. Status: {status}, Integration latency: {latency} ms",
        f"Endpoint response headers: {header_map(headers)}",
        f"{_BODY}{body_text(body)}",
    ]


# -- the ports


class _Noting:
    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def begin(self, origin: Origin, request: Request, timeout: float, on_reply: OnReply) -> bool:
        """Never: what happens on the way is awaited."""
        return False

    async def send(self, origin: Origin, request: Request, timeout: float) -> Response:
        headers = [*request.headers, *request.recurring]
        named = dict(headers).get(b"host", origin.authority.encode()).decode("latin-1")
        _sent(f"{origin.scheme}://{named}{request.target.decode('latin-1')}", headers, request.body)
        started = perf_counter()
        response = await self._sender.send(origin, request, timeout)
        _received(response.status, started, response.headers, response.body)
        return response


class _NotingCaller:
    """Of Lambda functions: no other service is called so."""

    def __init__(self, caller: Caller, api_id: str) -> None:
        self._caller = caller
        self._api_id = api_id

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        host = f"lambda.{context.region}.amazonaws.com"
        path = f"/2015-03-31/functions/{params.get('FunctionName')}/invocations"
        tag = (b"x-amzn-lambda-integration-tag", context.request_id.encode())
        headers = [tag, *_own_headers(context, self._api_id), (b"Host", host.encode())]
        _sent(f"https://{host}{path}", headers, params.get("Payload", b""))
        started = perf_counter()
        answer = await self._caller.call(context, service, operation, params)
        failed = [(b"X-Amz-Function-Error", str(answer["FunctionError"]).encode())] if "FunctionError" in answer else []
        _received(int(answer.get("StatusCode", 200)), started, failed, answer.get("Payload"))
        return answer


class _NotingAws:
    def __init__(self, aws: AwsHttp, api_id: str) -> None:
        self._aws = aws
        self._api_id = api_id

    async def http(
        self,
        context: CallContext,
        service: str,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Headers,
        body: bytes,
    ) -> tuple[int, Headers, bytes]:
        query = f"?{query_string.decode('latin-1')}" if query_string else ""
        uri = f"https://{service}.{context.region}.amazonaws.com{raw_path.decode('latin-1')}{query}"
        _sent(uri, [*headers, *_own_headers(context, self._api_id)], body)
        started = perf_counter()
        status, answered, content = await self._aws.http(
            context, service, method, raw_path, query_string, headers, body
        )
        _received(status, started, answered, content)
        return status, answered, content


def _own_headers(context: CallContext, api_id: str) -> Headers:
    source = context.conditions.get("aws:SourceArn", "")
    return [
        (b"x-amzn-apigateway-api-id", api_id.encode()),
        (b"X-Amz-Source-Arn", source.encode()),
        (b"Accept", b"application/json"),
        (b"User-Agent", f"AmazonAPIGateway_{api_id}".encode()),
    ]
