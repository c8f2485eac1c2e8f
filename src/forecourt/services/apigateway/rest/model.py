"""The entities of `apigateway`: what a user configures on REST APIs, kept as documents.

Three rules hold throughout, so that no entity needs a mapper of its own:

- A field is AWS's member in snake_case and is stored under AWS's own name (`rename="camel"`), so a document turned into
  plain data *is* the member of the response, and patch operations work on it by AWS's paths.
- `None` is "not set" and leaves the response; an empty map or list was set empty.
- What the owner needs and AWS does not show (`account`, `region`, `rest_api_id`, ...) is named in `__hidden__`.

Methods, integrations and their responses live inside their `Resource`: they are read, changed and frozen with it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from forecourt.store import Document, Index

DEFAULT_TIMEOUT_MS = 29_000


class Part(msgspec.Struct, kw_only=True, rename="camel"):
    """A value inside a document."""


class Entity(Document, kw_only=True, rename="camel"):
    """A document of `apigateway`. `account` and `region` own it."""

    __hidden__: ClassVar[frozenset[str]] = frozenset({"account", "region", "restApiId"})

    account: str
    region: str


def describe(value: msgspec.Struct) -> dict[str, Any]:
    """`value` as AWS's output shape: its members by AWS's names, without those that are not set."""
    described: dict[str, Any] = _without_none(msgspec.to_builtins(value))
    for name in getattr(value, "__hidden__", ()):
        described.pop(name, None)
    return described


# A template that is set to nothing is shown as null: it is there, and lets the body pass.
_WITH_NULLS = ("requestTemplates", "responseTemplates")


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: item if key in _WITH_NULLS else _without_none(item) for key, item in value.items() if item is not None
        }
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


# -- APIs --------------------------------------------------------------------------------------------------------------


class EndpointConfiguration(Part, kw_only=True):
    types: list[str] = msgspec.field(default_factory=lambda: ["EDGE"])
    ip_address_type: str | None = None
    vpc_endpoint_ids: list[str] | None = None


class RestApi(Entity, kw_only=True):
    __kind__ = "apigateway.RestApi"
    __key__ = ("account", "region", "id")
    # An invocation knows the API's id only: `{api}.execute-api...`
    __indexes__ = (Index(name="by_id", fields=("id",), unique=True),)

    id: str
    name: str
    created_date: int
    root_resource_id: str
    description: str | None = None
    version: str | None = None
    binary_media_types: list[str] | None = None
    minimum_compression_size: int | None = None
    api_key_source: str = "HEADER"
    endpoint_configuration: EndpointConfiguration = msgspec.field(default_factory=EndpointConfiguration)
    policy: str | None = None
    tags: dict[str, str] | None = None
    disable_execute_api_endpoint: bool = False
    security_policy: str | None = None
    endpoint_access_mode: str | None = None


class TlsConfig(Part, kw_only=True):
    insecure_skip_verification: bool = False


class IntegrationResponse(Part, kw_only=True):
    status_code: str
    selection_pattern: str | None = None
    response_parameters: dict[str, str] | None = None
    # By content type; None is a template that was set to nothing: the body passes through.
    response_templates: dict[str, str | None] | None = None
    content_handling: str | None = None


class Integration(Part, kw_only=True):
    type: str
    http_method: str | None = None
    uri: str | None = None
    connection_type: str | None = None
    connection_id: str | None = None
    credentials: str | None = None
    request_parameters: dict[str, str] | None = None
    request_templates: dict[str, str | None] | None = None
    passthrough_behavior: str = "WHEN_NO_MATCH"
    content_handling: str | None = None
    timeout_in_millis: int = DEFAULT_TIMEOUT_MS
    cache_namespace: str | None = None
    cache_key_parameters: list[str] = []
    # By status code
    integration_responses: dict[str, IntegrationResponse] | None = None
    tls_config: TlsConfig | None = None
    response_transfer_mode: str | None = None
    integration_target: str | None = None


class MethodResponse(Part, kw_only=True):
    status_code: str
    # `method.response.header.X` -> whether it is required
    response_parameters: dict[str, bool] | None = None
    # content type -> model name
    response_models: dict[str, str] | None = None


class Method(Part, kw_only=True):
    http_method: str
    authorization_type: str = "NONE"
    authorizer_id: str | None = None
    api_key_required: bool = False
    request_validator_id: str | None = None
    operation_name: str | None = None
    # `method.request.{path|querystring|header}.X` -> whether it is required
    request_parameters: dict[str, bool] | None = None
    # content type -> model name
    request_models: dict[str, str] | None = None
    # By status code
    method_responses: dict[str, MethodResponse] | None = None
    method_integration: Integration | None = None
    authorization_scopes: list[str] | None = None


class Resource(Entity, kw_only=True):
    __kind__ = "apigateway.Resource"
    __key__ = ("account", "region", "rest_api_id", "id")

    rest_api_id: str
    id: str
    path: str
    # Both None on the root resource
    parent_id: str | None = None
    path_part: str | None = None
    # By HTTP method, `ANY` included
    resource_methods: dict[str, Method] = {}


class Model(Entity, kw_only=True):
    __kind__ = "apigateway.Model"
    __key__ = ("account", "region", "rest_api_id", "name")

    rest_api_id: str
    id: str
    name: str
    content_type: str
    description: str | None = None
    schema: str | None = None


class RequestValidator(Entity, kw_only=True):
    __kind__ = "apigateway.RequestValidator"
    __key__ = ("account", "region", "rest_api_id", "id")

    rest_api_id: str
    id: str
    name: str | None = None
    validate_request_body: bool = False
    validate_request_parameters: bool = False


class JwtAdditionalClaim(Part, kw_only=True):
    claim_name: str
    format: str
    required: bool | None = None
    expected_values: list[str] | None = None


class JwtIssuer(Part, kw_only=True):
    issuer: str
    audiences: list[str] | None = None
    additional_claims: list[JwtAdditionalClaim] | None = None
    jwks_uri: str | None = None


class JwtConfiguration(Part, kw_only=True):
    issuers: list[JwtIssuer] = []
    default_algorithms: list[str] = []


class Authorizer(Entity, kw_only=True):
    __kind__ = "apigateway.Authorizer"
    __key__ = ("account", "region", "rest_api_id", "id")

    rest_api_id: str
    id: str
    name: str
    # TOKEN, REQUEST, COGNITO_USER_POOLS, JWT
    type: str
    provider_arns: list[str] | None = msgspec.field(default=None, name="providerARNs")
    auth_type: str | None = None
    authorizer_uri: str | None = None
    authorizer_credentials: str | None = None
    identity_source: str | None = None
    identity_validation_expression: str | None = None
    # None only where it was never applicable (COGNITO_USER_POOLS caches nothing)
    authorizer_result_ttl_in_seconds: int | None = None
    jwt_configuration: JwtConfiguration | None = None


class GatewayResponse(Entity, kw_only=True):
    """Only the customised ones are kept; the defaults are a table (`gateway_responses.py`)."""

    __kind__ = "apigateway.GatewayResponse"
    __key__ = ("account", "region", "rest_api_id", "response_type")

    rest_api_id: str
    response_type: str
    status_code: str | None = None
    response_parameters: dict[str, str] | None = {}
    response_templates: dict[str, str] | None = {}
    default_response: bool = False


class DocumentationPartLocation(Part, kw_only=True):
    type: str
    path: str | None = None
    method: str | None = None
    status_code: str | None = None
    name: str | None = None


class DocumentationPart(Entity, kw_only=True):
    __kind__ = "apigateway.DocumentationPart"
    __key__ = ("account", "region", "rest_api_id", "id")

    rest_api_id: str
    id: str
    location: DocumentationPartLocation
    # A JSON object, as text
    properties: str


class DocumentationVersion(Entity, kw_only=True):
    __kind__ = "apigateway.DocumentationVersion"
    __key__ = ("account", "region", "rest_api_id", "version")
    __hidden__ = frozenset({"account", "region", "restApiId", "parts"})

    rest_api_id: str
    version: str
    created_date: int
    description: str | None = None
    # The parts as they were when the version was made
    parts: list[DocumentationPart] = []


# -- Deployments and stages --------------------------------------------------------------------------------------------


class Deployment(Entity, kw_only=True):
    """What is frozen stands beside it, in the `Snapshot` of the same key."""

    __kind__ = "apigateway.Deployment"
    __key__ = ("account", "region", "rest_api_id", "id")

    rest_api_id: str
    id: str
    created_date: int
    description: str | None = None


class AccessLogSettings(Part, kw_only=True):
    format: str | None = None
    destination_arn: str | None = None


class CanarySettings(Part, kw_only=True):
    # 0.0 to 100.0
    percent_traffic: float = 0.0
    deployment_id: str | None = None
    stage_variable_overrides: dict[str, str] | None = None
    use_stage_cache: bool = False


class MethodSetting(Part, kw_only=True):
    """AWS's defaults; a setting of one method is whole and does not inherit from `*/*`."""

    metrics_enabled: bool = False
    # OFF, ERROR, INFO; None is OFF
    logging_level: str | None = None
    data_trace_enabled: bool = False
    throttling_burst_limit: int = 5000
    throttling_rate_limit: float = 10_000.0
    caching_enabled: bool = False
    cache_ttl_in_seconds: int = 300
    cache_data_encrypted: bool = False
    require_authorization_for_cache_control: bool = True
    unauthorized_cache_control_header_strategy: str = "SUCCEED_WITH_RESPONSE_HEADER"


class Stage(Entity, kw_only=True):
    __kind__ = "apigateway.Stage"
    __key__ = ("account", "region", "rest_api_id", "stage_name")

    rest_api_id: str
    stage_name: str
    deployment_id: str
    created_date: int
    last_updated_date: int
    client_certificate_id: str | None = None
    description: str | None = None
    cache_cluster_enabled: bool = False
    cache_cluster_size: str | None = None
    # NOT_AVAILABLE, AVAILABLE
    cache_cluster_status: str = "NOT_AVAILABLE"
    # `*/*` for all methods, else `{resource path}/{METHOD}` as the client wrote it; read with `method_setting`
    method_settings: dict[str, MethodSetting] = {}
    variables: dict[str, str] | None = None
    documentation_version: str | None = None
    access_log_settings: AccessLogSettings | None = None
    canary_settings: CanarySettings | None = None
    tracing_enabled: bool = False
    tags: dict[str, str] | None = None


def method_setting_key(key: str) -> str:
    """The one spelling of a method setting's key: clients write `/pets`'s GET as `~1pets/GET` or `pets/GET`."""
    path, _, http_method = key.rpartition("/")
    return f"{path.replace('~1', '/').replace('~0', '~').strip('/')}/{http_method}"


def method_setting(stage: Stage, resource_path: str, http_method: str) -> MethodSetting:
    """What `stage` sets for a method: its own setting, else the setting of all methods, else AWS's defaults."""
    settings = {method_setting_key(key): setting for key, setting in stage.method_settings.items()}
    own = method_setting_key(f"{resource_path}/{http_method}")
    return settings.get(own) or settings.get("*/*") or MethodSetting()


# -- Keys and plans ----------------------------------------------------------------------------------------------------


class ApiKey(Entity, kw_only=True):
    __kind__ = "apigateway.ApiKey"
    __key__ = ("account", "region", "id")
    # Two accounts may hold the same value; one account may not hold it twice.
    __indexes__ = (
        Index(name="by_value", fields=("account", "region", "value"), unique=True),
        Index(name="by_name", fields=("account", "region", "name")),
    )

    id: str
    value: str
    name: str = ""
    enabled: bool = False
    created_date: int
    last_updated_date: int
    customer_id: str | None = None
    description: str | None = None
    # `{api}/{stage}`
    stage_keys: list[str] = []
    tags: dict[str, str] | None = None


class ThrottleSettings(Part, kw_only=True):
    burst_limit: int = 0
    rate_limit: float = 0.0


class QuotaSettings(Part, kw_only=True):
    limit: int = 0
    offset: int = 0
    # DAY, WEEK, MONTH
    period: str | None = None


class ApiStage(Part, kw_only=True):
    api_id: str = ""
    stage: str = ""
    # By `{resource path}/{METHOD}`: `/pets/GET`
    throttle: dict[str, ThrottleSettings] | None = None


class UsagePlan(Entity, kw_only=True):
    __kind__ = "apigateway.UsagePlan"
    __key__ = ("account", "region", "id")
    __hidden__ = frozenset({"account", "region", "quotaBeganAt"})

    id: str
    name: str
    description: str | None = None
    api_stages: list[ApiStage] = []
    throttle: ThrottleSettings | None = None
    quota: QuotaSettings | None = None
    # Epoch seconds: the quota's offset shortens the period that was running then, and no other
    quota_began_at: int = 0
    product_code: str | None = None
    tags: dict[str, str] | None = None


class UsagePlanKey(Entity, kw_only=True):
    __kind__ = "apigateway.UsagePlanKey"
    __key__ = ("account", "region", "usage_plan_id", "id")
    __indexes__ = (Index(name="by_key", fields=("account", "region", "id")),)
    __hidden__ = frozenset({"account", "region", "usagePlanId"})

    usage_plan_id: str
    # The API key's id
    id: str
    type: str = "API_KEY"


# -- The account's own -------------------------------------------------------------------------------------------------


class Account(Entity, kw_only=True):
    __kind__ = "apigateway.Account"
    __key__ = ("account", "region")

    cloudwatch_role_arn: str | None = None
    throttle_settings: ThrottleSettings = msgspec.field(
        default_factory=lambda: ThrottleSettings(burst_limit=5000, rate_limit=10_000.0)
    )
    features: list[str] = msgspec.field(default_factory=lambda: ["UsagePlans"])
    api_key_version: str = "4"


class ClientCertificate(Entity, kw_only=True):
    __kind__ = "apigateway.ClientCertificate"
    __key__ = ("account", "region", "client_certificate_id")
    __hidden__ = frozenset({"account", "region", "sealedPrivateKey"})

    client_certificate_id: str
    pem_encoded_certificate: str
    created_date: int
    expiration_date: int
    description: str | None = None
    tags: dict[str, str] | None = None
    # The key that proves us to a backend, sealed with the master key
    sealed_private_key: bytes = b""


class VpcLink(Entity, kw_only=True):
    __kind__ = "apigateway.VpcLink"
    __key__ = ("account", "region", "id")

    id: str
    name: str
    target_arns: list[str]
    description: str | None = None
    status: str = "AVAILABLE"
    status_message: str | None = None
    tags: dict[str, str] | None = None


class MutualTlsAuthentication(Part, kw_only=True):
    truststore_uri: str | None = None
    truststore_version: str | None = None
    truststore_warnings: list[str] | None = None


class DomainName(Entity, kw_only=True):
    __kind__ = "apigateway.DomainName"
    __key__ = ("account", "region", "domain_name")

    domain_name: str
    domain_name_id: str | None = None
    domain_name_arn: str | None = None
    certificate_name: str | None = None
    certificate_arn: str | None = None
    certificate_upload_date: int | None = None
    regional_domain_name: str | None = None
    regional_hosted_zone_id: str | None = None
    regional_certificate_name: str | None = None
    regional_certificate_arn: str | None = None
    distribution_domain_name: str | None = None
    distribution_hosted_zone_id: str | None = None
    endpoint_configuration: EndpointConfiguration = msgspec.field(default_factory=EndpointConfiguration)
    domain_name_status: str = "AVAILABLE"
    security_policy: str = "TLS_1_2"
    endpoint_access_mode: str | None = None
    tags: dict[str, str] | None = None
    mutual_tls_authentication: MutualTlsAuthentication | None = None
    ownership_verification_certificate_arn: str | None = None
    management_policy: str | None = None
    policy: str | None = None
    routing_mode: str = "BASE_PATH_MAPPING_ONLY"


class BasePathMapping(Entity, kw_only=True):
    __kind__ = "apigateway.BasePathMapping"
    __key__ = ("account", "region", "domain_name", "base_path")
    __hidden__ = frozenset({"account", "region", "domainName"})

    domain_name: str
    # `(none)` where the mapping is of the domain's root
    base_path: str
    rest_api_id: str
    stage: str | None = None


class DomainNameAccessAssociation(Entity, kw_only=True):
    __kind__ = "apigateway.DomainNameAccessAssociation"
    __key__ = ("account", "region", "domain_name_access_association_arn")

    domain_name_access_association_arn: str
    domain_name_arn: str
    access_association_source_type: str
    access_association_source: str
    tags: dict[str, str] | None = None
