"""Execution logs: the steps of a request in AWS's words, to CloudWatch Logs.

`ERROR` has what went wrong, `INFO` the steps of every request, and with `dataTrace` (`tracing.py`) what was asked of
the backend and what it answered. Written when the request is over; a stage without logs has none of this.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import NamedTuple

from forecourt.base.ports import LogSink
from forecourt.services.apigateway.plan.logs import Answered, Log, service_status
from forecourt.services.apigateway.plan.messages import Served
from forecourt.services.apigateway.plan.tracing import body_text, cut, header_map, lines_of_request, masked
from forecourt.services.apigateway.rest.model import MethodSetting

_AUTHORIZERS_ERRORS = frozenset(
    ("ACCESS_DENIED", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE", "UNAUTHORIZED")
)
# Refused before the method's execution begins
_KEYS_ERRORS = frozenset(("INVALID_API_KEY", "QUOTA_EXCEEDED", "THROTTLED"))


class Logged(NamedTuple):
    """What of a method its log tells: `GET /pets/{id}`."""

    name: str = ""
    authorizer_id: str = ""
    api_key_required: bool = False


def execution_log(setting: MethodSetting, logged: Logged, served: Served, sink: LogSink) -> Log | None:
    if setting.logging_level not in ("ERROR", "INFO"):
        return None
    group = f"API-Gateway-Execution-Logs_{served.api_id}/{served.stage}"
    stream = md5(f"{served.arn_prefix}/execution".encode(), usedforsecurity=False).hexdigest()
    is_info, has_data = setting.logging_level == "INFO", is_traced(setting)

    def write(answered: Answered) -> None:
        request = answered.request
        if not is_info:
            lines = _failure(answered, has_data)
        else:
            lines = [f"Extended Request Id: {request.extended_request_id}", *_admission(answered, logged)]
            lines += execution_lines(answered, lines_of_request() if has_data else None)
        for line in lines:
            message = cut(f"({request.request_id}) {line}")
            sink.write(served.account, served.region, group, stream, int(request.time * 1000), message)

    return write


def is_traced(setting: MethodSetting) -> bool:
    return setting.data_trace_enabled and setting.logging_level == "INFO"


def _admission(answered: Answered, logged: Logged) -> list[str]:
    """The authorizer, and the usage plan."""
    request, error = answered.request, answered.error
    lines = []
    if logged.authorizer_id:
        lines.append(f"Starting authorizer: {logged.authorizer_id} for request: {request.request_id}")
        if error is not None and error.type in _AUTHORIZERS_ERRORS:
            return [*lines, f"Unauthorized request: {request.request_id}"]
        if principal := request.authorizer.get("principalId"):
            lines.append(f"Using valid authorizer policy for principal: {masked(str(principal))}")
        lines.append("Successfully completed authorizer execution")
    stage = f"{request.served.api_id}/{request.served.stage}"
    key = masked(str(request.identity.get("apiKey") or ""))
    lines.append(f"Verifying Usage Plan for request: {request.request_id}. API Key: {key} API Stage: {stage}")
    if not logged.api_key_required:
        lines.append(
            f"API Key {key} authorized because method '{logged.name}' does not require API Key. "
            "Request will not contribute to throttle or quota limits"
        )
    elif error is not None and error.type == "INVALID_API_KEY":
        return [
            *lines,
            f"API Key {key} not authorized because method '{logged.name}' requires API Key and API Key is not "
            f"associated with a Usage Plan for API Stage {stage}",
        ]
    return [*lines, f"Usage Plan check succeeded for API Key {key} and API Stage {stage}"]


def execution_lines(answered: Answered, trace: list[str] | None) -> list[str]:
    """From the start of the execution on. `trace`: what was noted of the backend; None: no data is told."""
    request, response, error = answered.request, answered.response, answered.error
    has_data = trace is not None
    if error is not None and error.type in (_AUTHORIZERS_ERRORS | _KEYS_ERRORS):
        return [*_failure(answered, has_data), f"Method completed with status: {response.status}"]
    lines = [
        f"Starting execution for request: {request.request_id}",
        f"HTTP Method: {request.method}, Resource Path: {request.path_for_event}",
        f"Method request path: {_map(request.path_parameters)}",
        f"Method request query string: {_map(_query(request.raw_query))}",
    ]
    if trace is not None:
        body = request.body.whole if request.body.is_whole else None
        lines += [
            f"Method request headers: {header_map(request.headers, request.header_names)}",
            f"Method request body before transformations: {body_text(body)}",
            *trace,
        ]
    elif response.integration_latency_ms:
        latency, status = int(response.integration_latency_ms), service_status(answered)
        lines.append(f"Received response. Status: {status}, Integration latency: {latency} ms")
    lines += _failure(answered, has_data)
    if error is None:
        if has_data:
            lines += [
                f"Method response body after transformations: {body_text(response.body)}",
                f"Method response headers: {header_map(response.headers)}",
            ]
        lines.append("Successfully completed execution")
    lines.append(f"Method completed with status: {response.status}")
    if response.integration_request_id:
        lines.append(f"AWS Integration Endpoint RequestId : {response.integration_request_id}")
    return lines


def _failure(answered: Answered, has_data: bool) -> list[str]:
    error, response = answered.error, answered.response
    if error is None:
        return []
    lines = [
        error.detail or str(error),
        f"Gateway response type: {error.type} with status code: {response.status}",
    ]
    if has_data:
        lines += [
            f"Gateway response body: {body_text(response.body)}",
            f"Gateway response headers: {header_map(response.headers)}",
        ]
    return lines


def _query(raw: bytes) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in raw.decode("latin-1").split("&") if pair)


def _map(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={value}" for name, value in values.items()) + "}"
