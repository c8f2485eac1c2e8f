"""HTTP integrations of HTTP APIs: the request as the client sent it, changed by the parameter mapping.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
"""

from __future__ import annotations

from collections.abc import Callable

from forecourt.base.headers import Headers, once
from forecourt.services.apigateway.http.model import DEFAULT_ROUTE, Integration
from forecourt.services.apigateway.integrations.forwarding import body_for_client, forwarding
from forecourt.services.apigateway.integrations.headers import (
    NOT_TO_BACKEND,
    PLAIN_CONNECTION,
    from_http_backend,
    without_options,
)
from forecourt.services.apigateway.integrations.http_parameters import (
    Change,
    Seen,
    apply_to_pairs,
    changed_path,
    changed_query,
    compile_changes,
)
from forecourt.services.apigateway.integrations.uri import Target, UriTemplate, substitute_stage_variables
from forecourt.services.apigateway.plan.context import path_with_stage
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.upstream import Origin, Request

# Of a client's headers: what the gateway sends anew, or not at all
_REPLACED = NOT_TO_BACKEND | {b"forwarded"}


def http_forward(integration: Integration, served: Served, ports: Ports) -> Handler:
    changes = compile_changes(integration.request_parameters, served.variables)
    needs_body = any("$request.body" in str(value) for value in (integration.request_parameters or {}).values())
    target_of = _target_of(integration, served)
    build_path = _path_builder(changes)
    build_headers = _header_builder(changes)
    method = (integration.integration_method or "ANY").encode()

    def asked(request: MethodRequest) -> tuple[Origin, Request]:
        body = request.body
        host, target = target_of(request)
        outgoing = Request(
            request.scope["method"].encode() if method == b"ANY" else method,
            build_path(target.path, request).encode("latin-1"),
            [(b"host", host), (b"x-amzn-trace-id", request.trace_id.encode("latin-1"))],
            body.whole if body.is_whole else body.stream(),
            body.length,
            build_headers(request),
        )
        return target.origin, outgoing

    timeout_seconds = integration.timeout_in_millis / 1000
    most_bytes = served.payload_bytes
    deliver = body_for_client(most_bytes)
    return forwarding(
        asked, from_http_backend, deliver, ports.upstream, timeout_seconds, most_bytes, needs_body=needs_body
    )


def _target_of(integration: Integration, served: Served) -> Callable[[MethodRequest], tuple[bytes, Target]]:
    """The `Host` that the backend sees, and where it is."""
    uri = integration.integration_uri or ""
    if substitute_stage_variables(uri, served.variables).startswith("arn:"):
        # A private integration: what answers is behind a VPC link, and gets host and path as the client sent them.
        origin = Origin(
            "https" if integration.tls_config else "http", "vpc-link", 443 if integration.tls_config else 80
        )
        return lambda request: (request.header(b"host") or b"", Target(origin, path_with_stage(request)))
    template = UriTemplate(uri, served.variables)

    def target(request: MethodRequest) -> tuple[bytes, Target]:
        raw = request.raw_path_parameters
        found = template.render(lambda name: raw[name].decode("latin-1") if name in raw else None)
        if request.resource.operation_name == DEFAULT_ROUTE:
            found = found.below(request.raw_path.decode("latin-1"))
        return found.origin.authority.encode(), found

    return target


def _seen(request: MethodRequest) -> Seen:
    return Seen(request, [], request.body.whole if request.body.is_whole else b"")


def _path_builder(changes: tuple[Change, ...]) -> Callable[[str, MethodRequest], str]:
    """Path and query of the backend's request, from the integration's own."""
    changes_path = any(change.place == "path" for change in changes)
    changes_query = any(change.place == "querystring" for change in changes)

    def build(own: str, request: MethodRequest) -> str:
        path, _, own_query = own.partition("?")
        query = request.scope["query_string"].decode("latin-1")
        seen = _seen(request)
        path = changed_path(changes, seen) or path
        if changes_query:
            query = changed_query(request, changes, seen)
        query = f"{own_query}&{query}" if own_query and query else own_query or query
        return f"{path}?{query}" if query else path

    return build if changes_path or changes_query else _with_query


def _with_query(own: str, request: MethodRequest) -> str:
    query = request.scope["query_string"].decode("latin-1")
    if not query:
        return own
    return f"{own}&{query}" if "?" in own else f"{own}?{query}"


def _header_builder(changes: tuple[Change, ...]) -> Callable[[MethodRequest], Headers]:
    changed = tuple(change for change in changes if change.place == "header")

    def build(request: MethodRequest) -> Headers:
        *headers, forwarded = _from_client(request)
        texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        pairs = apply_to_pairs(texts, changed, "header", _seen(request))
        return [*((name.encode(), value.encode()) for name, value in pairs), forwarded]

    return build if changed else lambda request: once(request.headers, _from_client, request)


def _from_client(request: MethodRequest) -> Headers:
    """What the client's headers and its connection say, with this hop in `Forwarded` (RFC 7239) at the end."""
    headers: Headers = []
    host = before = options = b""
    for header in request.headers:
        name, value = header
        if name not in _REPLACED:
            headers.append(header)
        elif name == b"host":
            host = host or value
        elif name == b"forwarded":
            before = before + b", " + value if before else value
        elif name == b"connection":
            options += value + b","
    if options[:-1] not in PLAIN_CONNECTION:
        headers = without_options(headers, options)
    hop = b"for=%b;host=%b;proto=%b" % (request.source_ip.encode(), host, request.scope["scheme"].encode())
    headers.append((b"forwarded", before + b", " + hop if before else hop))
    return headers
