"""Where a policy's statements stand in its text, as the policy simulator tells it. Pure.

AWS's positions are those of its parser after it has read what opens a statement and what closes it: a statement of a
list begins behind the bracket or the statement before it, a single one behind its brace.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_Position.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

Position = dict[str, int]
_DECODER = json.JSONDecoder(strict=False)
_BLANK = re.compile(r"[\s,:]*")


def positions(document: str) -> list[tuple[Position, Position]]:
    """Start and end of each statement; nothing where the document is not a policy's text."""
    try:
        return [(_position(document, start), _position(document, end)) for start, end in _spans(document)]
    except (ValueError, IndexError):
        return []


def _spans(document: str) -> Iterator[tuple[int, int]]:
    at = _statements(document)
    if document[at] != "[":
        yield at + 1, _DECODER.raw_decode(document, at)[1]
        return
    end = at + 1
    while document[at := _skip(document, end)] != "]":
        start, end = end, _DECODER.raw_decode(document, at)[1]
        yield start, end


def _statements(document: str) -> int:
    """Where the value of `Statement` begins."""
    at = _skip(document, document.index("{") + 1)
    while True:
        name, at = _DECODER.raw_decode(document, at)
        at = _skip(document, at)
        if name == "Statement":
            return at
        at = _skip(document, _DECODER.raw_decode(document, at)[1])


def _skip(document: str, at: int) -> int:
    found = _BLANK.match(document, at)
    return found.end() if found else at


def _position(document: str, offset: int) -> Position:
    return {"Line": document.count("\n", 0, offset) + 1, "Column": offset - document.rfind("\n", 0, offset)}
