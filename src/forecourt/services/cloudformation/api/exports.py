"""What stacks give one another."""

from __future__ import annotations

from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cloudformation.api.paging import page
from forecourt.services.cloudformation.api.requests import Request
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.store import StackStore


class ExportsApi:
    def __init__(self, stacks: StackStore) -> None:
        self._stacks = stacks

    @operation("ListExports")
    async def list_exports(self, context: CallContext, request: Request) -> dict[str, Any]:
        found = await self._stacks.exports(context.account, context.region)
        shown, more = page(found, request.get("NextToken"), lambda export: export.name)
        exports = [{"ExportingStackId": one.stack_id, "Name": one.name, "Value": one.value} for one in shown]
        return {"Exports": exports, **more}

    @operation("ListImports")
    async def list_imports(self, context: CallContext, request: Request) -> dict[str, Any]:
        name = request["ExportName"]
        found = await self._stacks.importers(context.account, context.region, name)
        if not found:
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        shown, more = page(found, request.get("NextToken"), lambda one: one.stack_name)
        return {"Imports": [one.stack_name for one in shown], **more}
