"""`x-amazon-apigateway-integration` into an `Integration`, and back.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
"""

from __future__ import annotations

import json
from typing import Any

from forecourt.services.apigateway.openapi.document import Json, items, obj
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import (
    DEFAULT_TIMEOUT_MS,
    Integration,
    IntegrationResponse,
    TlsConfig,
    describe,
)

TYPES = ("HTTP", "AWS", "MOCK", "HTTP_PROXY", "AWS_PROXY")
DEFAULT_PATTERN = "default"


def read(extension: Any, where: str) -> Integration | None:
    """`where` names the method in what AWS says of an integration it cannot take."""
    given = obj(extension)
    if not given:
        return None
    kind = str(given.get("type", "")).upper()
    if kind not in TYPES:
        raise BadRequestException(
            f"Errors found during import:\n\tUnable to put integration on {where}: Enumeration value for "
            "IntegrationType must be non-empty"
        )
    return Integration(
        type=kind,
        http_method=None if kind == "MOCK" else _upper(given.get("httpMethod")),
        uri=_text(given.get("uri")),
        connection_type=_upper(given.get("connectionType")),
        connection_id=_text(given.get("connectionId")),
        # A credential that is no text (a template's function, say) must be refused, not forgotten.
        credentials=_text(given.get("credentials"), "") if given.get("credentials") is not None else None,
        request_parameters=_texts(given.get("requestParameters")),
        request_templates=_templates(given.get("requestTemplates")),
        passthrough_behavior=_upper(given.get("passthroughBehavior")) or "WHEN_NO_MATCH",
        content_handling=_upper(given.get("contentHandling")),
        timeout_in_millis=given.get("timeoutInMillis") or DEFAULT_TIMEOUT_MS,
        cache_namespace=_text(given.get("cacheNamespace")),
        cache_key_parameters=[str(name) for name in items(given.get("cacheKeyParameters"))],
        integration_responses=_responses(obj(given.get("responses"))) or None,
        tls_config=_tls(given.get("tlsConfig")),
        response_transfer_mode=_upper(given.get("responseTransferMode")),
        integration_target=_text(given.get("integrationTarget")),
    )


def _responses(given: Json) -> dict[str, IntegrationResponse]:
    responses = {}
    for pattern, response in given.items():
        response = obj(response)
        code = str(response.get("statusCode", "200"))
        responses[code] = IntegrationResponse(
            status_code=code,
            selection_pattern=None if pattern == DEFAULT_PATTERN else str(pattern),
            response_parameters=_texts(response.get("responseParameters")),
            response_templates=_templates(response.get("responseTemplates")),
            content_handling=_upper(response.get("contentHandling")),
        )
    return responses


def _text(value: Any, other: str | None = None) -> str | None:
    return value if isinstance(value, str) else other


def _upper(value: Any) -> str | None:
    return value.upper() if isinstance(value, str) and value else None


def _texts(value: Any) -> dict[str, str] | None:
    return {str(name): item if isinstance(item, str) else json.dumps(item) for name, item in obj(value).items()} or None


def _templates(value: Any) -> dict[str, str | None] | None:
    texts = _texts(value) or {}
    return {name: texts[name] if template else None for name, template in obj(value).items()} or None


def _tls(value: Any) -> TlsConfig | None:
    given = obj(value)
    return TlsConfig(insecure_skip_verification=bool(given.get("insecureSkipVerification"))) if given else None


def write(integration: Integration) -> Json:
    """The extension that `read` gives this integration back from."""
    described = describe(integration)
    described["type"] = integration.type.lower()
    described["passthroughBehavior"] = integration.passthrough_behavior.lower()
    responses = described.pop("integrationResponses", None)
    if not integration.cache_key_parameters:
        described.pop("cacheKeyParameters", None)
        described.pop("cacheNamespace", None)
    if integration.timeout_in_millis == DEFAULT_TIMEOUT_MS:
        described.pop("timeoutInMillis")
    if responses:
        described["responses"] = {
            response.pop("selectionPattern", None) or DEFAULT_PATTERN: response for response in responses.values()
        }
    return described
