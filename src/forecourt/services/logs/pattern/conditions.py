"""What JSON patterns and field patterns share: tokens, comparisons, and `&&`, `||` and parentheses around them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from forecourt.services.logs.pattern.regex import NotARegex, Regex

_S = TypeVar("_S")
Predicate = Callable[[_S], bool]
# A condition on one value, which may be absent from the message (None).
Test = Callable[[object], bool]

_TOKEN = re.compile(
    r"""\s*(?: (?P<quoted>"(?:[^"\\]|\\.)*")
             | %(?P<regex>[^%]*)%
             | (?P<symbol>&&|\|\||!=|<=|>=|\.\.\.|[=<>(),])
             | (?P<word>(?:\$(?:[^\s=<>!&|(),\[\]"%]|\[[^\]]*\])+ | [^\s=<>!&|(),"%])+) )""",
    re.VERBOSE,
)
MOST_REGEXES = 2


class BadPattern(ValueError):
    """The pattern is not one of the filter pattern language."""


class Token(NamedTuple):
    kind: str  # quoted, regex, symbol, word
    text: str


class Tokens:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def next(self) -> Token:
        token = self.peek()
        if token is None:
            raise BadPattern("the pattern ends too early")
        self._at += 1
        return token

    def take(self, symbol: str) -> bool:
        """Goes past `symbol` if it comes next."""
        if self.peek() != Token("symbol", symbol):
            return False
        self._at += 1
        return True

    def expect(self, symbol: str) -> None:
        if not self.take(symbol):
            raise BadPattern(f"{symbol} expected")

    def take_word(self, *words: str) -> str | None:
        token = self.peek()
        if token is None or token.kind != "word" or token.text.upper() not in words:
            return None
        self._at += 1
        return token.text.upper()


def _tokens(text: str) -> list[Token]:
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadPattern(f"unexpected {text[at:]!r}")
        value = match[match.lastgroup]
        if match.lastgroup == "quoted":
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found.append(Token(match.lastgroup, value))
        at = match.end()
    if sum(token.kind == "regex" for token in found) > MOST_REGEXES:
        raise BadPattern("at most two regular expressions")
    return found


def boolean(tokens: Tokens, one: Callable[[Tokens], Predicate[_S]]) -> Predicate[_S]:
    """`||` of `&&` of what `one` parses, or of parentheses."""
    alternatives = [_all_of(tokens, one)]
    while tokens.take("||"):
        alternatives.append(_all_of(tokens, one))
    if len(alternatives) == 1:
        return alternatives[0]
    return lambda subject: any(alternative(subject) for alternative in alternatives)


def _all_of(tokens: Tokens, one: Callable[[Tokens], Predicate[_S]]) -> Predicate[_S]:
    parts = [_primary(tokens, one)]
    while tokens.take("&&"):
        parts.append(_primary(tokens, one))
    return parts[0] if len(parts) == 1 else lambda subject: all(part(subject) for part in parts)


def _primary(tokens: Tokens, one: Callable[[Tokens], Predicate[_S]]) -> Predicate[_S]:
    if not tokens.take("("):
        return one(tokens)
    inside = boolean(tokens, one)
    tokens.expect(")")
    return inside


def comparison(tokens: Tokens) -> Test:
    """An operator and its operand: a test of one value (a string or a number)."""
    sign = tokens.next().text
    operand = tokens.next()
    if sign in _ORDERED:
        return _ordered(_ORDERED[sign], operand)
    if sign not in ("=", "!="):
        raise BadPattern(f"not an operator: {sign}")
    equal = _equals(operand)
    if sign == "=":
        return equal
    return lambda value: value is not None and not equal(value)


_ORDERED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _ordered(compare: Callable[[float, float], bool], operand: Token) -> Test:
    limit = number(operand.text)
    if limit is None or operand.kind != "word":
        raise BadPattern("only numbers have an order")
    bound = limit

    def test(value: object) -> bool:
        actual = number(value)
        return actual is not None and compare(actual, bound)

    return test


def _equals(operand: Token) -> Test:
    if operand.kind == "symbol":
        raise BadPattern("a value is missing")
    if operand.kind == "regex":
        search = regex(operand.text).search
        return lambda value: value is not None and search(_text(value))
    expected = number(operand.text) if operand.kind == "word" else None
    match = wildcards(operand.text).fullmatch

    def test(value: object) -> bool:
        if value is None:
            return False
        if expected is not None and number(value) == expected:
            return True
        return match(_text(value)) is not None

    return test


def regex(text: str) -> Regex:
    """Raises `BadPattern` for what CloudWatch Logs does not take."""
    try:
        return Regex(text)
    except NotARegex as error:
        raise BadPattern(f"not a supported regular expression: {error}") from None


def wildcards(text: str) -> re.Pattern[str]:
    """`*` stands for any characters. Possessive, so that many of them cost no more than one."""
    first, *others = re.split(r"\*+", text)
    if not others:
        return re.compile(re.escape(first), re.DOTALL)
    # The last piece stands at the end; each before it at its first occurrence, atomically.
    *middle, last = others
    pieces = "".join(f"(?>.*?{re.escape(piece)})" for piece in middle)
    return re.compile(f"{re.escape(first)}{pieces}.*{re.escape(last)}", re.DOTALL)


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _text(value: object) -> str:
    return value if isinstance(value, str) else _number_text(value)


def _number_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
