"""Execution history to CloudWatch Logs, by the machine's logging configuration.

https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.ports import LogSink
from forecourt.services.stepfunctions.engine.history import HistoryEvent
from forecourt.services.stepfunctions.model import ExecutionRecord

_FATAL = ("ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut")
_LIST = {"input", "output", "parameters"}
_encode = msgspec.json.Encoder().encode


def wants(level: str, type_: str) -> bool:
    if level == "ALL":
        return True
    if level == "FATAL":
        return type_ in _FATAL
    failed = type_ in _FATAL or type_.endswith(("Failed", "TimedOut", "Aborted"))
    return level == "ERROR" and failed


class ExecutionLogs:
    def __init__(self, sink: LogSink | None) -> None:
        self._sink = sink

    def is_logged(self, logging: dict[str, Any]) -> bool:
        return self._sink is not None and logging.get("level", "OFF") != "OFF" and _group(logging) is not None

    def write(self, record: ExecutionRecord, events: Iterable[HistoryEvent], kind: str = "STANDARD") -> None:
        logging = record.logging
        if not logging or not self.is_logged(logging):
            return
        group = _group(logging)
        assert self._sink is not None
        assert group is not None
        moment = datetime.fromtimestamp(record.started_at, UTC)
        stream = f"states/{record.machine.split('/')[0]}/{moment:%Y-%m-%d-%H-%M}/{record.name[:8]}"
        for event in events:
            if wants(logging["level"], event.type):
                message = _entry(record, event, bool(logging.get("includeExecutionData")))
                self._sink.write(record.account, record.region, group, stream, int(event.timestamp * 1000), message)


def _entry(record: ExecutionRecord, event: HistoryEvent, include_data: bool) -> str:
    details = {
        name: value
        for name, value in (event.details or {}).items()
        if value is not None and (include_data or name not in (*_LIST, "assignedVariables"))
    }
    if include_data:
        details |= {name + "Details": {"truncated": False} for name in ("input", "output") if name in details}
    entry: dict[str, Any] = {
        "id": str(event.id),
        "type": event.type,
        "details": details,
        "previous_event_id": str(event.previous),
        "event_timestamp": str(int(event.timestamp * 1000)),
        "execution_arn": record.arn,
    }
    if record.redrive_count:
        entry["redrive_count"] = str(record.redrive_count)
    return _encode(entry).decode()


def _group(logging: dict[str, Any]) -> str | None:
    """The name of the log group that the first destination names."""
    for destination in logging.get("destinations", ()):
        arn = destination.get("cloudWatchLogsLogGroup", {}).get("logGroupArn", "")
        try:
            resource = Arn.parse(arn).resource
        except ValueError:
            continue
        if resource.startswith("log-group:"):
            return resource.removeprefix("log-group:").removesuffix(":*")
    return None
