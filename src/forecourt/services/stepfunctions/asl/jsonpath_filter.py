"""The filters of JSONPath, `[?(@.price < 10 && @.tags contains 'new')]`: parsed once into closures.

Grammar: `or := and ('||' and)*`, `and := unary ('&&' unary)*`, `unary := '!' unary | '(' or ')' | comparison`,
`comparison := operand (operator operand)?`. A lone path tests whether it exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.jsonpath import MISSING, compile_path, matching_bracket, read_quoted
from forecourt.services.stepfunctions.asl.regex import TooComplex, compile_pattern

Test = Callable[[Any, Any], bool]  # (item, root) -> bool
Operand = Callable[[Any, Any], Any]

_MOST_DEPTH = 32
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_PATTERN = re.compile(r"/(?P<pattern>(?:[^/\\]|\\.)+)/(?P<flag>i?)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LITERALS = {"true": True, "false": False, "null": None}


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Compares numbers with numbers and strings with strings; anything else is false."""

    def test(left: Any, right: Any) -> bool:
        for kinds in ((int, float), (str,)):
            if type(left) in kinds and type(right) in kinds:
                return compare(left, right)
        return False

    return test


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (list, str, dict)) else -1


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return isinstance(left, list) and any(_equal(item, right) for item in left)


def _within(left: Any, right: Any) -> bool:
    return isinstance(right, list) and any(_equal(left, item) for item in right)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "===": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _within,
    "nin": lambda left, right: not _within(left, right),
    "contains": _contains,
    "size": lambda left, right: _size(left) == (right if type(right) is int else _size(right)),
    "empty": lambda left, right: (_size(left) == 0) == (right is True),
    "subsetof": lambda left, right: isinstance(left, list) and all(_within(item, right) for item in left),
    "anyof": lambda left, right: isinstance(left, list) and any(_within(item, right) for item in left),
    "noneof": lambda left, right: isinstance(left, list) and not any(_within(item, right) for item in left),
}
_SYMBOLS = sorted((name for name in OPERATORS if not name.isalpha()), key=len, reverse=True)


class _FilterParser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def parse(self) -> Test:
        test = self._or()
        self._skip()
        if self.at < len(self.text):
            raise DefinitionError(f"Unexpected text in a filter at position {self.at}")
        return test

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _accept(self, token: str) -> bool:
        self._skip()
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def _or(self) -> Test:
        tests = [self._and()]
        while self._accept("||"):
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda item, root: any(test(item, root) for test in tests)

    def _and(self) -> Test:
        tests = [self._unary()]
        while self._accept("&&"):
            tests.append(self._unary())
        return tests[0] if len(tests) == 1 else lambda item, root: all(test(item, root) for test in tests)

    def _unary(self) -> Test:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise DefinitionError("The filter is nested too deeply")
        try:
            self._skip()
            if self.text.startswith("!", self.at) and not self.text.startswith("!=", self.at):
                self.at += 1
                test = self._unary()
                return lambda item, root: not test(item, root)
            if self._accept("("):
                inner = self._or()
                if not self._accept(")"):
                    raise DefinitionError("A parenthesis of a filter is not closed")
                return inner
            return self._comparison()
        finally:
            self.depth -= 1

    def _comparison(self) -> Test:
        left = self._operand()
        self._skip()
        if self._accept("=~"):
            return self._regex(left)
        operator = self._operator()
        if operator is None:
            return lambda item, root: left(item, root) is not MISSING
        compare, right = OPERATORS[operator], self._operand()
        negative = operator in ("!=", "nin")

        def test(item: Any, root: Any) -> bool:
            one, other = left(item, root), right(item, root)
            if one is MISSING or other is MISSING:
                return negative
            return compare(one, other)

        return test

    def _operator(self) -> str | None:
        for symbol in _SYMBOLS:
            if self._accept(symbol):
                return symbol
        match = _WORD.match(self.text, self.at)
        if match and match.group().lower() in OPERATORS:
            self.at = match.end()
            return match.group().lower()
        return None

    def _regex(self, left: Operand) -> Test:
        self._skip()
        written = _PATTERN.match(self.text, self.at)
        if written is None:
            raise DefinitionError("A regular expression of a filter must be written as /.../")
        self.at = written.end()
        try:
            expression = compile_pattern(written["pattern"], ignore_case=bool(written["flag"]))
        except (re.error, TooComplex) as error:
            raise DefinitionError(f"Bad regular expression in a filter: {error}") from error

        def test(item: Any, root: Any) -> bool:
            value = left(item, root)
            try:
                return isinstance(value, str) and expression.fullmatch(value) is not None
            except TooComplex as error:
                raise StatesError(errors.RUNTIME, str(error)) from error

        return test

    def _operand(self) -> Operand:
        self._skip()
        text, at = self.text, self.at
        if at >= len(text):
            raise DefinitionError("A filter ends where a value is expected")
        if text[at] in "@$":
            return self._path()
        if text[at] in "'\"":
            literal, self.at = read_quoted(text, at)
            return lambda item, root: literal
        if text[at] == "[":
            end = matching_bracket(text, at + 1)
            values = [_FilterParser(part)._operand()(None, None) for part in _split_list(text[at + 1 : end])]
            self.at = end + 1
            return lambda item, root: values
        if match := _NUMBER.match(text, at):
            self.at = match.end()
            number: float = float(match.group()) if match.group(1) or match.group(2) else int(match.group())
            return lambda item, root: number
        if match := _WORD.match(text, at):
            self.at = match.end()
            # A bare word is a string: `[?(@.Name==Receipt)]`
            constant = _LITERALS.get(match.group(), match.group())
            return lambda item, root: constant
        raise DefinitionError(f"Expected a value in a filter at position {at}")

    def _path(self) -> Operand:
        start = self.at
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "[":
                self.at = matching_bracket(self.text, self.at + 1) + 1
            elif character.isspace() or character in "=!<>&|),~":
                break
            elif character == "(":
                end = self.text.find(")", self.at)
                if end < 0:
                    raise DefinitionError("A parenthesis of a filter is not closed")
                self.at = end + 1
            else:
                self.at += 1
        path = compile_path("$" + self.text[start + 1 : self.at])
        if self.text[start] == "@":
            return lambda item, root: path.find(item)
        return lambda item, root: path.find(root)


def _split_list(text: str) -> list[str]:
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] in "'\"":
            _, at = read_quoted(text, at)
        elif text[at] == ",":
            parts.append(text[start:at])
            start = at = at + 1
        else:
            at += 1
    return [part for part in [*parts, text[start:]] if part.strip()]


def parse_filter(text: str) -> Test:
    """Raises `DefinitionError`."""
    return _FilterParser(text).parse()
