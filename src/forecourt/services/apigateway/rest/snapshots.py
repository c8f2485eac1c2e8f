"""Freezing an API as it is configured now."""

from __future__ import annotations

from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import (
    Authorizer,
    GatewayResponse,
    Model,
    RequestValidator,
    Resource,
    RestApi,
)
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.snapshot import Snapshot


def freeze(found: Found, api: RestApi, deployment_id: str) -> Snapshot:
    return Snapshot(
        account=api.account,
        region=api.region,
        rest_api_id=api.id,
        deployment_id=deployment_id,
        name=api.name,
        description=api.description,
        version=api.version,
        api_key_source=api.api_key_source,
        binary_media_types=api.binary_media_types or [],
        minimum_compression_size=api.minimum_compression_size,
        disable_execute_api_endpoint=api.disable_execute_api_endpoint,
        endpoint_configuration=api.endpoint_configuration,
        security_policy=api.security_policy,
        endpoint_access_mode=api.endpoint_access_mode,
        policy=api.policy,
        resources=found.all(Resource, api.id),
        models=found.all(Model, api.id),
        request_validators=found.all(RequestValidator, api.id),
        authorizers=found.all(Authorizer, api.id),
        gateway_responses=found.all(GatewayResponse, api.id),
    )


def need_deployable(snapshot: Snapshot) -> None:
    methods = [method for resource in snapshot.resources for method in resource.resource_methods.values()]
    if not methods:
        raise BadRequestException("The REST API doesn't contain any methods")
    if any(method.method_integration is None for method in methods):
        raise BadRequestException("No integration defined for method")
    if "PRIVATE" in snapshot.endpoint_configuration.types and not snapshot.policy:
        raise BadRequestException("Private REST API doesn't have a resource policy attached to it")
