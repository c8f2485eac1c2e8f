"""The commands of a query: each turns rows into rows. Pure.

Rows are pulled through the commands one by one, so that a `limit` reads no more than it needs; `sort`, `stats` and
`dedup` hold what they have seen, and no more than `MOST_HELD` of it: a sort forgets what comes after that.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from forecourt.services.logs.insights.aggregates import KINDS, Aggregate
from forecourt.services.logs.insights.expressions import Expression, Pattern, field, field_name, parse
from forecourt.services.logs.insights.rows import Row
from forecourt.services.logs.insights.tokens import MalformedQuery, Token, Tokens
from forecourt.services.logs.insights.values import Value, is_true, number, shown, sort_key

Rows = Iterable[Row]
MOST_HELD = 20_000
MOST_ROWS = 10_000


class TooMuch(Exception):
    """A command would have to hold more rows or groups than it may."""


class Command(NamedTuple):
    """`shows`: the fields that it adds to those shown; or `only` those are. `extracts`: beside what is shown anyway."""

    run: Callable[[Rows], Iterator[Row]]
    shows: tuple[str, ...] = ()
    extracts: tuple[str, ...] = ()
    only: bool = False
    aggregates: bool = False
    # From here on rows that match may be left out.
    cuts: bool = False


class Named(NamedTuple):
    name: str
    of: Expression


# -- fields, display, filter, limit, dedup -----------------------------------------------------------------------------


ReadAggregate = Callable[[Token], Expression]


def _written(tokens: Tokens, aggregate: ReadAggregate | None = None) -> Named:
    """An expression by how it is written: what an earlier command has computed by that name, it is no more."""
    first = tokens.peek()
    of = parse(tokens, aggregate)
    written = tokens.since(first.start)
    simple = first.kind in ("name", "field") and first.end - first.start == len(written)
    name = field_name(first) if simple else written
    return Named(name, lambda row: row.values[name] if name in row.values else of(row))


def _named(tokens: Tokens, aggregate: ReadAggregate | None = None) -> Named:
    """`expression [as alias]`."""
    written = _written(tokens, aggregate)
    if tokens.take("as"):
        return written._replace(name=field_name(tokens.expect_kind("name", "field")))
    return written


def _listed(tokens: Tokens, read: Callable[[Tokens], Named]) -> list[Named]:
    found = [read(tokens)]
    while tokens.take(","):
        found.append(read(tokens))
    return found


def _fields(tokens: Tokens) -> Command:
    named = _listed(tokens, _named)
    return Command(partial(_with, named), tuple(one.name for one in named))


def _display(tokens: Tokens) -> Command:
    return _fields(tokens)._replace(only=True)


def _with(named: list[Named], rows: Rows) -> Iterator[Row]:
    for row in rows:
        yield row.with_values({one.name: one.of(row) for one in named})


def _filter(tokens: Tokens) -> Command:
    test = parse(tokens)
    return Command(lambda rows: (row for row in rows if is_true(test(row))))


def _limit(tokens: Tokens) -> Command:
    token = tokens.expect_kind("number")
    count = float(token.text)
    if not 1 <= count <= MOST_ROWS or count != int(count):
        raise MalformedQuery(f"limit must be a number from 1 to {MOST_ROWS}", token.start, token.end)
    return Command(lambda rows: itertools.islice(rows, int(count)), cuts=True)


def _dedup(tokens: Tokens) -> Command:
    named = _listed(tokens, _named)

    def run(rows: Rows) -> Iterator[Row]:
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            key = tuple(shown(one.of(row)) for one in named)
            if key not in seen:
                _hold(seen)
                seen.add(key)
                yield row

    return Command(run)


def _hold(held: set[tuple[str, ...]] | list[Row] | dict[tuple[str, ...], Group]) -> None:
    if len(held) >= MOST_HELD:
        raise TooMuch


# -- sort --------------------------------------------------------------------------------------------------------------


def _sort(tokens: Tokens) -> Command:
    orders: list[tuple[Expression, bool]] = []
    while not orders or tokens.take(","):
        of = _written(tokens).of
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


# -- parse -------------------------------------------------------------------------------------------------------------


def _parse(tokens: Tokens) -> Command:
    of: Expression = field("@message")
    pattern = tokens.take_regex()
    if pattern is None and tokens.peek().kind != "string":
        of = parse(tokens) if tokens.peek().kind not in ("name", "field") else field(field_name(tokens.next()))
        pattern = tokens.take_regex()
    if pattern is None:
        pattern = _glob(tokens.expect_kind("string"))
    compiled = Pattern(pattern)
    names = _aliases(tokens) if tokens.take("as") else compiled.names
    if not names or (len(names) != compiled.groups and names != compiled.names):
        raise MalformedQuery("parse needs as many names as its pattern has places", pattern.start, pattern.end)
    groups: list[str | int] = list(names) if names == compiled.names else list(range(1, len(names) + 1))

    def run(rows: Rows) -> Iterator[Row]:
        for row in rows:
            value = of(row)
            match = compiled.search(shown(value)) if value is not None else None
            if match is not None:
                row = row.with_values(dict(zip(names, (match[group] for group in groups), strict=True)))
            yield row

    return Command(run, extracts=tuple(names))


def _aliases(tokens: Tokens) -> list[str]:
    names = [field_name(tokens.expect_kind("name", "field"))]
    while tokens.take(","):
        names.append(field_name(tokens.expect_kind("name", "field")))
    return names


def _glob(token: Token) -> Token:
    """`user=*, took *`: each star takes as little as it may, the last one, at the end, all there is."""
    text = "(.*?)".join(map(re.escape, token.text.split("*")))
    if token.text.endswith("*"):
        text = text.removesuffix("(.*?)") + "(.*)"
    return token._replace(text=f"(?s){text}")


# -- stats -------------------------------------------------------------------------------------------------------------


class Group(NamedTuple):
    values: dict[str, Value]
    aggregates: list[Aggregate]


class Computed(NamedTuple):
    """An aggregate by how it is written: how it is made, and the value that it takes of a row."""

    name: str
    make: Callable[[], Aggregate]
    of: Expression


def _stats(tokens: Tokens) -> Command:
    """`max(ms) as most, most / avg(ms) as spread by path`: what is computed may go by what was computed before it."""
    computed: list[Computed] = []

    def aggregate(name: Token) -> Expression:
        computed.append(_computed(tokens, name))
        return field(computed[-1].name)

    items = _listed(tokens, lambda tokens: _named(tokens, aggregate))
    if not computed:
        raise MalformedQuery("stats needs an aggregate function", 0, len(tokens.text))
    by = _listed(tokens, _named) if tokens.take("by") else []
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
            _hold(groups)
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


COMMANDS: Mapping[str, Callable[[Tokens], Command]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    # An index makes it quicker on AWS, and changes nothing else.
    "filterindex": _filter,
    "stats": _stats,
    "sort": _sort,
    "limit": _limit,
    "head": _limit,
    "parse": _parse,
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
