"""Calling a Lambda function: which one an integration's URI names, as whom, and what may go wrong.

`arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations`. Without `credentials` the
gateway calls as itself (`apigateway.amazonaws.com`), and the function's resource policy decides; with a role's ARN it
calls as that role; with `arn:aws:iam::*:user/*` as the client.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.base.principal import Principal, service
from forecourt.services.apigateway.integrations.uri import substitute_stage_variables
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports

_FUNCTION = re.compile(
    r":lambda:path/\d{4}-\d{2}-\d{2}/functions/(?P<function>.+?)/(?:response-streaming-)?invocations/?$"
)
_SERVICE_PRINCIPAL = "apigateway.amazonaws.com"
CALLER_CREDENTIALS = "arn:aws:iam::*:user/*"


def function_of(uri: str, variables: Mapping[str, str]) -> str | None:
    """The function's ARN (or name) in an integration's or an authorizer's URI; None where there is none."""
    found = _FUNCTION.search(substitute_stage_variables(uri, variables))
    return found["function"] if found is not None else None


def caller_context(
    served: Served, ports: Ports, credentials: str | None, source: str | None = None
) -> Callable[[MethodRequest], Awaitable[CallContext]]:
    """A function that gives the `CallContext` in which a request's integration calls other services.

    `source` is what calls, within the API; the method where it is None.
    """

    async def context(request: MethodRequest) -> CallContext:
        arn = f"{served.arn_prefix}/{request.method}{request.resource.path}"
        if source is not None:
            arn = f"arn:aws:execute-api:{served.region}:{served.account}:{served.api_id}/{source}"
        conditions = {"aws:SourceArn": arn, "aws:SourceAccount": served.account}
        return CallContext(
            principal=await principal(request, conditions),
            region=served.region,
            request_id=request.request_id,
            source_ip=request.source_ip,
            user_agent=_SERVICE_PRINCIPAL,
            conditions=conditions,
            trace_id=request.trace_id,
            call_id=ports.ids.uuid(),
        )

    async def principal(request: MethodRequest, conditions: Mapping[str, str]) -> Principal:
        if not credentials:
            return service(_SERVICE_PRINCIPAL, served.account)
        if credentials == CALLER_CREDENTIALS:
            client = request.principal
            if client is None:
                raise configuration_error("caller's credentials are asked for, and the caller gave none")
            return client
        try:
            role: Principal = await ports.roles.principal(
                credentials, "BackplaneAssumeRoleSession", _SERVICE_PRINCIPAL, conditions
            )
        except ServiceError as error:
            raise configuration_error(f"API Gateway cannot assume the role {credentials}: {error}") from error
        return role

    return context


class FunctionError(Exception):
    """The function itself failed: its payload says how."""

    def __init__(self, payload: bytes, request_id: str = "") -> None:
        super().__init__(payload[:1000].decode("utf-8", "replace"))
        self.payload = payload
        self._request_id = request_id

    @property
    def for_log(self) -> str:
        """AWS's words."""
        try:
            message = str(msgspec.json.decode(self.payload, type=dict[str, Any]).get("errorMessage", ""))
        except (msgspec.DecodeError, RecursionError):
            message = str(self)
        return (
            f"Lambda execution failed with status 200 due to customer function error: {message}. "
            f"Lambda request id: {self._request_id}"
        )


async def invoke(
    ports: Ports,
    context: CallContext,
    function: str,
    payload: bytes,
    timeout: float,
    invocation_type: str = "RequestResponse",
) -> tuple[int, bytes]:
    """The status and the payload. Raises `FunctionError`, and `GatewayError` where the function could not be asked."""
    parameters = {"FunctionName": function, "InvocationType": invocation_type, "Payload": payload}
    try:
        async with asyncio.timeout(timeout):
            answer = await ports.caller.call(context, "lambda", "Invoke", parameters)
    except TimeoutError:
        raise GatewayError("INTEGRATION_TIMEOUT", detail="the function did not answer in time") from None
    except ServiceError as error:
        raise not_asked(function, error) from error
    content: bytes = answer.get("Payload") or b""
    if answer.get("FunctionError"):
        raise FunctionError(content, context.call_id)
    return int(answer.get("StatusCode", 200)), content


class NotPermitted(GatewayError):
    """The gateway, or the role that it has, may not call the function."""

    def __init__(self) -> None:
        detail = "Execution failed due to configuration error: Invalid permissions on Lambda function"
        super().__init__("API_CONFIGURATION_ERROR", detail=detail)


def not_asked(function: str, error: ServiceError) -> GatewayError:
    """What the client gets where the function could not be called."""
    if error.code.startswith("AccessDenied"):
        return NotPermitted()
    if error.code.startswith("TooManyRequests"):
        return GatewayError("INTEGRATION_FAILURE", "Internal server error", status=500, detail=str(error))
    return configuration_error(f"Lambda function {function}: {error}")
