"""Access logs in the stage's own format, and execution logs, to CloudWatch Logs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html. What has no value is a dash in an
access log. A stage without logs has none of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import md5
from typing import Any, NamedTuple

from forecourt.base.arn import Arn
from forecourt.base.ports import LogSink
from forecourt.services.apigateway.plan.context import context_value
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.rest.model import AccessLogSettings, MethodSetting

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.-]*[A-Za-z0-9_])")
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html: a log entry
_MOST_BYTES = 1024 * 1024
# Execution logs truncate what is larger.
_MOST_EVENT_BYTES = 1024


class Answered(NamedTuple):
    """A request when it is over."""

    request: MethodRequest
    response: MethodResponse
    error: GatewayError | None
    latency_ms: float


Log = Callable[[Answered], None]


# -- access logs


def access_log(settings: AccessLogSettings | None, served: Served, sink: LogSink) -> Log | None:
    if settings is None or not settings.format or not settings.destination_arn:
        return None
    try:
        destination = Arn.parse(settings.destination_arn)
    except ValueError:
        return None
    group = destination.resource.removeprefix("log-group:").removesuffix(":*")
    stream = md5(served.arn_prefix.encode(), usedforsecurity=False).hexdigest()
    pieces = _VARIABLE.split(settings.format)
    literals, names = pieces[0::2], pieces[1::2]

    def write(answered: Answered) -> None:
        parts = [literals[0]]
        for name, literal in zip(names, literals[1:], strict=True):
            parts.append(_text(_value(answered, name)))
            parts.append(literal)
        message = "".join(parts)[:_MOST_BYTES]
        timestamp = int(answered.request.time * 1000)
        sink.write(destination.account, destination.region, group, stream, timestamp, message)

    return write


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _value(answered: Answered, name: str) -> Any:
    known = _OF_ANSWER.get(name)
    return known(answered) if known is not None else context_value(answered.request, name)


def _length(answered: Answered) -> int | None:
    body = answered.response.body
    return len(body) if isinstance(body, bytes) else answered.response.length


def _of_error(name: str) -> Callable[[Answered], Any]:
    return lambda answered: None if answered.error is None else getattr(answered.error, name)


_OF_ANSWER: Mapping[str, Callable[[Answered], Any]] = {
    "status": lambda a: a.response.status,
    "responseLength": _length,
    "responseLatency": lambda a: int(a.latency_ms),
    "integrationLatency": lambda a: int(a.response.integration_latency_ms) or None,
    "integration.latency": lambda a: int(a.response.integration_latency_ms) or None,
    "integration.status": lambda a: a.response.status if a.response.integration_latency_ms else None,
    "integrationStatus": lambda a: a.response.status if a.response.integration_latency_ms else None,
    "integration.error": _of_error("detail"),
    "integrationErrorMessage": _of_error("detail"),
    "error.message": _of_error("message"),
    "error.messageString": lambda a: None if a.error is None else f'"{a.error.message}"',
    "error.responseType": _of_error("type"),
    "error.validationErrorString": lambda a: None if a.error is None else a.error.variables.get("validation_errors"),
}


# -- execution logs


def execution_log(setting: MethodSetting, served: Served, sink: LogSink) -> Log | None:
    if setting.logging_level not in ("ERROR", "INFO"):
        return None
    group = f"API-Gateway-Execution-Logs_{served.api_id}/{served.stage}"
    stream = md5(f"{served.arn_prefix}/execution".encode(), usedforsecurity=False).hexdigest()
    lines_of = execution_lines if setting.logging_level == "INFO" else _error_lines

    def write(answered: Answered) -> None:
        request = answered.request
        for line in lines_of(answered):
            message = f"({request.request_id}) {line}"[:_MOST_EVENT_BYTES]
            sink.write(served.account, served.region, group, stream, int(request.time * 1000), message)

    return write


def _error_lines(answered: Answered) -> list[str]:
    error = answered.error
    if error is None:
        return []
    return [error.detail or str(error), f"Gateway response type: {error.type} with status code: {error.status}"]


def execution_lines(answered: Answered) -> list[str]:
    request, response = answered.request, answered.response
    lines = [
        f"Extended Request Id: {request.extended_request_id}",
        f"Starting execution for request: {request.request_id}",
        f"HTTP Method: {request.method}, Resource Path: {request.path_for_event}",
        f"Method request path: {_map(request.path_parameters)}",
        f"Method request query string: {{{request.raw_query.decode('latin-1')}}}",
    ]
    if response.integration_latency_ms:
        lines.append(f"Received response. Integration latency: {int(response.integration_latency_ms)} ms")
    lines += _error_lines(answered)
    if answered.error is None:
        lines += ["Successfully completed execution", f"Method completed with status: {response.status}"]
    return lines


def _map(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={value}" for name, value in values.items()) + "}"
