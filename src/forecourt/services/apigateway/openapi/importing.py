"""A `Definition` into an API's documents, inside one transaction.

`overwrite` makes the API what the document says and nothing else; `merge` adds to it, and the document wins where both
say something. An id survives where its path (or name) does. AWS collects what it cannot take and refuses the whole:
`Errors found during import:` and a line for each; the transaction rolls back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.services.apigateway.openapi.definition import Definition, MethodDefinition
from forecourt.services.apigateway.openapi.document import Json, checked, obj, shaped
from forecourt.services.apigateway.rest.api.authorizers import need_authorizer, new_authorizer
from forecourt.services.apigateway.rest.api.gateway_responses import need_gateway_response, new_gateway_response
from forecourt.services.apigateway.rest.api.methods import need_method
from forecourt.services.apigateway.rest.api.models import need_model
from forecourt.services.apigateway.rest.api.resources import need_place, new_resource
from forecourt.services.apigateway.rest.api.rest_apis import complete
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.gateway_responses import STATUS_CODES
from forecourt.services.apigateway.rest.integration_rules import need_integration, need_integration_response
from forecourt.services.apigateway.rest.model import (
    Authorizer,
    DocumentationPart,
    EndpointConfiguration,
    Entity,
    GatewayResponse,
    Integration,
    JwtConfiguration,
    Method,
    Model,
    RequestValidator,
    Resource,
    RestApi,
)
from forecourt.services.apigateway.rest.quotas import Quotas, need_room
from forecourt.services.apigateway.rest.schemas import reference
from forecourt.services.apigateway.rest.store import Found

# AWS's members of an API and its endpoint, and ours
_MEMBERS = {
    field.encode_name: field.name for kind in (RestApi, EndpointConfiguration) for field in msgspec.structs.fields(kind)
}

_REPLACED: tuple[type[Entity], ...] = (
    Resource,
    Model,
    RequestValidator,
    Authorizer,
    GatewayResponse,
    DocumentationPart,
)


@dataclass
class Import:
    found: Found
    api: RestApi
    ids: Ids
    quotas: Quotas
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def overwrite(self, definition: Definition) -> None:
        kept = {resource.path: resource.id for resource in self.found.all(Resource, self.api.id)}
        for kind in _REPLACED:
            self.found.delete_all(kind, self.api.id)
        self._set_api(definition)
        self._put(definition, {**kept, "/": self.api.root_resource_id})

    def merge(self, definition: Definition) -> None:
        self._set_api(definition)
        self._put(definition, {})

    def _set_api(self, definition: Definition) -> None:
        api = self.api
        api.name = definition.name
        api.version = definition.version if definition.version is not None else api.version
        api.description = definition.description or api.description
        members = {**definition.api}
        endpoint = members.pop("endpointConfiguration", None)
        for name, value in members.items():
            setattr(api, _MEMBERS[name], value)
        if endpoint:
            api.endpoint_configuration.ip_address_type = None
            for name, value in endpoint.items():
                setattr(api.endpoint_configuration, _MEMBERS[name], value)
        complete(api)
        self.api = self.found.put(checked(api, "API definition"))

    def _put(self, definition: Definition, kept: dict[str, str]) -> None:
        self.warnings += definition.warnings
        self._put_models(definition)
        for members in definition.authorizers.values():
            self._try(f"Unable to create authorizer '{members['name']}'", self._put_authorizer, members)
        for name, members in definition.validators.items():
            self._put_validator(name, members)
        for response_type, members in definition.gateway_responses.items():
            where = f"Unable to put gateway response '{response_type}'"
            self._try(where, self._put_gateway_response, response_type, members)
        parts = {msgspec.json.encode(part.location): part for part in self.found.all(DocumentationPart, self.api.id)}
        for location, properties in definition.documentation:
            where = f"Unable to create documentation part at {msgspec.json.encode(location).decode()}"
            self._try(where, self._put_documentation, parts, location, properties)
        self._put_tree(definition, kept)
        if self.errors:
            raise BadRequestException("Errors found during import:\n\t" + "\n\t".join(self.errors))

    def _try(self, what: str, action: Callable[..., Any], *args: Any) -> None:
        try:
            action(*args)
        except ServiceError as error:
            self.errors.append(f"{what}: {error.message}")

    # -- Models --------------------------------------------------------------------------------------------------------

    def _put_models(self, definition: Definition) -> None:
        schemas = dict(definition.models)
        for method in definition.methods:
            schemas.update(method.inline_models)
        # All of them first: they may refer to one another in any order.
        models = [self._model(name, schema) for name, schema in schemas.items()]
        for model in models:
            self._try(f"Unable to create model for '{model.name}'", self._put_model, model)
        for model in models:
            self._try(f"Unable to create model for '{model.name}'", need_model, self.found, model, self.quotas)

    def _put_model(self, model: Model) -> None:
        if not self.found.maybe(Model, self.api.id, model.name):
            need_room(self.found.count(Model, self.api.id), self.quotas.models, "models")
        self.found.put(model)

    def _model(self, name: str, schema: Json) -> Model:
        before = self.found.maybe(Model, self.api.id, name)
        return Model(
            account=self.api.account,
            region=self.api.region,
            rest_api_id=self.api.id,
            id=before.id if before else self.ids.lower(6),
            name=name,
            content_type="application/json",
            description=before.description if before else None,
            schema=json.dumps(_with_urls(schema, self.api.id), indent=2, default=str),
        )

    # -- What stands beside the paths ----------------------------------------------------------------------------------

    def _put_authorizer(self, members: Json) -> None:
        existing = {a.name: a for a in self.found.all(Authorizer, self.api.id)}
        before = existing.get(members["name"])
        if "jwtConfiguration" in members:
            shaped(members["jwtConfiguration"], JwtConfiguration, "JWT configuration")
        # An imported authorizer without a TTL has none set, unlike a created one; requests treat it as the default.
        authorizer = new_authorizer(self.api, members, before.id if before else self.ids.lower(6))
        authorizer.authorizer_result_ttl_in_seconds = members.get("authorizerResultTtlInSeconds")
        if before is None:
            need_room(len(existing), self.quotas.authorizers, "authorizers")
        authorizer = checked(authorizer, "authorizer")
        need_authorizer(self.found, authorizer, self.quotas)
        self.found.put(authorizer)

    def _put_validator(self, name: str, members: Json) -> None:
        before = self._validator(name)
        if before is None:
            need_room(
                self.found.count(RequestValidator, self.api.id), self.quotas.request_validators, "request validators"
            )
        self.found.put(
            RequestValidator(
                account=self.api.account,
                region=self.api.region,
                rest_api_id=self.api.id,
                id=before.id if before else self.ids.lower(6),
                name=name,
                validate_request_body=bool(members.get("validateRequestBody")),
                validate_request_parameters=bool(members.get("validateRequestParameters")),
            )
        )

    def _validator(self, name: str) -> RequestValidator | None:
        return next((v for v in self.found.all(RequestValidator, self.api.id) if v.name == name), None)

    def _put_gateway_response(self, response_type: str, members: Json) -> None:
        if response_type not in STATUS_CODES:
            self.warnings.append(f"Gateway response type '{response_type}' is not supported. Ignoring.")
            return
        status = members.get("statusCode")
        given = {
            "statusCode": str(status) if status is not None else None,
            "responseParameters": obj(members.get("responseParameters")),
            "responseTemplates": obj(members.get("responseTemplates")),
        }
        response = checked(new_gateway_response(self.api, response_type, given), "gateway response")
        self.found.put(need_gateway_response(response))

    def _put_documentation(self, parts: dict[bytes, DocumentationPart], location: Any, properties: str) -> None:
        """`parts`: those that the API has, by location."""
        key = msgspec.json.encode(location)
        before = parts.get(key)
        if before is None:
            need_room(len(parts), self.quotas.documentation_parts, "documentation parts")
        parts[key] = self.found.put(
            DocumentationPart(
                account=self.api.account,
                region=self.api.region,
                rest_api_id=self.api.id,
                id=before.id if before else self.ids.lower(6),
                location=location,
                properties=properties,
            )
        )

    # -- The tree ------------------------------------------------------------------------------------------------------

    def _put_tree(self, definition: Definition, kept: dict[str, str]) -> None:
        tree = {resource.path: resource for resource in self.found.all(Resource, self.api.id)}
        if "/" not in tree:
            tree["/"] = self._root()
        for path in sorted(definition.paths):
            self._try(f"Unable to create resource at path '{path}'", self._grow, tree, path, kept)
        for method in definition.methods:
            if method.path in tree:
                self._put_method(tree[method.path], method)
        for resource in tree.values():
            self.found.put(resource)

    def _root(self) -> Resource:
        api = self.api
        return Resource(account=api.account, region=api.region, rest_api_id=api.id, id=api.root_resource_id, path="/")

    def _grow(self, tree: dict[str, Resource], path: str, kept: dict[str, str]) -> None:
        """`path` and what of it is not in the tree yet, from the root on."""
        parent, here = tree["/"], ""
        for part in path.strip("/").split("/") if path != "/" else ():
            here = f"{here}/{part}"
            if here not in tree:
                need_room(len(tree), self.quotas.resources, "resources")
                resource = new_resource(parent, part, kept.get(here) or self.ids.lower(6))
                need_place(resource, parent, list(tree.values()))
                tree[here] = resource
            parent = tree[here]

    def _put_method(self, resource: Resource, defined: MethodDefinition) -> None:
        method = checked(defined.method, "method")
        name = f"'{method.http_method}'"
        where = f"{name} for resource at path '{defined.path}'"
        method.authorizer_id = self._authorizer_id(defined.authorizer)
        method.request_validator_id = self._validator_id(defined.validator, where)
        on_path = f"Unable to put method {name} on resource at path '{defined.path}'"
        self._try(on_path, need_method, self.found, self.api.id, method)
        integration = method.method_integration
        if integration is not None:
            integration.cache_namespace = integration.cache_namespace or resource.id
            self._try(f"Unable to put integration on {where}", self._need_integration, integration, method)
            for response in (integration.integration_responses or {}).values():
                self._try(
                    f"Unable to put integration response on {where}",
                    need_integration_response,
                    response,
                    integration,
                    method,
                    self.quotas,
                )
        resource.resource_methods[method.http_method] = method

    def _need_integration(self, integration: Integration, method: Method) -> None:
        need_integration(integration, method, self.api.account, self.quotas)

    def _authorizer_id(self, name: str | None) -> str | None:
        authorizers = self.found.all(Authorizer, self.api.id) if name else ()
        return next((authorizer.id for authorizer in authorizers if authorizer.name == name), None)

    def _validator_id(self, name: str | None, where: str) -> str | None:
        validator = self._validator(name) if name else None
        if name and validator is None:
            self.warnings.append(f"Request validator '{name}' of {where} not found. Ignoring.")
        return validator.id if validator else None


def _with_urls(schema: Any, rest_api_id: str) -> Any:
    """References to the document's schemas become AWS's URLs of the models that they become."""
    if isinstance(schema, list):
        return [_with_urls(item, rest_api_id) for item in schema]
    if not isinstance(schema, dict):
        return schema
    target = schema.get("$ref")
    if isinstance(target, str) and target.startswith("#/"):
        return {"$ref": reference(rest_api_id, target.rsplit("/", 1)[-1])}
    return {name: _with_urls(value, rest_api_id) for name, value in schema.items()}
