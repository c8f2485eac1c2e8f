"""The control plane's `Usage` port over the data plane's counters."""

from __future__ import annotations

from datetime import date
from typing import cast

from forecourt.services.apigateway.limits.quota import Period, Quota, day_of_date
from forecourt.services.apigateway.limits.usage import DayUsage, Usage, UsageKey
from forecourt.services.apigateway.rest.model import UsagePlan


def quota_of(plan: UsagePlan) -> Quota | None:
    if plan.quota is None or plan.quota.period is None:
        return None
    return Quota(plan.quota.limit, cast("Period", plan.quota.period), plan.quota.offset, float(plan.quota_began_at))


class CountedUsage:
    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    async def daily(self, plan: UsagePlan, key_ids: list[str], first: date, last: date) -> dict[str, list[list[int]]]:
        days = day_of_date(first), day_of_date(last)
        found = await self._usage.history(plan.account, plan.region, plan.id, key_ids, quota_of(plan), *days)
        return {key_id: [_shown(day) for day in history] for key_id, history in found.items()}

    async def set_remaining(self, plan: UsagePlan, key_id: str, remaining: int) -> None:
        quota = quota_of(plan)
        if quota is not None:
            self._usage.set_remaining(UsageKey(plan.account, plan.region, plan.id, key_id), quota, remaining)
            await self._usage.keep()

    async def forget(self, plan: UsagePlan, key_id: str | None = None) -> None:
        await self._usage.forget(plan.account, plan.region, plan.id, key_id)


def _shown(day: DayUsage) -> list[int]:
    """A plan without a quota has as good as everything left: AWS shows the largest integer."""
    return [day.used, 2**31 - 1 if day.remaining is None else day.remaining]
