"""AWS::ApiGatewayV2::*: HTTP APIs with what is in them, domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.resources.definitions import body_of
from forecourt.services.cloudformation.resources.simple import Found, Simple, changed
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump

_S = "apigatewayv2"
_API = {"ApiId": ":ApiId"}
_SPEC = frozenset(("Body", "BodyS3Location", "FailOnWarnings", "BasePath"))
_ROW = Simple(
    service=_S,
    makes="CreateApi",
    id="ApiId",
    changes="UpdateApi",
    deletes="DeleteApi",
    reads="GetApi",
    keys={"ApiId": "@"},
    attributes={
        "ApiId": "@",
        "ApiEndpoint": "ApiEndpoint",
        "ExecuteApiArn": "=arn:aws:execute-api:{region}:{account}:{id}",
    },
    defaults={"Description": "", "Version": "", "DisableExecuteApiEndpoint": False},
    tag_arn="=arn:aws:apigateway:{region}::/apis/{id}",
)


class Api:
    """Made by its properties, or from a definition, which the properties then refine."""

    async def create(self, work: Work, properties: Properties) -> Made:
        own = {name: value for name, value in properties.items() if name not in _SPEC}
        definition = await body_of(work, properties)
        if definition is None:
            return await _ROW.create(work, own)
        made = await work.call(_S, "ImportApi", **_import(properties, definition))
        async with work.undone(self, made["ApiId"], properties):
            return await self._refine(work, made["ApiId"], {}, own)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        definition = await body_of(work, new)
        before = {name: value for name, value in old.items() if name not in _SPEC}
        after = {name: value for name, value in new.items() if name not in _SPEC}
        if definition is not None and changed(old, new) & _SPEC:
            await work.call(_S, "ReimportApi", ApiId=physical_id, **_import(new, definition))
            return await self._refine(work, physical_id, before, after)
        made = await _ROW.update(work, physical_id, before, after)
        if "CorsConfiguration" in old and "CorsConfiguration" not in new:
            await work.gone(_S, "DeleteCorsConfiguration", ApiId=physical_id)
        return made

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await _ROW.delete(work, physical_id, properties)

    async def _refine(self, work: Work, api_id: str, old: Properties, new: Properties) -> Made:
        """What the properties say beside the definition, which has put everything but tags anew."""
        wanted = {name: value for name, value in new.items() if name != "ProtocolType"}
        return await _ROW.update(work, api_id, {"Tags": old.get("Tags")}, wanted)


def _import(properties: Properties, definition: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "Body": dump(definition),
        "FailOnWarnings": properties.get("FailOnWarnings"),
        "Basepath": properties.get("BasePath"),
    }
    return {name: value for name, value in found.items() if value is not None}


class Stage(Simple, frozen=True, kw_only=True):
    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        where = {"ApiId": new["ApiId"], "StageName": physical_id}
        if "AccessLogSettings" in old and "AccessLogSettings" not in new:
            await work.gone(_S, "DeleteAccessLogSettings", **where)
        for route in set(old.get("RouteSettings") or ()) - set(new.get("RouteSettings") or ()):
            await work.gone(_S, "DeleteRouteSettings", **where, RouteKey=route)
        return await super().update(work, physical_id, old, new)


def _part(noun: str, key: str, **more: Any) -> Simple:
    """Something inside an API."""
    return Simple(
        service=_S,
        makes=f"Create{noun}",
        id=key,
        changes=f"Update{noun}",
        deletes=f"Delete{noun}",
        keys={**_API, key: "@"},
        attributes={key: "@"},
        **more,
    )


TYPES: dict[str, Handler] = {
    "AWS::ApiGatewayV2::Api": Api(),
    "AWS::ApiGatewayV2::Route": _part(
        "Route",
        "RouteId",
        found=Found("GetRoutes", "Items", "RouteId", {"RouteKey": "RouteKey"}),
        defaults={"AuthorizationType": "NONE", "AuthorizationScopes": [], "OperationName": "", "Target": ""},
    ),
    "AWS::ApiGatewayV2::Integration": _part("Integration", "IntegrationId", defaults={"Description": ""}),
    "AWS::ApiGatewayV2::Authorizer": _part("Authorizer", "AuthorizerId"),
    "AWS::ApiGatewayV2::Model": _part("Model", "ModelId", defaults={"Description": ""}),
    "AWS::ApiGatewayV2::Deployment": _part("Deployment", "DeploymentId", defaults={"Description": ""}),
    "AWS::ApiGatewayV2::Stage": Stage(
        service=_S,
        makes="CreateStage",
        id=":StageName",
        changes="UpdateStage",
        deletes="DeleteStage",
        keys={**_API, "StageName": "@"},
        defaults={"Description": "", "AutoDeploy": False, "StageVariables": {}, "DefaultRouteSettings": {}},
        tag_arn="=arn:aws:apigateway:{region}::/apis/{ApiId}/stages/{id}",
    ),
    "AWS::ApiGatewayV2::DomainName": Simple(
        service=_S,
        makes="CreateDomainName",
        id=":DomainName",
        changes="UpdateDomainName",
        deletes="DeleteDomainName",
        reads="GetDomainName",
        keys={"DomainName": "@"},
        attributes={
            "DomainNameArn": "=arn:aws:apigateway:{region}::/domainnames/{id}",
            "RegionalDomainName": "DomainNameConfigurations.ApiGatewayDomainName",
            "RegionalHostedZoneId": "DomainNameConfigurations.HostedZoneId",
        },
        tag_arn="=arn:aws:apigateway:{region}::/domainnames/{id}",
    ),
    "AWS::ApiGatewayV2::ApiMapping": Simple(
        service=_S,
        makes="CreateApiMapping",
        id="ApiMappingId",
        changes="UpdateApiMapping",
        deletes="DeleteApiMapping",
        keys={"DomainName": ":DomainName", "ApiMappingId": "@"},
        attributes={"ApiMappingId": "@"},
    ),
    "AWS::ApiGatewayV2::VpcLink": Simple(
        service=_S,
        makes="CreateVpcLink",
        id="VpcLinkId",
        changes="UpdateVpcLink",
        deletes="DeleteVpcLink",
        keys={"VpcLinkId": "@"},
        attributes={"VpcLinkId": "@"},
        tag_arn="=arn:aws:apigateway:{region}::/vpclinks/{id}",
    ),
}
