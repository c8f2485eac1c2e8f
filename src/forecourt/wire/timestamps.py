"""Timestamps on the wire. Inside, a timestamp is an aware `datetime` (decoded) or that or epoch seconds (to encode)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

Moment = datetime | float | int

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,12})?([eE][+-]?\d{1,2})?")


def from_seconds(seconds: float) -> datetime:
    """Raises `ValueError` beyond year 1 to 9999."""
    try:
        return _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:
        raise ValueError(f"{seconds} is not a time") from None


def parse(value: str | float) -> datetime:
    """Any of AWS's three forms, whichever the model names: that is what AWS's own parsers take. Raises `ValueError`."""
    if not isinstance(value, str):
        return from_seconds(value)
    if _NUMBER.fullmatch(value):
        return from_seconds(float(value))
    if "," in value:
        return _aware(parsedate_to_datetime(value))
    return _aware(datetime.fromisoformat(value))


def _aware(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment} is not a time") from None


def to_seconds(moment: Moment) -> float | int:
    """Epoch seconds to the millisecond, an int where they are whole."""
    seconds = (_aware(moment) - _EPOCH).total_seconds() if isinstance(moment, datetime) else moment
    milliseconds = round(seconds * 1000)
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def to_datetime(moment: Moment) -> datetime:
    return _aware(moment) if isinstance(moment, datetime) else from_seconds(moment)


def iso8601(moment: Moment) -> str:
    utc = to_datetime(moment)
    milliseconds = utc.microsecond // 1000
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return f"{utc.strftime('%Y-%m-%dT%H:%M:%S')}{fraction}Z"


def rfc822(moment: Moment) -> str:
    return format_datetime(to_datetime(moment).replace(microsecond=0), usegmt=True)


FORMATS: dict[str, Callable[[Moment], str | float | int]] = {
    "unixTimestamp": to_seconds,
    "unixTimestampMillis": lambda moment: round(to_seconds(moment) * 1000),
    "iso8601": iso8601,
    "rfc822": rfc822,
}
