"""JSON values between states, kept as text, as value, or as both, whichever was asked for.

A chain of states that only pass their input along never decodes it. Values are shared and must not be changed.
The limits and the compact form (`{"a":1}`) are Step Functions'.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

# 256 KiB of UTF-8: the quota on the input or output of a task, state or execution.
MAX_BYTES = 262_144
# What an expression may come to on its way, which the quota does not tell: nothing near it can be a result.
MOST_INTERMEDIATE = 4 * 1024 * 1024

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_UNSET = object()


def to_text(value: Any) -> str:
    """The JSON text of `value`, without white space."""
    try:
        return _encode(value).decode()
    except (OverflowError, TypeError, ValueError):
        # integers of more than 64 bits
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def canonical_text(value: Any) -> str:
    """The same text for all objects with the same members, in whatever order."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def measure(value: Any) -> int:
    """About how long the JSON text of `value` is. What it holds several times is counted so, and looked at once:
    a little definition can ask for a text of gigabytes."""
    known: dict[int, int] = {}

    def of(node: Any) -> int:
        if isinstance(node, str):
            return len(node) + 2
        if not isinstance(node, (dict, list)):
            return 4
        size = known.get(id(node))
        if size is None:
            size = 2 + (
                sum(len(str(key)) + 4 + of(item) for key, item in node.items())
                if isinstance(node, dict)
                else sum(1 + of(item) for item in node)
            )
            known[id(node)] = size
        return size

    try:
        return of(value)
    except RecursionError:
        return MOST_INTERMEDIATE + 1


def from_text(text: str | bytes) -> Any:
    """Raises `ValueError` where the text is not JSON."""
    try:
        return _decode(text)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


class Data:
    """One JSON value."""

    __slots__ = ("_size", "_text", "_value")

    def __init__(self, value: Any = _UNSET, text: str | None = None) -> None:
        self._value = value
        self._text = text
        self._size = -1

    @classmethod
    def of_text(cls, text: str) -> Data:
        return cls(text=text)

    @property
    def value(self) -> Any:
        if self._value is _UNSET:
            self._value = from_text(self._text or "")
        return self._value

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = to_text(self._value)
        return self._text

    @property
    def size(self) -> int:
        """Bytes of the text in UTF-8."""
        if self._size < 0:
            text = self.text
            self._size = len(text) if text.isascii() else len(text.encode())
        return self._size

    @property
    def too_large(self) -> bool:
        return self.size > MAX_BYTES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Data({self.text})"


EMPTY_OBJECT = Data({}, "{}")
NULL = Data(None, "null")
