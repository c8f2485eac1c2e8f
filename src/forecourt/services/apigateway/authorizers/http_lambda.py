"""Lambda authorizers of HTTP APIs: payload formats 1.0 and 2.0, policies or simple answers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from time import perf_counter
from typing import Any, cast

import msgspec

from forecourt.auth.policy import Effect, Policy, PolicyInvalid, Request, compile_policy, context_of
from forecourt.base.principal import ANONYMOUS
from forecourt.services.apigateway.authorizers.resource_policy import ACTION, circumstances, method_arn
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.http.model import Authorizer
from forecourt.services.apigateway.integrations.http_api import event_1, event_2
from forecourt.services.apigateway.integrations.http_parameters import Seen, compile_source
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    NotPermitted,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports

_TIMEOUT_SECONDS = 10.0
_NOT_PERMITTED = (
    "The IAM role configured on the authorizer or API Gateway doesn't have permissions to call the authorizer. "
    "Check the permissions and try again."
)
# What the function granted: everything (True), nothing (False), or what a policy says
Granted = tuple[bool | Policy, Mapping[str, Any]]


def with_lambda_authorizer(
    handler: Handler, authorizer: Authorizer, served: Served, ports: Ports, results: Results[object]
) -> Handler:
    uri = authorizer.authorizer_uri or ""
    function = function_of(uri, served.variables) or uri
    context = caller_context(
        served, ports, authorizer.authorizer_credentials_arn, f"authorizers/{authorizer.authorizer_id}"
    )
    sources = [compile_source(expression, served.variables) for expression in authorizer.identity_source]
    ttl = authorizer.authorizer_result_ttl_in_seconds or 0
    is_second = authorizer.authorizer_payload_format_version != "1.0"

    def authorize(request: MethodRequest) -> Awaitable[MethodResponse]:
        started = perf_counter()
        identity = [source(Seen(request, [], b"")) for source in sources]
        if not all(identity):
            raise GatewayError("UNAUTHORIZED")
        key = "\x1f".join(str(value) for value in identity)
        granted = cast("Granted | None", results.get(key, ports.clock.now())) if ttl and sources else None
        if granted is None:
            return wait(request, identity, key)
        return admit(request.checked("authorizer.latency", started), granted)

    async def wait(request: MethodRequest, identity: list[str | None], key: str) -> MethodResponse:
        started = perf_counter()
        now = ports.clock.now()
        await request.body.read()
        event = _event_2(request, identity) if is_second else _event_1(request, identity)
        try:
            asked_as = await context(request)
            request = request.with_(checks={**request.checks, "authorizer.requestId": asked_as.call_id})
            _, answer = await invoke(ports, asked_as, function, msgspec.json.encode(event), _TIMEOUT_SECONDS)
        except FunctionError as error:
            raise _failed(error) from error
        except NotPermitted as error:
            raise GatewayError(
                "AUTHORIZER_CONFIGURATION_ERROR", detail=_NOT_PERMITTED, authorizer_error=_NOT_PERMITTED
            ) from error
        granted = _read(answer, simple=bool(authorizer.enable_simple_responses))
        if ttl and sources:
            results.put(key, granted, now + ttl)
        return await admit(request.checked("authorizer.latency", started), granted)

    def admit(request: MethodRequest, granted: Granted) -> Awaitable[MethodResponse]:
        if not _allows(granted[0], request):
            raise GatewayError("ACCESS_DENIED")
        return handler(request.with_(authorizer={"lambda": dict(granted[1])}))

    return authorize


def _event_2(request: MethodRequest, identity: list[str | None]) -> dict[str, Any]:
    event = event_2(request)
    for name in ("body", "isBase64Encoded"):
        event.pop(name, None)
    return {**event, "type": "REQUEST", "routeArn": method_arn(request), "identitySource": identity}


def _event_1(request: MethodRequest, identity: list[str | None]) -> dict[str, Any]:
    event = event_1(request)
    for name in ("body", "isBase64Encoded"):
        event.pop(name, None)
    joined = ",".join(str(value) for value in identity)
    arn = method_arn(request)
    own = {"version": "1.0", "type": "REQUEST", "methodArn": arn}
    return {**event, **own, "identitySource": joined, "authorizationToken": joined}


def _failed(error: FunctionError) -> GatewayError:
    """A function says no by failing with `Unauthorized`."""
    try:
        message = msgspec.json.decode(error.payload).get("errorMessage")
    except (msgspec.DecodeError, AttributeError):
        message = None
    return GatewayError("UNAUTHORIZED" if message == "Unauthorized" else "AUTHORIZER_FAILURE", detail=str(error))


def _read(payload: bytes, *, simple: bool) -> Granted:
    try:
        answer = msgspec.json.decode(payload, type=dict[str, Any])
        context = answer.get("context") or {}
        if simple:
            if not isinstance(answer.get("isAuthorized"), bool):
                raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", detail="isAuthorized is missing")
            return answer["isAuthorized"], context
        return compile_policy(answer["policyDocument"]), {"principalId": answer["principalId"], **context}
    except (msgspec.DecodeError, msgspec.ValidationError, PolicyInvalid, KeyError, TypeError) as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", detail=f"invalid authorizer response: {error}") from error


def _allows(granted: bool | Policy, request: MethodRequest) -> bool:
    if isinstance(granted, bool):
        return granted
    asked = Request(ACTION, method_arn(request), context_of(circumstances(request)), ANONYMOUS)
    return granted.evaluate(asked).effect is Effect.ALLOW
