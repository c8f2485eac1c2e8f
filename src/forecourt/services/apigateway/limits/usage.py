"""The counters of usage plans, kept in the store in batches.

Counting is in memory. Half a second after the first count that is not kept yet, all that changed is written; a process
that is killed loses no more than that, and only in the user's favour, since what is written was used. Counters of the
running and the last month are read at start, so that a request never waits for the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

from forecourt.base.clock import Clock
from forecourt.services.apigateway.limits.quota import Counter, Quota, date_of, day_of
from forecourt.store import Document, Index, Store, StoreUnavailable, Tx

_log = logging.getLogger(__name__)

_KEEP_SECONDS = 0.5
_BATCH = 500
# GetUsage reaches back 90 days.
_MONTHS_KEPT = 4


class UsageKey(NamedTuple):
    account: str
    region: str
    plan: str
    key_id: str


class UsageMonth(Document):
    """What one key used of one plan in a month (`2026-11`), by day, and grants by the first day of their period."""

    __kind__ = "apigateway.UsageMonth"
    __key__ = ("account", "region", "plan", "key_id", "month")
    __indexes__ = (Index("by_month", fields=("month",)),)

    account: str
    region: str
    plan: str
    key_id: str
    month: str
    days: dict[int, int] = {}
    grants: dict[int, int] = {}

    @property
    def usage_key(self) -> UsageKey:
        return UsageKey(self.account, self.region, self.plan, self.key_id)


class DayUsage(NamedTuple):
    """One day of GetUsage. `remaining` is None where the plan has no quota."""

    used: int
    remaining: int | None


class Usage:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counters: dict[UsageKey, Counter] = {}
        self._changed: set[tuple[UsageKey, int]] = set()  # and the day
        self._timer: asyncio.TimerHandle | None = None
        self._keeping = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        today = day_of(self._clock.now())
        for month in (_month(today), _month(today - date_of(today).day)):
            for kept in await self._store.find(UsageMonth, "by_month", month):
                counter = self._counters.setdefault(kept.usage_key, Counter())
                counter.days |= kept.days
                counter.grants |= kept.grants
        await self._forget_old(today)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.keep()

    async def reset(self) -> None:
        self._counters.clear()
        self._changed.clear()

    def admit(self, key: UsageKey, quota: Quota | None, now: float) -> bool:
        """Counts a request of `key`, unless its quota is used up."""
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = Counter()
        if not counter.admit(quota, now):
            return False
        self._note(key, day_of(now))
        return True

    def set_remaining(self, key: UsageKey, quota: Quota, remaining: int) -> None:
        """UpdateUsage: so many requests are left of the running period."""
        now = self._clock.now()
        first_day = self._counters.setdefault(key, Counter()).set_remaining(quota, remaining, now)
        self._changed.add((key, first_day))
        self._note(key, day_of(now))

    async def history(
        self, account: str, region: str, plan: str, key_ids: Iterable[str], quota: Quota | None, first: int, last: int
    ) -> dict[str, list[DayUsage]]:
        """GetUsage: what was used and what was left on each day (numbered from the epoch), both ends included."""
        return {
            key_id: await self._history(UsageKey(account, region, plan, key_id), quota, first, last)
            for key_id in key_ids
        }

    async def forget(self, account: str, region: str, plan: str, key_id: str | None = None) -> None:
        """A key has left a plan, or (without one) the plan is gone."""
        prefix = (account, region, plan) if key_id is None else (account, region, plan, key_id)
        for key in [key for key in self._counters if key[: len(prefix)] == prefix]:
            del self._counters[key]
        async with self._keeping:
            await self._store.write(lambda tx: tx.delete_all(UsageMonth, *prefix))

    async def keep(self) -> None:
        """Writes what changed. What can't be written now is written later."""
        async with self._keeping:
            # What changes from here on has its own turn, or else busy keys would be written without end.
            left, self._changed = self._changed, set()
            while left:
                batch = [left.pop() for _ in range(min(_BATCH, len(left)))]
                changed = {(key, _month(day)) for key, day in batch if key in self._counters}
                months = [self._kept(key, month) for key, month in changed]
                try:
                    await self._store.write(lambda tx, months=months: _put(tx, months))  # type: ignore[misc]
                except StoreUnavailable as error:
                    self._changed.update(batch, left)
                    _log.error("usage was not kept, trying again: %s", error.message)
                    self._schedule()
                    return

    def _note(self, key: UsageKey, day: int) -> None:
        self._changed.add((key, day))
        if self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._begin_keeping)

    def _begin_keeping(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self.keep())

    def _kept(self, key: UsageKey, month: str) -> UsageMonth:
        counter = self._counters[key]
        return UsageMonth(
            **key._asdict(),
            month=month,
            days={day: used for day, used in counter.days.items() if _month(day) == month},
            grants={day: granted for day, granted in counter.grants.items() if _month(day) == month},
        )

    async def _history(self, key: UsageKey, quota: Quota | None, first: int, last: int) -> list[DayUsage]:
        counter = Counter()
        for kept in await self._store.list(UsageMonth, *key):
            counter.days |= kept.days
            counter.grants |= kept.grants
        if key in self._counters:
            counter.days |= self._counters[key].days
            counter.grants |= self._counters[key].grants
        return [
            DayUsage(counter.days.get(day, 0), counter.remaining(quota, day) if quota is not None else None)
            for day in range(first, last + 1)
        ]

    async def _forget_old(self, today: int) -> None:
        oldest = _month(today - 31 * _MONTHS_KEPT)

        def change(tx: Tx) -> None:
            for month in tx.find(UsageMonth, "by_month"):
                if month.month >= oldest:
                    return
                tx.delete(UsageMonth, *month.usage_key, month.month)

        await self._store.write(change)


def _put(tx: Tx, months: list[UsageMonth]) -> None:
    for month in months:
        tx.put(month)


def _month(day: int) -> str:
    return date_of(day).strftime("%Y-%m")
