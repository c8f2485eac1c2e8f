"""AWS::ApiGateway::*: REST APIs with what is in them, keys and plans, domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.definitions import body_of
from forecourt.services.cloudformation.resources.patched import (
    Operation,
    Patched,
    escaped,
    items,
    members,
    nothing,
    replace,
    structure,
    values,
)
from forecourt.services.cloudformation.resources.simple import Name, Simple, changed
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work, is_missing

_S = "apigateway"
_API = {"restApiId": ":RestApiId"}
_SPEC = frozenset(("Body", "BodyS3Location", "Mode", "FailOnWarnings", "Parameters"))


class RestApi(Patched, frozen=True, kw_only=True):
    """With a definition, which is imported into it."""

    async def create(self, work: Work, properties: Properties) -> Made:
        definition = await body_of(work, properties)
        title = (definition or {}).get("info", {}).get("title")
        given = {"Name": title or work.logical_id, **properties}
        made = await super().create(work, {name: value for name, value in given.items() if name not in _SPEC})
        if definition is not None:
            try:
                await self._import(work, made.physical_id, properties, definition)
            except ServiceError:
                # It has no physical id yet by which a rollback would find it.
                await self.delete(work, made.physical_id, properties)
                raise
        return made

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        made = await super().update(work, physical_id, old, new)
        definition = await body_of(work, new)
        if definition is not None and changed(old, new) & _SPEC:
            await self._import(work, physical_id, new, definition)
        return made

    async def _import(self, work: Work, api_id: str, properties: Properties, definition: Mapping[str, Any]) -> None:
        named = {**definition, "info": {**definition.get("info", {}), "title": properties.get("Name")}}
        params = shaped.parameters(
            _S,
            "PutRestApi",
            {
                "restApiId": api_id,
                "mode": properties.get("Mode", "overwrite"),
                "failOnWarnings": properties.get("FailOnWarnings", False),
                "parameters": properties.get("Parameters"),
            },
        )
        body = named if properties.get("Name") else definition
        await work.call(_S, "PutRestApi", **params, body=shaped.json_bytes(body))


class Method:
    """With its integration and responses. A change puts it anew, as AWS's own provider does."""

    async def create(self, work: Work, properties: Properties) -> Made:
        where = _where(properties)
        try:
            await self._put(work, where, properties)
        except ServiceError:
            await self._remove(work, where)
            raise
        return Made("|".join([where["restApiId"], where["resourceId"], where["httpMethod"]]), {})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        await self._remove(work, _where(new))
        await self._put(work, _where(new), new)
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await self._remove(work, _where(properties))

    async def _remove(self, work: Work, where: Mapping[str, str]) -> None:
        await work.gone(_S, "DeleteMethod", **where)

    async def _put(self, work: Work, where: Mapping[str, str], properties: Properties) -> None:
        given = {"AuthorizationType": "NONE", **properties}
        await work.call(_S, "PutMethod", **{**shaped.parameters(_S, "PutMethod", given), **where})
        for response in properties.get("MethodResponses") or ():
            params = shaped.parameters(_S, "PutMethodResponse", response)
            await work.call(_S, "PutMethodResponse", **{**params, **where})
        integration = properties.get("Integration")
        if not integration:
            return
        params = shaped.parameters(_S, "PutIntegration", integration)
        await work.call(_S, "PutIntegration", **{**params, **where})
        for response in integration.get("IntegrationResponses") or ():
            params = shaped.parameters(_S, "PutIntegrationResponse", response)
            await work.call(_S, "PutIntegrationResponse", **{**params, **where})


def _where(properties: Properties) -> dict[str, str]:
    return {
        "restApiId": properties["RestApiId"],
        "resourceId": properties["ResourceId"],
        "httpMethod": properties["HttpMethod"],
    }


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
        try:
            await self.update(work, made.physical_id, given, {**given, **properties})
        except ServiceError:
            await self.delete(work, made.physical_id, given)
            raise
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


def _api_stages(old: Any, new: Any) -> Iterator[Operation]:
    before, after = _stages_of(old), _stages_of(new)
    for name in sorted(set(before) - set(after)):
        yield {"op": "remove", "path": "/apiStages", "value": name}
    for name in sorted(set(after) - set(before)):
        yield {"op": "add", "path": "/apiStages", "value": name}
    for name, stage in after.items():
        throttles, former = stage.get("Throttle") or {}, before.get(name, {}).get("Throttle") or {}
        for method in sorted(set(former) - set(throttles)):
            yield {"op": "remove", "path": f"/apiStages/{name}/throttle/{escaped(method)}"}
        for method, limits in throttles.items():
            for key, path in (("RateLimit", "rateLimit"), ("BurstLimit", "burstLimit")):
                if key in limits and former.get(method, {}).get(key) != limits[key]:
                    where = f"/apiStages/{name}/throttle/{escaped(method)}/{path}"
                    yield {"op": "replace", "path": where, "value": str(limits[key])}


def _stages_of(given: Any) -> dict[str, Mapping[str, Any]]:
    return {f"{stage['ApiId']}:{stage['Stage']}": stage for stage in given or ()}


def _limits(path: str, **names: str) -> Any:
    def patches(old: Any, new: Any) -> Iterator[Operation]:
        if not new:
            yield {"op": "remove", "path": path}
            return
        for name, member in names.items():
            if name in new and (old or {}).get(name) != new[name]:
                yield {"op": "replace", "path": f"{path}/{member}", "value": str(new[name])}

    return patches


class UsagePlan(Patched, frozen=True, kw_only=True):
    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        """A plan goes when no stage is in it any more."""
        away = list(_api_stages(properties.get("ApiStages"), ()))
        if away:
            await work.gone(_S, "UpdateUsagePlan", usagePlanId=physical_id, patchOperations=away)
        await super().delete(work, physical_id, properties)


class UsagePlanKey:
    async def create(self, work: Work, properties: Properties) -> Made:
        params = shaped.parameters(_S, "CreateUsagePlanKey", properties)
        found = await work.call(_S, "CreateUsagePlanKey", **params)
        physical_id = f"{found['id']}:{properties['UsagePlanId']}"
        return Made(physical_id, {"Id": physical_id})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        plan, key = properties["UsagePlanId"], properties["KeyId"]
        await work.gone(_S, "DeleteUsagePlanKey", usagePlanId=plan, keyId=key)


class Account:
    """The region's settings. There is one account: with its resource, nothing of it goes."""

    async def create(self, work: Work, properties: Properties) -> Made:
        return await self.update(work, work.name(64), {}, properties)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old.get("CloudWatchRoleArn") != new.get("CloudWatchRoleArn"):
            patch = {"op": "replace", "path": "/cloudwatchRoleArn", "value": new.get("CloudWatchRoleArn", "")}
            await work.call(_S, "UpdateAccount", patchOperations=[patch])
        return Made(physical_id, {"Id": physical_id})

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        return None


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


def _endpoint_type(old: Any, new: Any) -> Iterator[Operation]:
    (before, *_), (after, *_) = old or ["EDGE"], new or ["EDGE"]
    yield {"op": "replace", "path": f"/endpointConfiguration/types/{before}", "value": after}


_ENDPOINTS = structure(
    Types=lambda old, new: iter(
        [
            {
                "op": "replace",
                "path": f"/endpointConfiguration/types/{(old or ['EDGE'])[0]}",
                "value": (new or ["EDGE"])[0],
            }
        ]
    ),
    VpcEndpointIds=values("/endpointConfiguration/vpcEndpointIds"),
    IpAddressType=replace("/endpointConfiguration/ipAddressType"),
)

TYPES: dict[str, Handler] = {
    "AWS::ApiGateway::RestApi": RestApi(
        service=_S,
        makes="CreateRestApi",
        id="id",
        changes="UpdateRestApi",
        deletes="DeleteRestApi",
        reads="GetRestApi",
        keys={"restApiId": "@"},
        attributes={"RestApiId": "@", "RootResourceId": "rootResourceId"},
        rename={"ApiKeySourceType": "ApiKeySource"},
        tag_arn="=arn:aws:apigateway:{region}::/restapis/{id}",
        patches={
            "ApiKeySourceType": replace("/apiKeySource", "HEADER"),
            "BinaryMediaTypes": items("/binaryMediaTypes"),
            "Description": replace("/description", ""),
            "DisableExecuteApiEndpoint": replace("/disableExecuteApiEndpoint", "false"),
            "EndpointConfiguration": _ENDPOINTS,
            "MinimumCompressionSize": replace("/minimumCompressionSize", ""),
            "Name": replace("/name"),
            "Policy": replace("/policy", ""),
            "Version": replace("/version", ""),
            **dict.fromkeys(_SPEC, nothing),
        },
    ),
    "AWS::ApiGateway::Resource": Simple(
        service=_S,
        makes="CreateResource",
        id="id",
        deletes="DeleteResource",
        keys={**_API, "resourceId": "@"},
        attributes={"ResourceId": "@"},
    ),
    "AWS::ApiGateway::Method": Method(),
    "AWS::ApiGateway::Deployment": Deployment(),
    "AWS::ApiGateway::Stage": STAGE,
    "AWS::ApiGateway::Model": Patched(
        service=_S,
        makes="CreateModel",
        id=":Name",
        changes="UpdateModel",
        deletes="DeleteModel",
        keys={**_API, "modelName": "@"},
        name=Name("Name", 64, joint=""),
        always={"contentType": "application/json"},
        patches={"Description": replace("/description", ""), "Schema": replace("/schema")},
    ),
    "AWS::ApiGateway::RequestValidator": Patched(
        service=_S,
        makes="CreateRequestValidator",
        id="id",
        changes="UpdateRequestValidator",
        deletes="DeleteRequestValidator",
        keys={**_API, "requestValidatorId": "@"},
        attributes={"RequestValidatorId": "@"},
        patches={
            "Name": replace("/name"),
            "ValidateRequestBody": replace("/validateRequestBody", "false"),
            "ValidateRequestParameters": replace("/validateRequestParameters", "false"),
        },
    ),
    "AWS::ApiGateway::Authorizer": Patched(
        service=_S,
        makes="CreateAuthorizer",
        id="id",
        changes="UpdateAuthorizer",
        deletes="DeleteAuthorizer",
        keys={**_API, "authorizerId": "@"},
        attributes={"AuthorizerId": "@"},
        patches={
            "AuthorizerCredentials": replace("/authorizerCredentials", ""),
            "AuthorizerResultTtlInSeconds": replace("/authorizerResultTtlInSeconds", "300"),
            "AuthorizerUri": replace("/authorizerUri"),
            "AuthType": replace("/authType", ""),
            "IdentitySource": replace("/identitySource", ""),
            "IdentityValidationExpression": replace("/identityValidationExpression", ""),
            "Name": replace("/name"),
            "ProviderARNs": values("/providerARNs"),
            "Type": replace("/type"),
        },
    ),
    "AWS::ApiGateway::GatewayResponse": Simple(
        service=_S,
        makes="PutGatewayResponse",
        id=":ResponseType",
        changes="PutGatewayResponse",
        deletes="DeleteGatewayResponse",
        keys={**_API, "responseType": ":ResponseType"},
        attributes={"Id": "@"},
    ),
    "AWS::ApiGateway::ApiKey": Patched(
        service=_S,
        makes="CreateApiKey",
        id="id",
        changes="UpdateApiKey",
        deletes="DeleteApiKey",
        keys={"apiKey": "@"},
        attributes={"APIKeyId": "@"},
        name=Name("Name", 128, label=True),
        tag_arn="=arn:aws:apigateway:{region}::/apikeys/{id}",
        patches={
            "CustomerId": replace("/customerId", ""),
            "Description": replace("/description", ""),
            "Enabled": replace("/enabled", "false"),
            "StageKeys": lambda old, new: values("/stages")(_stage_keys(old), _stage_keys(new)),
        },
    ),
    "AWS::ApiGateway::UsagePlan": UsagePlan(
        service=_S,
        makes="CreateUsagePlan",
        id="id",
        changes="UpdateUsagePlan",
        deletes="DeleteUsagePlan",
        keys={"usagePlanId": "@"},
        attributes={"Id": "@"},
        name=Name("UsagePlanName", 128, label=True),
        rename={"UsagePlanName": "Name"},
        tag_arn="=arn:aws:apigateway:{region}::/usageplans/{id}",
        patches={
            "ApiStages": _api_stages,
            "Description": replace("/description", ""),
            "Quota": _limits("/quota", Limit="limit", Offset="offset", Period="period"),
            "Throttle": _limits("/throttle", BurstLimit="burstLimit", RateLimit="rateLimit"),
            "UsagePlanName": replace("/name"),
        },
    ),
    "AWS::ApiGateway::UsagePlanKey": UsagePlanKey(),
    "AWS::ApiGateway::Account": Account(),
    "AWS::ApiGateway::ClientCertificate": Patched(
        service=_S,
        makes="GenerateClientCertificate",
        id="clientCertificateId",
        changes="UpdateClientCertificate",
        deletes="DeleteClientCertificate",
        keys={"clientCertificateId": "@"},
        attributes={"ClientCertificateId": "@"},
        tag_arn="=arn:aws:apigateway:{region}::/clientcertificates/{id}",
        patches={"Description": replace("/description", "")},
    ),
    "AWS::ApiGateway::DocumentationPart": Patched(
        service=_S,
        makes="CreateDocumentationPart",
        id="id",
        changes="UpdateDocumentationPart",
        deletes="DeleteDocumentationPart",
        keys={**_API, "documentationPartId": "@"},
        attributes={"DocumentationPartId": "@"},
        patches={"Properties": replace("/properties")},
    ),
    "AWS::ApiGateway::DocumentationVersion": Patched(
        service=_S,
        makes="CreateDocumentationVersion",
        id=":DocumentationVersion",
        changes="UpdateDocumentationVersion",
        deletes="DeleteDocumentationVersion",
        keys={**_API, "documentationVersion": "@"},
        patches={"Description": replace("/description", "")},
    ),
    "AWS::ApiGateway::DomainName": Patched(
        service=_S,
        makes="CreateDomainName",
        id=":DomainName",
        changes="UpdateDomainName",
        deletes="DeleteDomainName",
        reads="GetDomainName",
        keys={"domainName": "@"},
        attributes={
            "DistributionDomainName": "distributionDomainName",
            "DistributionHostedZoneId": "distributionHostedZoneId",
            "DomainNameArn": "=arn:aws:apigateway:{region}::/domainnames/{id}",
            "RegionalDomainName": "regionalDomainName",
            "RegionalHostedZoneId": "regionalHostedZoneId",
        },
        tag_arn="=arn:aws:apigateway:{region}::/domainnames/{id}",
        patches={
            "CertificateArn": replace("/certificateArn"),
            "RegionalCertificateArn": replace("/regionalCertificateArn"),
            "SecurityPolicy": replace("/securityPolicy"),
        },
    ),
    "AWS::ApiGateway::BasePathMapping": Patched(
        service=_S,
        makes="CreateBasePathMapping",
        id="basePath",
        changes="UpdateBasePathMapping",
        deletes="DeleteBasePathMapping",
        keys={"domainName": ":DomainName", "basePath": "@"},
        patches={"RestApiId": replace("/restApiId"), "Stage": replace("/stage")},
    ),
    "AWS::ApiGateway::VpcLink": Patched(
        service=_S,
        makes="CreateVpcLink",
        id="id",
        changes="UpdateVpcLink",
        deletes="DeleteVpcLink",
        keys={"vpcLinkId": "@"},
        attributes={"VpcLinkId": "@"},
        tag_arn="=arn:aws:apigateway:{region}::/vpclinks/{id}",
        patches={"Description": replace("/description", ""), "Name": replace("/name")},
    ),
}


def _stage_keys(given: Any) -> list[str]:
    return [f"{key['RestApiId']}/{key['StageName']}" for key in given or ()]
