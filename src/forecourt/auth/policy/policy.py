"""A compiled policy, and what it says of one request when it stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from forecourt.auth.policy.parse import PolicyKind, parse_statements
from forecourt.auth.policy.principals import Capacity
from forecourt.auth.policy.request import Request
from forecourt.auth.policy.statement import Statement

# Which statements an action on a resource concerns is remembered per policy, for so many of them.
_REMEMBERED = 512


class Effect(Enum):
    ALLOW = "Allow"
    EXPLICIT_DENY = "ExplicitDeny"
    IMPLICIT_DENY = "ImplicitDeny"


class Verdict(NamedTuple):
    """What one policy says: the effect, the statement that decided (None for an implicit deny), and how far an Allow
    reaches the caller."""

    effect: Effect
    statement: Statement | None
    capacity: Capacity
    policy: Policy

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW

    @property
    def reason(self) -> str:
        where = f" of {self.policy.name}" if self.policy.name else ""
        if self.statement is None:
            return "no statement allows it"
        verb = "allows" if self.effect is Effect.ALLOW else "denies"
        return f"{self.statement.name}{where} {verb} it"


class Policy:
    """`name` is what a reason calls it: an ARN, or an inline policy's name. `text` is what it was compiled from."""

    __slots__ = ("_concerned", "name", "statements", "text")

    def __init__(self, statements: tuple[Statement, ...], name: str = "", text: str = "") -> None:
        self.statements = statements
        self.name = name
        self.text = text
        self._concerned: dict[tuple[str, str], tuple[Statement, ...]] = {}

    def named(self, name: str) -> Policy:
        copy = Policy(self.statements, name, self.text)
        copy._concerned = self._concerned
        return copy

    def concerned(self, action: str, resource: str) -> tuple[Statement, ...]:
        """The statements that may apply to `action` on `resource`, denials first."""
        found = self._concerned.get((action, resource))
        if found is None:
            lowered = action.lower()
            concerned = [statement for statement in self.statements if statement.may_concern(lowered, resource)]
            found = tuple(sorted(concerned, key=lambda statement: statement.effect == "Allow"))
            if len(self._concerned) >= _REMEMBERED:
                self._concerned.clear()
            self._concerned[action, resource] = found
        return found

    def evaluate(self, request: Request) -> Verdict:
        best: Statement | None = None
        reached = Capacity.NONE
        for statement in self.concerned(request.action, request.resource):
            capacity = statement.reach(request)
            if capacity is Capacity.NONE:
                continue
            if statement.effect == "Deny":
                return Verdict(Effect.EXPLICIT_DENY, statement, capacity, self)
            if capacity > reached:
                best, reached = statement, capacity
        return Verdict(Effect.ALLOW if best else Effect.IMPLICIT_DENY, best, reached, self)

    @property
    def principals(self) -> frozenset[str]:
        """The ARNs and unique ids that it names."""
        found = (statement.principals for statement in self.statements)
        return frozenset(name for principals in found if principals is not None for name in principals.named)

    def trace(self, request: Request) -> list[str]:
        """Of every statement, whether it applies, and if not, what did not match."""
        lines = []
        for statement in self.statements:
            mismatch = statement.mismatch(request)
            lines.append(f"{statement.name} ({statement.effect}): {mismatch or 'applies'}")
        return lines


def compile_policy(document: str | bytes | Mapping[str, Any], kind: PolicyKind = "any", name: str = "") -> Policy:
    """Raises `PolicyInvalid` with IAM's words. Texts are compiled once."""
    if isinstance(document, Mapping):
        return Policy(parse_statements(document, kind), name)
    compiled = _compile_text(document if isinstance(document, str) else document.decode("utf-8", "replace"), kind)
    return compiled.named(name) if name else compiled


@lru_cache(maxsize=4096)
def _compile_text(document: str, kind: PolicyKind) -> Policy:
    return Policy(parse_statements(document, kind), text=document)
