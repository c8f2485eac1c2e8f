"""ImportRestApi and PutRestApi: an API from an OpenAPI document."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.openapi.definition import Definition
from forecourt.services.apigateway.openapi.document import parse
from forecourt.services.apigateway.openapi.importing import Import
from forecourt.services.apigateway.openapi.reading import BAD_INPUT, read
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.api.rest_apis import RestApisApi, describe_api, need_valid
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import RestApi
from forecourt.services.apigateway.rest.quotas import need_size
from forecourt.services.apigateway.rest.store import Found


class DefinitionsApi(Noun):
    @operation("ImportRestApi")
    async def import_rest_api(self, context: CallContext, request: Request) -> Reply:
        definition = self._read(request)
        apis = RestApisApi(self.tools)

        def change(found: Found) -> Reply:
            endpoint = definition.api.get("endpointConfiguration")
            api = apis.new(context, {"name": definition.name, "endpointConfiguration": endpoint})
            apis.add(found, api)
            work = Import(found, api, self.ids, self.quotas)
            work.overwrite(definition)
            return self._finished(work, request)

        return await self.configuration.write(context, change)

    @operation("PutRestApi")
    async def put_rest_api(self, context: CallContext, request: Request) -> Reply:
        definition = self._read(request)

        def change(found: Found) -> Reply:
            work = Import(found, found.get(RestApi, request["restApiId"]), self.ids, self.quotas)
            (work.overwrite if request.get("mode") == "overwrite" else work.merge)(definition)
            return self._finished(work, request)

        return await self.configuration.write(context, change)

    def _read(self, request: Request) -> Definition:
        need_size(request["body"], self.quotas.api_definition_bytes, "API definition")
        return read(parse(request["body"], BAD_INPUT), request.get("parameters") or {})

    def _finished(self, work: Import, request: Request) -> Reply:
        need_valid(work.api, self.quotas)
        if work.warnings and request.get("failOnWarnings"):
            raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(work.warnings))
        described = describe_api(work.api)
        return {**described, "warnings": work.warnings} if work.warnings else described
