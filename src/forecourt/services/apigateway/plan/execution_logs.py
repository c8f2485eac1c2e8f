"""Execution logs: the steps of a request in AWS's words, to CloudWatch Logs.

`ERROR` has what went wrong, `INFO` the steps of every request, and with `dataTrace` (`tracing.py`) what was asked of
the backend and what it answered. Written when the request is over; a stage without logs has none of this.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import md5
from typing import NamedTuple

from forecourt.base.ports import LogSink
from forecourt.services.apigateway.limits import ACCOUNT_LIMIT, Limit
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.logs import Answered, Log, service_status
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.tracing import Trace, body_text, cut, header_map, masked, trace_of_request
from forecourt.services.apigateway.rest.model import MethodSetting

_AUTHORIZERS_ERRORS = frozenset(
    ("ACCESS_DENIED", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE", "UNAUTHORIZED")
)
_NOT_AUTHORIZED = "The client is not authorized to perform this operation."
# Refused before the method's execution begins
_KEYS_ERRORS = frozenset(("INVALID_API_KEY", "QUOTA_EXCEEDED", "THROTTLED"))


class Logged(NamedTuple):
    """What of a method its log tells: `GET /pets/{id}`."""

    name: str = ""
    authorizer_id: str = ""
    # Whom the authorizer is asked about; raises `GatewayError` where a request does not say it
    identify: Callable[[MethodRequest], object] | None = None
    api_key_required: bool = False
    # What its requests have where no API key brings a limit of its own
    limit: Limit = ACCOUNT_LIMIT
    # Whether its stage is traced by X-Ray
    has_tracing: bool = False


def execution_log(setting: MethodSetting, logged: Logged, served: Served, sink: LogSink) -> Log | None:
    if setting.logging_level not in ("ERROR", "INFO"):
        return None
    group = f"API-Gateway-Execution-Logs_{served.api_id}/{served.stage}"
    stream = md5(f"{served.arn_prefix}/execution".encode(), usedforsecurity=False).hexdigest()
    is_info, has_data = setting.logging_level == "INFO", is_traced(setting)

    def write(answered: Answered) -> None:
        request, error = answered.request, answered.error
        if is_info:
            trace = trace_of_request() if has_data else None
            lines = [f"Extended Request Id: {request.extended_request_id}", *_steps(answered, logged, trace)]
            if logged.has_tracing:
                lines.append(f"X-ray Tracing ID : {request.trace_id}")
        else:
            lines = [] if error is None else [str(error)]
        for line in lines:
            message = cut(f"({request.request_id}) {line}")
            sink.write(served.account, served.region, group, stream, int(request.time * 1000), message)

    return write


def is_traced(setting: MethodSetting) -> bool:
    return setting.data_trace_enabled and setting.logging_level == "INFO"


def _steps(answered: Answered, logged: Logged, trace: Trace | None) -> list[str]:
    error = answered.error
    lines: list[str] = []
    if error is not None and error.type == "ACCESS_DENIED" and not answered.request.authorizer:
        # By the resource policy, or for lack of a permission: before there is anything to tell of
        return [_NOT_AUTHORIZED, *_refused(answered, trace)]
    if logged.authorizer_id:
        lines = _authorization(answered, logged, trace)
        if error is not None and error.type in _AUTHORIZERS_ERRORS:
            return lines + _refused(answered, trace)
    lines += _usage_plan(answered, logged)
    if error is not None and error.type in _KEYS_ERRORS:
        return lines + _refused(answered, trace)
    return lines + execution_lines(answered, trace.endpoint if trace is not None else None)


def _refused(answered: Answered, trace: Trace | None) -> list[str]:
    """The end of a request whose method was not executed. AWS says no more of one without a valid identity."""
    error, status = answered.error, answered.response.status
    lines = [] if trace is None else _gateway_response(answered)
    if error is None or error.type != "UNAUTHORIZED":
        lines.append(f"Method completed with status: {status}")
    return lines


def _authorization(answered: Answered, logged: Logged, trace: Trace | None) -> list[str]:
    request, error = answered.request, answered.error
    lines = [starting(logged.authorizer_id, request.request_id)]
    try:
        if logged.identify is not None:
            lines.append(f"Incoming identity: {shown(logged.identify(request))}")
    except GatewayError:
        pass
    if trace is not None:
        lines += trace.of_authorizer()
    if error is None or error.type not in _AUTHORIZERS_ERRORS:
        return lines + authorizer_succeeded(request.authorizer.get("principalId"))
    if error.type == "ACCESS_DENIED":
        return [*lines, *authorizer_succeeded(request.authorizer.get("principalId")), _NOT_AUTHORIZED]
    return lines + authorizer_failed(error, request.request_id)


def starting(authorizer_id: str, request_id: str) -> str:
    return f"Starting authorizer: {authorizer_id} for request: {request_id}"


def shown(identity: object) -> str:
    """A token, or the values of the identity sources by their names."""
    if isinstance(identity, tuple):
        return _map({name: masked(str(value)) for name, value in identity if value is not None})
    return masked(str(identity))


def authorizer_failed(error: GatewayError, request_id: str) -> list[str]:
    return [f"Unauthorized request: {request_id}"] if error.type == "UNAUTHORIZED" else [str(error)]


def authorizer_succeeded(principal: str | None) -> list[str]:
    """`principal`: where a function's policy names one."""
    told = [] if principal is None else [f"Using valid authorizer policy for principal: {masked(principal)}"]
    return [*told, "Successfully completed authorizer execution"]


def _usage_plan(answered: Answered, logged: Logged) -> list[str]:
    request, error = answered.request, answered.error
    stage = f"{request.served.api_id}/{request.served.stage}"
    key = masked(str(request.identity.get("apiKey") or ""))
    lines = [f"Verifying Usage Plan for request: {request.request_id}. API Key: {key} API Stage: {stage}"]
    if error is not None and error.type in _KEYS_ERRORS:
        return [*lines, _key_refused(error, request, logged, key)]
    if not logged.api_key_required:
        lines.append(
            f"API Key {key} authorized because method '{logged.name}' does not require API Key. "
            "Request will not contribute to throttle or quota limits"
        )
    return [*lines, f"Usage Plan check succeeded for API Key {key} and API Stage {stage}"]


def _key_refused(error: GatewayError, request: MethodRequest, logged: Logged, key: str) -> str:
    served = request.served
    if error.type == "INVALID_API_KEY":
        return (
            f"API Key {key} not authorized because method '{logged.name}' requires API Key and API Key is not "
            f"associated with a Usage Plan for API Stage {served.api_id}/{served.stage}"
        )
    if error.type == "THROTTLED" and not logged.api_key_required:
        rate, burst = logged.limit
        return (
            f"Key throttle limit exceeded for RestApi {served.api_id}, Stage {served.stage}, "
            f"Resource {request.resource.id}, HttpMethod {request.method}. Limit: {rate:.2f} Burst: {burst}"
        )
    return str(error)


def execution_lines(answered: Answered, trace: list[str] | None) -> list[str]:
    """From the start of the execution on. `trace`: what was noted of the backend; None: no data is told."""
    request, response, error = answered.request, answered.response, answered.error
    has_data = trace is not None
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
    if error is not None:
        lines += [str(error), *(_gateway_response(answered) if has_data else ())]
    else:
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


def _gateway_response(answered: Answered) -> list[str]:
    response, kind = answered.response, answered.error.type if answered.error is not None else ""
    return [
        f"Gateway response type: {kind} with status code: {response.status}",
        f"Gateway response body: {body_text(response.body)}",
        f"Gateway response headers: {header_map(response.headers)}",
    ]


def _query(raw: bytes) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in raw.decode("latin-1").split("&") if pair)


def _map(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={value}" for name, value in values.items()) + "}"
