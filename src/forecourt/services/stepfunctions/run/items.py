"""Where a Distributed Map's items come from, and how they are batched.

An item reader yields items one after the other, so that a hundred thousand of them never lie in memory at once (an
object that is one JSON array or one parquet file does, as long as it is read).
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import from_text, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.integrations.casing import from_model

# (operation, parameters) -> output, of S3 and as the state machine's role
S3 = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]

_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# What of an ItemReader's Parameters names an object
_OBJECT = ("Bucket", "Key", "VersionId", "ExpectedBucketOwner")
STATE_DATA = "STATE_DATA"
# An item of a text file may be of 8 MB
csv.field_size_limit(8 * 1024 * 1024)
MOST_ITEMS = 100_000_000


class Item(NamedTuple):
    """`key` where an object's members are mapped over; `source` is where the item comes from."""

    value: Any
    key: str | None = None
    source: str = STATE_DATA

    @property
    def input(self) -> Any:
        """What a child is given where no ItemSelector says otherwise."""
        return self.value if self.key is None else {"Key": self.key, "Value": self.value}

    def context(self, index: int) -> dict[str, Any]:
        """As the context object shows it."""
        key = {} if self.key is None else {"Key": self.key}
        return {"Map": {"Item": {"Index": index, **key, "Value": self.value, "Source": self.source}}}


def items_of(value: Any, source: str = STATE_DATA) -> Iterator[Item]:
    """The elements of an array, or the members of an object."""
    if isinstance(value, dict):
        return (Item(member, key, source) for key, member in value.items())
    return (Item(element, None, source) for element in value)


def _failed(cause: str) -> StatesError:
    return StatesError(errors.ITEM_READER_FAILED, cause)


async def read_items(
    s3: S3, action: str, arguments: dict[str, Any], config: dict[str, Any], most: int
) -> AsyncIterator[Item]:
    """Raises `States.ItemReaderFailed`."""
    count = 0
    source = _listed(s3, arguments, config) if action == "listObjectsV2" else _object_items(s3, arguments, config)
    async for item in source:
        if count >= most:
            return
        count += 1
        yield item


async def _listed(s3: S3, arguments: dict[str, Any], config: dict[str, Any]) -> AsyncIterator[Item]:
    token: dict[str, Any] = {}
    while True:
        answer = await _call(s3, "ListObjectsV2", {**arguments, **token})
        for entry in answer.get("Contents", ()):
            if config.get("Transformation") == "LOAD_AND_FLATTEN":
                one = {"Bucket": arguments.get("Bucket"), "Key": entry["Key"]}
                async for item in _object_items(s3, one, config):
                    yield item
            else:
                yield Item(_described(entry), None, f"S3://{arguments.get('Bucket')}")
        if not answer.get("IsTruncated"):
            return
        token = {"ContinuationToken": answer.get("NextContinuationToken")}


def _described(entry: dict[str, Any]) -> dict[str, Any]:
    """An object's metadata in Step Functions' words: `Etag`, and its time in seconds."""
    shown = {"Etag" if name == "ETag" else name: value for name, value in entry.items()}
    modified = shown.get("LastModified")
    if isinstance(modified, datetime):
        shown["LastModified"] = int(modified.timestamp())
    return {name: from_model(None, value) for name, value in shown.items()}


async def _call(s3: S3, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    try:
        return await s3(operation, params)
    except ServiceError as error:
        raise _failed(
            f"{error.message} (Service: S3, Status Code: {error.status}, Error Code: {error.code})"
        ) from error


async def _object_items(s3: S3, arguments: dict[str, Any], config: dict[str, Any]) -> AsyncIterator[Item]:
    data = await read_object(s3, arguments)
    if config.get("ManifestType") == "ATHENA_DATA":
        files = _athena(s3, config, data)
    elif config.get("InputType") == "MANIFEST" or config.get("ManifestType") == "S3_INVENTORY":
        files = _inventory(s3, arguments, data)
    else:
        for item in parse_items(data, config, _uri(arguments)):
            yield item
        return
    async for item in files:
        yield item


def _uri(arguments: dict[str, Any]) -> str:
    return f"S3://{arguments.get('Bucket')}/{arguments.get('Key')}"


def parse_items(data: bytes, config: dict[str, Any], source: str) -> Iterator[Item]:
    """The items in one object's data. Raises `States.ItemReaderFailed`."""
    kind = config.get("InputType", "JSON")
    if kind == "JSON":
        return items_of(_json(data, config), source)
    read = _FORMATS.get(kind)
    if read is None:
        raise _failed(f"The InputType '{kind}' is not supported")
    return items_of(read(data, config), source)


async def read_object(s3: S3, arguments: dict[str, Any]) -> bytes:
    asked = {name: arguments[name] for name in _OBJECT if arguments.get(name) is not None}
    answer = await _call(s3, "GetObject", asked)
    body = answer.get("Body", b"")
    data: bytes = body if isinstance(body, bytes) else bytes(body.read())
    try:
        return _unpacked(data)
    except (OSError, EOFError, zlib.error) as error:
        raise _failed(f"The compressed object {_uri(arguments)} cannot be read") from error


def _unpacked(data: bytes) -> bytes:
    if data[:2] == _GZIP:
        return gzip.decompress(data)
    if data[:4] == _ZSTD:
        import pyarrow

        return bytes(pyarrow.input_stream(pyarrow.BufferReader(data), compression="zstd").read())
    return data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _failed("Attempted to read a file that is not UTF-8 encoded text") from error


def _json(data: bytes, config: dict[str, Any]) -> Any:
    try:
        value = from_text(_text(data))
    except ValueError as error:
        raise _failed("Attempting to map over a file that is not valid JSON") from error
    if pointer := config.get("ItemsPointer"):
        value = _follow(value, pointer)
    if not isinstance(value, (dict, list)):
        raise _failed("Attempting to map over non-iterable node.")
    return value


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
    rows = csv.reader(io.StringIO(_text(data), newline=""), delimiter=delimiter, escapechar="\\")
    if config.get("CSVHeaderLocation") == "GIVEN":
        headers = config.get("CSVHeaders") or []
    else:
        headers = next(rows, [])
    try:
        for row in rows:
            if row:
                padded = row + [""] * (len(headers) - len(row))
                yield dict(zip(headers, padded, strict=False))
    except csv.Error as error:
        raise _failed(f"Attempting to map over a file that is not valid CSV: {error}") from error


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
    "JSONL": _json_lines,
    "CSV": _csv,
    "PARQUET": _parquet,
}


async def _athena(s3: S3, config: dict[str, Any], data: bytes) -> AsyncIterator[Item]:
    """Athena's list of data files; `InputType` is the format of these."""
    kind = config.get("InputType", "MANIFEST")
    inner = {name: value for name, value in config.items() if name != "ManifestType"}
    inner["InputType"] = "CSV" if kind == "MANIFEST" else kind
    for line in _text(data).splitlines():
        bucket, _, key = line.strip().removeprefix("s3://").partition("/")
        place = {"Bucket": bucket, "Key": key}
        for item in parse_items(await read_object(s3, place), inner, _uri(place)):
            yield item


async def _inventory(s3: S3, arguments: dict[str, Any], data: bytes) -> AsyncIterator[Item]:
    """An S3 inventory: its CSV files list objects."""
    try:
        manifest = from_text(_text(data))
        headers = [name.strip() for name in manifest["fileSchema"].split(",")]
        files = [entry["key"] for entry in manifest["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _failed("Attempting to map over a file that is not a valid S3 inventory manifest") from error
    given = {"CSVHeaderLocation": "GIVEN", "CSVHeaders": headers}
    for key in files:
        place = {"Bucket": arguments.get("Bucket"), "Key": key}
        for item in items_of(_csv(await read_object(s3, place), given), _uri(place)):
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
    items: AsyncIterator[Item], select: Callable[[int, Item], Any], limits: BatchLimits | None
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
