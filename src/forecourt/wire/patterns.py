"""The model's patterns, which are Java's regular expressions, matched in bounded time.

AWS matches the whole value (`Matcher.matches`), with Java's meaning of `\\w`, `\\d`, `\\s`: ASCII only. `regex` knows
`\\p{L}` and lets a match time out. A pattern that neither language can read constrains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import regex  # type: ignore[import-untyped]

# A backtracking match that takes longer is treated as failed: no legitimate value comes near.
_TIMEOUT_SECONDS = 0.25
# Each ends with a range, so that a `-` after it stays a literal one: `[\\w-_]`.
_ASCII_CLASSES = {"w": "_a-zA-Z0-9", "d": "0-9", "s": r" \t-\r"}


def _translate(pattern: str) -> str:
    """Java's ASCII classes spelled out, inside and outside of brackets, so that `\\p{L}` stays Unicode's."""
    out: list[str] = []
    inside = False
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\" and position + 1 < len(pattern):
            out.append(_class(pattern[position + 1], inside))
            position += 2
            continue
        inside = {"[": True, "]": False}.get(char, inside)
        out.append(char)
        position += 1
    return "".join(out)


def _class(letter: str, inside: bool) -> str:
    members = _ASCII_CLASSES.get(letter.lower())
    if members is None:
        return "\\" + letter
    if letter.islower():
        return members if inside else f"[{members}]"
    # A negated class inside of brackets can't be spelled out; Unicode's own is near enough.
    return "\\" + letter if inside else f"[^{members}]"


@cache
def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Whether a whole value matches, or None where the pattern is beyond us."""
    try:
        fullmatch = regex.compile(_translate(pattern)).fullmatch
    except (regex.error, re.error):
        return None

    def matches(value: str) -> bool:
        try:
            return fullmatch(value, timeout=_TIMEOUT_SECONDS) is not None
        except TimeoutError:
            return False

    return matches
