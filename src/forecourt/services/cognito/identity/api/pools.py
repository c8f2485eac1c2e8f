"""Identity pools, their roles, principal tags and tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.base import paging
from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cognito.identity.errors import InvalidParameterException, ResourceNotFoundException
from forecourt.services.cognito.identity.model import (
    CognitoProvider,
    Identity,
    IdentityPool,
    PrincipalTagMap,
    RoleMapping,
)
from forecourt.services.cognito.identity.records import Records
from forecourt.store import Tx, position

Request = Mapping[str, Any]
Result = dict[str, Any]

_ROLE_KINDS = ("authenticated", "unauthenticated")
_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/\S+\Z")
_MAX_RULES = 25


class PoolsApi:
    def __init__(self, records: Records, clock: Clock, ids: Ids) -> None:
        self._records = records
        self._clock = clock
        self._ids = ids

    @operation("CreateIdentityPool")
    async def create_identity_pool(self, context: CallContext, request: Request) -> Result:
        pool = IdentityPool(
            id=f"{context.region}:{self._ids.uuid()}",
            account=context.account,
            region=context.region,
            name=request["IdentityPoolName"],
            created_at=self._clock.now(),
            allow_unauthenticated=request["AllowUnauthenticatedIdentities"],
        )
        _configure(pool, request)
        await self._records.store.write(lambda tx: tx.insert(pool))
        return shown(pool)

    @operation("DescribeIdentityPool")
    async def describe_identity_pool(self, context: CallContext, request: Request) -> Result:
        return shown(await self._pool(context, request))

    @operation("UpdateIdentityPool")
    async def update_identity_pool(self, context: CallContext, request: Request) -> Result:
        def change(pool: IdentityPool) -> IdentityPool:
            developer = request.get("DeveloperProviderName")
            if pool.developer_provider and developer not in (None, pool.developer_provider):
                raise InvalidParameterException("Developer provider name cannot be changed once it has been set.")
            pool.name = request["IdentityPoolName"]
            pool.allow_unauthenticated = request["AllowUnauthenticatedIdentities"]
            _configure(pool, request)
            return pool

        return shown(await self._change(context, request["IdentityPoolId"], change))

    @operation("DeleteIdentityPool")
    async def delete_identity_pool(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)

        def change(tx: Tx) -> None:
            for identity in tx.find(Identity, "by_pool", pool.id):
                tx.delete(Identity, identity.id)
            tx.delete(IdentityPool, pool.id)

        await self._records.store.write(change)
        return {}

    @operation("ListIdentityPools")
    async def list_identity_pools(self, context: CallContext, request: Request) -> Result:
        after, limit = page_start(request), request["MaxResults"]
        found = await self._records.store.find(
            IdentityPool, "by_account", context.account, context.region, after=after, limit=limit + 1
        )
        pools = [{"IdentityPoolId": pool.id, "IdentityPoolName": pool.name} for pool in found[:limit]]
        more = {}
        if len(found) > limit:
            last = position(found[limit - 1], "by_account", context.account, context.region)
            more = {"NextToken": paging.encode_token(last)}
        return {"IdentityPools": pools, **more}

    # --- Roles ---

    @operation("SetIdentityPoolRoles")
    async def set_identity_pool_roles(self, context: CallContext, request: Request) -> Result:
        roles = dict(request["Roles"])
        for kind, arn in roles.items():
            if kind not in _ROLE_KINDS:
                raise InvalidParameterException(f"Invalid role type: {kind}")
            _check_role(arn)
        mappings = {
            provider: _mapping(provider, mapping) for provider, mapping in (request.get("RoleMappings") or {}).items()
        }

        def change(pool: IdentityPool) -> None:
            pool.roles, pool.role_mappings = roles, mappings

        await self._change(context, request["IdentityPoolId"], change)
        return {}

    @operation("GetIdentityPoolRoles")
    async def get_identity_pool_roles(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)
        result: Result = {"IdentityPoolId": pool.id, "Roles": pool.roles}
        if pool.role_mappings:
            result["RoleMappings"] = {key: msgspec.to_builtins(mapping) for key, mapping in pool.role_mappings.items()}
        return result

    # --- Attributes for access control ---

    @operation("SetPrincipalTagAttributeMap")
    async def set_principal_tag_map(self, context: CallContext, request: Request) -> Result:
        provider = request["IdentityProviderName"]
        found = PrincipalTagMap(request.get("UseDefaults") or False, dict(request.get("PrincipalTags") or {}))

        def change(pool: IdentityPool) -> None:
            pool.principal_tags[provider] = found

        await self._change(context, request["IdentityPoolId"], change)
        return _tag_map(request, found)

    @operation("GetPrincipalTagAttributeMap")
    async def get_principal_tag_map(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)
        found = pool.principal_tags.get(request["IdentityProviderName"], PrincipalTagMap())
        return _tag_map(request, found)

    # --- Tags ---

    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: Request) -> Result:
        more = request["Tags"]
        await self._change(context, _id_of(request["ResourceArn"]), lambda pool: pool.tags.update(more))
        return {}

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: Request) -> Result:
        def change(pool: IdentityPool) -> None:
            pool.tags = {key: value for key, value in pool.tags.items() if key not in request["TagKeys"]}

        await self._change(context, _id_of(request["ResourceArn"]), change)
        return {}

    @operation("ListTagsForResource")
    async def list_tags_for_resource(self, context: CallContext, request: Request) -> Result:
        pool = await self._records.pool(context.account, context.region, _id_of(request["ResourceArn"]))
        return {"Tags": pool.tags}

    async def _pool(self, context: CallContext, request: Request) -> IdentityPool:
        return await self._records.pool(context.account, context.region, request["IdentityPoolId"])

    async def _change(self, context: CallContext, id: str, change: Any) -> Any:
        return await self._records.change_pool(context.account, context.region, id, change)


def shown(pool: IdentityPool) -> Result:
    optional = {
        "AllowClassicFlow": pool.allow_classic,
        "SupportedLoginProviders": pool.login_providers,
        "DeveloperProviderName": pool.developer_provider,
        "OpenIdConnectProviderARNs": pool.oidc_providers,
        "CognitoIdentityProviders": [msgspec.to_builtins(provider) for provider in pool.cognito_providers],
        "SamlProviderARNs": pool.saml_providers,
    }
    return {
        "IdentityPoolId": pool.id,
        "IdentityPoolName": pool.name,
        "AllowUnauthenticatedIdentities": pool.allow_unauthenticated,
        "IdentityPoolTags": pool.tags,
        **{name: value for name, value in optional.items() if value not in (None, [], {})},
    }


def page_start(request: Request) -> tuple[str, ...] | None:
    token = request.get("NextToken")
    try:
        return paging.decode_token(token) if token else None
    except ValueError:
        raise InvalidParameterException("Invalid NextToken.") from None


def _configure(pool: IdentityPool, request: Request) -> None:
    """An update replaces the whole configuration: what it leaves out is gone."""
    pool.allow_classic = request.get("AllowClassicFlow")
    pool.login_providers = dict(request.get("SupportedLoginProviders") or {})
    pool.developer_provider = request.get("DeveloperProviderName") or pool.developer_provider
    pool.oidc_providers = list(request.get("OpenIdConnectProviderARNs") or ())
    pool.saml_providers = list(request.get("SamlProviderARNs") or ())
    given = request.get("CognitoIdentityProviders") or ()
    pool.cognito_providers = [msgspec.convert(provider, CognitoProvider) for provider in given]
    if request.get("IdentityPoolTags") is not None:
        pool.tags = dict(request["IdentityPoolTags"])


def _mapping(provider: str, given: Mapping[str, Any]) -> RoleMapping:
    mapping = msgspec.convert(given, RoleMapping)
    rules = mapping.RulesConfiguration.Rules if mapping.RulesConfiguration else []
    if mapping.Type == "Rules" and not rules:
        raise InvalidParameterException(f"Rules are required for a role mapping of type Rules: {provider}")
    if mapping.AmbiguousRoleResolution is None:
        raise InvalidParameterException(f"AmbiguousRoleResolution is required for the role mapping of {provider}")
    if len(rules) > _MAX_RULES:
        raise InvalidParameterException(f"A role mapping may have up to {_MAX_RULES} rules.")
    for rule in rules:
        _check_role(rule.RoleARN)
    return mapping


def _check_role(arn: str) -> None:
    if not _ROLE_ARN.match(arn):
        raise InvalidParameterException(f"Invalid role ARN: {arn}")


def _tag_map(request: Request, found: PrincipalTagMap) -> Result:
    return {
        "IdentityPoolId": request["IdentityPoolId"],
        "IdentityProviderName": request["IdentityProviderName"],
        "UseDefaults": found.use_defaults,
        "PrincipalTags": found.tags,
    }


def _id_of(arn: str) -> str:
    id = arn.partition(":identitypool/")[2]
    if not id:
        raise ResourceNotFoundException(f"Resource '{arn}' not found.")
    return id
