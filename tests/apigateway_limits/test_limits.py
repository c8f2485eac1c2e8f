"""Throttles, quotas and their durable counters, the stage cache."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecourt.base.clock import Clock
from forecourt.services.apigateway.limits import (
    CachedResponse,
    Limit,
    Quota,
    StageCache,
    Throttles,
    TokenBucket,
    Usage,
    UsageKey,
    admit,
    bytes_of_cluster,
    cache_key,
)
from forecourt.services.apigateway.limits import usage as usage_module
from forecourt.services.apigateway.limits.quota import Counter, day_of
from forecourt.store import Store, StoreUnavailable, open_store


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# --- Throttles ---


@given(st.integers(0, 5), st.floats(0, 10), st.lists(st.floats(-1, 3), max_size=30))
def test_to_admit_is_to_have_and_to_take(burst: int, rate: float, steps: list[float]) -> None:
    one, other = TokenBucket(Limit(rate, burst)), TokenBucket(Limit(rate, burst))
    now = 100.0
    for step in steps:
        now += step
        assert one.admit(now) == (admit([other], now) is None)


def test_the_sixth_of_a_burst_of_five_is_refused() -> None:
    bucket = TokenBucket(Limit(rate=2, burst=5))
    assert [admit((bucket,), 100.0) is None for _ in range(6)] == [True] * 5 + [False]
    assert [admit((bucket,), 101.0) is None for _ in range(3)] == [True, True, False]
    assert [admit((bucket,), 200.0) is None for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize("limit", [Limit(0, 0), Limit(100, 0), Limit(0.0, 0)])
def test_a_limit_of_nothing_lets_nothing_through(limit: Limit) -> None:
    bucket = TokenBucket(limit)
    assert not any(admit((bucket,), float(n)) is None for n in range(10))


def test_a_rate_below_one_a_second() -> None:
    bucket = TokenBucket(Limit(rate=0.1, burst=1))
    assert [admit((bucket,), float(n)) is None for n in range(21)] == [n % 10 == 0 for n in range(21)]


def test_who_is_refused_takes_from_nobody() -> None:
    client, method, account = TokenBucket(Limit(0, 1)), TokenBucket(Limit(0, 3)), TokenBucket(Limit(0, 5))
    assert admit((client, method, account), 0.0) is None
    for _ in range(10):
        assert admit((client, method, account), 0.0) is client
    assert [admit((method, account), 0.0) is None for _ in range(3)] == [True, True, False]
    assert admit((method, account), 0.0) is method
    assert [admit((account,), 0.0) is None for _ in range(3)] == [True, True, False]


def test_a_clock_that_is_set_back_gives_nothing() -> None:
    bucket = TokenBucket(Limit(1, 1))
    assert admit((bucket,), 100.0) is None
    assert admit((bucket,), 50.0) is bucket
    assert admit((bucket,), 100.5) is bucket
    assert admit((bucket,), 101.0) is None


def test_a_changed_limit_keeps_the_level() -> None:
    throttles = Throttles()
    bucket = throttles.bucket(("method", "GET"), Limit(0, 10))
    for _ in range(8):
        assert admit((bucket,), 0.0) is None
    assert throttles.bucket(("method", "GET"), Limit(0, 100)) is bucket
    assert [admit((bucket,), 0.0) is None for _ in range(3)] == [True, True, False]
    assert throttles.bucket(("method", "PUT"), Limit(0, 10)) is not bucket


def test_buckets_are_bounded_and_empty_ones_stay() -> None:
    throttles = Throttles(most_buckets=100)
    drained = throttles.bucket(("client", "greedy"), Limit(0, 1))
    assert admit((drained,), 0.0) is None
    for n in range(1000):
        throttles.bucket(("client", f"{n}"), Limit(1, 1), now=float(n))
    assert len(throttles._buckets) <= 100
    assert throttles.bucket(("client", "greedy"), Limit(0, 1)) is drained
    for n in range(1000):
        assert admit((throttles.bucket(("empty", f"{n}"), Limit(0, 1)),), 0.0) is None
    assert len(throttles._buckets) <= 100


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), max_size=200),
)
def test_never_more_than_burst_and_rate(rate: float, burst: int, gaps: list[float]) -> None:
    """In any stretch of time at most `burst + rate * seconds` pass; and one may pass whenever fewer did."""
    bucket, now, passed = TokenBucket(Limit(rate, burst)), 0.0, []
    for gap in gaps:
        now += gap
        if admit((bucket,), now) is None:
            passed.append(now)
    for first in range(0, len(passed), 7):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - passed[first]) + 1e-6


# --- Quotas ---

DAY_ONE = at("2026-11-21T10:00")  # a Saturday


@pytest.mark.parametrize(
    ("period", "last_of_it", "next_begins"),
    [
        ("DAY", "2026-11-21T23:59:59", "2026-11-22T00:00"),
        ("WEEK", "2026-11-21T23:59:59", "2026-11-22T00:00"),
        ("MONTH", "2026-11-30T23:59:59", "2026-12-01T00:00"),
    ],
)
def test_periods_are_those_of_utc(period: str, last_of_it: str, next_begins: str) -> None:
    quota, counter = Quota(2, period), Counter()  # type: ignore[arg-type]
    assert [counter.admit(quota, DAY_ONE) for _ in range(3)] == [True, True, False]
    assert not counter.admit(quota, at(last_of_it))
    assert [counter.admit(quota, at(next_begins)) for _ in range(3)] == [True, True, False]


def test_a_week_begins_on_sunday() -> None:
    quota, counter = Quota(2, "WEEK"), Counter()
    assert counter.admit(quota, at("2026-11-15T00:00"))
    assert counter.admit(quota, at("2026-11-21T23:59"))
    assert not counter.admit(quota, at("2026-11-21T23:59"))


def test_the_offset_counts_in_the_first_period_only() -> None:
    quota, counter = Quota(5, "DAY", offset=3, began_at=DAY_ONE), Counter()
    assert [counter.admit(quota, DAY_ONE) for _ in range(3)] == [True, True, False]
    assert [counter.admit(quota, at("2026-11-22T00:00")) for _ in range(6)] == [True] * 5 + [False]
    assert not Counter().admit(Quota(1, "DAY", offset=9, began_at=DAY_ONE), DAY_ONE)


def test_a_changed_quota_counts_what_was_used() -> None:
    counter = Counter()
    for _ in range(3):
        assert counter.admit(None, DAY_ONE)
    assert not counter.admit(Quota(3, "DAY"), DAY_ONE)
    assert counter.admit(Quota(4, "DAY"), DAY_ONE)
    assert not counter.admit(Quota(4, "MONTH"), DAY_ONE)


def test_a_grant_is_for_the_running_period() -> None:
    quota, counter = Quota(1, "DAY"), Counter()
    assert counter.admit(quota, DAY_ONE)
    counter.set_remaining(quota, 2, DAY_ONE)
    assert [counter.admit(quota, DAY_ONE) for _ in range(3)] == [True, True, False]
    counter.set_remaining(quota, 0, DAY_ONE)
    assert not counter.admit(quota, DAY_ONE)
    assert [counter.admit(quota, DAY_ONE + 86_400) for _ in range(2)] == [True, False]


moments = st.lists(st.integers(0, 100 * 86_400), max_size=60).map(sorted)


@given(moments, st.integers(0, 8), st.sampled_from(["DAY", "WEEK", "MONTH"]))
def test_no_period_passes_more_than_its_limit_nor_refuses_within(seconds: list[int], limit: int, period: str) -> None:
    quota, counter = Quota(limit, period), Counter()  # type: ignore[arg-type]
    passed: dict[object, int] = {}
    for second in seconds:
        moment = datetime.fromtimestamp(DAY_ONE + second, UTC)
        name = {
            "DAY": moment.date(),
            "WEEK": (moment.date().toordinal()) // 7,  # proleptic day 7 was a Sunday
            "MONTH": (moment.year, moment.month),
        }[period]
        admitted = counter.admit(quota, DAY_ONE + second)
        assert admitted == (passed.get(name, 0) < limit)
        passed[name] = passed.get(name, 0) + admitted


# --- Usage over restarts ---

KEY = UsageKey("000000000000", "us-east-1", "plan1", "key1")
MONTHLY = Quota(5, "MONTH")


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = open_store(None, Clock())
    yield store
    await store.close()


def clock_at(text: str) -> Clock:
    return Clock(now=lambda: at(text))


async def test_counters_go_on_after_a_restart(store: Store) -> None:
    clock = clock_at("2026-11-21T10:00")
    usage = Usage(store, clock)
    await usage.start()
    assert [usage.admit(KEY, MONTHLY, clock.now()) for _ in range(3)] == [True] * 3
    await usage.stop()
    usage = Usage(store, clock)
    await usage.start()
    assert [usage.admit(KEY, MONTHLY, clock.now()) for _ in range(3)] == [True, True, False]
    await usage.stop()


async def test_counts_are_kept_by_themselves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "_KEEP_SECONDS", 0.0)
    clock = clock_at("2026-11-21T10:00")
    usage = Usage(store, clock)
    usage.admit(KEY, None, clock.now())
    kept: list[usage_module.UsageMonth] = []
    for _ in range(1000):
        kept = kept or await store.list(usage_module.UsageMonth)
        await asyncio.sleep(0.001)
        if kept:
            break
    assert kept[0].days == {day_of(clock.now()): 1}


async def test_a_store_that_fails_for_a_while_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_at("2026-11-21T10:00")
    usage = Usage(store, clock)
    usage.admit(KEY, None, clock.now())
    write = store.write

    async def failing(change: object) -> None:
        raise StoreUnavailable("no space")

    monkeypatch.setattr(store, "write", failing)
    await usage.keep()
    monkeypatch.setattr(store, "write", write)
    await usage.stop()
    assert len(await store.list(usage_module.UsageMonth)) == 1


async def test_a_key_that_is_always_in_use_is_not_written_without_end(store: Store) -> None:
    clock = clock_at("2026-11-21T10:00")
    usage = Usage(store, clock)
    usage.admit(KEY, None, clock.now())

    async def ask() -> None:
        while True:
            usage.admit(KEY, None, clock.now())
            await asyncio.sleep(0)

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(20):
        await usage.keep()
    asking.cancel()
    await usage.stop()


async def test_a_week_over_two_months_and_a_moved_clock(store: Store) -> None:
    clock = clock_at("2026-10-30T12:00")
    weekly = Quota(3, "WEEK")
    usage = Usage(store, clock)
    assert usage.admit(KEY, weekly, clock.now())
    clock.offset_seconds += 86_400 * 30  # at once: nothing was kept in between
    assert usage.admit(KEY, weekly, clock.now())
    await usage.stop()
    kept = {month.month: sum(month.days.values()) for month in await store.list(usage_module.UsageMonth)}
    assert kept == {"2026-10": 1, "2026-11": 1}
    clock = clock_at("2026-12-02T12:00")  # the week from Sunday, 29 November
    usage = Usage(store, clock)
    await usage.start()
    assert [usage.admit(KEY, weekly, clock.now()) for _ in range(3)] == [True, True, False]
    await usage.stop()


async def test_history_and_grants(store: Store) -> None:
    clock = clock_at("2026-11-21T10:00")
    usage = Usage(store, clock)
    for days, count in ((0, 2), (1, 1), (2, 9)):
        for _ in range(count):
            usage.admit(KEY, MONTHLY, clock.now() + days * 86_400)
    first = day_of(clock.now())
    scope = ("000000000000", "us-east-1", "plan1", ["key1", "other"])
    history = await usage.history(*scope, MONTHLY, first, first + 2)
    assert history == {"key1": [(2, 3), (1, 2), (2, 0)], "other": [(0, 5), (0, 5), (0, 5)]}
    clock.offset_seconds += 2 * 86_400
    usage.set_remaining(KEY, MONTHLY, 1)
    await usage.stop()
    usage = Usage(store, clock)
    await usage.start()
    assert [usage.admit(KEY, MONTHLY, clock.now()) for _ in range(2)] == [True, False]
    assert (await usage.history(*scope, None, first, first))["key1"] == [(2, None)]
    await usage.stop()


async def test_a_key_that_left_a_plan_begins_anew(store: Store) -> None:
    clock = clock_at("2026-11-21T10:00")
    usage = Usage(store, clock)
    other = KEY._replace(key_id="key2")
    for key in (KEY, other):
        for _ in range(5):
            usage.admit(key, MONTHLY, clock.now())
    await usage.keep()
    usage.admit(KEY, None, clock.now())
    await usage.forget("000000000000", "us-east-1", "plan1", "key1")
    assert usage.admit(KEY, MONTHLY, clock.now())
    assert not usage.admit(other, MONTHLY, clock.now())
    await usage.stop()
    assert len(await store.list(usage_module.UsageMonth)) == 2
    await usage.forget("000000000000", "us-east-1", "plan1")
    assert await store.list(usage_module.UsageMonth) == []


async def test_old_months_are_forgotten(store: Store) -> None:
    clock = clock_at("2026-01-15T00:00")
    usage = Usage(store, clock)
    usage.admit(KEY, None, clock.now())
    await usage.stop()
    for month, kept in (("2026-04", 1), ("2026-07", 0)):
        await Usage(store, clock_at(f"{month}-15T00:00")).start()
        assert len(await store.list(usage_module.UsageMonth)) == kept


CHILD = textwrap.dedent("""
    import asyncio, os, sys, time
    from forecourt.base.clock import Clock
    from forecourt.services.apigateway.limits import Usage, UsageKey
    from forecourt.store import open_store

    async def main():
        clock = Clock()
        usage = Usage(open_store(sys.argv[1], clock), clock)
        await usage.start()
        n = 0
        while True:
            n += 1
            usage.admit(UsageKey("1", "r", "p", "k"), None, clock.now())
            os.write(1, f"{time.monotonic()} {n}\\n".encode())
            await asyncio.sleep(0.001)

    asyncio.run(main())
""")


async def test_a_kill_loses_a_second_at_most_and_never_too_little(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().split() for _ in range(1200)]
        child.kill()
        lines += [line.split() for line in child.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    counts = [(float(moment), int(count)) for moment, count in lines]
    ended = counts[-1][0]
    store = open_store(tmp_path, Clock())
    kept = sum(sum(month.days.values()) for month in await store.list(usage_module.UsageMonth))
    await store.close()
    a_second_before = max((count for moment, count in counts if moment < ended - 1.0), default=0)
    assert a_second_before <= kept <= counts[-1][1] + 1


# --- The stage cache ---

RESPONSE = CachedResponse(200, ((b"content-type", b"text/plain"),), b"body")
GET = cache_key("ns", "GET", "/pets/{id}", ("7", None))


def test_a_hit_until_it_expires() -> None:
    cache = StageCache(bytes_of_cluster("0.5"))
    assert cache.get(GET, 0.0) is None
    assert cache.put(GET, RESPONSE, 300, 0.0)
    assert cache.get(GET, 299.9) == RESPONSE
    assert cache.get(GET, 300.0) is None
    assert (len(cache), cache.used_bytes) == (0, 0)


def test_a_time_to_live_of_zero_is_none() -> None:
    cache = StageCache(bytes_of_cluster("0.5"))
    assert not cache.put(GET, RESPONSE, 0, 0.0)
    assert cache.get(GET, 0.0) is None


def test_absent_and_empty_parameters_are_different_keys() -> None:
    keys = {
        cache_key("ns", "GET", "/p", values)
        for values in [("", None), (None, ""), ("a", "b"), ("a\0b", ""), ("ab", "")]
    }
    assert len(keys) == 5


def test_a_response_above_a_megabyte_is_not_kept() -> None:
    cache = StageCache(bytes_of_cluster("0.5"))
    assert cache.put(GET, CachedResponse(200, (), b"x" * 1_048_576), 300, 0.0)
    assert not cache.put(GET, CachedResponse(200, (), b"x" * 1_048_577), 300, 0.0)


def test_what_was_used_least_lately_goes_first() -> None:
    cache = StageCache(5 * (1000 + 600))
    for n in range(5):
        assert cache.put((f"{n}",), CachedResponse(200, (), b"x" * 1000), 300, 0.0)
    assert cache.get(("0",), 1.0) is not None
    assert cache.put(("new",), CachedResponse(200, (), b"x" * 1000), 300, 1.0)
    assert cache.get(("1",), 1.0) is None
    assert cache.get(("0",), 1.0) is not None
    assert cache.used_bytes <= cache.most_bytes


def test_drop_and_flush() -> None:
    cache = StageCache(bytes_of_cluster("0.5"))
    cache.put(GET, RESPONSE, 300, 0.0)
    assert cache.drop(GET)
    assert not cache.drop(GET)
    cache.put(GET, RESPONSE, 300, 0.0)
    cache.flush()
    assert cache.get(GET, 0.0) is None
    assert cache.used_bytes == 0


steps = st.lists(
    st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 9), st.integers(0, 3000), st.integers(0, 5)),
    max_size=80,
)


@settings(deadline=None)
@given(steps)
def test_the_cache_never_lies_and_never_grows(steps: list[tuple[str, int, int, int]]) -> None:
    cache, model, now = StageCache(10_000), {}, 0.0
    for verb, number, size, seconds in steps:
        now += seconds
        key = (f"{number}",)
        if verb == "put":
            response = CachedResponse(200, (), b"x" * size)
            if cache.put(key, response, 10, now):
                model[key] = (response, now + 10)
        elif verb == "drop":
            cache.drop(key)
            model.pop(key, None)
        else:
            found = cache.get(key, now)
            assert found is None or (found == model[key][0] and now < model[key][1])
        assert 0 <= cache.used_bytes <= cache.most_bytes
        assert cache.used_bytes == sum(entry.cost for entry in cache._entries.values())
