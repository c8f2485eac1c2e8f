"""HTTP APIs as plans: the same parts as REST APIs', fewer steps, and answers of their own.

A route that lacks the method gives way to a less specific one, `$default` takes what is left; errors are
`{"message": …}` with `apigw-requestid`. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from forecourt.base.asgi import Receive, Scope, Send, direct
from forecourt.base.headers import Headers
from forecourt.services.apigateway.authorizers.http_lambda import HttpFunctionAuthority
from forecourt.services.apigateway.authorizers.iam import with_iam
from forecourt.services.apigateway.authorizers.jwt import JwtAuthority
from forecourt.services.apigateway.authorizers.step import authorized
from forecourt.services.apigateway.http.model import DEFAULT_ROUTE, HttpSnapshot, Route, Stage
from forecourt.services.apigateway.integrations.http_api import compile_integration
from forecourt.services.apigateway.limits import Limit
from forecourt.services.apigateway.plan.context import http_context_value
from forecourt.services.apigateway.plan.cors import CorsAnswers
from forecourt.services.apigateway.plan.errors import GatewayError, misconfigured
from forecourt.services.apigateway.plan.invocation import Answering, Invocation
from forecourt.services.apigateway.plan.limiting import throttled
from forecourt.services.apigateway.plan.logs import Log, access_log
from forecourt.services.apigateway.plan.messages import (
    MethodRequest,
    MethodResponse,
    RequestBody,
    ResourceMethod,
    Served,
    extended_request_id_bytes,
)
from forecourt.services.apigateway.plan.meter import HttpTally, Tally
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.router import HttpRouter, Router
from forecourt.services.apigateway.plan.router import Route as Routed
from forecourt.services.apigateway.plan.state import Shared
from forecourt.services.apigateway.rest import model as rest

_NO_PARAMETERS: Mapping[str, bytes] = {}

# What a step's refusal is in an HTTP API. Where the type says nothing: 500.
_ERRORS: Mapping[str, tuple[int, str]] = {
    "MISSING_AUTHENTICATION_TOKEN": (403, "Forbidden"),
    "RESOURCE_NOT_FOUND": (404, "Not Found"),
    "ACCESS_DENIED": (403, "Forbidden"),
    "INVALID_SIGNATURE": (403, "Forbidden"),
    "EXPIRED_TOKEN": (403, "Forbidden"),
    "UNAUTHORIZED": (401, "Unauthorized"),
    "THROTTLED": (429, "Too Many Requests"),
    "REQUEST_TOO_LARGE": (413, "Request Entity Too Large"),
    "BAD_REQUEST_PARAMETERS": (400, "Bad Request"),
    "INTEGRATION_TIMEOUT": (503, "Service Unavailable"),
    "INTEGRATION_FAILURE": (503, "Service Unavailable"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPlan:
    served: Served
    router: Router[Answering]
    default: Answering
    ports: Ports
    cors: CorsAnswers | None

    def serve(self, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
        """None: the request is answered, or will be."""
        answering, parameters = self.router.find(scope["method"], raw_path) or (self.default, _NO_PARAMETERS)
        ours = direct(scope)
        request = MethodRequest(
            self.served,
            answering.resource,
            scope,
            scope["state"]["request_id"],
            self.ports.clock.now(),
            raw_path,
            scope["headers"],
            RequestBody(scope, receive, self.served.payload_bytes, ours),
            parameters,
        )
        return Invocation(self, answering, request, send, ours).begin()

    # -- the manner of an HTTP API

    def refusal(self, error: GatewayError, request: MethodRequest) -> MethodResponse:
        return _refused(error)

    def finish(self, request: MethodRequest, response: MethodResponse) -> MethodResponse:
        return response if self.cors is None else self.cors.add(request, response)

    def own_headers(self, request_id: str) -> Headers:
        return request_headers(request_id)


def request_headers(request_id: str) -> Headers:
    return [(b"apigw-requestid", extended_request_id_bytes(request_id))]


def no_stage() -> MethodResponse:
    """What an HTTP API answers where no stage is served."""
    return _refused(GatewayError("RESOURCE_NOT_FOUND"))


def _refused(error: GatewayError) -> MethodResponse:
    status, message = _ERRORS.get(error.type, (500, "Internal Server Error"))
    headers: Headers = [(b"content-type", b"application/json")]
    challenge = error.variables.get("challenge")
    if challenge:
        headers.append((b"www-authenticate", challenge.encode()))
    return MethodResponse(status, headers, msgspec.json.encode({"message": message}))


# -- compiling


def compile_http_plan(snapshot: HttpSnapshot, stage: Stage, ports: Ports, shared: Shared) -> HttpPlan:
    compiler = _Compiler(snapshot, stage, ports, shared)
    routes = []
    default = compiler.nowhere()
    for route in snapshot.routes:
        answering = compiler.route(route)
        if route.route_key == DEFAULT_ROUTE:
            default = answering
        else:
            method, _, path = route.route_key.partition(" ")
            routes.append(Routed(method, path, answering))
    return HttpPlan(
        served=compiler.served,
        router=HttpRouter(routes),
        default=default,
        ports=ports,
        cors=compiler.cors,
    )


class _Compiler:
    def __init__(self, snapshot: HttpSnapshot, stage: Stage, ports: Ports, shared: Shared) -> None:
        self.served = Served(
            account=stage.account,
            region=stage.region,
            api_id=stage.api_id,
            api_name=snapshot.name,
            stage=stage.stage_name,
            variables=stage.stage_variables,
            deployment_id=snapshot.deployment_id,
            payload_bytes=ports.quotas.payload_bytes,
        )
        cors = snapshot.cors_configuration
        self.cors = CorsAnswers(cors) if cors is not None else None
        self._stage = stage
        self._ports = ports
        self._shared = shared
        self._integrations = {item.integration_id: item for item in snapshot.integrations}
        self._authorizers = {item.authorizer_id: item for item in snapshot.authorizers}

    def route(self, route: Route) -> Answering:
        try:
            handler = self._handler(route)
        except (ValueError, re.error) as error:
            handler = misconfigured(str(error))
        path = route.route_key.partition(" ")[2] or route.route_key
        return self._answering(
            # The route key stands where a REST API has the operation's name: no HTTP API has one.
            ResourceMethod(path, route.route_id, route.route_key),
            handler,
        )

    def nowhere(self) -> Answering:
        def not_found(request: MethodRequest) -> MethodResponse:
            raise GatewayError("RESOURCE_NOT_FOUND")

        return self._answering(ResourceMethod(), not_found)

    def _answering(self, resource: ResourceMethod, handler: Handler) -> Answering:
        if self.cors is not None:
            handler = self.cors.before(handler)
        return Answering(resource=resource, handler=handler, tally=self._tally(resource), logs=self._logs())

    def _handler(self, route: Route) -> Handler:
        integration = self._integrations.get((route.target or "").removeprefix("integrations/"))
        if integration is None:
            return misconfigured("the route has no integration")
        handler = compile_integration(integration, self.served, self._ports)
        limits = self._shared.limits
        handler = throttled(handler, limits, self.served, self._limit(route.route_key), route.route_key)
        return self._authorized(handler, route)

    def _authorized(self, handler: Handler, route: Route) -> Handler:
        if route.authorization_type == "AWS_IAM":
            return with_iam(handler, self._ports, None)
        if route.authorization_type == "NONE":
            return handler
        authorizer = self._authorizers.get(route.authorizer_id or "")
        if authorizer is None:
            return misconfigured(f"authorizer {route.authorizer_id} is not there")
        name = self.served.api_id, self.served.stage, authorizer.authorizer_id
        results = self._shared.authorizer_results.of(*name, msgspec.json.encode(authorizer))
        clock = self._ports.clock
        if authorizer.authorizer_type == "JWT":
            jwt = JwtAuthority(authorizer, route.authorization_scopes, self.served, self._ports)
            return authorized(handler, jwt, results, clock)
        function = HttpFunctionAuthority(authorizer, self.served, self._ports)
        return authorized(handler, function, results, clock)

    def _setting(self, route_key: str, name: str) -> Any:
        """The route's own, else the stage's."""
        own = self._stage.route_settings.get(route_key)
        value = getattr(own, name) if own is not None else None
        return value if value is not None else getattr(self._stage.default_route_settings, name)

    def _limit(self, route_key: str) -> Limit | None:
        rate = self._setting(route_key, "throttling_rate_limit")
        burst = self._setting(route_key, "throttling_burst_limit")
        return None if rate is None or burst is None else Limit(rate, burst)

    def _tally(self, resource: ResourceMethod) -> Tally:
        served = self.served
        by_api = (("ApiId", served.api_id),)
        by_stage = (*by_api, ("Stage", served.stage))
        dimensions = [by_api, by_stage]
        if resource.operation_name and self._setting(resource.operation_name, "detailed_metrics_enabled"):
            method = resource.operation_name.partition(" ")[0]
            dimensions.append((*by_stage, ("Resource", resource.path), ("Method", method)))
        return HttpTally(self._ports.meter, tuple((served.account, served.region, names) for names in dimensions))

    def _logs(self) -> tuple[Log, ...]:
        settings = self._stage.access_log_settings
        if settings is None:
            return ()
        found = access_log(
            rest.AccessLogSettings(format=settings.format, destination_arn=settings.destination_arn),
            self.served,
            self._ports,
            http_context_value,
        )
        return (found,) if found is not None else ()
