"""Where a Distributed Map's items come from, and how they are batched.

An item reader yields items one after the other, so that a hundred thousand of them never lie in memory at once (an
object that is one JSON array or one parquet file does, as long as it is read).
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import from_text, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.integrations.casing import from_model
from forecourt.services.stepfunctions.integrations.naming import operation_model

# (operation, parameters) -> output, of S3 and as the state machine's role
S3 = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]

_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
MOST_ITEMS = 100_000_000


def _failed(cause: str) -> StatesError:
    return StatesError(errors.ITEM_READER_FAILED, cause)


async def read_items(
    s3: S3, action: str, arguments: dict[str, Any], config: dict[str, Any], most: int
) -> AsyncIterator[Any]:
    """Raises `States.ItemReaderFailed`."""
    count = 0
    source = _listed(s3, arguments, config) if action == "listObjectsV2" else _object_items(s3, arguments, config)
    async for item in source:
        if count >= most:
            return
        count += 1
        yield item


async def _listed(s3: S3, arguments: dict[str, Any], config: dict[str, Any]) -> AsyncIterator[Any]:
    shape = _member_shape()
    token: dict[str, Any] = {}
    while True:
        answer = await _call(s3, "ListObjectsV2", {**arguments, **token})
        for entry in answer.get("Contents", ()):
            if config.get("Transformation") == "LOAD_AND_FLATTEN":
                one = {"Bucket": arguments.get("Bucket"), "Key": entry["Key"]}
                async for item in _object_items(s3, one, config):
                    yield item
            else:
                yield from_model(shape, entry)
        if not answer.get("IsTruncated"):
            return
        token = {"ContinuationToken": answer.get("NextContinuationToken")}


def _member_shape() -> Any:
    operation = operation_model("s3", "listObjectsV2")
    assert operation is not None
    return operation.output_shape.members["Contents"].member  # type: ignore[union-attr]


async def _call(s3: S3, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return await s3(operation, params)
    except ServiceError as error:
        raise _failed(
            f"{error.message} (Service: S3, Status Code: {error.status}, Error Code: {error.code})"
        ) from error


async def _object_items(s3: S3, arguments: dict[str, Any], config: dict[str, Any]) -> AsyncIterator[Any]:
    data = await read_object(s3, arguments)
    if config.get("ManifestType") == "ATHENA_DATA":
        files = _athena(s3, config, data)
    elif config.get("InputType") == "MANIFEST":
        files = _inventory(s3, arguments, data)
    else:
        for item in parse_items(data, config):
            yield item
        return
    async for item in files:
        yield item


def parse_items(data: bytes, config: dict[str, Any]) -> Iterator[Any]:
    """The items in one object's data. Raises `States.ItemReaderFailed`."""
    kind = config.get("InputType", "JSON")
    read = _FORMATS.get(kind)
    if read is None:
        raise _failed(f"The InputType '{kind}' is not supported")
    return read(data, config)


async def read_object(s3: S3, arguments: dict[str, Any]) -> bytes:
    answer = await _call(s3, "GetObject", {"Bucket": arguments.get("Bucket"), "Key": arguments.get("Key")})
    body = answer.get("Body", b"")
    data: bytes = body if isinstance(body, bytes) else bytes(body.read())
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _failed("Attempted to read a file that is not UTF-8 encoded text") from error


def _json(data: bytes, config: dict[str, Any]) -> Iterator[Any]:
    try:
        value = from_text(_text(data))
    except ValueError as error:
        raise _failed("Attempting to map over a file that is not valid JSON") from error
    if pointer := config.get("ItemsPointer"):
        value = _follow(value, pointer)
    if isinstance(value, dict):
        # An object is mapped over as its entries
        return iter([{"Key": key, "Value": item} for key, item in value.items()])
    if not isinstance(value, list):
        raise _failed("Attempting to map over non-iterable node.")
    return iter(value)


def _follow(value: Any, pointer: str) -> Any:
    """A JSON pointer (RFC 6901)."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise _failed("The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.")
    return value


def _json_lines(data: bytes, config: dict[str, Any]) -> Iterator[Any]:
    for line in io.StringIO(_text(data)):
        if line.strip():
            try:
                yield from_text(line)
            except ValueError as error:
                raise _failed("Attempting to map over a file that is not valid JSONL") from error


def _csv(data: bytes, config: dict[str, Any]) -> Iterator[Any]:
    delimiter = _DELIMITERS.get(config.get("CSVDelimiter", "COMMA"))
    if delimiter is None:
        raise _failed(f"The CSVDelimiter '{config.get('CSVDelimiter')}' is not supported")
    rows = csv.reader(io.StringIO(_text(data)), delimiter=delimiter)
    if config.get("CSVHeaderLocation") == "GIVEN":
        headers = config.get("CSVHeaders") or []
    else:
        headers = next(rows, [])
    for row in rows:
        if row:
            padded = row + [""] * (len(headers) - len(row))
            yield dict(zip(headers, padded, strict=False))


def _parquet(data: bytes, config: dict[str, Any]) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        for batch in file.iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                yield {name: from_model(None, value) for name, value in row.items()}
    except pyarrow.ArrowException as error:
        raise _failed("Attempting to map over a file that is not valid parquet") from error


_FORMATS: dict[str, Callable[[bytes, dict[str, Any]], Iterator[Any]]] = {
    "JSON": _json,
    "JSONL": _json_lines,
    "CSV": _csv,
    "PARQUET": _parquet,
}


async def _athena(s3: S3, config: dict[str, Any], data: bytes) -> AsyncIterator[Any]:
    """Athena's list of data files; `InputType` is the format of these."""
    kind = config.get("InputType", "MANIFEST")
    inner = {name: value for name, value in config.items() if name != "ManifestType"}
    inner["InputType"] = "CSV" if kind == "MANIFEST" else kind
    for line in _text(data).splitlines():
        bucket, _, key = line.strip().removeprefix("s3://").partition("/")
        for item in parse_items(await read_object(s3, {"Bucket": bucket, "Key": key}), inner):
            yield item


async def _inventory(s3: S3, arguments: dict[str, Any], data: bytes) -> AsyncIterator[Any]:
    """An S3 inventory: its CSV files list objects."""
    try:
        manifest = from_text(_text(data))
        headers = [name.strip() for name in manifest["fileSchema"].split(",")]
        files = [entry["key"] for entry in manifest["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _failed("Attempting to map over a file that is not a valid S3 inventory manifest") from error
    given = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": headers}
    for key in files:
        for item in _csv(await read_object(s3, {"Bucket": arguments.get("Bucket"), "Key": key}), given):
            yield item


# --- batches ----------------------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """What one child execution is given."""

    input: Any
    items: int


class BatchLimits(NamedTuple):
    input: Any
    has_input: bool
    most_items: int
    most_bytes: int


async def batches(
    items: AsyncIterator[Any], select: Callable[[int, Any], Any], limits: BatchLimits | None
) -> AsyncIterator[Unit]:
    """Each item through the ItemSelector, alone or gathered into batches."""
    index = 0
    gathering = Gathering(limits) if limits is not None else None
    async for item in items:
        selected = select(index, item)
        index += 1
        if gathering is None:
            yield Unit(selected, 1)
        elif (full := gathering.add(selected)) is not None:
            yield full
    if gathering is not None and (last := gathering.rest()) is not None:
        yield last


class Gathering:
    """Items on their way into batches."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._gathered: list[Any] = []
        self._size = 0

    def add(self, item: Any) -> Unit | None:
        """The batch that has no room for the item, if there is one."""
        weight = len(to_text(item).encode()) + 1
        limits, gathered = self._limits, self._gathered
        full = len(gathered) >= limits.most_items or (gathered and self._size + weight > limits.most_bytes)
        done = self.rest() if full else None
        self._gathered.append(item)
        self._size += weight
        return done

    def rest(self) -> Unit | None:
        gathered, self._gathered, self._size = self._gathered, [], 0
        shared = {"BatchInput": self._limits.input} if self._limits.has_input else {}
        return Unit({**shared, "Items": gathered}, len(gathered)) if gathered else None
