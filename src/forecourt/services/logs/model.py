"""Log groups and log streams. Their events are in `telemetry.log_store`."""

from __future__ import annotations

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
