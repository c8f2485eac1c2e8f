"""What AWS manages around a function: when its runtime is renewed, and what becomes of loops.

The runtime is the machine's own, whatever is said of it; loops are `lineage`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api
from forecourt.services.functions.errors import InvalidParameterValueException
from forecourt.services.functions.model import RuntimeManagement
from forecourt.services.functions.names import LATEST, FunctionId
from forecourt.services.functions.store import require, require_qualifier
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        GetFunctionRecursionConfigRequestTypeDef,
        GetRuntimeManagementConfigRequestTypeDef,
        PutFunctionRecursionConfigRequestTypeDef,
        PutRuntimeManagementConfigRequestTypeDef,
    )


class ManagedApi(Api):
    @operation("PutRuntimeManagementConfig")
    async def put_runtime_management_config(
        self, context: CallContext, request: PutRuntimeManagementConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        mode, runtime = request["UpdateRuntimeOn"], request.get("RuntimeVersionArn", "")
        if (mode == "Manual") != bool(runtime):
            raise InvalidParameterValueException(
                "RuntimeVersionArn must be given if, and only if, UpdateRuntimeOn is Manual."
            )
        config = RuntimeManagement(
            account=id.account,
            region=id.region,
            name=id.name,
            qualifier=id.qualifier or LATEST,
            mode=mode,
            runtime_version_arn=runtime,
        )

        def put(tx: Tx) -> None:
            require_qualifier(tx, id)
            tx.put(config)

        await self._store.write(put)
        return _runtime_management(id, config)

    @operation("GetRuntimeManagementConfig")
    async def get_runtime_management_config(
        self, context: CallContext, request: GetRuntimeManagementConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        await self._store.resolve(id)
        config = await self._store.store.get(RuntimeManagement, *id.function, id.qualifier or LATEST)
        return _runtime_management(id, config)

    @operation("PutFunctionRecursionConfig")
    async def put_function_recursion_config(
        self, context: CallContext, request: PutFunctionRecursionConfigRequestTypeDef
    ) -> dict[str, Any]:
        id, wanted = self._id(context, request["FunctionName"]), request["RecursiveLoop"]

        def put(tx: Tx) -> None:
            function = require(tx, id)
            function.recursive_loop = wanted
            tx.put(function)

        await self._store.write(put)
        return {"RecursiveLoop": wanted}

    @operation("GetFunctionRecursionConfig")
    async def get_function_recursion_config(
        self, context: CallContext, request: GetFunctionRecursionConfigRequestTypeDef
    ) -> dict[str, Any]:
        function = await self._store.function(self._id(context, request["FunctionName"]))
        return {"RecursiveLoop": function.recursive_loop}


def _runtime_management(id: FunctionId, config: RuntimeManagement | None) -> dict[str, Any]:
    view: dict[str, Any] = {"UpdateRuntimeOn": config.mode if config else "Auto", "FunctionArn": id.arn}
    if config is not None and config.runtime_version_arn:
        view["RuntimeVersionArn"] = config.runtime_version_arn
    return view
