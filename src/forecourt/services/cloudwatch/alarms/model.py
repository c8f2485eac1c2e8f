"""An alarm, and what happened to it."""

from __future__ import annotations

from typing import Any

from forecourt.store import Document


class Alarm(Document):
    """`settings` are PutMetricAlarm's members as they were given. Times in epoch seconds."""

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
        return f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{self.name}"

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
