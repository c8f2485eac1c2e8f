"""An HTTP API as an OpenAPI 3.0 document: the inverse of `http_reading.py`."""

from __future__ import annotations

import re
from typing import Any

from forecourt.services.apigateway.http.model import (
    DEFAULT_ROUTE,
    DEFAULT_STAGE,
    Authorizer,
    HttpSnapshot,
    Integration,
    Route,
)
from forecourt.services.apigateway.openapi.document import ANY_METHOD, EXTENSION, Json
from forecourt.services.apigateway.openapi.http_reading import AUTHORIZER, DEFAULT_PATH, INTEGRATION
from forecourt.services.apigateway.rest.model import describe

# Of an API that has none: a document needs one.
_VERSION = "1.0"


def export(snapshot: HttpSnapshot, endpoint: str, stage_name: str | None, *, extensions: bool) -> Json:
    authorizers = {authorizer.authorizer_id: authorizer for authorizer in snapshot.authorizers}
    integrations = {integration.integration_id: integration for integration in snapshot.integrations}
    paths: dict[str, Json] = {}
    for route in sorted(snapshot.routes, key=lambda route: route.route_key):
        name, path = _place(route.route_key)
        operation = _operation(route, authorizers.get(route.authorizer_id or ""))
        if extensions:
            operation |= _extensions(route, integrations.get((route.target or "").removeprefix("integrations/")))
        paths.setdefault(path, _parameters(path))[name] = operation
    info = {"title": snapshot.name, "description": snapshot.description, "version": snapshot.version or _VERSION}
    document: Json = {
        "openapi": "3.0.1",
        "info": {name: value for name, value in info.items() if value is not None},
        "servers": [_server(endpoint, stage_name)],
        "paths": paths,
    }
    if authorizers and extensions:
        document["components"] = {"securitySchemes": {a.name: _scheme(a) for a in authorizers.values()}}
    if snapshot.cors_configuration and extensions:
        cors = describe(snapshot.cors_configuration)
        document[EXTENSION + "cors"] = {name[:1].lower() + name[1:]: value for name, value in cors.items()}
    if extensions:
        document[EXTENSION + "importexport-version"] = "1.0"
    return document


def _parameters(path: str) -> Json:
    """A document is only valid where it declares what a path has in braces."""
    names = re.findall(r"\{([^{}+]+)\+?\}", path)
    if not names:
        return {}
    common = {"in": "path", "required": True, "schema": {"type": "string"}}
    return {"parameters": [{"name": n, "description": f"Generated path parameter for {n}", **common} for n in names]}


def _server(endpoint: str, stage_name: str | None) -> Json:
    if stage_name in (None, DEFAULT_STAGE):
        return {"url": endpoint}
    return {"url": f"{endpoint}/{{basePath}}", "variables": {"basePath": {"default": stage_name}}}


def _place(route_key: str) -> tuple[str, str]:
    if route_key == DEFAULT_ROUTE:
        return ANY_METHOD, DEFAULT_PATH
    http_method, path = route_key.split(" ", 1)
    return ANY_METHOD if http_method == "ANY" else http_method.lower(), path


def _operation(route: Route, authorizer: Authorizer | None) -> Json:
    operation: Json = {"responses": {"default": {"description": f"Default response for {route.route_key}"}}}
    if route.operation_name:
        operation["operationId"] = route.operation_name
    if authorizer:
        operation["security"] = [{authorizer.name: route.authorization_scopes or []}]
    return operation


def _extensions(route: Route, integration: Integration | None) -> Json:
    found: Json = {}
    if route.authorization_type == "AWS_IAM":
        found[EXTENSION + "auth"] = {"type": "AWS_IAM"}
    if integration:
        found[EXTENSION + "integration"] = _integration(integration)
    return found


def _integration(integration: Integration) -> Json:
    described = describe(integration)
    extension: Json = {ours: described[theirs] for ours, theirs in INTEGRATION.items() if theirs in described}
    extension["type"] = integration.integration_type.lower()
    if "tlsConfig" in extension:
        extension["tlsConfig"] = {"serverNameToVerify": extension["tlsConfig"].get("ServerNameToVerify")}
    return extension


def _scheme(authorizer: Authorizer) -> Json:
    described = describe(authorizer)
    extension: dict[str, Any] = {ours: described[theirs] for ours, theirs in AUTHORIZER.items() if theirs in described}
    extension["type"] = authorizer.authorizer_type.lower()
    extension["identitySource"] = ",".join(authorizer.identity_source)
    jwt = authorizer.jwt_configuration
    if jwt is not None:
        extension["jwtConfiguration"] = {"issuer": jwt.issuer, "audience": jwt.audience}
        return {"type": "oauth2", "flows": {}, EXTENSION + "authorizer": extension}
    return {"type": "apiKey", "name": "Authorization", "in": "header", EXTENSION + "authorizer": extension}
