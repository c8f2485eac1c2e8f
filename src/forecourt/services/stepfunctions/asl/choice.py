"""Choice rules: the operators of JSONPath states as a table, and the rule tree compiled into a predicate.

A comparison whose value has another type than the operator asks for is false, not an error. A `Variable` that names
nothing is an error (`States.Runtime`) except under `IsPresent`.
https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.jsonpath import MISSING
from forecourt.services.stepfunctions.asl.reference import Reference, compile_reference
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.asl.timestamps import parse_timestamp

Predicate = Callable[[Scope, Any], bool]
Compare = Callable[[Any, Any], bool]

_ORDERS: dict[str, Compare] = {
    "Equals": lambda left, right: bool(left == right),
    "LessThan": lambda left, right: bool(left < right),
    "GreaterThan": lambda left, right: bool(left > right),
    "LessThanEquals": lambda left, right: bool(left <= right),
    "GreaterThanEquals": lambda left, right: bool(left >= right),
}


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _strings(order: Compare) -> Compare:
    return lambda left, right: isinstance(left, str) and isinstance(right, str) and order(left, right)


def _numbers(order: Compare) -> Compare:
    return lambda left, right: _is_number(left) and _is_number(right) and order(left, right)


def _timestamps(order: Compare) -> Compare:
    def compare(left: Any, right: Any) -> bool:
        one, other = parse_timestamp(left), parse_timestamp(right)
        return one is not None and other is not None and order(one, other)

    return compare


def _booleans(left: Any, right: Any) -> bool:
    return isinstance(left, bool) and isinstance(right, bool) and left == right


def _matches(left: Any, right: Any) -> bool:
    return isinstance(left, str) and isinstance(right, str) and _wildcard_match(left, right)


def _wildcard_match(text: str, pattern: str) -> bool:
    """Segments between the `*`s, found from left to right: no backtracking, whatever the pattern."""
    segments = _segments(pattern)
    if len(segments) == 1:
        return text == segments[0]
    first, *middle, last = segments
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for segment in middle:
        found = text.find(segment, at, end)
        if found < 0:
            return False
        at = found + len(segment)
    return True


def _segments(pattern: str) -> list[str]:
    """The literal texts between unescaped `*`s; `\\*` is a star and `\\\\` a backslash."""
    segments = [""]
    for part in re.findall(r"\\[*\\]|\*|[^*\\]+|\\", pattern):
        if part == "*":
            segments.append("")
        else:
            segments[-1] += part[1] if len(part) == 2 and part[0] == "\\" else part
    return segments


def _comparisons() -> dict[str, Compare]:
    table: dict[str, Compare] = {"StringMatches": _matches, "BooleanEquals": _booleans}
    for name, order in _ORDERS.items():
        table["String" + name] = _strings(order)
        table["Numeric" + name] = _numbers(order)
        table["Timestamp" + name] = _timestamps(order)
    return table


COMPARISONS = _comparisons()
# Those of them that take their right side from a path: `StringEqualsPath`. StringMatches has none.
PATH_COMPARISONS = {name + "Path": compare for name, compare in COMPARISONS.items() if name != "StringMatches"}

TYPE_TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsPresent": lambda value: value is not MISSING,
    "IsNumeric": _is_number,
    "IsString": lambda value: isinstance(value, str),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: parse_timestamp(value) is not None,
}
OPERATORS = frozenset({*COMPARISONS, *PATH_COMPARISONS, *TYPE_TESTS})


def _require(reference: Reference, scope: Scope, input: Any) -> Any:
    value = reference.find(scope, input)
    if value is MISSING:
        raise StatesError(
            errors.RUNTIME,
            f"Invalid path '{reference.text}': The choice state's condition path references an invalid value.",
        )
    return value


def compile_rule(raw: dict[str, Any]) -> Predicate:
    """One rule of JSONPath `Choices`, nested ones included. Raises `DefinitionError`."""
    if "Not" in raw:
        inner = compile_rule(raw["Not"])
        return lambda scope, input: not inner(scope, input)
    if "And" in raw:
        every = [compile_rule(rule) for rule in raw["And"]]
        return lambda scope, input: all(rule(scope, input) for rule in every)
    if "Or" in raw:
        some = [compile_rule(rule) for rule in raw["Or"]]
        return lambda scope, input: any(rule(scope, input) for rule in some)
    return _compile_comparison(raw)


def _compile_comparison(raw: dict[str, Any]) -> Predicate:
    operator = next((key for key in raw if key in OPERATORS), None)
    if operator is None or not isinstance(raw.get("Variable"), str):
        raise DefinitionError("a choice rule needs a Variable and an operator")
    variable, expected = compile_reference(raw["Variable"]), raw[operator]
    if operator == "IsPresent":
        return lambda scope, input: (variable.find(scope, input) is not MISSING) == expected
    if operator in TYPE_TESTS:
        test = TYPE_TESTS[operator]
        return lambda scope, input: test(_require(variable, scope, input)) == expected
    if operator in PATH_COMPARISONS:
        compare, other = PATH_COMPARISONS[operator], compile_reference(expected)
        return lambda scope, input: compare(_require(variable, scope, input), _require(other, scope, input))
    compare = COMPARISONS[operator]
    return lambda scope, input: compare(_require(variable, scope, input), expected)
