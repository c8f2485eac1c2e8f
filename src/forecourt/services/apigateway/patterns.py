"""Patterns that an API's owner writes and that are matched with what clients send: Java's, and bounded in time.

`selectionPattern`, an authorizer's `identityValidationExpression`, a model's `pattern`, those of a template. AWS
matches with Java's regular expressions, which `regex` reads nearly as they are; `.` is no line break, as AWS warns of
`selectionPattern`. A text on which one of them goes astray must not hold the loop: matching ends after a while.
https://docs.aws.amazon.com/apigateway/latest/api/API_IntegrationResponse.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import regex  # type: ignore[import-untyped]

from forecourt.base.repetition import repeats_too_much

Matches = Callable[[str], bool]
_SECONDS = 0.02


def compile_pattern(pattern: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """Raises `ValueError` where it is no pattern, or one that is too large."""
    return (_kept if len(pattern) < 1_000 else _compile)(pattern, ignore_case)


def _compile(pattern: str, ignore_case: bool) -> regex.Pattern[str]:
    if repeats_too_much(pattern):
        raise ValueError(f"a pattern that repeats too much: {pattern[:100]}")
    flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
    try:
        return regex.compile(pattern.replace(r"\p{Punct}", r"[!-/:-@\[-`{-~]"), flags, cache_pattern=False)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"not a pattern: {pattern}: {error}") from error


_kept = lru_cache(maxsize=64)(_compile)


def whole(pattern: str) -> Matches:
    """Whether the pattern takes all of a text, as Java's `matches` has it; not, where that takes too long."""
    fullmatch = compile_pattern(pattern).fullmatch

    def matches(text: str) -> bool:
        try:
            return fullmatch(text, timeout=_SECONDS) is not None
        except TimeoutError:
            return False

    return matches
