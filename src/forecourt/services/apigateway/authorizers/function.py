"""The function that a Lambda authorizer asks, of either kind of API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.auth.policy import Effect, Policy, Request, context_of
from forecourt.base.principal import ANONYMOUS
from forecourt.services.apigateway.authorizers.resource_policy import ACTION, circumstances, method_arn
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports


class AuthorizerFunction:
    def __init__(
        self, uri: str, credentials: str | None, authorizer_id: str, timeout: float, served: Served, ports: Ports
    ) -> None:
        self._name = function_of(uri, served.variables) or uri
        self._context_of = caller_context(served, ports, credentials, f"authorizers/{authorizer_id}")
        self._timeout = timeout
        self._ports = ports

    async def ask(self, request: MethodRequest, event: Mapping[str, Any]) -> bytes:
        """Raises `FunctionError`, and `GatewayError` where it said `Unauthorized` or could not be asked."""
        context = await self._context_of(request)
        request.with_(checks={**request.checks, "authorizer.requestId": context.call_id})
        try:
            _, answer = await invoke(self._ports, context, self._name, msgspec.json.encode(event), self._timeout)
        except FunctionError as error:
            if _says_no(error):
                raise GatewayError("UNAUTHORIZED") from error
            raise
        return answer


def _says_no(error: FunctionError) -> bool:
    """A function says no by failing with `Unauthorized`."""
    try:
        return bool(msgspec.json.decode(error.payload).get("errorMessage") == "Unauthorized")
    except (msgspec.DecodeError, AttributeError, RecursionError):
        return False


def judge(policy: Policy, request: MethodRequest) -> Effect:
    """What a policy that a function gave says of this request's method."""
    return policy.evaluate(Request(ACTION, method_arn(request), context_of(circumstances(request)), ANONYMOUS)).effect
