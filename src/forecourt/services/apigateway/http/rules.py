"""What AWS demands of an HTTP API's routes, integrations and authorizers when they are configured. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from forecourt.base.arn import Arn
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.model import (
    DEFAULT_ROUTE,
    AccessLogSettings,
    Api,
    Authorizer,
    Cors,
    Integration,
    Route,
    RouteSettings,
)
from forecourt.services.apigateway.rest.quotas import Quotas, need_size

_ROUTE_KEY = re.compile(r"(ANY|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/\S*)")
_ROUTE_PART = re.compile(r"\{[\w.:\-]+\+?\}|[^{}]*")
# The authorization type of a route -> the type of authorizer that it names
AUTHORIZERS = {"JWT": "JWT", "CUSTOM": "REQUEST"}
METHODS = ("ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

# The parameters that a first-class integration must have, and those that it may; `Region` always
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
SUBTYPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "EventBridge-PutEvents": (("Detail", "DetailType", "Source"), ("Time", "EventBusName", "Resources", "TraceHeader")),
    "SQS-SendMessage": (
        ("QueueUrl", "MessageBody"),
        (
            "DelaySeconds",
            "MessageAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
            "MessageSystemAttributes",
        ),
    ),
    "SQS-ReceiveMessage": (
        ("QueueUrl",),
        (
            "AttributeNames",
            "MaxNumberOfMessages",
            "MessageAttributeNames",
            "ReceiveRequestAttemptId",
            "VisibilityTimeout",
            "WaitTimeSeconds",
        ),
    ),
    "SQS-DeleteMessage": (("QueueUrl", "ReceiptHandle"), ()),
    "SQS-PurgeQueue": (("QueueUrl",), ()),
    "AppConfig-GetConfiguration": (
        ("Application", "Environment", "Configuration", "ClientId"),
        ("ClientConfigurationVersion",),
    ),
    "Kinesis-PutRecord": (("StreamName", "Data", "PartitionKey"), ("SequenceNumberForOrdering", "ExplicitHashKey")),
    "StepFunctions-StartExecution": (("StateMachineArn",), ("Name", "Input")),
    "StepFunctions-StartSyncExecution": (("StateMachineArn",), ("Name", "Input", "TraceHeader")),
    "StepFunctions-StopExecution": (("ExecutionArn",), ("Cause", "Error")),
}

_REQUEST_TARGET = re.compile(r"(append|overwrite|remove):(header|querystring)\..+|overwrite:path")
_RESPONSE_TARGET = re.compile(r"(append|overwrite|remove):header\..+|overwrite:statuscode")
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html#http-api-mapping-reserved-headers
_RESERVED = re.compile(
    r"(?:append|overwrite|remove):header\.(?:access-control-.*|apigw-.*|authorization|connection|content-encoding"
    r"|content-length|content-location|forwarded|keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers"
    r"|transfer-encoding|upgrade|x-amz-.*|x-amzn-.*|x-forwarded-for|x-forwarded-host|x-forwarded-proto|via)",
    re.IGNORECASE,
)
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_MOST_AUDIENCES = 50
_MOST_SCOPES = 10
_STATUS = re.compile(r"[2-5]\d\d")
_SOURCE = re.compile(r"\$(request\.(header|querystring|path|body)(\..+)?|context\..+|stageVariables\..+|\{.+\})")

# Recursive descent and filters have no place in a mapping's JSON path.
_UNSUPPORTED_PATH = re.compile(r"\$\{?(?:request|response)\.body(?:\.\.|[^}]*(?:\.\.|\[\?))")


def need_route(route: Route) -> None:
    if route.route_key != DEFAULT_ROUTE:
        match = _ROUTE_KEY.fullmatch(route.route_key)
        if match is None or not _is_route_path(match[2]):
            raise BadRequestException(
                'The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> '
                '/<RESOURCE PATH>" or "$default"'
            )
    if route.api_key_required:
        raise BadRequestException("ApiKeyRequired is not currently supported for HTTP APIs")
    if route.authorization_type not in AUTHORIZERS:
        route.authorizer_id = None
    elif not route.authorizer_id:
        raise BadRequestException(f"An authorizer is required for authorization type {route.authorization_type}")
    if route.authorization_scopes and route.authorization_type != "JWT":
        raise BadRequestException("Authorization scopes are only supported for JWT authorization")
    if len(route.authorization_scopes or ()) > _MOST_SCOPES:
        raise BadRequestException(f"A route can have at most {_MOST_SCOPES} authorization scopes")


def _is_route_path(path: str) -> bool:
    parts = path.split("/")[1:]
    if path != "/" and not all(parts):
        return False
    return all(_ROUTE_PART.fullmatch(part) for part in parts) and not any("+}" in part for part in parts[:-1])


def need_integration(integration: Integration) -> None:
    if integration.integration_type not in ("AWS_PROXY", "HTTP_PROXY"):
        raise BadRequestException(
            f"Integration type {integration.integration_type} is not supported: HTTP APIs have AWS_PROXY and HTTP_PROXY"
        )
    if integration.connection_type == "VPC_LINK" and not integration.connection_id:
        raise BadRequestException("ConnectionId is required for connection type VPC_LINK")
    if integration.integration_subtype:
        _need_subtype(integration)
    elif integration.integration_type == "AWS_PROXY":
        _need_lambda(integration)
    else:
        _need_http(integration)
    if integration.payload_format_version not in ("1.0", "2.0"):
        raise BadRequestException("Unsupported PayloadFormatVersion. Must be 1.0 or 2.0")
    _need_response_parameters(integration)


def _need_subtype(integration: Integration) -> None:
    known = SUBTYPES.get(integration.integration_subtype or "")
    if known is None:
        raise BadRequestException(f"Unsupported integration subtype: {integration.integration_subtype}")
    required, optional = known
    given = integration.request_parameters or {}
    absent = [name for name in required if name not in given]
    if absent:
        raise BadRequestException(f"Required request parameter(s) missing: {', '.join(absent)}")
    strange = [name for name in given if name not in (*required, *optional, "Region")]
    if strange:
        raise BadRequestException(f"Unsupported request parameter(s) specified: {', '.join(strange)}")
    for source in given.values():
        _need_source(source)
    if not integration.credentials_arn:
        raise BadRequestException("CredentialsArn is required for AWS service integrations")
    integration.payload_format_version = integration.payload_format_version or "1.0"


def _need_lambda(integration: Integration) -> None:
    integration.integration_method = integration.integration_method or "POST"
    integration.payload_format_version = integration.payload_format_version or "1.0"
    try:
        service = Arn.parse(integration.integration_uri or "").service
    except ValueError:
        service = ""
    if service not in ("lambda", "apigateway"):
        raise BadRequestException(f"Invalid function ARN or invalid uri: {integration.integration_uri}")
    _need_request_parameters(integration)


def _need_http(integration: Integration) -> None:
    integration.payload_format_version = integration.payload_format_version or "1.0"
    if integration.integration_method not in METHODS:
        raise BadRequestException("HTTP_PROXY integrations require a valid IntegrationMethod")
    uri = integration.integration_uri or ""
    if integration.connection_type == "INTERNET" and "stageVariables" not in uri:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadRequestException(f"Invalid HTTP endpoint specified for URI: {uri}")
    if integration.payload_format_version != "1.0":
        raise BadRequestException("HTTP_PROXY integrations support PayloadFormatVersion 1.0 only")
    _need_request_parameters(integration)


def _need_request_parameters(integration: Integration) -> None:
    for target, source in (integration.request_parameters or {}).items():
        if not _REQUEST_TARGET.fullmatch(target):
            raise BadRequestException(f"Invalid mapping expression specified: {target}")
        _need_free(target)
        _need_source(source)


def _need_response_parameters(integration: Integration) -> None:
    for status, mappings in (integration.response_parameters or {}).items():
        if not _STATUS.fullmatch(status):
            raise BadRequestException(f"Invalid status code specified for response parameters: {status}")
        for target in mappings:
            if not _RESPONSE_TARGET.fullmatch(target):
                raise BadRequestException(f"Invalid mapping expression specified: {target}")
            _need_free(target)
        for source in mappings.values():
            _need_source(source)


def _need_free(target: str) -> None:
    if _RESERVED.fullmatch(target):
        name = target.partition(".")[2]
        raise BadRequestException(f"Operations on header {name} are restricted")


def _need_source(source: str) -> None:
    """A value is a reference, or any text: only what starts as a reference can be a wrong one."""
    is_reference = source.startswith(("$request.", "$context.", "$stageVariables."))
    if (is_reference and not _SOURCE.fullmatch(source)) or _UNSUPPORTED_PATH.search(source):
        raise BadRequestException(f"Invalid mapping expression specified: {source}")


def need_authorizer(authorizer: Authorizer) -> None:
    if authorizer.authorizer_type == "JWT":
        jwt = authorizer.jwt_configuration
        if jwt is None or not jwt.issuer or not jwt.audience:
            raise BadRequestException("JwtConfiguration with Issuer and Audience is required for JWT authorizers")
        if urlsplit(jwt.issuer).scheme not in ("http", "https"):
            raise BadRequestException("Invalid issuer: must be a valid URL")
        if len(jwt.audience) > _MOST_AUDIENCES:
            raise BadRequestException(f"A JWT authorizer can have at most {_MOST_AUDIENCES} audiences")
        if len(authorizer.identity_source) != 1:
            raise BadRequestException("JWT authorizers require exactly one identity source")
        return
    if not authorizer.authorizer_uri:
        raise BadRequestException("AuthorizerUri is required for REQUEST authorizers")
    if authorizer.authorizer_payload_format_version not in ("1.0", "2.0"):
        raise BadRequestException(
            "AuthorizerPayloadFormatVersion is a required parameter for authorizer and must be 1.0 or 2.0"
        )
    if authorizer.enable_simple_responses and authorizer.authorizer_payload_format_version != "2.0":
        raise BadRequestException("Simple responses are supported for payload format version 2.0 only")
    if authorizer.authorizer_result_ttl_in_seconds and not authorizer.identity_source:
        raise BadRequestException("Identity sources are required when caching is enabled")


def need_route_settings(settings: RouteSettings) -> None:
    if settings.data_trace_enabled or settings.logging_level not in (None, "OFF"):
        raise BadRequestException("Execution logs are not supported on protocolType HTTP")


def need_access_log(access: AccessLogSettings | None, quotas: Quotas) -> None:
    if access is None:
        return
    need_size(access.format, quotas.access_log_format_bytes, "Access log format")
    if "\n" in (access.format or ""):
        raise BadRequestException("Access Log format must be single line")
    try:
        is_group = access.destination_arn is None or Arn.parse(access.destination_arn).service == "logs"
    except ValueError:
        is_group = False
    if not is_group:
        raise BadRequestException(f"Invalid log group ARN specified: {access.destination_arn}")


def need_api(api: Api) -> None:
    need_cors(api.cors_configuration)


def need_cors(cors: Cors | None) -> None:
    if cors is None:
        return
    for method in cors.allow_methods or []:
        if method != "*" and method.upper() not in METHODS:
            raise BadRequestException(f"Invalid method specified in allowMethods: {method}")
    if cors.allow_credentials and "*" in (cors.allow_origins or []):
        raise BadRequestException("allow-credentials is not supported with the wildcard origin *")
    for origin in cors.allow_origins or []:
        if origin != "*" and not urlsplit(origin).scheme:
            raise BadRequestException(
                f"Invalid origin specified: {origin}. Origins must start with http:// or https://"
            )
