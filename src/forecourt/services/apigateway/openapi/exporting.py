"""A stage's snapshot as an OpenAPI document, 3.0 or 2.0.

The document is built once in 3.0's form and, for `swagger`, turned into 2.0's. Extensions come on request: without any
the document is API Gateway's no more than anyone's; with `apigateway` an import of it makes the same API again.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-export-api.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from forecourt.services.apigateway.openapi import integrations
from forecourt.services.apigateway.openapi.document import ANY_METHOD, EXTENSION, Json
from forecourt.services.apigateway.openapi.swagger import as_swagger
from forecourt.services.apigateway.openapi.yaml_text import write_yaml
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import Authorizer, DocumentationPart, Method, Stage, describe
from forecourt.services.apigateway.rest.schemas import renamed_references
from forecourt.services.apigateway.snapshot import Snapshot

EXTENSIONS = ("integrations", "apigateway", "authorizers", "postman", "documentation")
_PLACES = {"path": "path", "querystring": "query", "header": "header"}
_VARIABLE = re.compile(r"\{([^}+]+)\+?\}")
API_KEY_SCHEME = "api_key"
SIGV4_SCHEME = "sigv4"


@dataclass(frozen=True)
class Wanted:
    """Which extensions the export has."""

    integrations: bool
    authorizers: bool
    documentation: bool
    postman: bool
    everything: bool


def wanted(extensions: str | None) -> Wanted:
    given = [name.strip() for name in (extensions or "").split(",") if name.strip()]
    unknown = [name for name in given if name not in EXTENSIONS]
    if unknown:
        raise BadRequestException(f"Invalid extensions specified: {', '.join(unknown)}")
    everything = "apigateway" in given
    with_integrations = everything or "integrations" in given
    return Wanted(
        integrations=with_integrations,
        authorizers=with_integrations or "authorizers" in given,
        documentation=everything or "documentation" in given,
        postman="postman" in given,
        everything=everything,
    )


def export(
    snapshot: Snapshot, stage: Stage, export_type: str, extensions: str | None, parts: list[DocumentationPart]
) -> Json:
    """The document. `parts` are those of the stage's documentation version."""
    if export_type not in ("oas30", "swagger"):
        raise BadRequestException(f"Export type '{export_type}' is not supported. Valid options are oas30, swagger")
    document = _Export(snapshot, stage, wanted(extensions), parts).document()
    return as_swagger(document) if export_type == "swagger" else document


def to_text(document: Json, content_type: str) -> bytes:
    if content_type == "application/yaml":
        return write_yaml(document).encode()
    return json.dumps(document, indent=2).encode()


class _Export:
    def __init__(self, snapshot: Snapshot, stage: Stage, want: Wanted, parts: list[DocumentationPart]) -> None:
        self.snapshot = snapshot
        self.stage = stage
        self.want = want
        self.parts = parts
        self.authorizers = {authorizer.id: authorizer for authorizer in snapshot.authorizers}
        self.validators = {validator.id: validator for validator in snapshot.request_validators}
        self.schemes: dict[str, Json] = {}

    def document(self) -> Json:
        snapshot = self.snapshot
        info = {"title": snapshot.name, "description": snapshot.description, "version": snapshot.version}
        host = f"{snapshot.rest_api_id}.execute-api.{snapshot.region}.amazonaws.com"
        server = {
            "url": f"https://{host}/{{basePath}}",
            "variables": {"basePath": {"default": self.stage.stage_name}},
        }
        paths = {resource.path: self._path(resource.path, resource.resource_methods) for resource in self._resources()}
        if self.want.authorizers:
            for authorizer in snapshot.authorizers:
                self.schemes[authorizer.name] = _authorizer(authorizer, self.want)
        return {
            "openapi": "3.0.1",
            "info": {name: value for name, value in info.items() if value is not None},
            "servers": [server],
            "paths": paths,
            "components": self._components(),
            **self._documentation(),
            **self._extensions(),
        }

    def _resources(self) -> list[Any]:
        used = [resource for resource in self.snapshot.resources if resource.resource_methods]
        return sorted(used, key=lambda resource: resource.path)

    def _path(self, path: str, methods: dict[str, Method]) -> Json:
        return {
            ANY_METHOD if name == "ANY" else name.lower(): self._operation(path, method)
            for name, method in sorted(methods.items())
        }

    def _operation(self, path: str, method: Method) -> Json:
        operation: Json = {}
        if method.operation_name:
            operation["operationId"] = method.operation_name
        parameters = _parameters(path, method.request_parameters or {})
        if parameters:
            operation["parameters"] = parameters
        if method.request_models:
            operation["requestBody"] = {"content": _content(method.request_models), "required": True}
        operation["responses"] = {
            code: _response(code, response.response_parameters, response.response_models)
            for code, response in sorted((method.method_responses or {}).items())
        }
        security = self._security(method)
        if security:
            operation["security"] = [security]
        return {**operation, **self._operation_extensions(method)}

    def _operation_extensions(self, method: Method) -> Json:
        extensions: Json = {}
        validator = self.validators.get(method.request_validator_id or "")
        if validator and validator.name and self.want.everything:
            extensions[EXTENSION + "request-validator"] = validator.name
        if method.method_integration and self.want.integrations:
            extensions[EXTENSION + "integration"] = integrations.write(method.method_integration)
        if method.authorization_type == "AWS_IAM" and self.want.postman:
            extensions["x-postman-meta"] = _postman(self.snapshot.region)
        return extensions

    def _security(self, method: Method) -> dict[str, list[str]]:
        security: dict[str, list[str]] = {}
        if method.authorization_type == "AWS_IAM":
            self.schemes[SIGV4_SCHEME] = {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                **({EXTENSION + "authtype": "awsSigv4"} if self.want.authorizers else {}),
            }
            security[SIGV4_SCHEME] = []
        authorizer = self.authorizers.get(method.authorizer_id or "")
        if authorizer:
            self.schemes[authorizer.name] = _authorizer(authorizer, self.want)
            security[authorizer.name] = list(method.authorization_scopes or ())
        if method.api_key_required:
            self.schemes[API_KEY_SCHEME] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
            security[API_KEY_SCHEME] = []
        return security

    def _components(self) -> Json:
        schemas = {}
        for model in sorted(self.snapshot.models, key=lambda model: model.name):
            try:
                schemas[model.name] = renamed_references(json.loads(model.schema or "{}"), "#/components/schemas/")
            except ValueError:
                continue
        components = {"schemas": schemas, "securitySchemes": dict(sorted(self.schemes.items()))}
        return {name: value for name, value in components.items() if value}

    def _documentation(self) -> Json:
        if not self.want.documentation or not self.parts:
            return {}
        parts = [
            {"location": describe(part.location), "properties": json.loads(part.properties)}
            for part in sorted(self.parts, key=lambda part: msgspec.json.encode(part.location))
        ]
        version = self.stage.documentation_version
        return {EXTENSION + "documentation": {"version": version, "documentationParts": parts}}

    def _extensions(self) -> Json:
        snapshot = self.snapshot
        if not self.want.everything:
            return {}
        endpoint: Json = describe(snapshot.endpoint_configuration)
        if snapshot.disable_execute_api_endpoint:
            endpoint["disableExecuteApiEndpoint"] = True
        found: Json = {
            "api-key-source": snapshot.api_key_source,
            "binary-media-types": snapshot.binary_media_types or None,
            "minimum-compression-size": snapshot.minimum_compression_size,
            "policy": json.loads(snapshot.policy) if snapshot.policy else None,
            "endpoint-configuration": endpoint,
            "security-policy": snapshot.security_policy,
            "endpoint-access-mode": snapshot.endpoint_access_mode,
            "request-validators": {
                validator.name: {
                    "validateRequestBody": validator.validate_request_body,
                    "validateRequestParameters": validator.validate_request_parameters,
                }
                for validator in sorted(snapshot.request_validators, key=lambda validator: validator.name or "")
                if validator.name
            }
            or None,
            "gateway-responses": {
                own.response_type: {
                    name: value
                    for name, value in describe(own).items()
                    if name not in ("responseType", "defaultResponse")
                }
                for own in snapshot.gateway_responses
            }
            or None,
        }
        return {EXTENSION + name: value for name, value in found.items() if value is not None}


def _parameters(path: str, declared: dict[str, bool]) -> list[Json]:
    """The declared ones, and the path's variables whether declared or not, as OpenAPI demands."""
    parameters = dict(declared)
    for name in _VARIABLE.findall(path):
        parameters[f"method.request.path.{name}"] = True
    found = []
    for name, required in sorted(parameters.items()):
        _, _, place, key = name.split(".", 3)
        found.append({"name": key, "in": _PLACES[place], "required": required, "schema": {"type": "string"}})
    return found


def _response(code: str, headers: dict[str, bool] | None, models: dict[str, str] | None) -> Json:
    response: Json = {"description": f"{code} response"}
    if headers:
        response["headers"] = {name.split(".", 3)[3]: {"schema": {"type": "string"}} for name in sorted(headers)}
    response["content"] = _content(models or {})
    return response


def _content(models: dict[str, str]) -> Json:
    return {
        content_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}
        for content_type, name in sorted(models.items())
    }


def _postman(region: str) -> Json:
    """How Postman is to sign: its importer reads this of an operation."""
    attributes = {
        "id": "awsSigV4",
        "accessKey": "{{aws_access_key_id}}",
        "secretKey": "{{aws_secret_access_key}}",
        "region": region,
        "service": "execute-api",
    }
    return {"currentHelper": "awsSigV4", "helperAttributes": attributes}


def _authorizer(authorizer: Authorizer, want: Wanted) -> Json:
    header = re.fullmatch(r"method\.request\.header\.(\S+)", authorizer.identity_source or "")
    scheme: Json = {"type": "apiKey", "name": header[1] if header else "Unused", "in": "header"}
    if not want.authorizers:
        return scheme
    described = describe(authorizer)
    described["type"] = authorizer.type.lower()
    for name in ("id", "name"):
        described.pop(name)
    auth_type = described.pop("authType", None)
    if auth_type:
        scheme[EXTENSION + "authtype"] = auth_type
    return {**scheme, EXTENSION + "authorizer": described}
