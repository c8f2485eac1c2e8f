"""The model's constraints, compiled, with AWS's wording.

"2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater than
or equal to 1; Value null at 'userPoolId' failed to satisfy constraint: Member must not be null."

A check returns what is wrong below it and each parent puts its own step before the path, so that a good value costs no
string. A shape with nothing to check has no check. Elements of a list and values of a map are scalars judged together:
AWS names the whole list and every constraint of its elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from forecourt.wire import quirks
from forecourt.wire.errors import InvalidInput
from forecourt.wire.models import Model, Ref, Shape
from forecourt.wire.patterns import matcher
from forecourt.wire.timestamps import iso8601
from forecourt.wire.tree import late

_MAX_REPORTED = 20


class Violation(NamedTuple):
    path: str
    shown: str
    constraint: str

    def __str__(self) -> str:
        at = f" at '{self.path}'" if self.path else ""
        return f"Value{self.shown}{at} failed to satisfy constraint: {self.constraint}"


class Constraint(NamedTuple):
    holds: Callable[[Any], bool]
    text: str


Check = Callable[[Any], Sequence[Violation] | None]
_NONE: Sequence[Violation] = ()
_NOT_NULL = "Member must not be null"
_SIZED = frozenset({"string", "list", "map", "blob"})


def show(value: Any) -> str:
    """As Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return iso8601(value) if isinstance(value, datetime) else str(value)


def lower_first(name: str) -> str:
    """`UserPoolId` is reported as `userPoolId`, `KMSKeyId` as `kMSKeyId`: Java's bean property."""
    return name[:1].lower() + name[1:]


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _bounds(shape: Shape) -> list[Constraint]:
    low, high, out = shape.min, shape.max, []
    sized = shape.type in _SIZED
    what, measure = ("length", len) if sized else ("value", _same)
    if high is not None:
        out.append(
            Constraint(
                lambda value: measure(value) <= high, f"Member must have {what} less than or equal to {_number(high)}"
            )
        )
    if low is not None:
        out.append(
            Constraint(
                lambda value: measure(value) >= low, f"Member must have {what} greater than or equal to {_number(low)}"
            )
        )
    return out


def _same(value: Any) -> Any:
    return value


def constraints(shape: Shape) -> list[Constraint]:
    """What a value of this shape must satisfy by itself."""
    found = _bounds(shape) if shape.type in _SIZED or shape.type in ("integer", "long", "float", "double") else []
    if shape.pattern is not None and shape.type == "string":
        matches = matcher(shape.pattern)
        if matches is not None:
            found.append(Constraint(matches, f"Member must satisfy regular expression pattern: {shape.pattern}"))
    if shape.enum and shape.type == "string":
        allowed = frozenset(shape.enum)
        found.append(Constraint(allowed.__contains__, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"))
    return found


class Checks:
    """The checks of one model, compiled when first asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache: dict[str, Check | None] = {}

    def check(self, ref: Ref) -> Check | None:
        if ref.shape not in self._cache:
            self._cache[ref.shape] = late(self._cache, ref.shape)
            self._cache[ref.shape] = self._compile(self._model.shape(ref))
        return self._cache[ref.shape]

    def _compile(self, shape: Shape) -> Check | None:
        own = _own(shape)
        below = self._below(shape)
        if own is None or below is None:
            return own or below
        return lambda value: [*(own(value) or ()), *(below(value) or ())]

    def _below(self, shape: Shape) -> Check | None:
        if shape.document or shape.eventstream:
            return None
        if shape.type == "structure":
            return self._structure(shape)
        if shape.type == "list":
            assert shape.member is not None
            return self._elements(shape, shape.member, "Member", list, _list_steps)
        if shape.type == "map":
            assert shape.key is not None
            assert shape.value is not None
            keys = self._elements(shape, shape.key, "Map keys", list, _map_steps)
            values = self._elements(shape, shape.value, "Map value", lambda value: list(value.values()), _map_steps)
            if keys is None or values is None:
                return keys or values
            return lambda value: [*(keys(value) or ()), *(values(value) or ())]
        return None

    def _structure(self, shape: Shape) -> Check | None:
        required = [(name, lower_first(name)) for name in shape.required if name in shape.members]
        checks = [
            (name, lower_first(name), check)
            for name, ref in shape.members.items()
            if (check := self.check(ref)) is not None
        ]
        if not required and not checks:
            return None

        def check_members(value: Any) -> Sequence[Violation]:
            found: list[Violation] = []
            for name, path in required:
                if value.get(name) is None:
                    found.append(Violation(path, " null", _NOT_NULL))
            for name, path, check in checks:
                item = value.get(name)
                if item is not None:
                    found.extend(_step(path, violation) for violation in check(item) or _NONE)
            return found

        return check_members

    def _elements(
        self, holder: Shape, ref: Ref, whose: str, items: Callable[[Any], list[Any]], steps: Callable[[Any], list[str]]
    ) -> Check | None:
        shape = self._model.shape(ref)
        if shape.type not in ("structure", "list", "map"):
            return _all_of(constraints(shape), whose, items, hidden=holder.sensitive or shape.sensitive)
        check = self.check(ref)
        if check is None:
            return None

        def check_each(value: Any) -> Sequence[Violation]:
            found: list[Violation] = []
            for step, item in zip(steps(value), items(value), strict=True):
                found.extend(_step(step, violation) for violation in check(item) or _NONE)
            return found

        return check_each


def _own(shape: Shape) -> Check | None:
    own = constraints(shape)
    if not own:
        return None
    hidden = shape.sensitive

    def check(value: Any) -> Sequence[Violation]:
        broken = [text for holds, text in own if not holds(value)]
        return [Violation("", "" if hidden else f" '{show(value)}'", text) for text in broken] if broken else _NONE

    return check


def _all_of(wanted: list[Constraint], whose: str, items: Callable[[Any], list[Any]], *, hidden: bool) -> Check | None:
    if not wanted:
        return None
    text = f"{whose} must satisfy constraint: [{', '.join(text for _, text in wanted)}]"

    def check(value: Any) -> Sequence[Violation]:
        if all(holds(item) for item in items(value) for holds, _ in wanted):
            return _NONE
        return [Violation("", "" if hidden else f" '{show(value)}'", text)]

    return check


def _step(step: str, violation: Violation) -> Violation:
    path = f"{step}.{violation.path}" if violation.path else step
    return Violation(path, violation.shown, violation.constraint)


def _list_steps(value: Sequence[Any]) -> list[str]:
    return [f"{number}.member" for number in range(1, len(value) + 1)]


def _map_steps(value: Mapping[str, Any]) -> list[str]:
    return [f"{key}.member" for key in value]


@cache
def _readable(pattern: str) -> str:
    """Control characters of a pattern as Java's source has them."""
    return re.sub(r"[^\x20-\x7e]", lambda match: f"\\u{ord(match[0]):04X}", pattern)


def error(service: str, protocol: str, input_name: str, violations: Sequence[Violation]) -> InvalidInput:
    """All that is wrong, in one error."""
    code = quirks.VALIDATION_CODE.get(service, "ValidationError" if protocol == "query" else "ValidationException")
    missing = next((found.path for found in violations if found.constraint == _NOT_NULL), "")
    if missing and service in quirks.MISSING_PARAMETER:
        name = missing[:1].upper() + missing[1:]
        return InvalidInput("MissingParameter", quirks.MISSING_PARAMETER[service].format(name))
    own_words = _in_own_words(service, violations)
    if own_words:
        return InvalidInput(code, own_words)
    if service in quirks.INPUT_IN_PATH:
        violations = [_step(input_name, violation) for violation in violations]
    count = len(violations)
    said = "; ".join(str(violation) for violation in violations[:_MAX_REPORTED])
    return InvalidInput(code, f"{count} validation error{'s' if count > 1 else ''} detected: {said}")


def _in_own_words(service: str, violations: Sequence[Violation]) -> str:
    words = quirks.NAME_PATTERNS.get(service)
    if words is None or len(violations) != 1:
        return ""
    path, _, constraint = violations[0]
    rest = words.get(constraint.removeprefix("Member must satisfy regular expression pattern: "))
    return f"The specified value for {path} is invalid. {rest}" if rest else ""
