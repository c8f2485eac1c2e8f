"""Recursive loops: the trace header tells which functions an event has come through, and how often. Pure.

    Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5

A function hands the header on with every call that its AWS SDK makes; a queue's message, and what a topic or a bucket
hands on, carry it further. A function that the same event reaches more than sixteen times is in a loop.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from forecourt.telemetry.trace import Trace, parse

MOST_VISITS = 16
_FIELD = "Lineage"
# Of different functions that are remembered; the header is bounded.
_MOST_FUNCTIONS = 20


def visited(trace: Trace, function_arn: str) -> tuple[Trace, int]:
    """The trace with this visit in it, and how many visits of the function it has now."""
    others = dict(trace.others)
    counts = _counts(others.get(_FIELD, ""))
    name = hashlib.sha256(function_arn.encode()).hexdigest()[:8]
    visits = counts.pop(name, 0) + 1
    counts[name] = visits
    kept = list(counts.items())[-_MOST_FUNCTIONS:]
    others[_FIELD] = "|".join(f"{known}:{count}" for known, count in kept)
    return trace._replace(others=tuple(others.items())), visits


def most_travelled(headers: Iterable[str]) -> str:
    """Of several events that come together: the trace header of the one that came furthest."""
    return max(headers, key=lambda header: sum(_counts(_lineage_of(header)).values()), default="")


def _lineage_of(header: str) -> str:
    trace = parse(header)
    return dict(trace.others).get(_FIELD, "") if trace is not None else ""


def _counts(text: str) -> dict[str, int]:
    """What a stranger wrote there counts for nothing."""
    pairs = (part.split(":", 1) for part in text.split("|") if ":" in part)
    return {name: int(count) for name, count in pairs if len(name) == 8 and count.isdecimal() and len(count) < 6}
