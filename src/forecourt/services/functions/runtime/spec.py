"""What an execution environment is made from: one published (or unpublished) version of a function, frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec


class FunctionSpec(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    version: str
    # Changes with every change of code or configuration: environments of another revision are not reused.
    revision: str
    runtime: str
    handler: str
    role: str
    memory_mb: int
    timeout_seconds: int
    variables: Mapping[str, str]
    # SHA-256 of the code's zip file, and of each layer's in their order
    code: str
    layers: tuple[str, ...]
    log_group: str
    log_format: Literal["Text", "JSON"]
    log_level: str = ""
    # Reserved concurrency of the function, over all its versions
    reserved_concurrency: int | None = None
    # An event that comes round and round is not let in (`lineage`).
    ends_loops: bool = False

    @property
    def function(self) -> tuple[str, str, str]:
        """The function whatever its version."""
        return self.account, self.region, self.name

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


_RUNTIME = re.compile(r"(python|nodejs|provided)(.*)")


def family(runtime: str) -> str:
    """`python`, `nodejs`, `provided`, or "" for a runtime that Forecourt does not have."""
    match = _RUNTIME.fullmatch(runtime)
    return match[1] if match else ""
