"""The regular expressions of filter patterns, searched in time linear in the message. Pure.

Whoever may read logs may send any expression, and Python's `re` backtracks: `a*a*b` on a long message would hold up the
whole process. CloudWatch Logs knows no groups, so an expression is a choice between rows of items; each set of places
in those rows that a search can be at is a state of an automaton, worked out when it is first met and remembered.

Known: literals, `.`, `[classes]`, `\\d \\s \\w \\D \\S \\W \\xhh`, `* + ? {n} {n,} {n,m}`, `|`, `^`, `$`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_ALLOWED = re.compile(r"[\w:#=@/;,\-^$?\[\]{}|\\*+. ]+", re.ASCII)
_ITEM = re.compile(
    r"(?P<atom>\[\^?\]?(?:\\.|[^\]\\])*\]|\\x[0-9a-fA-F]{2}|\\.|[^\\*+?{}\[\]|])"
    r"(?:(?P<sign>[*+?])|\{(?P<least>\d+)(?P<comma>,?)(?P<most>\d*)\})?"
)
_MOST_ITEMS = 1000
# The automaton is forgotten and begun anew beyond so many remembered steps.
_MOST_STEPS = 20_000

Place = tuple[int, int]  # which row, and which of its items comes next


class NotARegex(ValueError):
    """Not an expression that CloudWatch Logs takes."""


class Item(NamedTuple):
    """One character that `one` matches; or an anchor."""

    one: re.Pattern[str] | None
    anchor: str = ""
    optional: bool = False
    repeated: bool = False


class State:
    __slots__ = ("found", "found_at_end", "next", "places")

    def __init__(self, places: frozenset[Place], found: bool, found_at_end: bool) -> None:
        self.places = places
        self.found = found
        self.found_at_end = found_at_end
        self.next: dict[str, State] = {}


class Regex:
    def __init__(self, text: str) -> None:
        """Raises `NotARegex`."""
        if not _ALLOWED.fullmatch(text):
            raise NotARegex(text)
        self._rows = [list(_items(row)) for row in _alternatives(text)]
        if sum(map(len, self._rows)) > _MOST_ITEMS:
            raise NotARegex("too long")
        self._beginnings = frozenset((row, 0) for row in range(len(self._rows)))
        self._forget()

    def search(self, message: str) -> bool:
        state = self._first
        for character in message:
            if state.found:
                return True
            state = state.next.get(character) or self._step(state, character)
        return state.found or state.found_at_end

    def _forget(self) -> None:
        self._steps = 0
        self._states: dict[frozenset[Place], State] = {}
        self._first = self._state(self._open(self._beginnings, "^"), at_start=True)

    def _step(self, state: State, character: str) -> State:
        if self._steps >= _MOST_STEPS:
            self._forget()
        self._steps += 1
        reached = set(self._beginnings)  # a match may begin anywhere
        for row, at in state.places:
            item = self._rows[row][at] if at < len(self._rows[row]) else None
            if item is not None and item.one is not None and item.one.fullmatch(character):
                reached.add((row, at if item.repeated else at + 1))
        following = self._state(self._open(reached, ""), at_start=False)
        state.next[character] = following
        return following

    def _state(self, places: frozenset[Place], *, at_start: bool) -> State:
        found = self._states.get(places)
        if found is None or at_start:
            at_end = self._open(places, "^$" if at_start else "$")
            found = State(places, self._complete(places), self._complete(at_end))
            if not at_start:
                self._states[places] = found
        return found

    def _open(self, places: Iterable[Place], anchors: str) -> frozenset[Place]:
        """`places` and those reached from them without a character, where `anchors` hold."""
        reached, waiting = set(places), list(places)
        while waiting:
            row, at = waiting.pop()
            if at < len(self._rows[row]):
                item = self._rows[row][at]
                passes = item.anchor in anchors if item.anchor else item.optional
                if passes and (row, at + 1) not in reached:
                    reached.add((row, at + 1))
                    waiting.append((row, at + 1))
        return frozenset(reached)

    def _complete(self, places: Iterable[Place]) -> bool:
        return any(at == len(self._rows[row]) for row, at in places)


def _alternatives(text: str) -> list[str]:
    """`text` at its bars, those in classes and behind backslashes aside."""
    rows, begun = [], 0
    for part in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\|", text):
        if part[0] == "|":
            rows.append(text[begun : part.start()])
            begun = part.end()
    return [*rows, text[begun:]]


def _items(row: str) -> Iterator[Item]:
    at = 0
    while at < len(row):
        match = _ITEM.match(row, at)
        if match is None:
            raise NotARegex(row)
        at = match.end()
        yield from _repeated(match)


def _repeated(match: re.Match[str]) -> Iterator[Item]:
    if match["atom"] in "^$":
        if match.end() != match.end("atom"):
            raise NotARegex(match[0])
        yield Item(None, match["atom"])
        return
    try:
        one = re.compile(match["atom"], re.ASCII | re.DOTALL)
    except re.error as error:
        raise NotARegex(str(error)) from None
    least, most = _times(match)
    if max(least, most or 0) > _MOST_ITEMS or (most is not None and most < least):
        raise NotARegex(match[0])
    yield from [Item(one)] * least
    if most is None:
        yield Item(one, optional=True, repeated=True)
    else:
        yield from [Item(one, optional=True)] * (most - least)


def _times(match: re.Match[str]) -> tuple[int, int | None]:
    if match["least"] is None:
        return _SIGNS[match["sign"]]
    least = int(match["least"])
    if not match["comma"]:
        return least, least
    return least, int(match["most"]) if match["most"] else None


_SIGNS: dict[str | None, tuple[int, int | None]] = {None: (1, 1), "*": (0, None), "+": (1, None), "?": (0, 1)}
