"""References and expressions: what stands in braces, brackets, parentheses and quotes of a template's text.

One method per construct, each of which begins where the text was read to (`at`) and leaves it behind the construct.
What only looks like a reference is text, which is not known before its end is missed: a place that was found to begin
none is kept, so that a text of such places is read in one pass.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from forecourt.services.apigateway.vtl.nodes import (
    Binary,
    Block,
    Both,
    Call,
    Either,
    Expression,
    Index,
    Interpolated,
    ListOf,
    Literal,
    MapOf,
    Negative,
    Not,
    Property,
    Range,
    Reference,
)
from forecourt.services.apigateway.vtl.state import TemplateError

MAX_NESTING = 50
_MAX_DIGITS = 300
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"\d+(?:\.\d+(?:[eE][+-]?\d+)?)?(?!\.\.)|\d+")
_REFERENCE = re.compile(r"\$(!?)(\{?)")
_NEGATION = re.compile(r"!(?!=)|not\b")
_AFTER_STRING = re.compile(r".\s*(?:[),\]}:]|[=!<>&|+*/%]|and\b|or\b|in\b|$)")
# From the loosest to the tightest; each level is left-associative.
_LEVELS: tuple[tuple[re.Pattern[str], Mapping[str, str]], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\|\||or\b", {"or": "||"}),
        (r"&&|and\b", {"and": "&&"}),
        (r"==|!=|eq\b|ne\b", {"eq": "==", "ne": "!="}),
        (r"<=|>=|<|>|lt\b|gt\b|le\b|ge\b", {"lt": "<", "gt": ">", "le": "<=", "ge": ">="}),
        (r"[+-]", {}),
        (r"[*/%]", {}),
    )
)
_CONSTANTS = {"true": True, "false": False, "null": None}


class Phrases(ABC):
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._nesting = 0
        self._no_references: set[int] = set()

    @abstractmethod
    def template(self, text: str) -> Block:
        """What stands in double quotes is a template of its own. Raises `TemplateError`."""

    # -- references

    def reference(self) -> Reference | None:
        """The reference that starts here, or None, and then nothing was read."""
        start = self.at
        opening = _REFERENCE.match(self.text, start)
        name = _NAME.match(self.text, opening.end()) if opening else None
        if opening is None or name is None or start in self._no_references:
            return None
        self.at = name.end()
        path = self._path()
        alternate = self._alternate() if opening[2] and self.text.startswith("|", self.at) else None
        if opening[2] and not self._take("}"):
            self.at = start
            self._no_references.add(start)
            return None
        return Reference(self.text[start : self.at], name[0], path, bool(opening[1]), alternate)

    def _alternate(self) -> Expression | None:
        """None: a bar in braces that no value follows. It is text, then."""
        start, nesting = self.at, self._nesting
        self.at += 1
        try:
            alternate = self.expression()
        except TemplateError:
            self.at, self._nesting = start, nesting
            return None
        self._space()
        return alternate

    def _path(self) -> tuple[Property | Call | Index, ...]:
        path: list[Property | Call | Index] = []
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                self.at += 1
                path.append(Index(self.expression()))
                self._space()
                self._expect("]")
                continue
            name = _NAME.match(self.text, self.at + 1) if self.text[self.at] == "." else None
            if name is None:
                break
            self.at = name.end()
            if self.text.startswith("(", self.at):
                self.at += 1
                path.append(Call(name[0], self._arguments(")")))
            else:
                path.append(Property(name[0]))
        return tuple(path)

    def _arguments(self, closing: str, commas_needed: bool = True) -> tuple[Expression, ...]:
        arguments: list[Expression] = []
        self._space()
        while not self._take(closing):
            if arguments and not self._take(",") and commas_needed:
                raise TemplateError(f"a comma or {closing} is missing")
            arguments.append(self.expression() if commas_needed else self._primary())
            self._space()
        return tuple(arguments)

    # -- expressions

    def expression(self, level: int = 0) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        if level == 0:
            self._nesting += 1
            if self._nesting > MAX_NESTING:
                raise RecursionError  # which no alternate value takes for the end of a reference
        pattern, words = _LEVELS[level]
        left = self.expression(level + 1)
        while True:
            self._space()
            found = pattern.match(self.text, self.at)
            if found is None:
                break
            self.at = found.end()
            left = _binary(words.get(found[0], found[0]), left, self.expression(level + 1))
        if level == 0:
            self._nesting -= 1
        return left

    def _unary(self) -> Expression:
        self._space()
        if found := _NEGATION.match(self.text, self.at):
            self.at = found.end()
            return Not(self._unary())
        if self.text.startswith("-", self.at):
            self.at += 1
            return Negative(self._unary())
        return self._primary()

    def _primary(self) -> Expression:
        self._space()
        char = self.text[self.at : self.at + 1]
        reader = _PRIMARIES.get(char)
        if reader is not None:
            return reader(self)
        if number := _NUMBER.match(self.text, self.at):
            if len(number[0]) > _MAX_DIGITS:
                raise TemplateError("a number is too long")
            self.at = number.end()
            return Literal(float(number[0]) if "." in number[0] else int(number[0]))
        word = _NAME.match(self.text, self.at)
        if word is not None and word[0] in _CONSTANTS:
            self.at = word.end()
            return Literal(_CONSTANTS[word[0]])
        raise TemplateError(f"an expression is expected, not {char!r}")

    def _reference_expression(self) -> Expression:
        reference = self.reference()
        if reference is None:
            raise TemplateError("not a reference")
        return reference

    def _parenthesis(self) -> Expression:
        self.at += 1
        inner = self.expression()
        self._space()
        self._expect(")")
        return inner

    def _list_or_range(self) -> Expression:
        self.at += 1
        self._space()
        if self._take("]"):
            return ListOf(())
        first = self.expression()
        self._space()
        if self._take(".."):
            last = self.expression()
            self._space()
            self._expect("]")
            return Range(first, last)
        if self._take("]"):
            return ListOf((first,))
        self._expect(",")
        return ListOf((first, *self._arguments("]")))

    def _map(self) -> Expression:
        self.at += 1
        items: list[tuple[Expression, Expression]] = []
        self._space()
        while not self._take("}"):
            if items:
                self._expect(",")
            key = self.expression()
            self._space()
            self._expect(":")
            items.append((key, self.expression()))
            self._space()
        return MapOf(tuple(items))

    def _single_quoted(self) -> Expression:
        return Literal(self._quoted("'"))

    def _double_quoted(self) -> Expression:
        content = self._quoted('"')
        if "$" not in content and "#" not in content:
            return Literal(content)
        return Interpolated(self.template(content))

    def _quoted(self, quote: str) -> str:
        """A doubled quote stands for one. A backslash is no escape, save that of the quote itself."""
        start = self.at + 1
        end = start
        while True:
            end = self.text.find(quote, end)
            if end < 0:
                raise TemplateError(f"{quote} is missing")
            if self.text.startswith(quote, end + 1) and not self._ends_string(end + 1):
                end += 2
            elif self.text[end - 1] == "\\" and end > start and not self._ends_string(end):
                end += 1
            else:
                break
        self.at = end + 1
        return self.text[start:end].replace(quote * 2, quote).replace("\\" + quote, quote)

    def _ends_string(self, at: int) -> bool:
        """Is the quote at `at` followed by what follows a string?"""
        return _AFTER_STRING.match(self.text, at) is not None

    # -- small things

    def _space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def _expect(self, token: str) -> None:
        self._space()
        if not self._take(token):
            raise TemplateError(f"{token!r} is expected")

    def _name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise TemplateError("a name is expected")
        self.at = found.end()
        return found[0]


_PRIMARIES: Mapping[str, Callable[[Phrases], Expression]] = {
    "$": Phrases._reference_expression,
    "(": Phrases._parenthesis,
    "[": Phrases._list_or_range,
    "{": Phrases._map,
    "'": Phrases._single_quoted,
    '"': Phrases._double_quoted,
}


def _binary(symbol: str, left: Expression, right: Expression) -> Expression:
    if symbol == "||":
        return Either(left, right)
    if symbol == "&&":
        return Both(left, right)
    return Binary(symbol, left, right)
