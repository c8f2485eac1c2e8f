"""From a deployment's snapshot and a stage to a plan: all decisions about configuration are made here, once.

A method's handler is a chain that holds the steps which this method has, in AWS's order, and nothing else; a request
never asks what kind of integration, authorizer or cache there is. Plans do not change: a new deployment, or a stage
that is updated, makes a new one, and requests that are under way keep the old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from forecourt.auth.policy import Policy, PolicyInvalid
from forecourt.base.errors import AccessDenied
from forecourt.services.apigateway.authorizers.iam import with_iam
from forecourt.services.apigateway.authorizers.resource_policy import (
    compile_resource_policy,
    method_arn,
    with_bounded_arn,
    with_resource_policy,
)
from forecourt.services.apigateway.authorizers.rest import rest_authority
from forecourt.services.apigateway.authorizers.step import authorized
from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.limits import Limit
from forecourt.services.apigateway.plan.caching import Caching, cached
from forecourt.services.apigateway.plan.compression import unpacking
from forecourt.services.apigateway.plan.errors import GatewayError, misconfigured
from forecourt.services.apigateway.plan.execution_logs import Logged, is_traced
from forecourt.services.apigateway.plan.gateway_responses import GatewayResponses
from forecourt.services.apigateway.plan.integrations import Integrations
from forecourt.services.apigateway.plan.invocation import Answering
from forecourt.services.apigateway.plan.limiting import throttled, with_api_key
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, ResourceMethod, Served
from forecourt.services.apigateway.plan.meter import Tally
from forecourt.services.apigateway.plan.observed import Observed
from forecourt.services.apigateway.plan.plan import Plan, no_method
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.router import Route, Router
from forecourt.services.apigateway.plan.state import Shared
from forecourt.services.apigateway.plan.tracing import noting, past_authorizer, traced
from forecourt.services.apigateway.plan.validation import validating
from forecourt.services.apigateway.rest.model import (
    Authorizer,
    Integration,
    Method,
    MethodSetting,
    Resource,
    Stage,
    method_setting,
)
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.snapshot import Snapshot
from forecourt.services.apigateway.vtl import TemplateError


def compile_plan(snapshot: Snapshot, stage: Stage, ports: Ports, shared: Shared, *, canary: bool = False) -> Plan:
    """`canary`: the plan of the stage's canary, whose deployment `snapshot` is."""
    compiler = _Compiler(snapshot, stage, _served(snapshot, stage, canary, ports.quotas), ports, shared)
    routes = [
        Route(method.http_method, resource.path, compiler.method(resource, method))
        for resource in snapshot.resources
        for method in resource.resource_methods.values()
    ]
    return Plan(
        served=compiler.served,
        router=Router(routes),
        gateway_responses=GatewayResponses(snapshot.gateway_responses, compiler.served.variables),
        ports=ports,
        compress_from=snapshot.minimum_compression_size,
        fallback=Answering(
            resource=ResourceMethod(),
            handler=no_method,
            tally=compiler.observed.tally(),
            logs=compiler.observed.logs(MethodSetting(), Logged()),
        ),
    )


def compile_test(
    snapshot: Snapshot, stage: Stage, ports: Ports, shared: Shared, resource: Resource, method: Method
) -> Handler:
    """A method without what guards it: no authorization, key, throttle or cache."""
    served = _served(snapshot, stage, False, ports.quotas)
    return _Compiler(snapshot, stage, served, ports, shared).unguarded(resource, method)


def _served(snapshot: Snapshot, stage: Stage, canary: bool, quotas: Quotas) -> Served:
    variables = dict(stage.variables or {})
    if canary and stage.canary_settings is not None:
        variables |= stage.canary_settings.stage_variable_overrides or {}
    return Served(
        account=stage.account,
        region=stage.region,
        api_id=stage.rest_api_id,
        api_name=snapshot.name,
        stage=stage.stage_name,
        variables=variables,
        deployment_id=snapshot.deployment_id,
        is_canary=canary,
        endpoint_type=snapshot.endpoint_configuration.types[0],
        payload_bytes=quotas.payload_bytes,
    )


def _uses_cache(stage: Stage, served: Served) -> bool:
    canary = stage.canary_settings
    return not served.is_canary or (canary is not None and canary.use_stage_cache)


class _Compiler:
    def __init__(self, snapshot: Snapshot, stage: Stage, served: Served, ports: Ports, shared: Shared) -> None:
        self.served = served
        self._snapshot = snapshot
        self._stage = stage
        self._ports = ports
        self._shared = shared
        self.observed = Observed(stage, served, ports)
        self._integrations = Integrations(
            served, BinaryMediaTypes(snapshot.binary_media_types), stage.client_certificate_id, ports
        )
        self._authorizers = {authorizer.id: authorizer for authorizer in snapshot.authorizers}
        self._validators = {validator.id: validator for validator in snapshot.request_validators}
        self._cache = shared.stage_caches.get(stage) if _uses_cache(stage, served) else None
        self._policy: Policy | None = None
        self._policy_error = ""
        try:
            self._policy = compile_resource_policy(snapshot.policy, served) if snapshot.policy else None
        except PolicyInvalid as error:
            self._policy_error = str(error)

    def method(self, resource: Resource, method: Method) -> Answering:
        setting = method_setting(self._stage, resource.path, method.http_method)
        tally = self.observed.tally(resource, method)
        try:
            handler = self._handler(resource, method, setting, tally)
        except (TemplateError, ValueError) as error:
            handler = misconfigured(str(error))
        return Answering(
            resource=ResourceMethod(resource.path, resource.id, method.operation_name or ""),
            handler=handler,
            tally=tally,
            logs=self.observed.logs(setting, self._logged(resource, method)),
        )

    def unguarded(self, resource: Resource, method: Method) -> Handler:
        if method.method_integration is None:
            return misconfigured("No integration defined for method")
        try:
            handler = self._integrations.build(method.method_integration, noting(self._ports, self.served.api_id))
            return traced(past_authorizer(self._validating(handler, method)))
        except (TemplateError, ValueError) as error:
            return misconfigured(str(error))

    def _handler(self, resource: Resource, method: Method, setting: MethodSetting, tally: Tally) -> Handler:
        """Built from the inside out: the step that comes last is what the one before it calls."""
        integration = method.method_integration
        if integration is None:
            return misconfigured("No integration defined for method")
        ports = noting(self._ports, self.served.api_id) if is_traced(setting) else self._ports
        handler = self._integrations.build(integration, ports)
        handler = self._cached(handler, resource, method, integration, setting, tally)
        handler = self._validating(handler, method)
        handler = self._unpacking(handler)
        handler = self._limited(handler, resource, method)
        if is_traced(setting):
            handler = traced(self._authorized(past_authorizer(handler), method, ports))
        else:
            handler = self._authorized(handler, method, ports)
        return self._with_bounded_url(handler)

    # -- the steps

    def _with_bounded_url(self, handler: Handler) -> Handler:
        """At AWS's edge a URL may have fewer bytes than elsewhere, where the head as a whole is bounded."""
        if self.served.endpoint_type != "EDGE":
            return handler
        most_bytes = self._ports.quotas.edge_url_bytes

        def check(request: MethodRequest) -> Awaitable[MethodResponse]:
            scope = request.scope
            if len(scope["query_string"]) + len(scope["raw_path"]) > most_bytes:
                raise GatewayError("REQUEST_TOO_LARGE")
            return handler(request)

        return check

    def _authorized(self, handler: Handler, method: Method, ports: Ports) -> Handler:
        if self._policy_error:
            return misconfigured(self._policy_error)
        if method.authorization_type == "AWS_IAM":
            return self._bounded(with_iam(handler, self._ports, self._policy))
        if method.authorization_type != "NONE":
            authorizer = self._authorizers.get(method.authorizer_id or "")
            if authorizer is None:
                return misconfigured(f"authorizer {method.authorizer_id} is not there")
            handler = self._by_authorizer(handler, method, authorizer, ports)
        if self._policy is not None:
            handler = with_resource_policy(handler, self._policy)
        return handler if self._policy is None and method.authorization_type == "NONE" else self._bounded(handler)

    def _bounded(self, handler: Handler) -> Handler:
        return with_bounded_arn(handler, self._ports.quotas.method_arn_bytes)

    def _by_authorizer(self, handler: Handler, method: Method, authorizer: Authorizer, ports: Ports) -> Handler:
        name = self.served.api_id, self.served.stage, authorizer.id
        results = self._shared.authorizer_results.of(*name, msgspec.json.encode(authorizer))
        authority = rest_authority(authorizer, method.authorization_scopes, self.served, ports)
        return authorized(handler, authority, results, ports.clock)

    def _limited(self, handler: Handler, resource: Resource, method: Method) -> Handler:
        key = f"{resource.path}/{method.http_method}"
        limits = self._shared.limits
        handler = throttled(handler, limits, self.served, self._method_limit(resource, method), key)
        if method.api_key_required:
            handler = with_api_key(handler, limits, self.served, key, self._snapshot.api_key_source)
        return handler

    def _method_limit(self, resource: Resource, method: Method) -> Limit | None:
        """None where the stage says nothing of the method, or lets it have all that the account has."""
        if not self._stage.method_settings:
            return None
        setting = method_setting(self._stage, resource.path, method.http_method)
        defaults = MethodSetting()
        limit = Limit(setting.throttling_rate_limit, setting.throttling_burst_limit)
        is_default = limit == (defaults.throttling_rate_limit, defaults.throttling_burst_limit)
        return None if is_default or limit.rate < 0 or limit.burst < 0 else limit

    def _unpacking(self, handler: Handler) -> Handler:
        from_bytes = self._snapshot.minimum_compression_size
        return handler if from_bytes is None else unpacking(handler, from_bytes)

    def _validating(self, handler: Handler, method: Method) -> Handler:
        validator = self._validators.get(method.request_validator_id or "")
        if validator is None:
            return handler
        return validating(handler, validator, method, self._snapshot.models)

    def _cached(
        self,
        handler: Handler,
        resource: Resource,
        method: Method,
        integration: Integration,
        setting: MethodSetting,
        tally: Tally,
    ) -> Handler:
        """GET only, as AWS has it unless another method's own setting asks for it."""
        own = f"{resource.path}/{method.http_method}".strip("/")
        asked = method.http_method == "GET" or any(key.strip("/") == own for key in self._stage.method_settings)
        if self._cache is None or not setting.caching_enabled or not asked or not setting.cache_ttl_in_seconds:
            return handler
        # Of one version, stage and canary share their entries; of two, each has its own.
        version = "" if self.served.deployment_id == self._stage.deployment_id else self.served.deployment_id
        caching = Caching(self._cache, setting, self._ports.clock, tally, self._may_invalidate, version)
        return cached(handler, caching, integration, self.served, resource.path)

    async def _may_invalidate(self, request: MethodRequest) -> bool:
        """`execute-api:InvalidateCache` by the caller's own policies. An unsigned caller may not."""
        if request.principal is None or self._ports.authorizer is None:
            return False
        try:
            await self._ports.authorizer.authorize(
                request.principal, "execute-api:InvalidateCache", method_arn(request), {}
            )
        except AccessDenied:
            return False
        return True

    def _logged(self, resource: Resource, method: Method) -> Logged:
        authorizer = self._authorizers.get(method.authorizer_id or "")
        return Logged(
            name=f"{method.http_method} {resource.path}",
            authorizer_id=authorizer.id if authorizer is not None else "",
            identify=None if authorizer is None else self._identify(authorizer),
            api_key_required=method.api_key_required,
            limit=self._method_limit(resource, method) or self._shared.limits.account_limit,
            has_tracing=self._stage.tracing_enabled,
        )

    def _identify(self, authorizer: Authorizer) -> Callable[[MethodRequest], object] | None:
        try:
            return rest_authority(authorizer, None, self.served, self._ports).identify
        except ValueError:
            # The method itself says so, to whoever calls it.
            return None
