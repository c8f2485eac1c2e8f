"""AWS::ApiGateway::Deployment and AWS::ApiGateway::Stage: what of a REST API is served, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.patched import Operation, Patched, escaped, members, replace, structure
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work, is_missing

_S = "apigateway"
_API = {"restApiId": ":RestApiId"}
_SETTINGS = {
    "MetricsEnabled": "metrics/enabled",
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
    "CachingEnabled": "caching/enabled",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CacheDataEncrypted": "caching/dataEncrypted",
    "RequireAuthorizationForCacheControl": "caching/requireAuthorizationForCacheControl",
    "UnauthorizedCacheControlHeaderStrategy": "caching/unauthorizedCacheControlHeaderStrategy",
}


def _method_settings(old: Any, new: Any) -> Iterator[Operation]:
    before, after = _by_method(old), _by_method(new)
    for where in sorted(set(before) - set(after)):
        yield {"op": "remove", "path": where}
    for where, setting in after.items():
        for name, value in setting.items():
            if name in _SETTINGS and before.get(where, {}).get(name) != value:
                yield from replace(f"{where}/{_SETTINGS[name]}")(None, value)


def _by_method(given: Any) -> dict[str, Mapping[str, Any]]:
    """`/*` and `*` stand for every method; else a resource's path, and its method."""
    found = {}
    for setting in given or ():
        path = setting.get("ResourcePath", "/*")
        name = "*" if path in ("/*", "*") else escaped(path)
        found[f"/{name}/{setting.get('HttpMethod', '*')}"] = setting
    return found


def _access_logs(old: Any, new: Any) -> Iterator[Operation]:
    if not new:
        yield {"op": "remove", "path": "/accessLogSettings"}
        return
    for name, path in (("DestinationArn", "destinationArn"), ("Format", "format")):
        if name in new:
            yield {"op": "replace", "path": f"/accessLogSettings/{path}", "value": str(new[name])}


def _canary(old: Any, new: Any) -> Iterator[Operation]:
    if not new:
        yield {"op": "remove", "path": "/canarySettings"}
        return
    inner = structure(
        DeploymentId=replace("/canarySettings/deploymentId"),
        PercentTraffic=replace("/canarySettings/percentTraffic", "0.0"),
        UseStageCache=replace("/canarySettings/useStageCache", "false"),
        StageVariableOverrides=members("/canarySettings/stageVariableOverrides"),
    )
    yield from inner(old, new)


# What CreateStage does not take
_LATER = ("AccessLogSetting", "MethodSettings", "ClientCertificateId")
_STAGE_PATCHES = {
    "AccessLogSetting": _access_logs,
    "CacheClusterEnabled": replace("/cacheClusterEnabled", "false"),
    "CacheClusterSize": replace("/cacheClusterSize", "0.5"),
    "CanarySetting": _canary,
    "ClientCertificateId": replace("/clientCertificateId"),
    "DeploymentId": replace("/deploymentId"),
    "Description": replace("/description", ""),
    "DocumentationVersion": replace("/documentationVersion", ""),
    "MethodSettings": _method_settings,
    "TracingEnabled": replace("/tracingEnabled", "false"),
    "Variables": members("/variables"),
}


class Stage(Patched, frozen=True, kw_only=True):
    async def create(self, work: Work, properties: Properties) -> Made:
        first = {name: value for name, value in properties.items() if name not in _LATER}
        given = {**first, "StageName": properties.get("StageName", "Stage")}
        made = await super().create(work, given)
        async with work.undone(self, made.physical_id, given):
            await self.update(work, made.physical_id, given, {**given, **properties})
        return made


class Deployment:
    """With the stage that it makes or moves, where it names one."""

    async def create(self, work: Work, properties: Properties) -> Made:
        about = properties.get("StageDescription") or {}
        params = shaped.parameters(_S, "CreateDeployment", {**about, **properties})
        params.pop("stageDescription", None)
        if "Description" in about:
            params["stageDescription"] = about["Description"]
        canary = properties.get("DeploymentCanarySettings")
        if canary:
            params["canarySettings"] = shaped.parameters(_S, "CreateDeployment", {"canarySettings": canary})[
                "canarySettings"
            ]
        found = await work.call(_S, "CreateDeployment", **params)
        made = Made(found["id"], {"DeploymentId": found["id"]})
        await self._describe_stage(work, properties, {}, about)
        return made

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old.get("Description") != new.get("Description"):
            patch = replace("/description", "")(None, new.get("Description"))
            await work.call(
                _S,
                "UpdateDeployment",
                restApiId=new["RestApiId"],
                deploymentId=physical_id,
                patchOperations=list(patch),
            )
        if old.get("StageName") != new.get("StageName") and new.get("StageName"):
            return await self.create(work, new)
        await self._describe_stage(work, new, old.get("StageDescription") or {}, new.get("StageDescription") or {})
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        api, stage = properties["RestApiId"], properties.get("StageName")
        if stage is not None and await self._serves(work, api, stage, physical_id):
            await work.gone(_S, "DeleteStage", restApiId=api, stageName=stage)
        await work.gone(_S, "DeleteDeployment", restApiId=api, deploymentId=physical_id)

    async def _serves(self, work: Work, api: str, stage: str, deployment: str) -> bool:
        try:
            found = await work.call(_S, "GetStage", restApiId=api, stageName=stage)
        except ServiceError as error:
            if is_missing(error):
                return False
            raise
        return bool(found.get("deploymentId") == deployment)

    async def _describe_stage(self, work: Work, properties: Properties, old: Properties, new: Properties) -> None:
        settings = _stage_settings(old), _stage_settings(new)
        row = STAGE
        operations = list(row.operations(*settings)) if settings[0] != settings[1] else []
        if operations and properties.get("StageName"):
            await work.call(
                _S,
                "UpdateStage",
                restApiId=properties["RestApiId"],
                stageName=properties["StageName"],
                patchOperations=operations,
            )


def _stage_settings(about: Properties) -> dict[str, Any]:
    """A StageDescription as the properties of a stage: its own settings are those of every method."""
    known = {name: value for name, value in about.items() if name in _STAGE_PATCHES and name != "CacheClusterSize"}
    everywhere = {name: value for name, value in about.items() if name in _SETTINGS}
    every = [{"ResourcePath": "/*", "HttpMethod": "*", **everywhere}] if everywhere else []
    settings = [*every, *(about.get("MethodSettings") or ())]
    return {**known, **({"MethodSettings": settings} if settings else {})}


STAGE = Stage(
    service=_S,
    makes="CreateStage",
    id=":StageName",
    changes="UpdateStage",
    deletes="DeleteStage",
    keys={**_API, "stageName": "@"},
    rename={"CanarySetting": "CanarySettings"},
    tag_arn="=arn:aws:apigateway:{region}::/restapis/{RestApiId}/stages/{id}",
    patches=_STAGE_PATCHES,
)

TYPES: dict[str, Handler] = {
    "AWS::ApiGateway::Deployment": Deployment(),
    "AWS::ApiGateway::Stage": STAGE,
}
