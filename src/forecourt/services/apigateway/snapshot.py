"""What a deployment freezes: everything of a REST API that answers requests, self-contained.

A stage serves the `Snapshot` of its deployment and nothing later. The plan is compiled from a `Snapshot` and a `Stage`,
without a look at the API's present configuration.
"""

from __future__ import annotations

from forecourt.services.apigateway.rest.model import (
    Authorizer,
    EndpointConfiguration,
    Entity,
    GatewayResponse,
    Model,
    RequestValidator,
    Resource,
)


class Snapshot(Entity, kw_only=True):
    """Keyed as its `Deployment`. Never changed once written."""

    __kind__ = "apigateway.Snapshot"
    __key__ = ("account", "region", "rest_api_id", "deployment_id")

    rest_api_id: str
    deployment_id: str
    name: str
    description: str | None = None
    version: str | None = None
    api_key_source: str = "HEADER"
    binary_media_types: list[str] = []
    minimum_compression_size: int | None = None
    disable_execute_api_endpoint: bool = False
    endpoint_configuration: EndpointConfiguration
    security_policy: str | None = None
    endpoint_access_mode: str | None = None
    policy: str | None = None
    # With their methods, integrations and responses; the root included
    resources: list[Resource] = []
    models: list[Model] = []
    request_validators: list[RequestValidator] = []
    authorizers: list[Authorizer] = []
    # The customised ones; `rest.gateway_responses` has the defaults
    gateway_responses: list[GatewayResponse] = []
