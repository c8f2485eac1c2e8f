"""Who may ask how often: the API key and its usage plan, and the throttles in AWS's order.

Keys, plans and which key belongs to which plan are held in memory and follow the store's change notices, so that a
request waits for nothing. The counting itself is `limits`.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import NamedTuple

from forecourt.services.apigateway.limits import Limit, Name, Quota, Throttles, TokenBucket, Usage, UsageKey, admit
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.services.apigateway.rest.model import ApiKey, ThrottleSettings, UsagePlan, UsagePlanKey
from forecourt.services.apigateway.rest.usage import quota_of
from forecourt.store import Change, Document, Store

KINDS: tuple[type[Document], ...] = (ApiKey, UsagePlan, UsagePlanKey)


class KeyDirectory:
    """Enabled or not, every API key by its value, and the usage plans that it is in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[tuple[str, ...], ApiKey] = {}
        self._by_value: dict[tuple[str, str, str], ApiKey] = {}
        self._plans: dict[tuple[str, ...], UsagePlan] = {}
        # (account, region, key id) -> plan ids
        self._plans_of: dict[tuple[str, str, str], set[str]] = {}
        # Counts the changes: what was found before one may be wrong after it
        self.version = 0

    async def load(self) -> None:
        for kind in KINDS:
            for document in await self._store.list(kind):
                self.put(document)

    def put(self, document: Document) -> None:
        self.version += 1
        if isinstance(document, ApiKey):
            self.forget(Change(ApiKey, (document.account, document.region, document.id), True))
            self._keys[document.account, document.region, document.id] = document
            self._by_value[document.account, document.region, document.value] = document
        elif isinstance(document, UsagePlan):
            self._plans[document.account, document.region, document.id] = document
        elif isinstance(document, UsagePlanKey):
            owner = (document.account, document.region, document.id)
            self._plans_of.setdefault(owner, set()).add(document.usage_plan_id)

    def forget(self, change: Change) -> None:
        self.version += 1
        if change.kind is ApiKey:
            key = self._keys.pop(change.key, None)
            if key is not None:
                self._by_value.pop((key.account, key.region, key.value), None)
        elif change.kind is UsagePlan:
            self._plans.pop(change.key, None)
        elif change.kind is UsagePlanKey:
            account, region, plan, key_id = change.key
            self._plans_of.get((account, region, key_id), set()).discard(plan)

    def reset(self) -> None:
        self.version += 1
        for table in (self._keys, self._by_value, self._plans, self._plans_of):
            table.clear()

    def find(self, served: Served, value: str) -> tuple[ApiKey, UsagePlan] | None:
        """The enabled key and the plan by which it may use the stage."""
        account, region = served.account, served.region
        key = self._by_value.get((account, region, value))
        if key is None or not key.enabled:
            return None
        for plan_id in sorted(self._plans_of.get((account, region, key.id), ())):
            plan = self._plans.get((account, region, plan_id))
            if plan is not None and any(s.api_id == served.api_id and s.stage == served.stage for s in plan.api_stages):
                return key, plan
        return None


class Limits(NamedTuple):
    """What is the same for all methods of a process."""

    throttles: Throttles
    usage: Usage
    keys: KeyDirectory
    account_limit: Limit


def with_api_key(handler: Handler, limits: Limits, served: Served, method_key: str, source: str) -> Handler:
    """`source`: HEADER or AUTHORIZER. `method_key`: `/pets/GET`."""
    keys, throttles = limits.keys, limits.throttles
    # By the key's value, as of the directory's version: what a key may use is looked up once
    admissions: dict[str, _Admission] = {}
    version = keys.version

    def check(request: MethodRequest) -> Awaitable[MethodResponse]:
        nonlocal version
        if version != keys.version:
            admissions.clear()
            version = keys.version
        value = _value_of(request, source)
        admission = admissions.get(value)
        if admission is None:
            found = keys.find(served, value) if value else None
            if found is None:
                raise GatewayError("INVALID_API_KEY")
            admission = admissions[value] = _admission(served, *found, method_key)
        bucket = None
        if admission.throttle is not None:
            now = request.time
            bucket = throttles.bucket(*admission.throttle, now)
            if not bucket.has(now):
                raise GatewayError("THROTTLED")
        identity = {**request.identity, **admission.identity}
        client = Client(bucket, admission.usage, admission.quota)
        return handler(request.with_(identity=identity, client=client))

    return check


class _Admission(NamedTuple):
    """What an API key brings to every request of a method that it may use."""

    identity: Mapping[str, str]
    usage: UsageKey
    quota: Quota | None
    throttle: tuple[Name, Limit] | None


def _admission(served: Served, key: ApiKey, plan: UsagePlan, method_key: str) -> _Admission:
    return _Admission(
        {"apiKey": key.value, "apiKeyId": key.id},
        UsageKey(served.account, served.region, plan.id, key.id),
        quota_of(plan),
        _client_throttle(served, plan, key, method_key),
    )


class Client(NamedTuple):
    """What the API key of a request brings: its bucket, and its quota."""

    bucket: TokenBucket | None
    usage: UsageKey
    quota: Quota | None


def _value_of(request: MethodRequest, source: str) -> str:
    if source == "AUTHORIZER":
        return str(request.usage_identifier_key or "")
    return (request.header(b"x-api-key") or b"").decode("latin-1")


def _client_throttle(served: Served, plan: UsagePlan, key: ApiKey, method_key: str) -> tuple[Name, Limit] | None:
    """The plan's limit for this method replaces the plan's own."""
    for stage in plan.api_stages:
        if stage.api_id == served.api_id and stage.stage == served.stage and stage.throttle:
            own = stage.throttle.get(method_key)
            if own is not None:
                return ("client", plan.id, key.id, served.api_id, served.stage, method_key), _limit(own)
    if plan.throttle is None or not plan.throttle.rate_limit:
        return None
    return ("client", plan.id, key.id), _limit(plan.throttle)


def _limit(settings: ThrottleSettings) -> Limit:
    return Limit(settings.rate_limit, settings.burst_limit)


def throttled(handler: Handler, limits: Limits, served: Served, method_limit: Limit | None, method_key: str) -> Handler:
    """Client, method, account; then the quota. A request that is refused takes nothing from anybody."""
    throttles, usage = limits.throttles, limits.usage
    account = throttles.bucket(("account", served.account, served.region), limits.account_limit)
    own: tuple[TokenBucket, ...] = (account,)
    alone = method_limit is None
    if method_limit is not None:
        name = ("method", served.api_id, served.stage, method_key)
        own = (throttles.bucket(name, method_limit), account)

    def check(request: MethodRequest) -> Awaitable[MethodResponse]:
        now = request.time
        client: Client | None = request.client
        if client is None and alone:
            admitted = account.admit(now)
        else:
            admitted = admit(own if client is None or client.bucket is None else (client.bucket, *own), now) is None
        if not admitted:
            raise GatewayError("THROTTLED")
        if client is not None and not usage.admit(client.usage, client.quota, now):
            raise GatewayError("QUOTA_EXCEEDED")
        return handler(request)

    return check
