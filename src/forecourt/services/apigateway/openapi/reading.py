"""A document into a `Definition`.

OpenAPI 2.0 and 3.0 differ in where a body's schema, a response's content, a base path and the security schemes stand;
`_Dialect` is that difference, and nothing else here knows of it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from forecourt.services.apigateway.openapi import integrations
from forecourt.services.apigateway.openapi.definition import Definition, MethodDefinition
from forecourt.services.apigateway.openapi.document import (
    ANY_METHOD,
    EXTENSION,
    HTTP_METHODS,
    Json,
    is_openapi,
    is_swagger,
    items,
    obj,
    resolve,
    text,
    texts,
)
from forecourt.services.apigateway.openapi.documentation import parts_of
from forecourt.services.apigateway.openapi.security import Security
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import Method, MethodResponse

BAD_INPUT = "Unable to build importer with provided input."
_STATUS_CODE = re.compile(r"[1-5]\d\d")
_PARAMETER_PLACES = {"path": "path", "query": "querystring", "header": "header"}


def read(document: Json, parameters: Mapping[str, str]) -> Definition:
    """`parameters` are the import's own: `basepath`, `endpointConfigurationTypes`, `ignore`."""
    return _Reader(document, parameters).read()


@dataclass(frozen=True)
class _Dialect:
    """Where a version of OpenAPI keeps what we look for."""

    document: Json
    swagger: bool

    def schemas(self) -> Json:
        return obj(self.document.get("definitions")) if self.swagger else self._components("schemas")

    def security_schemes(self) -> Json:
        return obj(self.document.get("securityDefinitions")) if self.swagger else self._components("securitySchemes")

    def _components(self, name: str) -> Json:
        return obj(obj(self.document.get("components")).get(name))

    def base_path(self) -> str:
        if self.swagger:
            return str(self.document.get("basePath") or "")
        server = obj(next(iter(items(self.document.get("servers"))), None))
        default = obj(obj(server.get("variables")).get("basePath")).get("default")
        return str(default if default is not None else urlsplit(str(server.get("url") or "")).path)

    def bodies(self, operation: Json, parameters: list[Json]) -> dict[str, Any]:
        """The schema of the request's body by content type."""
        if not self.swagger:
            return self._content(resolve(self.document, operation.get("requestBody")))
        body = next((p for p in parameters if p.get("in") == "body"), None)
        return dict.fromkeys(self._types(operation, "consumes"), obj(body.get("schema"))) if body else {}

    def answers(self, operation: Json, response: Json) -> dict[str, Any]:
        """The schema of a response's body by content type."""
        if not self.swagger:
            return self._content(response)
        return dict.fromkeys(self._types(operation, "produces"), response["schema"]) if "schema" in response else {}

    def _content(self, holder: Json) -> dict[str, Any]:
        content = obj(holder.get("content"))
        return {name: obj(media).get("schema") for name, media in content.items() if obj(media).get("schema")}

    def _types(self, operation: Json, name: str) -> list[str]:
        return texts(operation.get(name)) or texts(self.document.get(name)) or ["application/json"]


class _Reader:
    def __init__(self, document: Json, parameters: Mapping[str, str]) -> None:
        if not (is_swagger(document) or is_openapi(document)):
            raise BadRequestException(BAD_INPUT)
        self.document = document
        self.parameters = parameters
        self.dialect = _Dialect(document, is_swagger(document))
        self.security = Security(self.dialect.security_schemes(), document.get("security"))
        self.definition = Definition(name="")

    def read(self) -> Definition:
        info = obj(self.document.get("info"))
        if not info.get("title"):
            raise BadRequestException("Errors found during import:\n\tParse issue: attribute info.title is missing")
        definition = self.definition
        definition.name = str(info["title"])
        definition.version = str(info["version"]) if info.get("version") is not None else None
        definition.description = str(info["description"]) if info.get("description") else None
        definition.api = self._api()
        definition.models = {str(name): obj(schema) for name, schema in self.dialect.schemas().items()}
        definition.authorizers = self.security.authorizers()
        definition.validators = {k: obj(v) for k, v in self._extension("request-validators").items()}
        definition.gateway_responses = {k: obj(v) for k, v in self._extension("gateway-responses").items()}
        if "documentation" not in self.parameters.get("ignore", ""):
            definition.documentation = parts_of(self.document)
        self._read_paths()
        definition.warnings += self.security.warnings
        return definition

    def _extension(self, name: str) -> Json:
        return obj(self.document.get(EXTENSION + name))

    def _api(self) -> Json:
        document, endpoint = self.document, self._endpoint_extension()
        policy = document.get(EXTENSION + "policy")
        api = {
            "apiKeySource": document.get(EXTENSION + "api-key-source"),
            "binaryMediaTypes": items(document.get(EXTENSION + "binary-media-types")) or None,
            "minimumCompressionSize": document.get(EXTENSION + "minimum-compression-size"),
            "policy": policy if isinstance(policy, str) or policy is None else json.dumps(policy),
            "securityPolicy": text(document.get(EXTENSION + "security-policy")),
            "endpointAccessMode": text(document.get(EXTENSION + "endpoint-access-mode")),
            "disableExecuteApiEndpoint": endpoint.pop("disableExecuteApiEndpoint", None),
            "endpointConfiguration": self._endpoint(endpoint),
        }
        return {name: value for name, value in api.items() if value is not None}

    def _endpoint_extension(self) -> Json:
        """OpenAPI 3.0 has it at a server, OpenAPI 2.0 at the top."""
        server = obj(next(iter(items(self.document.get("servers"))), None))
        name = EXTENSION + "endpoint-configuration"
        return dict(obj(server.get(name)) or obj(self.document.get(name)))

    def _endpoint(self, extension: Json) -> Json | None:
        types = self.parameters.get("endpointConfigurationTypes")
        given = {
            "types": [types] if types else items(extension.get("types")) or None,
            "vpcEndpointIds": items(extension.get("vpcEndpointIds")) or None,
            "ipAddressType": extension.get("ipAddressType"),
        }
        return {name: value for name, value in given.items() if value is not None} or None

    # -- Paths ---------------------------------------------------------------------------------------------------------

    def _read_paths(self) -> None:
        base = self._prefix()
        for path, item in obj(self.document.get("paths")).items():
            full = "/" + "/".join(part for part in f"{base}/{path}".split("/") if part)
            self.definition.paths.append(full)
            for name, operation in self._operations(resolve(self.document, item)):
                self.definition.methods.append(self._method(full, name, operation, obj(item)))

    def _prefix(self) -> str:
        """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html"""
        mode, base = self.parameters.get("basepath", "ignore"), self.dialect.base_path().strip("/")
        if mode == "prepend":
            return base
        if mode == "split":
            return base.partition("/")[2]
        if mode != "ignore":
            raise BadRequestException("Invalid basepath mode specified. Valid options are ignore, prepend, split")
        return ""

    def _operations(self, item: Json) -> Iterator[tuple[str, Json]]:
        for name, operation in item.items():
            if name.lower() in HTTP_METHODS and isinstance(operation, dict):
                yield name.upper(), operation
            elif name.lower() == ANY_METHOD and isinstance(operation, dict):
                yield "ANY", operation

    def _method(self, path: str, http_method: str, operation: Json, item: Json) -> MethodDefinition:
        given = [resolve(self.document, p) for p in items(item.get("parameters")) + items(operation.get("parameters"))]
        access = self.security.of(operation)
        validator = operation.get(EXTENSION + "request-validator", self.document.get(EXTENSION + "request-validator"))
        method = Method(
            http_method=http_method,
            authorization_type=access.authorization_type,
            authorization_scopes=access.scopes or None,
            api_key_required=access.api_key_required,
            operation_name=text(operation.get("operationId")),
            request_parameters=self._parameters(path, http_method, given) or None,
        )
        defined = MethodDefinition(path, method, access.authorizer, text(validator))
        method.request_models = self._models(defined, self.dialect.bodies(operation, given))
        method.method_responses = self._responses(defined, operation) or None
        where = f"'{http_method}' for resource at path '{path}'"
        method.method_integration = integrations.read(operation.get(EXTENSION + "integration"), where)
        return defined

    def _parameters(self, path: str, http_method: str, given: list[Json]) -> dict[str, bool]:
        parameters = {}
        for parameter in given:
            place = _PARAMETER_PLACES.get(str(parameter.get("in")))
            if place:
                parameters[f"method.request.{place}.{parameter.get('name')}"] = bool(parameter.get("required", False))
            elif parameter.get("in") != "body":
                self.definition.warnings.append(
                    f"Parameter '{parameter.get('name')}' in '{parameter.get('in')}' of '{http_method}' for resource "
                    f"at path '{path}' is not supported. Ignoring."
                )
        return parameters

    def _models(self, defined: MethodDefinition, schemas: dict[str, Any]) -> dict[str, str] | None:
        return {content_type: self._model(defined, obj(schema)) for content_type, schema in schemas.items()} or None

    def _model(self, defined: MethodDefinition, schema: Json) -> str:
        """The name of the model that the schema is, or is made into: `MODEL` and six digits of its content."""
        if set(schema) == {"$ref"}:
            return str(schema["$ref"]).rsplit("/", 1)[-1]
        digest = hashlib.sha256(json.dumps(schema, sort_keys=True, default=str).encode()).hexdigest()
        name = f"MODEL{digest[:6]}"
        defined.inline_models[name] = schema
        return name

    def _responses(self, defined: MethodDefinition, operation: Json) -> dict[str, MethodResponse]:
        responses = {}
        for code, given in obj(operation.get("responses")).items():
            response = resolve(self.document, given)
            if not _STATUS_CODE.fullmatch(str(code)):
                continue
            headers = {f"method.response.header.{name}": False for name in obj(response.get("headers"))}
            models = self._models(defined, self.dialect.answers(operation, response))
            responses[str(code)] = MethodResponse(
                status_code=str(code), response_parameters=headers or None, response_models=models
            )
        return responses
