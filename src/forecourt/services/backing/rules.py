"""EventBridge's rules with a schedule. A firing is an event on the default bus that only the rule itself takes
(`bridges`): its targets get it as they get any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.services.backing.message import Request, operation_of
from forecourt.services.backing.schedules import Change, Planned

_CHANGES = frozenset(("PutRule", "DeleteRule", "EnableRule", "DisableRule"))
AsRoot = Callable[[str, str], CallContext]


class Rules:
    """`events` is the embedded EventBridge; `as_root` makes a context of an account and region."""

    def __init__(self, events: Caller, as_root: AsRoot) -> None:
        self._events = events
        self._as_root = as_root

    def concerns(self, request: Request) -> bool:
        return request.service == "events" and operation_of(request) in _CHANGES

    async def look(self, request: Request, minute: int) -> Change:
        """Schedules are of rules of the default bus only."""
        scope = (request.account, request.region)
        rules: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = await self._events.call(self._as_root(*scope), "events", "ListRules", token)
            rules += page.get("Rules", ())
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
        found = [
            Planned(account=scope[0], region=scope[1], arn=rule["Arn"], expression=expression, since=minute)
            for rule in rules
            if (expression := rule.get("ScheduleExpression")) and rule.get("State") != "DISABLED"
        ]
        return Change(lambda old: (old.service, old.account, old.region) == ("events", *scope), found)

    async def fire(self, planned: Planned, minute: int) -> None:
        entry = {
            "Source": "aws.events",
            "DetailType": "Scheduled Event",
            "Time": minute * 60,
            "Resources": [planned.arn],
            "Detail": "{}",
        }
        context = self._as_root(planned.account, planned.region)
        await self._events.call(context, "events", "PutEvents", {"Entries": [entry]})
