"""Integration and IntegrationResponse."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request, new
from forecourt.services.apigateway.http.errors import ConflictException
from forecourt.services.apigateway.http.integration_rules import need_integration
from forecourt.services.apigateway.http.model import Api, Integration, IntegrationResponse, Route
from forecourt.services.apigateway.http.store import merged
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found


class IntegrationsApi(Noun):
    @operation("CreateIntegration")
    async def create_integration(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Integration:
            kind = request["IntegrationType"]
            integration = new(Integration, api, request, integration_id=self.ids.lower(7), integration_type=kind)
            need_room(found.count(Integration, api.api_id), self.quotas.integrations, "integrations")
            need_integration(integration)
            return found.put(integration)

        return await self.change(context, request["ApiId"], change)

    @operation("GetIntegration")
    async def get_integration(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, Integration, request["ApiId"], request["IntegrationId"]))

    @operation("GetIntegrations")
    async def get_integrations(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, Integration, request=request)

    @operation("UpdateIntegration")
    async def update_integration(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Integration:
            integration = merged(found.get(Integration, api.api_id, request["IntegrationId"]), request)
            need_integration(integration)
            return found.put(integration)

        return await self.change(context, request["ApiId"], change)

    @operation("DeleteIntegration")
    async def delete_integration(self, context: CallContext, request: Request) -> None:
        api_id, integration_id = request["ApiId"], request["IntegrationId"]

        def need(found: Found) -> None:
            for route in found.all(Route, api_id):
                if route.target == f"integrations/{integration_id}":
                    raise ConflictException(
                        f"Cannot delete Integration '{integration_id}', it is the target of Route '{route.route_id}'"
                    )
            found.delete_all(IntegrationResponse, api_id, integration_id)

        await self.delete(context, Integration, api_id, integration_id, need=need)


class IntegrationResponsesApi(Noun):
    @operation("CreateIntegrationResponse")
    async def create_integration_response(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> IntegrationResponse:
            integration = found.get(Integration, api.api_id, request["IntegrationId"])
            response = new(
                IntegrationResponse,
                api,
                request,
                integration_id=integration.integration_id,
                integration_response_id=self.ids.lower(7),
                integration_response_key=request["IntegrationResponseKey"],
            )
            return found.put(response)

        return await self.change(context, request["ApiId"], change)

    @operation("GetIntegrationResponse")
    async def get_integration_response(self, context: CallContext, request: Request) -> Reply:
        key = request["ApiId"], request["IntegrationId"], request["IntegrationResponseId"]
        return describe(await self.configuration.get(context, IntegrationResponse, *key))

    @operation("GetIntegrationResponses")
    async def get_integration_responses(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, IntegrationResponse, request["IntegrationId"], request=request)

    @operation("UpdateIntegrationResponse")
    async def update_integration_response(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> IntegrationResponse:
            key = request["IntegrationId"], request["IntegrationResponseId"]
            return found.put(merged(found.get(IntegrationResponse, api.api_id, *key), request))

        return await self.change(context, request["ApiId"], change)

    @operation("DeleteIntegrationResponse")
    async def delete_integration_response(self, context: CallContext, request: Request) -> None:
        key = request["ApiId"], request["IntegrationId"], request["IntegrationResponseId"]
        await self.delete(context, IntegrationResponse, *key)
