"""How the rows of the tables are written."""

from __future__ import annotations

from forecourt.services.apigateway.rest.patch import Refuse, Rule, Table, member

REPLACE = ("replace",)
SET = ("add", "replace")
ADD_REMOVE = ("add", "remove")
ANY = ("add", "remove", "replace")


def table(refuse: Refuse, *rules: Rule) -> Table:
    return Table(rules, refuse)


def members(*names: str, ops: tuple[str, ...] = REPLACE) -> tuple[Rule, ...]:
    return tuple(Rule(f"/{name}", ops, member(name)) for name in names)
