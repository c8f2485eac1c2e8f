"""Access logs in the stage's own format, to CloudWatch Logs.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html. What has no value is a dash in an
access log. A stage without logs has none of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import md5
from typing import Any, NamedTuple

from forecourt.base.arn import Arn
from forecourt.services.apigateway.plan.context import Look, context_value
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import AccessLogSettings

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.-]*[A-Za-z0-9_])")


class Answered(NamedTuple):
    """A request when it is over."""

    request: MethodRequest
    response: MethodResponse
    error: GatewayError | None
    latency_ms: float


Log = Callable[[Answered], None]


def access_log(
    settings: AccessLogSettings | None, served: Served, ports: Ports, look: Look = context_value
) -> Log | None:
    """`look`: how the API's kind answers `$context`."""
    if settings is None or not settings.format or not settings.destination_arn:
        return None
    try:
        destination = Arn.parse(settings.destination_arn)
    except ValueError:
        return None
    if destination.service != "logs":
        # A Firehose stream, which is kept and gets nothing
        return None
    group = destination.resource.removeprefix("log-group:").removesuffix(":*")
    stream = md5(served.arn_prefix.encode(), usedforsecurity=False).hexdigest()
    most_bytes = ports.quotas.access_log_entry_bytes
    pieces = _VARIABLE.split(settings.format)
    literals, names = pieces[0::2], pieces[1::2]

    def write(answered: Answered) -> None:
        parts = [literals[0]]
        for name, literal in zip(names, literals[1:], strict=True):
            known = _OF_ANSWER.get(name)
            parts.append(_text(known(answered) if known is not None else look(answered.request, name)))
            parts.append(literal)
        message = _cut("".join(parts), most_bytes)
        timestamp = int(answered.request.time * 1000)
        ports.logs.write(destination.account, destination.region, group, stream, timestamp, message)

    return write


def _cut(message: str, most_bytes: int) -> str:
    if len(message) <= most_bytes // 4:
        return message
    return message.encode()[:most_bytes].decode("utf-8", "ignore")


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


_INTEGRATION_ERRORS = frozenset(("API_CONFIGURATION_ERROR", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"))
_AUTHORIZER_ERRORS = frozenset(
    ("ACCESS_DENIED", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE", "UNAUTHORIZED")
)
_SIGNATURE_ERRORS = frozenset(("EXPIRED_TOKEN", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN"))


def _of_error(member: str, types: frozenset[str] | None = None) -> Callable[[Answered], Any]:
    """`types`: the errors of one step."""

    def value(answered: Answered) -> Any:
        error = answered.error
        if error is None or (types is not None and error.type not in types):
            return None
        return getattr(error, member)

    return value


def _quoted(answered: Answered) -> str | None:
    return None if answered.error is None else f'"{answered.error.message}"'


def _validation(answered: Answered) -> Any:
    return None if answered.error is None else answered.error.variables.get("validation_errors")


def _integration_latency(answered: Answered) -> int | None:
    latency = answered.response.integration_latency_ms
    return int(latency) if latency else None


def _integration_status(answered: Answered) -> int | None:
    """What the backend, or the function in its answer, said."""
    response = answered.response
    return response.integration_status or (response.status if response.integration_latency_ms else None)


def service_status(answered: Answered) -> int | None:
    """What Lambda said, whatever the function in its answer did; other backends speak for themselves."""
    response = answered.response
    return response.integration_service_status or _integration_status(answered)


def _authorizer_error(answered: Answered) -> Any:
    error = answered.error
    if error is None or error.type not in _AUTHORIZER_ERRORS:
        return None
    return error.variables.get("authorizer_error", error.message)


def _check(name: str) -> Callable[[Answered], Any]:
    return lambda answered: answered.request.checks.get(name)


def _authorizer_status(answered: Answered) -> int | None:
    if answered.error is not None and answered.error.type in _AUTHORIZER_ERRORS:
        return answered.error.status
    return 200 if answered.request.authorizer else None


def _authenticate_status(answered: Answered) -> int | None:
    if answered.error is not None and answered.error.type in _SIGNATURE_ERRORS:
        return answered.error.status
    return 200 if answered.request.principal is not None else None


def _authorize_status(answered: Answered) -> int | None:
    """Of a request that was signed: may its signer?"""
    if answered.error is not None and answered.error.type == "ACCESS_DENIED":
        return answered.error.status
    return 200 if answered.request.principal is not None else None


_OF_ANSWER: Mapping[str, Callable[[Answered], Any]] = {
    "status": lambda a: a.response.status,
    "responseLength": lambda a: a.response.size,
    "dataProcessed": lambda a: (a.request.body.length or 0) + (a.response.size or 0),
    "responseLatency": lambda a: int(a.latency_ms),
    "integrationLatency": _integration_latency,
    "integration.latency": _integration_latency,
    "integration.status": _integration_status,
    "integration.integrationStatus": service_status,
    "integrationStatus": service_status,
    "integration.requestId": lambda a: a.response.integration_request_id,
    "awsEndpointRequestId": lambda a: a.response.integration_request_id,
    "integration.error": _of_error("detail", _INTEGRATION_ERRORS),
    "integrationErrorMessage": _of_error("detail", _INTEGRATION_ERRORS),
    "authorizer.error": _authorizer_error,
    "authorizer.latency": _check("authorizer.latency"),
    "authorizer.integrationLatency": _check("authorizer.integrationLatency"),
    "authorizer.requestId": _check("authorizer.requestId"),
    "authorizer.status": _authorizer_status,
    "authorizer.integrationStatus": _authorizer_status,
    "authenticate.error": _of_error("message", _SIGNATURE_ERRORS),
    "authenticate.status": _authenticate_status,
    "authenticate.latency": _check("authenticate.latency"),
    "authorize.error": _of_error("message", frozenset(("ACCESS_DENIED",))),
    "authorize.status": _authorize_status,
    "authorize.latency": _check("authorize.latency"),
    "error.message": _of_error("message"),
    "error.messageString": _quoted,
    "error.responseType": _of_error("type"),
    "error.validationErrorString": _validation,
}
