"""How an API answers by itself: AWS's defaults, or what its owner made of them.

A type that is not customised takes after DEFAULT_4XX or DEFAULT_5XX where that is. A body's template is no Velocity:
variables are put in, and everything else is text. Compiled once; rendering a default is a look-up and one encoding.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.integrations.headers import from_mapping
from forecourt.services.apigateway.integrations.mapping import RequestSource, compile_request_source
from forecourt.services.apigateway.plan.errors import TYPES, GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.rest.model import GatewayResponse

_JSON = b"application/json"
_VARIABLE = re.compile(r"\$((?:context|stageVariables|method\.request)\.[A-Za-z0-9_.\-]*[A-Za-z0-9_])")


class _Text:
    """A template: literals, and between them sources of values. What has no value is nothing."""

    def __init__(self, template: str, variables: Mapping[str, str]) -> None:
        pieces = _VARIABLE.split(template)
        self._literals = pieces[0::2]
        self._sources = [compile_request_source(name, variables) for name in pieces[1::2]]

    def render(self, request: MethodRequest) -> str:
        parts = [self._literals[0]]
        for source, literal in zip(self._sources, self._literals[1:], strict=True):
            value = source(request)
            parts += (",".join(value) if isinstance(value, list) else value or "", literal)
        return "".join(parts)


class _Customised(NamedTuple):
    status: int | None
    headers: tuple[tuple[bytes, RequestSource], ...]
    templates: Mapping[str, _Text]


class GatewayResponses:
    def __init__(self, customised: Sequence[GatewayResponse], variables: Mapping[str, str]) -> None:
        own = {response.response_type: _compile(response, variables) for response in customised}
        self._customised: dict[str, _Customised] = {}
        for name, default in TYPES.items():
            fallback = own.get("DEFAULT_4XX" if default.status < 500 else "DEFAULT_5XX")
            found = own.get(name) or fallback
            # AWS says of this one type that it cannot be customised.
            if found is not None and name != "REQUEST_TOO_LARGE":
                self._customised[name] = found

    def render(self, error: GatewayError, request: MethodRequest) -> MethodResponse:
        customised = self._customised.get(error.type)
        if customised is None:
            return default_response(error)
        described = {
            "message": error.message,
            "messageString": msgspec.json.encode(error.message).decode(),
            "responseType": error.type,
            "validationErrorString": error.variables.get("validation_errors"),
        }
        request = msgspec.structs.replace(request, error=described)
        content_type, body = self._body(customised, request, error)
        headers: Headers = [(b"x-amzn-errortype", error.error_type.encode())]
        mapped = _mapped_headers(customised, request)
        if not any(name == b"content-type" for name, _ in mapped):
            headers.append((b"content-type", content_type))
        return MethodResponse(status=customised.status or error.status, headers=headers + mapped, body=body)

    def _body(self, customised: _Customised, request: MethodRequest, error: GatewayError) -> tuple[bytes, bytes]:
        accept = (request.header(b"accept") or b"").split(b",")[0].split(b";")[0].strip().decode("latin-1")
        templates = customised.templates
        content_type = accept if accept in templates else "application/json"
        template = templates.get(content_type)
        if template is None:
            if not templates:
                return _JSON, _default_body(error)
            content_type, template = next(iter(templates.items()))
        return content_type.encode("latin-1", "replace"), template.render(request).encode()


def _mapped_headers(customised: _Customised, request: MethodRequest) -> Headers:
    mapped: Headers = []
    for name, source in customised.headers:
        value = source(request)
        for item in value if isinstance(value, list) else (value,):
            if item is not None and not any(char in item for char in "\r\n\0"):
                mapped.append((name, item.encode()))
    return from_mapping(mapped)


def _compile(response: GatewayResponse, variables: Mapping[str, str]) -> _Customised:
    prefix = "gatewayresponse.header."
    headers = tuple(
        (destination.removeprefix(prefix).lower().encode(), compile_request_source(expression, variables))
        for destination, expression in (response.response_parameters or {}).items()
        if destination.startswith(prefix)
    )
    templates = {
        content_type: _Text(text, variables) for content_type, text in (response.response_templates or {}).items()
    }
    return _Customised(int(response.status_code) if response.status_code else None, headers, templates)


def default_response(error: GatewayError) -> MethodResponse:
    headers = [(b"content-type", _JSON), (b"x-amzn-errortype", error.error_type.encode())]
    return MethodResponse(status=error.status, headers=headers, body=_default_body(error))


def _default_body(error: GatewayError) -> bytes:
    # A policy's refusal is the one whose member AWS spells in another way.
    member = "Message" if error.error_type == "AccessDeniedException" else "message"
    return msgspec.json.encode({member: error.message})
