"""Periods of time: `bin(5m)`, `datefloor(@timestamp, 1mo)`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from forecourt.services.logs.insights.values import Moment, Value, number

# What a unit may be called, and its milliseconds; months, quarters and years go by the calendar, in months.
_UNITS = {
    1: ("ms", "msec", "millisecond"),
    1_000: ("s", "sec", "second"),
    60_000: ("m", "min", "minute"),
    3_600_000: ("h", "hr", "hour"),
    86_400_000: ("d", "day"),
    604_800_000: ("w", "week"),
}
_CALENDAR = {1: ("mo", "mon", "month"), 3: ("q", "qtr", "quarter"), 12: ("y", "yr", "year")}
_MILLISECONDS = {name: size for size, names in _UNITS.items() for name in names}
_MONTHS = {name: size for size, names in _CALENDAR.items() for name in names}
_PERIOD = re.compile(r"(\d+)\s*([a-z]+)")
_MAX_MS = 253_402_300_000_000

Round = Callable[[Value], Value]


def floor_to(period: str) -> Round:
    """To the beginning of the period that a moment is in. Raises `ValueError` where that is not one."""
    return _rounded(period, 0)


def ceil_to(period: str) -> Round:
    return _rounded(period, 1)


def _rounded(period: str, following: int) -> Round:
    match = _PERIOD.fullmatch(period)
    if match is None or not int(match[1]):
        raise ValueError(period)
    count, unit = int(match[1]), match[2] if match[2] in _MILLISECONDS or match[2] in _MONTHS else match[2].rstrip("s")
    if unit in _MONTHS:
        return lambda value: _of(value, lambda at: _month(at, count * _MONTHS[unit], following))
    size = count * _MILLISECONDS[unit]
    return lambda value: _of(value, lambda at: at - at % size + (size if following and at % size else 0))


def _of(value: Value, rounded: Callable[[int], int]) -> Value:
    at = number(value)
    return None if at is None or not 0 <= at <= _MAX_MS else Moment(rounded(int(at)))


def _month(at_ms: int, months: int, following: int) -> int:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    since = (at.year * 12 + at.month - 1) // months * months
    begins = _begins(since)
    return begins if not following or begins == at_ms else _begins(since + months)


def _begins(month: int) -> int:
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000)
