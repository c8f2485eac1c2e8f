"""AWS::ApiGateway::*: REST APIs with what is in them, and domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.definitions import body_of
from forecourt.services.cloudformation.resources.patched import (
    Operation,
    Patched,
    items,
    nothing,
    replace,
    structure,
    values,
)
from forecourt.services.cloudformation.resources.simple import Found, Name, Simple, changed
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work

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
            async with work.undone(self, made.physical_id, properties):
                await self._import(work, made.physical_id, properties, definition)
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
        if work.again:
            await self._remove(work, where)
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
        found=Found("GetResources", "items", "id", {"parentId": "ParentId", "pathPart": "PathPart"}),
        deletes="DeleteResource",
        keys={**_API, "resourceId": "@"},
        attributes={"ResourceId": "@"},
    ),
    "AWS::ApiGateway::Method": Method(),
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
