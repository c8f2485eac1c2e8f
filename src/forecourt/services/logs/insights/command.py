"""What a command is, and what commands read alike: expressions with names. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import NamedTuple

from forecourt.services.logs.insights.expressions import Expression, field_name, parse
from forecourt.services.logs.insights.rows import Row
from forecourt.services.logs.insights.tokens import Token, Tokens

Rows = Iterable[Row]
MOST_HELD = 20_000


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


ReadAggregate = Callable[[Token], Expression]


def written(tokens: Tokens, aggregate: ReadAggregate | None = None) -> Named:
    """An expression by how it is written: what an earlier command has computed by that name, it is no more."""
    first = tokens.peek()
    of = parse(tokens, aggregate)
    text = tokens.since(first.start)
    simple = first.kind in ("name", "field") and first.end - first.start == len(text)
    name = field_name(first) if simple else text
    return Named(name, lambda row: row.values[name] if name in row.values else of(row))


def named(tokens: Tokens, aggregate: ReadAggregate | None = None) -> Named:
    """`expression [as alias]`."""
    found = written(tokens, aggregate)
    return found._replace(name=field_name(tokens.expect_kind("name", "field"))) if tokens.take("as") else found


def listed(tokens: Tokens, read: Callable[[Tokens], Named]) -> list[Named]:
    found = [read(tokens)]
    while tokens.take(","):
        found.append(read(tokens))
    return found


def hold(held: Sized) -> None:
    """Before one more is. Raises `TooMuch`."""
    if len(held) >= MOST_HELD:
        raise TooMuch
