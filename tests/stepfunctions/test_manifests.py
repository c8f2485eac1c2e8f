"""Item readers whose object lists other objects: Athena's data manifest, S3's inventory."""

from __future__ import annotations

from typing import Any

import pytest

from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.run.items import read_items

OBJECTS = {
    "athena.csv": b"s3://data/one.jsonl\ns3://data/two.jsonl\n",
    "one.jsonl": b'{"id": 1}\n{"id": 2}\n',
    "two.jsonl": b'{"id": 3}\n',
    "athena-of-csv.csv": b"s3://data/table.csv\n",
    "table.csv": b"id,name\n1,Rex\n",
    "manifest.json": b'{"fileSchema": "Bucket, Key", "files": [{"key": "inventory.csv"}]}',
    "inventory.csv": b'"data","one.jsonl"\n',
    "broken.json": b'{"files": 1}',
}


async def s3(operation: str, params: dict[str, Any]) -> dict[str, Any]:
    assert operation == "GetObject"
    return {"Body": OBJECTS[params["Key"]]}


async def items(key: str, **config: Any) -> list[Any]:
    return [item.value async for item in read_items(s3, "getObject", {"Bucket": "data", "Key": key}, config, 100)]


async def test_athena_s_data_files_are_read_in_their_own_format() -> None:
    assert await items("athena.csv", ManifestType="ATHENA_DATA", InputType="JSONL") == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("kind", ["CSV", "MANIFEST"])
async def test_athena_s_data_files_are_csv_where_nothing_else_is_said(kind: str) -> None:
    config = {"ManifestType": "ATHENA_DATA", "InputType": kind, "CSVHeaderLocation": "FIRST_ROW"}
    assert await items("athena-of-csv.csv", **config) == [{"id": "1", "name": "Rex"}]


async def test_an_inventory_lists_objects() -> None:
    assert await items("manifest.json", InputType="MANIFEST") == [{"Bucket": "data", "Key": "one.jsonl"}]


async def test_what_is_no_manifest_fails_the_reader() -> None:
    with pytest.raises(StatesError, match="not a valid S3 inventory manifest"):
        await items("broken.json", InputType="MANIFEST")
