"""The id of the request that is under way: set by the edge, carried by every log line and every task it starts."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
