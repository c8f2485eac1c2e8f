"""Payload templates of JSONPath states: Parameters, ResultSelector, ItemSelector, Assign.

A member whose name ends in `.$` holds a path or an intrinsic function; everything else is copied as it stands. A
template is compiled into closures; parts without any `.$` are constants and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import MOST_INTERMEDIATE, measure
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.intrinsics import compile_intrinsic
from forecourt.services.stepfunctions.asl.jsonpath import MISSING
from forecourt.services.stepfunctions.asl.reference import compile_reference, describe_input
from forecourt.services.stepfunctions.asl.scope import Scope

Build = Callable[[Scope, Any], Any]  # (scope, what `$` means) -> value


class Template:
    """`build(scope, input)` gives the payload."""

    __slots__ = ("build", "is_constant")

    def __init__(self, build: Build, is_constant: bool) -> None:
        self.build = build
        self.is_constant = is_constant


# So few references cannot make a payload that is too large to be written down
_FEW_REFERENCES = 16


def compile_template(raw: Any) -> Template:
    """Raises `DefinitionError` where a `.$` member is no path and no function (validation has named it before)."""
    build = _compile(raw)
    if build is None:
        return Template(_constant(raw), True)
    return Template(build if _references(raw) <= _FEW_REFERENCES else _measured(build), False)


def _references(raw: Any) -> int:
    if isinstance(raw, dict):
        return sum(1 if key.endswith(".$") else _references(value) for key, value in raw.items())
    return sum(map(_references, raw)) if isinstance(raw, list) else 0


def _measured(build: Build) -> Build:
    def checked(scope: Scope, input: Any) -> Any:
        value = build(scope, input)
        if measure(value) > MOST_INTERMEDIATE:
            raise StatesError(
                errors.DATA_LIMIT_EXCEEDED, "The payload's size exceeds the maximum number of bytes service limit."
            )
        return value

    return checked


def _constant(value: Any) -> Build:
    return lambda scope, input: value


def _compile(raw: Any) -> Build | None:
    """The builder, or None for a constant."""
    if isinstance(raw, dict):
        return _compile_object(raw)
    if isinstance(raw, list):
        builders = [_compile(item) for item in raw]
        if not any(builders):
            return None
        parts = [builder or _constant(item) for builder, item in zip(builders, raw, strict=True)]
        return lambda scope, input: [part(scope, input) for part in parts]
    return None


def _compile_object(raw: dict[str, Any]) -> Build | None:
    members: list[tuple[str, Build]] = []
    dynamic = False
    for key, value in raw.items():
        if key.endswith(".$"):
            dynamic = True
            members.append((key[:-2], compile_value(key, value)))
        else:
            build = _compile(value)
            dynamic = dynamic or build is not None
            members.append((key, build or _constant(value)))
    if not dynamic:
        return None
    return lambda scope, input: {key: build(scope, input) for key, build in members}


def compile_value(field: str, text: Any) -> Build:
    """The value of a `.$` member: a path or an intrinsic function."""
    if not isinstance(text, str):
        raise DefinitionError("must be a string")
    if not text.startswith("$"):
        return compile_intrinsic(text)
    reference = compile_reference(text)

    def build(scope: Scope, input: Any) -> Any:
        value = reference.find(scope, input)
        if value is not MISSING:
            return value
        # Measured on AWS: an index past the end of an array is null here, though nowhere else.
        if reference.path.misses_only_an_index(reference.root(scope, input)):
            return None
        raise StatesError(
            errors.RUNTIME,
            f"The JSONPath '{text}' specified for the field '{field}' could not be found in the input "
            f"'{describe_input(scope, reference, input)}'",
        )

    return build
