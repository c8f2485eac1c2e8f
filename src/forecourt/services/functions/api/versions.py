"""Versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, check_revision, limit_of, page, position_of
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from forecourt.services.functions.model import (
    Alias,
    EventInvokeConfig,
    Function,
    ProvisionedConcurrency,
    ResourcePolicy,
    UrlConfig,
    Version,
)
from forecourt.services.functions.names import LATEST, FunctionId, function_arn
from forecourt.services.functions.publish import publish
from forecourt.services.functions.store import require, require_qualifier
from forecourt.services.functions.views import alias_view, configuration_view
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        CreateAliasRequestTypeDef,
        DeleteAliasRequestTypeDef,
        GetAliasRequestTypeDef,
        ListAliasesRequestTypeDef,
        ListVersionsByFunctionRequestTypeDef,
        PublishVersionRequestTypeDef,
        UpdateAliasRequestTypeDef,
    )


class VersionsApi(Api):
    @operation("PublishVersion")
    async def publish_version(self, context: CallContext, request: PublishVersionRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])

        def change(tx: Tx) -> Version:
            function = require(tx, id)
            check_revision(request.get("RevisionId"), function.configuration.revision_id)
            given, current = request.get("CodeSha256"), function.configuration.code_sha256
            if given and given != current:
                raise InvalidParameterValueException(
                    f"CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). "
                    "Please try again with the CodeSHA256 in $LATEST."
                )
            return publish(tx, function, request.get("Description", ""), self._now(), self._ids.uuid())

        return self._view(await self._store.write(change))

    @operation("ListVersionsByFunction")
    async def list_versions_by_function(
        self, context: CallContext, request: ListVersionsByFunctionRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        function = await self._store.function(id)
        limit = limit_of(request.get("MaxItems"))
        after = position_of(request.get("Marker"))
        versions = await self._store.store.list(Version, *id.function, after=after, limit=limit + 1)
        items: list[Function | Version] = [*([function] if after is None else []), *versions]
        return page("Versions", items[: limit + 1], limit, self._view, _position)

    def _view(self, item: Function | Version) -> dict[str, Any]:
        configuration = item.configuration
        variables = self._store.open(configuration.variables) if configuration.variables else None
        return configuration_view(
            item.account, item.region, item.name, item.version, configuration, variables, item.version
        )


class AliasesApi(Api):
    @operation("CreateAlias")
    async def create_alias(self, context: CallContext, request: CreateAliasRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        alias = Alias(
            account=id.account,
            region=id.region,
            name=id.name,
            alias=request["Name"],
            version=request["FunctionVersion"],
            description=request.get("Description", ""),
            weights=_weights(request),
            revision_id=self._ids.uuid(),
        )

        def create(tx: Tx) -> None:
            _check_versions(tx, id, alias)
            tx.insert(alias)

        try:
            await self._store.write(create)
        except AlreadyExists:
            raise ResourceConflictException(f"Alias already exists: {alias.arn}") from None
        return alias_view(alias)

    @operation("GetAlias")
    async def get_alias(self, context: CallContext, request: GetAliasRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        await self._store.function(id)
        alias = await self._store.store.get(Alias, *id.function, request["Name"])
        if alias is None:
            raise _no_alias(id, request["Name"])
        return alias_view(alias)

    @operation("ListAliases")
    async def list_aliases(self, context: CallContext, request: ListAliasesRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        await self._store.function(id)
        limit = limit_of(request.get("MaxItems"))
        wanted, after = request.get("FunctionVersion"), position_of(request.get("Marker"))
        aliases = await self._store.store.list(Alias, *id.function, after=after)
        found = [alias for alias in aliases if wanted in (None, alias.version)]
        return page("Aliases", found, limit, alias_view, lambda a: (a.account, a.region, a.name, a.alias))

    @operation("UpdateAlias")
    async def update_alias(self, context: CallContext, request: UpdateAliasRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])

        def update(tx: Tx) -> Alias:
            require(tx, id)
            alias = tx.get(Alias, *id.function, request["Name"])
            if alias is None:
                raise _no_alias(id, request["Name"])
            check_revision(request.get("RevisionId"), alias.revision_id)
            alias.version = request.get("FunctionVersion", alias.version)
            alias.description = request.get("Description", alias.description)
            if "RoutingConfig" in request:
                alias.weights = _weights(request)
            _check_versions(tx, id, alias)
            alias.revision_id = self._ids.uuid()
            tx.put(alias)
            return alias

        return alias_view(await self._store.write(update))

    @operation("DeleteAlias")
    async def delete_alias(self, context: CallContext, request: DeleteAliasRequestTypeDef) -> None:
        id = self._id(context, request["FunctionName"])

        def delete(tx: Tx) -> None:
            require(tx, id)
            for kind in (Alias, ResourcePolicy, EventInvokeConfig, ProvisionedConcurrency, UrlConfig):
                tx.delete(kind, *id.function, request["Name"])

        await self._store.write(delete)


def _weights(request: Mapping[str, Any]) -> dict[str, float]:
    return dict((request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def _check_versions(tx: Tx, id: FunctionId, alias: Alias) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html"""
    for version in (alias.version, *alias.weights):
        require_qualifier(tx, id._replace(qualifier=version))
    if not alias.weights:
        return
    if len(alias.weights) > 1:
        raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if alias.version == LATEST or LATEST in alias.weights:
        raise InvalidParameterValueException("$LATEST is not supported for an alias pointing to more than 1 version")
    if alias.version in alias.weights:
        raise InvalidParameterValueException(
            f"Invalid function version {alias.version}. Function version {alias.version} is already included in "
            "routing configuration."
        )


def _no_alias(id: FunctionId, name: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Cannot find alias arn: {function_arn(*id.function, name)}")


def _position(item: Function | Version) -> tuple[str, ...]:
    # `$LATEST` comes first: whatever follows it is after the empty number.
    return item.account, item.region, item.name, item.number if isinstance(item, Version) else ""
