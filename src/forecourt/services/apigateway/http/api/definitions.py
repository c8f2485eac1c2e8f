"""ImportApi, ReimportApi, ExportApi: an HTTP API from an OpenAPI 3.0 document and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from forecourt.base.call import CallContext, operation
from forecourt.base.errors import ServiceError
from forecourt.services.apigateway.http.api.apis import ApisApi, described, endpoint
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request, new
from forecourt.services.apigateway.http.deploying import freeze, need_valid_routes, redeploy
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.integration_rules import need_integration
from forecourt.services.apigateway.http.model import Api, Authorizer, HttpSnapshot, Integration, Route, Stage
from forecourt.services.apigateway.http.rules import need_api, need_authorizer, need_route
from forecourt.services.apigateway.http.store import merged
from forecourt.services.apigateway.openapi.document import Json, parse
from forecourt.services.apigateway.openapi.exporting import to_text
from forecourt.services.apigateway.openapi.http_exporting import export
from forecourt.services.apigateway.openapi.http_reading import HttpDefinition, RouteDefinition, read
from forecourt.services.apigateway.rest.quotas import need_room, need_size
from forecourt.services.apigateway.rest.store import Found

BAD_INPUT = "Invalid OpenAPI input."
_REPLACED = (Route, Integration, Authorizer)


class DefinitionsApi(Noun):
    @operation("ImportApi")
    async def import_api(self, context: CallContext, request: Request) -> Reply:
        definition = await asyncio.to_thread(self._read, request)

        def change(found: Found) -> Api:
            api = ApisApi(self.tools).add(found, context, definition.api)
            return self._put(found, api, definition, request)

        return described(context, await self.configuration.write_whole(context, change))

    @operation("ReimportApi")
    async def reimport_api(self, context: CallContext, request: Request) -> Reply:
        """What the document does not say is gone; the API, its stages and its domains stay."""
        definition = await asyncio.to_thread(self._read, request)

        def change(found: Found) -> Api:
            api = found.get(Api, request["ApiId"])
            api.cors_configuration = None
            api = merged(api, definition.api)
            need_api(api)
            for kind in _REPLACED:
                found.delete_all(kind, api.api_id)
            return self._put(found, api, definition, request)

        return described(context, await self.configuration.write_whole(context, change))

    def _read(self, request: Request) -> HttpDefinition:
        body = request["Body"].encode()
        need_size(body, self.quotas.api_definition_bytes, "API definition")
        return read(parse(body, BAD_INPUT), request.get("Basepath"))

    def _put(self, found: Found, api: Api, definition: HttpDefinition, request: Request) -> Api:
        warnings = definition.warnings
        if warnings and request.get("FailOnWarnings"):
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(warnings))
        api.warnings = warnings or None
        found.put(api)
        authorizers = {name: self._authorizer(found, api, given) for name, given in definition.authorizers.items()}
        integrations: dict[str, str] = {}
        for route in definition.routes:
            self._route(found, api, route, authorizers, integrations)
        redeploy(found, api.api_id, self.ids, self.now())
        return api

    def _authorizer(self, found: Found, api: Api, given: Json) -> str:
        need_room(found.count(Authorizer, api.api_id), self.quotas.authorizers, "authorizers")
        members = {"name": given["Name"], "authorizer_type": given["AuthorizerType"]}
        authorizer = new(Authorizer, api, given, authorizer_id=self.ids.lower(6), **members)
        _explain(f"authorizer '{authorizer.name}'", lambda: need_authorizer(authorizer, self.quotas))
        return found.put(authorizer).authorizer_id

    def _route(
        self,
        found: Found,
        api: Api,
        defined: RouteDefinition,
        authorizers: dict[str, str],
        integrations: dict[str, str],
    ) -> None:
        need_room(found.count(Route, api.api_id), self.quotas.resources, "routes")
        key = defined.members["RouteKey"]
        route = new(Route, api, defined.members, route_id=self.ids.lower(7), route_key=key)
        route.authorizer_id = authorizers.get(defined.authorizer or "")
        _explain(f"route '{key}'", lambda: need_route(route, self.quotas))
        if defined.integration is not None:
            # Routes that say the same share one integration, as the `$ref`s of a document mean it.
            same = json.dumps(defined.integration, sort_keys=True, default=str)
            if same not in integrations:
                integrations[same] = self._integration(found, api, defined.integration, key)
            route.target = f"integrations/{integrations[same]}"
        found.put(route)

    def _integration(self, found: Found, api: Api, given: Json, key: str) -> str:
        need_room(found.count(Integration, api.api_id), self.quotas.integrations, "integrations")
        kind = str(given.get("IntegrationType", ""))
        integration = new(Integration, api, given, integration_id=self.ids.lower(7), integration_type=kind)
        _explain(f"integration of '{key}'", lambda: need_integration(integration))
        return found.put(integration).integration_id

    @operation("ExportApi")
    async def export_api(self, context: CallContext, request: Request) -> Reply:
        if request["Specification"] != "OAS30":
            raise BadRequestException("Invalid specification. HTTP APIs are exported as OAS30")
        content_type = {"JSON": "application/json", "YAML": "application/yaml"}.get(request["OutputType"].upper())
        if content_type is None:
            raise BadRequestException("Invalid output type. Must be JSON or YAML")
        api = await self.configuration.get(context, Api, request["ApiId"])
        stage_name = request.get("StageName")
        snapshot = await self._snapshot(context, api, stage_name)
        extensions = request.get("IncludeExtensions", True)
        document = export(snapshot, endpoint(context, api), stage_name, extensions=extensions)
        return {"body": to_text(document, content_type)}

    async def _snapshot(self, context: CallContext, api: Api, stage_name: str | None) -> HttpSnapshot:
        """What the stage serves; without one, the API as it is now."""
        if not stage_name:
            return await self.configuration.write(context, lambda found: _current(found, api))
        stage = await self.configuration.get(context, Stage, api.api_id, stage_name)
        if not stage.deployment_id:
            raise BadRequestException(f"Stage {stage_name} has not been deployed")
        return await self.configuration.get(context, HttpSnapshot, api.api_id, stage.deployment_id)


def _current(found: Found, api: Api) -> HttpSnapshot:
    need_valid_routes(found, api.api_id)
    return freeze(found, api, "")


def _explain(what: str, need: Callable[[], None]) -> None:
    try:
        need()
    except ServiceError as error:
        raise BadRequestException(f"Errors found during import:\n\tUnable to create {what}: {error.message}") from None
