"""The metrics in Prometheus' text format (version 0.0.4), and the process' own.

`AWS/ApiGateway` `Latency` becomes `aws_apigateway_latency_milliseconds`, a summary with `_count` and `_sum`, labelled
with account, region and the dimensions (`ApiName` as `api_name`).
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Iterable, Iterator

from forecourt.telemetry.metrics import Metrics, Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_started = time.time()
_UNIT_SUFFIX = {
    "Milliseconds": "_milliseconds",
    "Seconds": "_seconds",
    "Bytes": "_bytes",
    "Microseconds": "_microseconds",
}


def exposition(metrics: Metrics) -> str:
    lines = [
        *_process(),
        *_counter("forecourt_metrics_dropped_total", "Values of series beyond the bound.", metrics.dropped),
    ]
    families: dict[str, list[Series]] = {}
    for series in metrics.all():
        families.setdefault(_family(series), []).append(series)
    for family in sorted(families):
        lines += _summary(family, families[family])
    return "\n".join(lines) + "\n"


def _summary(family: str, members: Iterable[Series]) -> Iterator[str]:
    yield f"# TYPE {family} summary"
    seen: set[str] = set()
    for series in members:
        labels = _labels(series)
        if labels not in seen:  # two names may become one here
            seen.add(labels)
            yield f"{family}_count{labels} {_number(series.total_count)}"
            yield f"{family}_sum{labels} {_number(series.total_sum)}"


def _family(series: Series) -> str:
    return f"{_named(series.id.namespace)}_{_snake(series.id.name)}{_UNIT_SUFFIX.get(series.unit, '')}"


def _labels(series: Series) -> str:
    labels = {"account": series.id.account, "region": series.id.region}
    for name, value in series.id.dimensions:
        label = _named(name)
        while label in labels:
            label += "_"
        labels[label] = value
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _named(name: str) -> str:
    """A name does not begin with a digit."""
    snake = _snake(name)
    return f"_{snake}" if snake[0].isdigit() else snake


def _snake(name: str) -> str:
    """`4XXError` as `4xx_error`, `AWS/ApiGateway` as `aws_apigateway`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.replace("ApiGateway", "apigateway"))
    return re.sub(r"[^a-zA-Z0-9]+", "_", words).strip("_").lower() or "_"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _process() -> Iterator[str]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield from _counter("process_cpu_seconds_total", "User and system CPU time.", usage.ru_utime + usage.ru_stime)
    yield from _gauge("process_start_time_seconds", "Start time since the epoch.", _started)
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    yield from _gauge("process_resident_memory_bytes", "Resident memory.", pages * os.sysconf("SC_PAGE_SIZE"))
    yield from _gauge("process_open_fds", "Open file descriptors.", len(os.listdir("/proc/self/fd")))


def _counter(name: str, text: str, value: float) -> Iterator[str]:
    return iter((f"# HELP {name} {text}", f"# TYPE {name} counter", f"{name} {_number(value)}"))


def _gauge(name: str, text: str, value: float) -> Iterator[str]:
    return iter((f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {_number(value)}"))
