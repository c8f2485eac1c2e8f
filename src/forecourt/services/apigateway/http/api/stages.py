"""Stage and Deployment."""

from __future__ import annotations

import re

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request, new
from forecourt.services.apigateway.http.deploying import deploy, point
from forecourt.services.apigateway.http.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.http.model import DEFAULT_STAGE, Api, Deployment, HttpSnapshot, Route, Stage
from forecourt.services.apigateway.http.rules import need_access_log, need_route_settings
from forecourt.services.apigateway.http.store import merged
from forecourt.services.apigateway.rest.errors import NotFoundException
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.stage_rules import need_variables
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.rest.tagging import need_tags

_STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


class StagesApi(Noun):
    @operation("CreateStage")
    async def create_stage(self, context: CallContext, request: Request) -> Reply:
        name = request["StageName"]

        def change(found: Found, api: Api) -> Stage:
            if found.maybe(Stage, api.api_id, name):
                raise ConflictException(f"Stage {name} already exists in Api with id {api.api_id}")
            need_room(found.count(Stage, api.api_id), self.quotas.stages, "stages")
            stage = new(Stage, api, request, stage_name=name, created_date=self.now(), last_updated_date=self.now())
            self._need(found, stage, request)
            return found.put(stage)

        await self.change(context, request["ApiId"], change)
        return await self._described(context, request)

    def _need(self, found: Found, stage: Stage, request: Request) -> None:
        if stage.stage_name != DEFAULT_STAGE and not _STAGE_NAME.fullmatch(stage.stage_name):
            raise BadRequestException("Stage name only allows a-zA-Z0-9_-, or must be $default")
        if stage.deployment_id:
            found.get(Deployment, stage.api_id, stage.deployment_id)
        need_variables(stage.stage_variables, self.quotas)
        need_tags(stage.tags, self.quotas)
        need_access_log(stage.access_log_settings, self.quotas)
        keys = {route.route_key for route in found.all(Route, stage.api_id)}
        for key in request.get("RouteSettings") or {}:
            if key not in keys:
                raise NotFoundException(f"Unable to find Route by key {key} within the provided RouteSettings")
        for settings in (stage.default_route_settings, *stage.route_settings.values()):
            need_route_settings(settings)

    async def _described(self, context: CallContext, request: Request) -> Reply:
        """As it is after the deployment that its creation or change may have brought about."""
        return describe(await self.configuration.get(context, Stage, request["ApiId"], request["StageName"]))

    @operation("GetStage")
    async def get_stage(self, context: CallContext, request: Request) -> Reply:
        return await self._described(context, request)

    @operation("GetStages")
    async def get_stages(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, Stage, request=request)

    @operation("UpdateStage")
    async def update_stage(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Stage:
            stage = merged(found.get(Stage, api.api_id, request["StageName"]), request)
            if stage.auto_deploy and request.get("DeploymentId"):
                raise BadRequestException("DeploymentId can't be set on a stage with AutoDeploy enabled")
            self._need(found, stage, request)
            stage.last_updated_date = self.now()
            return found.put(stage)

        await self.change(context, request["ApiId"], change)
        return await self._described(context, request)

    @operation("DeleteStage")
    async def delete_stage(self, context: CallContext, request: Request) -> None:
        await self.delete(context, Stage, request["ApiId"], request["StageName"])

    @operation("DeleteAccessLogSettings")
    async def delete_access_log_settings(self, context: CallContext, request: Request) -> None:
        def change(found: Found, api: Api) -> Stage:
            stage = found.get(Stage, api.api_id, request["StageName"])
            stage.access_log_settings = None
            return found.put(stage)

        await self.change(context, request["ApiId"], change)

    @operation("DeleteRouteSettings")
    async def delete_route_settings(self, context: CallContext, request: Request) -> None:
        def change(found: Found, api: Api) -> Stage:
            stage = found.get(Stage, api.api_id, request["StageName"])
            if stage.route_settings.pop(request["RouteKey"], None) is None:
                raise BadRequestException(f"Stage has no settings for the route key {request['RouteKey']}")
            return found.put(stage)

        await self.change(context, request["ApiId"], change)

    @operation("ResetAuthorizersCache")
    async def reset_authorizers_cache(self, context: CallContext, request: Request) -> None:
        stage = await self.configuration.get(context, Stage, request["ApiId"], request["StageName"])
        await self.tools.caches.flush_authorizers(stage.account, stage.region, stage.api_id, stage.stage_name)


class DeploymentsApi(Noun):
    @operation("CreateDeployment")
    async def create_deployment(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Deployment:
            api = found.get(Api, request["ApiId"])
            deployment = deploy(found, api, self.ids, self.now(), request.get("Description"))
            if request.get("StageName"):
                point(found, found.get(Stage, api.api_id, request["StageName"]), deployment, self.now())
            return deployment

        return describe(await self.configuration.write(context, change))

    @operation("GetDeployment")
    async def get_deployment(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, Deployment, request["ApiId"], request["DeploymentId"]))

    @operation("GetDeployments")
    async def get_deployments(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, Deployment, request=request)

    @operation("UpdateDeployment")
    async def update_deployment(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Deployment:
            before = found.get(Deployment, request["ApiId"], request["DeploymentId"])
            return found.put(merged(before, {"Description": request.get("Description", before.description)}))

        return describe(await self.configuration.write(context, change))

    @operation("DeleteDeployment")
    async def delete_deployment(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            deployment = found.get(Deployment, request["ApiId"], request["DeploymentId"])
            if any(s.deployment_id == deployment.deployment_id for s in found.all(Stage, deployment.api_id)):
                raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")
            found.delete(Deployment, deployment.api_id, deployment.deployment_id)
            found.delete(HttpSnapshot, deployment.api_id, deployment.deployment_id)

        await self.configuration.write(context, change)
