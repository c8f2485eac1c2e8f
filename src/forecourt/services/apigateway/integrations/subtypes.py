"""First-class integrations of HTTP APIs: one call of an AWS service per subtype, as the role in `CredentialsArn`.

A parameter is text when it comes out of its mapping. What the service wants as a number, a list or a map is made of it:
a list is JSON or parts between commas, a map is JSON. Text that is none of it is the client's fault: 400.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from time import perf_counter
from typing import Any

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.services.apigateway.http.model import Integration
from forecourt.services.apigateway.integrations.http_parameters import Seen, compile_source
from forecourt.services.apigateway.integrations.lambda_function import caller_context
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports

# Subtype -> botocore's service and operation
_SUBTYPES: Mapping[str, tuple[str, str]] = {
    "EventBridge-PutEvents": ("events", "PutEvents"),
    "SQS-SendMessage": ("sqs", "SendMessage"),
    "SQS-ReceiveMessage": ("sqs", "ReceiveMessage"),
    "SQS-DeleteMessage": ("sqs", "DeleteMessage"),
    "SQS-PurgeQueue": ("sqs", "PurgeQueue"),
    "AppConfig-GetConfiguration": ("appconfig", "GetConfiguration"),
    "Kinesis-PutRecord": ("kinesis", "PutRecord"),
    "StepFunctions-StartExecution": ("stepfunctions", "StartExecution"),
    "StepFunctions-StartSyncExecution": ("stepfunctions", "StartSyncExecution"),
    "StepFunctions-StopExecution": ("stepfunctions", "StopExecution"),
}


def service_by_subtype(integration: Integration, served: Served, ports: Ports) -> Handler:
    known = _SUBTYPES.get(integration.integration_subtype or "")
    if known is None:
        raise ValueError(f"the subtype {integration.integration_subtype} is not known")
    service, operation = known
    parameters = integration.request_parameters or {}
    sources = {name: compile_source(value, served.variables) for name, value in parameters.items() if name != "Region"}
    region = parameters.get("Region") or served.region
    context_of = caller_context(served, ports, integration.credentials_arn)

    async def call(request: MethodRequest) -> MethodResponse:
        seen = Seen(request, [], await request.body.read())
        values = {name: source(seen) for name, source in sources.items()}
        arguments = _arguments(service, {name: value for name, value in values.items() if value is not None})
        context = msgspec.structs.replace(await context_of(request), region=region)
        started = perf_counter()
        try:
            result = await ports.caller.call(context, service, operation, arguments)
            response = _configuration(result) if service == "appconfig" else _json(200, result)
        except ServiceError as error:
            response = _json(error.status, {"__type": error.code, "message": error.message})
        latency_ms = (perf_counter() - started) * 1000
        return msgspec.structs.replace(response, integration_latency_ms=latency_ms, integration_status=response.status)

    return call


# -- the call


def _arguments(service: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Raises `GatewayError` (400) where a text is not what the service wants."""
    try:
        typed = {name: _TYPES.get(name, str)(value) for name, value in given.items()}
    except (ValueError, OverflowError, RecursionError) as error:
        raise GatewayError("BAD_REQUEST_PARAMETERS", detail=f"a parameter cannot be read: {error}") from error
    if service == "events":
        return {"Entries": [typed]}
    if service == "stepfunctions":
        return {name[:1].lower() + name[1:]: value for name, value in typed.items()}
    return typed


def _list(text: str) -> list[str]:
    if text.lstrip().startswith("["):
        return msgspec.json.decode(text, type=list[str])
    return [part.strip() for part in text.split(",") if part.strip()]


def _map(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])


def _time(text: str) -> float:
    """Seconds since the epoch, or ISO 8601."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


# Others are text
_TYPES: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"), int),
    **dict.fromkeys(("Resources", "AttributeNames", "MessageAttributeNames"), _list),
    **dict.fromkeys(("MessageAttributes", "MessageSystemAttributes"), _map),
    "Time": _time,
    "Data": str.encode,
}


# -- the answer


def _json(status: int, document: Mapping[str, Any]) -> MethodResponse:
    shown = {name: value for name, value in document.items() if name != "ResponseMetadata"}
    body = msgspec.json.encode(shown, enc_hook=_plain)
    return MethodResponse(status, [(b"content-type", b"application/json")], body)


def _configuration(result: Mapping[str, Any]) -> MethodResponse:
    """AppConfig's configuration is the body, of its own type."""
    kind = str(result.get("ContentType") or "application/octet-stream").encode()
    version = str(result.get("ConfigurationVersion") or "").encode()
    headers = [(b"content-type", kind), (b"configuration-version", version)]
    return MethodResponse(200, headers, result.get("Content") or b"")


def _plain(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else str(value)
