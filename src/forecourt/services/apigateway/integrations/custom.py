"""The integrations that map: a request becomes an integration request by parameter mappings and a template, a backend's
answer becomes a method response by `selectionPattern`, parameter mappings and a template.

    Custom = map_request -> backend -> map_response

`HTTP`, `AWS` and `MOCK` differ in the backend only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from forecourt.base.headers import Headers
from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.integrations.content import request_content, response_content
from forecourt.services.apigateway.integrations.headers import from_mapping
from forecourt.services.apigateway.integrations.mapping import (
    RequestMappings,
    ResponseMappings,
    compile_request_mappings,
    compile_response_mappings,
    text_of,
)
from forecourt.services.apigateway.integrations.templates import (
    Templates,
    choose_for_request,
    render_request,
    render_response,
)
from forecourt.services.apigateway.patterns import Matches, whole
from forecourt.services.apigateway.plan.errors import configuration_error
from forecourt.services.apigateway.plan.messages import (
    IntegrationResponse,
    MethodRequest,
    MethodResponse,
    Served,
)
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.services.apigateway.rest import model


class Mapped(NamedTuple):
    """An integration request: what the mappings and the template made of a method request. Names as configured."""

    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    path: Mapping[str, str]
    body: bytes
    has_template: bool


Backend = Callable[[MethodRequest, Mapped], Awaitable[IntegrationResponse]]


def custom(integration: model.Integration, served: Served, binary: BinaryMediaTypes, backend: Backend) -> Handler:
    request_mapper = _RequestMapper(integration, served, binary)
    response_mapper = _ResponseMapper(integration, served, binary)
    now = asyncio.get_running_loop().time

    async def handle(request: MethodRequest) -> MethodResponse:
        await request.body.read()
        mapped = request_mapper(request)
        started = now()
        response = await backend(request, mapped)
        return response_mapper(request, response, (now() - started) * 1000)

    return handle


class _RequestMapper:
    def __init__(self, integration: model.Integration, served: Served, binary: BinaryMediaTypes) -> None:
        self._mappings: RequestMappings = compile_request_mappings(integration.request_parameters, served.variables)
        self._templates = Templates(integration.request_templates)
        self._passthrough = integration.passthrough_behavior
        self._handling = integration.content_handling
        self._binary = binary

    def __call__(self, request: MethodRequest) -> Mapped:
        template = choose_for_request(self._templates, self._passthrough, request)
        is_binary = self._binary.holds(request.header(b"content-type"))
        body = request_content(request.body.whole, self._handling, is_binary)
        overrides: Mapping[str, Any] = {}
        if template is not None:
            body, overrides = render_request(template, request, body.decode("utf-8", "replace"))
        return Mapped(
            headers=_overridden(_values(self._mappings.headers, request), overrides.get("header")),
            query=_overridden(_values(self._mappings.query, request), overrides.get("querystring")),
            path=dict(_overridden(_values(tuple(self._mappings.path.items()), request), overrides.get("path"))),
            body=body,
            has_template=template is not None,
        )


def _values(sources: tuple[tuple[str, Any], ...], request: MethodRequest) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, source in sources:
        value = source(request)
        found += [(name, item) for item in (value if isinstance(value, list) else [value]) if item is not None]
    return found


def _overridden(pairs: list[tuple[str, str]], overrides: Any) -> tuple[tuple[str, str], ...]:
    if not overrides:
        return tuple(pairs)
    lowered = {name.lower() for name in overrides}
    return (*(pair for pair in pairs if pair[0].lower() not in lowered), *_texts(overrides))


def _texts(overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A list stands for as many headers or parameters of one name."""
    pairs = [
        (name, text_of(item))
        for name, value in overrides.items()
        for item in (value if isinstance(value, list) else (value,))
    ]
    return [(name, text) for name, text in pairs if text is not None]


class _Selected(NamedTuple):
    status: int
    matches: Matches | None
    mappings: ResponseMappings
    templates: Templates
    handling: str | None


class _ResponseMapper:
    def __init__(self, integration: model.Integration, served: Served, binary: BinaryMediaTypes) -> None:
        responses = (integration.integration_responses or {}).values()
        self._by_pattern = [_selected(response, served) for response in responses if response.selection_pattern]
        defaults = [_selected(response, served) for response in responses if not response.selection_pattern]
        self._default = defaults[0] if defaults else None
        self._binary = binary

    def __call__(self, request: MethodRequest, response: IntegrationResponse, latency_ms: float) -> MethodResponse:
        selected = self._select(response)
        assert isinstance(response.body, bytes)
        is_binary = self._binary.holds(_content_type(response.headers))
        body = response_content(response.body, selected.handling, is_binary)
        headers = selected.mappings.apply(request, response, response.body)
        content_type, template = selected.templates.for_response(request.header(b"accept"))
        status = selected.status
        if template is not None:
            text = body.decode("utf-8", "replace")
            body, overrides = render_response(template, request, text, response.headers, response.status)
            headers, status = _apply_overrides(headers, status, overrides)
        headers = from_mapping(headers)
        if not any(name == b"content-type" for name, _ in headers):
            headers.append((b"content-type", content_type.encode("latin-1", "replace")))
        if len(body) > request.served.payload_bytes:
            raise configuration_error("the response is larger than allowed maximum")
        if any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in headers):
            raise configuration_error("a header's value holds a line break")
        return MethodResponse(
            status=status,
            headers=headers,
            body=body,
            integration_latency_ms=latency_ms,
            integration_status=response.status,
            integration_request_id=_request_id(response.headers),
        )

    def _select(self, response: IntegrationResponse) -> _Selected:
        """An error's text is matched where there is one, else the status; the whole of it.

        Of several whose patterns match, the one of the backend's own status is meant, else the first.
        """
        text = response.error if response.error is not None else str(response.status)
        matching = [selected for selected in self._by_pattern if selected.matches is None or selected.matches(text)]
        if matching:
            return next((selected for selected in matching if selected.status == response.status), matching[0])
        if self._default is None:
            raise configuration_error(
                "No match for output mapping and no default output mapping configured. "
                f"Endpoint Response Status Code: {response.status}"
            )
        return self._default


def _selected(response: model.IntegrationResponse, served: Served) -> _Selected:
    pattern = response.selection_pattern
    return _Selected(
        int(response.status_code),
        whole(pattern) if pattern else None,
        compile_response_mappings(response.response_parameters, served.variables),
        Templates(response.response_templates),
        response.content_handling,
    )


def _apply_overrides(headers: Headers, status: int, overrides: Mapping[str, Any]) -> tuple[Headers, int]:
    own = overrides.get("header") or {}
    replaced = {name.lower().encode() for name in own}
    headers = [header for header in headers if header[0] not in replaced]
    headers += [(name.lower().encode(), text.encode()) for name, text in _texts(own)]
    asked = str(overrides.get("status", ""))
    return headers, int(asked) if asked.isdecimal() and 100 <= int(asked) <= 599 else status


def _request_id(headers: Headers) -> str | None:
    """The AWS endpoint's."""
    found = next((value for name, value in headers if name.lower() in (b"x-amzn-requestid", b"x-amz-request-id")), None)
    return None if found is None else found.decode("latin-1")


def _content_type(headers: Headers) -> bytes | None:
    return next((value for name, value in headers if name.lower() == b"content-type"), None)
