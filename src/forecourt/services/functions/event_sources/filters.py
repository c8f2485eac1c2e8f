"""Filter criteria: patterns that a record has to match. Pure.

A pattern is a JSON object shaped like the record; its leaves are lists of what a value may be: literals, or rules such
as `{"prefix": "a"}`. All keys of an object must match, and of `$or` one alternative. A value that is a list matches
where one of its items does.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

_MISSING = object()


class BadPattern(ValueError):
    """The pattern is not one."""


def parse(text: str) -> dict[str, Any]:
    """Raises `BadPattern`."""
    try:
        pattern = json.loads(text)
    except ValueError:
        raise BadPattern(text) from None
    if not isinstance(pattern, dict) or not pattern:
        raise BadPattern(text)
    _check(pattern, text)
    return pattern


def _check(pattern: Any, text: str) -> None:
    for key, value in pattern.items():
        if key == "$or" and isinstance(value, list):
            for alternative in value:
                _check(alternative, text)
        elif isinstance(value, dict):
            _check(value, text)
        elif not isinstance(value, list) or any(_is_unknown_rule(item) for item in value):
            raise BadPattern(text)


def _is_unknown_rule(item: Any) -> bool:
    return isinstance(item, list) or (isinstance(item, dict) and (len(item) != 1 or next(iter(item)) not in _RULES))


def matches(pattern: Mapping[str, Any], record: Any) -> bool:
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list):
            if not any(matches(alternative, record) for alternative in wanted):
                return False
            continue
        value = record.get(key, _MISSING) if isinstance(record, dict) else _MISSING
        if isinstance(wanted, dict):
            if not isinstance(value, dict) or not matches(wanted, value):
                return False
        elif not _value_matches(wanted, value):
            return False
    return True


def _value_matches(wanted: list[Any], value: Any) -> bool:
    values = value if isinstance(value, list) and value else [value]
    return any(_item_matches(item, candidate) for item in wanted for candidate in values)


def _item_matches(item: Any, value: Any) -> bool:
    if isinstance(item, dict):
        rule, argument = next(iter(item.items()))
        return _RULES[rule](argument, value)
    if value is _MISSING:
        return False
    return (type(item) is type(value) and item == value) or (_is_number(item) and _is_number(value) and item == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exists(argument: Any, value: Any) -> bool:
    return (value is not _MISSING and not isinstance(value, dict)) is bool(argument)


def _anything_but(argument: Any, value: Any) -> bool:
    if value is _MISSING:
        return False
    return not _value_matches(argument if isinstance(argument, list) else [argument], value)


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _numeric(argument: Any, value: Any) -> bool:
    pairs = zip(argument[::2], argument[1::2], strict=True)
    return _is_number(value) and all(_COMPARISONS[sign](value, number) for sign, number in pairs)


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def rule(argument: Any, value: Any) -> bool:
        if isinstance(argument, dict):
            argument, value = argument["equals-ignore-case"].lower(), value.lower() if isinstance(value, str) else value
        return isinstance(value, str) and test(value, argument)

    return rule


_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "exists": _exists,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "prefix": _text(str.startswith),
    "suffix": _text(str.endswith),
    "equals-ignore-case": _text(lambda value, wanted: value.lower() == wanted.lower()),
}
