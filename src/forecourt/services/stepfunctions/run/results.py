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
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.integrations.casing import iso
from forecourt.services.stepfunctions.model import ExecutionRecord, MapRun
from forecourt.services.stepfunctions.run.items import S3

_MOST_BYTES_PER_FILE = 8 * 1024 * 1024


def entry(record: ExecutionRecord) -> dict[str, Any]:
    """A child execution as it stands in a result file."""

    def moment(seconds: float) -> str:
        return iso(datetime.fromtimestamp(seconds, UTC))

    succeeded = record.status == model.SUCCEEDED
    shown: dict[str, Any] = {
        "ExecutionArn": record.arn,
        "Input": record.input,
        "InputDetails": {"Included": True},
        "Name": record.name,
        "OutputDetails": {"Included": True},
        "RedriveCount": record.redrive_count,
        "RedriveStatus": "NOT_REDRIVABLE" if succeeded else "REDRIVABLE_BY_MAP_RUN",
        "StartDate": moment(record.started_at),
        "StateMachineArn": record.machine_arn,
        "Status": record.status,
        "StopDate": moment(record.stopped_at),
    }
    if succeeded:
        shown["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven"
    outcome = {"Output": record.output, "Error": record.error, "Cause": record.cause}
    shown |= {member: value for member, value in outcome.items() if value is not None}
    return dict(sorted(shown.items()))


def contribution(record: ExecutionRecord, transformation: str) -> list[str]:
    """What one child contributes to the results, as JSON texts. What failed stands as it is, however one transforms."""
    if transformation == "NONE" or record.status != model.SUCCEEDED or record.output is None:
        return [to_text(entry(record))]
    if transformation == "FLATTEN":
        output = from_text(record.output)
        if isinstance(output, list):
            return [to_text(element) for element in output]
    return [record.output]


class Writer:
    """Of one generation of a run: each redrive has a folder of its own within the run's, and its manifest also names
    the files of those before."""

    def __init__(self, s3: S3, arguments: dict[str, Any], config: dict[str, Any], run: MapRun) -> None:
        self._s3 = s3
        self._bucket = arguments.get("Bucket", "")
        prefix = str(arguments.get("Prefix", "")).strip("/")
        self._prefix = f"{prefix}/{run.id}" if prefix else run.id
        if run.redrive_count:
            self._prefix += f"/Redrive-{run.redrive_count}"
        self._transformation = config.get("Transformation", "NONE")
        self._lines = config.get("OutputType", "JSON") == "JSONL"
        self._run = run
        self._written: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}

    async def write(
        self, children: AsyncIterator[ExecutionRecord], pending: AsyncIterator[str] | None = None
    ) -> dict[str, Any]:
        """The state's result; `pending` are the inputs of what never began. Raises `States.ResultWriterFailed`."""
        gathered: dict[str, list[str]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        sizes = dict.fromkeys(gathered, 0)

        async def add(kind: str, texts: list[str]) -> None:
            gathered[kind] += texts
            sizes[kind] += sum(map(len, texts))
            if sizes[kind] > _MOST_BYTES_PER_FILE:
                await self._flush(kind, gathered[kind])
                gathered[kind], sizes[kind] = [], 0

        async for record in children:
            kind = "SUCCEEDED" if record.status == model.SUCCEEDED else "FAILED"
            await add(kind, contribution(record, self._transformation))
        if pending is not None:
            async for input in pending:
                waiting = {"Input": input, "InputDetails": {"Included": True}, "Status": "PENDING"}
                await add("PENDING", [to_text(waiting)])
        for kind, texts in gathered.items():
            if texts:
                await self._flush(kind, texts)
        return await self._manifest()

    async def _flush(self, kind: str, texts: list[str]) -> None:
        body = "\n".join(texts) + "\n" if self._lines else "[" + ",".join(texts) + "]"
        suffix = "jsonl" if self._lines else "json"
        key = f"{self._prefix}/{kind}_{len(self._written[kind])}.{suffix}"
        await self._put(key, body)
        self._written[kind].append({"Key": key, "Size": len(body.encode())})

    async def _manifest(self) -> dict[str, Any]:
        key = f"{self._prefix}/manifest.json"
        files = {kind: [*self._earlier(kind), *written] for kind, written in self._written.items()}
        content = {"DestinationBucket": self._bucket, "MapRunArn": self._run.arn, "ResultFiles": files}
        await self._put(key, to_text(content))
        self._run.files = files
        return {"MapRunArn": self._run.arn, "ResultWriterDetails": {"Bucket": self._bucket, "Key": key}}

    def _earlier(self, kind: str) -> list[dict[str, Any]]:
        """What other generations wrote; this one may have come this far before a crash."""
        known = self._run.files.get(kind, ())
        return [file for file in known if str(file["Key"]).rpartition("/")[0] != self._prefix]

    async def _put(self, key: str, body: str) -> None:
        params = {"Bucket": self._bucket, "Key": key, "Body": body.encode(), "ContentType": "application/json"}
        try:
            await self._s3("PutObject", params)
        except ServiceError as error:
            raise StatesError(
                errors.RESULT_WRITER_FAILED,
                f"{error.message} (Service: S3, Status Code: {error.status}, Error Code: {error.code})",
            ) from error
