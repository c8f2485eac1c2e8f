"""PartiQL statements as far as permissions go: the verb, the tables, and the values that the partition key is compared
with.

A statement is read token by token, so that what stands in a text or between quotes is never taken for a table or a
condition. What is not understood (a comment, an unknown verb) gives no reading: such a statement cannot be granted.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_ACTIONS = {
    "select": "PartiQLSelect",
    "exists": "PartiQLSelect",
    "insert": "PartiQLInsert",
    "update": "PartiQLUpdate",
    "delete": "PartiQLDelete",
}
_WORDS = frozenset({
    "select", "exists", "insert", "update", "delete", "from", "into", "where", "and", "or", "not", "in", "is",
    "between", "value", "set", "remove", "returning", "all", "modified", "old", "new", "order", "by", "asc", "desc",
    "null", "missing", "true", "false", "limit",
})  # fmt: skip
_BEFORE_TABLE = ("from", "into", "update", "join")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>[A-Za-z_][\w\-]*)|(?P<sign><>|!=|<=|>=|<<|>>|\|\||[-+*/%=<>(),.?;:\[\]{}]))"""
)
_OPENING, _CLOSING = ("{", "[", "(", "<<"), ("}", "]", ")", ">>")
_COMMENT = re.compile(r"--|/\*")


class Token(NamedTuple):
    """`kind` is the group of `_TOKEN`; `value` without its quotes. Of a parameter, its index."""

    kind: str
    value: str
    parameter: int = -1

    def says(self, word: str) -> bool:
        return self.kind == "word" and self.value.lower() == word


class Statement(NamedTuple):
    action: str
    # each with its index or ""
    tables: tuple[tuple[str, str], ...]
    tokens: tuple[Token, ...]


def read(text: str) -> Statement | None:
    """None where it cannot be told what the statement does to which table."""
    tokens = _tokens(text)
    action = _ACTIONS.get(tokens[0].value.lower()) if tokens and tokens[0].kind == "word" else None
    tables = _tables(tokens)
    return Statement(action, tables, tokens) if action is not None and tables else None


def _tokens(text: str) -> tuple[Token, ...]:
    """None of them where one of them is unknown."""
    found: list[Token] = []
    at, parameters = 0, 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or _COMMENT.match(text, match.start(match.lastgroup or 0)):
            return ()
        kind = match.lastgroup or ""
        value = match[kind]
        if kind in ("text", "quoted"):
            value = value[1:-1].replace(value[0] * 2, value[0])
        if value == "?" and kind == "sign":
            found.append(Token("parameter", value, parameters))
            parameters += 1
        else:
            found.append(Token(kind, value))
        at = match.end()
    return tuple(found)


def _tables(tokens: Sequence[Token]) -> tuple[tuple[str, str], ...]:
    found = []
    for before, name, *rest in _windows(tokens, 4):
        if before.kind != "word" or before.value.lower() not in _BEFORE_TABLE:
            continue
        if name.kind not in ("word", "quoted"):
            return ()
        indexed = len(rest) == 2 and rest[0] == Token("sign", ".") and rest[1].kind in ("word", "quoted")
        found.append((name.value, rest[1].value if indexed else ""))
    return tuple(dict.fromkeys(found))


def _windows(tokens: Sequence[Token], size: int) -> list[Sequence[Token]]:
    return [tokens[at : at + size] for at in range(len(tokens) - 1)]


def attributes(statement: Statement) -> set[str]:
    """The top-level attributes that a statement names."""
    tables = {part for table in statement.tables for part in table}
    found = set()
    for before, token, after in zip(
        ("", *statement.tokens), statement.tokens, (*statement.tokens[1:], ""), strict=False
    ):
        if token.kind == "text" and statement.action == "PartiQLInsert" and after == Token("sign", ":"):
            found.add(token.value)
        if token.kind == "word" and (token.value.lower() in _WORDS or after == Token("sign", "(")):
            continue
        if token.kind in ("word", "quoted") and token.value not in tables and before != Token("sign", "."):
            found.add(token.value)
    return found


def selects_all(statement: Statement) -> bool:
    return any(token == Token("sign", "*") for token in statement.tokens[1:2])


def key_values(statement: Statement, partition_key: str, parameters: Sequence[Any]) -> list[Any]:
    """The values that the partition key is equated with, as DynamoDB's attribute values; empty where rows are not told
    by it."""
    tokens = statement.tokens
    if any(token.says(word) for token in tokens for word in ("or", "not")):
        return []
    comparing = ":" if statement.action == "PartiQLInsert" else "="
    named = [at for at, token in enumerate(tokens) if token.kind in ("word", "quoted", "text")]
    found: list[Any] = []
    for at in named:
        name, follows = tokens[at], tokens[at + 1 : at + 2]
        if name.value != partition_key or not follows or (name.kind == "text") is not (comparing == ":"):
            continue
        if not _in_condition(tokens, at, statement.action):
            continue
        if follows[0] == Token("sign", comparing):
            found.append([_value(token, parameters) for token in tokens[at + 2 : at + 3]])
        elif follows[0].says("in"):
            found.append(_listed(tokens[at + 2 :], parameters))
    return found[0] if len(found) == 1 and all(value is not None for value in found[0]) else []


def _in_condition(tokens: Sequence[Token], at: int, action: str) -> bool:
    """After WHERE (`SET pk = …` tells no row); of an INSERT, anywhere in the value's outermost braces."""
    if action == "PartiQLInsert":
        signs = [token.value for token in tokens[:at] if token.kind == "sign"]
        opened = sum(sign in _OPENING for sign in signs) - sum(sign in _CLOSING for sign in signs)
        return opened == 1 and next(sign for sign in signs if sign in _OPENING) == "{"
    return any(token.says("where") for token in tokens[:at])


def _listed(tokens: Sequence[Token], parameters: Sequence[Any]) -> list[Any]:
    values: list[Any] = []
    for token in tokens[1:]:
        if token.kind == "sign" and token.value in "])":
            return values
        if token != Token("sign", ","):
            values.append(_value(token, parameters))
    return []


def _value(token: Token, parameters: Sequence[Any]) -> Any:
    if token.kind == "parameter":
        return parameters[token.parameter] if token.parameter < len(parameters) else None
    if token.kind == "text":
        return {"S": token.value}
    return {"N": token.value} if token.kind == "number" else None
