"""Values as Velocity sees them: how they print (as Java prints them), when they are true, how they compare.

A map prints as Java's do, `{a=1, b=2}`, and so does a list that a template made, `[1, 2]`. A list of a JSON document,
a plain `list` here, prints as JSON, and so does all that is in it: that is how json-smart, AWS's parser, has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from forecourt.services.apigateway.vtl.state import MAX_BYTES, TemplateError


class Entry(dict[str, Any]):
    """One of a map's `entrySet()`: `$entry.key`, `$entry.value`; prints as `key=value`."""


class JavaList(list[Any]):
    """A list that does not come from a JSON document."""


def text_of(value: Any) -> str:
    """`toString()` of `value`."""
    known = _TEXTS.get(type(value))
    return known(value) if known is not None else _text_of_other(value)


def _text_of_other(value: Any) -> str:
    if isinstance(value, Mapping):
        return _text_of_map(value)
    return str(value)


def _text_of_map(value: Mapping[Any, Any]) -> str:
    return "{" + _joined([f"{text_of(key)}={text_of(item)}" for key, item in value.items()]) + "}"


def _text_of_list(value: Sequence[Any]) -> str:
    return "[" + _joined([text_of(item) for item in value]) + "]"


def json_text(value: Any) -> str:
    """`value` as JSON. A template can make one whose text would be exponentially long: it is measured first."""
    if isinstance(value, list | dict) and _measure(value, {}) > MAX_BYTES:
        raise TemplateError("a value is larger than 10 MB")
    return msgspec.json.encode(value, enc_hook=text_of).decode()


def _measure(value: list[Any] | dict[Any, Any], known: dict[int, int]) -> int:
    """About how long the text is. `known`: what was measured already, by identity."""
    size = known.get(id(value))
    if size is None:
        size = 2 + len(value)
        for item in value if isinstance(value, list) else chain(value, value.values()):
            if type(item) is str:
                size += len(item)
            elif isinstance(item, list | dict):
                size += _measure(item, known)
        known[id(value)] = size
    return size


def _joined(parts: list[str]) -> str:
    if sum(map(len, parts)) > MAX_BYTES:
        raise TemplateError("a value is larger than 10 MB")
    return ", ".join(parts)


def _double(value: float) -> str:
    """`Double.toString`: plain between 10^-3 and 10^7, else with an exponent."""
    if math.isnan(value) or math.isinf(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value)) if "e" not in repr(value) else f"{value:f}".rstrip("0")
    mantissa, _, exponent = f"{value:.17e}".partition("e")
    digits = repr(value).replace("-", "").replace(".", "").partition("e")[0].strip("0") or "0"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{int(exponent)}" if mantissa else repr(value)


_TEXTS: Mapping[type, Callable[[Any], str]] = {
    str: str,
    int: str,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
    float: _double,
    dict: _text_of_map,
    list: json_text,
    JavaList: _text_of_list,
    Entry: lambda entry: f"{text_of(entry['key'])}={text_of(entry['value'])}",
}


def is_true(value: Any) -> bool:
    """Everything is true but `false` and null."""
    return value is not None and value is not False


def equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return bool(left == right)
    if type(left) is type(right):
        return bool(left == right)
    if left is None or right is None:
        return left is right
    # Velocity compares values of unlike classes by what they print.
    return text_of(left) == text_of(right)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare(operator: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    """`<` and its kin are for numbers; anything else is false."""
    return bool(operator(left, right)) if is_number(left) and is_number(right) else False


def add(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        if left is None or right is None:
            return None
        joined = text_of(left), text_of(right)
        if len(joined[0]) + len(joined[1]) > MAX_BYTES:
            raise TemplateError("a string is larger than 10 MB")
        return "".join(joined)
    return arithmetic("+", left, right)


def arithmetic(symbol: str, left: Any, right: Any) -> Any:
    """Integers stay integers; a division by zero and what is not a number give null."""
    if not (is_number(left) and is_number(right)):
        return None
    try:
        return _ARITHMETIC[symbol](left, right)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return left - right * _divide(left, right)
    return math.fmod(left, right)


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > 1024:
        raise OverflowError
    return left * right


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
}
