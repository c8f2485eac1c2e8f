"""Deploying an HTTP API: freezing it, and the stages that deploy by themselves whenever it changes."""

from __future__ import annotations

from forecourt.base.ids import Ids
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.model import (
    Api,
    Authorizer,
    Deployment,
    HttpSnapshot,
    Integration,
    Route,
    Stage,
)
from forecourt.services.apigateway.rest.store import Found

NO_ROUTES = "At least one route is required before deploying the Api."


def deploy(found: Found, api: Api, ids: Ids, now: int, description: str | None = None) -> Deployment:
    return _freeze(found, api, _new(api, ids, now, description, auto_deployed=False))


def _new(api: Api, ids: Ids, now: int, description: str | None, *, auto_deployed: bool) -> Deployment:
    return Deployment(
        account=api.account,
        region=api.region,
        api_id=api.api_id,
        deployment_id=ids.lower(6),
        created_date=now,
        auto_deployed=auto_deployed,
        description=description,
    )


def need_valid_routes(found: Found, api_id: str) -> None:
    """What AWS says where there is nothing to serve."""
    routes = found.all(Route, api_id)
    if not routes:
        raise BadRequestException("Unable to deploy API because no routes exist in this API")
    if not any(route.target for route in routes):
        raise BadRequestException("Unable to deploy API because no valid routes exist in this API")


def _freeze(found: Found, api: Api, deployment: Deployment) -> Deployment:
    snapshot = freeze(found, api, deployment.deployment_id)
    if not snapshot.routes:
        raise BadRequestException(NO_ROUTES)
    found.put(snapshot)
    return found.put(deployment)


def freeze(found: Found, api: Api, deployment_id: str) -> HttpSnapshot:
    """The API as it is now."""
    return HttpSnapshot(
        account=api.account,
        region=api.region,
        api_id=api.api_id,
        deployment_id=deployment_id,
        name=api.name,
        description=api.description,
        version=api.version,
        cors_configuration=api.cors_configuration,
        disable_execute_api_endpoint=api.disable_execute_api_endpoint,
        routes=found.all(Route, api.api_id),
        integrations=found.all(Integration, api.api_id),
        authorizers=found.all(Authorizer, api.api_id),
    )


def redeploy(found: Found, api_id: str, ids: Ids, now: int) -> None:
    """After every change of the API: what its stages with AutoDeploy serve is what it is now."""
    stages = [stage for stage in found.all(Stage, api_id) if stage.auto_deploy]
    if not stages:
        return
    api = found.get(Api, api_id)
    deployment = _new(
        api, ids, now, "Automatic deployment triggered by changes to the Api configuration", auto_deployed=True
    )
    try:
        need_valid_routes(found, api_id)
        _freeze(found, api, deployment)
    except BadRequestException as error:
        for stage in stages:
            stage.last_deployment_status_message = f"Deployment attempt failed: {error.message}"
            found.put(stage)
        return
    for stage in stages:
        _point(found, stage, deployment.deployment_id, now)
    _forget_unused(found, api_id)


def _point(found: Found, stage: Stage, deployment_id: str, now: int) -> None:
    stage.deployment_id = deployment_id
    stage.last_deployment_status_message = f"Successfully deployed stage with deployment ID '{deployment_id}'"
    stage.last_updated_date = now
    found.put(stage)


def point(found: Found, stage: Stage, deployment: Deployment, now: int) -> None:
    if stage.auto_deploy:
        raise BadRequestException("Stages with AutoDeploy enabled are deployed automatically")
    _point(found, stage, deployment.deployment_id, now)


def _forget_unused(found: Found, api_id: str) -> None:
    """An automatic deployment that no stage serves any more can't be asked for again, and there is one per change."""
    served = {stage.deployment_id for stage in found.all(Stage, api_id)}
    for deployment in found.all(Deployment, api_id):
        if deployment.auto_deployed and deployment.deployment_id not in served:
            found.delete(Deployment, api_id, deployment.deployment_id)
            found.delete(HttpSnapshot, api_id, deployment.deployment_id)
