"""An alarm, and what happened to it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from forecourt.store import Document


def arn_of(account: str, region: str, name: str) -> str:
    return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"


class Alarm(Document):
    """`settings` are PutMetricAlarm's or PutCompositeAlarm's members as they were given. Times in epoch seconds."""

    __kind__ = "cloudwatch.Alarm"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    settings: dict[str, Any]
    configured_at: float
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = ""
    updated_at: float = 0.0
    transitioned_at: float = 0.0
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, self.name)

    @property
    def kind(self) -> str:
        return "CompositeAlarm" if "AlarmRule" in self.settings else "MetricAlarm"

    @property
    def rule(self) -> str:
        """Of a composite alarm."""
        return str(self.settings.get("AlarmRule", ""))

    def is_in(self, children: Collection[str]) -> bool:
        """Whether a composite alarm with these children goes by this one."""
        return self.name in children or self.arn in children

    @property
    def actions_enabled(self) -> bool:
        return bool(self.settings.get("ActionsEnabled", True))


class AlarmEvent(Document):
    """An item of an alarm's history. `at`: milliseconds since the epoch in fifteen digits, so that keys sort."""

    __kind__ = "cloudwatch.AlarmEvent"
    __key__ = ("account", "region", "name", "at")

    account: str
    region: str
    name: str
    at: str
    kind: str
    summary: str
    data: str = ""
    of: str = "MetricAlarm"
