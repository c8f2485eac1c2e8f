"""Distributed Map: where items come from, batches, limits, results, redrive and recovery."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import pytest_asyncio

from forecourt.base.errors import RemoteError
from forecourt.services.stepfunctions.asl.validate import load

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
        # What failed stands among the results as it would in a file
        odd, even, odd_as_well, even_as_well = json.loads(ended["output"])
        assert (even, even_as_well) == ("even", "even")
        assert (odd["Status"], odd["Error"], odd["Input"]) == ("FAILED", "Odd", "1")
        assert odd_as_well["RedriveStatus"] == "REDRIVABLE_BY_MAP_RUN"


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


# --- where items come from, and what they are given -------------------------------------------------------------------

SEEN = {"key.$": "$$.Map.Item.Source", "v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index"}


@pytest.mark.parametrize(
    ("fields", "sources"),
    [
        ({"ItemsPath": "$.list"}, ["STATE_DATA", "STATE_DATA"]),
        ({"ItemReader": reader(InputType="JSON")}, ["S3://b/in", "S3://b/in"]),
        ({"ItemReader": reader(LIST, "d/")}, ["S3://b", "S3://b"]),
        ({"ItemReader": reader(LIST, "d/", InputType="JSON", Transformation="LOAD_AND_FLATTEN")},
         ["S3://b/d/1", "S3://b/d/2"]),
        ({"ItemReader": reader(key="athena", InputType="JSONL", ManifestType="ATHENA_DATA")},
         ["S3://b/d/1", "S3://b/d/2"]),
        ({"ItemReader": reader(key="inventory", ManifestType="S3_INVENTORY")}, ["S3://b/data.csv"]),
    ],
)  # fmt: skip
async def test_sources_of_items(w: World, bucket: Bucket, fields: dict[str, Any], sources: list[str]) -> None:
    bucket.update({"in": b"[1,2]", "d/1": b"[1]", "d/2": b"[2]", "athena": b"s3://b/d/1\ns3://b/d/2\n"})
    bucket["inventory"] = b'{"fileSchema":"Bucket, Key","files":[{"key":"data.csv"}]}'
    bucket["data.csv"] = b'"b","k"\n'
    ended = await w.run(fan(ItemSelector=SEEN, **fields), {"list": [1, 2]})
    assert [one["key"] for one in json.loads(ended["output"])] == sources


async def test_items_of_an_inline_map_have_a_source(w: World) -> None:
    processor = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"s.$": "$$.Map.Item"}, "End": True}}}
    state = {"Type": "Map", "ItemProcessor": processor, "End": True}
    ended = await w.run({"StartAt": "M", "States": {"M": state}}, ["a"])
    assert ended["output"] == '[{"s":{"Index":0,"Value":"a","Source":"STATE_DATA"}}]'


@pytest.mark.parametrize("jsonata", [False, True])
async def test_objects_are_mapped_over(w: World, jsonata: bool) -> None:
    keyed = {"k.$": "$$.Map.Item.Key", "v.$": "$$.Map.Item.Value"}
    language: dict[str, Any] = {"ItemsPath": "$.pets"}
    if jsonata:
        keyed = {"k": "{% $states.context.Map.Item.Key %}", "v": "{% $states.context.Map.Item.Value %}"}
        language = {"Items": "{% $states.input.pets %}", "QueryLanguage": "JSONata"}
    input = {"pets": {"rex": 1, "max": {"age": 2}}}
    ended = await w.run(fan(**language), input)
    assert json.loads(ended["output"]) == [{"Key": "rex", "Value": 1}, {"Key": "max", "Value": {"age": 2}}]
    ended = await w.run(fan(ItemSelector=keyed, **language), input, "keyed")
    assert json.loads(ended["output"]) == [{"k": "rex", "v": 1}, {"k": "max", "v": {"age": 2}}]


async def test_listed_objects_are_described_in_step_functions_words(w: World, bucket: Bucket) -> None:
    modified = datetime(2022, 11, 17, 15, 4, 41, tzinfo=UTC)
    entry = {"ETag": '"05"', "Key": "k", "LastModified": modified, "Size": 1, "StorageClass": "STANDARD"}
    w.services["s3", "ListObjectsV2"] = lambda params: {"Contents": [entry], "IsTruncated": False}
    ended = await w.run(fan(ItemReader=reader(LIST)))
    assert json.loads(ended["output"]) == [
        {"Etag": '"05"', "Key": "k", "LastModified": 1668697481, "Size": 1, "StorageClass": "STANDARD"}
    ]


async def test_a_version_of_an_object_is_read(w: World) -> None:
    w.services["s3", "GetObject"] = lambda params: {"Body": json.dumps([params]).encode()}
    asked = {"Bucket": "b", "Key": "k", "VersionId": "v7", "ExpectedBucketOwner": "000000000000"}
    ended = await w.run(fan(ItemReader={"Resource": READ, "Parameters": asked, "ReaderConfig": {"InputType": "JSON"}}))
    assert json.loads(ended["output"]) == [asked]


def compressed(data: bytes) -> bytes:
    out = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    return bytes(out.getvalue())


CSV = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (compressed(b"a\n1\n"), [{"a": "1"}]),
        # Backslashes escape; before anything else they vanish
        (b'p,s\nC:\\\\x y,1\nq\\,r,2\n"say \\"\\"hi",3\n\\n,4\n',
         [{"p": "C:\\x y", "s": "1"}, {"p": "q,r", "s": "2"}, {"p": 'say ""hi', "s": "3"}, {"p": "n", "s": "4"}]),
        (b'a,b\n"one\ntwo","say ""hi"""\n', [{"a": "one\ntwo", "b": 'say "hi"'}]),
        (b"a\n" + b"x" * 200_000 + b"\n", None),
    ],
)  # fmt: skip
async def test_text_files(w: World, bucket: Bucket, data: bytes, items: list[Any] | None) -> None:
    bucket["in"] = data
    length = {"n.$": "States.Format('x')"} if items is None else None
    fields = {"ItemSelector": length} if length else {}
    ended = await w.run(fan(ItemReader=reader(**CSV), **fields))
    assert json.loads(ended["output"]) == (items or [{"n": "x"}])


async def test_broken_compression_fails_the_reader(w: World, bucket: Bucket) -> None:
    for data in (b"\x1f\x8bnonsense", b"\x28\xb5\x2f\xfdnonsense"):
        bucket["in"] = data
        ended = await w.run(fan(ItemReader=reader(InputType="JSON")))
        assert ended["error"] == "States.ItemReaderFailed"


# --- what results are made of -----------------------------------------------------------------------------------------

WRITE = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out/"}}


def files_of(bucket: Bucket, key: str) -> dict[str, Any]:
    """What a manifest names, by kind."""
    manifest = json.loads(bucket[key])
    assert manifest["DestinationBucket"] == "b"
    assert all(len(bucket[one["Key"]]) == one["Size"] for files in manifest["ResultFiles"].values() for one in files)
    return {kind: [one["Key"] for one in files] for kind, files in manifest["ResultFiles"].items()}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"Transformation": "COMPACT"}, "[[1,2],3]"),
        ({"Transformation": "FLATTEN"}, "[1,2,3]"),
        ({"Transformation": "FLATTEN", "OutputType": "JSONL"}, "1\n2\n3\n"),
    ],
)
async def test_results_in_other_forms(w: World, bucket: Bucket, config: dict[str, Any], text: str) -> None:
    ended = await w.run(fan(ResultWriter={**WRITE, "WriterConfig": config}), [[1, 2], 3])
    files = files_of(bucket, json.loads(ended["output"])["ResultWriterDetails"]["Key"])
    assert [bucket[key].decode() for key in files["SUCCEEDED"]] == [text]
    assert files["SUCCEEDED"][0].endswith("_0.jsonl" if "OutputType" in config else "_0.json")
    # Without a place to write to, they are the state's output
    ended = await w.run(fan(ResultWriter={"WriterConfig": config}), [[1, 2], 3], "in-place")
    assert ended["output"] == (json.dumps(text) if "OutputType" in config else text)


async def test_the_members_of_a_result(w: World) -> None:
    ended = await w.run(fan(ResultWriter={"WriterConfig": {"Transformation": "NONE"}}), [7])
    (one,) = json.loads(ended["output"])
    run = await map_run(w, ended["executionArn"])
    child = (await w.api("ListExecutions", mapRunArn=run["mapRunArn"]))["executions"][0]
    assert one == {
        "ExecutionArn": child["executionArn"], "Input": "7", "InputDetails": {"Included": True}, "Name": child["name"],
        "Output": "7", "OutputDetails": {"Included": True}, "RedriveCount": 0, "RedriveStatus": "NOT_REDRIVABLE",
        "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven", "StartDate": "2023-11-14T22:13:20Z",
        "StateMachineArn": child["stateMachineArn"], "Status": "SUCCEEDED", "StopDate": "2023-11-14T22:13:20Z",
    }  # fmt: skip


async def test_what_a_failed_run_leaves_and_its_redrive_adds(w: World, bucket: Bucket) -> None:
    broken = True
    w.services["lambda", "Invoke"] = lambda params: (
        lambda_error("Odd", "x") if broken and params["Payload"] == b"2" else lambda_answer(1)
    )
    ended = await w.run(fan(child=CALL, MaxConcurrency=1, ResultWriter=WRITE), [1, 2, 3, 4])
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"
    run = await map_run(w, ended["executionArn"])
    counts = run["itemCounts"]
    assert [counts[kind] for kind in ("total", "succeeded", "failed", "pending")] == [4, 1, 1, 2]
    folder = f"out/{run['mapRunArn'].rpartition(':')[2]}"
    first = files_of(bucket, f"{folder}/manifest.json")
    assert first == {kind: [f"{folder}/{kind}_0.json"] for kind in ("FAILED", "PENDING", "SUCCEEDED")}
    assert json.loads(bucket[f"{folder}/PENDING_0.json"]) == [
        {"Input": "3", "InputDetails": {"Included": True}, "Status": "PENDING"},
        {"Input": "4", "InputDetails": {"Included": True}, "Status": "PENDING"},
    ]
    broken = False
    w.clock.advance(60)
    await w.api("RedriveExecution", executionArn=ended["executionArn"])
    ended = await w.until(ended["executionArn"], "SUCCEEDED")
    again = f"{folder}/Redrive-1"
    assert json.loads(ended["output"])["ResultWriterDetails"] == {"Bucket": "b", "Key": f"{again}/manifest.json"}
    second = files_of(bucket, f"{again}/manifest.json")
    assert second == {**first, "SUCCEEDED": [*first["SUCCEEDED"], f"{again}/SUCCEEDED_0.json"]}
    assert [one["Input"] for one in json.loads(bucket[f"{again}/SUCCEEDED_0.json"])] == ["2", "3", "4"]


async def test_a_stopped_run_leaves_its_results(w: World, bucket: Bucket) -> None:
    wait = {"Type": "Wait", "Seconds": 99, "End": True}
    definition = fan(child=wait, MaxConcurrency=1, ResultWriter=WRITE)
    execution = await w.start(await w.create(definition), [1, 2])
    for _ in range(500):
        runs = (await w.api("ListMapRuns", executionArn=execution))["mapRuns"]
        if runs and (await w.api("ListExecutions", mapRunArn=runs[0]["mapRunArn"]))["executions"]:
            break
        await asyncio.sleep(0.002)
    await w.api("StopExecution", executionArn=execution)
    folder = f"out/{runs[0]['mapRunArn'].rpartition(':')[2]}"
    for _ in range(500):
        if f"{folder}/manifest.json" in bucket:
            break
        await asyncio.sleep(0.002)
    assert [one["Status"] for one in json.loads(bucket[f"{folder}/FAILED_0.json"])] == ["ABORTED"]
    assert [one["Input"] for one in json.loads(bucket[f"{folder}/PENDING_0.json"])] == ["2"]


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"ItemReader": reader(InputType="XML")}, "/ItemReader/ReaderConfig/InputType"),
        ({"ItemReader": reader()}, "/ItemReader/ReaderConfig"),
        ({"ItemReader": reader(InputType="CSV")}, "/ItemReader/ReaderConfig"),
        ({"ItemReader": reader(InputType="CSV", CSVHeaderLocation="GIVEN")}, "/ItemReader/ReaderConfig"),
        ({"ItemReader": reader(InputType="CSV", CSVHeaderLocation="FIRST_ROW", CSVDelimiter="BAR")},
         "/ItemReader/ReaderConfig/CSVDelimiter"),
        ({"ItemReader": reader(LIST, Transformation="LOAD_AND_FLATTEN")}, "/ItemReader/ReaderConfig"),
        ({"ResultWriter": {"WriterConfig": {"OutputType": "CSV"}}}, "/ResultWriter/WriterConfig/OutputType"),
    ],
)  # fmt: skip
def test_readers_and_writers_that_there_are_not(fields: dict[str, Any], location: str) -> None:
    _, found = load(json.dumps(fan(**fields)))
    assert [one.location for one in found] == [f"/States/M{location}"]
