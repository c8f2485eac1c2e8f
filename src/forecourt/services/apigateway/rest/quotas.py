"""API Gateway's quotas on what one may configure, each adjustable as at AWS.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
"""

from __future__ import annotations

from dataclasses import dataclass

from forecourt.services.apigateway.rest.errors import BadRequestException, LimitExceededException


@dataclass(frozen=True)
class Quotas:
    # Per account and region
    rest_apis: int = 600
    edge_apis: int = 120
    private_apis: int = 600
    http_apis: int = 600
    api_keys: int = 10_000
    usage_plans: int = 300
    client_certificates: int = 60
    vpc_links: int = 20
    http_vpc_links: int = 10
    domain_names: int = 120
    domain_name_access_associations: int = 100
    # Per API
    resources: int = 300
    integrations: int = 300
    stages: int = 10
    authorizers: int = 10
    jwt_audiences: int = 50
    route_scopes: int = 10
    documentation_parts: int = 2_000
    models: int = 300
    request_validators: int = 300
    # Per other things
    subnets_per_vpc_link: int = 10
    api_stages_per_usage_plan: int = 300
    usage_plans_per_api_key: int = 10
    method_throttles_per_api_stage: int = 20
    base_path_mappings_per_domain_name: int = 200
    stage_variables: int = 100
    tags: int = 50
    # Sizes in bytes, lengths in characters, times
    resource_policy_bytes: int = 8_192
    mapping_template_bytes: int = 300 * 1024
    model_schema_bytes: int = 400 * 1024
    api_definition_bytes: int = 6 * 1024 * 1024
    access_log_format_bytes: int = 3 * 1024
    timeout_min_ms: int = 50
    timeout_max_ms: int = 29_000
    authorizer_ttl_max_seconds: int = 3_600
    cache_ttl_max_seconds: int = 3_600
    # When an API is called
    payload_bytes: int = 10 * 1024 * 1024
    header_bytes: int = 10_240
    edge_url_bytes: int = 8_192
    method_arn_bytes: int = 1_600
    cached_response_bytes: int = 1_048_576
    access_log_entry_bytes: int = 1_048_576
    issuer_timeout_ms: int = 1_500
    issuer_response_bytes: int = 150_000


def need_room(count: int, quota: int, noun: str, owner: str = "this API") -> None:
    """Raises AWS's error where one more `noun` would be one too many."""
    if count >= quota:
        raise LimitExceededException(
            f"Maximum number of {noun} for {owner} has been reached. Please contact AWS if you need additional {noun}."
        )


def need_size(data: str | bytes | None, quota: int, what: str) -> None:
    size = len(data.encode() if isinstance(data, str) else data or b"")
    if size > quota:
        raise BadRequestException(f"{what} exceeds the maximum size of {quota} bytes")
