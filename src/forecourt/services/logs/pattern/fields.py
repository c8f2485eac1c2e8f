"""Fields between spaces: `[ip, user, ..., status = 4* && status != 404, bytes > 1000]`.

A message's fields are its words; text in double quotes or square brackets is one field. The pattern names each field,
in order, with conditions on some; `...` stands for any number of them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from forecourt.services.logs.pattern.conditions import BadPattern, Predicate, Tokens, boolean, comparison

_FIELD = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)')


class Field(NamedTuple):
    name: str
    test: Predicate[str] | None


class Fields:
    def __init__(self, before: list[Field], after: list[Field] | None) -> None:
        """`after` is what follows `...`; None where there is none and the number of fields is fixed."""
        self._before = before
        self._after = after

    def matches(self, message: str) -> bool:
        pairs = self._paired(message)
        return pairs is not None and all(field.test is None or field.test(value) for _, field, value in pairs)

    def extract(self, message: str) -> dict[str, str]:
        return {f"${field.name or number}": value for number, field, value in self._paired(message) or ()}

    def _paired(self, message: str) -> list[tuple[int, Field, str]] | None:
        values = split(message)
        before, after = self._before, self._after or []
        if len(values) < len(before) + len(after) or (self._after is None and len(values) != len(before)):
            return None
        start = len(values) - len(after)
        named = [*zip(range(len(before)), before, strict=False)]
        named += zip(range(start, len(values)), after, strict=True)
        return [(at + 1, field, values[at]) for at, field in named]


def split(message: str) -> list[str]:
    """The fields of a message."""
    return [quoted or bracketed or word for quoted, bracketed, word in _FIELD.findall(message)]


def parse(text: str) -> Fields:
    if not text.endswith("]"):
        raise BadPattern("] expected")
    tokens = Tokens(text[1:-1])
    before: list[Field] = []
    after: list[Field] | None = None
    while True:
        if tokens.take("..."):
            if after is not None:
                raise BadPattern("... stands once at most")
            after = []
        else:
            (before if after is None else after).append(_field(tokens))
        if tokens.peek() is None:
            return Fields(before, after)
        tokens.expect(",")


def _field(tokens: Tokens) -> Field:
    following = tokens.peek()
    if following is None or (following.kind == "symbol" and following.text == ","):
        return Field("", None)  # a field without a name
    names: set[str] = set()

    def condition(tokens: Tokens) -> Predicate[str]:
        names.add(_name(tokens))
        sign = tokens.peek()
        if sign is None or sign.text in (",", "&&", "||", ")"):
            return lambda value: True
        return comparison(tokens)

    test = boolean(tokens, condition)
    if len(names) > 1:
        raise BadPattern(f"one field can't have the names {sorted(names)}")
    return Field(names.pop(), test)


def _name(tokens: Tokens) -> str:
    token = tokens.next()
    if token.kind != "word":
        raise BadPattern(f"not a field's name: {token.text}")
    return token.text
