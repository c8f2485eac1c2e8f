"""DocumentationPart and DocumentationVersion: prose about an API, by the place that it is about."""

from __future__ import annotations

import json

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.openapi.document import parse
from forecourt.services.apigateway.openapi.documentation import parts_of, placed
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.model import (
    Authorizer,
    DocumentationPart,
    DocumentationPartLocation,
    DocumentationVersion,
    Model,
    Resource,
    RestApi,
    Stage,
    describe,
)
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found, page_of, page_size, patched
from forecourt.services.apigateway.rest.undocumented import undocumented


class DocumentationPartsApi(Noun):
    @operation("CreateDocumentationPart")
    async def create_documentation_part(self, context: CallContext, request: Request) -> Reply:
        location = placed(msgspec.convert(request["location"], DocumentationPartLocation))

        def change(found: Found) -> DocumentationPart:
            api = found.get(RestApi, request["restApiId"])
            parts = found.all(DocumentationPart, api.id)
            need_room(len(parts), self.quotas.documentation_parts, "documentation parts")
            if any(part.location == location for part in parts):
                raise ConflictException(
                    f"Documentation part already exists for the specified location: {_said(location)}"
                )
            part = self.new(api, location, request["properties"])
            return found.put(part)

        return describe(await self.configuration.write(context, change))

    def new(self, api: RestApi, location: DocumentationPartLocation, properties: str) -> DocumentationPart:
        _need_properties(properties)
        return DocumentationPart(
            account=api.account,
            region=api.region,
            rest_api_id=api.id,
            id=self.ids.lower(6),
            location=location,
            properties=properties,
        )

    @operation("GetDocumentationPart")
    async def get_documentation_part(self, context: CallContext, request: Request) -> Reply:
        key = request["restApiId"], request["documentationPartId"]
        return describe(await self.configuration.get(context, DocumentationPart, *key))

    @operation("GetDocumentationParts")
    async def get_documentation_parts(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        parts = await self.configuration.all(context, DocumentationPart, api.id)
        if request.get("locationStatus") == "UNDOCUMENTED":
            return await self._undocumented(context, api, parts, request)
        return page_of([part for part in parts if _chosen(part.location, request)], request)

    async def _undocumented(
        self, context: CallContext, api: RestApi, parts: list[DocumentationPart], request: Request
    ) -> Reply:
        """Placeholders: a location, and nothing that is said of it."""
        locations = undocumented(
            await self.configuration.all(context, Resource, api.id),
            await self.configuration.all(context, Model, api.id),
            await self.configuration.all(context, Authorizer, api.id),
            parts,
        )
        chosen = [location for location in locations if _chosen(location, request)]
        return {"items": [{"location": describe(location)} for location in chosen[: page_size(request)]]}

    @operation("UpdateDocumentationPart")
    async def update_documentation_part(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> DocumentationPart:
            before = found.get(DocumentationPart, request["restApiId"], request["documentationPartId"])
            part = patched(before, patches.DOCUMENTATION_PART, request.get("patchOperations"))
            _need_properties(part.properties)
            return found.put(part)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteDocumentationPart")
    async def delete_documentation_part(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            api = found.get(RestApi, request["restApiId"])
            found.delete(DocumentationPart, api.id, request["documentationPartId"])

        await self.configuration.write(context, change)

    @operation("ImportDocumentationParts")
    async def import_documentation_parts(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        given = parts_of(parse(request["body"], "Unable to build importer with provided input."))

        def change(found: Found) -> list[str]:
            if request.get("mode") == "overwrite":
                found.delete_all(DocumentationPart, api.id)
            there = {json.dumps(msgspec.to_builtins(p.location)): p for p in found.all(DocumentationPart, api.id)}
            parts = [self.new(api, location, properties) for location, properties in given]
            for part in parts:
                before = there.get(json.dumps(msgspec.to_builtins(part.location)))
                part.id = before.id if before else part.id
                found.put(part)
            return [part.id for part in parts]

        return {"ids": await self.configuration.write(context, change)}


class DocumentationVersionsApi(Noun):
    @operation("CreateDocumentationVersion")
    async def create_documentation_version(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> DocumentationVersion:
            api = found.get(RestApi, request["restApiId"])
            version = DocumentationVersion(
                account=api.account,
                region=api.region,
                rest_api_id=api.id,
                version=request["documentationVersion"],
                created_date=self.now(),
                description=request.get("description"),
                parts=found.all(DocumentationPart, api.id),
            )
            if found.maybe(DocumentationVersion, api.id, version.version):
                raise ConflictException(f"Documentation version already exists: {version.version}")
            if request.get("stageName"):
                stage = found.get(Stage, api.id, request["stageName"])
                stage.documentation_version = version.version
                found.put(stage)
            return found.put(version)

        return describe(await self.configuration.write(context, change))

    @operation("GetDocumentationVersion")
    async def get_documentation_version(self, context: CallContext, request: Request) -> Reply:
        key = request["restApiId"], request["documentationVersion"]
        return describe(await self.configuration.get(context, DocumentationVersion, *key))

    @operation("GetDocumentationVersions")
    async def get_documentation_versions(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        return await self.configuration.page(context, DocumentationVersion, api.id, request=request)

    @operation("UpdateDocumentationVersion")
    async def update_documentation_version(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> DocumentationVersion:
            before = found.get(DocumentationVersion, request["restApiId"], request["documentationVersion"])
            return found.put(patched(before, patches.DOCUMENTATION_VERSION, request.get("patchOperations")))

        return describe(await self.configuration.write(context, change))

    @operation("DeleteDocumentationVersion")
    async def delete_documentation_version(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            version = found.get(DocumentationVersion, request["restApiId"], request["documentationVersion"])
            if any(s.documentation_version == version.version for s in found.all(Stage, version.rest_api_id)):
                raise BadRequestException("Stages that are associated with this documentation version must be changed")
            found.delete(DocumentationVersion, version.rest_api_id, version.version)

        await self.configuration.write(context, change)


def _chosen(location: DocumentationPartLocation, request: Request) -> bool:
    wanted = {"type": location.type, "nameQuery": location.name, "path": location.path}
    return all(request.get(name) in (None, value) for name, value in wanted.items())


def _need_properties(properties: str) -> None:
    try:
        parsed = json.loads(properties)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not parsed:
        raise BadRequestException("Documentation part properties must be a valid JSON object that is not empty")


def _said(location: DocumentationPartLocation) -> str:
    set_members = {name: value for name, value in msgspec.to_builtins(location).items() if value is not None}
    return ", ".join(f"{name} '{value}'" for name, value in set_members.items())
