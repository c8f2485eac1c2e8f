"""Fields that are given outright, by `<Field>Path`, or as a JSONata expression: limits, seconds, moments.

What is given outright was validated with the definition. What a path or an expression gives is checked when the state
is entered; the wordings are AWS's where they were measured (Wait, and a Map's limits by path), and alike elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.flow import jsonata_value
from forecourt.services.stepfunctions.asl.jsonata import is_expression
from forecourt.services.stepfunctions.asl.machine import Value
from forecourt.services.stepfunctions.asl.reference import compile_reference
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.asl.template import compile_value
from forecourt.services.stepfunctions.asl.timestamps import parse_timestamp

Raw = dict[str, Any]
# (the value) -> the value as the state uses it; raises `_Unfit`
_Fit = Callable[[Any], Any]

_MOST_SECONDS = 99_999_999
_FORM = "ISO-8601 extended offset date-time format string"


class _Unfit(Exception):
    """The text becomes the cause; `{field}` and `{path}` stand for the field's name and its path."""


def constant(value: Any) -> Value:
    return lambda scope, input: value


def path(text: str | None) -> Value | None:
    return compile_reference(text).require if text is not None else None


def setting(raw: Raw, field: str, jsonata: bool, within: str = "") -> Value | None:
    if text := raw.get(field + "Path"):
        return compile_reference(text).require if text.startswith("$") else compile_value(field + "Path", text)
    if field not in raw:
        return None
    return jsonata_value(raw[field], within + field) if jsonata else constant(raw[field])


def limit(raw: Raw, field: str, jsonata: bool, within: str = "") -> Value | None:
    """A whole number from 0."""
    return _fitting(raw, field, jsonata, within, _count)


def percentage(raw: Raw, field: str, jsonata: bool) -> Value | None:
    return _fitting(raw, field, jsonata, "", _percentage)


def seconds(raw: Raw, field: str, jsonata: bool, least: int = 0) -> Value | None:
    return _fitting(raw, field, jsonata, "", lambda value: _seconds(value, least, jsonata))


def moment(raw: Raw, field: str, jsonata: bool) -> Value | None:
    """Epoch seconds."""
    return _fitting(raw, field, jsonata, "", lambda value: _moment(value, jsonata))


def _fitting(raw: Raw, field: str, jsonata: bool, within: str, fit: _Fit) -> Value | None:
    value = setting(raw, field, jsonata, within)
    if value is None:
        return None
    given = raw.get(field + "Path", "")
    if not given and not is_expression(raw[field]):
        return constant(fit(raw[field]))

    def checked(scope: Scope, input: Any) -> Any:
        found = value(scope, input)
        try:
            return fit(found)
        except _Unfit as unfit:
            shown = found if isinstance(found, str) else to_text(found)
            cause = str(unfit).format(field=field, path=given.replace("$$", "$", 1), value=shown)
            if jsonata:
                raise StatesError(errors.QUERY_EVALUATION_ERROR, cause, within + field) from None
            raise StatesError(errors.RUNTIME, cause) from None

    return checked


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _count(value: Any) -> int:
    if not _is_whole(value):
        raise _Unfit('The {field}Path field refers to value "{value}" which is not a valid integer: {path}')
    if value < 0:
        raise _Unfit("{field} cannot be negative.")
    return int(value)


def _percentage(value: Any) -> float:
    if not _is_number(value):
        raise _Unfit('The {field}Path field refers to value "{value}" which is not a valid float: {path}')
    if not 0 <= value <= 100:
        raise _Unfit("{field} must be between 0 and 100.")
    return float(value)


def _seconds(value: Any, least: int, jsonata: bool) -> int:
    subject = "The {field} field" if jsonata else "The {field}Path parameter"
    shown = "{value}" if jsonata else "{path} == {value}"
    if not _is_whole(value):
        raise _Unfit(f"{subject} cannot be parsed as a long value: {shown}")
    if value < 0:
        raise _Unfit(f"{subject} references a negative value: {shown}")
    if not least <= value <= _MOST_SECONDS:
        raise _Unfit(f"{subject} must be between {least} and {_MOST_SECONDS}: {shown}")
    return int(value)


def _moment(value: Any, jsonata: bool) -> float:
    found = parse_timestamp(value)
    if found is None and jsonata:
        raise _Unfit(
            "The {field} field cannot be parsed as an ISO-8601 extended offset date-time format string: {value}"
        )
    if found is None:
        raise _Unfit(f"The {{field}}Path parameter does not reference a valid {_FORM}: {{path}} == {{value}}")
    return found
