"""Expressions: `strlen(@message) > 100 and (status in [500, 502] or not path like /health/)`. Pure.

An expression compiles to a function of a row. Ever more tightly bind: or, and, not, comparisons, + -, * / %, ^, a sign.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

import regex  # type: ignore[import-untyped]

from forecourt.base.repetition import repeats_too_much
from forecourt.services.logs.insights import periods
from forecourt.services.logs.insights.aggregates import KINDS
from forecourt.services.logs.insights.functions import FUNCTIONS
from forecourt.services.logs.insights.rows import Row
from forecourt.services.logs.insights.tokens import MalformedQuery, Token, Tokens
from forecourt.services.logs.insights.values import Value, equal, is_true, number, order, shown

Expression = Callable[[Row], Value]
Calculation = Callable[[float, float], float]

# A pattern that takes longer on one message has not matched it.
_REGEX_SECONDS = 0.1
_MOST_DEEP = 50


class Pattern:
    """A regular expression that ends in time, and lets the process go on meanwhile."""

    def __init__(self, token: Token) -> None:
        if repeats_too_much(token.text):
            raise MalformedQuery("a regular expression repeats too much", token.start, token.end)
        try:
            self._pattern = regex.compile(token.text)
        except (regex.error, RecursionError):
            raise MalformedQuery(f"invalid regular expression {token.text}", token.start, token.end) from None
        self.names: list[str] = list(self._pattern.groupindex)
        self.groups: int = self._pattern.groups

    def search(self, text: str) -> regex.Match[str] | None:
        try:
            return self._pattern.search(text, timeout=_REGEX_SECONDS, concurrent=True)
        except TimeoutError:
            return None


def parse(tokens: Tokens, aggregate: Callable[[Token], Expression] | None = None) -> Expression:
    """`aggregate` reads on behind the name of an aggregate function. Raises `MalformedQuery`."""
    return _Parser(tokens, aggregate).either()


def field(name: str) -> Expression:
    return lambda row: row.get(name)


def field_name(token: Token) -> str:
    """`items[0].id` is what is discovered as `items.0.id`."""
    return token.text if token.kind == "field" else token.text.replace("[", ".").replace("]", "")


class _Parser:
    def __init__(self, tokens: Tokens, aggregate: Callable[[Token], Expression] | None) -> None:
        self._tokens = tokens
        self._aggregate = aggregate or self._column
        self._depth = 0

    def either(self) -> Expression:
        tests = [self._both()]
        while self._tokens.take("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda row: any(is_true(test(row)) for test in tests)

    def _both(self) -> Expression:
        tests = [self._not()]
        while self._tokens.take("and"):
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda row: all(is_true(test(row)) for test in tests)

    def _not(self) -> Expression:
        negated = False
        while self._tokens.take("not"):
            negated = not negated
        test = self._comparison()
        return (lambda row: not is_true(test(row))) if negated else test

    def _comparison(self) -> Expression:
        left = self._binary(0)
        sign = self._tokens.take(*_COMPARISONS)
        if sign is not None:
            return _compared(_COMPARISONS[sign.text], left, self._binary(0))
        if self._tokens.peek().text == "=~":
            self._tokens.next()
            return self._like(left)
        negated = self._tokens.take("not") is not None
        if self._tokens.take("like"):
            test = self._like(left)
        elif self._tokens.take("in"):
            test = self._in(left)
        elif negated:
            self._tokens.fail(self._tokens.peek())
        else:
            return left
        return (lambda row: not test(row)) if negated else test

    def _like(self, left: Expression) -> Expression:
        written = self._tokens.take_regex()
        if written is not None:
            pattern = Pattern(written)
            return lambda row: (value := left(row)) is not None and pattern.search(shown(value)) is not None
        right = self._binary(0)
        return lambda row: (value := left(row)) is not None and shown(right(row)) in shown(value)

    def _in(self, left: Expression) -> Expression:
        self._tokens.expect("[")
        among = self._list("]")
        return lambda row: any(equal(left(row), one(row)) for one in among)

    def _list(self, end: str) -> list[Expression]:
        found: list[Expression] = []
        while not self._tokens.take(end):
            if found:
                self._tokens.expect(",")
            found.append(self.either())
        return found

    def _binary(self, level: int) -> Expression:
        if level == len(_ARITHMETIC):
            return self._signed()
        first, rest = self._binary(level + 1), []
        while sign := self._tokens.take(*_ARITHMETIC[level]):
            rest.append((_ARITHMETIC[level][sign.text], self._binary(level + 1)))
        return _computed(first, rest) if rest else first

    def _signed(self) -> Expression:
        negative = False
        while self._tokens.take("-"):
            negative = not negative
        value = self._primary()
        return _computed(_constant(0), [(operator.sub, value)]) if negative else value

    def _primary(self) -> Expression:
        if opening := self._tokens.take("("):
            inner = self._inside(opening, self.either)
            self._tokens.expect(")")
            return inner
        token = self._tokens.expect_kind(*_PRIMARIES)
        if token.kind == "name" and self._tokens.take("("):
            return self._inside(token, lambda: self._call(token))
        return _PRIMARIES[token.kind](token)

    def _inside(self, token: Token, read: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > _MOST_DEEP:
            raise MalformedQuery("the query is nested too deeply", token.start, token.end)
        expression = read()
        self._depth -= 1
        return expression

    def _call(self, name: Token) -> Expression:
        lowered = name.text.lower()
        if lowered in _ROUNDINGS:
            return self._rounding(lowered)
        if lowered == "now":
            self._tokens.expect(")")
            return _constant(int(self._tokens.began_at))
        if lowered in KINDS:
            return self._aggregate(name)
        function = FUNCTIONS.get(lowered)
        if function is None:
            raise MalformedQuery(f"unknown function {name.text}", name.start, name.end)
        arguments = self._list(")")
        if not function.least <= len(arguments) <= (function.most or len(arguments)):
            raise MalformedQuery(f"invalid number of arguments for {name.text}", name.start, name.end)
        call = function.call
        return lambda row: call(*[argument(row) for argument in arguments])

    def _column(self, name: Token) -> Expression:
        """What `stats` has computed, by how it was written there: `sort count(*) desc`."""
        self._tokens.take("*")
        self._list(")")
        return field(self._tokens.since(name.start))

    def _rounding(self, name: str) -> Expression:
        """`bin(5m)`, `datefloor(@timestamp, 1h)`."""
        of: Expression = field("@timestamp")
        if name != "bin":
            of = self.either()
            self._tokens.expect(",")
        token = self._tokens.expect_kind("period")
        rounded = _ROUNDINGS[name](token.text)
        self._tokens.expect(")")
        return lambda row: rounded(of(row))


def _compared(test: Callable[[Value, Value], bool], left: Expression, right: Expression) -> Expression:
    return lambda row: test(left(row), right(row))


def _computed(first: Expression, rest: Sequence[tuple[Calculation, Expression]]) -> Expression:
    """From left to right."""

    def compute(row: Row) -> Value:
        result = number(first(row))
        for calculate, of in rest:
            operand = number(of(row))
            if result is None or operand is None:
                return None
            try:
                result = calculate(result, operand)
            except (ZeroDivisionError, OverflowError, ValueError):
                return None
        return number(result)

    return compute


def _ordered(test: Callable[[int, int], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: (found := order(left, right)) is not None and test(found, 0)


_COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "=": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}
_ARITHMETIC: tuple[Mapping[str, Calculation], ...] = (
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv, "%": operator.mod},
    {"^": math.pow},
)
_ROUNDINGS: Mapping[str, Callable[[str], periods.Round]] = {
    "bin": periods.floor_to,
    "datefloor": periods.floor_to,
    "dateceil": periods.ceil_to,
}


def _constant(value: Value) -> Expression:
    return lambda row: value


def _named(token: Token) -> Expression:
    known = {"true": 1, "false": 0}.get(token.text.lower())
    return field(field_name(token)) if known is None else _constant(known)


_PRIMARIES: Mapping[str, Callable[[Token], Expression]] = {
    "number": lambda token: _constant(float(token.text) if not token.text.isdecimal() else int(token.text)),
    "string": lambda token: _constant(token.text),
    "field": lambda token: field(token.text),
    "name": _named,
}
