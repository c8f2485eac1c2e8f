"""Route and RouteResponse."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request, new
from forecourt.services.apigateway.http.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.http.model import Api, Authorizer, Integration, Route, RouteResponse
from forecourt.services.apigateway.http.rules import AUTHORIZERS, need_route, no_authorizer
from forecourt.services.apigateway.http.store import merged
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.quotas import Quotas, need_room
from forecourt.services.apigateway.rest.store import Found


class RoutesApi(Noun):
    @operation("CreateRoute")
    async def create_route(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Route:
            route = new(Route, api, request, route_id=self.ids.lower(7), route_key=request["RouteKey"])
            need_room(found.count(Route, api.api_id), self.quotas.resources, "routes")
            _need(found, route, self.quotas)
            return found.put(route)

        return await self.change(context, request["ApiId"], change)

    @operation("GetRoute")
    async def get_route(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, Route, request["ApiId"], request["RouteId"]))

    @operation("GetRoutes")
    async def get_routes(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, Route, request=request)

    @operation("UpdateRoute")
    async def update_route(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Route:
            before = found.get(Route, api.api_id, request["RouteId"])
            _need_unmanaged(before)
            route = merged(before, request)
            _need(found, route, self.quotas)
            return found.put(route)

        return await self.change(context, request["ApiId"], change)

    @operation("DeleteRoute")
    async def delete_route(self, context: CallContext, request: Request) -> None:
        api_id, route_id = request["ApiId"], request["RouteId"]
        await self.delete(
            context, Route, api_id, route_id, need=lambda found: found.delete_all(RouteResponse, api_id, route_id)
        )

    @operation("DeleteRouteRequestParameter")
    async def delete_route_request_parameter(self, context: CallContext, request: Request) -> None:
        def change(found: Found, api: Api) -> Route:
            route = found.get(Route, api.api_id, request["RouteId"])
            name = request["RequestParameterKey"]
            route.request_parameters = {k: v for k, v in (route.request_parameters or {}).items() if k != name} or None
            return found.put(route)

        await self.change(context, request["ApiId"], change)


def _need(found: Found, route: Route, quotas: Quotas) -> None:
    need_route(route, quotas)
    for other in found.all(Route, route.api_id):
        if other.route_key == route.route_key and other.route_id != route.route_id:
            raise ConflictException(f"Route with key {route.route_key} already exists for this API")
    if route.target:
        integration_id = route.target.removeprefix("integrations/")
        if not route.target.startswith("integrations/") or not found.maybe(Integration, route.api_id, integration_id):
            raise BadRequestException(f"Invalid target specified: {route.target}. It must be integrations/{{id}}")
    if route.authorizer_id:
        authorizer = found.maybe(Authorizer, route.api_id, route.authorizer_id)
        if authorizer is None or authorizer.authorizer_type != AUTHORIZERS[route.authorization_type]:
            raise no_authorizer(route)


def _need_unmanaged(route: Route) -> None:
    if route.api_gateway_managed:
        raise BadRequestException("A route that API Gateway manages can't be changed: update the API's quick create")


class RouteResponsesApi(Noun):
    @operation("CreateRouteResponse")
    async def create_route_response(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> RouteResponse:
            route = found.get(Route, api.api_id, request["RouteId"])
            response = new(
                RouteResponse,
                api,
                request,
                route_id=route.route_id,
                route_response_id=self.ids.lower(7),
                route_response_key=request["RouteResponseKey"],
            )
            return found.put(response)

        return await self.change(context, request["ApiId"], change)

    @operation("GetRouteResponse")
    async def get_route_response(self, context: CallContext, request: Request) -> Reply:
        key = request["ApiId"], request["RouteId"], request["RouteResponseId"]
        return describe(await self.configuration.get(context, RouteResponse, *key))

    @operation("GetRouteResponses")
    async def get_route_responses(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, RouteResponse, request["RouteId"], request=request)

    @operation("UpdateRouteResponse")
    async def update_route_response(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> RouteResponse:
            before = found.get(RouteResponse, api.api_id, request["RouteId"], request["RouteResponseId"])
            return found.put(merged(before, request))

        return await self.change(context, request["ApiId"], change)

    @operation("DeleteRouteResponse")
    async def delete_route_response(self, context: CallContext, request: Request) -> None:
        await self.delete(context, RouteResponse, request["ApiId"], request["RouteId"], request["RouteResponseId"])
