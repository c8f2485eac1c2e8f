"""The embedded metric format: what an event brings along, and what it does not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.functions.harness import ROLE, zipped
from tests.functions.test_event_sources import until

from forecourt.services.logs.embedded_metrics import embedded_in
from forecourt.testing import Forecourt

NOW_MS = 1_800_000_000_000


def event(directive: dict[str, Any] | None = None, at: Any = NOW_MS, **members: Any) -> str:
    said = {"Namespace": "shop", "Dimensions": [["service"]], "Metrics": [{"Name": "orders", "Unit": "Count"}]}
    metadata = {"Timestamp": at, "CloudWatchMetrics": [said | (directive or {})]}
    return json.dumps({"_aws": metadata, "service": "cart", "orders": 3, **members})


def found(message: str) -> list[tuple[str, tuple[tuple[str, str], ...], float, float]]:
    return [(one.name, one.dimensions, one.values.count, one.values.sum) for one in embedded_in(message, NOW_MS)]


CART = (("service", "cart"),)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (event(), [("orders", CART, 1, 3)]),
        (event(orders=[1, 2.5]), [("orders", CART, 2, 3.5)]),
        (event({"Dimensions": [["service"], []]}), [("orders", CART, 1, 3), ("orders", (), 1, 3)]),
        (event({"Dimensions": [["service", "zone"]]}, zone="a"), [("orders", (*CART, ("zone", "a")), 1, 3)]),
        (event({"Metrics": [{"Name": "orders"}, {"Name": "none"}]}), [("orders", CART, 1, 3)]),
        (event({"Dimensions": [["nobody"], ["service"]]}), [("orders", CART, 1, 3)]),
        (event(service=7), []),
        (event(orders="3"), []),
        (event(orders=True), []),
        (event(orders=[]), []),
        (event(orders=[1] * 101), []),
        (event(at="now"), []),
        (event(at=NOW_MS - 15 * 86_400_000), []),
        (event(at=NOW_MS + 3 * 3_600_000), []),
        (event({"Metrics": "all"}), []),
        (event()[:-1], []),
        ('{"CloudWatchMetrics": []}', []),
        ("plain text", []),
    ],
    ids=lambda given: str(given)[-70:],
)
def test_what_an_event_brings(message: str, expected: list[Any]) -> None:
    assert found(message) == expected


PROGRAM = """
import json, time
def handler(event, context):
    print(json.dumps({"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
        {"Namespace": "emf", "Dimensions": [["service"]], "Metrics": [{"Name": "latency", "Unit": "Milliseconds"}]}]},
        "service": "cart", "latency": [10, 30]}))
"""


def test_a_functions_output_is_counted(server: Forecourt) -> None:
    functions, cloudwatch = server.client("lambda"), server.client("cloudwatch")
    code = {"ZipFile": zipped({"app.py": PROGRAM})}
    functions.create_function(FunctionName="emf", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code=code)
    functions.invoke(FunctionName="emf")
    asked = {
        "Namespace": "emf", "MetricName": "latency", "Dimensions": [{"Name": "service", "Value": "cart"}],
        "StartTime": time.time() - 3600, "EndTime": time.time() + 3600, "Period": 3600, "Statistics": ["Average"],
    }  # fmt: skip
    points = until(lambda: cloudwatch.get_metric_statistics(**asked)["Datapoints"])
    assert [(point["Average"], point["Unit"]) for point in points] == [(20.0, "Milliseconds")]
