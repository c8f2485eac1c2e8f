"""How an integration's requests leave: its TLS, and the VPC link that it goes by, from its configuration.

Decided when the plan is compiled; what the integration gets is `Ports` whose `upstream` is its own way out.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from forecourt.services.apigateway.http.model import Integration as HttpIntegration
from forecourt.services.apigateway.integrations.uri import substitute_stage_variables
from forecourt.services.apigateway.plan.backends import Tls
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.plan.vpc_links import ByLink, Way
from forecourt.services.apigateway.rest.model import Integration

VPC_LINK = "VPC_LINK"


def rest_way(integration: Integration, served: Served, client_certificate_id: str | None, ports: Ports) -> Ports:
    """A link's backend is asked for the certificate of the host that `uri` names."""
    uri = substitute_stage_variables(integration.uri or "", served.variables)
    by_link = integration.connection_type == VPC_LINK
    verify = integration.tls_config is None or not integration.tls_config.insecure_skip_verification
    is_tls = uri.startswith("https:")
    tls = Tls(
        served.account,
        served.region,
        client_certificate_id=(client_certificate_id or "") if is_tls else "",
        verify=verify or not is_tls,
        server_name=(urlsplit(uri).hostname or "") if is_tls and by_link else "",
    )
    sender = ports.backends.reached_by(tls)
    if by_link:
        link = substitute_stage_variables(integration.connection_id or "", served.variables)
        target = substitute_stage_variables(integration.integration_target or "", served.variables)
        way = Way(served.account, served.region, link, target, 0)
        sender = ByLink(ports.links, sender, way, configuration_error, or_else_origin=True)
    return replace(ports, upstream=sender)


def http_way(integration: HttpIntegration, served: Served, ports: Ports) -> Ports:
    server_name = (integration.tls_config.server_name_to_verify if integration.tls_config else None) or ""
    sender = ports.backends.reached_by(Tls(served.account, served.region, server_name=server_name))
    target = substitute_stage_variables(integration.integration_uri or "", served.variables)
    if integration.connection_type == VPC_LINK and target.startswith("arn:"):
        link = substitute_stage_variables(integration.connection_id or "", served.variables)
        way = Way(served.account, served.region, link, target, 0)
        sender = ByLink(ports.links, sender, way, _unavailable, or_else_origin=False)
    return replace(ports, upstream=sender)


def _unavailable(detail: str) -> GatewayError:
    return GatewayError("INTEGRATION_FAILURE", detail=detail)
