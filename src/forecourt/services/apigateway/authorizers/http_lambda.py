"""Lambda authorizers of HTTP APIs: payload formats 1.0 and 2.0, policies or simple answers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.auth.policy import Effect, Policy, PolicyInvalid, compile_policy
from forecourt.services.apigateway.authorizers.function import AuthorizerFunction, judge
from forecourt.services.apigateway.authorizers.resource_policy import method_arn
from forecourt.services.apigateway.authorizers.step import Answer
from forecourt.services.apigateway.http.model import Authorizer
from forecourt.services.apigateway.integrations.http_events import event_1, event_2
from forecourt.services.apigateway.integrations.http_parameters import Seen, compile_source
from forecourt.services.apigateway.integrations.lambda_function import FunctionError, NotPermitted
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports

_TIMEOUT_SECONDS = 10.0
_NOT_PERMITTED = (
    "The IAM role configured on the authorizer or API Gateway doesn't have permissions to call the authorizer. "
    "Check the permissions and try again."
)
# What the function granted: everything (True), nothing (False), or what a policy says
Granted = tuple[bool | Policy, Mapping[str, Any]]
Sources = tuple[str | None, ...]


class HttpFunctionAuthority:
    """An `Authority[Sources, Granted]`."""

    def __init__(self, authorizer: Authorizer, served: Served, ports: Ports) -> None:
        self._function = AuthorizerFunction(
            authorizer.authorizer_uri or "",
            authorizer.authorizer_credentials_arn,
            authorizer.authorizer_id,
            _TIMEOUT_SECONDS,
            served,
            ports,
        )
        self._sources = [compile_source(expression, served.variables) for expression in authorizer.identity_source]
        self._ttl = (authorizer.authorizer_result_ttl_in_seconds or 0) if self._sources else 0
        self._event = _event_1 if authorizer.authorizer_payload_format_version == "1.0" else _event_2
        self._read = _simple if authorizer.enable_simple_responses else _policy
        self._clock = ports.clock

    def identify(self, request: MethodRequest) -> Sources:
        seen = Seen(request, [], b"")
        values = tuple(source(seen) for source in self._sources)
        if not all(values):
            raise GatewayError("UNAUTHORIZED")
        return values

    async def ask(self, request: MethodRequest, identity: Sources) -> Answer[Granted]:
        now = self._clock.now()
        await request.body.read()
        try:
            answer = await self._function.ask(request, self._event(request, identity))
            return Answer(self._read(msgspec.json.decode(answer, type=dict[str, Any])), now + self._ttl)
        except FunctionError as error:
            raise GatewayError("AUTHORIZER_FAILURE", detail=str(error)) from error
        except NotPermitted as error:
            raise GatewayError(
                "AUTHORIZER_CONFIGURATION_ERROR", detail=_NOT_PERMITTED, authorizer_error=_NOT_PERMITTED
            ) from error
        except (msgspec.DecodeError, PolicyInvalid, LookupError, TypeError, RecursionError) as error:
            raise GatewayError(
                "AUTHORIZER_CONFIGURATION_ERROR", detail=f"invalid authorizer response: {error}"
            ) from error

    def admit(self, request: MethodRequest, granted: Granted) -> Mapping[str, Any]:
        verdict, context = granted
        if not (verdict if isinstance(verdict, bool) else judge(verdict, request) is Effect.ALLOW):
            raise GatewayError("ACCESS_DENIED")
        return {"authorizer": {"lambda": dict(context)}}


def _event_2(request: MethodRequest, identity: Sources) -> dict[str, Any]:
    own = {"type": "REQUEST", "routeArn": method_arn(request), "identitySource": identity}
    return _without_body(event_2(request)) | own


def _event_1(request: MethodRequest, identity: Sources) -> dict[str, Any]:
    joined = ",".join(str(value) for value in identity)
    own = {"version": "1.0", "type": "REQUEST", "methodArn": method_arn(request)}
    return _without_body(event_1(request)) | own | {"identitySource": joined, "authorizationToken": joined}


def _without_body(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}


def _simple(answer: Mapping[str, Any]) -> Granted:
    is_authorized = answer["isAuthorized"]
    if not isinstance(is_authorized, bool):
        raise TypeError("isAuthorized is neither true nor false")
    return is_authorized, answer.get("context") or {}


def _policy(answer: Mapping[str, Any]) -> Granted:
    return compile_policy(answer["policyDocument"]), {
        "principalId": answer["principalId"],
        **(answer.get("context") or {}),
    }
