"""From a deployment's snapshot and a stage to a plan: all decisions about configuration are made here, once.

A method's handler is a chain that holds the steps which this method has, in AWS's order, and nothing else; a request
never asks what kind of integration, authorizer or cache there is. Plans do not change: a new deployment, or a stage
that is updated, makes a new one, and requests that are under way keep the old.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.integrations.custom import Backend, custom
from forecourt.services.apigateway.integrations.http import http_backend, http_proxy
from forecourt.services.apigateway.integrations.lambda_proxy import lambda_proxy
from forecourt.services.apigateway.integrations.mock import mock
from forecourt.services.apigateway.plan.errors import configuration_error
from forecourt.services.apigateway.plan.gateway_responses import GatewayResponses
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, ResourceMethod, Served
from forecourt.services.apigateway.plan.meter import Tally
from forecourt.services.apigateway.plan.plan import Answering, Plan, no_method
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.router import Route, Router
from forecourt.services.apigateway.rest.model import Integration, Method, Resource, Stage, method_setting
from forecourt.services.apigateway.snapshot import Snapshot
from forecourt.services.apigateway.vtl import TemplateError


def compile_plan(snapshot: Snapshot, stage: Stage, ports: Ports) -> Plan:
    served = Served(
        account=stage.account,
        region=stage.region,
        api_id=stage.rest_api_id,
        api_name=snapshot.name,
        stage=stage.stage_name,
        variables=stage.variables or {},
        deployment_id=snapshot.deployment_id,
    )
    compiler = _Compiler(snapshot, stage, served, ports)
    routes = [
        Route(method.http_method, resource.path, compiler.method(resource, method))
        for resource in snapshot.resources
        for method in resource.resource_methods.values()
    ]
    return Plan(
        served=served,
        router=Router(routes),
        gateway_responses=GatewayResponses(snapshot.gateway_responses, served.variables),
        ports=ports,
        fallback=Answering(resource=ResourceMethod(), handler=no_method, tally=compiler.tally()),
    )


class _Compiler:
    def __init__(self, snapshot: Snapshot, stage: Stage, served: Served, ports: Ports) -> None:
        self._snapshot = snapshot
        self._stage = stage
        self._served = served
        self._ports = ports
        self._binary = BinaryMediaTypes(snapshot.binary_media_types)

    def method(self, resource: Resource, method: Method) -> Answering:
        handler = self._integration(method)
        return Answering(
            resource=ResourceMethod(resource.path, resource.id, method.operation_name or ""),
            handler=handler,
            tally=self.tally(resource, method),
        )

    def tally(self, resource: Resource | None = None, method: Method | None = None) -> Tally:
        served = self._served
        by_api = (("ApiName", served.api_name),)
        by_stage = (*by_api, ("Stage", served.stage))
        dimensions = [by_api, by_stage]
        if resource is not None and method is not None:
            verb = method.http_method
            if method_setting(self._stage, resource.path, verb).metrics_enabled:
                dimensions.append((*by_stage, ("Resource", resource.path), ("Method", verb)))
        return Tally(self._ports.meter, tuple((served.account, served.region, names) for names in dimensions))

    def _integration(self, method: Method) -> Handler:
        integration = method.method_integration
        if integration is None:
            return _misconfigured("No integration defined for method")
        build = _INTEGRATIONS.get(integration.type)
        if build is None:
            return _misconfigured(f"the integration type {integration.type} is not known")
        try:
            return build(self, method, integration)
        except (TemplateError, re.error, ValueError) as error:
            return _misconfigured(str(error))

    def _http_proxy(self, method: Method, integration: Integration) -> Handler:
        return http_proxy(integration, self._served, self._ports)

    def _http(self, method: Method, integration: Integration) -> Handler:
        return self._custom(integration, http_backend(integration, self._served, self._ports))

    def _mock(self, method: Method, integration: Integration) -> Handler:
        return self._custom(integration, mock())

    def _custom(self, integration: Integration, backend: Backend) -> Handler:
        return custom(integration, self._served, self._binary, backend)

    def _lambda_proxy(self, method: Method, integration: Integration) -> Handler:
        return lambda_proxy(integration, self._served, self._ports, self._binary)


_INTEGRATIONS: Mapping[str, Callable[[_Compiler, Method, Integration], Handler]] = {
    "HTTP_PROXY": _Compiler._http_proxy,
    "HTTP": _Compiler._http,
    "AWS_PROXY": _Compiler._lambda_proxy,
    "MOCK": _Compiler._mock,
}


def _misconfigured(detail: str) -> Handler:
    async def refuse(request: MethodRequest) -> MethodResponse:
        raise configuration_error(detail)

    return refuse
