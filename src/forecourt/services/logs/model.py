"""Log groups, log streams and filters. Events are in `telemetry.log_store`."""

from __future__ import annotations

from typing import Any

from forecourt.store import Document, Index


class LogGroup(Document):
    __kind__ = "logs.LogGroup"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    created_ms: int
    retention_days: int | None = None
    kms_key_id: str | None = None
    log_group_class: str = "STANDARD"
    deletion_protection: bool = False
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.name}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.account, self.region, self.name


class LogStream(Document):
    __kind__ = "logs.LogStream"
    __key__ = ("account", "region", "group", "name")
    # DescribeLogStreams orderBy=LastEventTime; a stream without events counts as of its creation.
    __indexes__ = (Index("by_last_event", values=lambda stream: [(*stream.group_key, stream.last_event)]),)

    account: str
    region: str
    group: str
    name: str
    created_ms: int
    first_event_ms: int | None = None
    last_event_ms: int | None = None
    last_ingestion_ms: int | None = None

    @property
    def group_key(self) -> tuple[str, str, str]:
        return self.account, self.region, self.group

    @property
    def last_event(self) -> str:
        at = self.last_event_ms if self.last_event_ms is not None else self.created_ms
        return f"{max(at, 0):020}"

    @property
    def arn(self) -> str:
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.group}:log-stream:{self.name}"


class MetricFilter(Document):
    """Counts what it finds: `transformation` in AWS's shape."""

    __kind__ = "logs.MetricFilter"
    __key__ = ("account", "region", "group", "name")

    account: str
    region: str
    group: str
    name: str
    pattern: str
    transformation: dict[str, Any]
    created_ms: int

    @property
    def group_key(self) -> tuple[str, str, str]:
        return self.account, self.region, self.group


class SubscriptionFilter(Document):
    """Hands on what it finds."""

    __kind__ = "logs.SubscriptionFilter"
    __key__ = ("account", "region", "group", "name")

    account: str
    region: str
    group: str
    name: str
    pattern: str
    destination_arn: str
    role_arn: str
    distribution: str
    created_ms: int

    @property
    def group_key(self) -> tuple[str, str, str]:
        return self.account, self.region, self.group

    @property
    def source_arn(self) -> str:
        """What CloudWatch Logs says it calls for."""
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.group}:*"


class ResourcePolicy(Document):
    """Which services may write to groups of the account."""

    __kind__ = "logs.ResourcePolicy"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    document: str
    updated_ms: int

    @property
    def scope(self) -> tuple[str, str]:
        return self.account, self.region


class QueryDefinition(Document):
    """A query of Logs Insights that is kept under a name."""

    __kind__ = "logs.QueryDefinition"
    __key__ = ("account", "region", "id")

    account: str
    region: str
    id: str
    name: str
    text: str
    groups: list[str]
    modified_ms: int


# What goes with a group
FILTERS: tuple[type[MetricFilter] | type[SubscriptionFilter], ...] = (MetricFilter, SubscriptionFilter)
