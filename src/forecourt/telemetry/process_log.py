"""Forecourt's own log, on standard error: JSON lines for machines, plain lines on a terminal.

Every line within a request carries its id: the edge sets `base.request.request_id` (a context variable, so tasks that
the request starts inherit it).

    {"time": "2026-11-21T09:30:00.123Z", "level": "INFO", "logger": "forecourt.edge", "message": "…", "request_id": "…"}

Fields given as `extra={"fields": {…}}` stand beside them.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from forecourt.base.request import request_id

_COLOURS = {"DEBUG": "2", "INFO": "36", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def configure(level: str = "INFO", stream: TextIO | None = None, *, form: str = "auto") -> None:
    """`form` is `json`, `plain`, or `auto`: plain on a terminal, JSON elsewhere."""
    stream = stream or sys.stderr
    if form == "auto":
        form = "plain" if stream.isatty() else "json"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter(colour=stream.isatty()) if form == "plain" else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id.get():
            line["request_id"] = request
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class PlainFormatter(logging.Formatter):
    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname:<8}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        parts = [_time(record).astimezone().strftime("%H:%M:%S"), level, record.getMessage()]
        parts += [f"{name}={value}" for name, value in getattr(record, "fields", {}).items()]
        if request := request_id.get():
            parts.append(f"({request})")
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
