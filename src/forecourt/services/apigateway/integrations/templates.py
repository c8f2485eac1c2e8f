"""Which template makes a body, and what it sees and may change.

A request's template is chosen by its Content-Type (`application/json` where it has none); where none fits,
`passthroughBehavior` decides between passing the body on and 415. A response's is chosen by what the client accepts,
else it is the first one.
https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from forecourt.base.headers import Headers
from forecourt.services.apigateway.integrations.mapping import query_pairs
from forecourt.services.apigateway.plan.context import context_tree
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import MethodRequest
from forecourt.services.apigateway.vtl import Input, Parameters, Template, TemplateError, Util

_DEFAULT_TYPE = "application/json"
_UTIL = Util()


class Rendered(NamedTuple):
    """`overrides`: what the template put into `$context.requestOverride` or `.responseOverride`."""

    body: bytes
    overrides: Mapping[str, Any]


class Templates:
    def __init__(self, sources: Mapping[str, str | None] | None) -> None:
        """Raises `TemplateError`. A template that is None or empty passes the body through."""
        self._templates = {
            content_type.lower(): Template.compile(source) if source else None
            for content_type, source in (sources or {}).items()
        }

    def __bool__(self) -> bool:
        return bool(self._templates)

    def has(self, content_type: str) -> bool:
        return content_type in self._templates

    def get(self, content_type: str) -> Template | None:
        return self._templates.get(content_type)

    def for_response(self, accept: bytes | None) -> tuple[str, Template | None]:
        wanted = media_type(accept.split(b",")[0]) if accept else _DEFAULT_TYPE
        if wanted in self._templates:
            return wanted, self._templates[wanted]
        return next(iter(self._templates.items()), (_DEFAULT_TYPE, None))


def media_type(header: bytes | None) -> str:
    if not header:
        return _DEFAULT_TYPE
    return header.split(b";", 1)[0].strip().lower().decode("latin-1") or _DEFAULT_TYPE


def choose_for_request(templates: Templates, passthrough: str, request: MethodRequest) -> Template | None:
    """None: the body passes through. Raises `GatewayError` (415)."""
    content_type = media_type(request.header(b"content-type"))
    if templates.has(content_type):
        return templates.get(content_type)
    if passthrough == "NEVER" or (passthrough == "WHEN_NO_TEMPLATES" and templates):
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", detail=f"no template for {content_type}")
    return None


def render_request(template: Template, request: MethodRequest, body: str) -> Rendered:
    """Raises `GatewayError` (500)."""
    return _render(template, request, Input(body, lambda: parameters_of(request)), {}, "requestOverride")


def render_response(template: Template, request: MethodRequest, body: str, headers: Headers, status: int) -> Rendered:
    """`headers`, `status`: the backend's. Raises `GatewayError` (500)."""

    def parameters() -> Parameters:
        seen = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        return {**parameters_of(request), "header": seen}

    known = {"integration": {"status": status}, "status": status}
    return _render(template, request, Input(body, parameters), known, "responseOverride")


def _render(
    template: Template, request: MethodRequest, body: Input, known: Mapping[str, Any], overrides: str
) -> Rendered:
    context = context_tree(request)
    context.update(known)
    variables = {
        "input": body,
        "util": _UTIL,
        "context": context,
        "stageVariables": dict(request.served.variables),
    }
    try:
        text = template.render(variables)
    except TemplateError as error:
        raise configuration_error(f"Unable to transform: {error}") from error
    return Rendered(text.encode("utf-8", "surrogatepass"), context[overrides])


def parameters_of(request: MethodRequest) -> dict[str, dict[str, str]]:
    """What `$input.params()` shows."""
    return {
        "path": request.path_parameters,
        "querystring": dict(query_pairs(request)) if request.raw_query else {},
        "header": {
            name.decode("latin-1"): value.decode("latin-1")
            for name, (_, value) in zip(request.header_names, request.headers, strict=False)
        },
    }
