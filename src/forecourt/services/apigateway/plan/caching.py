"""A stage's cache in front of an integration: what is a hit, what is kept, and who may invalidate.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from forecourt.base.clock import Clock
from forecourt.base.headers import Recurring
from forecourt.services.apigateway.integrations.forwarding import as_gateway_error
from forecourt.services.apigateway.integrations.mapping import RequestSource, compile_request_source
from forecourt.services.apigateway.limits import CachedResponse, Key, StageCache, bytes_of_cluster, cache_key
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.meter import Tally
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.services.apigateway.rest.model import Integration, MethodSetting, Stage
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.upstream import UpstreamError

# Raises where the caller may not invalidate an entry of the cache (`execute-api:InvalidateCache`).
MayInvalidate = Callable[[MethodRequest], Awaitable[bool]]
_INVALIDATES = re.compile(rb"(?:^|,)\s*max-age\s*=\s*\"?0+\"?\s*(?:,|$)", re.IGNORECASE)
_WARNING = (b"warning", b'199 - "Cache-Control header ignored because the caller is not authorized to invalidate"')


class StageCaches:
    """The caches of all stages, which outlive the plans that use them. A changed size makes a new cache."""

    def __init__(self, quotas: Quotas) -> None:
        self._most_response_bytes = quotas.cached_response_bytes
        self._caches: dict[tuple[str, str, str, str], tuple[str, StageCache]] = {}

    def get(self, stage: Stage) -> StageCache | None:
        key = (stage.account, stage.region, stage.rest_api_id, stage.stage_name)
        if not stage.cache_cluster_enabled:
            self._caches.pop(key, None)
            return None
        size = f"{stage.cache_cluster_size or '0.5'}/{stage.deployment_id}"
        known = self._caches.get(key)
        if known is None or known[0] != size:
            cluster = bytes_of_cluster(stage.cache_cluster_size or "0.5")
            known = self._caches[key] = (size, StageCache(cluster, self._most_response_bytes))
        return known[1]

    def flush(self, account: str, region: str, api_id: str, stage_name: str) -> None:
        known = self._caches.get((account, region, api_id, stage_name))
        if known is not None:
            known[1].flush()

    def drop(self, account: str, region: str, api_id: str, stage_name: str) -> None:
        self._caches.pop((account, region, api_id, stage_name), None)

    def reset(self) -> None:
        self._caches.clear()


class Caching(NamedTuple):
    cache: StageCache
    setting: MethodSetting
    clock: Clock
    tally: Tally
    may_invalidate: MayInvalidate
    # Whose answers these are, where a stage's cache holds those of several deployments
    version: str


def cached(handler: Handler, caching: Caching, integration: Integration, served: Served, path: str) -> Handler:
    cache, setting, clock, tally, may_invalidate, version = caching
    key_of = _key(integration, served, path, version)
    ttl = float(setting.cache_ttl_in_seconds)
    gather = _as_it_comes if integration.response_transfer_mode == "STREAM" else _whole

    def answer(request: MethodRequest) -> Awaitable[MethodResponse]:
        key = key_of(request)
        if _asks_to_invalidate(request):
            return invalidate(request, key)
        return look_up(request, key)

    def look_up(request: MethodRequest, key: Key) -> Awaitable[MethodResponse]:
        hit = cache.get(key, request.time)
        if hit is None:
            tally.uncached += 1
            return fill(request, key)
        tally.cached += 1
        ready: MethodResponse = hit.ready
        return ready

    async def fill(request: MethodRequest, key: Key) -> MethodResponse:
        response = await handler(request)
        if 200 <= response.status < 300:
            response = await gather(response, cache.most_response_bytes)
            if isinstance(response.body, bytes):
                cache.put(key, _kept(response, response.body), ttl, clock.now())
        return response

    async def invalidate(request: MethodRequest, key: Key) -> MethodResponse:
        if not setting.require_authorization_for_cache_control or await may_invalidate(request):
            cache.drop(key)
            return await look_up(request, key)
        warnings = _refusal(setting)
        response = await look_up(request, key)
        return msgspec.structs.replace(response, headers=[*response.headers, *warnings])

    return answer


async def _whole(response: MethodResponse, most_bytes: int) -> MethodResponse:
    """With its body here, where that comes in parts and would fit."""
    body = response.body
    if isinstance(body, bytes) or response.length is None or response.length > most_bytes:
        return response
    try:
        collected = b"".join([part async for part in body])
    except UpstreamError as error:
        raise as_gateway_error(error) from error
    return msgspec.structs.replace(response, body=collected, length=None)


async def _as_it_comes(response: MethodResponse, most_bytes: int) -> MethodResponse:
    return response


def _kept(response: MethodResponse, body: bytes) -> CachedResponse:
    ready = MethodResponse(status=response.status, headers=Recurring(response.headers), body=body)
    return CachedResponse(response.status, tuple(response.headers), body, ready)


def _key(integration: Integration, served: Served, path: str, version: str) -> Callable[[MethodRequest], Key]:
    namespace = f"{version}:{integration.cache_namespace or path}"
    sources = _key_sources(integration, served)
    if not sources:
        return lambda request: cache_key(namespace, request.method, path, ())
    return lambda request: cache_key(
        namespace, request.method, path, tuple([_text(source(request)) for source in sources])
    )


def _key_sources(integration: Integration, served: Served) -> list[RequestSource]:
    """`method.request.…` as they are; `integration.request.…` by what is mapped there."""
    mapped = integration.request_parameters or {}
    expressions = [mapped.get(parameter, parameter) for parameter in integration.cache_key_parameters]
    return [compile_request_source(expression, served.variables) for expression in expressions]


def _text(value: str | list[str] | None) -> str | None:
    return ",".join(value) if isinstance(value, list) else value


def _asks_to_invalidate(request: MethodRequest) -> bool:
    value = request.header(b"cache-control")
    return value is not None and _INVALIDATES.search(value) is not None


def _refusal(setting: MethodSetting) -> list[tuple[bytes, bytes]]:
    strategy = setting.unauthorized_cache_control_header_strategy
    if strategy == "FAIL_WITH_403":
        raise GatewayError("ACCESS_DENIED", "User is not authorized to invalidate the cache")
    return [_WARNING] if strategy == "SUCCEED_WITH_RESPONSE_HEADER" else []
