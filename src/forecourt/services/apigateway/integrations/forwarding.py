"""A client's request sent on to an HTTP backend and the answer brought back: what proxies of both kinds of API share.

Where the client's body is here and a connection to the backend is free, nothing waits in a coroutine: the answer is
`Pending`, and the backend's reply settles it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter

from forecourt.base.headers import Headers
from forecourt.base.pending import Pending
from forecourt.services.apigateway.plan.backends import Sender
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.upstream import (
    ConnectFailed,
    InvalidRequest,
    Origin,
    Request,
    Response,
    ResponseTooLarge,
    TimedOut,
    TlsFailed,
    UnknownHost,
    UpstreamError,
)

# Bodies up to this size are read whole before they are sent on; larger ones are streamed.
STREAM_ABOVE_BYTES = 64 * 1024

# What of a response's body the client gets, and its length where it is streamed and known
Content = tuple[bytes | AsyncIterator[bytes], int | None]


def forwarding(
    asked: Callable[[MethodRequest], tuple[Origin, Request]],
    for_client: Callable[[Headers], Headers],
    deliver: Callable[[Response], Awaitable[Content]],
    upstream: Sender,
    timeout_seconds: float,
    most_bytes: int,
    *,
    needs_body: bool,
) -> Handler:
    """`asked` makes the backend's request, `for_client` the client's headers of the backend's.

    `deliver` is asked about bodies that are still to come, or have more than `most_bytes`. `needs_body`: `asked` looks
    into the client's body, whatever its size.
    """

    async def answered(response: Response, started: float) -> MethodResponse:
        content, length = await deliver(response)
        latency_ms = (perf_counter() - started) * 1000
        return MethodResponse(response.status, for_client(response.headers), content, length, latency_ms)

    async def wait(request: MethodRequest) -> MethodResponse:
        body = request.body
        if needs_body or (body.length is not None and body.length <= STREAM_ABOVE_BYTES):
            await body.read()
        body.check_length()
        origin, outgoing = asked(request)
        started = perf_counter()
        return await answered(await send_to_backend(upstream, origin, outgoing, timeout_seconds), started)

    def forward(request: MethodRequest) -> Awaitable[MethodResponse]:
        if not request.body.is_whole:
            return wait(request)
        pending: Pending[MethodResponse] = Pending()
        started = perf_counter()

        def on_reply(reply: Response | Exception) -> None:
            if isinstance(reply, Exception):
                pending.fail(as_gateway_error(reply))
            elif reply.body is None or len(reply.body) > most_bytes:
                pending.follow(answered(reply, started))
            else:
                latency_ms = (perf_counter() - started) * 1000
                headers = for_client(reply.headers)
                pending.resolve(MethodResponse(reply.status, headers, reply.body, None, latency_ms))

        origin, outgoing = asked(request)
        try:
            begun = upstream.begin(origin, outgoing, timeout_seconds, on_reply)
        except InvalidRequest as error:
            raise as_gateway_error(error) from error
        return pending if begun else wait(request)

    return forward


async def send_to_backend(upstream: Sender, origin: Origin, request: Request, timeout: float) -> Response:
    """Raises `GatewayError` for what goes wrong on the way there and back."""
    try:
        return await upstream.send(origin, request, timeout)
    except (UpstreamError, InvalidRequest) as error:
        raise as_gateway_error(error) from error


def as_gateway_error(error: Exception) -> GatewayError:
    if isinstance(error, InvalidRequest | TlsFailed):
        return configuration_error(str(error))
    if isinstance(error, UnknownHost):
        return configuration_error(f"Invalid endpoint address: {error}")
    if isinstance(error, TimedOut):
        return GatewayError("INTEGRATION_TIMEOUT", detail=str(error))
    if isinstance(error, ResponseTooLarge):
        return configuration_error(f"Integration response is larger than allowed maximum: {error}")
    kind = "Network error communicating with endpoint" if isinstance(error, ConnectFailed) else "Bad response"
    return GatewayError("INTEGRATION_FAILURE", detail=f"{kind}: {error}")


def body_for_client(most_bytes: int) -> Callable[[Response], Awaitable[Content]]:
    """The body, whole where it is here or its size is unknown, else as a stream of known length."""

    async def deliver(response: Response) -> Content:
        length = response.length
        try:
            if response.body is not None or length is None or length > most_bytes or length <= STREAM_ABOVE_BYTES:
                return await response.read(most_bytes), None
        except UpstreamError as error:
            raise as_gateway_error(error) from error
        return response.chunks(), length

    return deliver


async def stream_for_client(response: Response) -> Content:
    """`responseTransferMode: STREAM`: as it comes, and of any size."""
    return (response.body, None) if response.body is not None else (response.chunks(), response.length)
