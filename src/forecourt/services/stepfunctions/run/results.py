"""Results of a map run: collected as the state's output, or written to S3 by the ResultWriter.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import from_text, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.integrations.casing import iso
from forecourt.services.stepfunctions.model import ExecutionRecord, MapRun
from forecourt.services.stepfunctions.run.items import S3

_MOST_BYTES_PER_FILE = 8 * 1024 * 1024


def entry(record: ExecutionRecord) -> dict[str, Any]:
    """A child execution as it stands in a result file."""

    def moment(seconds: float) -> str:
        return iso(datetime.fromtimestamp(seconds, UTC))

    shown: dict[str, Any] = {
        "ExecutionArn": record.arn,
        "Input": record.input,
        "InputDetails": {"Included": True},
        "Name": record.name,
        "RedriveCount": record.redrive_count,
        "StartDate": moment(record.started_at),
        "StateMachineArn": record.machine_arn,
        "Status": record.status,
        "StopDate": moment(record.stopped_at),
    }
    outcome = {"Output": record.output, "Error": record.error, "Cause": record.cause}
    shown |= {member: value for member, value in outcome.items() if value is not None}
    if record.output is not None:
        shown["OutputDetails"] = {"Included": True}
    return dict(sorted(shown.items()))


def _shape(record: ExecutionRecord, transformation: str) -> list[Any]:
    """What one child contributes to a file."""
    if transformation == "NONE" or record.output is None:
        return [entry(record)]
    output = from_text(record.output)
    return output if transformation == "FLATTEN" and isinstance(output, list) else [output]


class Writer:
    def __init__(self, s3: S3, arguments: dict[str, Any], config: dict[str, Any], run: MapRun) -> None:
        self._s3 = s3
        self._bucket = arguments.get("Bucket", "")
        prefix = str(arguments.get("Prefix", "")).strip("/")
        self._prefix = f"{prefix}/{run.id}" if prefix else run.id
        self._transformation = config.get("Transformation", "NONE")
        self._lines = config.get("OutputType", "JSON") == "JSONL"
        self._run = run
        self._files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}

    async def write(self, children: AsyncIterator[ExecutionRecord]) -> dict[str, Any]:
        """The state's result. Raises `States.ResultWriterFailed`."""
        gathered: dict[str, list[str]] = {"FAILED": [], "SUCCEEDED": []}
        sizes = dict.fromkeys(gathered, 0)
        async for record in children:
            kind = "SUCCEEDED" if record.status == "SUCCEEDED" else "FAILED"
            for value in _shape(record, self._transformation if kind == "SUCCEEDED" else "NONE"):
                text = to_text(value)
                gathered[kind].append(text)
                sizes[kind] += len(text)
            if sizes[kind] > _MOST_BYTES_PER_FILE:
                await self._flush(kind, gathered[kind])
                gathered[kind], sizes[kind] = [], 0
        for kind, texts in gathered.items():
            if texts:
                await self._flush(kind, texts)
        return await self._manifest()

    async def _flush(self, kind: str, texts: list[str]) -> None:
        body = "\n".join(texts) + "\n" if self._lines else "[" + ",".join(texts) + "]"
        suffix = "jsonl" if self._lines else "json"
        key = f"{self._prefix}/{kind}_{len(self._files[kind])}.{suffix}"
        await self._put(key, body)
        self._files[kind].append({"Key": key, "Size": len(body.encode())})

    async def _manifest(self) -> dict[str, Any]:
        key = f"{self._prefix}/manifest.json"
        content = {"DestinationBucket": self._bucket, "MapRunArn": self._run.arn, "ResultFiles": self._files}
        await self._put(key, to_text(content))
        return {"MapRunArn": self._run.arn, "ResultWriterDetails": {"Bucket": self._bucket, "Key": key}}

    async def _put(self, key: str, body: str) -> None:
        params = {"Bucket": self._bucket, "Key": key, "Body": body.encode(), "ContentType": "application/json"}
        try:
            await self._s3("PutObject", params)
        except ServiceError as error:
            raise StatesError(
                errors.RESULT_WRITER_FAILED,
                f"{error.message} (Service: S3, Status Code: {error.status}, Error Code: {error.code})",
            ) from error
