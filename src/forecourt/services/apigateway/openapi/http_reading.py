"""An OpenAPI 3.0 document into an HTTP API, in `apigatewayv2`'s terms: what Create* would be called with.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from forecourt.services.apigateway.http.model import DEFAULT_ROUTE
from forecourt.services.apigateway.openapi.document import (
    ANY_METHOD,
    EXTENSION,
    HTTP_METHODS,
    Json,
    is_openapi,
    items,
    obj,
    resolve,
)
from forecourt.services.apigateway.rest.errors import BadRequestException

DEFAULT_PATH = f"/{DEFAULT_ROUTE}"

# The extension's member -> CreateIntegration's
INTEGRATION = {
    "type": "IntegrationType",
    "httpMethod": "IntegrationMethod",
    "uri": "IntegrationUri",
    "integrationSubtype": "IntegrationSubtype",
    "payloadFormatVersion": "PayloadFormatVersion",
    "credentials": "CredentialsArn",
    "connectionType": "ConnectionType",
    "connectionId": "ConnectionId",
    "requestParameters": "RequestParameters",
    "responseParameters": "ResponseParameters",
    "timeoutInMillis": "TimeoutInMillis",
    "tlsConfig": "TlsConfig",
}
# The extension's member -> CreateAuthorizer's
AUTHORIZER = {
    "authorizerUri": "AuthorizerUri",
    "authorizerCredentials": "AuthorizerCredentialsArn",
    "authorizerPayloadFormatVersion": "AuthorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds": "AuthorizerResultTtlInSeconds",
    "enableSimpleResponses": "EnableSimpleResponses",
    "identityValidationExpression": "IdentityValidationExpression",
}
_CAPITALIZED = ("IntegrationType", "IntegrationMethod", "ConnectionType")


@dataclass
class RouteDefinition:
    """CreateRoute's members, with the integration and the authorizer that they are about."""

    members: Json
    integration: Json | None
    authorizer: str | None = None


@dataclass
class HttpDefinition:
    api: Json
    routes: list[RouteDefinition] = field(default_factory=list)
    # By the scheme's name
    authorizers: dict[str, Json] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read(document: Json, basepath: str | None) -> HttpDefinition:
    if not is_openapi(document):
        raise BadRequestException("Unsupported OpenAPI version. HTTP APIs import OpenAPI 3.0 definitions")
    info = obj(document.get("info"))
    if not info.get("title"):
        raise BadRequestException("Warnings found during import:\n\tParse issue: attribute info.title is missing\n")
    definition = HttpDefinition(api=_api(document, info))
    definition.authorizers = dict(_authorizers(document))
    prefix = _prefix(document, basepath or "ignore")
    for path, item in obj(document.get("paths")).items():
        for http_method, operation in _operations(resolve(document, item)):
            if len(path) > 1 and path.endswith("/"):
                # https://github.com/aws/serverless-application-model/issues/1949: there is no such route, nor an error
                definition.warnings.append(f"Route '{http_method} {path}' ends with a slash. Ignoring.")
                continue
            definition.routes.append(_route(document, definition, f"{prefix}{path}", http_method, operation))
    return definition


def _api(document: Json, info: Json) -> Json:
    cors = obj(document.get(EXTENSION + "cors"))
    endpoint = obj(obj(next(iter(items(document.get("servers"))), None)).get(EXTENSION + "endpoint-configuration"))
    tags = {
        str(tag["name"]): str(tag[EXTENSION + "tag-value"])
        for tag in items(document.get("tags"))
        if EXTENSION + "tag-value" in obj(tag)
    }
    members = {
        "Name": str(info["title"]),
        "Description": info.get("description"),
        "Version": str(info["version"]) if info.get("version") is not None else None,
        "CorsConfiguration": {name[:1].upper() + name[1:]: value for name, value in cors.items()} or None,
        "DisableExecuteApiEndpoint": endpoint.get("disableExecuteApiEndpoint"),
        "Tags": tags or None,
    }
    return {name: value for name, value in members.items() if value is not None}


def _prefix(document: Json, mode: str) -> str:
    if mode not in ("ignore", "prepend", "split"):
        raise BadRequestException("Invalid basepath mode specified. Valid options are ignore, prepend, split")
    server = obj(next(iter(items(document.get("servers"))), None))
    default = obj(obj(server.get("variables")).get("basePath")).get("default")
    base = str(default if default is not None else urlsplit(str(server.get("url") or "")).path).strip("/")
    kept = {"ignore": "", "prepend": base, "split": base.partition("/")[2]}[mode]
    return f"/{kept}" if kept else ""


def _operations(item: Json) -> Iterator[tuple[str, Json]]:
    for name, operation in item.items():
        if isinstance(operation, dict) and name.lower() in (*HTTP_METHODS, ANY_METHOD):
            yield "ANY" if name.lower() == ANY_METHOD else name.upper(), operation


def _route(document: Json, definition: HttpDefinition, path: str, http_method: str, operation: Json) -> RouteDefinition:
    key = DEFAULT_ROUTE if path.endswith(DEFAULT_PATH) else f"{http_method} {path}"
    members: Json = {"RouteKey": key}
    if operation.get("operationId"):
        members["OperationName"] = str(operation["operationId"])[:64]
    if str(obj(operation.get(EXTENSION + "auth")).get("type", "")).upper() == "AWS_IAM":
        members["AuthorizationType"] = "AWS_IAM"
    extension = resolve(document, operation.get(EXTENSION + "integration"))
    route = RouteDefinition(members, _integration(extension) if extension else None)
    _secure(document, definition, route, operation)
    if route.integration is None:
        definition.warnings.append(f"No integration defined for {key}. Ignoring.")
    return route


def _integration(extension: Json) -> Json:
    members = {theirs: extension[ours] for ours, theirs in INTEGRATION.items() if extension.get(ours) is not None}
    for name in _CAPITALIZED:
        if isinstance(members.get(name), str):
            members[name] = members[name].upper()
    if "PayloadFormatVersion" in members:
        members["PayloadFormatVersion"] = str(members["PayloadFormatVersion"])
    if "TlsConfig" in members:
        members["TlsConfig"] = {"ServerNameToVerify": obj(members["TlsConfig"]).get("serverNameToVerify")}
    if "ResponseParameters" in members:
        members["ResponseParameters"] = {str(k): obj(v) for k, v in obj(members["ResponseParameters"]).items()}
    return members


def _secure(document: Json, definition: HttpDefinition, route: RouteDefinition, operation: Json) -> None:
    """The first requirement that we know decides: a route has one authorizer."""
    for requirement in items(operation.get("security", document.get("security"))):
        for name, scopes in obj(requirement).items():
            authorizer = definition.authorizers.get(name)
            if authorizer is None:
                definition.warnings.append(f"Security scheme '{name}' is not supported. Ignoring.")
                continue
            is_jwt = authorizer["AuthorizerType"] == "JWT"
            route.authorizer = name
            route.members["AuthorizationType"] = "JWT" if is_jwt else "CUSTOM"
            if is_jwt and items(scopes):
                route.members["AuthorizationScopes"] = items(scopes)
            return


def _authorizers(document: Json) -> Iterator[tuple[str, Json]]:
    for name, scheme in obj(obj(document.get("components")).get("securitySchemes")).items():
        given = obj(obj(scheme).get(EXTENSION + "authorizer"))
        if given:
            yield name, _authorizer(name, given)


def _authorizer(name: str, given: Json) -> Json:
    members: Json = {
        "Name": name,
        "AuthorizerType": str(given.get("type", "")).upper(),
        "IdentitySource": _sources(given.get("identitySource")),
        **{theirs: given[ours] for ours, theirs in AUTHORIZER.items() if given.get(ours) is not None},
    }
    jwt = obj(given.get("jwtConfiguration"))
    if jwt:
        audience = jwt.get("audience")
        members["JwtConfiguration"] = {
            "Issuer": jwt.get("issuer"),
            "Audience": audience if isinstance(audience, list) else [audience] if audience else [],
        }
    if "AuthorizerPayloadFormatVersion" in members:
        members["AuthorizerPayloadFormatVersion"] = str(members["AuthorizerPayloadFormatVersion"])
    return members


def _sources(value: Any) -> list[str]:
    return [str(source) for source in value] if isinstance(value, list) else str(value).split(",") if value else []
