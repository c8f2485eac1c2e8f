"""Parameters: what a template declares and what a caller gives become values.

A list (`CommaDelimitedList`, `List<…>`) is a list of texts, everything else is text. A parameter of type
`AWS::SSM::Parameter::Value<…>` is given the name of a parameter in the store: what stands there is looked up by whoever
asks, and handed in.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import regex  # type: ignore[import-untyped]

from forecourt.base.repetition import repeats_too_much
from forecourt.services.cloudformation.errors import ValidationError

_MEMBERS = frozenset(
    (
        "Type", "Default", "NoEcho", "AllowedValues", "AllowedPattern", "MaxLength", "MinLength", "MaxValue",
        "MinValue", "Description", "ConstraintDescription",
    )
)  # fmt: skip
_SSM = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_AWS_TYPES = re.compile(r"AWS::(EC2|Route53|SSM)::[A-Za-z:]+(<.+>)?")
_PATTERN_SECONDS = 1.0
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MOST_BYTES = 4096
MASK = "****"


class Value(msgspec.Struct, frozen=True):
    """`given` is what the caller said or the template's default; `value` what a Ref gives."""

    given: str
    value: Any
    no_echo: bool = False
    # A parameter's value in the store, where that is what it is of
    resolved: str | None = None


class Given(msgspec.Struct, frozen=True):
    """What a caller says of a parameter: a value, or that it stays as it was."""

    value: str | None = None
    previous: bool = False


def is_list(kind: str) -> bool:
    inner = _SSM.fullmatch(kind)
    name = inner[1] if inner else kind
    return name == "CommaDelimitedList" or name.startswith("List<")


def ssm_name_of(declared: Mapping[str, Any]) -> bool:
    """Whether the value that is given is the name of a parameter in SSM's store."""
    return _SSM.fullmatch(str(declared.get("Type"))) is not None


def is_no_echo(declared: Mapping[str, Any]) -> bool:
    return str(declared.get("NoEcho", "false")).lower() == "true"


def check_declared(parameters: Mapping[str, Any]) -> None:
    """Raises `ValidationError`."""
    for name, declared in parameters.items():
        unknown = sorted(set(declared) - _MEMBERS)
        if unknown:
            raise ValidationError(f"Invalid template parameter property '{unknown[0]}'")
        kind = declared.get("Type")
        if not isinstance(kind, str):
            raise ValidationError("Template format error: Every Parameters object must contain a Type member.")
        plain = ("String", "Number", "CommaDelimitedList", "List<Number>", "List<String>")
        if kind not in plain and not _AWS_TYPES.fullmatch(kind) and not re.fullmatch(r"List<AWS::.+>", kind):
            raise ValidationError(f"Template format error: Unrecognized parameter type: {kind}")
        if isinstance(declared.get("Default"), list | dict):
            raise ValidationError(f"Template format error: Every Default member must be a string. ({name})")


def settle(
    declared: Mapping[str, Any], given: Mapping[str, Given], previous: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What each parameter is given. Raises `ValidationError` where one is missing, unknown or breaks a constraint."""
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise ValidationError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    found: dict[str, str] = {}
    missing = []
    for name, member in declared.items():
        text = _chosen(name, member, given.get(name), previous or {})
        if text is None:
            missing.append(name)
        else:
            found[name] = text
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    for name, text in found.items():
        if len(text.encode()) > _MOST_BYTES:
            raise ValidationError(f"Template error: the value of parameter {name} is longer than {_MOST_BYTES} bytes")
        _check(name, declared[name], text)
    return found


def _chosen(name: str, declared: Mapping[str, Any], given: Given | None, previous: Mapping[str, str]) -> str | None:
    if given is not None and given.previous:
        if name not in previous:
            raise ValidationError(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key "
                "not in the previous template"
            )
        return previous[name]
    if given is not None and given.value is not None:
        return given.value
    return as_text(declared["Default"]) if "Default" in declared else None


def values(declared: Mapping[str, Any], settled: Mapping[str, str], from_store: Mapping[str, str]) -> dict[str, Value]:
    """`from_store`: by name of a parameter of ours, what SSM's store has for it."""
    found = {}
    for name, text in settled.items():
        kind = str(declared[name].get("Type"))
        content = from_store.get(name, text)
        value: Any = [item.strip() for item in content.split(",")] if is_list(kind) else content
        found[name] = Value(text, value, is_no_echo(declared[name]), from_store.get(name))
    return found


def as_text(value: Any) -> str:
    """A scalar as CloudFormation writes it where it wants text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _check(name: str, declared: Mapping[str, Any], text: str) -> None:
    kind = declared["Type"]
    for part in [item.strip() for item in text.split(",")] if is_list(kind) else [text]:
        problem = _problem(name, declared, part, number=kind in ("Number", "List<Number>"))
        if problem is not None:
            meant = declared.get("ConstraintDescription")
            described = f"Parameter '{name}' failed to satisfy constraint: {meant}"
            raise ValidationError(described if meant else problem)


def _problem(name: str, declared: Mapping[str, Any], text: str, *, number: bool) -> str | None:
    if number:
        try:
            value = float(text)
        except ValueError:
            return f"Parameter '{name}' must be a number."
        if "MinValue" in declared and value < float(declared["MinValue"]):
            return f"Parameter '{name}' must be a number not less than {declared['MinValue']}"
        if "MaxValue" in declared and value > float(declared["MaxValue"]):
            return f"Parameter '{name}' must be a number not greater than {declared['MaxValue']}"
    allowed = declared.get("AllowedValues")
    if allowed is not None and text not in _texts(allowed):
        return f"Parameter '{name}' must be one of AllowedValues"
    if "MinLength" in declared and len(text) < int(declared["MinLength"]):
        return f"Parameter '{name}' must contain at least {declared['MinLength']} characters"
    if "MaxLength" in declared and len(text) > int(declared["MaxLength"]):
        return f"Parameter '{name}' must contain at most {declared['MaxLength']} characters"
    pattern = declared.get("AllowedPattern")
    if pattern is not None and not _matches(str(pattern), text):
        return f"Parameter '{name}' must match pattern {pattern}"
    return None


def _texts(many: Iterable[Any]) -> set[str]:
    return {as_text(one) for one in many}


def _matches(pattern: str, text: str) -> bool:
    unusable = ValidationError(f"Template format error: AllowedPattern {pattern} cannot be used")
    if repeats_too_much(pattern):
        raise unusable
    try:
        return regex.fullmatch(pattern, text, timeout=_PATTERN_SECONDS) is not None
    except (regex.error, TimeoutError):
        raise unusable from None
