"""EventBridge's schedule expressions: in which minutes they are due. Pure.

    rate(5 minutes)     cron(0 10 ? * MON-FRI *)     cron(15 12 L * ? *)     cron(0 8 ? * 2#1 2026-2030)

Fields of `cron`: minutes, hours, day of month, month, day of week (1 is Sunday), year; in UTC, or in the zone that a
schedule names. `*` and `?` are any, `,` `-` `/` as everywhere; `L` is the last day (`5L` the last Thursday), `15W` the
weekday nearest to the 15th, `2#1` the first Monday.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial

# Whether it is due in a minute since the epoch; the second is the minute that rates are counted from.
Due = Callable[[int, int], bool]
_Day = Callable[[date], bool]

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}


class NotASchedule(ValueError):
    """The expression is none of EventBridge's."""


def due(expression: str, zone: tzinfo = UTC) -> Due:
    """Raises `NotASchedule`."""
    if match := _RATE.fullmatch(expression):
        every = int(match[1]) * _MINUTES[match[2]]
        if not every:
            raise NotASchedule(expression)
        return lambda minute, since: minute > since and (minute - since) % every == 0
    if match := _AT.fullmatch(expression):
        at = datetime.fromisoformat(match[1]).replace(tzinfo=zone).timestamp() // 60
        return lambda minute, _: minute == at
    if match := _CRON.fullmatch(expression):
        try:
            return _cron(list(match.groups()), zone)
        except (ValueError, KeyError):
            raise NotASchedule(expression) from None
    raise NotASchedule(expression)


def _cron(fields: list[str], zone: tzinfo) -> Due:
    minutes, hours, of_month, months, of_week, years = fields
    at_minutes, at_hours = _numbers(minutes, 0, 59), _numbers(hours, 0, 23)
    in_months, in_years = _numbers(months, 1, 12, _MONTHS), _numbers(years, 1970, 2199)
    fits_month, fits_week = _of_month(of_month), _of_week(of_week)

    def is_due(minute: int, _: int) -> bool:
        at = datetime.fromtimestamp(minute * 60, zone)
        if at.minute not in at_minutes or at.hour not in at_hours:
            return False
        if at.month not in in_months or at.year not in in_years:
            return False
        return fits_month(at.date()) and fits_week(at.date())

    return is_due


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            start, end = low, high
        else:
            start = _number(first, names)
            end = _number(last, names) if last else high if step else start
        if not low <= start <= end <= high:
            raise ValueError(text)
        found |= set(range(start, end + 1, int(step) if step else 1))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    return names[text.upper()] if names and not text.isdecimal() else int(text)


def _of_month(text: str) -> _Day:
    if text in ("*", "?"):
        return lambda _: True
    if text in ("L", "LW"):
        return partial(_is_last, weekday=text == "LW")
    if text.endswith("W"):
        wanted = int(text[:-1])
        return lambda day: day == _nearest_weekday(day, wanted)
    days = _numbers(text, 1, 31)
    return lambda day: day.day in days


def _is_last(day: date, weekday: bool) -> bool:
    last = day.replace(day=_length(day))
    return day == (_nearest_weekday(day, last.day) if weekday else last)


def _nearest_weekday(day: date, wanted: int) -> date:
    """Of a Saturday the Friday before, of a Sunday the Monday after; the other way where that is another month."""
    at = day.replace(day=min(wanted, _length(day)))
    shift = {5: -1, 6: 1}.get(at.weekday(), 0)
    moved = at + timedelta(days=shift)
    return moved if moved.month == at.month else at - timedelta(days=2 * shift)


def _of_week(text: str) -> _Day:
    if text in ("*", "?"):
        return lambda _: True
    if text.endswith("L"):
        wanted = _number(text[:-1], _DAYS) if text != "L" else _DAYS["SAT"]
        return lambda day: _weekday(day) == wanted and (text == "L" or day.day + 7 > _length(day))
    if "#" in text:
        name, _, nth = text.partition("#")
        wanted, number = _number(name, _DAYS), int(nth)
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == number
    days = _numbers(text, 1, 7, _DAYS)
    return lambda day: _weekday(day) in days


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
