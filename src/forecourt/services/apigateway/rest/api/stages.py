"""Stage: a named pointer to a deployment, with what applies to whoever calls it there."""

from __future__ import annotations

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import errors, patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.api.usage_plans import forget_stages
from forecourt.services.apigateway.rest.errors import ConflictException
from forecourt.services.apigateway.rest.model import CanarySettings, RestApi, Stage, describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.stage_rules import need_no_canary, need_stage
from forecourt.services.apigateway.rest.store import Found, patched
from forecourt.services.apigateway.rest.tagging import need_tags


class StagesApi(Noun):
    @operation("CreateStage")
    async def create_stage(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)

        def change(found: Found) -> Stage:
            api = found.get(RestApi, request["restApiId"])
            stage = self.new(api, request)
            if found.maybe(Stage, api.id, stage.stage_name):
                raise ConflictException("Stage already exists")
            need_room(found.count(Stage, api.id), self.quotas.stages, "stages")
            need_stage(found, stage, self.quotas)
            return found.put(stage)

        return describe(await self.configuration.write(context, change))

    def new(self, api: RestApi, request: Request) -> Stage:
        canary = request.get("canarySettings")
        return Stage(
            account=api.account,
            region=api.region,
            rest_api_id=api.id,
            stage_name=request["stageName"],
            deployment_id=request["deploymentId"],
            created_date=self.now(),
            last_updated_date=self.now(),
            description=request.get("description"),
            cache_cluster_enabled=request.get("cacheClusterEnabled", False),
            cache_cluster_size=request.get("cacheClusterSize"),
            variables=dict(request["variables"]) if request.get("variables") else None,
            documentation_version=request.get("documentationVersion"),
            canary_settings=msgspec.convert(dict(canary), CanarySettings) if canary else None,
            tracing_enabled=request.get("tracingEnabled", False),
            tags=dict(request["tags"]) if request.get("tags") else None,
        )

    @operation("GetStage")
    async def get_stage(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, Stage, request["restApiId"], request["stageName"]))

    @operation("GetStages")
    async def get_stages(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        deployment_id = request.get("deploymentId")
        stages = await self.configuration.all(context, Stage, api.id)
        return {"item": [describe(s) for s in stages if not deployment_id or s.deployment_id == deployment_id]}

    @operation("UpdateStage")
    async def update_stage(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Stage:
            before = found.get(Stage, request["restApiId"], request["stageName"])
            stage = patched(before, patches.STAGE, request.get("patchOperations"))
            if stage.canary_settings is not None:
                need_no_canary(before, stage.deployment_id)
            need_stage(found, stage, self.quotas)
            stage.last_updated_date = self.now()
            return found.put(stage)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteStage")
    async def delete_stage(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            found.delete(Stage, request["restApiId"], request["stageName"])
            forget_stages(found, request["restApiId"], request["stageName"])

        await self.configuration.write(context, change)

    @operation("FlushStageCache")
    async def flush_stage_cache(self, context: CallContext, request: Request) -> None:
        stage = await self.configuration.get(context, Stage, request["restApiId"], request["stageName"])
        if not stage.cache_cluster_enabled:
            raise errors.BadRequestException("Stage cache cluster is not enabled")
        await self.tools.caches.flush_stage(stage.account, stage.region, stage.rest_api_id, stage.stage_name)

    @operation("FlushStageAuthorizersCache")
    async def flush_stage_authorizers_cache(self, context: CallContext, request: Request) -> None:
        stage = await self.configuration.get(context, Stage, request["restApiId"], request["stageName"])
        await self.tools.caches.flush_authorizers(stage.account, stage.region, stage.rest_api_id, stage.stage_name)
