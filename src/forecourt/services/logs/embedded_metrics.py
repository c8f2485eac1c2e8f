"""The embedded metric format: log events that bring metrics along, as Powertools for AWS Lambda writes them.

    {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "shop", "Dimensions": [["service"]],
              "Metrics": [{"Name": "orders", "Unit": "Count"}]}]}, "service": "cart", "orders": 3}

An event that does not follow the format brings none. Of its parts, those that refer to nothing are left out.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from forecourt.telemetry.metrics import Dimensions
from forecourt.telemetry.statistics import StatisticSet

_MARK = '"CloudWatchMetrics"'
_MOST_METRICS = 100
_MOST_DIMENSIONS = 30
_MOST_VALUES = 100
_PAST_MS = 14 * 86_400_000
_FUTURE_MS = 2 * 3_600_000


class _Definition(msgspec.Struct, rename="pascal"):
    name: str
    unit: str = "None"


class _Directive(msgspec.Struct, rename="pascal"):
    namespace: str
    metrics: list[_Definition] = []
    dimensions: list[list[str]] = []


class _Metadata(msgspec.Struct, rename="pascal"):
    timestamp: int
    cloud_watch_metrics: list[_Directive]


class _Event(msgspec.Struct):
    aws: _Metadata = msgspec.field(name="_aws")


class Embedded(NamedTuple):
    namespace: str
    name: str
    dimensions: Dimensions
    unit: str
    at: float
    values: StatisticSet


_event = msgspec.json.Decoder(_Event).decode
_members = msgspec.json.Decoder(dict[str, Any]).decode


def embedded_in(message: str, now_ms: int) -> Iterable[Embedded]:
    """Costs a look at the first character where there are none. Pure."""
    if not message.startswith("{") or _MARK not in message:
        return ()
    try:
        metadata, members = _event(message).aws, _members(message)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ()
    if not now_ms - _PAST_MS <= metadata.timestamp <= now_ms + _FUTURE_MS:
        return ()
    return _found(metadata, members)


def _found(metadata: _Metadata, members: dict[str, Any]) -> Iterator[Embedded]:
    at = metadata.timestamp / 1000
    for directive in metadata.cloud_watch_metrics:
        sets = [found for names in directive.dimensions or [[]] if (found := _dimensions(names, members)) is not None]
        for definition in directive.metrics[:_MOST_METRICS]:
            values = _values(members.get(definition.name))
            if values is not None:
                for dimensions in sets:
                    yield Embedded(directive.namespace, definition.name, dimensions, definition.unit, at, values)


def _dimensions(names: list[str], members: dict[str, Any]) -> Dimensions | None:
    found = tuple((name, members[name]) for name in names if isinstance(members.get(name), str))
    return found if len(found) == len(names) <= _MOST_DIMENSIONS else None


def _values(said: Any) -> StatisticSet | None:
    numbers = said if isinstance(said, list) else [said]
    known = [number for number in numbers if isinstance(number, int | float) and not isinstance(number, bool)]
    if not known or len(known) != len(numbers) or len(known) > _MOST_VALUES or not all(map(math.isfinite, known)):
        return None
    values = StatisticSet()
    for number in known:
        values.add(float(number))
    return values
