"""Token buckets. Pure: time is an argument.

A bucket holds at most `burst` tokens and gains `rate` a second; a request takes one. Full at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Name = tuple[str, ...]

# Clients come and go; beyond so many buckets those that are full again are forgotten, which changes nothing.
MOST_BUCKETS = 100_000


_ONE = 1.0 - 1e-9


class Limit(NamedTuple):
    rate: float  # requests per second
    burst: int


# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html: per account and region
ACCOUNT_LIMIT = Limit(10_000.0, 5_000)


class TokenBucket:
    """Its level is always reckoned from the last request that passed, so that no rounding adds up."""

    __slots__ = ("_at", "_found", "_now", "_tokens", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._tokens = self._found = float(limit.burst)  # at `_at`, and as `has` last found it at `_now`
        self._at = self._now = 0.0

    def has(self, now: float) -> bool:
        """Whether a request may pass at `now` (seconds). Takes nothing."""
        rate, burst = self.limit
        found = self._tokens
        if now > self._at:  # a clock that was set back gives nothing and takes nothing
            found += (now - self._at) * rate
            if found > burst:
                found = burst
        self._now, self._found = now, found
        return found >= _ONE

    def take(self) -> None:
        """Takes the token that `has` found."""
        self._tokens = self._found = self._found - 1.0
        if self._now > self._at:
            self._at = self._now

    def admit(self, now: float) -> bool:
        """`has` and `take` in one: a token is taken where there is one."""
        rate, burst = self.limit
        tokens, at = self._tokens, self._at
        if now > at:
            tokens += (now - at) * rate
            if tokens > burst:
                tokens = burst
            at = now
        if tokens < _ONE:
            return False
        self._tokens = self._found = tokens - 1.0
        self._at = self._now = at
        return True

    def is_full(self, now: float) -> bool:
        self.has(now)
        return self._found >= self.limit.burst

    def change(self, limit: Limit) -> None:
        """Another limit; the level stays, as far as it fits."""
        self._settle()
        self._tokens = self._found = min(self._tokens, float(limit.burst))
        self.limit = limit

    def _settle(self) -> None:
        self._tokens = self._found
        if self._now > self._at:
            self._at = self._now


def admit(buckets: Sequence[TokenBucket], now: float) -> TokenBucket | None:
    """Takes a token of every bucket, or of none where one is empty: the first such is returned."""
    for bucket in buckets:
        if not bucket.has(now):
            return bucket
    for bucket in buckets:
        bucket.take()
    return None


class Throttles:
    """The buckets of a process by name."""

    def __init__(self, most_buckets: int = MOST_BUCKETS) -> None:
        self._buckets: dict[Name, TokenBucket] = {}
        self._most = most_buckets

    def bucket(self, name: Name, limit: Limit, now: float = 0.0) -> TokenBucket:
        """`now` only matters where old buckets have to make room."""
        found = self._buckets.get(name)
        if found is None:
            if len(self._buckets) >= self._most:
                self._make_room(now)
            found = self._buckets[name] = TokenBucket(limit)
        elif found.limit != limit:
            found.change(limit)
        return found

    def reset(self) -> None:
        self._buckets.clear()

    def _make_room(self, now: float) -> None:
        """Forgets full buckets, or else the older half: a client may then pass a burst early, memory never grows."""
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if not bucket.is_full(now)}
        if len(self._buckets) >= self._most:
            self._buckets = dict(list(self._buckets.items())[self._most // 2 :])
