"""The commands of a query: each turns rows into rows. Pure.

Rows are pulled through the commands one by one, so that a `limit` reads no more than it needs; `sort`, `stats` and
`dedup` hold what they have seen, and no more than `MOST_HELD` of it: a sort forgets what comes after that.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from forecourt.services.logs.insights.command import MOST_HELD, Command, Named, Rows, hold, listed, named, written
from forecourt.services.logs.insights.expressions import Expression
from forecourt.services.logs.insights.expressions import parse as expression
from forecourt.services.logs.insights.extraction import parse
from forecourt.services.logs.insights.rows import Row
from forecourt.services.logs.insights.stats import stats
from forecourt.services.logs.insights.tokens import MalformedQuery, Tokens
from forecourt.services.logs.insights.values import is_true, shown, sort_key

MOST_ROWS = 10_000


def _fields(tokens: Tokens) -> Command:
    computed = listed(tokens, named)
    return Command(partial(_with, computed), tuple(one.name for one in computed))


def _display(tokens: Tokens) -> Command:
    return _fields(tokens)._replace(only=True)


def _with(computed: list[Named], rows: Rows) -> Iterator[Row]:
    for row in rows:
        yield row.with_values({one.name: one.of(row) for one in computed})


def _filter(tokens: Tokens) -> Command:
    test = expression(tokens)
    return Command(lambda rows: (row for row in rows if is_true(test(row))))


def _limit(tokens: Tokens) -> Command:
    token = tokens.expect_kind("number")
    count = float(token.text)
    if not 1 <= count <= MOST_ROWS or count != int(count):
        raise MalformedQuery(f"limit must be a number from 1 to {MOST_ROWS}", token.start, token.end)
    return Command(lambda rows: itertools.islice(rows, int(count)), cuts=True)


def _dedup(tokens: Tokens) -> Command:
    apart = listed(tokens, named)

    def run(rows: Rows) -> Iterator[Row]:
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            key = tuple(shown(one.of(row)) for one in apart)
            if key not in seen:
                hold(seen)
                seen.add(key)
                yield row

    return Command(run)


def _sort(tokens: Tokens) -> Command:
    orders: list[tuple[Expression, bool]] = []
    while not orders or tokens.take(","):
        of = written(tokens).of
        direction = tokens.take("asc", "desc")
        orders.append((of, direction is not None and direction.text.lower() == "desc"))

    def ordered(rows: list[Row]) -> list[Row]:
        for of, descending in reversed(orders):
            rows.sort(key=lambda row, of=of: sort_key(of(row)), reverse=descending)  # type: ignore[misc]
        return rows[:MOST_HELD]

    def run(rows: Rows) -> Iterator[Row]:
        held: list[Row] = []
        for row in rows:
            held.append(row)
            if len(held) == 2 * MOST_HELD:
                held = ordered(held)
        return iter(ordered(held))

    return Command(run, cuts=True)


COMMANDS: Mapping[str, Callable[[Tokens], Command]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    # An index makes it quicker on AWS, and changes nothing else.
    "filterindex": _filter,
    "stats": stats,
    "sort": _sort,
    "limit": _limit,
    "head": _limit,
    "parse": parse,
    "dedup": _dedup,
}
_NOT_YET = ("pattern", "diff", "anomaly", "unnest", "join", "subquery", "source", "addtotals", "lookup")


def command(tokens: Tokens) -> Command:
    """Raises `MalformedQuery`."""
    name = tokens.expect_kind("name")
    read = COMMANDS.get(name.text.lower())
    if name.text.lower() in _NOT_YET:
        raise MalformedQuery(f"Forecourt does not have the command {name.text} yet", name.start, name.end)
    if read is None:
        tokens.fail(name)
        raise AssertionError  # it has raised
    return read(tokens)
