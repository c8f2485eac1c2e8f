"""What the control plane asks of others; the composition root fills these in."""

from __future__ import annotations

from datetime import date
from typing import Any, Protocol

from forecourt.base.call import CallContext
from forecourt.base.errors import NotImplementedYet
from forecourt.services.apigateway.rest.model import UsagePlan
from forecourt.services.apigateway.snapshot import Snapshot


class Tester(Protocol):
    """Runs a method, or an authorizer, as it is configured now, without a deployment. The data plane's."""

    async def test_method(
        self, context: CallContext, snapshot: Snapshot, resource_id: str, http_method: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        """TestInvokeMethod: `request` and the result are shaped as the operation's."""
        ...

    async def test_authorizer(
        self, context: CallContext, snapshot: Snapshot, authorizer_id: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        """TestInvokeAuthorizer."""
        ...


class Usage(Protocol):
    """The counters of usage plans' quotas."""

    async def daily(self, plan: UsagePlan, key_ids: list[str], first: date, last: date) -> dict[str, list[list[int]]]:
        """By key, `[used, remaining]` of each day from `first` to `last`, both included."""
        ...

    async def set_remaining(self, plan: UsagePlan, key_id: str, remaining: int) -> None:
        """Sets what is left of the quota in the period that is running."""
        ...

    async def forget(self, plan: UsagePlan, key_id: str | None = None) -> None:
        """A key has left the plan, or (without one) the plan is gone."""
        ...


class Caches(Protocol):
    """The caches of stages in the data plane."""

    async def flush_stage(self, account: str, region: str, rest_api_id: str, stage_name: str) -> None: ...

    async def flush_authorizers(self, account: str, region: str, rest_api_id: str, stage_name: str) -> None: ...


class Issuers(Protocol):
    """OpenID Connect issuers, wherever they are."""

    async def is_issuer(self, issuer: str) -> bool:
        """Whether it is a user pool of this process by its name, or answers discovery."""
        ...


class Unwired:
    """Stands for a port that nobody filled: what needs it says so, and nothing is pretended."""

    async def test_method(self, *args: Any) -> dict[str, Any]:
        raise NotImplementedYet("TestInvokeMethod is not available")

    async def test_authorizer(self, *args: Any) -> dict[str, Any]:
        raise NotImplementedYet("TestInvokeAuthorizer is not available")

    async def daily(self, *args: Any) -> dict[str, list[list[int]]]:
        raise NotImplementedYet("Usage is not available")

    async def set_remaining(self, *args: Any) -> None:
        raise NotImplementedYet("Usage is not available")

    async def forget(self, *args: Any) -> None:
        """Nothing was counted."""

    async def flush_stage(self, *args: Any) -> None:
        raise NotImplementedYet("Stage caches are not available")

    async def is_issuer(self, *args: Any) -> bool:
        """Nobody can ask."""
        return True

    async def flush_authorizers(self, *args: Any) -> None:
        raise NotImplementedYet("Authorizer caches are not available")
