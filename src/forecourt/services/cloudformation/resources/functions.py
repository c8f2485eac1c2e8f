"""AWS::Lambda::*: functions, versions, aliases, permissions, layers, event source mappings, URLs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources import inline_code, shaped
from forecourt.services.cloudformation.resources.simple import Found, Name, Simple, changed, refuse_unknown
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work

_POLL_SECONDS = 0.05
_CODE = frozenset(("Code", "Architectures"))
# Each has calls of its own.
_APART = frozenset(
    ("Code", "Architectures", "Tags", "ReservedConcurrentExecutions", "RecursiveLoop", "RuntimeManagementConfig",
     "CodeSigningConfigArn", "FunctionScalingConfig", "PublishToLatestPublished")
)  # fmt: skip
# https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
_DEFAULTS: dict[str, Any] = {
    "DeadLetterConfig": {},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "FileSystemConfigs": [],
    "KmsKeyArn": "",
    "Layers": [],
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}
_UNSUPPORTED = frozenset(("FunctionScalingConfig", "PublishToLatestPublished"))


class Function:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("FunctionName").settle(work, properties)
        refuse_unknown(work, "lambda", "CreateFunction", given, _APART - _UNSUPPORTED)
        name = given["FunctionName"]
        params = shaped.parameters("lambda", "CreateFunction", {k: v for k, v in given.items() if k != "Code"})
        if "ImageUri" in given["Code"]:
            params["PackageType"] = "Image"
        await work.make("lambda", "CreateFunction", **params, Code=_code(given))
        async with work.undone(self, name, given):
            await _settled(work, name)
            await self._apart(work, name, {}, given)
        return await self._made(work, name)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        different = changed(old, new)
        if different & _CODE:
            code = {**_code(new), "Architectures": new.get("Architectures")}
            await work.call("lambda", "UpdateFunctionCode", FunctionName=physical_id, **code)
            await _settled(work, physical_id)
        if different - _APART:
            back = {name: value for name, value in _DEFAULTS.items() if name in old and name not in new}
            wanted = {name: value for name, value in {**new, **back}.items() if name not in _APART}
            params = shaped.parameters("lambda", "UpdateFunctionConfiguration", wanted)
            await work.call("lambda", "UpdateFunctionConfiguration", **{**params, "FunctionName": physical_id})
            await _settled(work, physical_id)
        await self._apart(work, physical_id, old, new)
        arn = work.arn("lambda", f"function:{physical_id}")
        await retag(work, "lambda", arn, old.get("Tags"), new.get("Tags"))
        return await self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("lambda", "DeleteFunction", FunctionName=physical_id)

    async def _apart(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        """What has calls of its own."""
        different = changed(old, new)
        if "ReservedConcurrentExecutions" in different:
            count = new.get("ReservedConcurrentExecutions")
            if count is None:
                await work.gone("lambda", "DeleteFunctionConcurrency", FunctionName=name)
            else:
                await work.call(
                    "lambda", "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=int(count)
                )
        if "RecursiveLoop" in different:
            loop = new.get("RecursiveLoop", "Terminate")
            await work.call("lambda", "PutFunctionRecursionConfig", FunctionName=name, RecursiveLoop=loop)
        if "RuntimeManagementConfig" in different:
            wanted = new.get("RuntimeManagementConfig") or {"UpdateRuntimeOn": "Auto"}
            await work.call("lambda", "PutRuntimeManagementConfig", FunctionName=name, **wanted)
        if "CodeSigningConfigArn" in different and old:
            arn = new.get("CodeSigningConfigArn")
            what = "PutFunctionCodeSigningConfig" if arn else "DeleteFunctionCodeSigningConfig"
            await work.call("lambda", what, FunctionName=name, CodeSigningConfigArn=arn)

    async def _made(self, work: Work, name: str) -> Made:
        found = await work.call("lambda", "GetFunctionConfiguration", FunctionName=name)
        snap = found.get("SnapStart") or {}
        attributes = {"Arn": found["FunctionArn"], "SnapStartResponse": snap}
        return Made(name, attributes | {f"SnapStartResponse.{key}": value for key, value in snap.items()})


def _code(properties: Properties) -> dict[str, Any]:
    code: Mapping[str, Any] = properties["Code"]
    if "ZipFile" in code:
        return {"ZipFile": inline_code.zipped(code["ZipFile"], str(properties.get("Runtime", "")))}
    return shaped.parameters("lambda", "UpdateFunctionCode", code)


async def _settled(work: Work, name: str) -> None:
    """Once a function is made or changed, it may be invoked. Raises `ResourceFailed`."""
    while True:
        found = await work.call("lambda", "GetFunctionConfiguration", FunctionName=name)
        if "Failed" in (found.get("State"), found.get("LastUpdateStatus")):
            why = found.get("StateReason") or found.get("LastUpdateStatusReason")
            raise ResourceFailed(f"The function did not become active: {why}")
        if found.get("State", "Active") != "Pending" and found.get("LastUpdateStatus") != "InProgress":
            return
        await asyncio.sleep(_POLL_SECONDS)


class Version:
    async def create(self, work: Work, properties: Properties) -> Made:
        params = shaped.parameters("lambda", "PublishVersion", properties)
        found = await work.call("lambda", "PublishVersion", **params)
        arn, version = found["FunctionArn"], found["Version"]
        made = Made(arn, {"Version": version, "FunctionArn": arn})
        await self.update(work, arn, {}, properties)
        return made

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        wanted = (new.get("ProvisionedConcurrencyConfig") or {}).get("ProvisionedConcurrentExecutions")
        had = old.get("ProvisionedConcurrencyConfig")
        function, _, version = physical_id.rpartition(":")
        key = {"FunctionName": function, "Qualifier": version}
        await _provision(work, key, wanted, had is not None)
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        function, _, version = physical_id.rpartition(":")
        await work.gone("lambda", "DeleteFunction", FunctionName=function, Qualifier=version)


async def _provision(work: Work, key: Mapping[str, str], wanted: Any, had: bool) -> None:
    if wanted is not None:
        await work.call("lambda", "PutProvisionedConcurrencyConfig", **key, ProvisionedConcurrentExecutions=int(wanted))
    elif had:
        await work.gone("lambda", "DeleteProvisionedConcurrencyConfig", **key)


class Alias:
    async def create(self, work: Work, properties: Properties) -> Made:
        found = await work.make("lambda", "CreateAlias", **_alias("CreateAlias", properties))
        if not found:
            return await self.update(work, "", {}, properties)
        await self._provision(work, {}, properties)
        return Made(found["AliasArn"], {"AliasArn": found["AliasArn"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        params = _alias("UpdateAlias", new)
        params.setdefault("RoutingConfig", {"AdditionalVersionWeights": {}})
        params.setdefault("Description", "")
        found = await work.call("lambda", "UpdateAlias", **params)
        await self._provision(work, old, new)
        return Made(found["AliasArn"], {"AliasArn": found["AliasArn"]})

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("lambda", "DeleteAlias", FunctionName=properties["FunctionName"], Name=properties["Name"])

    async def _provision(self, work: Work, old: Properties, new: Properties) -> None:
        name = "ProvisionedConcurrencyConfig"
        wanted = (new.get(name) or {}).get("ProvisionedConcurrentExecutions")
        await _provision(work, {"FunctionName": new["FunctionName"], "Qualifier": new["Name"]}, wanted, name in old)


def _alias(operation: str, properties: Properties) -> dict[str, Any]:
    """The weights are a list in a template and a map in a call."""
    given = dict(properties)
    weights = (given.pop("RoutingConfig", None) or {}).get("AdditionalVersionWeights")
    params = shaped.parameters("lambda", operation, given)
    if weights is not None:
        by_version = {str(one["FunctionVersion"]): float(one["FunctionWeight"]) for one in weights}
        params["RoutingConfig"] = {"AdditionalVersionWeights": by_version}
    return params


class Permission:
    async def create(self, work: Work, properties: Properties) -> Made:
        statement = work.name(100)
        params = shaped.parameters("lambda", "AddPermission", properties)
        await work.make("lambda", "AddPermission", **params, StatementId=statement)
        return Made(statement, {"Id": statement})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        raise ResourceFailed("A permission cannot be changed")

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("lambda", "RemovePermission", FunctionName=properties["FunctionName"], StatementId=physical_id)


class LayerPermission:
    async def create(self, work: Work, properties: Properties) -> Made:
        layer, version = _layer(properties["LayerVersionArn"])
        statement = work.name(100)
        params = {
            "Action": properties["Action"],
            "Principal": properties["Principal"],
            "OrganizationId": properties.get("OrganizationId"),
        }
        await work.call(
            "lambda",
            "AddLayerVersionPermission",
            LayerName=layer,
            VersionNumber=version,
            StatementId=statement,
            **params,
        )
        return Made(statement, {"Id": statement})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        raise ResourceFailed("A permission cannot be changed")

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        layer, version = _layer(properties["LayerVersionArn"])
        await work.gone(
            "lambda", "RemoveLayerVersionPermission", LayerName=layer, VersionNumber=version, StatementId=physical_id
        )


def _layer(arn: str) -> tuple[str, int]:
    layer, _, version = arn.rpartition(":")
    return layer, int(version)


class LayerVersion:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("LayerName", 140).settle(work, properties)
        params = shaped.parameters("lambda", "PublishLayerVersion", given)
        arn = (await work.call("lambda", "PublishLayerVersion", **params))["LayerVersionArn"]
        return Made(arn, {"LayerVersionArn": arn})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        raise ResourceFailed("A layer's version cannot be changed")

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        layer, version = _layer(physical_id)
        await work.gone("lambda", "DeleteLayerVersion", LayerName=layer, VersionNumber=version)


_INVOKE_KEYS = {"FunctionName": ":FunctionName", "Qualifier": ":Qualifier"}

TYPES: dict[str, Handler] = {
    "AWS::Lambda::Function": Function(),
    "AWS::Lambda::Version": Version(),
    "AWS::Lambda::Alias": Alias(),
    "AWS::Lambda::Permission": Permission(),
    "AWS::Lambda::LayerVersion": LayerVersion(),
    "AWS::Lambda::LayerVersionPermission": LayerPermission(),
    "AWS::Lambda::EventSourceMapping": Simple(
        service="lambda",
        makes="CreateEventSourceMapping",
        id="UUID",
        found=Found("ListEventSourceMappings", "EventSourceMappings", "UUID", {"EventSourceArn": "EventSourceArn"}),
        changes="UpdateEventSourceMapping",
        deletes="DeleteEventSourceMapping",
        keys={"UUID": "@", "FunctionName": ":FunctionName"},
        attributes={"Id": "@", "EventSourceMappingArn": "=arn:aws:lambda:{region}:{account}:event-source-mapping:{id}"},
        tag_arn="=arn:aws:lambda:{region}:{account}:event-source-mapping:{id}",
        defaults={"FilterCriteria": {"Filters": []}, "FunctionResponseTypes": [], "MaximumBatchingWindowInSeconds": 0},
    ),
    "AWS::Lambda::Url": Simple(
        service="lambda",
        makes="CreateFunctionUrlConfig",
        id="FunctionArn",
        changes="UpdateFunctionUrlConfig",
        deletes="DeleteFunctionUrlConfig",
        reads="GetFunctionUrlConfig",
        keys={"FunctionName": ":TargetFunctionArn", "Qualifier": ":Qualifier"},
        attributes={"FunctionArn": "FunctionArn", "FunctionUrl": "FunctionUrl"},
        rename={"TargetFunctionArn": "FunctionName"},
        defaults={"Cors": {}, "InvokeMode": "BUFFERED"},
    ),
    "AWS::Lambda::EventInvokeConfig": Simple(
        service="lambda",
        makes="PutFunctionEventInvokeConfig",
        id="=EventInvokeConfig-{FunctionName}-{Qualifier}",
        changes="PutFunctionEventInvokeConfig",
        deletes="DeleteFunctionEventInvokeConfig",
        keys=_INVOKE_KEYS,
    ),
    "AWS::Lambda::CodeSigningConfig": Simple(
        service="lambda",
        makes="CreateCodeSigningConfig",
        id="CodeSigningConfig.CodeSigningConfigArn",
        changes="UpdateCodeSigningConfig",
        deletes="DeleteCodeSigningConfig",
        keys={"CodeSigningConfigArn": "@"},
        attributes={"CodeSigningConfigArn": "@", "CodeSigningConfigId": "CodeSigningConfig.CodeSigningConfigId"},
        tag_arn="@",
    ),
}
