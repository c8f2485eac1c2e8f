"""One statement of a policy, compiled: whether it applies to a request, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from forecourt.auth.policy.conditions import Condition
from forecourt.auth.policy.pattern import Context, Match
from forecourt.auth.policy.principals import Capacity, Principals
from forecourt.auth.policy.request import Request
from forecourt.auth.policy.resources import Resources

Effect = Literal["Allow", "Deny"]


class Statement:
    """`index` counts from 1. `not_…` marks the inverted form of the element. `variables` are the context keys that its
    texts name; `keys`, in lower case, these and the conditions'."""

    __slots__ = (
        "action_texts",
        "actions",
        "conditions",
        "effect",
        "index",
        "keys",
        "not_actions",
        "not_principals",
        "principals",
        "resources",
        "sid",
        "variables",
    )  # fmt: skip

    def __init__(
        self,
        *,
        index: int,
        sid: str,
        effect: Effect,
        action_texts: Sequence[str],
        actions: Sequence[Match],
        not_actions: bool,
        resources: Resources | None,
        principals: Principals | None,
        not_principals: bool,
        conditions: Sequence[Condition],
        variables: Sequence[str],
    ) -> None:
        self.index = index
        self.sid = sid
        self.effect = effect
        self.action_texts = action_texts
        self.actions = actions
        self.not_actions = not_actions
        self.resources = resources
        self.principals = principals
        self.not_principals = not_principals
        self.conditions = conditions
        self.variables = variables
        self.keys = frozenset(name.lower() for name in (*variables, *(condition.key for condition in conditions)))

    @property
    def name(self) -> str:
        return f"statement {self.index}" + (f" ({self.sid})" if self.sid else "")

    @property
    def depends_on_circumstances(self) -> bool:
        """On more than action and resource."""
        varying = self.resources is not None and self.resources.varying
        return varying or bool(self.conditions) or self.principals is not None

    def covers_action(self, action: str) -> bool:
        """`action` in lower case."""
        return any(match(action, {}) for match in self.actions) is not self.not_actions

    def covers_resource(self, resource: str, context: Context) -> bool:
        return self.resources is None or self.resources.cover(resource, context)

    def capacity(self, request: Request) -> Capacity:
        if self.principals is None:
            return Capacity.ITSELF
        reached = self.principals.capacity(request)
        if not self.not_principals:
            return reached
        return Capacity.NONE if reached else Capacity.ROLE

    def may_concern(self, action: str, resource: str) -> bool:
        """By action (in lower case) and resource alone. What depends on the context is left to `reach`."""
        if not self.covers_action(action):
            return False
        return self.resources is None or self.resources.varying or self.resources.cover(resource, {})

    def failed_condition(self, context: Context) -> Condition | None:
        for condition in self.conditions:
            if not condition.holds(context):
                return condition
        return None

    def reach(self, request: Request) -> Capacity:
        """How far the statement applies to a request that it `may_concern`: NONE where it does not."""
        resources = self.resources
        if resources is not None and resources.varying and not resources.cover(request.resource, request.context):
            return Capacity.NONE
        for condition in self.conditions:
            if not condition.holds(request.context):
                return Capacity.NONE
        return self.capacity(request)

    def mismatch(self, request: Request) -> str | None:
        """Why the statement does not apply: the first element that does not match, None where all do."""
        if not self.covers_action(request.action.lower()):
            return "the action does not match"
        if not self.covers_resource(request.resource, request.context):
            return "the resource does not match"
        if self.capacity(request) is Capacity.NONE:
            return "the principal does not match"
        failed = self.failed_condition(request.context)
        if failed is None:
            return None
        given = request.context.get(failed.key.lower())
        shown = "is missing" if given is None else f"is {given!r}"
        return f"the condition {failed} does not hold: {failed.key} {shown}"
