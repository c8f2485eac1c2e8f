"""One statement of a policy, compiled: whether it applies to a request, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from forecourt.auth.policy.conditions import Condition
from forecourt.auth.policy.pattern import Context, Match
from forecourt.auth.policy.principals import Capacity, Principals
from forecourt.auth.policy.request import Request

Effect = Literal["Allow", "Deny"]


class Statement:
    """`index` counts from 1. `not_…` marks the inverted form of the element."""

    __slots__ = ("actions", "conditions", "effect", "index", "not_actions", "not_principals", "not_resources",
                 "principals", "resources", "sid")  # fmt: skip

    def __init__(
        self,
        *,
        index: int,
        sid: str,
        effect: Effect,
        actions: Sequence[Match],
        not_actions: bool,
        resources: Sequence[Match] | None,
        not_resources: bool,
        principals: Principals | None,
        not_principals: bool,
        conditions: Sequence[Condition],
    ) -> None:
        self.index = index
        self.sid = sid
        self.effect = effect
        self.actions = actions
        self.not_actions = not_actions
        self.resources = resources
        self.not_resources = not_resources
        self.principals = principals
        self.not_principals = not_principals
        self.conditions = conditions

    @property
    def name(self) -> str:
        return f"statement {self.index}" + (f" ({self.sid})" if self.sid else "")

    def covers_action(self, action: str) -> bool:
        """`action` in lower case."""
        return any(match(action, {}) for match in self.actions) is not self.not_actions

    def covers_resource(self, resource: str, context: Context) -> bool:
        if self.resources is None:
            return True
        return any(match(resource, context) for match in self.resources) is not self.not_resources

    def capacity(self, request: Request) -> Capacity:
        if self.principals is None:
            return Capacity.ITSELF
        reached = self.principals.capacity(request)
        if not self.not_principals:
            return reached
        return Capacity.NONE if reached else Capacity.ROLE

    def failed_condition(self, context: Context) -> Condition | None:
        for condition in self.conditions:
            if not condition.holds(context):
                return condition
        return None

    def reach(self, request: Request) -> Capacity:
        """How far the statement, its action aside, applies to the request: NONE where it does not."""
        if not self.covers_resource(request.resource, request.context):
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
        shown = "is missing" if given is None else f"is {given if isinstance(given, str) else list(given)}"
        return f"the condition {failed} does not hold: {failed.key} {shown}"
