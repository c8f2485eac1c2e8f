"""What each noun lets a patch change: one table per noun, after AWS's "Patch operations" page.

The order of a table's rules is the order in which AWS lists the paths when it refuses another.
"""

from __future__ import annotations

import msgspec

from forecourt.services.apigateway.rest import patch
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.model import MethodSetting, ThrottleSettings, method_setting_key
from forecourt.services.apigateway.rest.patch import (
    Data,
    Edit,
    Operation,
    Parse,
    Refuse,
    Rule,
    Table,
    choice,
    element,
    elements,
    entry,
    flag,
    inside,
    integer,
    member,
    number,
    text_map,
    without,
)

REPLACE = ("replace",)
SET = ("add", "replace")
ADD_REMOVE = ("add", "remove")
ANY = ("add", "remove", "replace")


def _table(refuse: Refuse, *rules: Rule) -> Table:
    return Table(rules, refuse)


def _members(*names: str, ops: tuple[str, ...] = REPLACE) -> tuple[Rule, ...]:
    return tuple(Rule(f"/{name}", ops, member(name)) for name in names)


# -- The API and its resources -----------------------------------------------------------------------------------------

_COMPRESSION = integer("Invalid minimum compression size, must be between 0 and 10485760")


def _compression(value: str | None) -> int | None:
    return None if not value else _COMPRESSION(value)


ENDPOINT_TYPES = ("REGIONAL", "EDGE", "PRIVATE")
BAD_ENDPOINT_TYPE = "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"


def _endpoint_type(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """`op=replace path=/endpointConfiguration/types/EDGE value=REGIONAL`, or `types/0`, by place."""
    types: list[str] = (data.get("endpointConfiguration") or {}).get("types") or []
    if keys[0].isascii() and keys[0].isdigit() and int(keys[0]) < len(types):
        keys = (types[int(keys[0])],)
    if operation.op != "remove":
        given = operation.value if operation.op == "replace" else keys[0]
        choice(ENDPOINT_TYPES, BAD_ENDPOINT_TYPE)(given)
    element("endpointConfiguration/types")(data, keys, operation)


_IP_TYPE = choice(("ipv4", "dualstack"), "ipAddressType must be either ipv4 or dualstack.")

REST_API = _table(
    patch.plain,
    *_members("name", "version"),
    Rule("/description", ANY, member("description")),
    Rule(
        "/apiKeySource",
        REPLACE,
        member("apiKeySource", choice(("HEADER", "AUTHORIZER"), "Invalid ApiKeySourceType specified")),
    ),
    Rule("/binaryMediaTypes/{type}", ANY, element("binaryMediaTypes")),
    Rule("/minimumCompressionSize", REPLACE, member("minimumCompressionSize", _compression)),
    Rule("/policy", REPLACE, member("policy", lambda value: value or None)),
    Rule("/disableExecuteApiEndpoint", REPLACE, member("disableExecuteApiEndpoint", flag)),
    Rule("/endpointConfiguration/types/{type}", ANY, _endpoint_type),
    Rule("/endpointConfiguration/ipAddressType", REPLACE, member("endpointConfiguration/ipAddressType", _IP_TYPE)),
    Rule("/endpointConfiguration/vpcEndpointIds", ADD_REMOVE, elements("endpointConfiguration/vpcEndpointIds")),
    *_members("securityPolicy", "endpointAccessMode"),
)

RESOURCE = _table(patch.listed, *_members("parentId", "pathPart"))

_CONTENT_TYPE_MISSING = "Content-Type specified was not found"

METHOD = _table(
    patch.plain,
    *_members("authorizationType", "authorizerId"),
    Rule("/authorizationScopes", ADD_REMOVE, elements("authorizationScopes")),
    Rule("/apiKeyRequired", REPLACE, member("apiKeyRequired", flag)),
    *_members("operationName"),
    Rule("/requestParameters/{name}", ANY, entry("requestParameters", flag)),
    Rule("/requestModels/{contentType}", ANY, entry("requestModels", missing=_CONTENT_TYPE_MISSING)),
    Rule("/requestValidatorId", REPLACE, member("requestValidatorId", lambda value: value or None)),
)

METHOD_RESPONSE = _table(
    patch.plain,
    Rule("/responseParameters/{name}", ANY, entry("responseParameters", flag)),
    Rule("/responseModels/{contentType}", ANY, entry("responseModels", missing=_CONTENT_TYPE_MISSING)),
)

_CONTENT_HANDLING = choice(
    ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT"),
    "Invalid ContentHandling specified. Valid options are CONVERT_TO_BINARY,CONVERT_TO_TEXT",
)


def _content_handling(value: str | None) -> str | None:
    return _CONTENT_HANDLING(value) if value else None


def _not_of_mock(name: str) -> Rule:
    edit = member(name)

    def checked(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        if data["type"] == "MOCK":
            raise BadRequestException(f"Invalid patch path {operation.path}")
        edit(data, keys, operation)

    return Rule(f"/{name}", REPLACE, checked)


INTEGRATION = _table(
    patch.plain,
    Rule("/cacheKeyParameters/{name}", ANY, element("cacheKeyParameters")),
    *_members("cacheNamespace", "connectionId", "connectionType"),
    Rule("/contentHandling", ANY, member("contentHandling", _content_handling)),
    *_members("credentials", ops=ANY),
    _not_of_mock("httpMethod"),
    *_members("passthroughBehavior"),
    Rule("/requestParameters/{name}", ANY, entry("requestParameters")),
    Rule("/requestTemplates/{contentType}", ANY, entry("requestTemplates", missing="")),
    Rule("/timeoutInMillis", REPLACE, member("timeoutInMillis", integer("Invalid timeout specified"))),
    Rule("/tlsConfig/insecureSkipVerification", REPLACE, member("tlsConfig/insecureSkipVerification", flag)),
    _not_of_mock("uri"),
    *_members("responseTransferMode", "integrationTarget"),
)

INTEGRATION_RESPONSE = _table(
    patch.plain,
    Rule("/contentHandling", ANY, member("contentHandling", _content_handling)),
    Rule("/responseParameters/{name}", ANY, entry("responseParameters")),
    Rule("/responseTemplates/{contentType}", ANY, entry("responseTemplates", missing="")),
    *_members("selectionPattern"),
)

MODEL = _table(patch.listed, *_members("description", "schema"))

REQUEST_VALIDATOR = _table(
    patch.listed,
    *_members("name"),
    Rule("/validateRequestParameters", REPLACE, member("validateRequestParameters", flag)),
    Rule("/validateRequestBody", REPLACE, member("validateRequestBody", flag)),
)

_AUTHORIZER_TYPES = ("TOKEN", "REQUEST", "COGNITO_USER_POOLS", "JWT")
_BAD_AUTHORIZER_TYPE = f"Invalid authorizer type specified. Valid options are {','.join(_AUTHORIZER_TYPES)}"

AUTHORIZER = _table(
    patch.listed,
    *_members("name"),
    Rule("/type", REPLACE, member("type", choice(_AUTHORIZER_TYPES, _BAD_AUTHORIZER_TYPE))),
    *_members("authType", "authorizerUri", "authorizerCredentials"),
    *_members("identitySource", ops=ANY),
    *_members("identityValidationExpression"),
    Rule(
        "/authorizerResultTtlInSeconds",
        REPLACE,
        member("authorizerResultTtlInSeconds", integer("Invalid authorizer result TTL specified")),
    ),
    Rule("/providerARNs", ANY, elements("providerARNs")),
)


def _no_empty_value(name: str) -> Edit:
    edit = entry(name)

    def checked(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        if operation.op != "remove" and not operation.value:
            raise BadRequestException(f"Invalid null or empty value in {name}")
        edit(data, keys, operation)

    return checked


GATEWAY_RESPONSE = _table(
    patch.by_path,
    *_members("statusCode"),
    Rule("/responseParameters/{name}", ANY, _no_empty_value("responseParameters")),
    Rule("/responseTemplates/{contentType}", ANY, _no_empty_value("responseTemplates")),
)

DOCUMENTATION_PART = _table(patch.listed, *_members("properties"))
DOCUMENTATION_VERSION = _table(patch.listed, *_members("description"))

# -- Deployments and stages --------------------------------------------------------------------------------------------

DEPLOYMENT = _table(patch.listed, *_members("description"))

# The setting's part of the path -> the member of MethodSetting and how its value reads
_METHOD_SETTINGS: dict[str, tuple[str, Parse]] = {
    "metrics/enabled": ("metricsEnabled", flag),
    "logging/dataTrace": ("dataTraceEnabled", flag),
    "logging/loglevel": (
        "loggingLevel",
        choice(("OFF", "ERROR", "INFO"), "Invalid logging level specified. Valid options are OFF,ERROR,INFO"),
    ),
    "throttling/burstLimit": ("throttlingBurstLimit", integer("Invalid burst limit specified")),
    "throttling/rateLimit": ("throttlingRateLimit", number("Invalid rate limit specified")),
    "caching/ttlInSeconds": ("cacheTtlInSeconds", integer("Invalid cache TTL specified")),
    "caching/enabled": ("cachingEnabled", flag),
    "caching/dataEncrypted": ("cacheDataEncrypted", flag),
    "caching/requireAuthorizationForCacheControl": ("requireAuthorizationForCacheControl", flag),
    "caching/unauthorizedCacheControlHeaderStrategy": (
        "unauthorizedCacheControlHeaderStrategy",
        choice(
            ("FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"),
            "Invalid unauthorized cache control header strategy specified",
        ),
    ),
}


def _method_setting(name: str, parse: Parse) -> Edit:
    """A method's first setting makes all of its settings, the others at AWS's defaults."""

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        settings = data["methodSettings"]
        key = _setting_key(settings, keys[0])
        settings.setdefault(key, msgspec.to_builtins(MethodSetting()))[name] = parse(operation.value)

    return edit


def _setting_key(settings: Data, given: str) -> str:
    """The key that is there for this method, else the given one as AWS shows it: `~1pets/GET`, `*/*`."""
    path, _, http_method = given.rpartition("/")
    written = f"{path.replace('/', '~1')}/{http_method}"
    return next((key for key in settings if method_setting_key(key) == method_setting_key(written)), written)


def _remove_method_setting(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    settings = data["methodSettings"]
    if settings.pop(_setting_key(settings, keys[0]), None) is None:
        raise _nothing_to_remove(operation)


def _nothing_to_remove(operation: Operation) -> BadRequestException:
    setting = (operation.path or "").removeprefix("/")
    return BadRequestException(
        f"Cannot remove method setting {setting} because there is no method setting for this method "
    )


# AWS's own sentence, its missing commas included
_STAGE_PATHS = (
    "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled"
)


def _refuse_stage(table: Table, operation: Operation) -> BadRequestException:
    if operation.op == "remove":
        return _nothing_to_remove(operation)
    return BadRequestException(f"Invalid method setting path: {operation.path}. Must be one of: [{_STAGE_PATHS}]")


def _promote(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """Promotes a canary's deployment: `op=copy from=/canarySettings/deploymentId path=/deploymentId`."""
    _need_source(operation, "/canarySettings/deploymentId")
    data["deploymentId"] = (data.get("canarySettings") or {}).get("deploymentId") or data["deploymentId"]


def _promote_variables(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    _need_source(operation, "/canarySettings/stageVariableOverrides")
    overrides = (data.get("canarySettings") or {}).get("stageVariableOverrides")
    data["variables"] = {**(data.get("variables") or {}), **(overrides or {})} or None


def _need_source(operation: Operation, source: str) -> None:
    if operation.source != source:
        raise BadRequestException(
            f"Invalid copy source '{operation.source}' specified for path '{operation.path}'. Must be: [{source}]"
        )


STAGE = _table(
    _refuse_stage,
    Rule("/deploymentId", REPLACE, member("deploymentId")),
    Rule("/deploymentId", ("copy",), _promote),
    *_members("description", "cacheClusterSize", "webAclArn"),
    Rule("/documentationVersion", REPLACE, member("documentationVersion", lambda value: value or None)),
    Rule("/cacheClusterEnabled", REPLACE, member("cacheClusterEnabled", flag)),
    Rule("/clientCertificateId", ("replace", "remove"), member("clientCertificateId", lambda value: value or None)),
    Rule("/accessLogSettings", ("remove",), without("accessLogSettings")),
    Rule("/accessLogSettings/destinationArn", ANY, member("accessLogSettings/destinationArn")),
    Rule("/accessLogSettings/format", ANY, member("accessLogSettings/format")),
    Rule("/tracingEnabled", REPLACE, member("tracingEnabled", flag)),
    Rule("/variables", ("copy",), _promote_variables),
    Rule("/variables", ("replace", "remove"), member("variables", text_map)),
    Rule("/variables/{variable_name}", ANY, entry("variables", missing="")),
    Rule("/canarySettings", ("remove",), without("canarySettings")),
    Rule(
        "/canarySettings/percentTraffic",
        REPLACE,
        member("canarySettings/percentTraffic", number("Invalid percent traffic specified")),
    ),
    Rule("/canarySettings/deploymentId", REPLACE, member("canarySettings/deploymentId")),
    Rule("/canarySettings/useStageCache", REPLACE, member("canarySettings/useStageCache", flag)),
    Rule("/canarySettings/stageVariableOverrides", REPLACE, member("canarySettings/stageVariableOverrides", text_map)),
    Rule(
        "/canarySettings/stageVariableOverrides/{variable_name}",
        ANY,
        entry("canarySettings/stageVariableOverrides", missing=""),
    ),
    *(
        Rule(f"/{{resourcePathAndHttpMethod+}}/{path}", REPLACE, _method_setting(name, parse))
        for path, (name, parse) in _METHOD_SETTINGS.items()
    ),
    Rule("/{resourcePathAndHttpMethod+}", ("remove",), _remove_method_setting),
)

# -- Keys and plans ----------------------------------------------------------------------------------------------------


def _unseen(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """What AWS takes and shows nowhere."""


API_KEY = _table(
    patch.listed,
    *_members("name", "description"),
    Rule("/enabled", REPLACE, member("enabled", flag)),
    *_members("customerId"),
    Rule("/stages", ADD_REMOVE, elements("stageKeys")),
    Rule("/labels", ADD_REMOVE, _unseen),
)


def _api_stage(given: str | None) -> Data:
    api_id, _, stage = (given or "").partition(":")
    if not api_id or not stage:
        raise BadRequestException("Invalid API Stage specified")
    return {"apiId": api_id, "stage": stage.partition(":")[0]}


def _api_stages(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """`op=add path=/apiStages value=a1b2c3d4e5:prod`."""
    given = _api_stage(operation.value)
    stages: list[Data] = data["apiStages"]
    others = [stage for stage in stages if not _same(stage, given)]
    if operation.op == "remove":
        if len(others) == len(stages):
            described = f"{{api: {given['apiId']}, stage: {given['stage']}}}"
            raise NotFoundException(f"Invalid API Stage {described} specified for usageplan {data['id']}")
        data["apiStages"] = others
    elif len(others) == len(stages):
        stages.append(given)


def _same(stage: Data, other: Data) -> bool:
    return (stage["apiId"], stage["stage"]) == (other["apiId"], other["stage"])


def _stage_of_plan(data: Data, key: str) -> Data:
    given = _api_stage(key)
    stages: list[Data] = data["apiStages"]
    for stage in stages:
        if _same(stage, given):
            return stage
    raise BadRequestException(f"Usage plan does not contain the API stage {key}")


def _stage_throttle(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    _stage_of_plan(data, keys[0])["throttle"] = None


def _stage_throttles(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """All methods at once: `{"/pets/GET": {"rateLimit": 10, "burstLimit": 5}}`."""
    try:
        limits = msgspec.convert(patch.json_object(operation.value), dict[str, ThrottleSettings])
    except msgspec.ValidationError:
        raise BadRequestException("Invalid patch value specified. Must be the throttle settings of methods") from None
    throttles = {_throttle_key(method): msgspec.to_builtins(limit) for method, limit in limits.items()}
    _stage_of_plan(data, keys[0])["throttle"] = throttles


def _method_throttle(name: str, parse: Parse) -> Edit:
    """`op=replace path=/apiStages/a1b2c3d4e5:prod/throttle/~1pets/GET/rateLimit value=10`."""

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        throttle = inside(_stage_of_plan(data, keys[0]), ["throttle", _throttle_key(keys[1])])
        throttle[name] = parse(operation.value)

    return edit


def _remove_method_throttle(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    stage = _stage_of_plan(data, keys[0])
    throttles = stage.get("throttle") or {}
    throttles.pop(_throttle_key(keys[1]), None)
    stage["throttle"] = throttles or None


def _throttle_key(given: str) -> str:
    return f"/{given.lstrip('/')}"


_RATE = number("Usage Plan throttle rate limit must be a number")
_BURST = integer("Usage Plan throttle burst limit must be an integer")
_QUOTA = integer("Usage Plan quota limit must be an integer")
_OFFSET = integer("Usage Plan quota offset must be an integer")

# AWS's own spelling
_LISTED_STAGE = "/apiStages/<apidId:stageName>/throttle"
_LISTED_METHOD = f"{_LISTED_STAGE}/<resourcePath>/<httpMethod>"


def _method_limit(name: str, parse: Parse) -> Rule:
    path = f"/apiStages/{{apiStage}}/throttle/{{method+}}/{name}"
    return Rule(path, SET, _method_throttle(name, parse), f"{_LISTED_METHOD}/{name}")


USAGE_PLAN = _table(
    patch.listed,
    *_members("name", "description"),
    Rule("/apiStages", ADD_REMOVE, _api_stages),
    Rule("/quota", ("remove",), without("quota")),
    Rule("/quota/limit", SET, member("quota/limit", _QUOTA)),
    Rule("/quota/offset", SET, member("quota/offset", _OFFSET)),
    Rule("/quota/period", SET, member("quota/period")),
    Rule("/throttle", ("remove",), without("throttle")),
    Rule("/throttle/rateLimit", SET, member("throttle/rateLimit", _RATE)),
    Rule("/throttle/burstLimit", SET, member("throttle/burstLimit", _BURST)),
    *_members("productCode", ops=ANY),
    _method_limit("rateLimit", _RATE),
    _method_limit("burstLimit", _BURST),
    Rule("/apiStages/{apiStage}/throttle/{method+}", ("remove",), _remove_method_throttle, _LISTED_METHOD),
    Rule("/apiStages/{apiStage}/throttle", ("remove",), _stage_throttle, _LISTED_STAGE),
    Rule("/apiStages/{apiStage}/throttle", SET, _stage_throttles, _LISTED_STAGE),
)

USAGE = _table(
    patch.listed,
    Rule("/remaining", REPLACE, member("remaining", integer("Invalid remaining quota specified"))),
)

# -- The account's own -------------------------------------------------------------------------------------------------


def _features(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    if operation.op == "remove" and operation.value == "UsagePlans":
        raise BadRequestException("Usage Plans cannot be disabled once enabled")
    if operation.value != "UsagePlans":
        raise BadRequestException("Invalid feature specified. Valid options are UsagePlans")


ACCOUNT = _table(
    patch.listed,
    Rule("/cloudwatchRoleArn", REPLACE, member("cloudwatchRoleArn", lambda value: value or None)),
    Rule("/features", ADD_REMOVE, _features),
)

CLIENT_CERTIFICATE = _table(patch.listed, *_members("description"))
VPC_LINK = _table(patch.listed, *_members("name", "description"))


def _endpoint_types(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """`op=add path=/endpointConfiguration/types value=REGIONAL`"""
    choice(ENDPOINT_TYPES, BAD_ENDPOINT_TYPE)(operation.value)
    elements("endpointConfiguration/types")(data, keys, operation)


DOMAIN_NAME = _table(
    patch.listed,
    *_members("certificateName", "certificateArn", "regionalCertificateName", "regionalCertificateArn", ops=ANY),
    Rule("/endpointConfiguration/types", ADD_REMOVE, _endpoint_types),
    Rule("/endpointConfiguration/types/{type}", ANY, _endpoint_type),
    Rule("/endpointConfiguration/ipAddressType", REPLACE, member("endpointConfiguration/ipAddressType", _IP_TYPE)),
    *_members("securityPolicy", "endpointAccessMode"),
    *_members("mutualTlsAuthentication/truststoreUri", "mutualTlsAuthentication/truststoreVersion", ops=ANY),
    *_members("ownershipVerificationCertificateArn", ops=ANY),
    *_members("managementPolicy", "policy", "routingMode"),
)

BASE_PATH_MAPPING = _table(
    patch.listed,
    *_members("basePath"),
    Rule("/basepath", REPLACE, member("basePath")),
    Rule("/restapiId", REPLACE, member("restApiId")),
    Rule("/restApiId", REPLACE, member("restApiId")),
    Rule("/stage", ("replace", "remove"), member("stage")),
)
