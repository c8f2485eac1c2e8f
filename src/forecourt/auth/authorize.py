"""May they: the `Authorizer` that every call passes once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.errors import AccessDenied
from forecourt.base.principal import Principal


class PolicyAuthorizer:
    """Lets every authenticated principal pass."""

    async def authorize(self, principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> None:
        if principal.kind == "anonymous":
            raise AccessDenied(f"User: anonymous is not authorized to perform: {action} on resource: {resource}")
