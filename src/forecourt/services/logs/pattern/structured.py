"""JSON: `{ $.status = 404 && ($.user.name = "a*" || $.tags[0] NOT EXISTS) }`.

Operators: `=`, `!=`, `<`, `<=`, `>`, `>=`, `IS NULL`, `IS TRUE`, `IS FALSE`, `NOT EXISTS`. A text may hold `*`. A
message that is not a JSON object or array matches nothing; a property that is not there matches only `NOT EXISTS`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from forecourt.services.logs.pattern.conditions import BadPattern, Predicate, Test, Tokens, boolean, comparison

_SELECTOR = re.compile(r"\$(?:\.?\[(?:'[^']*'|\"[^\"]*\"|\d+|\*)\]|\.[^.\[\]]+)+")
_STEP = re.compile(r"\[(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<index>\d+|\*))\]|\.(?P<name>[^.\[\]]+)")

_MISSING = object()
_EVERY = "*"
Path = tuple[str | int, ...]


class Structured:
    def __init__(self, test: Predicate[Any], selectors: dict[str, Path]) -> None:
        self._test = test
        self._selectors = selectors

    def matches(self, message: str) -> bool:
        document = _document(message)
        return document is not None and self._test(document)

    def extract(self, message: str) -> dict[str, str]:
        document = _document(message)
        found = {selector: _values(document, path) for selector, path in self._selectors.items()}
        return {selector: _shown(values[0]) for selector, values in found.items() if values}


def parse(text: str) -> Structured:
    if not text.endswith("}"):
        raise BadPattern("} expected")
    tokens = Tokens(text[1:-1])
    selectors: dict[str, Path] = {}

    def condition(tokens: Tokens) -> Predicate[Any]:
        selector = tokens.next()
        if selector.kind != "word" or not _SELECTOR.fullmatch(selector.text):
            raise BadPattern(f"not a property selector: {selector.text}")
        path = selectors[selector.text] = _path(selector.text)
        return _condition(tokens, path)

    test = boolean(tokens, condition)
    if tokens.peek() is not None:
        raise BadPattern("unexpected text at the end")
    return Structured(test, selectors)


def _condition(tokens: Tokens, path: Path) -> Predicate[Any]:
    if tokens.take_word("NOT"):
        if not tokens.take_word("EXISTS"):
            raise BadPattern("EXISTS expected")
        return lambda document: not _values(document, path)
    if tokens.take_word("EXISTS"):
        return lambda document: bool(_values(document, path))
    if tokens.take_word("IS"):
        wanted = tokens.take_word("NULL", "TRUE", "FALSE")
        if wanted is None:
            raise BadPattern("NULL, TRUE or FALSE expected")
        constant = {"NULL": None, "TRUE": True, "FALSE": False}[wanted]
        return lambda document: any(value is constant for value in _values(document, path))
    test = comparison(tokens)
    return lambda document: any(_compared(test, value) for value in _values(document, path))


def _compared(test: Test, value: object) -> bool:
    if isinstance(value, bool):
        return test("true" if value else "false")
    return isinstance(value, str | int | float) and test(value)


def _path(selector: str) -> Path:
    path: list[str | int] = []
    for step in _STEP.finditer(selector.replace(".[", "[")):
        index = step["index"]
        if index is not None:
            path.append(_EVERY if index == "*" else int(index))
        else:
            path.append(f".{step['name'] or step['single'] or step['double'] or ''}")
    return tuple(path)


def _values(document: object, path: Path) -> list[object]:
    """Everything that `path` leads to. Names begin with a dot, so that `*` is not one."""
    values = [document]
    for step in path:
        values = [found for value in values for found in _step(value, step)]
    return values


def _step(value: object, step: str | int) -> list[object]:
    if isinstance(step, int):
        return [value[step]] if isinstance(value, list) and step < len(value) else []
    if step == _EVERY:
        return value if isinstance(value, list) else []
    found = value.get(step[1:], _MISSING) if isinstance(value, dict) else _MISSING
    return [] if found is _MISSING else [found]


def _document(message: str) -> object:
    if message.lstrip()[:1] not in ("{", "["):
        return None
    try:
        document: object = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return None
    return document


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
