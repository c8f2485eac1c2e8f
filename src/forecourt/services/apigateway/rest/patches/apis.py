"""An API, its resources and what its methods are made of."""

from __future__ import annotations

from forecourt.services.apigateway.rest import patch
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.patch import (
    Data,
    Edit,
    Operation,
    Rule,
    choice,
    element,
    elements,
    entry,
    flag,
    integer,
    member,
)
from forecourt.services.apigateway.rest.patches.endpoints import IP_ADDRESS_TYPE, TYPE
from forecourt.services.apigateway.rest.patches.rows import ADD_REMOVE, ANY, REPLACE, members, table

_COMPRESSION = integer("Invalid minimum compression size, must be between 0 and 10485760")


def _compression(value: str | None) -> int | None:
    return None if not value else _COMPRESSION(value)


REST_API = table(
    patch.plain,
    *members("name", "version"),
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
    TYPE,
    IP_ADDRESS_TYPE,
    Rule("/endpointConfiguration/vpcEndpointIds", ADD_REMOVE, elements("endpointConfiguration/vpcEndpointIds")),
    *members("securityPolicy", "endpointAccessMode"),
)

RESOURCE = table(patch.listed, *members("parentId", "pathPart"))

_CONTENT_TYPE_MISSING = "Content-Type specified was not found"

METHOD = table(
    patch.plain,
    *members("authorizationType", "authorizerId"),
    Rule("/authorizationScopes", ADD_REMOVE, elements("authorizationScopes")),
    Rule("/apiKeyRequired", REPLACE, member("apiKeyRequired", flag)),
    *members("operationName"),
    Rule("/requestParameters/{name}", ANY, entry("requestParameters", flag)),
    Rule("/requestModels/{contentType}", ANY, entry("requestModels", missing=_CONTENT_TYPE_MISSING)),
    Rule("/requestValidatorId", REPLACE, member("requestValidatorId", lambda value: value or None)),
)

METHOD_RESPONSE = table(
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


INTEGRATION = table(
    patch.plain,
    Rule("/cacheKeyParameters/{name}", ANY, element("cacheKeyParameters")),
    *members("cacheNamespace", "connectionId", "connectionType"),
    Rule("/contentHandling", ANY, member("contentHandling", _content_handling)),
    *members("credentials", ops=ANY),
    _not_of_mock("httpMethod"),
    *members("passthroughBehavior"),
    Rule("/requestParameters/{name}", ANY, entry("requestParameters")),
    Rule("/requestTemplates/{contentType}", ANY, entry("requestTemplates", missing="")),
    Rule("/timeoutInMillis", REPLACE, member("timeoutInMillis", integer("Invalid timeout specified"))),
    Rule("/tlsConfig/insecureSkipVerification", REPLACE, member("tlsConfig/insecureSkipVerification", flag)),
    _not_of_mock("uri"),
    *members("responseTransferMode", "integrationTarget"),
)

INTEGRATION_RESPONSE = table(
    patch.plain,
    Rule("/contentHandling", ANY, member("contentHandling", _content_handling)),
    Rule("/responseParameters/{name}", ANY, entry("responseParameters")),
    Rule("/responseTemplates/{contentType}", ANY, entry("responseTemplates", missing="")),
    *members("selectionPattern"),
)

MODEL = table(patch.listed, *members("description", "schema"))

REQUEST_VALIDATOR = table(
    patch.listed,
    *members("name"),
    Rule("/validateRequestParameters", REPLACE, member("validateRequestParameters", flag)),
    Rule("/validateRequestBody", REPLACE, member("validateRequestBody", flag)),
)

_AUTHORIZER_TYPES = ("TOKEN", "REQUEST", "COGNITO_USER_POOLS", "JWT")
_BAD_AUTHORIZER_TYPE = f"Invalid authorizer type specified. Valid options are {','.join(_AUTHORIZER_TYPES)}"

AUTHORIZER = table(
    patch.listed,
    *members("name"),
    Rule("/type", REPLACE, member("type", choice(_AUTHORIZER_TYPES, _BAD_AUTHORIZER_TYPE))),
    *members("authType", "authorizerUri", "authorizerCredentials"),
    *members("identitySource", ops=ANY),
    *members("identityValidationExpression"),
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


GATEWAY_RESPONSE = table(
    patch.by_path,
    *members("statusCode"),
    Rule("/responseParameters/{name}", ANY, _no_empty_value("responseParameters")),
    Rule("/responseTemplates/{contentType}", ANY, _no_empty_value("responseTemplates")),
)

DOCUMENTATION_PART = table(patch.listed, *members("properties"))
DOCUMENTATION_VERSION = table(patch.listed, *members("description"))
