"""ImportRestApi, PutRestApi, GetExport: an API from an OpenAPI document, and a document from a stage."""

from __future__ import annotations

import asyncio

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.openapi.definition import Definition
from forecourt.services.apigateway.openapi.document import parse
from forecourt.services.apigateway.openapi.exporting import export, to_text
from forecourt.services.apigateway.openapi.importing import Import
from forecourt.services.apigateway.openapi.reading import BAD_INPUT, read
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.api.rest_apis import RestApisApi, describe_api, need_valid
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.model import DocumentationPart, DocumentationVersion, RestApi, Stage
from forecourt.services.apigateway.rest.quotas import need_size
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.snapshot import Snapshot


class DefinitionsApi(Noun):
    @operation("ImportRestApi")
    async def import_rest_api(self, context: CallContext, request: Request) -> Reply:
        definition = await asyncio.to_thread(self._read, request)
        apis = RestApisApi(self.tools)

        def change(found: Found) -> Reply:
            api = apis.new(context, {"name": definition.name})
            apis.add(found, api)
            work = Import(found, api, self.ids, self.quotas)
            work.overwrite(definition)
            return self._finished(work, request)

        return await self.configuration.write_whole(context, change)

    @operation("PutRestApi")
    async def put_rest_api(self, context: CallContext, request: Request) -> Reply:
        definition = await asyncio.to_thread(self._read, request)

        def change(found: Found) -> Reply:
            work = Import(found, found.get(RestApi, request["restApiId"]), self.ids, self.quotas)
            (work.overwrite if request.get("mode") == "overwrite" else work.merge)(definition)
            return self._finished(work, request)

        return await self.configuration.write_whole(context, change)

    @operation("GetExport")
    async def get_export(self, context: CallContext, request: Request) -> Reply:
        stage, snapshot = await self.deployed(context, request)
        content_type = request.get("accepts") or "application/json"
        if content_type not in ("application/json", "application/yaml"):
            raise BadRequestException(
                "Invalid Accept header specified. Valid options are application/json,application/yaml"
            )
        extensions = (request.get("parameters") or {}).get("extensions")
        parts = await self._documentation(context, stage)

        def body() -> bytes:
            return to_text(export(snapshot, stage, request["exportType"], extensions, parts), content_type)

        name = f"{snapshot.name}-{stage.stage_name}-{request['exportType']}.{content_type.rpartition('/')[2]}"
        return {
            "contentType": content_type,
            "contentDisposition": f'attachment; filename="{name}"',
            "body": await asyncio.to_thread(body),
        }

    async def deployed(self, context: CallContext, request: Request) -> tuple[Stage, Snapshot]:
        stage = await self.configuration.get(context, Stage, request["restApiId"], request["stageName"])
        snapshot = await self.configuration.maybe(context, Snapshot, stage.rest_api_id, stage.deployment_id)
        if snapshot is None:
            raise NotFoundException("Invalid Deployment identifier specified")
        return stage, snapshot

    async def _documentation(self, context: CallContext, stage: Stage) -> list[DocumentationPart]:
        if not stage.documentation_version:
            return []
        version = await self.configuration.maybe(
            context, DocumentationVersion, stage.rest_api_id, stage.documentation_version
        )
        return version.parts if version else []

    def _read(self, request: Request) -> Definition:
        need_size(request["body"], self.quotas.api_definition_bytes, "API definition")
        return read(parse(request["body"], BAD_INPUT), request.get("parameters") or {})

    def _finished(self, work: Import, request: Request) -> Reply:
        need_valid(work.api, self.quotas)
        if work.warnings and request.get("failOnWarnings"):
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(work.warnings))
        described = describe_api(work.api)
        return {**described, "warnings": work.warnings} if work.warnings else described
