"""HTTP backends.

`HTTP_PROXY`: the client's request goes to the backend as it is, the backend's answer comes back as it is; what is
mapped is set on top. `HTTP` sends what its mappings and its template made, and nothing else. Everything that does not
depend on the request was decided when the plan was compiled.
https://docs.aws.amazon.com/apigateway/latest/developerguide/setup-http-integrations.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote_plus

from forecourt.base.headers import Headers, once
from forecourt.services.apigateway.integrations.custom import Backend, Mapped
from forecourt.services.apigateway.integrations.forwarding import (
    as_gateway_error,
    body_for_client,
    forwarding,
    send_to_backend,
    stream_for_client,
)
from forecourt.services.apigateway.integrations.headers import (
    NOT_MAPPED_TO_BACKEND,
    NOT_TO_HTTP_PROXY,
    PLAIN_CONNECTION,
    carries_signature,
    from_backend,
    without_options,
)
from forecourt.services.apigateway.integrations.mapping import RequestMappings, compile_request_mappings
from forecourt.services.apigateway.integrations.uri import UriTemplate
from forecourt.services.apigateway.plan.messages import IntegrationResponse, MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.rest.model import Integration
from forecourt.upstream import Origin, Request, UpstreamError


def http_proxy(integration: Integration, served: Served, ports: Ports) -> Handler:
    mappings = compile_request_mappings(integration.request_parameters, served.variables)
    uri = UriTemplate(integration.uri or "", served.variables)
    path = mappings.path
    own_headers = _own_headers(mappings, uri.origin)
    from_client = _from_client(mappings, served)
    build_query = _query_builder(mappings) if mappings.query else None
    method = (integration.http_method or "ANY").encode()
    is_streamed = integration.response_transfer_mode == "STREAM"
    deliver = stream_for_client if is_streamed else body_for_client(served.payload_bytes)

    def asked(request: MethodRequest) -> tuple[Origin, Request]:
        body = request.body
        target = uri.fixed or uri.render(lambda name: path[name](request) if name in path else None)
        query = request.scope["query_string"] if build_query is None else build_query(request)
        outgoing = Request(
            request.scope["method"].encode() if method == b"ANY" else method,
            _with_query(target.path, query) if query else target.path.encode("latin-1"),
            own_headers(target.origin, request),
            body.whole if body.is_whole else body.stream(),
            body.length,
            once(request.headers, from_client, request),
        )
        return target.origin, outgoing

    timeout_seconds = integration.timeout_in_millis / 1000
    most_bytes = served.payload_bytes
    needs_body = mappings.needs_body
    return forwarding(asked, from_backend, deliver, ports.upstream, timeout_seconds, most_bytes, needs_body=needs_body)


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
        outgoing = Request(verb, _with_query(target.path, query.encode()), headers, body)
        response = await send_to_backend(ports.upstream, target.origin, outgoing, timeout)
        try:
            content = await response.read(served.payload_bytes)
        except UpstreamError as error:
            raise as_gateway_error(error) from error
        return IntegrationResponse(status=response.status, headers=response.headers, body=content)

    return call


def _own_headers(mappings: RequestMappings, origin: Origin | None) -> Callable[[Origin, MethodRequest], Headers]:
    """What each request says anew. `origin`: where that is the same for all of them."""
    mapped = [(name.lower().encode(), source) for name, source in mappings.headers]
    host = (b"host", origin.authority.encode()) if origin is not None else None

    def build(origin: Origin, request: MethodRequest) -> Headers:
        headers: Headers = [
            host or (b"host", origin.authority.encode()),
            (b"x-amzn-trace-id", request.trace_id.encode("latin-1")),
        ]
        for key, source in mapped:
            value = source(request)
            for item in value if isinstance(value, list) else (value,):
                if item is not None:
                    headers.append((key, item.encode()))
        return headers

    return build


def _from_client(mappings: RequestMappings, served: Served) -> Callable[[MethodRequest], Headers]:
    """What the client's headers and its connection say (whether a method's requests are signed is the same for all)."""
    replaced = {name.lower().encode() for name, _ in mappings.headers}
    dropped = NOT_TO_HTTP_PROXY | replaced | {b"authorization"}
    authorization = b"" if b"authorization" in replaced else b"authorization"
    api_id = (b"x-amzn-apigateway-api-id", served.api_id.encode())

    def build(request: MethodRequest) -> Headers:
        scope = request.scope
        headers: Headers = []
        chain = request.source_ip.encode()
        named = None
        for header in request.headers:
            name = header[0]
            if name not in dropped:
                headers.append(header)
            elif name == authorization:
                if not carries_signature(request, header[1]):
                    headers.append(header)
            elif name == b"x-forwarded-for":
                chain = header[1] + b", " + chain
            elif name == b"connection" and header[1] not in PLAIN_CONNECTION:
                named = header[1]
        if named is not None:
            headers = without_options(headers, named)
        headers += ((b"x-forwarded-for", chain), *_arrived_at(scope["server"], scope["scheme"]), api_id)
        return headers

    return build


@lru_cache(maxsize=64)
def _arrived_at(server: tuple[str, int] | None, scheme: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-forwarded-port", str(server[1] if server else 443).encode()),
        (b"x-forwarded-proto", scheme.encode()),
    )


def _query_builder(mappings: RequestMappings) -> Callable[[MethodRequest], bytes]:
    names = {name for name, _ in mappings.query}

    def build(request: MethodRequest) -> bytes:
        raw = request.raw_query.decode("latin-1")
        kept = [pair for pair in raw.split("&") if pair and pair.partition("=")[0] not in names]
        for name, source in mappings.query:
            value = source(request)
            values = value if isinstance(value, list) else [value]
            kept += [f"{quote_plus(name)}={quote_plus(item)}" for item in values if item is not None]
        return "&".join(kept).encode("latin-1")

    return build


def _with_query(path: str, query: bytes) -> bytes:
    if not query:
        return path.encode("latin-1")
    return path.encode("latin-1") + (b"&" if "?" in path else b"?") + query
