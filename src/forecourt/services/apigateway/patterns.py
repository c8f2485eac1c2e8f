"""Patterns that an API's owner writes and that are matched with what clients send: Java's, and bounded in time.

`selectionPattern`, an authorizer's `identityValidationExpression`, a model's `pattern`, those of a template. AWS
matches with Java's regular expressions, which `regex` reads nearly as they are; `.` is no line break, as AWS warns of
`selectionPattern`. A text on which one of them goes astray must not hold the loop: matching ends after a while. `regex`
writes out what is repeated at least so many times, where Java counts: a pattern of twenty characters could take all
memory, so its size is estimated first.
https://docs.aws.amazon.com/apigateway/latest/api/API_IntegrationResponse.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import regex  # type: ignore[import-untyped]

Matches = Callable[[str], bool]
_SECONDS = 0.02
# Nodes that repeating may add
_MOST_ADDED = 10_000
_PART = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\] | (?P<nothing>[\s*+?]|\(\?\#[^)]*\)) | (?P<opens>\() | (?P<closes>\))
    | \{(?P<least>\d+)(?:,\d*)?\} | .""",
    re.DOTALL | re.VERBOSE,
)
_VERBOSE = re.compile(r"\(\?\w*x")


def compile_pattern(pattern: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """Raises `ValueError` where it is no pattern, or one that is too large."""
    return (_kept if len(pattern) < 1_000 else _compile)(pattern, ignore_case)


def _compile(pattern: str, ignore_case: bool) -> regex.Pattern[str]:
    if _size(pattern) > len(pattern) + _MOST_ADDED:
        raise ValueError(f"a pattern that repeats too much: {pattern[:100]}")
    flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
    try:
        return regex.compile(pattern.replace(r"\p{Punct}", r"[!-/:-@\[-`{-~]"), flags, cache_pattern=False)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"not a pattern: {pattern}: {error}") from error


_kept = lru_cache(maxsize=64)(_compile)


def _size(pattern: str) -> int:
    """How many nodes `regex` makes of it, or more."""
    if _VERBOSE.search(pattern) is None:
        return _nodes(pattern)
    # What looks like a comment may be one, and stand between what is repeated and how often.
    return max(_nodes(pattern), _nodes(re.sub(r"(?m)#.*$", "", pattern)))


def _nodes(pattern: str) -> int:
    groups, last = [0], 0
    for part in _PART.finditer(pattern):
        if part["opens"]:
            groups.append(1)
        elif part["closes"] and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif part["least"]:
            more = last * max(int(part["least"][:9]) - 1, 0)
            last += more
            groups[-1] += more
        else:
            last = last if part["nothing"] else 1
            groups[-1] += 1
        if groups[-1] > len(pattern) + _MOST_ADDED:
            break
    return sum(groups)


def whole(pattern: str) -> Matches:
    """Whether the pattern takes all of a text, as Java's `matches` has it; not, where that takes too long."""
    fullmatch = compile_pattern(pattern).fullmatch

    def matches(text: str) -> bool:
        try:
            return fullmatch(text, timeout=_SECONDS) is not None
        except TimeoutError:
            return False

    return matches
