"""Values in a query: texts, numbers, moments, or nothing. Pure.

A field of a log has no type: a text that is a number is one wherever a number is wanted. What is compared as numbers if
both are, else as texts; nothing equals nothing. Truth is 1 and 0, as JSON's booleans are.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

Value = str | float | None

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_CHUNK = re.compile(r"(\d+)")
_DECIMALS = 4
_GREATEST = 1e300
_LONGEST_NUMBER = 400
_LATEST_MS = 253_402_300_799_999


class Moment(int):
    """A time in epoch milliseconds: reckons as a number, shows as a time."""

    def __str__(self) -> str:
        at = datetime.fromtimestamp(min(max(int(self), 0), _LATEST_MS) / 1000, UTC)
        return f"{at:%Y-%m-%d %H:%M:%S}.{int(self) % 1000:03}"


def number(value: Value) -> float | None:
    """None where it is none, or beyond all numbers."""
    if isinstance(value, str):
        value = float(value) if len(value) < _LONGEST_NUMBER and _NUMBER.fullmatch(value) else None
    return value if value is not None and abs(value) <= _GREATEST else None


def shown(value: Value) -> str:
    """As results and texts show it: at most four decimals."""
    if isinstance(value, float):
        rounded = round(value, _DECIMALS)
        return str(int(rounded)) if abs(rounded) < 1e15 and rounded == int(rounded) else repr(rounded)
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def is_true(value: Value) -> bool:
    known = number(value)
    return bool(known) if known is not None else str(value).lower() == "true"


def equal(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return False
    a, b = number(left), number(right)
    return a == b if a is not None and b is not None else shown(left) == shown(right)


def order(left: Value, right: Value) -> int | None:
    """Below, at or above 0; None where they cannot be compared."""
    if left is None or right is None:
        return None
    a, b = number(left), number(right)
    if a is not None and b is not None:
        return (a > b) - (a < b)
    if a is not None or b is not None:
        return None
    return (str(left) > str(right)) - (str(left) < str(right))


def sort_key(value: Value) -> tuple[object, ...]:
    """Nothing, then texts in natural order, then numbers.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Sort.html
    """
    if value is None:
        return (0,)
    known = number(value)
    if known is not None:
        return (2, known)
    chunks = _CHUNK.split(str(value))
    # Digits go by their length and then their value, wherever a digit stands among other characters.
    return (1, [("0", len(chunk), chunk) if chunk.isdecimal() else (chunk[0], 0, chunk) for chunk in chunks if chunk])
