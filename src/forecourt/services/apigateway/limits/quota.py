"""Quotas of usage plans: how many requests in a day, week or month. Pure.

Periods are UTC's: a day, a week from Sunday, a calendar month. `offset` is taken off the limit in the period in which
the quota began. A grant (UpdateUsage) changes what is left of one period. Days are numbered from 1970-01-01.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

Period = Literal["DAY", "WEEK", "MONTH"]

_DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
# In memory, that is: more than the longest period.
_DAYS_HELD = 62
# 1970-01-01 was a Thursday: so many days after the week had begun.
_EPOCH_WEEKDAY = 4


class Quota(NamedTuple):
    limit: int
    period: Period
    offset: int = 0
    began_at: float = 0.0  # epoch seconds: when the plan got this quota

    def period_of(self, day: int) -> int:
        """The first day of the period that `day` is in."""
        return _first_day(self.period, day)

    def allowance(self, first_day: int) -> int:
        """What the period that begins at `first_day` may use, grants aside."""
        began_here = self.period_of(day_of(self.began_at)) == first_day
        return max(self.limit - self.offset, 0) if began_here else self.limit


def day_of(at: float) -> int:
    return int(at // _DAY_SECONDS)


def date_of(day: int) -> date:
    return date.fromordinal(day + _EPOCH)


def day_of_date(at: date) -> int:
    return at.toordinal() - _EPOCH


def _first_day(period: Period, day: int) -> int:
    if period == "DAY":
        return day
    if period == "WEEK":
        return day - (day + _EPOCH_WEEKDAY) % 7
    return day - (date_of(day).day - 1)


class Counter:
    """What one key used of one plan, by day, and what was granted, by first day of a period."""

    __slots__ = ("_day", "_left", "_quota", "days", "grants")

    def __init__(self) -> None:
        self.days: dict[int, int] = {}
        self.grants: dict[int, int] = {}
        self._day = -1
        self._quota: Quota | None = None
        self._left = 0

    def admit(self, quota: Quota | None, now: float) -> bool:
        """Counts a request, unless the quota is used up."""
        day = int(now // _DAY_SECONDS)
        if day != self._day or quota != self._quota:
            self._begin(day, quota)
        if quota is not None:
            if self._left <= 0:
                return False
            self._left -= 1
        self.days[day] = self.days.get(day, 0) + 1
        return True

    def remaining(self, quota: Quota, day: int) -> int:
        """What is left of the period at the end of `day`."""
        first = quota.period_of(day)
        used = sum(self.days.get(d, 0) for d in range(first, day + 1))
        return max(quota.allowance(first) + self.grants.get(first, 0) - used, 0)

    def set_remaining(self, quota: Quota, remaining: int, now: float) -> int:
        """Grants (or takes) so much that `remaining` are left of the period, whose first day is returned."""
        day = day_of(now)
        first = quota.period_of(day)
        used = sum(self.days.get(d, 0) for d in range(first, day + 1))
        self.grants[first] = remaining + used - quota.allowance(first)
        self._day = -1
        return first

    def _begin(self, day: int, quota: Quota | None) -> None:
        self._day, self._quota = day, quota
        self.days = {d: used for d, used in self.days.items() if d > day - _DAYS_HELD}
        self._left = self.remaining(quota, day) if quota is not None else 0
