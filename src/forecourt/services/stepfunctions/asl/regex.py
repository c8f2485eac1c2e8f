"""Regular expressions of JSONata, kept from running away.

Python's engine backtracks. A repetition within a repetition (`(a+)+`) can take time exponential in the text and is
refused; several repetitions in a row take polynomial time, so the text that they may be tried on is limited.
"""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from jsonata.regex_engine import RegexFlags, default_regex_engine

# By number of unbounded repetitions: the longest text.
_LONGEST = {0: 1_000_000, 1: 1_000_000, 2: 20_000, 3: 3_000}
_LONGEST_OTHERWISE = 500


class TooComplex(ValueError):
    """The pattern, or the text that it is tried on, could take too long."""


class BoundedPattern:
    """The part of `re.Pattern` that the library uses."""

    __slots__ = ("_longest", "_pattern")

    def __init__(self, pattern: re.Pattern[str], repeats: int) -> None:
        self._pattern = pattern
        self._longest = _LONGEST.get(repeats, _LONGEST_OTHERWISE)

    def _check(self, text: str) -> str:
        if len(text) > self._longest:
            raise TooComplex(f"The regular expression may be tried on {self._longest} characters at most")
        return text

    def search(self, text: str, *rest: Any) -> Any:
        return self._pattern.search(self._check(text), *rest)

    def finditer(self, text: str, *rest: Any) -> Any:
        return self._pattern.finditer(self._check(text), *rest)

    def sub(self, replacement: Any, text: str, count: int = 0) -> str:
        return self._pattern.sub(replacement, self._check(text), count=count)

    def split(self, text: str, maxsplit: int = 0) -> list[str]:
        return self._pattern.split(self._check(text), maxsplit=maxsplit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)


def bounded_engine(pattern: str, flags: RegexFlags) -> BoundedPattern:
    """Raises `TooComplex` and `re.error`."""
    repeats = _unbounded_repeats(_parser.parse(pattern))
    return BoundedPattern(default_regex_engine(pattern, flags), repeats)


def _unbounded_repeats(parsed: Any) -> int:
    """How many repetitions without an upper bound there are. Raises `TooComplex` where one lies within another."""
    count = 0
    for operation, argument in parsed:
        inner = sum(_unbounded_repeats(part) for part in _parts(argument))
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] == _parser.MAXREPEAT:
            if inner:
                raise TooComplex("The regular expression has a repetition within a repetition")
            inner = 1
        count += inner
    return count


def _parts(argument: Any) -> list[Any]:
    """The sub-patterns in an operation's argument."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [part for item in argument for part in _parts(item)]
    return []
