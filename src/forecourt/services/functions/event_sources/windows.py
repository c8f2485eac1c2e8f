"""Tumbling windows: what of a shard arrives in one span of time shares a state, which each call hands on. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

State = dict[str, Any]
# Of an event, beside its records
Members = Mapping[str, Any]


class Window(NamedTuple):
    start: int
    seconds: int
    state: State

    @property
    def end(self) -> int:
        return self.start + self.seconds

    def members(self, shard: str, source_arn: str, *, final: bool = False) -> Members:
        return {
            "window": {"start": _time(self.start), "end": _time(self.end)},
            "state": self.state,
            "shardId": shard,
            "eventSourceARN": source_arn,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": False,
        }


def start_of(arrived: float, seconds: int) -> int:
    return int(arrived // seconds * seconds)


def handed_on(members: Members, payload: bytes) -> Members:
    """With the state that the function has answered, where there is a window."""
    return {**members, "state": _state(payload)} if "state" in members else members


def _state(payload: bytes) -> State:
    try:
        answer = json.loads(payload)
    except ValueError:
        return {}
    state = answer.get("state") if isinstance(answer, dict) else None
    return state if isinstance(state, dict) else {}


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
