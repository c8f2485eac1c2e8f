"""Api: created whole or by quick create, listed, updated, deleted."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from forecourt.base.call import CallContext, operation
from forecourt.base.errors import NotImplementedYet
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.http.deploying import redeploy
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.integration_rules import need_integration
from forecourt.services.apigateway.http.model import (
    DEFAULT_ROUTE,
    DEFAULT_STAGE,
    Api,
    ApiMapping,
    Authorizer,
    Deployment,
    HttpSnapshot,
    Integration,
    IntegrationResponse,
    Model,
    Route,
    RouteResponse,
    Stage,
)
from forecourt.services.apigateway.http.rules import need_api, need_route
from forecourt.services.apigateway.http.store import merged, page
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.rest.tagging import need_tags
from forecourt.store import Document

PARTS: tuple[type[Document], ...] = (
    Route,
    RouteResponse,
    Integration,
    IntegrationResponse,
    Authorizer,
    Model,
    Deployment,
    HttpSnapshot,
    Stage,
)


class ApisApi(Noun):
    @operation("CreateApi")
    async def create_api(self, context: CallContext, request: Request) -> Reply:
        if request["ProtocolType"] != "HTTP":
            raise NotImplementedYet("WebSocket APIs are not supported yet")

        def change(found: Found) -> Api:
            api = self.add(found, context, request)
            if request.get("Target"):
                self._quick_create(found, api, request)
            return api

        return described(context, await self.configuration.write(context, change))

    def add(self, found: Found, context: CallContext, request: Request) -> Api:
        need_room(found.count(Api), self.quotas.http_apis, "APIs", "this account")
        need_tags(request.get("Tags"), self.quotas)
        api = Api(
            account=context.account,
            region=context.region,
            api_id=self.ids.lower(10),
            name=request["Name"],
            protocol_type="HTTP",
            created_date=self.now(),
        )
        api = merged(api, request)
        need_api(api)
        found.tx.insert(api)
        return api

    def _quick_create(self, found: Found, api: Api, request: Request) -> None:
        """A route for everything, its integration, and a stage that deploys by itself."""
        integration = _target(api, request, self.ids.lower(7))
        need_integration(integration)
        route = Route(
            account=api.account,
            region=api.region,
            api_id=api.api_id,
            route_id=self.ids.lower(7),
            route_key=request.get("RouteKey") or DEFAULT_ROUTE,
            target=f"integrations/{integration.integration_id}",
            api_gateway_managed=True,
        )
        need_route(route, self.quotas)
        found.put(integration)
        found.put(route)
        found.put(
            Stage(
                account=api.account,
                region=api.region,
                api_id=api.api_id,
                stage_name=DEFAULT_STAGE,
                auto_deploy=True,
                api_gateway_managed=True,
                created_date=self.now(),
                last_updated_date=self.now(),
            )
        )
        redeploy(found, api.api_id, self.ids, self.now())

    @operation("GetApi")
    async def get_api(self, context: CallContext, request: Request) -> Reply:
        return described(context, await self.configuration.get(context, Api, request["ApiId"]))

    @operation("GetApis")
    async def get_apis(self, context: CallContext, request: Request) -> Reply:
        apis = sorted(await self.configuration.all(context, Api), key=lambda api: (api.created_date, api.api_id))
        for api in apis:
            api.api_endpoint = endpoint(context, api)
        return page(apis, request)

    @operation("UpdateApi")
    async def update_api(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Api:
            api = merged(found.get(Api, request["ApiId"]), request)
            need_api(api)
            found.put(api)
            if request.get("Target") or request.get("RouteKey"):
                self._update_quick_create(found, api, request)
            redeploy(found, api.api_id, self.ids, self.now())
            return api

        return described(context, await self.configuration.write(context, change))

    def _update_quick_create(self, found: Found, api: Api, request: Request) -> None:
        routes = [route for route in found.all(Route, api.api_id) if route.api_gateway_managed]
        if not routes or not routes[0].target:
            raise BadRequestException("Target and RouteKey can be updated for APIs made by quick create only")
        route = routes[0]
        if request.get("RouteKey"):
            route.route_key = request["RouteKey"]
            need_route(route, self.quotas)
            found.put(route)
        if request.get("Target"):
            integration = _target(api, request, str(route.target).removeprefix("integrations/"))
            need_integration(integration)
            found.put(integration)

    @operation("DeleteApi")
    async def delete_api(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            api = found.get(Api, request["ApiId"])
            if any(mapping.api_id == api.api_id for mapping in found.all(ApiMapping)):
                raise BadRequestException("Please remove all API mappings of the API before deleting it")
            for kind in PARTS:
                found.delete_all(kind, api.api_id)
            found.delete(Api, api.api_id)

        await self.configuration.write(context, change)

    @operation("DeleteCorsConfiguration")
    async def delete_cors_configuration(self, context: CallContext, request: Request) -> None:
        def change(found: Found, api: Api) -> Api:
            api.cors_configuration = None
            return found.put(api)

        await self.change(context, request["ApiId"], change)


def _target(api: Api, request: Request, integration_id: str) -> Integration:
    """Quick create's integration: a Lambda function by its ARN, or a URL."""
    target = request["Target"]
    is_function = target.startswith("arn:")
    return Integration(
        account=api.account,
        region=api.region,
        api_id=api.api_id,
        integration_id=integration_id,
        api_gateway_managed=True,
        integration_type="AWS_PROXY" if is_function else "HTTP_PROXY",
        integration_method="POST" if is_function else "ANY",
        integration_uri=target,
        payload_format_version="2.0" if is_function else "1.0",
        credentials_arn=request.get("CredentialsArn"),
    )


def described(context: CallContext, api: Api) -> Reply:
    api.api_endpoint = endpoint(context, api)
    return describe(api)


def endpoint(context: CallContext, api: Api) -> str:
    """Where to call the API: a name below the host that the caller reached us by, so that it reaches us again.

    An address has no names below it; `localhost` has.
    """
    public = urlsplit(context.public_url)
    if not public.hostname:
        return f"https://{api.api_id}.execute-api.{api.region}.amazonaws.com"
    host = "localhost" if _is_address(public.hostname) else public.hostname
    port = f":{public.port}" if public.port else ""
    return f"{public.scheme}://{api.api_id}.execute-api.{host}{port}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
