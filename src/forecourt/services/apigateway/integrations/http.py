"""HTTP backends.

`HTTP_PROXY`: the client's request goes to the backend as it is, the backend's answer comes back as it is; what is
mapped is set on top. `HTTP` sends what its mappings and its template made, and nothing else. Everything that does not
depend on the request was decided when the plan was compiled.
https://docs.aws.amazon.com/apigateway/latest/developerguide/setup-http-integrations.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from time import perf_counter
from urllib.parse import quote_plus

from forecourt.base.pending import Pending
from forecourt.services.apigateway.integrations.custom import Backend, Mapped
from forecourt.services.apigateway.integrations.headers import (
    NOT_MAPPED_TO_BACKEND,
    NOT_TO_HTTP_PROXY,
    carries_signature,
    from_backend,
)
from forecourt.services.apigateway.integrations.mapping import RequestMappings, compile_request_mappings
from forecourt.services.apigateway.integrations.uri import UriTemplate
from forecourt.services.apigateway.plan.backends import Sender
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import (
    MAX_PAYLOAD_BYTES,
    Headers,
    IntegrationResponse,
    MethodRequest,
    MethodResponse,
    Served,
)
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.rest.model import Integration
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
_PLAIN_CONNECTION = (b"keep-alive", b"close")


def http_proxy(integration: Integration, served: Served, ports: Ports) -> Handler:
    mappings = compile_request_mappings(integration.request_parameters, served.variables)
    uri = UriTemplate(integration.uri or "", served.variables)
    path = mappings.path
    build_headers = _header_builder(mappings, served)
    add_query = _query_builder(mappings)
    method = (integration.http_method or "ANY").encode()
    timeout = integration.timeout_in_millis / 1000
    deliver = _stream_for_client if integration.response_transfer_mode == "STREAM" else body_for_client
    upstream = ports.upstream

    def asked(request: MethodRequest) -> tuple[Origin, Request]:
        body = request.body
        target = uri.render(lambda name: path[name](request) if name in path else None)
        outgoing = Request(
            request.method.encode() if method == b"ANY" else method,
            add_query(target.path, request).encode("latin-1"),
            build_headers(target.origin, request),
            body.whole if body.is_whole else body.stream(),
            body.length,
        )
        return target.origin, outgoing

    async def answered(response: Response, started: float) -> MethodResponse:
        content, length = await deliver(response)
        latency_ms = (perf_counter() - started) * 1000
        return MethodResponse(response.status, from_backend(response.headers), content, length, latency_ms)

    async def wait(request: MethodRequest) -> MethodResponse:
        body = request.body
        if mappings.needs_body or (body.length is not None and body.length <= STREAM_ABOVE_BYTES):
            await body.read()
        body.check_length()
        origin, outgoing = asked(request)
        started = perf_counter()
        return await answered(await send_to_backend(upstream, origin, outgoing, timeout), started)

    def proxy(request: MethodRequest) -> Awaitable[MethodResponse]:
        """Without a coroutine where the client's body is here and a connection to the backend is free."""
        if not request.body.is_whole:
            return wait(request)
        origin, outgoing = asked(request)
        pending: Pending[MethodResponse] = Pending()
        started = perf_counter()

        def on_reply(reply: Response | Exception) -> None:
            if isinstance(reply, Exception):
                pending.fail(as_gateway_error(reply))
            elif reply.body is None:
                pending.follow(answered(reply, started))
            else:
                latency_ms = (perf_counter() - started) * 1000
                headers = from_backend(reply.headers)
                pending.resolve(MethodResponse(reply.status, headers, reply.body, None, latency_ms))

        try:
            begun = upstream.begin(origin, outgoing, timeout, on_reply)
        except InvalidRequest as error:
            raise as_gateway_error(error) from error
        return pending if begun else wait(request)

    return proxy


def http_backend(integration: Integration, served: Served, ports: Ports) -> Backend:
    """The backend of an `HTTP` integration."""
    uri = UriTemplate(integration.uri or "", served.variables)
    method = (integration.http_method or "ANY").encode()
    timeout = integration.timeout_in_millis / 1000
    user_agent = (b"user-agent", f"AmazonAPIGateway_{served.api_id}".encode())
    api_id = (b"x-amzn-apigateway-api-id", served.api_id.encode())

    async def call(request: MethodRequest, mapped: Mapped) -> IntegrationResponse:
        target = uri.render(mapped.path.get)
        headers: Headers = [(b"host", target.origin.authority.encode())]
        given = [(name.lower().encode(), value.encode()) for name, value in mapped.headers]
        headers += [header for header in given if header[0] not in NOT_MAPPED_TO_BACKEND]
        named = {name for name, _ in headers}
        defaults = [user_agent, (b"content-type", b"application/json"), (b"accept", b"application/json"), api_id]
        headers += [header for header in defaults if header[0] not in named]
        headers.append((b"x-amzn-trace-id", request.trace_id.encode("latin-1")))
        query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in mapped.query)
        verb = request.method.encode() if method == b"ANY" else method
        body = b"" if verb in (b"GET", b"HEAD") and not mapped.has_template else mapped.body
        outgoing = Request(verb, _with_query(target.path, query).encode("latin-1"), headers, body)
        response = await send_to_backend(ports.upstream, target.origin, outgoing, timeout)
        try:
            content = await response.read(MAX_PAYLOAD_BYTES)
        except UpstreamError as error:
            raise as_gateway_error(error) from error
        return IntegrationResponse(status=response.status, headers=response.headers, body=content)

    return call


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


async def body_for_client(response: Response) -> tuple[bytes | AsyncIterator[bytes], int | None]:
    """The body, whole where it is here or its size is unknown, else as a stream of known length."""
    if response.body is not None:
        return response.body, None
    length = response.length
    try:
        if length is None or length > MAX_PAYLOAD_BYTES or length <= STREAM_ABOVE_BYTES:
            return await response.read(MAX_PAYLOAD_BYTES), None
    except UpstreamError as error:
        raise as_gateway_error(error) from error
    return response.chunks(), length


async def _stream_for_client(response: Response) -> tuple[bytes | AsyncIterator[bytes], int | None]:
    """`responseTransferMode: STREAM`: as it comes, and of any size."""
    return (response.body, None) if response.body is not None else (response.chunks(), response.length)


def _header_builder(mappings: RequestMappings, served: Served) -> Callable[[Origin, MethodRequest], Headers]:
    mapped = [(name.lower().encode(), source) for name, source in mappings.headers]
    replaced = {name for name, _ in mapped}
    dropped = NOT_TO_HTTP_PROXY | replaced | {b"authorization"}
    authorization = b"" if b"authorization" in replaced else b"authorization"
    api_id = (b"x-amzn-apigateway-api-id", served.api_id.encode())

    def build(origin: Origin, request: MethodRequest) -> Headers:
        scope = request.scope
        headers: Headers = [(b"host", _authority(origin))]
        chain = request.source_ip.encode()
        trace = named = None
        for header in request.headers:
            name = header[0]
            if name not in dropped:
                headers.append(header)
            elif name == authorization:
                if not carries_signature(request, header[1]):
                    headers.append(header)
            elif name == b"x-forwarded-for":
                chain = header[1] + b", " + chain
            elif name == b"x-amzn-trace-id":
                trace = header[1]
            elif name == b"connection" and header[1].lower() not in _PLAIN_CONNECTION:
                named = header[1]
        if named is not None:
            options = {option.strip().lower() for option in named.split(b",")}
            headers = [header for header in headers if header[0] not in options]
        server = scope.get("server")
        headers.append((b"x-forwarded-for", chain))
        headers.append((b"x-forwarded-port", str(server[1] if server else 443).encode()))
        headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
        headers.append((b"x-amzn-trace-id", trace if trace is not None else request.trace_id.encode("latin-1")))
        headers.append(api_id)
        for key, source in mapped:
            value = source(request)
            for item in value if isinstance(value, list) else (value,):
                if item is not None:
                    headers.append((key, item.encode()))
        return headers

    return build


@lru_cache(maxsize=256)
def _authority(origin: Origin) -> bytes:
    return origin.authority.encode()


def _query_builder(mappings: RequestMappings) -> Callable[[str, MethodRequest], str]:
    if not mappings.query:
        return lambda path, request: _with_query(path, request.raw_query.decode("latin-1"))
    names = {name for name, _ in mappings.query}

    def build(path: str, request: MethodRequest) -> str:
        raw = request.raw_query.decode("latin-1")
        kept = [pair for pair in raw.split("&") if pair and pair.partition("=")[0] not in names]
        for name, source in mappings.query:
            value = source(request)
            values = value if isinstance(value, list) else [value]
            kept += [f"{quote_plus(name)}={quote_plus(item)}" for item in values if item is not None]
        return _with_query(path, "&".join(kept))

    return build


def _with_query(path: str, query: str) -> str:
    if not query:
        return path
    return f"{path}&{query}" if "?" in path else f"{path}?{query}"
