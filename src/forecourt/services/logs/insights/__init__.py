"""CloudWatch Logs Insights' query language. Pure.

    fields @timestamp, @message | filter @message like /ERROR/ | stats count(*) as errors by bin(5m) | sort errors desc

A query compiles to commands that rows are pulled through. What it does not name, it shows `@timestamp` and `@message`
of; and `@ptr`, by which the event is found again, unless it aggregates.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData_LogsInsights.html
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from forecourt.services.logs.insights.command import Command, TooMuch
from forecourt.services.logs.insights.commands import MOST_ROWS, command
from forecourt.services.logs.insights.rows import Row, event_row
from forecourt.services.logs.insights.tokens import MalformedQuery, Tokens
from forecourt.services.logs.insights.values import shown

__all__ = [
    "MOST_ROWS", "MalformedQuery", "Query", "Results", "Row", "TooMuch", "compile_query", "event_row", "shown",
]  # fmt: skip

_SHOWN = ("@timestamp", "@message")
_POINTER = "@ptr"
_MOST_STATS = 2

Result = list[tuple[str, str]]


class Counted:
    """Counts the rows that are pulled through it."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


class Results(NamedTuple):
    """`matched`: the rows that came through before any were counted up or cut off."""

    rows: list[Result]
    matched: int


class Query(NamedTuple):
    commands: Sequence[Command]
    shown: tuple[str, ...]

    def run(self, rows: Iterable[Row], limit: int) -> Results:
        """Raises `TooMuch`."""
        matching = list(itertools.takewhile(lambda one: not one.cuts, self.commands))
        for one in matching:
            rows = one.run(rows)
        rows = matched = Counted(rows)
        for one in self.commands[len(matching) :]:
            rows = one.run(rows)
        results = [self._result(row) for row in itertools.islice(rows, limit)]
        return Results(results, matched.count)

    def _result(self, row: Row) -> Result:
        values = ((name, row.get(name)) for name in self.shown)
        return [(name, shown(value)) for name, value in values if value is not None]


def compile_query(text: str, began_at: float = 0.0) -> Query:
    """Raises `MalformedQuery`."""
    commands = _commands(Tokens(text, began_at))
    if sum(one.aggregates for one in commands) > _MOST_STATS:
        raise MalformedQuery(f"a query can have {_MOST_STATS} stats commands", 0, len(text))
    return Query(commands, _shown(commands))


def _commands(tokens: Tokens) -> list[Command]:
    if tokens.peek().kind == "end":
        return []
    found = [command(tokens)]
    while tokens.peek().kind != "end":
        tokens.expect("|")
        found.append(command(tokens))
    return found


def _shown(commands: Sequence[Command]) -> tuple[str, ...]:
    shows: tuple[str, ...] = ()
    extracted: tuple[str, ...] = ()
    for one in commands:
        shows = one.shows if one.only else shows + one.shows
        extracted = () if one.only else extracted + one.extracts
    names = dict.fromkeys((shows or _SHOWN) + extracted)
    pointer = () if any(one.aggregates for one in commands) else (_POINTER,)
    return (*names, *pointer)
