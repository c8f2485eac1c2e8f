"""UsagePlan, UsagePlanKey and Usage: who may call which stages how often, and how often they did."""

from __future__ import annotations

from datetime import date

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.model import Api as HttpApi
from forecourt.services.apigateway.rest import patch, patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException, NotFoundException
from forecourt.services.apigateway.rest.model import (
    ApiKey,
    ApiStage,
    QuotaSettings,
    Stage,
    ThrottleSettings,
    UsagePlan,
    UsagePlanKey,
    describe,
)
from forecourt.services.apigateway.rest.quotas import Quotas, need_room
from forecourt.services.apigateway.rest.store import Found, page_of, patched, with_tags
from forecourt.services.apigateway.rest.tagging import need_tags

# The period -> the offsets that it may start at, and how AWS says so
_PERIODS = {
    "DAY": (range(1), "Usage Plan quota offset must be zero in the DAY period"),
    "WEEK": (range(7), "Usage Plan quota offset must be between zero and six inclusive in the WEEK period"),
    "MONTH": (range(28), "Usage Plan quota offset must be between zero and 27 inclusive in the MONTH period"),
}
LONGEST_USAGE_DAYS = 90


class UsagePlansApi(Noun):
    @operation("CreateUsagePlan")
    async def create_usage_plan(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)
        throttle, quota = request.get("throttle"), request.get("quota")
        plan = UsagePlan(
            account=context.account,
            region=context.region,
            id=self.ids.lower(6),
            name=request["name"],
            description=request.get("description"),
            api_stages=msgspec.convert(list(request.get("apiStages") or ()), list[ApiStage]),
            throttle=msgspec.convert(throttle, ThrottleSettings) if throttle else None,
            quota=msgspec.convert(quota, QuotaSettings) if quota else None,
            quota_began_at=self.now(),
            tags=dict(request["tags"]) if request.get("tags") else None,
        )

        def change(found: Found) -> UsagePlan:
            need_room(found.count(UsagePlan), self.quotas.usage_plans, "usage plans", "this account")
            _need_stages(found, plan.api_stages)
            need_plan(plan, self.quotas)
            return found.put(plan)

        return describe(await self.configuration.write(context, change))

    @operation("GetUsagePlan")
    async def get_usage_plan(self, context: CallContext, request: Request) -> Reply:
        return with_tags(describe(await self.configuration.get(context, UsagePlan, request["usagePlanId"])))

    @operation("GetUsagePlans")
    async def get_usage_plans(self, context: CallContext, request: Request) -> Reply:
        if not request.get("keyId"):
            return await self.configuration.page(context, UsagePlan, request=request)
        key = await self.configuration.get(context, ApiKey, request["keyId"])
        subscribed = {s.usage_plan_id for s in await self._subscriptions(context) if s.id == key.id}
        plans = await self.configuration.all(context, UsagePlan)
        return page_of([plan for plan in plans if plan.id in subscribed], request)

    async def _subscriptions(self, context: CallContext) -> list[UsagePlanKey]:
        return await self.configuration.all(context, UsagePlanKey)

    @operation("UpdateUsagePlan")
    async def update_usage_plan(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> UsagePlan:
            before = found.get(UsagePlan, request["usagePlanId"])
            plan = patched(before, patches.USAGE_PLAN, request.get("patchOperations"))
            if plan.quota != before.quota:
                plan.quota_began_at = self.now()
            had = _named(before)
            added = [stage for stage in plan.api_stages if (stage.api_id, stage.stage) not in had]
            _need_stages(found, added)
            need_plan(plan, self.quotas)
            for subscription in found.all(UsagePlanKey, plan.id) if added else ():
                _need_one_plan(found, plan, subscription.id, _plans_of(found, subscription.id))
            return found.put(plan)

        return with_tags(describe(await self.configuration.write(context, change)))

    @operation("DeleteUsagePlan")
    async def delete_usage_plan(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> UsagePlan:
            plan = found.get(UsagePlan, request["usagePlanId"])
            if plan.api_stages:
                one = plan.api_stages[0]
                raise BadRequestException(
                    f"Cannot delete Usage Plan {plan.id} because there are API Stages associated with it, "
                    f"including {one.api_id}:{one.stage}"
                )
            found.delete_all(UsagePlanKey, plan.id)
            found.delete(UsagePlan, plan.id)
            return plan

        await self.tools.usage.forget(await self.configuration.write(context, change))


def _need_stages(found: Found, stages: list[ApiStage]) -> None:
    for stage in stages:
        if found.maybe(HttpApi, stage.api_id):
            raise BadRequestException("Usage plans are not allowed for HTTP Apis")
        if not found.maybe(Stage, stage.api_id, stage.stage):
            raise NotFoundException(f"API Stage not found: {stage.api_id}:{stage.stage}")


def forget_stages(found: Found, api_id: str, stage_name: str | None = None) -> None:
    """A stage, or (without one) the whole API, is gone from every plan."""
    for plan in found.all(UsagePlan):
        left = [s for s in plan.api_stages if s.api_id != api_id or stage_name not in (None, s.stage)]
        if left != plan.api_stages:
            plan.api_stages = left
            found.put(plan)


def _named(plan: UsagePlan) -> set[tuple[str, str]]:
    return {(stage.api_id, stage.stage) for stage in plan.api_stages}


def _plans_of(found: Found, key_id: str) -> list[str]:
    return [s.usage_plan_id for s in found.tx.find(UsagePlanKey, "by_key", *found.own, key_id)]


def _need_one_plan(found: Found, plan: UsagePlan, key_id: str, plan_ids: list[str]) -> None:
    """A key may use a stage by one of its plans only: else nobody could say which of them counts."""
    stages = _named(plan)
    for other in plan_ids:
        if other != plan.id and stages & _named(found.get(UsagePlan, other)):
            raise ConflictException(
                f"API Key {key_id} cannot be subscribed to usage plan {plan.id}: it is subscribed to usage plan "
                f"{other}, which has the same API stage"
            )


def need_plan(plan: UsagePlan, quotas: Quotas) -> None:
    if not plan.name.strip():
        raise BadRequestException("Usage Plan name cannot be blank")
    if len(_named(plan)) < len(plan.api_stages):
        raise BadRequestException("Usage Plan API stages must not be specified more than once")
    need_room(len(plan.api_stages) - 1, quotas.api_stages_per_usage_plan, "API stages", "this usage plan")
    for stage in plan.api_stages:
        most = quotas.method_throttles_per_api_stage
        need_room(len(stage.throttle or {}) - 1, most, "method-level throttling settings", "this API stage")
    if plan.throttle and (plan.throttle.rate_limit < 0 or plan.throttle.burst_limit < 0):
        raise BadRequestException("Usage Plan throttle limits must not be negative")
    _need_quota(plan.quota)


def _need_quota(quota: QuotaSettings | None) -> None:
    if quota is None:
        return
    if quota.period not in _PERIODS:
        raise BadRequestException("Usage Plan quota period must be DAY, WEEK or MONTH")
    if quota.limit < 1:
        raise BadRequestException("Usage Plan quota limit must be greater than zero")
    offsets, refusal = _PERIODS[quota.period]
    if quota.offset not in offsets:
        raise BadRequestException(refusal)


def subscribe(found: Found, plan: UsagePlan, key: ApiKey, quotas: Quotas) -> None:
    others = _plans_of(found, key.id)
    if plan.id in others:
        raise ConflictException(f"API Key {key.id} is already subscribed to usage plan {plan.id}")
    need_room(len(others), quotas.usage_plans_per_api_key, "usage plans", "this API key")
    _need_one_plan(found, plan, key.id, others)
    found.put(UsagePlanKey(account=plan.account, region=plan.region, usage_plan_id=plan.id, id=key.id))


class UsagePlanKeysApi(Noun):
    @operation("CreateUsagePlanKey")
    async def create_usage_plan_key(self, context: CallContext, request: Request) -> Reply:
        if request["keyType"] != "API_KEY":
            raise BadRequestException("Invalid key type specified. Must be API_KEY")

        def change(found: Found) -> Reply:
            plan = found.get(UsagePlan, request["usagePlanId"])
            key = found.get(ApiKey, request["keyId"])
            subscribe(found, plan, key, self.quotas)
            return _described(key)

        return await self.configuration.write(context, change)

    @operation("GetUsagePlanKey")
    async def get_usage_plan_key(self, context: CallContext, request: Request) -> Reply:
        plan = await self.configuration.get(context, UsagePlan, request["usagePlanId"])
        subscription = await self.configuration.get(context, UsagePlanKey, plan.id, request["keyId"])
        return _described(await self.configuration.get(context, ApiKey, subscription.id))

    @operation("GetUsagePlanKeys")
    async def get_usage_plan_keys(self, context: CallContext, request: Request) -> Reply:
        plan = await self.configuration.get(context, UsagePlan, request["usagePlanId"])
        keys = [
            await self.configuration.get(context, ApiKey, subscription.id)
            for subscription in await self.configuration.all(context, UsagePlanKey, plan.id)
        ]
        name = request.get("nameQuery") or ""
        page = page_of([key for key in keys if key.name.startswith(name)], request)
        return {**page, "items": [_usage_plan_key(item) for item in page["items"]]}

    @operation("DeleteUsagePlanKey")
    async def delete_usage_plan_key(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> UsagePlan:
            plan = found.get(UsagePlan, request["usagePlanId"])
            found.delete(UsagePlanKey, plan.id, request["keyId"])
            return plan

        await self.tools.usage.forget(await self.configuration.write(context, change), request["keyId"])


def _described(key: ApiKey) -> Reply:
    return _usage_plan_key(describe(key))


def _usage_plan_key(key: Reply) -> Reply:
    return {"id": key["id"], "type": "API_KEY", "value": key["value"], "name": key["name"]}


class UsageApi(Noun):
    @operation("GetUsage")
    async def get_usage(self, context: CallContext, request: Request) -> Reply:
        plan = await self.configuration.get(context, UsagePlan, request["usagePlanId"])
        start, end = request["startDate"], request["endDate"]
        first, last = _days(start, end)
        key_id = request.get("keyId")
        wanted = (
            [await self.configuration.get(context, UsagePlanKey, plan.id, key_id)]
            if key_id
            else await self.configuration.all(context, UsagePlanKey, plan.id)
        )
        page = page_of(wanted, request)
        items = await self.tools.usage.daily(plan, [item["id"] for item in page["items"]], first, last)
        return {"usagePlanId": plan.id, "startDate": start, "endDate": end, **page, "items": items}

    @operation("UpdateUsage")
    async def update_usage(self, context: CallContext, request: Request) -> Reply:
        plan = await self.configuration.get(context, UsagePlan, request["usagePlanId"])
        key = await self.configuration.get(context, UsagePlanKey, plan.id, request["keyId"])
        if plan.quota is None:
            raise BadRequestException(f"Usage Plan {plan.id} has no quota")
        remaining = patch.apply(patches.USAGE, {}, request.get("patchOperations") or ()).get("remaining")
        if remaining is not None:
            if remaining < 0:
                raise BadRequestException("Invalid remaining quota specified")
            await self.tools.usage.set_remaining(plan, key.id, remaining)
        today = self.tools.clock.utcnow().date()
        items = await self.tools.usage.daily(plan, [key.id], today, today)
        return {"usagePlanId": plan.id, "startDate": str(today), "endDate": str(today), "items": items}


def _days(start: str, end: str) -> tuple[date, date]:
    try:
        first, last = date.fromisoformat(start), date.fromisoformat(end)
    except ValueError:
        raise BadRequestException("Invalid date specified. Must be in the form of YYYY-MM-DD") from None
    if first > last:
        raise BadRequestException("Usage start date must be before end date")
    if (last - first).days > LONGEST_USAGE_DAYS:
        raise BadRequestException(f"Usage date range cannot exceed {LONGEST_USAGE_DAYS} days")
    return first, last
