"""Checks of single values: kinds of fields, paths, templates, JSONata. Each gives a message, or None if all is well."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from forecourt.services.stepfunctions.asl.diagnostics import BAD_JSONATA, UNSUPPORTED_JSONATA, Diagnostic
from forecourt.services.stepfunctions.asl.errors import DefinitionError
from forecourt.services.stepfunctions.asl.intrinsics import compile_intrinsic
from forecourt.services.stepfunctions.asl.jsonata import compile_expression, is_expression
from forecourt.services.stepfunctions.asl.reference import compile_reference
from forecourt.services.stepfunctions.asl.timestamps import parse_timestamp

Check = Callable[[Any], str | None]

# The longest that a state or execution can last: a year is what Step Functions allows.
_MOST_SECONDS = 99_999_999


def _is_int(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _number(low: float, high: float, whole: bool = True) -> Check:
    def check(value: Any) -> str | None:
        if type(value) not in (int, float) or (whole and not _is_int(value)):
            return f"Expected value of type {'Integer' if whole else 'Double'}"
        if not low <= value <= high:
            return f"Number must be in the range from {low} to {high}"
        return None

    return check


def _typed(kind: type, name: str) -> Check:
    return lambda value: None if isinstance(value, kind) else f"Expected value of type {name}"


def _path(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return "Expected value of type String"
    try:
        compile_reference(value)
    except DefinitionError:
        return "Value is not a valid JSONPath"
    return None


def _reference_path(value: Any) -> str | None:
    if problem := _path(value):
        return problem
    if value is not None and not (
        (reference := compile_reference(value)).path.is_reference
        and not reference.in_context
        and not reference.variable
    ):
        return "Value is not a Reference Path"
    return None


def _value_path(value: Any) -> str | None:
    """A path, or an intrinsic function where the specification allows one."""
    if isinstance(value, str) and value.startswith("States."):
        return check_template_value("value", value)
    return "Expected value of type String" if value is None else _path(value)


def _timestamp(value: Any) -> str | None:
    if not isinstance(value, str):
        return "Expected value of type String"
    return None if parse_timestamp(value) is not None else "String does not match RFC3339 timestamp"


CHECKS: dict[str, Check] = {
    "any": lambda value: None,
    "array": _typed(list, "Array"),
    "boolean": _typed(bool, "Boolean"),
    "object": _typed(dict, "Object"),
    "text": _typed(str, "String"),
    "string": _typed(str, "String"),
    "count": _number(0, _MOST_SECONDS),
    "positive": _number(1, _MOST_SECONDS),
    "delay": _number(1, 31_622_400),
    "factor": _number(1, 1e9, whole=False),
    "number": lambda value: None if type(value) in (int, float) else "Expected value of type Number",
    "percentage": _number(0, 100, whole=False),
    "path": _path,
    "reference": _reference_path,
    "value-path": _value_path,
    "timestamp": _timestamp,
}
# Kinds that a JSONata state may give as an expression.
EXPRESSIBLE = {"count", "positive", "percentage", "timestamp", "string", "any", "object", "array"}


def check_template_value(field: str, value: Any) -> str | None:
    """The value of a `.$` member."""
    message = f"The value for the field '{field}' must be a valid JSONPath or a valid intrinsic function call"
    if not isinstance(value, str):
        return message
    try:
        if value.startswith("$"):
            compile_reference(value)
        else:
            compile_intrinsic(value)
    except DefinitionError:
        return message
    return None


def template_faults(raw: Any) -> Iterator[str]:
    """Everything wrong with the `.$` members of a payload template."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key.endswith(".$"):
                if fault := check_template_value(key, value):
                    yield fault
            else:
                yield from template_faults(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from template_faults(item)


def looks_like_path(value: Any) -> bool:
    """Whether a constant was perhaps meant as a path or an intrinsic function."""
    return isinstance(value, str) and (value.startswith(("$.", "$$.")) or _CALL.match(value) is not None)


_CALL = re.compile(r"States\.[A-Za-z0-9]+\(")


def suspicious_members(raw: Any) -> Iterator[str]:
    """Members whose value looks like a path while their name does not end in `.$`."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if looks_like_path(value) and not key.endswith(".$"):
                yield key
            yield from suspicious_members(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from suspicious_members(item)


def expression_faults(raw: Any, location: str, in_catch: bool) -> Iterator[Diagnostic]:
    """What is wrong with the JSONata expressions in a field."""
    if is_expression(raw):
        try:
            expression = compile_expression(raw)
        except DefinitionError as error:
            yield Diagnostic(BAD_JSONATA, str(error), location)
            return
        for message in expression.unsupported(in_catch):
            yield Diagnostic(UNSUPPORTED_JSONATA, message, location)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from expression_faults(value, f"{location}/{key}", in_catch)
    elif isinstance(raw, list):
        for index, item in enumerate(raw):
            yield from expression_faults(item, f"{location}[{index}]", in_catch)
