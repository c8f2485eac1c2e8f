"""EventBridge rules with a schedule: fired once a minute, by Forecourt's clock.

moto keeps such rules and never fires them. Which there are is asked whenever a rule was changed, and kept, so that a
restart need not load moto to know. A firing is an event on the default bus that only the rule itself takes
(`bridges`): its targets get it as they get any other. A clock that is moved fires what fell due on the way, at most
`_MOST_AT_ONCE` times for each rule; what fell due while no process ran is not made up for.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock, Timer
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.services.backing import timetable
from forecourt.services.backing.message import Request, operation_of
from forecourt.store import Document, Store, Tx

_log = logging.getLogger("forecourt.backing")

_MINUTE = 60
_MOST_AT_ONCE = 100
_LONGEST_WAY_BACK = 7 * 1440
_CHANGES = frozenset(("PutRule", "DeleteRule", "EnableRule", "DisableRule"))


class RuleSchedule(Document):
    """An enabled rule. `since`: the minute that rates are counted from."""

    __kind__ = "backing.RuleSchedule"
    __key__ = ("account", "region", "arn")

    account: str
    region: str
    arn: str
    expression: str
    since: int


def concerns(request: Request) -> bool:
    """Whether it may have changed a rule."""
    if request.service == "events":
        return operation_of(request) in _CHANGES
    return request.service == "cloudformation" and not operation_of(request).startswith(("Describe", "List", "Get"))


class Schedules:
    """`events` is the embedded EventBridge."""

    def __init__(self, store: Store | None, events: Caller, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._ids = ids
        self._rules: dict[str, RuleSchedule] = {}
        self._dues: dict[str, timetable.Due] = {}
        self._seen = 0
        self._timer: Timer | None = None
        self._firing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._seen = self._minute
        if self._store is not None:
            self._take(await self._store.list(RuleSchedule))

    async def stop(self) -> None:
        self.forget()
        if self._firing is not None:
            self._firing.cancel()
            await asyncio.gather(self._firing, return_exceptions=True)

    def forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rules, self._dues = {}, {}

    async def changed(self, account: str, region: str) -> None:
        """Asks for the rules of the account's region anew."""
        found = [self._scheduled(account, region, rule) for rule in await self._list(account, region)]
        kept = {rule.arn: rule for rule in found if rule is not None}
        gone = [old for old in self._rules.values() if (old.account, old.region) == (account, region)]
        if self._store is not None and (gone or kept):

            def write(tx: Tx) -> None:
                tx.delete_all(RuleSchedule, account, region)
                for rule in kept.values():
                    tx.put(rule)

            await self._store.write(write)
        for old in gone:
            del self._rules[old.arn]
            self._dues.pop(old.arn, None)
        self._take(list(kept.values()))

    @property
    def _minute(self) -> int:
        return int(self._clock.now() // _MINUTE)

    async def _list(self, account: str, region: str) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = await self._events.call(self._context(account, region), "events", "ListRules", token)
            rules += page.get("Rules", ())
            if not page.get("NextToken"):
                return rules
            token = {"NextToken": page["NextToken"]}

    def _scheduled(self, account: str, region: str, rule: dict[str, Any]) -> RuleSchedule | None:
        expression = rule.get("ScheduleExpression")
        if not expression or rule.get("State") == "DISABLED":
            return None
        old = self._rules.get(rule["Arn"])
        since = old.since if old is not None and old.expression == expression else self._minute
        return RuleSchedule(account=account, region=region, arn=rule["Arn"], expression=expression, since=since)

    def _take(self, rules: list[RuleSchedule]) -> None:
        for rule in rules:
            try:
                self._dues[rule.arn] = timetable.due(rule.expression)
            except timetable.NotASchedule:
                _log.warning("the rule %s has a schedule that is not understood: %s", rule.arn, rule.expression)
                continue
            self._rules[rule.arn] = rule
        if self._rules and self._timer is None:
            self._seen = self._minute
            self._arm()

    def _arm(self) -> None:
        self._timer = self._clock.call_at((self._minute + 1) * _MINUTE, self._tick)

    def _tick(self) -> None:
        first, self._seen = max(self._seen + 1, self._minute - _LONGEST_WAY_BACK), self._minute
        due = [(minute, rule) for rule in self._rules.values() for minute in self._due(rule, first)]
        if due:
            before, due = self._firing, sorted(due, key=lambda one: one[0])
            self._firing = asyncio.get_running_loop().create_task(self._fire(before, due))
        self._arm()

    def _due(self, rule: RuleSchedule, first: int) -> list[int]:
        is_due = self._dues[rule.arn]
        return [minute for minute in range(first, self._seen + 1) if is_due(minute, rule.since)][-_MOST_AT_ONCE:]

    async def _fire(self, before: asyncio.Task[None] | None, due: list[tuple[int, RuleSchedule]]) -> None:
        if before is not None:
            await before
        for minute, rule in due:
            entry = {
                "Source": "aws.events",
                "DetailType": "Scheduled Event",
                "Time": minute * _MINUTE,
                "Resources": [rule.arn],
                "Detail": json.dumps({}),
            }
            try:
                context = self._context(rule.account, rule.region)
                await self._events.call(context, "events", "PutEvents", {"Entries": [entry]})
            except ServiceError as error:
                _log.warning("the rule %s was due and could not be fired: %s", rule.arn, error)

    def _context(self, account: str, region: str) -> CallContext:
        return CallContext(principal=root(account), region=region, request_id=self._ids.uuid())
