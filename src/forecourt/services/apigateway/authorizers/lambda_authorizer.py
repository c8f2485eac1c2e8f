"""Lambda authorizers of REST APIs: TOKEN and REQUEST.

The function is asked once per identity and remembered for the authorizer's TTL; the policy that it gave is evaluated
afresh for every method, so that an Allow for one does not open another.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from forecourt.auth.policy import Effect, Policy, PolicyInvalid, compile_policy
from forecourt.services.apigateway.authorizers.bearing import DEFAULT_IDENTITY_SOURCE
from forecourt.services.apigateway.authorizers.function import AuthorizerFunction, judge
from forecourt.services.apigateway.authorizers.resource_policy import because, method_arn
from forecourt.services.apigateway.authorizers.step import Answer
from forecourt.services.apigateway.integrations.lambda_function import FunctionError
from forecourt.services.apigateway.integrations.lambda_proxy import event_headers, event_query
from forecourt.services.apigateway.integrations.mapping import compile_request_source
from forecourt.services.apigateway.patterns import whole
from forecourt.services.apigateway.plan.context import request_context
from forecourt.services.apigateway.plan.errors import GatewayError, authorizer_misconfigured
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Authorizer

_DEFAULT_TTL_SECONDS = 300
_TIMEOUT_SECONDS = 30.0
# What an invocation that came to nothing is for an authorizer; all else is its configuration.
_OF_CALL = {"INTEGRATION_TIMEOUT": "AUTHORIZER_FAILURE", "INTEGRATION_FAILURE": "AUTHORIZER_FAILURE"}


class Granted(NamedTuple):
    """What the function said of an identity."""

    policy: Policy
    document: str  # the policy as the function wrote it
    context: Mapping[str, Any]
    usage_identifier_key: str | None


class _FunctionAuthority:
    """What the two kinds have in common."""

    def __init__(self, authorizer: Authorizer, scopes: Sequence[str] | None, served: Served, ports: Ports) -> None:
        """Lambda authorizers know no scopes."""
        ttl = authorizer.authorizer_result_ttl_in_seconds
        self._ttl = _DEFAULT_TTL_SECONDS if ttl is None else ttl
        self._function = AuthorizerFunction(
            authorizer.authorizer_uri or "",
            authorizer.authorizer_credentials,
            authorizer.id,
            _TIMEOUT_SECONDS,
            served,
            ports,
        )
        self._clock = ports.clock

    async def _ask(self, request: MethodRequest, event: Mapping[str, Any]) -> Answer[Granted]:
        now, started = self._clock.now(), perf_counter()
        try:
            answer = await self._function.ask(request, event)
        except FunctionError as error:
            # AWS reads the function's error as its answer, which it is not.
            answer = error.payload
        except GatewayError as error:
            if error.type == "UNAUTHORIZED":
                raise
            kind = _OF_CALL.get(error.type, "AUTHORIZER_CONFIGURATION_ERROR")
            raise GatewayError(kind, detail=error.detail) from error
        finally:
            request.latest.checked("authorizer.integrationLatency", started)
        return Answer(read_answer(answer, int((perf_counter() - started) * 1000)), now + self._ttl)

    def admit(self, request: MethodRequest, granted: Granted) -> Mapping[str, Any]:
        effect = judge(granted.policy, request)
        if effect is not Effect.ALLOW:
            raise GatewayError(
                "ACCESS_DENIED",
                f"User is not authorized to access this resource {because(effect, 'identity-based')}",
                authorizer=granted.context,
            )
        return {"authorizer": granted.context, "usage_identifier_key": granted.usage_identifier_key}


class TokenAuthority(_FunctionAuthority):
    """An `Authority[str, Granted]`: by one header, which may have to match a pattern."""

    def __init__(self, authorizer: Authorizer, scopes: Sequence[str] | None, served: Served, ports: Ports) -> None:
        super().__init__(authorizer, scopes, served, ports)
        self._source = compile_request_source(authorizer.identity_source or DEFAULT_IDENTITY_SOURCE, served.variables)
        pattern = authorizer.identity_validation_expression
        self._matches = whole(pattern) if pattern else bool

    def identify(self, request: MethodRequest) -> str:
        value = self._source(request)
        if not isinstance(value, str) or not value or not self._matches(value):
            raise GatewayError("UNAUTHORIZED")
        return value

    async def ask(self, request: MethodRequest, identity: str) -> Answer[Granted]:
        event = {"type": "TOKEN", "methodArn": method_arn(request), "authorizationToken": identity}
        return await self._ask(request, event)


# What stands in a request where an authorizer looks, by where that is
Sources = tuple[tuple[str, Any], ...]


class RequestAuthority(_FunctionAuthority):
    """An `Authority[Sources, Granted]`: by any number of headers, query strings, stage variables and the context."""

    def __init__(self, authorizer: Authorizer, scopes: Sequence[str] | None, served: Served, ports: Ports) -> None:
        super().__init__(authorizer, scopes, served, ports)
        names = [name.strip() for name in (authorizer.identity_source or "").split(",") if name.strip()]
        if not names:
            # Nothing tells one caller from another (a document may say so): what one is granted is not for the next.
            self._ttl = 0
        self._sources = [(name, compile_request_source(name.removeprefix("$"), served.variables)) for name in names]

    def identify(self, request: MethodRequest) -> Sources:
        values = tuple((name, source(request)) for name, source in self._sources)
        if self._ttl and not all(value for _, value in values):
            raise GatewayError("UNAUTHORIZED")
        return values

    async def ask(self, request: MethodRequest, identity: Sources) -> Answer[Granted]:
        return await self._ask(request, _request_event(request))


def _request_event(request: MethodRequest) -> dict[str, Any]:
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


class _Answer(msgspec.Struct):
    principalId: str | int
    policyDocument: dict[str, Any]
    context: dict[str, Any] | None = None
    usageIdentifierKey: str | None = None


def read_answer(payload: bytes, latency_ms: int) -> Granted:
    """Raises `GatewayError` (500) where the function's answer is not what an authorizer's has to be."""
    try:
        given = msgspec.json.decode(payload)
        if not isinstance(given, dict):
            raise authorizer_misconfigured("Could not parse policy")
        strange = next((name for name in given if name not in _Answer.__struct_fields__), None)
        if strange is not None:
            raise authorizer_misconfigured(
                f'Invalid JSON in response: Unrecognized field "{strange}" , not marked as ignorable'
            )
        answer = msgspec.convert(given, _Answer)
        policy = compile_policy(answer.policyDocument)
    except (msgspec.DecodeError, msgspec.ValidationError, PolicyInvalid, RecursionError) as error:
        raise authorizer_misconfigured(f"Invalid JSON in response: {error}") from error
    values = answer.context or {}
    if any(isinstance(value, dict | list) for value in values.values()):
        raise authorizer_misconfigured("Invalid JSON in response: the context holds an object or a list")
    context: dict[str, Any] = {name: _text(value) for name, value in values.items() if value is not None}
    context |= {"principalId": str(answer.principalId), "integrationLatency": latency_ms}
    return Granted(policy, msgspec.json.encode(answer.policyDocument).decode(), context, answer.usageIdentifierKey)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
