"""RestApi: create, clone, get, list, update, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from forecourt.auth.policy import PolicyInvalid, compile_policy
from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply
from forecourt.services.apigateway.rest.api.usage_plans import forget_stages
from forecourt.services.apigateway.rest.default_models import default_models
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import (
    Authorizer,
    BasePathMapping,
    Deployment,
    DocumentationPart,
    DocumentationVersion,
    EndpointConfiguration,
    Entity,
    GatewayResponse,
    Model,
    RequestValidator,
    Resource,
    RestApi,
    Stage,
    describe,
)
from forecourt.services.apigateway.rest.quotas import Quotas, need_room, need_size
from forecourt.services.apigateway.rest.store import Found, page_of, patched, with_tags
from forecourt.services.apigateway.rest.tagging import need_tags
from forecourt.services.apigateway.snapshot import Snapshot

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import (
        CreateRestApiRequestTypeDef,
        DeleteRestApiRequestTypeDef,
        GetRestApiRequestTypeDef,
        GetRestApisRequestTypeDef,
        UpdateRestApiRequestTypeDef,
    )

MAXIMUM_COMPRESSION_SIZE = 10_485_760

# What an API is made of, besides itself: keyed by account, region, API
CLONED: tuple[type[Entity], ...] = (Resource, Model, RequestValidator, Authorizer, GatewayResponse, DocumentationPart)
PARTS: tuple[type[Entity], ...] = (*CLONED, DocumentationVersion, Deployment, Snapshot, Stage)


class RestApisApi(Noun):
    @operation("CreateRestApi")
    async def create_rest_api(self, context: CallContext, request: CreateRestApiRequestTypeDef) -> Reply:
        def change(found: Found) -> RestApi:
            api = self.new(context, request)
            self.add(found, api)
            source = request.get("cloneFrom")
            if source:
                clone(found, found.get(RestApi, source), api)
            else:
                self.furnish(found, api)
            return api

        return describe_api(await self.configuration.write(context, change))

    def new(self, context: CallContext, request: Mapping[str, Any]) -> RestApi:
        """A new API of these members, checked."""
        need_tags(request.get("tags"), self.quotas)
        api = RestApi(
            account=context.account,
            region=context.region,
            id=self.ids.lower(10),
            root_resource_id=self.ids.lower(10),
            created_date=self.now(),
            name=request["name"],
            description=request.get("description"),
            version=request.get("version"),
            binary_media_types=list(request.get("binaryMediaTypes") or ()) or None,
            minimum_compression_size=request.get("minimumCompressionSize"),
            api_key_source=request.get("apiKeySource") or "HEADER",
            endpoint_configuration=msgspec.convert(
                dict(request.get("endpointConfiguration") or {}), EndpointConfiguration
            ),
            policy=request.get("policy") or None,
            tags=dict(request["tags"]) if request.get("tags") else None,
            disable_execute_api_endpoint=request.get("disableExecuteApiEndpoint", False),
            security_policy=request.get("securityPolicy"),
            endpoint_access_mode=request.get("endpointAccessMode"),
        )
        complete(api)
        need_valid(api, self.quotas)
        return api

    def add(self, found: Found, api: RestApi) -> None:
        self._need_room(found, api)
        found.tx.insert(api)

    def _need_room(self, found: Found, api: RestApi) -> None:
        """Each type of endpoint has a quota of its own."""
        kind = api.endpoint_configuration.types[0]
        quota = {"EDGE": self.quotas.edge_apis, "PRIVATE": self.quotas.private_apis}.get(kind, self.quotas.rest_apis)
        # All of them are only looked at where there are so many of any type.
        if found.count(RestApi) >= quota:
            alike = [other for other in found.all(RestApi) if other.endpoint_configuration.types[0] == kind]
            need_room(len(alike), quota, f"{kind} REST APIs", "this account")

    def furnish(self, found: Found, api: RestApi) -> None:
        """The root resource and the default models, which every API has from its first moment."""
        found.put(
            Resource(account=api.account, region=api.region, rest_api_id=api.id, id=api.root_resource_id, path="/")
        )
        for model in default_models(api, self.ids):
            found.put(model)

    @operation("GetRestApi")
    async def get_rest_api(self, context: CallContext, request: GetRestApiRequestTypeDef) -> Reply:
        return describe_api(await self.configuration.api(context, request["restApiId"]))

    @operation("GetRestApis")
    async def get_rest_apis(self, context: CallContext, request: GetRestApisRequestTypeDef) -> Reply:
        apis = sorted(await self.configuration.all(context, RestApi), key=lambda api: (api.created_date, api.id))
        page = page_of(apis, request)
        return {**page, "items": [_escape_policy(item) for item in page["items"]]}

    @operation("UpdateRestApi")
    async def update_rest_api(self, context: CallContext, request: UpdateRestApiRequestTypeDef) -> Reply:
        def change(found: Found) -> RestApi:
            before = found.get(RestApi, request["restApiId"])
            api = patched(before, patches.REST_API, request.get("patchOperations"))
            if api.endpoint_configuration.types == ["PRIVATE"] and not _changes_ip(request):
                api.endpoint_configuration.ip_address_type = "dualstack"
            need_valid(api, self.quotas)
            if api.endpoint_configuration.types != before.endpoint_configuration.types:
                self._need_room(found, api)
            return found.put(api)

        return with_tags(describe_api(await self.configuration.write(context, change)))

    @operation("DeleteRestApi")
    async def delete_rest_api(self, context: CallContext, request: DeleteRestApiRequestTypeDef) -> None:
        def change(found: Found) -> None:
            api = found.get(RestApi, request["restApiId"])
            if any(mapping.rest_api_id == api.id for mapping in found.all(BasePathMapping)):
                raise BadRequestException(
                    "Please remove all base path mappings related to the API in your domains before deleting it"
                )
            for kind in PARTS:
                found.delete_all(kind, api.id)
            forget_stages(found, api.id)
            found.delete(RestApi, api.id)

        await self.configuration.write(context, change)


def describe_api(api: RestApi) -> Reply:
    return _escape_policy(describe(api))


def _escape_policy(described: Reply) -> Reply:
    """AWS shows an API's policy as the inside of a JSON string, quotes escaped; its tools undo just that."""
    if described.get("policy"):
        return {**described, "policy": json.dumps(described["policy"])[1:-1].replace("/", "\\/")}
    return described


def complete(api: RestApi) -> None:
    """What follows from what is set."""
    endpoint = api.endpoint_configuration
    endpoint.ip_address_type = endpoint.ip_address_type or ("dualstack" if endpoint.types == ["PRIVATE"] else "ipv4")


def _changes_ip(request: Mapping[str, Any]) -> bool:
    paths = [given.get("path") for given in request.get("patchOperations") or ()]
    return "/endpointConfiguration/ipAddressType" in paths


def need_valid(api: RestApi, quotas: Quotas) -> None:
    if not api.name.strip():
        raise BadRequestException("API name must be non-empty")
    if api.description == "":
        raise BadRequestException("Description cannot be an empty string")
    size = api.minimum_compression_size
    if size is not None and not 0 <= size <= MAXIMUM_COMPRESSION_SIZE:
        raise BadRequestException("Invalid minimum compression size, must be between 0 and 10485760")
    _need_endpoint(api.endpoint_configuration)
    _need_policy(api.policy, quotas)


def _need_endpoint(endpoint: EndpointConfiguration) -> None:
    if not endpoint.types:
        raise BadRequestException("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
    if len(endpoint.types) > 1:
        raise BadRequestException("Cannot create an api with multiple Endpoint Types.")
    if endpoint.types[0] not in patches.ENDPOINT_TYPES:
        raise BadRequestException(patches.BAD_ENDPOINT_TYPE)
    if endpoint.vpc_endpoint_ids and endpoint.types != ["PRIVATE"]:
        raise BadRequestException("VPCEndpoints can only be specified with PRIVATE apis.")
    if endpoint.types == ["PRIVATE"] and endpoint.ip_address_type != "dualstack":
        raise BadRequestException("Only dualstack ipAddressType is supported for Private APIs.")


def _need_policy(policy: str | None, quotas: Quotas) -> None:
    if policy is None:
        return
    need_size(policy, quotas.resource_policy_bytes, "Resource policy")
    try:
        # `execute-api:/stage/GET/pets` is short for an ARN of this API.
        long = policy.replace("\\/", "/").replace("execute-api:/", "arn:aws:execute-api:::api/")
        if not compile_policy(long, "resource").statements:
            raise PolicyInvalid("no statements")
    except PolicyInvalid:
        raise BadRequestException(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."
        ) from None


def clone(found: Found, source: RestApi, target: RestApi) -> None:
    """Everything that `source` is made of, under `target`'s id; deployments and stages stay with their own API."""
    for kind in CLONED:
        for part in found.all(kind, source.id):
            found.put(msgspec.structs.replace(part, rest_api_id=target.id))
    target.root_resource_id = source.root_resource_id
    found.put(target)
