"""JSON from strangers: bounded in depth, and wrong JSON explained in the words of AWS's parser (Jackson)."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from forecourt.services.stepfunctions.asl.data import from_text

_TOKENS = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_WORD = re.compile(r"[A-Za-z0-9_$]+")


class JsonFault(NamedTuple):
    message: str
    line: int
    column: int


class BadJson(ValueError):
    def __init__(self, fault: JsonFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def parse_json(text: str) -> Any:
    """Raises `BadJson`."""
    try:
        return from_text(text)
    except ValueError:
        raise BadJson(_explain(text)) from None


def _explain(text: str) -> JsonFault:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _fault(text, error)
    except RecursionError:
        return JsonFault("Document nesting depth exceeds the maximum allowed", 1, 1)
    # Python reads it: numbers out of range, half surrogate pairs, depths in between
    return JsonFault("A value is out of range, not valid Unicode, or nested too deeply", 1, 1)


def _fault(text: str, error: json.JSONDecodeError) -> JsonFault:
    if error.pos >= len(text):
        return JsonFault("Unexpected end-of-input", error.lineno, error.colno)
    character = text[error.pos]
    word = _WORD.match(text, error.pos)
    if word and not error.msg.startswith("Expecting property name"):
        message = f"Unrecognized token '{word.group()}': was expecting {_TOKENS}"
        return JsonFault(message, error.lineno, error.colno + len(word.group()))
    return JsonFault(
        f"Unexpected character ('{character}' (code {ord(character)})): {_expected(error.msg)}",
        error.lineno,
        error.colno + 1,
    )


def _expected(message: str) -> str:
    for start, words in _EXPECTATIONS.items():
        if message.startswith(start):
            return words
    return f"expected a valid value {_TOKENS}"


_EXPECTATIONS = {
    "Expecting property name": "was expecting double-quote to start field name",
    "Expecting ':'": "was expecting a colon to separate field name and value",
    "Expecting ','": "was expecting comma to separate Object entries",
    "Extra data": "Expected space separating root-level values",
}
