"""Which events of a PutLogEvents batch are taken. Pure.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html: at most 1 MiB counting 26
bytes an event, in the order of time, not spanning more than 24 hours; an event more than two hours in the future, older
than 14 days or older than the group's retention is rejected alone, by its place in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from forecourt.services.logs.errors import InvalidParameterException
from forecourt.telemetry.log_store import EVENT_OVERHEAD_BYTES

BATCH_BYTES = 1_048_576
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_FUTURE_MS = 2 * _HOUR_MS
_PAST_MS = 14 * _DAY_MS


class Accepted(NamedTuple):
    events: list[tuple[int, str]]
    rejected: dict[str, int]


def accept(batch: Sequence[Any], now_ms: int, retention_days: int | None) -> Accepted:
    """`batch` in AWS's shape. Raises `InvalidParameterException` where the whole of it is refused."""
    events = [(int(event["timestamp"]), str(event["message"])) for event in batch]
    _check(events)
    newest = now_ms + _FUTURE_MS
    oldest = now_ms - _PAST_MS
    kept_from = now_ms - retention_days * _DAY_MS if retention_days else 0
    rejected = {}
    if too_new := [at for at, (timestamp, _) in enumerate(events) if timestamp > newest]:
        rejected["tooNewLogEventStartIndex"] = too_new[0]
    # The ends are exclusive.
    if too_old := [at for at, (timestamp, _) in enumerate(events) if timestamp < oldest]:
        rejected["tooOldLogEventEndIndex"] = too_old[-1] + 1
    if expired := [at for at, (timestamp, _) in enumerate(events) if oldest <= timestamp < kept_from]:
        rejected["expiredLogEventEndIndex"] = expired[-1] + 1
    return Accepted([e for e in events if max(oldest, kept_from) <= e[0] <= newest], rejected)


def _check(events: list[tuple[int, str]]) -> None:
    size = sum(len(message.encode()) + EVENT_OVERHEAD_BYTES for _, message in events)
    if size > BATCH_BYTES:
        raise InvalidParameterException(f"Upload too large: {size} bytes exceeds limit of {BATCH_BYTES}")
    timestamps = [timestamp for timestamp, _ in events]
    if timestamps != sorted(timestamps):
        raise InvalidParameterException("Log events in a single PutLogEvents request must be in chronological order.")
    if timestamps[-1] - timestamps[0] > _DAY_MS:
        raise InvalidParameterException(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
