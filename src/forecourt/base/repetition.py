"""How large `regex` makes a pattern that somebody else wrote.

It writes out what is repeated at least so many times, where Java counts: of a pattern of twenty characters,
`(ab|c){1000000}`, the compiler takes all memory, or the process with it. So the size is estimated first, and rather too
high.
"""

from __future__ import annotations

import re

# Nodes that repeating may add
_MOST_ADDED = 10_000
_PART = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\] | (?P<nothing>[\s*+?]|\(\?\#[^)]*\)) | (?P<opens>\() | (?P<closes>\))
    | \{(?P<least>\d+)(?:,\d*)?\} | .""",
    re.DOTALL | re.VERBOSE,
)
_VERBOSE = re.compile(r"\(\?\w*x")


def repeats_too_much(pattern: str) -> bool:
    most = len(pattern) + _MOST_ADDED
    if _nodes(pattern, most) > most:
        return True
    if _VERBOSE.search(pattern) is None:
        return False
    # What looks like a comment may be one, and stand between what is repeated and how often.
    return _nodes(re.sub(r"(?m)#.*$", "", pattern), most) > most


def _nodes(pattern: str, most: int) -> int:
    """Counted up to `most`."""
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
        if groups[-1] > most:
            break
    return sum(groups)
