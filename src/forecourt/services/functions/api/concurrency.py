"""Reserved and provisioned concurrency.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, Shared, config_position, limit_of, page, position_of
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
)
from forecourt.services.functions.model import Alias, Function, ProvisionedConcurrency
from forecourt.services.functions.names import LATEST, FunctionId, function_arn
from forecourt.services.functions.store import require, require_qualifier
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        DeleteFunctionConcurrencyRequestTypeDef,
        DeleteProvisionedConcurrencyConfigRequestTypeDef,
        GetFunctionConcurrencyRequestTypeDef,
        GetProvisionedConcurrencyConfigRequestTypeDef,
        ListProvisionedConcurrencyConfigsRequestTypeDef,
        PutFunctionConcurrencyRequestTypeDef,
        PutProvisionedConcurrencyConfigRequestTypeDef,
    )


_MIN_UNRESERVED = 100


class ConcurrencyApi(Api):
    """`account_limit` is the concurrency of the account; `provision` keeps environments warm."""

    def __init__(
        self, shared: Shared, account_limit: int, provision: Callable[[FunctionId, int], Awaitable[None]]
    ) -> None:
        super().__init__(shared)
        self._account_limit = account_limit
        self._provision = provision

    @operation("PutFunctionConcurrency")
    async def put_function_concurrency(
        self, context: CallContext, request: PutFunctionConcurrencyRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        wanted = request["ReservedConcurrentExecutions"]

        def put(tx: Tx) -> None:
            function = require(tx, id)
            others = sum(
                other.reserved_concurrency or 0
                for other in tx.list(Function, id.account, id.region)
                if other.name != id.name
            )
            if self._account_limit - others - wanted < _MIN_UNRESERVED:
                raise InvalidParameterValueException(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{_MIN_UNRESERVED}]."
                )
            function.reserved_concurrency = wanted
            tx.put(function)

        await self._store.write(put)
        return {"ReservedConcurrentExecutions": wanted}

    @operation("GetFunctionConcurrency")
    async def get_function_concurrency(
        self, context: CallContext, request: GetFunctionConcurrencyRequestTypeDef
    ) -> dict[str, Any]:
        function = await self._store.function(self._id(context, request["FunctionName"]))
        reserved = function.reserved_concurrency
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    @operation("DeleteFunctionConcurrency")
    async def delete_function_concurrency(
        self, context: CallContext, request: DeleteFunctionConcurrencyRequestTypeDef
    ) -> None:
        id = self._id(context, request["FunctionName"])

        def delete(tx: Tx) -> None:
            function = require(tx, id)
            function.reserved_concurrency = None
            tx.put(function)

        await self._store.write(delete)

    @operation("PutProvisionedConcurrencyConfig")
    async def put_provisioned_concurrency_config(
        self, context: CallContext, request: PutProvisionedConcurrencyConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request["Qualifier"])
        if id.qualifier == LATEST:
            raise InvalidParameterValueException(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        config = ProvisionedConcurrency(
            account=id.account,
            region=id.region,
            name=id.name,
            qualifier=id.qualifier or "",
            requested=request["ProvisionedConcurrentExecutions"],
            last_modified=self._now(),
        )

        def put(tx: Tx) -> None:
            self._check_provisioned(tx, require_qualifier(tx, id), config)
            tx.put(config)

        await self._store.write(put)
        await self._provision(id, config.requested)
        return _provisioned_view(config)

    def _check_provisioned(self, tx: Tx, function: Function, config: ProvisionedConcurrency) -> None:
        key = (config.account, config.region, config.name)
        _check_apart(tx, config)
        if function.reserved_concurrency is not None:
            others = [
                one.requested for one in tx.list(ProvisionedConcurrency, *key) if one.qualifier != config.qualifier
            ]
            if sum(others) + config.requested > function.reserved_concurrency:
                raise InvalidParameterValueException(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                    "function"
                )
            return
        reserved = sum(other.reserved_concurrency or 0 for other in tx.list(Function, config.account, config.region))
        if self._account_limit - reserved - config.requested < _MIN_UNRESERVED:
            raise InvalidParameterValueException(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{_MIN_UNRESERVED}]."
            )

    @operation("GetProvisionedConcurrencyConfig")
    async def get_provisioned_concurrency_config(
        self, context: CallContext, request: GetProvisionedConcurrencyConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request["Qualifier"])
        await self._store.resolve(id)
        config = await self._store.store.get(ProvisionedConcurrency, *id.function, id.qualifier or "")
        if config is None:
            raise ProvisionedConcurrencyConfigNotFoundException(
                "No Provisioned Concurrency Config found for this function"
            )
        return _provisioned_view(config)

    @operation("ListProvisionedConcurrencyConfigs")
    async def list_provisioned_concurrency_configs(
        self, context: CallContext, request: ListProvisionedConcurrencyConfigsRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        await self._store.function(id)
        limit, after = limit_of(request.get("MaxItems")), position_of(request.get("Marker"))
        configs = await self._store.store.list(ProvisionedConcurrency, *id.function, after=after, limit=limit + 1)
        return page(
            "ProvisionedConcurrencyConfigs",
            configs,
            limit,
            lambda c: {
                **_provisioned_view(c),
                "FunctionArn": function_arn(c.account, c.region, c.name, c.qualifier),
            },
            config_position,
        )

    @operation("DeleteProvisionedConcurrencyConfig")
    async def delete_provisioned_concurrency_config(
        self, context: CallContext, request: DeleteProvisionedConcurrencyConfigRequestTypeDef
    ) -> None:
        id = self._id(context, request["FunctionName"], request["Qualifier"])
        await self._store.resolve(id)
        await self._store.write(lambda tx: tx.delete(ProvisionedConcurrency, *id.function, id.qualifier or ""))
        await self._provision(id, 0)


def _check_apart(tx: Tx, config: ProvisionedConcurrency) -> None:
    """A version is provisioned by its number or through one alias, not by both."""
    key = (config.account, config.region, config.name)
    provisioned = {one.qualifier for one in tx.list(ProvisionedConcurrency, *key)} - {config.qualifier}
    alias = tx.get(Alias, *key, config.qualifier)
    if alias is not None and alias.version in provisioned:
        raise ResourceConflictException(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
    if any(one.version == config.qualifier and one.alias in provisioned for one in tx.list(Alias, *key)):
        raise ResourceConflictException("Version is pointed by a Provisioned Concurrency alias")


def _provisioned_view(config: ProvisionedConcurrency) -> dict[str, Any]:
    return {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": config.requested,
        "AllocatedProvisionedConcurrentExecutions": config.requested,
        "Status": "READY",
        "LastModified": config.last_modified,
    }
