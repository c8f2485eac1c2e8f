"""`parse`: takes a text apart, by a glob or an expression, and names the parts. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Parse.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from forecourt.services.logs.insights.command import Command, Rows
from forecourt.services.logs.insights.expressions import Expression, Pattern, field, field_name
from forecourt.services.logs.insights.expressions import parse as expression
from forecourt.services.logs.insights.rows import Row
from forecourt.services.logs.insights.tokens import MalformedQuery, Token, Tokens
from forecourt.services.logs.insights.values import shown


def parse(tokens: Tokens) -> Command:
    of: Expression = field("@message")
    pattern = tokens.take_regex()
    if pattern is None and tokens.peek().kind != "string":
        of = expression(tokens) if tokens.peek().kind not in ("name", "field") else field(field_name(tokens.next()))
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
