"""Looks at every alarm once a minute, by Forecourt's clock, and changes the state of those that have another now.

A composite alarm follows at once when one of its children changes; a circle of them is followed once around.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from forecourt.base.clock import Clock, Timer
from forecourt.base.errors import ServiceError
from forecourt.services.cloudwatch.alarms.actions import Actions
from forecourt.services.cloudwatch.alarms.composite import parse
from forecourt.services.cloudwatch.alarms.judge import Point, judge
from forecourt.services.cloudwatch.alarms.model import Alarm
from forecourt.services.cloudwatch.alarms.points import period, points, rule
from forecourt.services.cloudwatch.alarms.store import AlarmStore, children_of
from forecourt.telemetry.metrics import Metrics

_log = logging.getLogger("forecourt.cloudwatch")

_MINUTE = 60.0


class Watch:
    def __init__(self, alarms: AlarmStore, metrics: Metrics, actions: Actions, clock: Clock) -> None:
        self._alarms = alarms
        self._metrics = metrics
        self._actions = actions
        self._clock = clock
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """A minute is judged once it is over."""
        self._timer = self._clock.call_at((self._clock.now() // _MINUTE + 1) * _MINUTE, self._begin)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def points(self, alarm: Alarm) -> list[Point]:
        """Raises `ServiceError`."""
        return points(alarm, self._metrics, self._clock.now())

    async def look(self) -> None:
        for alarm in await self._alarms.all():
            try:
                await self._judge(alarm)
            except ServiceError as error:
                _log.warning("the alarm %s could not be judged: %s", alarm.name, error)
            await asyncio.sleep(0)  # there may be thousands, and others wait

    async def change(
        self, alarm: Alarm, state: str, reason: str, reason_data: str, behind: frozenset[str] = frozenset()
    ) -> None:
        """Moves the alarm to `state` and tells whom it may concern. Nothing where it is no longer what it was.

        `behind`: the alarms whose changes have led to this one.
        """
        now = self._clock.now()
        told = msgspec.structs.replace(alarm, state=state, reason=reason, reason_data=reason_data, updated_at=now)
        moved = state != alarm.state
        if moved:
            told.transitioned_at = now
        if await self._alarms.move(alarm, told) and moved:
            await self._actions.perform(alarm, told)
            await self._follow(told, behind | {told.name})

    async def compose(self, alarm: Alarm, child: Alarm | None = None, behind: frozenset[str] = frozenset()) -> None:
        """Judges a composite alarm, because `child` has changed, or because it is time."""
        others = await self._alarms.of(alarm.account, alarm.region)
        states = {name: other.state for other in others for name in (other.name, other.arn)}
        state = "ALARM" if parse(alarm.rule).holds(states) else "OK"
        if state != alarm.state:
            reason, data = _because_of(child) if child is not None else (f"AlarmRule evaluates to {state}", "")
            await self.change(alarm, state, reason, data, behind)

    async def _follow(self, child: Alarm, behind: frozenset[str]) -> None:
        for parent in await self._alarms.of(child.account, child.region):
            if parent.name not in behind and child.is_in(children_of(parent)):
                await self.compose(parent, child, behind)

    def _begin(self) -> None:
        self.start()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.look())

    async def _judge(self, alarm: Alarm) -> None:
        if alarm.rule:
            await self.compose(alarm)
            return
        verdict = judge(rule(alarm), self.points(alarm), alarm.state)
        if verdict.state != alarm.state:
            data = _reason_data(alarm, verdict.points, self._clock.now())
            await self.change(alarm, verdict.state, verdict.reason, data)


def _because_of(child: Alarm) -> tuple[str, str]:
    """A composite alarm's reason, for people and for programs."""
    at = datetime.fromtimestamp(child.transitioned_at, UTC)
    state = {"value": child.state, "timestamp": _iso(child.transitioned_at)}
    data = json.dumps({"triggeringAlarms": [{"arn": child.arn, "state": state}]})
    return f"{child.arn} transitioned to {child.state} at {at:%A %d %B, %Y %H:%M:%S} UTC", data


def _reason_data(alarm: Alarm, decided: Sequence[Point], now: float) -> str:
    """What AWS keeps with the reason, for programs."""
    settings = alarm.settings
    known: dict[str, Any] = {"version": "1.0", "queryDate": _iso(now)}
    if decided:
        known["startDate"] = _iso(min(point.at for point in decided))
    for member, name in (("Statistic", "statistic"), ("Unit", "unit")):
        if member in settings:
            known[name] = settings[member]
    known |= {
        "period": period(settings),
        "recentDatapoints": [point.value for point in reversed(decided)],
        "threshold": settings["Threshold"],
        "evaluatedDatapoints": [{"timestamp": _iso(point.at), "value": point.value} for point in decided],
    }
    return json.dumps(known)


def _iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "+0000"
