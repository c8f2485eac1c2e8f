"""Regular expressions of definitions, in bounded time: of JSONata, and of JSONPath's filters.

A backtracking engine can take time exponential in the text. Here one attempt, and what attempts that follow each other
closely take together, as those of one evaluation do, has a limit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import regex  # type: ignore[import-untyped]

from forecourt.base.repetition import repeats_too_much

if TYPE_CHECKING:
    from jsonata.regex_engine import RegexFlags

_SECONDS = 0.5
# Attempts with less than this between them belong together
_TOGETHER = 0.05
_LONGEST_PATTERN = 10_000
_MOST_GROUPS = 100

_REFERENCE = re.compile(r"\\g<(\d+)>")

_T = TypeVar("_T")


class TooComplex(ValueError):
    """The pattern takes too long on the text."""


class BoundedPattern:
    """The part of `re.Pattern` that the users of regular expressions need. Every method raises `TooComplex`."""

    __slots__ = ("_ended", "_pattern", "_spent")

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        self._spent = 0.0
        self._ended = 0.0

    def search(self, text: str, *rest: Any) -> Any:
        return self._bounded(lambda seconds: self._pattern.search(text, *rest, timeout=seconds))

    def fullmatch(self, text: str) -> Any:
        return self._bounded(lambda seconds: self._pattern.fullmatch(text, timeout=seconds))

    def finditer(self, text: str, *rest: Any) -> Iterator[Any]:
        return self._bounded(lambda seconds: iter(list(self._pattern.finditer(text, *rest, timeout=seconds))))

    def sub(self, replacement: Any, text: str, count: int = 0) -> str:
        for reference in _REFERENCE.finditer(replacement) if isinstance(replacement, str) else ():
            if int(reference[1]) > self._pattern.groups:
                # In `re`'s words: JSONata's library makes a smaller number of it
                raise re.error(f"invalid group reference {reference[1]} at position {reference.start(1)}")
        return self._bounded(lambda seconds: str(self._pattern.sub(replacement, text, count=count, timeout=seconds)))

    def split(self, text: str, maxsplit: int = 0) -> list[str]:
        return self._bounded(lambda seconds: list(self._pattern.split(text, maxsplit=maxsplit, timeout=seconds)))

    def _bounded(self, attempt: Callable[[float], _T]) -> _T:
        began = time.monotonic()
        if began - self._ended > _TOGETHER:
            self._spent = 0.0
        if self._spent >= _SECONDS:
            raise TooComplex("The regular expression takes too long")
        try:
            return attempt(_SECONDS - self._spent)
        except TimeoutError as error:
            raise TooComplex("The regular expression takes too long") from error
        finally:
            self._ended = time.monotonic()
            self._spent += self._ended - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)


def compile_pattern(pattern: str, *, ignore_case: bool = False, multiline: bool = False) -> BoundedPattern:
    """Raises `TooComplex` and `re.error`."""
    if len(pattern) > _LONGEST_PATTERN or pattern.count("(") > _MOST_GROUPS:
        raise TooComplex("The regular expression is too long")
    if repeats_too_much(pattern):
        raise TooComplex("The regular expression repeats too much")
    flags = (regex.IGNORECASE if ignore_case else 0) | (regex.MULTILINE if multiline else 0)
    try:
        return BoundedPattern(regex.compile(pattern, flags))
    except regex.error as error:
        raise re.error(str(error)) from error


def bounded_engine(pattern: str, flags: RegexFlags) -> BoundedPattern:
    """As JSONata's library wants it. Raises `TooComplex` and `re.error`."""
    return compile_pattern(pattern, ignore_case=flags.case_insensitive, multiline=flags.multiline)
