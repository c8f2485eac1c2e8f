"""Condition operators.

A condition is an operator, a context key and policy values. Its verdict depends on four things that are kept apart
here: how one request value compares with one policy value (the operator's comparison), whether the operator is negated
(`StringNotEquals` holds where *none* of the policy values compares), how several request values are taken together
(`ForAllValues:`, `ForAnyValue:`), and what a missing key means:

    missing key          plain operator: false · negated operator: true · …IfExists: true
                         ForAllValues: true · ForAnyValue: false · Null: true where the policy says "true"

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator as op
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from forecourt.auth.policy import pattern
from forecourt.auth.policy.pattern import Context, Match

# From a policy value and whether variables are replaced, to the comparison of one request value.
Compile = Callable[[str, bool], Match]


class ConditionInvalid(Exception):
    """The operator is unknown or a policy value has not the operator's type."""


class Condition(NamedTuple):
    operator: str
    key: str
    values: tuple[str, ...]
    holds: Callable[[Context], bool]

    def __str__(self) -> str:
        return f"{self.operator} {self.key} {', '.join(self.values)}"


# --- How one value compares with another --------------------------------------------------------------------------


def _string(fold: Callable[[str], str]) -> Compile:
    def compile_value(text: str, variables: bool) -> Match:
        parts = pattern.tokens(text, variables)
        if parts == (text,):
            folded = fold(text)
            return lambda value, _: fold(value) == folded

        def match(value: str, context: Context) -> bool:
            expected = pattern.literal(parts, context)
            return expected is not None and fold(expected) == fold(value)

        return match

    return compile_value


def _ordered(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Compile:
    """`parse` gives None for what is not of its type: such a policy is refused, such a request does not match."""

    def compile_value(text: str, variables: bool) -> Match:
        parts = pattern.tokens(text, variables)
        if parts != (text,):
            return lambda value, context: _compared(parse, compare, value, pattern.literal(parts, context))
        limit = parse(text)
        if limit is None:
            raise ConditionInvalid(text)
        return lambda value, _: (given := parse(value)) is not None and compare(given, limit)

    return compile_value


def _compared(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool], value: str, text: str | None) -> bool:
    given, limit = parse(value), None if text is None else parse(text)
    return given is not None and limit is not None and compare(given, limit)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text, re.ASCII) else None


@lru_cache(maxsize=1024)
def _date(text: str) -> float | None:
    """ISO 8601 (a W3C profile of it) or epoch seconds."""
    if re.fullmatch(r"\d{5,13}(\.\d+)?", text, re.ASCII):
        seconds = float(text)
        return seconds / 1000 if seconds >= 1e11 else seconds
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _boolean(text: str) -> str | None:
    folded = text.strip().lower()
    return folded if folded in ("true", "false") else None


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _address(text: str, variables: bool) -> Match:
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ConditionInvalid(text) from None
    return lambda value, _: (given := _ip(value)) is not None and given in network


@lru_cache(maxsize=4096)
def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _like(text: str, variables: bool) -> Match:
    return pattern.wildcard(text, variables)


def _same(text: str) -> str:
    return text


_POSITIVE: dict[str, Compile] = {
    "StringEquals": _string(_same),
    "StringEqualsIgnoreCase": _string(str.lower),
    "StringLike": _like,
    "NumericEquals": _ordered(_number, op.eq),
    "NumericLessThan": _ordered(_number, op.lt),
    "NumericLessThanEquals": _ordered(_number, op.le),
    "NumericGreaterThan": _ordered(_number, op.gt),
    "NumericGreaterThanEquals": _ordered(_number, op.ge),
    "DateEquals": _ordered(_date, op.eq),
    "DateLessThan": _ordered(_date, op.lt),
    "DateLessThanEquals": _ordered(_date, op.le),
    "DateGreaterThan": _ordered(_date, op.gt),
    "DateGreaterThanEquals": _ordered(_date, op.ge),
    "Bool": _ordered(_boolean, op.eq),
    "BinaryEquals": _ordered(_binary, op.eq),
    "IpAddress": _address,
    # AWS: "ArnEquals and ArnLike behave identically."
    "ArnEquals": pattern.arn,
    "ArnLike": pattern.arn,
}
_NEGATED: dict[str, Compile] = {
    "StringNotEquals": _POSITIVE["StringEquals"],
    "StringNotEqualsIgnoreCase": _POSITIVE["StringEqualsIgnoreCase"],
    "StringNotLike": _POSITIVE["StringLike"],
    "NumericNotEquals": _POSITIVE["NumericEquals"],
    "DateNotEquals": _POSITIVE["DateEquals"],
    "NotIpAddress": _POSITIVE["IpAddress"],
    "ArnNotEquals": _POSITIVE["ArnEquals"],
    "ArnNotLike": _POSITIVE["ArnLike"],
}
# AWS takes operators in any case.
_NAMES = {name.lower(): name for name in (*_POSITIVE, *_NEGATED, "Null")}
OPERATORS = tuple(sorted(_NAMES.values()))


# --- The whole condition ------------------------------------------------------------------------------------------


def compile_condition(operator: str, key: str, values: Sequence[str], variables: bool) -> Condition:
    """Raises `ConditionInvalid`."""
    quantifier, base, if_exists = _read(operator)
    folded = key.lower()
    if base == "Null":
        return Condition(operator, key, tuple(values), _null(folded, values))
    negated = base in _NEGATED
    compile_value = _NEGATED[base] if negated else _POSITIVE[base]
    one = _one_value([compile_value(value, variables) for value in values], negated)
    return Condition(operator, key, tuple(values), _verdict(folded, one, quantifier, negated, if_exists))


def _read(operator: str) -> tuple[str, str, bool]:
    """`ForAnyValue:StringLikeIfExists` -> `("forany", "StringLike", True)`."""
    prefix, colon, rest = operator.rpartition(":")
    quantifier = {"": "", "forallvalues": "forall", "foranyvalue": "forany"}.get(prefix.lower())
    lowered = rest.lower()
    if_exists = lowered.endswith("ifexists")
    base = _NAMES.get(lowered.removesuffix("ifexists"))
    if quantifier is None or base is None or (colon and not quantifier) or (base == "Null" and (if_exists or colon)):
        raise ConditionInvalid(operator)
    return quantifier, base, if_exists


def _one_value(tests: list[Match], negated: bool) -> Match:
    if len(tests) == 1:
        single = tests[0]
        return (lambda value, context: not single(value, context)) if negated else single
    if negated:
        return lambda value, context: not any(test(value, context) for test in tests)
    return lambda value, context: any(test(value, context) for test in tests)


def _verdict(key: str, one: Match, quantifier: str, negated: bool, if_exists: bool) -> Callable[[Context], bool]:
    missing = {"forall": True, "forany": if_exists, "": negated or if_exists}[quantifier]
    # Several values under a plain operator: a negated one must hold for all of them, any other for one of them.
    every = quantifier == "forall" or (not quantifier and negated)

    def holds(context: Context) -> bool:
        given = context.get(key)
        if given is None or given == ():
            return missing
        if isinstance(given, str):
            return one(given, context)
        if every:
            return all(one(value, context) for value in given)
        return any(one(value, context) for value in given)

    return holds


def _null(key: str, values: Sequence[str]) -> Callable[[Context], bool]:
    wanted = {_boolean(value) for value in values}
    if None in wanted:
        raise ConditionInvalid("Null")
    return lambda context: ("true" if context.get(key) in (None, ()) else "false") in wanted
