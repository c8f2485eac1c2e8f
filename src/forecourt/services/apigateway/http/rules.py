"""What AWS demands of an HTTP API, its routes, authorizers and stages when they are configured. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from forecourt.base.arn import Arn
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.model import (
    DEFAULT_ROUTE,
    AccessLogSettings,
    Api,
    Authorizer,
    Cors,
    Route,
    RouteSettings,
)
from forecourt.services.apigateway.rest.quotas import Quotas, need_size

_ROUTE_KEY = re.compile(r"(ANY|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/[^\s?#]*)")
_ROUTE_PART = re.compile(r"\{[\w.:\-]+\+?\}|[^{}]*")
# The authorization type of a route -> the type of authorizer that it names
AUTHORIZERS = {"JWT": "JWT", "CUSTOM": "REQUEST"}
METHODS = ("ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

_IDENTITY = re.compile(r"\$(request\.(header|querystring)|context|stageVariables)\..+")


def need_route(route: Route, quotas: Quotas) -> None:
    if route.route_key != DEFAULT_ROUTE:
        match = _ROUTE_KEY.fullmatch(route.route_key)
        if match is None or not _is_route_path(match[2]):
            raise BadRequestException(
                'The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> '
                '/<RESOURCE PATH>" or "$default"'
            )
    if route.api_key_required:
        raise BadRequestException("ApiKeyRequired is not currently supported for HTTP APIs")
    if route.authorization_type not in AUTHORIZERS:
        route.authorizer_id = None
    elif not route.authorizer_id:
        raise no_authorizer(route)
    if route.authorization_scopes and route.authorization_type != "JWT":
        raise BadRequestException(
            "Invalid Route authorization type specified. Authorization Scopes are only valid for COGNITO_USER_POOLS "
            "and JWT authorization types"
        )
    if len(route.authorization_scopes or ()) > quotas.route_scopes:
        raise BadRequestException(f"A route can have at most {quotas.route_scopes} authorization scopes")


def no_authorizer(route: Route) -> BadRequestException:
    kind = route.authorization_type
    needed = "a valid JWT authorizer" if kind == "JWT" else "a valid authorizer"
    return BadRequestException(
        f"Invalid authorizer ID specified. Setting the authorization type to {kind} requires {needed}."
    )


def _is_route_path(path: str) -> bool:
    parts = path.split("/")[1:]
    if path != "/" and not all(parts):
        return False
    names = re.findall(r"\{([^{}+]+)\+?\}", path)
    if len(set(names)) != len(names):
        return False
    return all(_ROUTE_PART.fullmatch(part) for part in parts) and not any("+}" in part for part in parts[:-1])


def need_authorizer(authorizer: Authorizer, quotas: Quotas) -> None:
    for source in authorizer.identity_source:
        if not _IDENTITY.fullmatch(source):
            raise BadRequestException(f"Invalid identity source specified: {source}")
    if authorizer.authorizer_type == "JWT":
        jwt = authorizer.jwt_configuration
        if jwt is None or not jwt.issuer or not jwt.audience:
            raise BadRequestException("JwtConfiguration with Issuer and Audience is required for JWT authorizers")
        need_issuer_url(jwt.issuer)
        if len(jwt.audience) > quotas.jwt_audiences:
            raise BadRequestException(f"A JWT authorizer can have at most {quotas.jwt_audiences} audiences")
        if len(authorizer.identity_source) != 1:
            raise BadRequestException("JWT authorizers require exactly one identity source")
        if authorizer.authorizer_payload_format_version:
            raise BadRequestException("AuthorizerPayloadFormatVersion can only be set for REQUEST authorizer.")
        return
    if not authorizer.authorizer_uri:
        raise BadRequestException("AuthorizerUri is required for REQUEST authorizers")
    if authorizer.authorizer_payload_format_version not in ("1.0", "2.0"):
        raise BadRequestException(
            "AuthorizerPayloadFormatVersion is a required parameter for authorizer and must be 1.0 or 2.0"
        )
    if authorizer.enable_simple_responses and authorizer.authorizer_payload_format_version != "2.0":
        raise BadRequestException("Simple responses are supported for payload format version 2.0 only")
    if authorizer.authorizer_result_ttl_in_seconds and not authorizer.identity_source:
        raise BadRequestException("Identity sources are required when caching is enabled")


def need_issuer_url(issuer: str) -> None:
    """AWS demands https; an issuer on this machine often has none."""
    if urlsplit(issuer).scheme not in ("http", "https"):
        raise BadRequestException(f"Invalid issuer: {issuer}. Issuer must have a valid URL")


def no_issuer(issuer: str) -> BadRequestException:
    discovery = "/.well-known/openid-configuration"
    return BadRequestException(
        f"Caught exception when connecting to {issuer.rstrip('/')}{discovery} for issuer {issuer}. Please try again "
        f"later. Error: Invalid issuer: {issuer}. Issuer must have a valid discovery endpoint ended with '{discovery}'"
    )


def need_route_settings(settings: RouteSettings) -> None:
    if settings.data_trace_enabled or settings.logging_level not in (None, "OFF"):
        raise BadRequestException("Execution logs are not supported on protocolType HTTP")


def need_access_log(access: AccessLogSettings | None, quotas: Quotas) -> None:
    if access is None:
        return
    need_size(access.format, quotas.access_log_format_bytes, "Access log format")
    if "\n" in (access.format or ""):
        raise BadRequestException("Access Log format must be single line")
    try:
        is_group = access.destination_arn is None or Arn.parse(access.destination_arn).service == "logs"
    except ValueError:
        is_group = False
    if not is_group:
        raise BadRequestException(f"Invalid log group ARN specified: {access.destination_arn}")


def need_api(api: Api) -> None:
    if api.route_selection_expression.replace("{", "").replace("}", "") != "$request.method $request.path":
        raise BadRequestException(
            "Invalid route selection expression specified. HTTP APIs have $request.method $request.path"
        )
    need_cors(api.cors_configuration)


def need_cors(cors: Cors | None) -> None:
    if cors is None:
        return
    for method in cors.allow_methods or []:
        if method != "*" and method.upper() not in METHODS:
            raise BadRequestException(f"Invalid method specified in allowMethods: {method}")
    if cors.allow_credentials and "*" in (cors.allow_origins or []):
        raise BadRequestException("allow-credentials is not supported with the wildcard origin *")
    for origin in cors.allow_origins or []:
        if origin != "*" and not urlsplit(origin).scheme:
            raise BadRequestException(
                f"Invalid origin specified: {origin}. Origins must start with http:// or https://"
            )
