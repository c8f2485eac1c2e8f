"""`stats`: rows become groups, and groups rows. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Stats.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from forecourt.services.logs.insights.aggregates import KINDS, Aggregate
from forecourt.services.logs.insights.command import Command, Named, Rows, hold, listed, named
from forecourt.services.logs.insights.expressions import Expression, field, parse
from forecourt.services.logs.insights.rows import Row
from forecourt.services.logs.insights.tokens import MalformedQuery, Token, Tokens
from forecourt.services.logs.insights.values import Value, number, shown


class Group(NamedTuple):
    values: dict[str, Value]
    aggregates: list[Aggregate]


class Computed(NamedTuple):
    """An aggregate by how it is written: how it is made, and the value that it takes of a row."""

    name: str
    make: Callable[[], Aggregate]
    of: Expression


def stats(tokens: Tokens) -> Command:
    """`max(ms) as most, most / avg(ms) as spread by path`: what is computed may go by what was computed before it."""
    computed: list[Computed] = []

    def aggregate(name: Token) -> Expression:
        computed.append(_computed(tokens, name))
        return field(computed[-1].name)

    items = listed(tokens, lambda tokens: named(tokens, aggregate))
    if not computed:
        raise MalformedQuery("stats needs an aggregate function", 0, len(tokens.text))
    by = listed(tokens, named) if tokens.take("by") else []
    names = tuple(one.name for one in (*by, *items))
    return Command(partial(_grouped, computed, items, by), names, only=True, aggregates=True, cuts=True)


def _computed(tokens: Tokens, name: Token) -> Computed:
    """What follows `name(`."""
    kind = KINDS[name.text.lower()]
    of: Expression = lambda row: 1  # noqa: E731 - as the others are
    if not (kind.counts_rows and (tokens.take("*") or tokens.peek().text == ")")):
        of = parse(tokens)
    numbers: list[float] = []
    for _ in range(kind.numbers):
        tokens.expect(",")
        numbers.append(float(tokens.expect_kind("number").text))
    tokens.expect(")")
    return Computed(tokens.since(name.start), partial(kind.make, *numbers), of)


def _grouped(computed: list[Computed], items: list[Named], by: list[Named], rows: Rows) -> Iterator[Row]:
    groups: dict[tuple[str, ...], Group] = {}
    if not by:
        groups[()] = Group({}, [one.make() for one in computed])
    for row in rows:
        values = {one.name: one.of(row) for one in by}
        key = tuple(map(shown, values.values()))
        group = groups.get(key)
        if group is None:
            hold(groups)
            group = groups[key] = Group(values, [one.make() for one in computed])
        at = number(row.get("@timestamp")) or 0.0
        for one, aggregate in zip(computed, group.aggregates, strict=True):
            aggregate.take(one.of(row), at)
    for values, aggregates in groups.values():
        results = {one.name: aggregate.value() for one, aggregate in zip(computed, aggregates, strict=True)}
        row = Row({**results, **values})
        for item in items:
            row.values[item.name] = item.of(row)
        yield row
