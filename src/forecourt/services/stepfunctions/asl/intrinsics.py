"""Intrinsic functions: `States.Format('{} has {}', $.name, States.ArrayLength($.items))`.

An expression is parsed once into closures over a scope. `_FUNCTIONS` is the table: name -> (fewest arguments, most
arguments, implementation). https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.chance import seeded_fraction
from forecourt.services.stepfunctions.asl.data import MOST_INTERMEDIATE, canonical_text, from_text, measure, to_text
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.jsonpath import MISSING, matching_bracket
from forecourt.services.stepfunctions.asl.reference import compile_reference, describe_input
from forecourt.services.stepfunctions.asl.scope import Scope

_MOST_ELEMENTS = 1000
_MOST_CHARACTERS = 10_000
_MOST_DEPTH = 10
_LARGEST = 2**63 - 1

Evaluate = Callable[[Scope, Any], Any]  # (scope, what `$` means) -> value


class _Bad(ValueError):
    """An argument that the function does not take; the text becomes the cause."""


def _list(value: Any, what: str = "array") -> list[Any]:
    if not isinstance(value, list):
        raise _Bad(f"The value for the {what} argument must be an array")
    return value


def _whole(value: Any, what: str) -> int:
    if type(value) not in (int, float):
        raise _Bad(f"The value for the {what} argument must be a number")
    # As Java's Math.round does (measured on AWS): halves go up, and a long holds no more
    whole: int = max(min(math.floor(value + 0.5), _LARGEST), -_LARGEST - 1)
    return whole


def _string(value: Any, what: str = "string") -> str:
    if not isinstance(value, str):
        raise _Bad(f"The value for the {what} argument must be a string")
    return value


def _short(value: str) -> str:
    if len(value) > _MOST_CHARACTERS:
        raise _Bad(f"The input exceeds {_MOST_CHARACTERS} characters")
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _json_text(None, value)


# In quoted text a backslash stands before these, and before nothing else.
_ESCAPES = re.compile(r"\\([{}'\\])|(\{\})")


class _Quoted(str):
    """A literal, as it reads without its escapes; `parts` is what stands between its `{}`."""

    __slots__ = ("parts",)
    parts: list[str]

    @classmethod
    def of(cls, raw: str) -> _Quoted:
        """Raises `DefinitionError`."""
        parts = _parts(raw)
        if "\\" in _ESCAPES.sub("", raw):
            raise DefinitionError("a backslash may only stand before ', {, } and \\")
        quoted = cls("{}".join(parts))
        quoted.parts = parts
        return quoted


def _parts(template: str) -> list[str]:
    """The texts between the `{}`s that are not escaped."""
    parts, at = [""], 0
    for match in _ESCAPES.finditer(template):
        parts[-1] += template[at : match.start()] + (match[1] or "")
        at = match.end()
        if match[2]:
            parts.append("")
    parts[-1] += template[at:]
    return parts


def _format(scope: Scope, template: Any, *arguments: Any) -> str:
    parts = template.parts if isinstance(template, _Quoted) else _parts(_string(template, "template"))
    if len(parts) - 1 != len(arguments):
        raise _Bad(f"The number of arguments ({len(arguments)}) does not match the number of {{}} ({len(parts) - 1})")
    out = [parts[0]]
    for argument, part in zip(arguments, parts[1:], strict=True):
        out += [_as_text(argument), part]
    if sum(map(len, out)) > MOST_INTERMEDIATE:
        raise _Bad(_TOO_LONG)
    return "".join(out)


_TOO_LONG = "The result is too long"


def _json_text(scope: Scope | None, value: Any) -> str:
    if measure(value) > MOST_INTERMEDIATE:
        raise _Bad(_TOO_LONG)
    return to_text(value)


def _string_to_json(scope: Scope, text: Any) -> Any:
    given = _string(text)
    try:
        return from_text(given)
    except ValueError as error:
        raise _Bad("Invalid JSON") from error


def _partition(scope: Scope, array: Any, size: Any) -> list[Any]:
    items, count = _list(array), _whole(size, "chunk size")
    if count < 1:
        raise _Bad("The chunk size must be a positive integer")
    return [items[start : start + count] for start in range(0, len(items), count)]


def _range(scope: Scope, first: Any, last: Any, step: Any) -> list[int]:
    start, end, by = _whole(first, "start"), _whole(last, "end"), _whole(step, "step")
    if by == 0:
        raise _Bad("The step must not be 0")
    if (end - start) // by >= _MOST_ELEMENTS:
        raise _Bad(f"The array must not have more than {_MOST_ELEMENTS} elements")
    return list(range(start, end + (1 if by > 0 else -1), by))


def _get_item(scope: Scope, array: Any, index: Any) -> Any:
    items, at = _list(array), _whole(index, "index")
    if not 0 <= at < len(items):
        raise _Bad(f"The index {at} is out of bounds for an array of length {len(items)}")
    return items[at]


def _unique(scope: Scope, array: Any) -> list[Any]:
    first: dict[str, Any] = {}
    for item in _list(array):
        first.setdefault(canonical_text(item), item)
    return list(first.values())


def _encode(scope: Scope, text: Any) -> str:
    return base64.b64encode(_short(_string(text)).encode()).decode()


def _decode(scope: Scope, text: Any) -> str:
    given = _short(_string(text))
    try:
        return base64.b64decode(given, validate=True).decode(errors="replace")
    except ValueError as error:
        raise _Bad("The input is not valid Base64") from error


_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def hash_text(text: str, algorithm: str) -> str:
    """Raises `KeyError` for an algorithm that Step Functions does not know."""
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _hash(scope: Scope, data: Any, algorithm: Any) -> str:
    if not isinstance(algorithm, str) or algorithm not in _HASHES:
        raise _Bad(f"The algorithm must be one of {', '.join(_HASHES)}")
    return hash_text(_short(_as_text(data)), algorithm)


def _merge(scope: Scope, first: Any, second: Any, deep: Any) -> Any:
    if deep is not False:
        raise _Bad("Only shallow merging is supported: the third argument must be false")
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise _Bad("The values to merge must be JSON objects")
    return {**first, **second}


def _random(scope: Scope, start: Any, end: Any, seed: Any = None) -> int:
    low, high = _whole(start, "start"), _whole(end, "end")
    if high <= low:
        raise _Bad("The end must be greater than the start")
    fraction = scope.chance.fraction() if seed is None else seeded_fraction(_whole(seed, "seed"))
    return low + int(fraction * (high - low))


def _split(scope: Scope, text: Any, splitter: Any) -> list[str]:
    characters = _string(splitter, "splitter")
    if not characters:
        return [_string(text)]
    # Several characters each split; empty parts are dropped.
    return [part for part in re.split("[" + re.escape(characters) + "]", _string(text)) if part]


def _contains(scope: Scope, array: Any, value: Any) -> bool:
    wanted = canonical_text(value)
    return any(canonical_text(item) == wanted for item in _list(array))


_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "States.Format": (1, 1000, _format),
    "States.StringToJson": (1, 1, _string_to_json),
    "States.JsonToString": (1, 1, _json_text),
    "States.Array": (0, 1000, lambda scope, *items: list(items)),
    "States.ArrayPartition": (2, 2, _partition),
    "States.ArrayContains": (2, 2, _contains),
    "States.ArrayRange": (3, 3, _range),
    "States.ArrayGetItem": (2, 2, _get_item),
    "States.ArrayLength": (1, 1, lambda scope, array: len(_list(array))),
    "States.ArrayUnique": (1, 1, _unique),
    "States.Base64Encode": (1, 1, _encode),
    "States.Base64Decode": (1, 1, _decode),
    "States.Hash": (2, 2, _hash),
    "States.JsonMerge": (3, 3, _merge),
    "States.MathRandom": (2, 3, _random),
    "States.MathAdd": (2, 2, lambda scope, one, other: _whole(one, "first") + _whole(other, "second")),
    "States.StringSplit": (2, 2, _split),
    "States.UUID": (0, 0, lambda scope: scope.chance.uuid()),
}
NAMES = tuple(_FUNCTIONS)

# --- parsing ----------------------------------------------------------------------------------------------------------

_CALL = re.compile(r"\s*(States\.[A-Za-z0-9]+)\s*\(")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_CONSTANTS = {"true": True, "false": False, "null": None}


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def parse(self) -> Evaluate:
        evaluate = self._call()
        self._skip()
        if self.at < len(self.text):
            raise DefinitionError("unexpected text after the function call")
        return evaluate

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _call(self) -> Evaluate:
        match = _CALL.match(self.text, self.at)
        if match is None or match.group(1) not in _FUNCTIONS:
            raise DefinitionError("not an intrinsic function")
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise DefinitionError("intrinsic functions may be nested up to 10 deep")
        self.at = match.end()
        arguments = self._arguments(match.group(1) == "States.Format")
        self.depth -= 1
        fewest, most, function = _FUNCTIONS[match.group(1)]
        if not fewest <= len(arguments) <= most:
            raise DefinitionError("wrong number of arguments")
        return lambda scope, input: function(scope, *[argument(scope, input) for argument in arguments])

    def _arguments(self, is_format: bool) -> list[Evaluate]:
        """The first argument of `Format` keeps apart which of its `{}` are escaped."""
        arguments: list[Evaluate] = []
        self._skip()
        if self.text.startswith(")", self.at):
            self.at += 1
            return arguments
        while True:
            quoted = self._quoted if is_format and not arguments else lambda: str(self._quoted())
            arguments.append(self._argument(quoted))
            self._skip()
            if self.at >= len(self.text) or self.text[self.at] not in ",)":
                raise DefinitionError("expected ',' or ')'")
            self.at += 1
            if self.text[self.at - 1] == ")":
                return arguments

    def _argument(self, quoted: Callable[[], str]) -> Evaluate:
        self._skip()
        text, at = self.text, self.at
        if text.startswith("States.", at):
            return self._call()
        if text.startswith("$", at):
            return self._path()
        if text.startswith("'", at):
            return self._literal(quoted())
        if match := _NUMBER.match(text, at):
            self.at = match.end()
            return self._literal(from_text(match.group()))
        for word, constant in _CONSTANTS.items():
            if text.startswith(word, at):
                self.at += len(word)
                return self._literal(constant)
        raise DefinitionError("bad argument")

    @staticmethod
    def _literal(value: Any) -> Evaluate:
        return lambda scope, input: value

    def _quoted(self) -> _Quoted:
        """Text in single quotes."""
        start = self.at + 1
        end = start
        while end < len(self.text) and self.text[end] != "'":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise DefinitionError("a string is not closed")
        self.at = end + 1
        return _Quoted.of(self.text[start:end])

    def _path(self) -> Evaluate:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ",) ":
            if self.text[self.at] == "[":
                self.at = matching_bracket(self.text, self.at + 1)
            elif self.text[self.at] == "(":
                self.at = self.text.find(")", self.at)
            if self.at < 0:
                raise DefinitionError("a parenthesis is not closed")
            self.at += 1
            if self.text.startswith("()", self.at):
                self.at += 2
        reference = compile_reference(self.text[start : self.at])

        def evaluate(scope: Scope, input: Any) -> Any:
            value = reference.find(scope, input)
            if value is MISSING:
                raise StatesError(
                    errors.RUNTIME,
                    f"The JsonPath argument for the field '{reference.text}' could not be found in the input "
                    f"'{describe_input(scope, reference, input)}'",
                )
            return value

        return evaluate


@functools.lru_cache(maxsize=4096)
def compile_intrinsic(text: str) -> Evaluate:
    """Raises `DefinitionError`. What it returns raises `StatesError`."""
    evaluate = _Parser(text).parse()

    def run(scope: Scope, input: Any) -> Any:
        try:
            return evaluate(scope, input)
        except StatesError as error:
            raise StatesError(error.error, f"The function '{text}' had the following error: {error.cause}") from error
        except _Bad as error:
            raise StatesError(
                errors.INTRINSIC_FAILURE, f"The function '{text}' had the following error: {error}"
            ) from error

    return run
