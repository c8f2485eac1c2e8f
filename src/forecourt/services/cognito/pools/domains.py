"""Domains (the hosted pages' and endpoints' address) and resource servers (an API's scopes)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Domain, Pool, ResourceServer
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.pools.pool_rules import require_feature
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.store import Records
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_RESERVED = {"aws", "amazon", "cognito"}
_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_PREFIX.pattern}(?:\.{_PREFIX.pattern}){{2,}}")
# What stands for the distribution that AWS puts in front of a custom domain.
_DISTRIBUTION = "d111111abcdef8.cloudfront.net"


class DomainsApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("CreateUserPoolDomain")
    async def create_user_pool_domain(
        self, context: CallContext, request: t.CreateUserPoolDomainRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        name = request["Domain"]
        custom = dict(request.get("CustomDomainConfig", {}))
        _check_routing(request)
        _check_name(name, custom)
        _check_version(pool, request.get("ManagedLoginVersion", 1))
        domain = Domain(
            name=name,
            pool_id=pool.id,
            account=pool.account,
            region=pool.region,
            custom=custom,
            managed_login_version=request.get("ManagedLoginVersion", 1),
        )

        def insert(tx: Tx) -> None:
            if custom:
                others = [
                    d for d in tx.list(Domain) if d.custom and (d.account, d.region) == (pool.account, pool.region)
                ]
                need_room(len(others), self._records.quotas.custom_domains, "custom domains of this account")
            if any(bool(other.custom) == bool(custom) for other in tx.find(Domain, "by_pool", pool.id)):
                raise errors.InvalidParameterException("User pool already has a domain configured.")
            try:
                tx.insert(domain)
            except AlreadyExists:
                raise errors.InvalidParameterException("Domain already associated with another user pool.") from None

        await self._records.store.write(insert)
        return {
            "ManagedLoginVersion": domain.managed_login_version,
            **({"CloudFrontDomain": _DISTRIBUTION} if custom else {}),
        }

    @operation("DescribeUserPoolDomain")
    async def describe_user_pool_domain(
        self, context: CallContext, request: t.DescribeUserPoolDomainRequestTypeDef
    ) -> dict[str, Any]:
        """A domain that is not there has an empty description: AWS's way to tell whether a name is free."""
        domain = await self._records.store.get(Domain, request["Domain"])
        if domain is None or (domain.account, domain.region) != (context.account, context.region):
            return {"DomainDescription": {}}
        return {
            "DomainDescription": {
                "UserPoolId": domain.pool_id,
                "AWSAccountId": domain.account,
                "Domain": domain.name,
                "S3Bucket": f"aws-cognito-prod-{domain.region}-assets",
                "CloudFrontDistribution": _DISTRIBUTION,
                "Version": "1",
                "Status": "ACTIVE",
                "CustomDomainConfig": domain.custom,
                "ManagedLoginVersion": domain.managed_login_version,
            }
        }

    @operation("UpdateUserPoolDomain")
    async def update_user_pool_domain(
        self, context: CallContext, request: t.UpdateUserPoolDomainRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        _check_routing(request)

        def update(tx: Tx) -> Domain:
            domain = tx.get(Domain, request["Domain"])
            if domain is None or domain.pool_id != pool.id:
                raise _no_domain()
            domain.managed_login_version = request.get("ManagedLoginVersion", domain.managed_login_version)
            _check_version(pool, domain.managed_login_version)
            if "CustomDomainConfig" in request:
                custom = dict(request["CustomDomainConfig"])
                _check_name(domain.name, custom)
                domain.custom = custom
            tx.put(domain)
            return domain

        domain = await self._records.store.write(update)
        return {
            "ManagedLoginVersion": domain.managed_login_version,
            **({"CloudFrontDomain": _DISTRIBUTION} if domain.custom else {}),
        }

    @operation("DeleteUserPoolDomain")
    async def delete_user_pool_domain(
        self, context: CallContext, request: t.DeleteUserPoolDomainRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])

        def delete(tx: Tx) -> None:
            domain = tx.get(Domain, request["Domain"])
            if domain is None or domain.pool_id != pool.id:
                raise _no_domain()
            tx.delete(Domain, domain.name)

        await self._records.store.write(delete)
        return {}

    @operation("CreateResourceServer")
    async def create_resource_server(
        self, context: CallContext, request: t.CreateResourceServerRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        server = ResourceServer(
            pool_id=pool.id,
            identifier=request["Identifier"],
            name=request["Name"],
            scopes=[dict(scope) for scope in request.get("Scopes", ())],  # type: ignore[arg-type]
        )

        def insert(tx: Tx) -> None:
            count = tx.count(ResourceServer, pool.id)
            need_room(count, self._records.quotas.resource_servers, "resource servers of this user pool")
            tx.insert(server)

        try:
            await self._records.store.write(insert)
        except AlreadyExists:
            raise errors.InvalidParameterException(f"{server.identifier} already exists in user pool.") from None
        return {"ResourceServer": _shown_server(server)}

    @operation("DescribeResourceServer")
    async def describe_resource_server(
        self, context: CallContext, request: t.DescribeResourceServerRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        server = await self._records.store.get(ResourceServer, pool.id, request["Identifier"])
        if server is None:
            raise _no_server()
        return {"ResourceServer": _shown_server(server)}

    @operation("UpdateResourceServer")
    async def update_resource_server(
        self, context: CallContext, request: t.UpdateResourceServerRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])

        def update(tx: Tx) -> ResourceServer:
            server = tx.get(ResourceServer, pool.id, request["Identifier"])
            if server is None:
                raise _no_server()
            server.name = request["Name"]
            server.scopes = [dict(scope) for scope in request.get("Scopes", ())]  # type: ignore[arg-type]
            tx.put(server)
            return server

        return {"ResourceServer": _shown_server(await self._records.store.write(update))}

    @operation("DeleteResourceServer")
    async def delete_resource_server(
        self, context: CallContext, request: t.DeleteResourceServerRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])

        def delete(tx: Tx) -> None:
            if not tx.delete(ResourceServer, pool.id, request["Identifier"]):
                raise _no_server()

        await self._records.store.write(delete)
        return {}

    @operation("ListResourceServers")
    async def list_resource_servers(
        self, context: CallContext, request: t.ListResourceServersRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        servers, token = await paging.page(
            self._records.store,
            ResourceServer,
            pool.id,
            token=request.get("NextToken"),
            limit=request.get("MaxResults"),
        )
        shown = [_shown_server(server) for server in servers]
        return paging.with_token({"ResourceServers": shown}, "NextToken", token)


def _shown_server(server: ResourceServer) -> dict[str, Any]:
    return {
        "UserPoolId": server.pool_id,
        "Identifier": server.identifier,
        "Name": server.name,
        "Scopes": server.scopes,
    }


def _check_version(pool: Pool, version: int) -> None:
    if version == 2:
        require_feature(pool.settings["UserPoolTier"], ("ESSENTIALS", "PLUS"), "Managed Login Version 2")


def _check_routing(request: Mapping[str, Any]) -> None:
    """A pool has no replicas in other regions that a domain could fall back on."""
    if request.get("Routing"):
        raise errors.not_supported("Routing")


def _check_name(name: str, custom: Mapping[str, Any]) -> None:
    """A prefix is one label without a reserved word between its hyphens; a custom domain is below another."""
    if custom:
        if not _HOST.fullmatch(name):
            raise errors.InvalidParameterException("Custom domain is not a valid subdomain")
        if custom["CertificateArn"].split(":")[3] != "us-east-1":
            raise errors.InvalidParameterException(
                "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't "
                "include a valid certificate chain."
            )
        return
    if not _PREFIX.fullmatch(name):
        raise errors.InvalidParameterException(
            "The domain name contains an invalid character. Domain names can only contain lower-case letters, "
            "numbers, and hyphens."
        )
    for word in _RESERVED & set(name.split("-")):
        raise errors.InvalidParameterException(f"Domain cannot contain reserved word: {word}")


def _no_domain() -> errors.ResourceNotFoundException:
    return errors.ResourceNotFoundException("Domain does not exist.")


def _no_server() -> errors.ResourceNotFoundException:
    return errors.ResourceNotFoundException("Resource server does not exist.")
