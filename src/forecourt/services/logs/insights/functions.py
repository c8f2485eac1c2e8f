"""The functions of a query that take values and give one. Pure.

Each gets the values of its arguments; one that has no sense for them gives nothing.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from forecourt.services.logs.insights.values import Moment, Value, is_true, number, order, shown


class Function(NamedTuple):
    """`most` None: any number of arguments."""

    least: int
    most: int | None
    call: Callable[..., Value]


def _of_numbers(call: Callable[..., float]) -> Callable[..., Value]:
    def function(*values: Value) -> Value:
        numbers = [number(value) for value in values]
        if any(known is None for known in numbers):
            return None
        try:
            return number(call(*numbers))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return function


def _of_texts(call: Callable[..., Value]) -> Callable[..., Value]:
    def function(*values: Value) -> Value:
        return None if any(value is None for value in values) else call(*map(shown, values))

    return function


def _extreme(sign: int) -> Callable[..., Value]:
    def function(*values: Value) -> Value:
        best: Value = None
        for value in values:
            if best is None or (order(value, best) or 0) * sign > 0:
                best = value
        return best

    return function


def _substr(text: Value, start: Value, length: Value = None) -> Value:
    begin, count = number(start), number(length)
    if text is None or begin is None:
        return None
    first = max(int(begin), 0)
    return shown(text)[first:] if count is None else shown(text)[first : first + max(int(count), 0)]


def _json_parse(text: str) -> Value:
    """A document stays a text: its members are discovered, not computed with."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if isinstance(document, dict | list):
        return msgspec.json.encode(document).decode()
    return int(document) if isinstance(document, bool) else document


def _is_ip(*versions: int) -> Callable[[str], Value]:
    def function(text: str) -> Value:
        try:
            return ipaddress.ip_address(text).version in versions
        except ValueError:
            return False

    return function


def _in_subnet(*versions: int) -> Callable[[str, str], Value]:
    def function(text: str, subnet: str) -> Value:
        try:
            address = ipaddress.ip_address(text)
            return address.version in versions and address in ipaddress.ip_network(subnet, strict=False)
        except ValueError:
            return False

    return function


def _if(condition: Value, then: Value, otherwise: Value = None) -> Value:
    return then if is_true(condition) else otherwise


def _case(*values: Value) -> Value:
    """Pairs of a condition and a value, and what else it is."""
    for condition, value in zip(values[::2], values[1::2], strict=False):
        if is_true(condition):
            return value
    return values[-1] if len(values) % 2 else None


def _trim(strip: Callable[[str, str | None], str]) -> Callable[..., Value]:
    return lambda text, characters=None: strip(text, characters)


def _log(value: float, base: float = math.e) -> float:
    return math.log(value, base)


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(1, 1, _of_numbers(abs)),
    "ceil": Function(1, 1, _of_numbers(math.ceil)),
    "floor": Function(1, 1, _of_numbers(math.floor)),
    "log": Function(1, 2, _of_numbers(_log)),
    "sqrt": Function(1, 1, _of_numbers(math.sqrt)),
    "greatest": Function(1, None, _extreme(1)),
    "least": Function(1, None, _extreme(-1)),
    "frommillis": Function(1, 1, _of_numbers(lambda value: Moment(int(value)))),
    "tomillis": Function(1, 1, _of_numbers(int)),
    "ispresent": Function(1, 1, lambda value: value is not None),
    "coalesce": Function(1, None, lambda *values: next((value for value in values if value is not None), None)),
    "if": Function(2, 3, _if),
    "case": Function(2, None, _case),
    "isempty": Function(1, 1, lambda value: value is None or shown(value) == ""),
    "isblank": Function(1, 1, lambda value: not shown(value).strip()),
    "concat": Function(1, None, lambda *values: "".join(map(shown, values))),
    "trim": Function(1, 2, _of_texts(_trim(str.strip))),
    "ltrim": Function(1, 2, _of_texts(_trim(str.lstrip))),
    "rtrim": Function(1, 2, _of_texts(_trim(str.rstrip))),
    "strlen": Function(1, 1, _of_texts(len)),
    "toupper": Function(1, 1, _of_texts(str.upper)),
    "tolower": Function(1, 1, _of_texts(str.lower)),
    "substr": Function(2, 3, _substr),
    "replace": Function(3, 3, _of_texts(str.replace)),
    "strcontains": Function(2, 2, _of_texts(lambda text, part: part in text)),
    "jsonparse": Function(1, 1, _of_texts(_json_parse)),
    "jsonstringify": Function(1, 1, _of_texts(lambda text: text)),
    "isvalidip": Function(1, 1, _of_texts(_is_ip(4, 6))),
    "isvalidipv4": Function(1, 1, _of_texts(_is_ip(4))),
    "isvalidipv6": Function(1, 1, _of_texts(_is_ip(6))),
    "isipinsubnet": Function(2, 2, _of_texts(_in_subnet(4, 6))),
    "isipv4insubnet": Function(2, 2, _of_texts(_in_subnet(4))),
    "isipv6insubnet": Function(2, 2, _of_texts(_in_subnet(6))),
    # Masks are a data protection policy's, which there are none of.
    "unmask": Function(1, 1, lambda value: value),
}
