"""Lambda authorizers of REST APIs: TOKEN and REQUEST.

The function is asked once per identity and remembered for the authorizer's TTL; the policy that it gave is evaluated
afresh for every method, so that an Allow for one does not open another.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple, cast

import msgspec

from forecourt.auth.policy import Effect, Policy, PolicyInvalid, Request, compile_policy, context_of
from forecourt.base.principal import ANONYMOUS
from forecourt.services.apigateway.authorizers.resource_policy import (
    ACTION,
    because,
    circumstances,
    method_arn,
)
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.integrations.lambda_proxy import event_headers, event_query
from forecourt.services.apigateway.integrations.mapping import RequestSource, compile_request_source
from forecourt.services.apigateway.patterns import Matches, whole
from forecourt.services.apigateway.plan.context import request_context
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.rest.model import Authorizer

_DEFAULT_TTL_SECONDS = 300
_MOST_TTL_SECONDS = 3600
_TIMEOUT_SECONDS = 30.0
_SEPARATOR = "\x1f"


class Granted(NamedTuple):
    """What the function said of an identity."""

    policy: Policy
    document: str  # the policy as the function wrote it
    context: Mapping[str, Any]
    usage_identifier_key: str | None


# What an invocation that came to nothing is for an authorizer; all else is its configuration.
_OF_CALL = {"INTEGRATION_TIMEOUT": "AUTHORIZER_FAILURE", "INTEGRATION_FAILURE": "AUTHORIZER_FAILURE"}


def with_lambda_authorizer(
    handler: Handler, authorizer: Authorizer, served: Served, ports: Ports, results: Results[object]
) -> Handler:
    function = AuthorizerFunction(authorizer, served, ports, results)

    def authorize(request: MethodRequest) -> Awaitable[MethodResponse]:
        started = perf_counter()
        granted = function.remembered(request)
        if granted is None:
            return wait(request)
        return admit(request.checked("authorizer.latency", started), granted)

    async def wait(request: MethodRequest) -> MethodResponse:
        started = perf_counter()
        try:
            granted = await function.ask(request)
        finally:
            request = request.latest.checked("authorizer.latency", started)
        return await admit(request, granted)

    def admit(request: MethodRequest, granted: Granted) -> Awaitable[MethodResponse]:
        effect = judge(granted, request)
        if effect is not Effect.ALLOW:
            reason = because(effect, "identity-based")
            raise GatewayError("ACCESS_DENIED", f"User is not authorized to access this resource {reason}")
        key = granted.usage_identifier_key
        return handler(request.with_(authorizer=granted.context, usage_identifier_key=key))

    return authorize


def judge(granted: Granted, request: MethodRequest) -> Effect:
    asked = Request(ACTION, method_arn(request), context_of(circumstances(request)), ANONYMOUS)
    return granted.policy.evaluate(asked).effect


class AuthorizerFunction:
    def __init__(self, authorizer: Authorizer, served: Served, ports: Ports, results: Results[object]) -> None:
        ttl = authorizer.authorizer_result_ttl_in_seconds
        self._ttl = _DEFAULT_TTL_SECONDS if ttl is None else min(ttl, _MOST_TTL_SECONDS)
        if authorizer.type == "REQUEST" and not (authorizer.identity_source or "").strip(" ,"):
            # Nothing tells one caller from another (a document may say so): what one is granted is not for the next.
            self._ttl = 0
        self._function = function_of(authorizer.authorizer_uri or "", served.variables)
        self._context_of_call = caller_context(
            served, ports, authorizer.authorizer_credentials, f"authorizers/{authorizer.id}"
        )
        self._identity_of = _identity(authorizer, served, cached=self._ttl > 0)
        self._build = _token_event if authorizer.type == "TOKEN" else _request_event
        self._served = served
        self._ports = ports
        self._results = results

    def remembered(self, request: MethodRequest) -> Granted | None:
        """Raises `GatewayError` (401) where the request says nothing of an identity."""
        identity = self._identity_of(request)
        return cast("Granted | None", self._results.get(identity, self._ports.clock.now())) if self._ttl else None

    async def ask(self, request: MethodRequest) -> Granted:
        """Raises `GatewayError`."""
        identity = self._identity_of(request)
        now = self._ports.clock.now()
        if self._function is None:
            raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", detail="the authorizer's URI names no function")
        event = msgspec.json.encode(self._build(request, identity))
        started = perf_counter()
        try:
            context = await self._context_of_call(request)
            request = request.with_(checks={**request.checks, "authorizer.requestId": context.call_id})
            _, answer = await invoke(self._ports, context, self._function, event, _TIMEOUT_SECONDS)
        except FunctionError as error:
            raise _refused(error) from error
        except GatewayError as error:
            raise GatewayError(
                _OF_CALL.get(error.type, "AUTHORIZER_CONFIGURATION_ERROR"), detail=error.detail
            ) from error
        finally:
            request.checked("authorizer.integrationLatency", started)
        granted = read_answer(answer, self._served, int((perf_counter() - started) * 1000))
        if self._ttl:
            self._results.put(identity, granted, now + self._ttl)
        return granted


# -- the identity


def _identity(authorizer: Authorizer, served: Served, *, cached: bool) -> Callable[[MethodRequest], str]:
    """A function that gives the identity that is asked about. It raises `GatewayError` (401) where there is none."""
    expressions = [part.strip() for part in (authorizer.identity_source or "").split(",") if part.strip()]
    if authorizer.type == "TOKEN":
        source = compile_request_source(expressions[0] if expressions else _AUTHORIZATION, served.variables)
        pattern = authorizer.identity_validation_expression
        return _token(source, whole(pattern) if pattern else None)
    sources = [_source(expression, served) for expression in expressions]
    return _parameters(sources, needed=cached)


_AUTHORIZATION = "method.request.header.Authorization"


def _source(expression: str, served: Served) -> RequestSource:
    return compile_request_source(expression.replace("$context.", "context."), served.variables)


def _token(source: RequestSource, matches: Matches | None) -> Callable[[MethodRequest], str]:
    def token(request: MethodRequest) -> str:
        value = source(request)
        if not isinstance(value, str) or not value or (matches is not None and not matches(value)):
            raise GatewayError("UNAUTHORIZED")
        return value

    return token


def _parameters(sources: list[RequestSource], *, needed: bool) -> Callable[[MethodRequest], str]:
    def parameters(request: MethodRequest) -> str:
        values = [source(request) for source in sources]
        if needed and not all(values):
            raise GatewayError("UNAUTHORIZED")
        return _SEPARATOR.join(str(value) for value in values)

    return parameters


# -- the event


def _token_event(request: MethodRequest, token: str) -> dict[str, Any]:
    return {"type": "TOKEN", "methodArn": method_arn(request), "authorizationToken": token}


def _request_event(request: MethodRequest, identity: str) -> dict[str, Any]:
    headers, all_headers = event_headers(request)
    query, all_query = event_query(request)
    return {
        "type": "REQUEST",
        "methodArn": method_arn(request),
        "resource": request.resource.path,
        "path": request.path_for_event,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": all_headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": all_query,
        "pathParameters": request.path_parameters,
        "stageVariables": dict(request.served.variables),
        "requestContext": request_context(request),
    }


# -- the answer


def _refused(error: FunctionError) -> GatewayError:
    """A function says no by failing with `Unauthorized`."""
    try:
        message = msgspec.json.decode(error.payload).get("errorMessage")
    except (msgspec.DecodeError, AttributeError):
        message = None
    if message == "Unauthorized":
        return GatewayError("UNAUTHORIZED")
    # AWS reads the function's error as its answer, which it is not.
    detail = 'Execution failed due to configuration error: Invalid JSON in response: Unrecognized field "errorMessage"'
    return GatewayError("AUTHORIZER_CONFIGURATION_ERROR", detail=detail)


def read_answer(payload: bytes, served: Served, latency_ms: int) -> Granted:
    """Raises `GatewayError` (500) where the function's answer is not what an authorizer's has to be."""
    try:
        answer = msgspec.json.decode(payload, type=_Answer)
        policy = compile_policy(answer.policyDocument)
    except (msgspec.DecodeError, msgspec.ValidationError, PolicyInvalid) as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", detail=f"invalid authorizer response: {error}") from error
    given = answer.context or {}
    if any(isinstance(value, dict | list) for value in given.values()):
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", detail="the authorizer's context holds objects")
    context: dict[str, Any] = {name: _as_text(value) for name, value in given.items() if value is not None}
    context |= {"principalId": str(answer.principalId), "integrationLatency": latency_ms}
    return Granted(policy, msgspec.json.encode(answer.policyDocument).decode(), context, answer.usageIdentifierKey)


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    principalId: str | int
    policyDocument: dict[str, Any]
    context: dict[str, Any] | None = None
    usageIdentifierKey: str | None = None


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
