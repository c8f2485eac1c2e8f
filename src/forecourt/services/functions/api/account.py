"""What the account may use and has used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, Shared
from forecourt.services.functions.code import MAX_UNZIPPED_BYTES
from forecourt.services.functions.model import Function, Version
from forecourt.services.functions.validation import MAX_ZIP_BYTES

_TOTAL_CODE_BYTES = 80_530_636_800


class AccountApi(Api):
    def __init__(self, shared: Shared, account_limit: int) -> None:
        super().__init__(shared)
        self._account_limit = account_limit

    @operation("GetAccountSettings")
    async def get_account_settings(self, context: CallContext, request: Mapping[str, Any]) -> dict[str, Any]:
        functions = await self._store.store.list(Function, context.account, context.region)
        versions = await self._store.store.list(Version, context.account, context.region)
        configurations = [f.configuration for f in functions] + [v.configuration for v in versions]
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": _TOTAL_CODE_BYTES,
                "CodeSizeUnzipped": MAX_UNZIPPED_BYTES,
                "CodeSizeZipped": MAX_ZIP_BYTES,
                "ConcurrentExecutions": self._account_limit,
                "UnreservedConcurrentExecutions": self._account_limit - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(configuration.code_size for configuration in configurations),
                "FunctionCount": len(functions),
            },
        }
