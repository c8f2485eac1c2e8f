"""A row that goes through a query: what was computed of it, and what is discovered in it when somebody asks. Pure.

Discovered are the members of a JSON message, or of the JSON at its end (`request.items.0.id`), and what AWS finds in
the lines of functions.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from forecourt.services.logs.insights.values import Moment, Value

# Of a message, as on AWS
_MOST_FIELDS = 200
_MOST_DEPTH = 20
_FUNCTIONS = "/aws/lambda/"
_LINE = re.compile(r"(?P<type>START|END|REPORT|XRAY) (?:RequestId|TraceId): (?P<id>\S+)")
_REQUEST_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_MEASURE = re.compile(
    r"(?P<name>Init Duration|Billed Duration|Duration|Memory Size|Max Memory Used): (?P<amount>[\d.]+) (?P<unit>ms|MB)"
)
_MEASURES = {
    "Duration": "@duration",
    "Billed Duration": "@billedDuration",
    "Init Duration": "@initDuration",
    "Memory Size": "@memorySize",
    "Max Memory Used": "@maxMemoryUsed",
}
_UNITS = {"ms": 1.0, "MB": 1_000_000.0}
_decode = msgspec.json.Decoder().decode

Fields = dict[str, Value]


class Row:
    __slots__ = ("_discover", "_discovered", "values")

    def __init__(self, values: Fields, discover: Callable[[], Fields] | None = None) -> None:
        self.values = values
        self._discover = discover
        self._discovered: Fields | None = None

    def get(self, name: str) -> Value:
        found = self.values.get(name)
        return self.discovered.get(name) if found is None and self._discover is not None else found

    @property
    def discovered(self) -> Fields:
        if self._discovered is None:
            self._discovered = self._discover() if self._discover is not None else {}
        return self._discovered

    def with_values(self, values: Fields) -> Row:
        row = Row({**self.values, **values}, self._discover)
        row._discovered = self._discovered
        return row


def event_row(
    group: tuple[str, str, str], stream: str, timestamp_ms: int, ingestion_ms: int, message: str, pointer: str
) -> Row:
    account, _, name = group
    values: Fields = {
        "@timestamp": Moment(timestamp_ms),
        "@ingestionTime": Moment(ingestion_ms),
        "@message": message,
        "@logStream": stream,
        "@log": f"{account}:{name}",
        "@ptr": pointer,
    }
    return Row(values, lambda: {**dict(_members(message)), **(_of_function(message) if _FUNCTIONS in name else {})})


def _members(message: str) -> Iterator[tuple[str, Value]]:
    text = message.rstrip()
    start = text.find("{")
    if start < 0 or not text.endswith("}"):
        return
    try:
        document = _decode(text[start:])
    except (msgspec.DecodeError, RecursionError):
        return
    for count, member in enumerate(_flat(document, "", 0)):
        if count == _MOST_FIELDS:
            return
        yield member


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, Value]]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flat(member, f"{name}.{key}" if name else key, depth + 1)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _flat(member, f"{name}.{index}" if name else str(index), depth + 1)
    elif isinstance(value, bool):
        yield name, int(value)
    elif value is not None:
        yield name, value


def _of_function(message: str) -> Fields:
    found: Fields = {}
    line = _LINE.match(message)
    if line is not None:
        found["@type"] = line["type"]
    identifier = line["id"] if line is not None else _first(_REQUEST_ID.search(message))
    if identifier:
        found["@requestId"] = identifier
    if line is not None and line["type"] == "REPORT":
        for measure in _MEASURE.finditer(message):
            found[_MEASURES[measure["name"]]] = float(measure["amount"]) * _UNITS[measure["unit"]]
    return found


def _first(match: re.Match[str] | None) -> str:
    return match[0] if match is not None else ""
