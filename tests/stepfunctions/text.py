"""Cases as text: the input above a line of dashes, what is expected below.

Short ones stand on one line, `what | input => expected`. Long ones are blocks that begin with `=== name`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Line(NamedTuple):
    what: str
    input: str
    expected: str


def lines(text: str) -> list[Line]:
    found = []
    for line in text.strip().splitlines():
        line = line.strip()
        if line and not line.startswith("//"):
            left, _, expected = line.rpartition(" => ")
            what, _, input = left.rpartition(" | ")
            found.append(Line(what.strip(), input.strip(), expected.strip()))
    return found


class Block(NamedTuple):
    name: str
    given: str
    expected: str


def blocks(text: str) -> list[Block]:
    found = []
    for block in text.split("\n=== ")[1:]:
        name, _, body = block.partition("\n")
        given, _, expected = body.partition("\n---\n")
        found.append(Block(name.strip(), given.strip(), expected.strip()))
    return found


def json(text: str) -> object:
    return msgspec.json.decode(text)


def name(case: Line | Block) -> str:
    return case.name if isinstance(case, Block) else f"{case.what} | {case.input}"[:90]
