"""AWS::ApiGateway::*: keys and usage plans, the account's settings, client certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.patched import Operation, Patched, escaped, replace, values
from forecourt.services.cloudformation.resources.simple import Name
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work

_S = "apigateway"


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
        await work.make(_S, "CreateUsagePlanKey", **params)
        physical_id = f"{properties['KeyId']}:{properties['UsagePlanId']}"
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


def _stage_keys(given: Any) -> list[str]:
    return [f"{key['RestApiId']}/{key['StageName']}" for key in given or ()]


TYPES: dict[str, Handler] = {
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
}
