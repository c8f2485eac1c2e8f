"""CloudWatch's metrics by calling the handlers, and metric math as text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.services.cloudwatch import CloudWatch, keep
from forecourt.services.cloudwatch.metric_math import BadExpression, Environment, evaluate
from forecourt.store import StoreUnavailable, open_store
from forecourt.telemetry.metrics import Metrics

NOW = 1_800_000_000
PETS = [{"Name": "ApiName", "Value": "pets"}]


class Client:
    def __init__(self, folder: Path | None = None) -> None:
        self.clock = Clock(now=lambda: float(NOW))
        self.store = open_store(folder, self.clock)
        self.metrics = Metrics(self.clock, most_sets=3000)
        self.told: list[tuple[str, str, Mapping[str, Any]]] = []
        self.service = CloudWatch(store=self.store, metrics=self.metrics, caller=self, clock=self.clock, ids=Ids())
        self._table = operations(*self.service.apis)
        self._context = CallContext(principal=root(), region="us-east-1", request_id="r")

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self._table[operation](self._context, request) or {}

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The `Caller` port: what alarms do."""
        self.told.append((service, operation, params))
        return {}

    async def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ServiceError) as error:
            await self(operation, **request)
        return error.value.code, error.value.message

    def record(self, name: str, *values: float, minutes_ago: int = 0) -> None:
        self.clock.offset_seconds = -60.0 * minutes_ago
        for value in values:
            self.metrics.record("000000000000", "us-east-1", "AWS/ApiGateway", name, (("ApiName", "pets"),), value)
            self.metrics._minute_ends = 0
        self.clock.offset_seconds = 0

    async def data(self, *queries: Mapping[str, Any], **request: Any) -> list[dict[str, Any]]:
        answer = await self(
            "GetMetricData",
            **{"MetricDataQueries": queries, "StartTime": NOW - 3600, "EndTime": NOW + 60, **request},
        )
        results: list[dict[str, Any]] = answer["MetricDataResults"]
        return results


def stat(name: str, metric: str, statistic: str = "Sum", period: int = 60, **more: Any) -> dict[str, Any]:
    described = {"Namespace": "AWS/ApiGateway", "MetricName": metric, "Dimensions": PETS}
    return {"Id": name, "MetricStat": {"Metric": described, "Period": period, "Stat": statistic}, **more}


@pytest.fixture
async def cloudwatch() -> AsyncIterator[Client]:
    client = Client()
    await client.service.start()
    yield client
    await client.service.stop()
    await client.store.close()


def statistics(**more: Any) -> dict[str, Any]:
    return {
        "Namespace": "AWS/ApiGateway",
        "MetricName": "Latency",
        "Dimensions": PETS,
        "StartTime": datetime.fromtimestamp(NOW - 600, UTC),
        "EndTime": datetime.fromtimestamp(NOW + 60, UTC),
        "Period": 300,
        "Statistics": ["Sum", "Average", "SampleCount", "Minimum", "Maximum"],
        **more,
    }


async def test_statistics_of_what_was_recorded(cloudwatch: Client) -> None:
    cloudwatch.record("Latency", 10, 30, minutes_ago=6)
    cloudwatch.record("Latency", 50, minutes_ago=2)
    answer = await cloudwatch("GetMetricStatistics", **statistics(ExtendedStatistics=["p100"]))
    assert answer["Label"] == "Latency"
    first, second = answer["Datapoints"]
    assert first == {
        "Timestamp": NOW - 600,
        "Unit": "Milliseconds",
        "Sum": 40,
        "Average": 20,
        "SampleCount": 2,
        "Minimum": 10,
        "Maximum": 30,
        "ExtendedStatistics": {"p100": pytest.approx(30, rel=0.04)},
    }
    assert (second["Timestamp"], second["Sum"]) == (NOW - 300, 50)


async def test_periods_begin_with_the_start_time(cloudwatch: Client) -> None:
    cloudwatch.record("Latency", 1, minutes_ago=6)
    answer = await cloudwatch(
        "GetMetricStatistics", **statistics(StartTime=datetime.fromtimestamp(NOW - 460, UTC), Statistics=["Sum"])
    )
    assert [point["Timestamp"] for point in answer["Datapoints"]] == [NOW - 480]


async def test_another_unit_has_no_datapoints(cloudwatch: Client) -> None:
    cloudwatch.record("Latency", 1)
    for more in ({"Unit": "Count"}, {"MetricName": "Other"}, {"Dimensions": []}):
        assert (await cloudwatch("GetMetricStatistics", **statistics(**more)))["Datapoints"] == []


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"StartTime": NOW + 60}, "InvalidParameterCombinationException", "StartTime must be less"),
        ({"Period": 90}, "InvalidParameterValueException", "multiple of 60"),
        (
            {"StartTime": NOW - 2879 * 60, "Period": 60},
            "InvalidParameterCombinationException",
            "up to 2,880 datapoints",
        ),
        ({"Statistics": []}, "MissingRequiredParameterException", "Must specify either"),
        ({"ExtendedStatistics": ["tm"]}, "InvalidParameterValueException", "tm"),
        ({"ExtendedStatistics": ["p101"]}, "InvalidParameterValueException", "p101"),
    ],
)
async def test_statistics_that_can_not_be(cloudwatch: Client, more: Any, code: str, words: str) -> None:
    found, message = await cloudwatch.refused("GetMetricStatistics", **statistics(**more))
    assert found == code
    assert words in message


async def test_put_and_get_in_every_form(cloudwatch: Client) -> None:
    await cloudwatch(
        "PutMetricData",
        Namespace="App",
        MetricData=[
            {"MetricName": "m", "Value": 1.0, "Unit": "Bytes", "Timestamp": datetime.fromtimestamp(NOW - 120, UTC)},
            {"MetricName": "m", "Values": [1.0, 2.0], "Counts": [3.0, 1.0], "Unit": "Bytes"},
            {"MetricName": "m", "StatisticValues": {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6}},
        ],
    )
    answer = await cloudwatch(
        "GetMetricStatistics",
        Namespace="App",
        MetricName="m",
        StartTime=NOW - 300,
        EndTime=NOW + 60,
        Period=60,
        Statistics=["Sum", "SampleCount"],
        Unit="Bytes",
    )
    assert [(p["Timestamp"], p["Sum"], p["SampleCount"]) for p in answer["Datapoints"]] == [
        (NOW - 120, 1, 1),
        (NOW, 15, 6),
    ]


DATUM = {"MetricName": "m", "Value": 1.0}


@pytest.mark.parametrize(
    ("namespace", "datum", "code"),
    [
        ("AWS/Lambda", DATUM, "InvalidParameterValueException"),
        ("App", {"MetricName": "m"}, "MissingRequiredParameterException"),
        ("App", {**DATUM, "Values": [1.0]}, "InvalidParameterCombinationException"),
        ("App", {"MetricName": "m", "Values": [1.0], "Counts": []}, "InvalidParameterValueException"),
        ("App", {"MetricName": "m", "Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValueException"),
        ("App", {"MetricName": "m", "Values": [1.0] * 151}, "InvalidParameterValueException"),
        ("App", {"MetricName": "m", "Value": float("nan")}, "InvalidParameterValueException"),
        ("App", {"MetricName": "m", "Value": float("inf")}, "InvalidParameterValueException"),
        ("App", {"MetricName": "m", "Value": 1e300}, "InvalidParameterValueException"),
        ("App", {**DATUM, "Timestamp": NOW - 15 * 86400}, "InvalidParameterValueException"),
        ("App", {**DATUM, "Timestamp": NOW + 3 * 3600}, "InvalidParameterValueException"),
    ],
)
async def test_a_datum_that_can_not_be_keeps_the_others_out(
    cloudwatch: Client, namespace: str, datum: Any, code: str
) -> None:
    if datum.get("Counts") == []:
        datum = {**datum, "Values": [1.0, 2.0], "Counts": [1.0]}
    found, _ = await cloudwatch.refused("PutMetricData", Namespace=namespace, MetricData=[DATUM, datum])
    assert found == code
    assert (await cloudwatch("ListMetrics"))["Metrics"] == []


async def test_list_metrics_filters_and_pages(cloudwatch: Client) -> None:
    for n in range(1050):
        dimensions = (("Number", f"{n:04}"), ("Odd", str(n % 2)))
        cloudwatch.metrics.record("000000000000", "us-east-1", "App", "m", dimensions, 1.0)
    cloudwatch.record("Latency", 1)
    cloudwatch.record("Old", 1, minutes_ago=200)
    numbers, token = [], {}
    while True:
        page = await cloudwatch("ListMetrics", Namespace="App", **token)
        numbers += [metric["Dimensions"][0]["Value"] for metric in page["Metrics"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert numbers == [f"{n:04}" for n in range(1050)]
    odd = await cloudwatch("ListMetrics", Dimensions=[{"Name": "Odd", "Value": "1"}, {"Name": "Number"}])
    assert len(odd["Metrics"]) == 500
    assert "NextToken" in odd
    recent = await cloudwatch("ListMetrics", Namespace="AWS/ApiGateway", RecentlyActive="PT3H")
    assert recent["Metrics"] == [{"Namespace": "AWS/ApiGateway", "MetricName": "Latency", "Dimensions": PETS}]
    assert (await cloudwatch.refused("ListMetrics", NextToken="x"))[0] == "InvalidNextToken"


async def test_get_metric_data(cloudwatch: Client) -> None:
    cloudwatch.record("Count", *[1] * 10, minutes_ago=2)
    cloudwatch.record("Count", *[1] * 20, minutes_ago=1)
    cloudwatch.record("5XXError", 1, 1, minutes_ago=1)
    requests, errors = stat("requests", "Count", ReturnData=False), stat("errors", "5XXError", Label="broken")
    rate = {"Id": "rate", "Expression": "100 * FILL(errors, 0) / requests"}
    results = await cloudwatch.data(rate, requests, errors)
    assert [(r["Id"], r["Label"], r["Values"], r["StatusCode"]) for r in results] == [
        ("rate", "rate", [10.0], "Complete"),
        ("errors", "broken", [2.0], "Complete"),
    ]
    (counts,) = await cloudwatch.data(stat("requests", "Count"))
    assert counts["Timestamps"] == [NOW - 60, NOW - 120]
    assert counts["Values"] == [20.0, 10.0]
    (counts,) = await cloudwatch.data(stat("requests", "Count"), ScanBy="TimestampAscending")
    assert counts["Values"] == [10.0, 20.0]
    (p90,) = await cloudwatch.data(stat("p", "Count", "p90", 3600))
    assert p90["Values"] == [pytest.approx(1, rel=0.04)]
    (rank,) = await cloudwatch.data(stat("r", "Count", "PR(:2)", 3600))
    assert rank["Values"] == [100.0]


async def test_data_is_paged(cloudwatch: Client) -> None:
    for minutes in range(5):
        cloudwatch.record("Count", 1, minutes_ago=minutes)
    request = {
        "MetricDataQueries": [stat("m", "Count")],
        "StartTime": NOW - 3600,
        "EndTime": NOW + 60,
        "MaxDatapoints": 2,
    }
    times, token = [], {}
    for _ in range(3):
        answer = await cloudwatch("GetMetricData", **request, **token)
        times.append(answer["MetricDataResults"][0]["Timestamps"])
        token = {"NextToken": answer["NextToken"]} if "NextToken" in answer else {}
    assert times == [[NOW, NOW - 60], [NOW - 120, NOW - 180], [NOW - 240]]
    assert token == {}


@pytest.mark.parametrize(
    "queries",
    [
        [{"Id": "a", "Expression": "b"}],
        [{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a"}],
        [{"Id": "a", "Expression": "SEARCH('x', 'Sum', 300)"}],
        [{"Id": "a"}],
        [{"Id": "A", "Expression": "1"}],
        [{"Id": "a", "Expression": "1"}, {"Id": "a", "Expression": "1"}],
        [stat("m", "Count", "tm")],
    ],
    ids=lambda queries: json.dumps(queries)[:50],
)
async def test_queries_that_can_not_be(cloudwatch: Client, queries: list[Any]) -> None:
    request = {"MetricDataQueries": queries, "StartTime": NOW - 3600, "EndTime": NOW + 60}
    assert (await cloudwatch.refused("GetMetricData", **request))[0] == "ValidationError"


async def sum_of(client: Client, namespace: str, metric: str) -> list[tuple[int, float]]:
    answer = await client(
        "GetMetricStatistics",
        Namespace=namespace,
        MetricName=metric,
        StartTime=NOW - 80_000,
        EndTime=NOW + 60,
        Period=60,
        Statistics=["Sum"],
        Dimensions=PETS,
    )
    return [(point["Timestamp"], point["Sum"]) for point in answer["Datapoints"]]


async def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    cloudwatch = Client(tmp_path)
    await cloudwatch.service.start()
    old = NOW - 7200
    for at, value in ((NOW, 1.0), (NOW, 2.0), (old, 4.0)):
        datum = {"MetricName": "m", "Value": value, "Dimensions": PETS, "Timestamp": at}
        await cloudwatch("PutMetricData", Namespace="App", MetricData=[datum])
    await cloudwatch.store.close()  # no stop: as after a kill
    cloudwatch = Client(tmp_path)
    await cloudwatch.service.start()
    assert await sum_of(cloudwatch, "App", "m") == [(old, 4.0), (NOW, 3.0)]
    await cloudwatch("PutMetricData", Namespace="App", MetricData=[{"MetricName": "m", "Value": 1, "Dimensions": PETS}])
    assert await sum_of(cloudwatch, "App", "m") == [(old, 4.0), (NOW, 4.0)]
    await cloudwatch.service.stop()
    await cloudwatch.store.close()


async def test_waiting_puts_share_a_write_and_a_failed_write_is_made_up_for(
    cloudwatch: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, writes = cloudwatch.store.write, []

    async def counting(change: Any) -> Any:
        writes.append(change)
        if len(writes) == 1:
            raise StoreUnavailable("no space left")
        return await write(change)

    monkeypatch.setattr(cloudwatch.store, "write", counting)
    datum = {"MetricName": "m", "Value": 1.0}
    old = {**datum, "Timestamp": NOW - 3600}
    assert (await cloudwatch.refused("PutMetricData", Namespace="App", MetricData=[old]))[1] == "no space left"
    await asyncio.gather(*[cloudwatch("PutMetricData", Namespace="App", MetricData=[datum]) for _ in range(50)])
    assert len(writes) == 3
    kept = await cloudwatch.store.list(keep.MetricMinute)
    assert [(int(minute.minute) * 60, minute.sets[0].count) for minute in kept] == [(NOW - 3600, 1), (NOW, 50)]


async def test_what_was_recorded_is_kept_every_minute_and_forgotten_with_memory(tmp_path: Path) -> None:
    cloudwatch = Client(tmp_path)
    await cloudwatch.service.start()
    cloudwatch.record("Latency", 10, 20, minutes_ago=3)
    cloudwatch.record("Latency", 30)
    cloudwatch.clock.advance(60)
    while not (kept := await cloudwatch.store.list(keep.MetricMinute)):
        await asyncio.sleep(0.001)
    assert [int(minute.minute) * 60 for minute in kept] == [NOW - 180, NOW]
    for minutes in range(2, 3100):
        cloudwatch.clock.offset_seconds = 60.0 * minutes
        cloudwatch.metrics.record("000000000000", "us-east-1", "AWS/ApiGateway", "Latency", (), 1.0)
    await cloudwatch.service.stop()
    kept = await cloudwatch.store.list(keep.MetricMinute)
    assert int(kept[0].minute) * 60 > NOW
    await cloudwatch.store.close()


SERIES = {"m1": {0: 1.0, 60: 2.0, 180: 4.0}, "m2": {0: 10.0, 60: 0.0, 120: 30.0}}
MATH = """
1 + 2 * 3 ^ 2                = 19
-(2 - 5)                     = 3
m1 + 1                       = 0:2 60:3 180:5
m1 + m2                      = 0:11 60:2
m2 / m1                      = 0:10 60:0
m1 / m2                      = 0:0.1
m1 > 1                       = 0:0 60:1 180:1
m1 > 1 && m2 == 0            = 0:0 60:1
SUM(m1)                      = 7
SUM([m1, m2])                = 0:11 60:2 120:30 180:4
SUM(METRICS())               = 0:11 60:2 120:30 180:4
AVG(METRICS("m1"))           = 0:1 60:2 180:4
MAX([m1, m2])                = 0:10 60:2 120:30 180:4
MIN(m2)                      = 0
FILL(m1, 0)                  = 0:1 60:2 120:0 180:4
RUNNING_SUM(m1)              = 0:1 60:3 180:7
DIFF(m1)                     = 60:1 180:2
RATE(m1) * 60                = 60:1 180:1
IF(m1 > 1, m1, 0)            = 0:0 60:2 180:4
IF(m1 > 1, m1, m2)           = 0:10 60:2 180:4
ABS(0 - m1)                  = 0:1 60:2 180:4
CEIL(m1 / 3)                 = 0:1 60:1 180:2
FLOOR(m1 / 3)                = 0:0 60:0 180:1
m1 * PERIOD(m1)              = 0:60 60:120 180:240
m1 > 1 AND m2 == 0           = 0:0 60:1
m1 > 1 OR m2 == 10           = 0:1 60:1
STDDEV(m2)                   = 12.472191
DATAPOINT_COUNT(m1)          = 3
DATAPOINT_COUNT(METRICS())   = 0:2 60:2 120:1 180:1
LOG10(m2)                    = 0:1 120:1.477121
LOG(m1 / m1)                 = 0:0 60:0 180:0
DIFF_TIME(m1)                = 60:60 180:120
FILL(m1, REPEAT)             = 0:1 60:2 120:2 180:4
FILL(m1, LINEAR)             = 0:1 60:2 120:3 180:4
FILL(m1 / 0, 7)              = 0:7 60:7 120:7 180:7
SUM(FILL(METRICS(), 0))      = 0:11 60:2 120:30 180:4
TIME_SERIES(5)               = 0:5 60:5 120:5 180:5
FIRST(METRICS())             = 0:1 60:2 180:4
LAST(METRICS())              = 0:10 60:0 120:30
SLICE(METRICS(), 1)          = 0:10 60:0 120:30
SUM(SLICE(METRICS(), 0, 1))  = 0:1 60:2 180:4
MAX(SORT(METRICS(), MAX, DESC, 1)) = 0:10 60:0 120:30
MAX(SORT(METRICS(), AVG, ASC, 1)) = 0:1 60:2 180:4
FIRST(REMOVE_EMPTY([m1 / 0, m1])) = 0:1 60:2 180:4
MINUTE(m1)                   = 0:0 60:1 180:3
DAY(m1) * 100 + DATE(m1)     = 0:401 60:401 180:401
HOUR(m1) + MONTH(m1) + YEAR(m1) = 0:1971 60:1971 180:1971
EPOCH(m1)                    = 0:0 60:60 180:180
"""


def environment() -> Environment:
    return Environment(lambda name: SERIES[name], lambda: SERIES, 60, range(0, 240, 60))


@pytest.mark.parametrize("line", MATH.strip().split("\n"), ids=lambda line: line.split("  ")[0])
def test_metric_math(line: str) -> None:
    expression, _, text = line.rpartition(" = ")
    value = evaluate(expression, environment())
    if isinstance(value, float | int):
        assert value == pytest.approx(float(text))
    else:
        expected = {int(at): float(one) for at, one in (pair.split(":") for pair in text.split())}
        assert value == pytest.approx(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 +",
        "(1",
        "m1 m2",
        "SUM(1)",
        "SUM(m1, m2)",
        "NOPE(m1)",
        "[1]",
        "1 & 2",
        "FILL(m1, m2)",
        "FILL(m1, SOMETHING)",
        "SUM(METRICS()) + LINEAR",
        "LINEAR",
        "SORT(METRICS(), MAX, UP)",
        "FIRST(m1)",
        "SEARCH('{AWS/Lambda,FunctionName}', 'Sum')",
        "(" * 2000,
        "10 ^ 999",
    ],
)
def test_math_that_can_not_be(expression: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(expression, environment())


async def test_a_constant_over_all_of_time_has_a_bound(cloudwatch: Client) -> None:
    (result,) = await cloudwatch.data({"Id": "c", "Expression": "TIME_SERIES(1)"}, StartTime=0, EndTime=NOW)
    assert len(result["Values"]) <= 100_800
