"""How much a caller may ask, and what need not be asked again: throttles, quotas, the stage's response cache.

Three parts, each a pure core that the plan's steps compose:

    throttle.py   token buckets, and `admit` over several of them       nothing kept over a restart
    quota.py      what a usage plan's quota lets through in a period    pure
    usage.py      the counters behind it, kept in the store             at most half a second lost when killed
    cache.py      responses of a stage by cache key                     in memory, bounded

What a method's handler is compiled with, and does per request, in this order:

    throttles = Throttles()                                             # one per process
    account = throttles.bucket(("account", account, region), ACCOUNT_LIMIT)
    method = throttles.bucket(("method", api, stage, verb, path), limit_of_method_settings)      # where one is set
    ...
    now = clock.now()
    client = throttles.bucket(("client", plan, key), plan_limit)        # or (…, key, api, stage, verb, path)
    if admit((client, method, account), now) is not None:               # AWS's order; levels not configured left out
        -> THROTTLED, 429 "Too Many Requests"
    if not usage.admit(UsageKey(account, region, plan, key), quota, now):
        -> QUOTA_EXCEEDED, 429 "Limit Exceeded"

- A request that is refused takes a token from nobody, and is not counted in the quota.
- `*/*` of a stage's method settings is a limit for each method that has none of its own, not one for all together.
- A usage plan's limit for a method replaces the plan's own limit there.
- `throttles.bucket` with a changed limit changes the bucket and keeps its level: a redeployment refills nothing.

The cache:

    cache = StageCache(bytes_of_cluster("0.5"))                         # one per stage with a cluster
    key = cache_key(namespace, verb, path, values_of_cache_key_parameters)
    hit = cache.get(key, now)                                           # a `CachedResponse` or None
    cache.put(key, response, ttl_seconds, now)                          # False: not kept (too large, TTL 0)
    cache.flush()                                                       # FlushStageCache, a deployment

Who may invalidate by `Cache-Control: max-age=0`, and what a refusal is, the caller decides: `cache.drop(key)`.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html,
.../api-gateway-create-usage-plans.html, .../api-gateway-caching.html
"""

from forecourt.services.apigateway.limits.cache import CachedResponse, Key, StageCache, bytes_of_cluster, cache_key
from forecourt.services.apigateway.limits.quota import Period, Quota
from forecourt.services.apigateway.limits.throttle import ACCOUNT_LIMIT, Limit, Name, Throttles, TokenBucket, admit
from forecourt.services.apigateway.limits.usage import DayUsage, Usage, UsageKey

__all__ = [
    "ACCOUNT_LIMIT",
    "CachedResponse",
    "DayUsage",
    "Key",
    "Limit",
    "Name",
    "Period",
    "Quota",
    "StageCache",
    "Throttles",
    "TokenBucket",
    "Usage",
    "UsageKey",
    "admit",
    "bytes_of_cluster",
    "cache_key",
]
