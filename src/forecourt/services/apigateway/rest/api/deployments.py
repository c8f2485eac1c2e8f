"""Deployment: freezes the API into a `Snapshot`, and points a stage at it where one is named."""

from __future__ import annotations

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.api.stages import StagesApi
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import CanarySettings, Deployment, RestApi, Stage, describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.snapshots import freeze, need_deployable
from forecourt.services.apigateway.rest.stage_rules import need_no_canary, need_stage
from forecourt.services.apigateway.rest.store import Found, page_of, patched
from forecourt.services.apigateway.snapshot import Snapshot

_BAD_CANARY = "Invalid deployment content specified."


class DeploymentsApi(Noun):
    @operation("CreateDeployment")
    async def create_deployment(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Deployment:
            api = found.get(RestApi, request["restApiId"])
            deployment = Deployment(
                account=api.account,
                region=api.region,
                rest_api_id=api.id,
                id=self.ids.lower(6),
                created_date=self.now(),
                description=request.get("description"),
            )
            snapshot = freeze(found, api, deployment.id)
            need_deployable(snapshot)
            found.put(snapshot)
            found.put(deployment)
            self._point_stage(found, api, deployment, request)
            return deployment

        return describe(await self.configuration.write(context, change))

    def _point_stage(self, found: Found, api: RestApi, deployment: Deployment, request: Request) -> None:
        name = request.get("stageName")
        stage = found.maybe(Stage, api.id, name) if name else None
        if request.get("canarySettings"):
            stage = _canary(stage, name, deployment, request["canarySettings"])
        elif name:
            stage = self._deployed(found, api, stage, deployment, request)
        if stage is None:
            return
        need_stage(found, stage, self.quotas)
        stage.last_updated_date = self.now()
        found.put(stage)

    def _deployed(
        self, found: Found, api: RestApi, stage: Stage | None, deployment: Deployment, request: Request
    ) -> Stage:
        if stage is None:
            need_room(found.count(Stage, api.id), self.quotas.stages, "stages")
            description = request.get("stageDescription")
            return StagesApi(self.tools).new(
                api, {**request, "deploymentId": deployment.id, "description": description}
            )
        need_no_canary(stage, deployment.id)
        stage.deployment_id = deployment.id
        stage.description = request.get("stageDescription", stage.description)
        stage.cache_cluster_enabled = request.get("cacheClusterEnabled", stage.cache_cluster_enabled)
        stage.cache_cluster_size = request.get("cacheClusterSize", stage.cache_cluster_size)
        stage.tracing_enabled = request.get("tracingEnabled", stage.tracing_enabled)
        if request.get("variables"):
            stage.variables = {**(stage.variables or {}), **request["variables"]}
        return stage

    @operation("GetDeployment")
    async def get_deployment(self, context: CallContext, request: Request) -> Reply:
        key = request["restApiId"], request["deploymentId"]
        described = describe(await self.configuration.get(context, Deployment, *key))
        if "apisummary" not in [name.lower() for name in request.get("embed") or ()]:
            return described
        snapshot = await self.configuration.maybe(context, Snapshot, *key)
        return {**described, "apiSummary": summary(snapshot) if snapshot else {}}

    @operation("GetDeployments")
    async def get_deployments(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        deployments = await self.configuration.all(context, Deployment, api.id)
        return page_of(sorted(deployments, key=lambda d: (-d.created_date, d.id)), request)

    @operation("UpdateDeployment")
    async def update_deployment(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Deployment:
            before = found.get(Deployment, request["restApiId"], request["deploymentId"])
            return found.put(patched(before, patches.DEPLOYMENT, request.get("patchOperations")))

        return describe(await self.configuration.write(context, change))

    @operation("DeleteDeployment")
    async def delete_deployment(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            deployment = found.get(Deployment, request["restApiId"], request["deploymentId"])
            if any(deployment.id in _served(stage) for stage in found.all(Stage, deployment.rest_api_id)):
                raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")
            found.delete(Deployment, deployment.rest_api_id, deployment.id)
            found.delete_all(Snapshot, deployment.rest_api_id, deployment.id)

        await self.configuration.write(context, change)


def _canary(stage: Stage | None, name: str | None, deployment: Deployment, settings: Request) -> Stage:
    """A deployment with canary settings goes to the stage's canary; the stage's own deployment stays."""
    if not name:
        raise BadRequestException(
            f"{_BAD_CANARY}Non null and non empty stageName must be provided for canary deployment. "
            "Provided value is null"
        )
    if stage is None:
        raise BadRequestException(
            f"{_BAD_CANARY}Stage {name} must already be created before making a canary release deployment"
        )
    stage.canary_settings = msgspec.convert({**settings, "deploymentId": deployment.id}, CanarySettings)
    return stage


def _served(stage: Stage) -> tuple[str, ...]:
    canary = stage.canary_settings
    return (stage.deployment_id, canary.deployment_id or "") if canary else (stage.deployment_id,)


def summary(snapshot: Snapshot) -> dict[str, dict[str, dict[str, object]]]:
    """A deployment's `apiSummary`: its methods by path."""
    return {
        resource.path: {
            name: {"authorizationType": method.authorization_type, "apiKeyRequired": method.api_key_required}
            for name, method in resource.resource_methods.items()
        }
        for resource in snapshot.resources
        if resource.resource_methods
    }
