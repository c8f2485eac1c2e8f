"""What AWS demands of an integration when it is configured."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from forecourt.base.arn import Arn
from forecourt.base.errors import AccessDenied
from forecourt.services.apigateway.patterns import compile_pattern
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.mapping import (
    need_cache_key_parameters,
    need_content_types,
    need_request_mappings,
    need_response_mappings,
)
from forecourt.services.apigateway.rest.model import Integration, IntegrationResponse, Method
from forecourt.services.apigateway.rest.quotas import Quotas, need_size

PASSTHROUGH = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
_HTTP_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.[a-zA-Z0-9_]+\}")


def need_integration(integration: Integration, method: Method, account: str, quotas: Quotas) -> None:
    if integration.type != "MOCK":
        _need_http_method(integration)
        (_need_service_uri if integration.type.startswith("AWS") else _need_http_uri)(integration, account)
    if integration.passthrough_behavior not in PASSTHROUGH:
        raise BadRequestException(f"Invalid PassthroughBehavior specified. Valid options are {','.join(PASSTHROUGH)}")
    if not quotas.timeout_min_ms <= integration.timeout_in_millis <= quotas.timeout_max_ms:
        raise BadRequestException(
            f"Timeout should be between {quotas.timeout_min_ms} ms and {quotas.timeout_max_ms} ms"
        )
    if integration.connection_type == "VPC_LINK" and not integration.connection_id:
        raise BadRequestException("Invalid connection ID specified. VPC_LINK connection type requires a connection ID")
    _need_stream(integration)
    declared, mapped = method.request_parameters or {}, integration.request_parameters or {}
    need_request_mappings(mapped, declared)
    need_cache_key_parameters(integration.cache_key_parameters, declared, mapped)
    _need_templates(integration.request_templates, quotas)


def need_integration_response(
    response: IntegrationResponse, integration: Integration, method: Method, quotas: Quotas
) -> None:
    _need_selection_pattern(response, integration)
    method_response = (method.method_responses or {}).get(response.status_code)
    declared = None if method_response is None else method_response.response_parameters or {}
    need_response_mappings(response.response_parameters, declared)
    _need_templates(response.response_templates, quotas)


def _need_selection_pattern(response: IntegrationResponse, integration: Integration) -> None:
    pattern = response.selection_pattern or ""
    try:
        compile_pattern(pattern)
    except ValueError:
        raise BadRequestException("Invalid selection pattern specified") from None
    for status, other in (integration.integration_responses or {}).items():
        if status != response.status_code and (other.selection_pattern or "") == pattern:
            raise ConflictException(
                f"Integration response with selection pattern {pattern or 'default'} already exists"
            )


def _need_templates(templates: dict[str, str | None] | None, quotas: Quotas) -> None:
    need_content_types(templates)
    for template in (templates or {}).values():
        need_size(template, quotas.mapping_template_bytes, "Mapping template")


def _need_http_method(integration: Integration) -> None:
    if not integration.http_method:
        raise BadRequestException("Enumeration value for HttpMethod must be non-empty")
    if integration.http_method not in _HTTP_METHODS:
        raise BadRequestException(f"Invalid HttpMethod specified. Valid options are {','.join(_HTTP_METHODS)}")


def _need_stream(integration: Integration) -> None:
    if integration.response_transfer_mode == "STREAM" and not integration.type.endswith("_PROXY"):
        raise BadRequestException("Response transfer mode STREAM requires an HTTP_PROXY or AWS_PROXY integration")


def _need_http_uri(integration: Integration, account: str) -> None:
    # A stage variable may stand for any part, the host included: it is known only when a request comes.
    parts = urlsplit(_STAGE_VARIABLE.sub("x", integration.uri or ""))
    if parts.scheme not in ("http", "https") or not parts.netloc or " " in (integration.uri or ""):
        raise BadRequestException("Invalid HTTP endpoint specified for URI")


def _need_service_uri(integration: Integration, account: str) -> None:
    arn = _arn(integration.uri)
    if arn.service != "apigateway":
        raise BadRequestException("Invalid ARN specified in the request")
    kind = arn.resource.split("/", 1)[0]
    if kind not in ("path", "action"):
        raise BadRequestException("AWS ARN for integration must contain path or action")
    # `arn:aws:apigateway:{region}:{service}:path/...`: the service stands where other ARNs have the account.
    target = arn.account.rsplit(".", 1)[-1]
    if integration.type == "AWS_PROXY" and target not in ("lambda", "firehose"):
        raise BadRequestException(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
        )
    if target != "lambda" and not integration.credentials:
        raise BadRequestException("Role ARN must be specified for AWS integrations")
    _need_credentials(integration.credentials, account)


def _arn(text: str | None) -> Arn:
    try:
        return Arn.parse(text or "")
    except ValueError:
        raise BadRequestException("Invalid ARN specified in the request") from None


def _need_credentials(credentials: str | None, account: str) -> None:
    # `arn:aws:iam::*:user/*` passes the caller's own credentials on.
    if not credentials or _STAGE_VARIABLE.search(credentials):
        return
    arn = _arn(credentials)
    if arn.service != "iam":
        raise BadRequestException("Invalid ARN specified in the request")
    if arn.account not in (account, "*"):
        raise AccessDenied("Cross-account pass role is not allowed.")
