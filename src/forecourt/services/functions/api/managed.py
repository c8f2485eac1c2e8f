"""Questions that have one answer here: code is not signed, runtimes follow the machine's, loops are not looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        GetFunctionCodeSigningConfigRequestTypeDef,
        GetFunctionRecursionConfigRequestTypeDef,
        GetRuntimeManagementConfigRequestTypeDef,
    )


class ManagedApi(Api):
    @operation("GetFunctionCodeSigningConfig")
    async def get_function_code_signing_config(
        self, context: CallContext, request: GetFunctionCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        function = await self._store.function(self._id(context, request["FunctionName"]))
        return {"FunctionName": function.name}

    @operation("GetRuntimeManagementConfig")
    async def get_runtime_management_config(
        self, context: CallContext, request: GetRuntimeManagementConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        await self._store.resolve(id)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": id.arn}

    @operation("GetFunctionRecursionConfig")
    async def get_function_recursion_config(
        self, context: CallContext, request: GetFunctionRecursionConfigRequestTypeDef
    ) -> dict[str, Any]:
        await self._store.function(self._id(context, request["FunctionName"]))
        return {"RecursiveLoop": "Allow"}
