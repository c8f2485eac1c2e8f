"""A method's integration, the last step of its chain, by its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from forecourt.services.apigateway.integrations.aws_service import aws
from forecourt.services.apigateway.integrations.binary import BinaryMediaTypes
from forecourt.services.apigateway.integrations.custom import Backend, custom
from forecourt.services.apigateway.integrations.http import http_backend, http_proxy
from forecourt.services.apigateway.integrations.lambda_proxy import lambda_proxy
from forecourt.services.apigateway.integrations.mock import mock
from forecourt.services.apigateway.plan.errors import misconfigured
from forecourt.services.apigateway.plan.messages import Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.reach import rest_way
from forecourt.services.apigateway.plan.tracing import noting
from forecourt.services.apigateway.rest.model import Integration


class Integrations:
    def __init__(
        self, served: Served, binary: BinaryMediaTypes, client_certificate_id: str | None, ports: Ports
    ) -> None:
        self._served = served
        self._binary = binary
        self._client_certificate_id = client_certificate_id
        self._ports = ports

    def build(self, integration: Integration, ports: Ports) -> Handler:
        """`ports`: the stage's own, or those that note what passes. Raises `TemplateError`, `ValueError`."""
        build = _KINDS.get(integration.type)
        if build is None:
            return misconfigured(f"the integration type {integration.type} is not known")
        return build(self, integration, ports)

    def http_proxy(self, integration: Integration, ports: Ports) -> Handler:
        return http_proxy(integration, self._served, self._way_of(integration, ports))

    def http(self, integration: Integration, ports: Ports) -> Handler:
        return self._custom(integration, http_backend(integration, self._served, self._way_of(integration, ports)))

    def lambda_proxy(self, integration: Integration, ports: Ports) -> Handler:
        return lambda_proxy(integration, self._served, ports, self._binary)

    def aws(self, integration: Integration, ports: Ports) -> Handler:
        return self._custom(integration, aws(integration, self._served, ports))

    def mock(self, integration: Integration, ports: Ports) -> Handler:
        return self._custom(integration, mock())

    def _custom(self, integration: Integration, backend: Backend) -> Handler:
        return custom(integration, self._served, self._binary, backend)

    def _way_of(self, integration: Integration, ports: Ports) -> Ports:
        way = rest_way(integration, self._served, self._client_certificate_id, ports)
        # A traced method's way is its own, so it is here that what passes is noted.
        return way if ports is self._ports else noting(way, self._served.api_id)


_KINDS: Mapping[str, Callable[[Integrations, Integration, Ports], Handler]] = {
    "HTTP_PROXY": Integrations.http_proxy,
    "HTTP": Integrations.http,
    "AWS_PROXY": Integrations.lambda_proxy,
    "AWS": Integrations.aws,
    "MOCK": Integrations.mock,
}
