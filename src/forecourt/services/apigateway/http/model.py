"""The entities of `apigatewayv2`: what a user configures on HTTP APIs, kept as documents.

The rules of `rest/model.py` hold here too; `apigatewayv2` begins its members' names with a capital.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from forecourt.store import Document, Index

DEFAULT_STAGE = "$default"
DEFAULT_ROUTE = "$default"
DEFAULT_TIMEOUT_MS = 30_000


class Part(msgspec.Struct, kw_only=True, rename="pascal"):
    """A value inside a document."""


class Entity(Document, kw_only=True, rename="pascal"):
    __hidden__: ClassVar[frozenset[str]] = frozenset({"Account", "Region", "ApiId"})

    account: str
    region: str


class Cors(Part, kw_only=True):
    allow_credentials: bool | None = None
    allow_headers: list[str] | None = None
    allow_methods: list[str] | None = None
    allow_origins: list[str] | None = None
    expose_headers: list[str] | None = None
    # Seconds; -1 disables caching of preflight answers
    max_age: int | None = None


class Api(Entity, kw_only=True):
    __kind__ = "apigatewayv2.Api"
    __key__ = ("account", "region", "api_id")
    __indexes__ = (Index(name="by_id", fields=("api_id",), unique=True),)
    __hidden__ = frozenset({"Account", "Region"})

    api_id: str
    name: str
    # HTTP; WEBSOCKET is to come
    protocol_type: str
    created_date: int
    api_endpoint: str | None = None
    api_gateway_managed: bool | None = None
    api_key_selection_expression: str = "$request.header.x-api-key"
    cors_configuration: Cors | None = None
    description: str | None = None
    disable_schema_validation: bool | None = None
    disable_execute_api_endpoint: bool = False
    import_info: list[str] | None = None
    ip_address_type: str = "ipv4"
    route_selection_expression: str = "$request.method $request.path"
    tags: dict[str, str] = {}
    version: str | None = None
    warnings: list[str] | None = None


class ParameterConstraints(Part, kw_only=True):
    required: bool | None = None


class Route(Entity, kw_only=True):
    __kind__ = "apigatewayv2.Route"
    __key__ = ("account", "region", "api_id", "route_id")

    api_id: str
    route_id: str
    # `GET /pets/{id}`, `ANY /{proxy+}`, `$default`
    route_key: str
    api_gateway_managed: bool | None = None
    api_key_required: bool = False
    authorization_scopes: list[str] | None = None
    # NONE, AWS_IAM, CUSTOM, JWT
    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    model_selection_expression: str | None = None
    operation_name: str | None = None
    request_models: dict[str, str] | None = None
    request_parameters: dict[str, ParameterConstraints] | None = None
    route_response_selection_expression: str | None = None
    # `integrations/{id}`
    target: str | None = None


class RouteResponse(Entity, kw_only=True):
    __kind__ = "apigatewayv2.RouteResponse"
    __key__ = ("account", "region", "api_id", "route_id", "route_response_id")
    __hidden__ = frozenset({"Account", "Region", "ApiId", "RouteId"})

    api_id: str
    route_id: str
    route_response_id: str
    route_response_key: str
    model_selection_expression: str | None = None
    response_models: dict[str, str] | None = None
    response_parameters: dict[str, ParameterConstraints] | None = None


class TlsConfig(Part, kw_only=True):
    server_name_to_verify: str | None = None


class Integration(Entity, kw_only=True):
    __kind__ = "apigatewayv2.Integration"
    __key__ = ("account", "region", "api_id", "integration_id")

    api_id: str
    integration_id: str
    # HTTP APIs: AWS_PROXY, HTTP_PROXY
    integration_type: str
    api_gateway_managed: bool | None = None
    connection_id: str | None = None
    connection_type: str = "INTERNET"
    content_handling_strategy: str | None = None
    credentials_arn: str | None = None
    description: str | None = None
    integration_method: str | None = None
    integration_response_selection_expression: str | None = None
    # `SQS-SendMessage`, `StepFunctions-StartSyncExecution`, ...
    integration_subtype: str | None = None
    integration_uri: str | None = None
    passthrough_behavior: str | None = None
    # 1.0, 2.0
    payload_format_version: str | None = None
    # With a subtype: the call's parameters. Else `overwrite:header.x` -> `$request.header.y`
    request_parameters: dict[str, str] | None = None
    request_templates: dict[str, str] | None = None
    # By status code: `overwrite:statuscode` -> `204`
    response_parameters: dict[str, dict[str, str]] | None = None
    template_selection_expression: str | None = None
    timeout_in_millis: int = DEFAULT_TIMEOUT_MS
    tls_config: TlsConfig | None = None


class IntegrationResponse(Entity, kw_only=True):
    __kind__ = "apigatewayv2.IntegrationResponse"
    __key__ = ("account", "region", "api_id", "integration_id", "integration_response_id")
    __hidden__ = frozenset({"Account", "Region", "ApiId", "IntegrationId"})

    api_id: str
    integration_id: str
    integration_response_id: str
    integration_response_key: str
    content_handling_strategy: str | None = None
    response_parameters: dict[str, str] | None = None
    response_templates: dict[str, str] | None = None
    template_selection_expression: str | None = None


class JwtConfiguration(Part, kw_only=True):
    audience: list[str] | None = None
    issuer: str | None = None


class Authorizer(Entity, kw_only=True):
    __kind__ = "apigatewayv2.Authorizer"
    __key__ = ("account", "region", "api_id", "authorizer_id")

    api_id: str
    authorizer_id: str
    name: str
    # REQUEST, JWT
    authorizer_type: str
    authorizer_credentials_arn: str | None = None
    # REQUEST: 1.0, 2.0
    authorizer_payload_format_version: str | None = None
    authorizer_result_ttl_in_seconds: int | None = None
    authorizer_uri: str | None = None
    enable_simple_responses: bool | None = None
    identity_source: list[str] = []
    identity_validation_expression: str | None = None
    jwt_configuration: JwtConfiguration | None = None


class Model(Entity, kw_only=True):
    __kind__ = "apigatewayv2.Model"
    __key__ = ("account", "region", "api_id", "model_id")

    api_id: str
    model_id: str
    name: str
    content_type: str | None = None
    description: str | None = None
    schema: str | None = None


class Deployment(Entity, kw_only=True):
    """What is frozen stands beside it, in the `HttpSnapshot` of the same key."""

    __kind__ = "apigatewayv2.Deployment"
    __key__ = ("account", "region", "api_id", "deployment_id")

    api_id: str
    deployment_id: str
    created_date: int
    auto_deployed: bool = False
    deployment_status: str = "DEPLOYED"
    deployment_status_message: str | None = None
    description: str | None = None


class AccessLogSettings(Part, kw_only=True):
    destination_arn: str | None = None
    format: str | None = None


class RouteSettings(Part, kw_only=True):
    data_trace_enabled: bool | None = None
    detailed_metrics_enabled: bool | None = None
    logging_level: str | None = None
    throttling_burst_limit: int | None = None
    throttling_rate_limit: float | None = None


class Stage(Entity, kw_only=True):
    __kind__ = "apigatewayv2.Stage"
    __key__ = ("account", "region", "api_id", "stage_name")

    api_id: str
    # `$default` has no path prefix
    stage_name: str
    created_date: int
    last_updated_date: int
    access_log_settings: AccessLogSettings | None = None
    api_gateway_managed: bool | None = None
    auto_deploy: bool = False
    client_certificate_id: str | None = None
    default_route_settings: RouteSettings = msgspec.field(
        default_factory=lambda: RouteSettings(detailed_metrics_enabled=False)
    )
    deployment_id: str | None = None
    description: str | None = None
    last_deployment_status_message: str | None = None
    # By route key
    route_settings: dict[str, RouteSettings] = {}
    stage_variables: dict[str, str] = {}
    tags: dict[str, str] = {}


class VpcLink(Entity, kw_only=True):
    __kind__ = "apigatewayv2.VpcLink"
    __key__ = ("account", "region", "vpc_link_id")

    vpc_link_id: str
    name: str
    created_date: int
    security_group_ids: list[str] = []
    subnet_ids: list[str] = []
    tags: dict[str, str] = {}
    vpc_link_status: str = "AVAILABLE"
    vpc_link_status_message: str | None = None
    vpc_link_version: str = "V2"


class ApiMapping(Entity, kw_only=True):
    __kind__ = "apigatewayv2.ApiMapping"
    __key__ = ("account", "region", "domain_name", "api_mapping_id")
    __hidden__ = frozenset({"Account", "Region", "DomainName"})

    domain_name: str
    api_mapping_id: str
    # Of an HTTP API or of a REST API
    api_id: str
    stage: str
    # The base path; may have several levels: `v1/pets`. None: the domain's root
    api_mapping_key: str | None = None


class RoutingRule(Entity, kw_only=True):
    __kind__ = "apigatewayv2.RoutingRule"
    __key__ = ("account", "region", "domain_name", "routing_rule_id")
    __hidden__ = frozenset({"Account", "Region", "DomainName"})

    domain_name: str
    routing_rule_id: str
    routing_rule_arn: str
    priority: int
    actions: list[dict[str, object]] = []
    conditions: list[dict[str, object]] = []


class HttpSnapshot(Entity, kw_only=True):
    """What a deployment freezes of an HTTP API: all that answers requests. Keyed as its `Deployment`, never changed."""

    __kind__ = "apigatewayv2.HttpSnapshot"
    __key__ = ("account", "region", "api_id", "deployment_id")

    api_id: str
    deployment_id: str
    name: str
    description: str | None = None
    version: str | None = None
    cors_configuration: Cors | None = None
    disable_execute_api_endpoint: bool = False
    routes: list[Route] = []
    integrations: list[Integration] = []
    authorizers: list[Authorizer] = []
