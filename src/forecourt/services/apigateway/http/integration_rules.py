"""What AWS demands of an HTTP API's integrations when they are configured. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from forecourt.base.arn import Arn
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.model import Integration
from forecourt.services.apigateway.vtl.jsonpath import JsonPath

_METHODS = ("ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

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
_STATUS = re.compile(r"[2-5]\d\d")
_EVERYWHERE = r"context\..+|stageVariables\..+|\{.+\}"
_REQUEST_SOURCE = re.compile(rf"\$(request\.(header|querystring|path|body)(\..+)?|{_EVERYWHERE})")
_RESPONSE_SOURCE = re.compile(rf"\$(response\.(header|body)(\..+)?|{_EVERYWHERE})")


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
        _need_source(source, _REQUEST_SOURCE)
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
    if integration.integration_method not in _METHODS:
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
        _need_source(source, _REQUEST_SOURCE)


def _need_response_parameters(integration: Integration) -> None:
    for status, mappings in (integration.response_parameters or {}).items():
        if not _STATUS.fullmatch(status):
            raise BadRequestException(f"Invalid status code specified for response parameters: {status}")
        for target in mappings:
            if not _RESPONSE_TARGET.fullmatch(target):
                raise BadRequestException(f"Invalid mapping expression specified: {target}")
            _need_free(target)
        for target, source in mappings.items():
            _need_source(source, _RESPONSE_SOURCE)
            if target == "overwrite:statuscode" and not source.startswith("$") and not _STATUS.fullmatch(source):
                raise BadRequestException(f"Invalid status code specified for response parameters: {source}")


def _need_free(target: str) -> None:
    if _RESERVED.fullmatch(target):
        name = target.partition(".")[2]
        raise BadRequestException(f"Operations on header {name} are restricted")


def _need_source(source: str, known: re.Pattern[str]) -> None:
    """A value is a reference, or any text: only what starts as a reference can be a wrong one."""
    is_reference = source.startswith(("$request.", "$response.", "$context.", "$stageVariables."))
    if (is_reference and not known.fullmatch(source)) or not all(map(_is_path, _body_paths(source))):
        raise BadRequestException(f"Invalid mapping expression specified: {source}")


def _body_paths(source: str) -> Iterator[str]:
    """The JSON paths of a reference, or of the `${references}` within a text."""
    references = [source[1:]] if source.startswith("$") and not source.startswith("${") else []
    references += [part.partition("}")[0] for part in source.split("${")[1:]]
    for reference in references:
        place, _, path = reference.partition(".body.")
        if path and place in ("request", "response"):
            yield path


def _is_path(path: str) -> bool:
    """Recursive descent and filters have no place in a mapping's JSON path."""
    try:
        return ".." not in f".{path}" and "[?" not in path and bool(JsonPath(f"$.{path}"))
    except ValueError:
        return False
