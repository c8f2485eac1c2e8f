"""A stage's response cache: bounded by the cluster's size, least recently used out first. Pure: time is an argument.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html: a time to live of 300 s by
default, 0 for none; responses up to 1,048,576 bytes; the key is the method and the values of its cache key parameters,
absent and empty being different.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

DEFAULT_TTL_SECONDS = 300
MOST_RESPONSE_BYTES = 1_048_576
# What an entry costs besides its bytes: Python's objects and the dictionary's slot.
_OVERHEAD_BYTES = 512

Key = tuple[str | None, ...]


class CachedResponse(NamedTuple):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    # The response in the form in which a hit is answered, made once
    ready: Any = None

    @property
    def size(self) -> int:
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


class _Entry(NamedTuple):
    response: CachedResponse
    expires_at: float
    cost: int


def bytes_of_cluster(size: str) -> int:
    """`CacheClusterSize` ("0.5", "1.6", … "237", in gigabytes) as bytes."""
    return int(float(size) * 1024**3)


def cache_key(namespace: str, method: str, resource_path: str, values: tuple[str | None, ...]) -> Key:
    """`values`: of the cache key parameters, in the order in which the method declares them."""
    return (namespace, method, resource_path, *values)


class StageCache:
    def __init__(self, most_bytes: int, most_response_bytes: int = MOST_RESPONSE_BYTES) -> None:
        self.most_bytes = most_bytes
        self.most_response_bytes = most_response_bytes
        self.used_bytes = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def get(self, key: Key, now: float) -> CachedResponse | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= now:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.response

    def put(self, key: Key, response: CachedResponse, ttl_seconds: float, now: float) -> bool:
        """Whether the response is kept."""
        cost = response.size + sum(len(part or "") for part in key) + _OVERHEAD_BYTES
        if ttl_seconds <= 0 or response.size > self.most_response_bytes or cost > self.most_bytes:
            return False
        self.drop(key)
        while self.used_bytes + cost > self.most_bytes:
            self._drop_oldest()
        self._entries[key] = _Entry(response, now + ttl_seconds, cost)
        self.used_bytes += cost
        return True

    def drop(self, key: Key) -> bool:
        """Whether there was something to invalidate."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.used_bytes -= entry.cost
        return True

    def flush(self) -> None:
        self._entries.clear()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _drop_oldest(self) -> None:
        _, entry = self._entries.popitem(last=False)
        self.used_bytes -= entry.cost
