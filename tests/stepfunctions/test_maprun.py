"""Distributed Map: where items come from, batches, limits, results, redrive and recovery."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import pytest_asyncio

from forecourt.base.errors import RemoteError

from .world import World, lambda_answer, lambda_error, world

READ = "arn:aws:states:::s3:getObject"
LIST = "arn:aws:states:::s3:listObjectsV2"


def fan(kind: str = "STANDARD", child: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    child = child or {"Type": "Pass", "End": True}
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}, "StartAt": "C", "States": {"C": child}
    }  # fmt: skip
    return {"StartAt": "M", "States": {"M": {"Type": "Map", "End": True, "ItemProcessor": processor, **fields}}}


def reader(resource: str = READ, key: str = "in", **config: Any) -> dict[str, Any]:
    parameters = {"Bucket": "b", "Key": key} if resource == READ else {"Bucket": "b", "Prefix": key}
    return {"Resource": resource, "Parameters": parameters, "ReaderConfig": config}


CALL = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f", "End": True}


class Bucket(dict[str, bytes]):
    """S3 with one bucket."""

    def attach(self, w: World) -> Bucket:
        w.services["s3", "GetObject"] = self._get
        w.services["s3", "PutObject"] = self._put
        w.services["s3", "ListObjectsV2"] = self._list
        return self

    def _get(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["Key"] not in self:
            raise RemoteError("NoSuchKey", "The specified key does not exist.", 404)
        return {"Body": self[params["Key"]]}

    def _put(self, params: dict[str, Any]) -> dict[str, Any]:
        self[params["Key"]] = params["Body"]
        return {}

    def _list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Pages of two."""
        keys = sorted(key for key in self if key.startswith(params.get("Prefix", "")))
        start = int(params.get("ContinuationToken", 0))
        page = [{"Key": key, "Size": len(self[key])} for key in keys[start : start + 2]]
        more = start + 2 < len(keys)
        return {"Contents": page, "IsTruncated": more, **({"NextContinuationToken": str(start + 2)} if more else {})}


@pytest_asyncio.fixture
async def w() -> AsyncIterator[World]:
    async with world() as it:
        yield it


@pytest.fixture
def bucket(w: World) -> Bucket:
    return Bucket().attach(w)


async def map_run(w: World, execution: str) -> dict[str, Any]:
    listed = await w.api("ListMapRuns", executionArn=execution)
    return await w.api("DescribeMapRun", mapRunArn=listed["mapRuns"][0]["mapRunArn"])


def parquet() -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2], "s": ["x", None]}), out)
    return out.getvalue()


INVENTORY = json.dumps({"fileSchema": "Bucket, Key, Size", "files": [{"key": "data.csv.gz"}]}).encode()


@pytest.mark.parametrize(
    ("data", "config", "items"),
    [
        (b"[1,2,3]", {"InputType": "JSON"}, [1, 2, 3]),
        (b'{"a":{"b/c":[5]}}', {"InputType": "JSON", "ItemsPointer": "/a/b~1c"}, [5]),
        (b'{"k":1,"l":2}', {"InputType": "JSON"}, [{"Key": "k", "Value": 1}, {"Key": "l", "Value": 2}]),
        (b'{"a":1}\n\n{"a":2}\n', {"InputType": "JSONL"}, [{"a": 1}, {"a": 2}]),
        (
            b"a,b\n1,x y\n2\n",
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            [{"a": "1", "b": "x y"}, {"a": "2", "b": ""}],
        ),
        (
            b'1;"p;q"\n',
            {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"], "CSVDelimiter": "SEMICOLON"},
            [{"a": "1", "b": "p;q"}],
        ),
        (
            b"\xef\xbb\xbfa\tb\n1\t2\n",
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "TAB"},
            [{"a": "1", "b": "2"}],
        ),
        (b"[1,2,3,4]", {"InputType": "JSON", "MaxItems": 2}, [1, 2]),
        (parquet(), {"InputType": "PARQUET"}, [{"n": 1, "s": "x"}, {"n": 2, "s": None}]),
        (
            INVENTORY,
            {"InputType": "MANIFEST", "ManifestType": "S3_INVENTORY"},
            [{"Bucket": "b", "Key": "k1", "Size": "7"}],
        ),
    ],
)
async def test_item_readers(w: World, bucket: Bucket, data: bytes, config: dict[str, Any], items: list[Any]) -> None:
    bucket["in"] = data
    bucket["data.csv.gz"] = gzip.compress(b'"b","k1","7"\n')
    ended = await w.run(fan(ItemReader=reader(**config)))
    assert json.loads(ended["output"]) == items


@pytest.mark.parametrize(
    ("data", "config", "cause"),
    [
        (None, {"InputType": "JSON"}, "The specified key does not exist."),
        (b"5", {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
        (b"[1", {"InputType": "JSON"}, "Attempting to map over a file that is not valid JSON"),
        (b"{}", {"InputType": "JSON", "ItemsPointer": "/x"}, "The provided ReaderConfig.ItemsPointer does not match"),
        (
            b"\xff\xfe",
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Attempted to read a file that is not UTF-8",
        ),
        (b"x", {"InputType": "PARQUET"}, "Attempting to map over a file that is not valid parquet"),
    ],
)
async def test_readers_that_fail(
    w: World, bucket: Bucket, data: bytes | None, config: dict[str, Any], cause: str
) -> None:
    if data is not None:
        bucket["in"] = data
    ended = await w.run(fan(ItemReader=reader(**config)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert ended["cause"].startswith(cause)
    assert (await map_run(w, ended["executionArn"]))["status"] == "FAILED"


async def test_objects_are_listed_page_by_page(w: World, bucket: Bucket) -> None:
    bucket.update({f"p/{n}": b"x" * n for n in range(5)})
    ended = await w.run(fan(ItemReader=reader(LIST, "p/")))
    assert [one["Key"] for one in json.loads(ended["output"])] == [f"p/{n}" for n in range(5)]


async def test_item_selector_and_batches(w: World) -> None:
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"shared.$": "$.s"}}
    selector = {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index"}
    ended = await w.run(
        fan(ItemsPath="$.items", ItemSelector=selector, ItemBatcher=batcher), {"items": [7, 8, 9], "s": 1}
    )
    assert json.loads(ended["output"]) == [
        {"BatchInput": {"shared": 1}, "Items": [{"v": 7, "i": 0}, {"v": 8, "i": 1}]},
        {"BatchInput": {"shared": 1}, "Items": [{"v": 9, "i": 2}]},
    ]
    counts = await map_run(w, ended["executionArn"])
    assert (counts["itemCounts"]["total"], counts["executionCounts"]["total"]) == (3, 2)


async def test_batches_by_size(w: World) -> None:
    ended = await w.run(fan(ItemBatcher={"MaxInputBytesPerBatch": 12}), ["aaaa", "bbbb", "c"])
    assert [one["Items"] for one in json.loads(ended["output"])] == [["aaaa"], ["bbbb", "c"]]


async def test_results_are_written(w: World, bucket: Bucket) -> None:
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out"}}
    w.services["lambda", "Invoke"] = lambda params: (
        lambda_error("Odd", "x") if params["Payload"] == b"3" else lambda_answer(json.loads(params["Payload"]) * 10)
    )
    definition = fan(child=CALL, ResultWriter=writer, ToleratedFailureCount=1)
    ended = await w.run(definition, [1, 2, 3])
    result = json.loads(ended["output"])
    manifest = json.loads(bucket[result["ResultWriterDetails"]["Key"]])
    assert manifest["MapRunArn"] == result["MapRunArn"]
    good = json.loads(bucket[manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]])
    bad = json.loads(bucket[manifest["ResultFiles"]["FAILED"][0]["Key"]])
    assert [one["Output"] for one in good] == ["10", "20"]
    assert [(one["Input"], one["Error"], one["Status"]) for one in bad] == [("3", "Odd", "FAILED")]


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 40}, "FAILED"),
        ({"ToleratedFailurePercentage": 50}, "SUCCEEDED"),
    ],
)
async def test_tolerated_failures(w: World, limits: dict[str, Any], status: str) -> None:
    w.services["lambda", "Invoke"] = lambda params: (
        lambda_error("Odd", "x") if json.loads(params["Payload"]) % 2 else lambda_answer("even")
    )
    ended = await w.run(fan(child=CALL, **limits), [1, 2, 3, 4])
    assert ended["status"] == status
    run = await map_run(w, ended["executionArn"])
    assert run["status"] == status
    if status == "FAILED":
        assert ended["error"] == "States.ExceedToleratedFailureThreshold"
        assert "MapRunFailed" in await w.types(ended["executionArn"])
    else:
        assert ended["output"] == '["even","even"]'


async def test_concurrency_is_limited_and_can_be_raised(w: World) -> None:
    gate, running = asyncio.Event(), [0]

    async def slow(params: dict[str, Any]) -> dict[str, Any]:
        running[0] += 1
        await gate.wait()
        return lambda_answer(1)

    w.services["lambda", "Invoke"] = slow
    execution = await w.start(await w.create(fan(child=CALL, MaxConcurrency=2)), list(range(6)))

    async def settle(count: int) -> None:
        for _ in range(1000):
            if running[0] >= count:
                break
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.02)
        assert running[0] == count

    await settle(2)
    arn = (await w.api("ListMapRuns", executionArn=execution))["mapRuns"][0]["mapRunArn"]
    await w.api("UpdateMapRun", mapRunArn=arn, maxConcurrency=5)
    await settle(5)
    gate.set()
    assert (await w.until(execution))["output"] == "[1,1,1,1,1,1]"


async def test_express_children(w: World) -> None:
    ended = await w.run(fan("EXPRESS"), [1, 2])
    assert ended["output"] == "[1,2]"
    run = await map_run(w, ended["executionArn"])
    listed = await w.api("ListExecutions", mapRunArn=run["mapRunArn"])
    assert {one["status"] for one in listed["executions"]} == {"SUCCEEDED"}


async def test_redrive_runs_only_the_children_that_failed(w: World) -> None:
    broken, calls = True, []

    def function(params: dict[str, Any]) -> dict[str, Any]:
        calls.append(params["Payload"])
        return lambda_error("Odd", "x") if broken and params["Payload"] == b"2" else lambda_answer(1)

    w.services["lambda", "Invoke"] = function
    ended = await w.run(fan(child=CALL, MaxConcurrency=1), [1, 2, 3])
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"
    assert calls == [b"1", b"2"]
    broken = False
    await w.api("RedriveExecution", executionArn=ended["executionArn"])
    ended = await w.until(ended["executionArn"], "SUCCEEDED")
    assert calls == [b"1", b"2", b"2", b"3"]
    assert ended["output"] == "[1,1,1]"
    run = await map_run(w, ended["executionArn"])
    assert (run["redriveCount"], run["itemCounts"]["succeeded"], run["itemCounts"]["failed"]) == (1, 3, 0)
    assert "MapRunRedriven" in await w.types(ended["executionArn"])


async def test_stopping_the_parent_stops_the_children(w: World) -> None:
    wait = {"Type": "Wait", "Seconds": 99, "End": True}
    execution = await w.start(await w.create(fan(child=wait)), [1, 2])
    for _ in range(500):
        runs = (await w.api("ListMapRuns", executionArn=execution))["mapRuns"]
        if runs and len((await w.api("ListExecutions", mapRunArn=runs[0]["mapRunArn"]))["executions"]) == 2:
            break
        await asyncio.sleep(0.002)
    await w.api("StopExecution", executionArn=execution)
    for _ in range(500):
        run = await map_run(w, execution)
        if run["status"] == "ABORTED":
            break
        await asyncio.sleep(0.002)
    assert run["status"] == "ABORTED"
    listed = await w.api("ListExecutions", mapRunArn=run["mapRunArn"])
    assert {one["status"] for one in listed["executions"]} == {"ABORTED"}


async def test_a_run_goes_on_after_a_restart(w: World) -> None:
    wait = {"Type": "Wait", "Seconds": 5, "End": True}
    execution = await w.start(await w.create(fan(child=wait, MaxConcurrency=2)), [1, 2, 3, 4])
    await w.until_event(execution, "MapRunStarted")
    await asyncio.sleep(0.05)
    await w.sfn.stop()
    again = World(clock=w.clock, store=w.store)
    await again.sfn.start()
    for _ in range(200):
        if (await again.describe(execution))["status"] != "RUNNING":
            break
        await asyncio.sleep(0.01)
        w.clock.advance(5)
    ended = await again.until(execution)
    assert ended["output"] == "[1,2,3,4]"
    assert (await map_run(again, execution))["executionCounts"]["total"] == 4
    await again.sfn.stop()


async def test_ten_thousand_items(w: World, bucket: Bucket) -> None:
    bucket["in"] = b"\n".join(b'{"n":%d}' % n for n in range(10_000))
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}
    batcher = {"MaxItemsPerBatch": 50}
    definition = fan("EXPRESS", ItemReader=reader(InputType="JSONL"), ItemBatcher=batcher, ResultWriter=writer)
    ended = await w.run(definition)
    assert ended["status"] == "SUCCEEDED"
    run = await map_run(w, ended["executionArn"])
    assert (run["itemCounts"]["succeeded"], run["executionCounts"]["succeeded"]) == (10_000, 200)


async def test_children_that_are_over_leave_nothing_in_memory(w: World) -> None:
    execution = await w.start(await w.create(fan()), list(range(100)))
    assert (await w.until(execution))["status"] == "SUCCEEDED"
    assert not w.sfn._shell._waiters
