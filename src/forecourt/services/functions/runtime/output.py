"""The log of an environment: what the worker writes, line by line, between the platform's own lines.

A line becomes one log event. A carriage return inside a line stands for a line break within the event, as AWS's own
runtimes write multi-line messages. Platform lines are text, or JSON where the function's `LogFormat` says so.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

# AWS splits at the size of a CloudWatch Logs event.
_MAX_LINE_BYTES = 256 * 1024
_TAIL_BYTES = 4096
# The Unicode replacement of what is not UTF-8 must not fail a log.
_ERRORS = "replace"

LogFormat = Literal["Text", "JSON"]
Write = Callable[[str], None]


class Output:
    """`write` takes one log event. `begin_tail` starts keeping the last 4 KB, `tail` hands them over."""

    def __init__(self, write: Write, log_format: LogFormat) -> None:
        self._write = write
        self._format = log_format
        self._partial = b""
        self._tail: bytearray | None = None

    def feed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        while len(self._partial) > _MAX_LINE_BYTES:
            self._line(self._partial[:_MAX_LINE_BYTES])
            self._partial = self._partial[_MAX_LINE_BYTES:]

    def flush(self) -> None:
        """A last line without its line break: the worker has answered or ended."""
        if self._partial:
            partial, self._partial = self._partial, b""
            self._line(partial)

    def begin_tail(self) -> None:
        self._tail = bytearray()

    def tail(self) -> bytes | None:
        tail, self._tail = self._tail, None
        return None if tail is None else bytes(tail[-_TAIL_BYTES:])

    def _line(self, line: bytes) -> None:
        self._event(line.decode("utf-8", _ERRORS).replace("\r", "\n") + "\n")

    def _event(self, text: str) -> None:
        self._write(text)
        if self._tail is not None:
            self._tail += text.encode("utf-8", _ERRORS)
            del self._tail[: -_TAIL_BYTES * 2]

    # The platform's own lines

    def init_start(self, runtime: str) -> None:
        self._platform(f"INIT_START Runtime Version: {runtime}\n", "initStart", runtimeVersion=runtime)

    def init_report(self, duration_ms: float, status: str, error_type: str = "") -> None:
        error = f"\tError Type: {error_type}" if error_type else ""
        text = f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\tStatus: {status}{error}\n"
        metrics = {"durationMs": round(duration_ms, 3)}
        self._platform(text, "initReport", phase="init", status=status, metrics=metrics)

    def start(self, request_id: str, version: str) -> None:
        text = f"START RequestId: {request_id} Version: {version}\n"
        self._platform(text, "start", requestId=request_id, version=version)

    def time_out(self, request_id: str, seconds: float) -> None:
        self._event(f"{_timestamp()} {request_id} Task timed out after {seconds:.2f} seconds\n\n")

    def runtime_exit(self, request_id: str, reason: str) -> None:
        self._event(f"RequestId: {request_id} Error: {reason}\nRuntime.ExitError\n")

    def report(
        self,
        request_id: str,
        duration_ms: float,
        memory_mb: int,
        used_bytes: int,
        init_ms: float | None,
        status: str,
        error_type: str,
    ) -> None:
        billed_ms, used_mb = math.ceil(duration_ms), math.ceil(used_bytes / 1048576)
        if self._format == "JSON":
            metrics: dict[str, float] = {
                "durationMs": round(duration_ms, 3),
                "billedDurationMs": billed_ms,
                "memorySizeMB": memory_mb,
                "maxMemoryUsedMB": used_mb,
            }
            if init_ms is not None:
                metrics["initDurationMs"] = round(init_ms, 3)
            error = {"errorType": error_type} if error_type else {}
            self._platform("", "report", requestId=request_id, metrics=metrics, status=status, **error)
            return
        init = f"Init Duration: {init_ms:.2f} ms\t" if init_ms is not None else ""
        failed = "" if status == "success" else f"Status: {status}\t"
        failed += f"Error Type: {error_type}\t" if error_type else ""
        self._event(f"END RequestId: {request_id}\n")
        self._event(
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
            f"Memory Size: {memory_mb} MB\tMax Memory Used: {used_mb} MB\t{init}{failed}\n"
        )

    def _platform(self, text: str, kind: str, **record: object) -> None:
        if self._format == "JSON":
            text = json.dumps({"time": _timestamp(), "type": f"platform.{kind}", "record": record}) + "\n"
        self._event(text)


def _timestamp() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
