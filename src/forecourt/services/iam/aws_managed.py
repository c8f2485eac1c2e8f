"""AWS's own managed policies (`arn:aws:iam::aws:policy/…`), as moto carries them.

The list is some megabytes of JSON, so it is read when it is first needed, by itself (importing moto's IAM would load
much of moto), and in a thread, so that nobody waits but who needs it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import files
from typing import Any

import msgspec

ARN_PREFIX = "arn:aws:iam::aws:policy"
_SOURCE = "moto/iam/aws_managed_policies.py"
_QUOTES = '"""'


class AwsManagedPolicy(msgspec.Struct, frozen=True):
    name: str
    path: str
    id: str
    arn: str
    version: str
    document: str
    created_at: float
    updated_at: float


async def find(arn: str) -> AwsManagedPolicy | None:
    return (await policies()).get(arn) if arn.startswith(ARN_PREFIX) else None


async def policies() -> Mapping[str, AwsManagedPolicy]:
    """By ARN."""
    return _read() if _read.cache_info().currsize else await asyncio.to_thread(_read)


@cache
def _read() -> Mapping[str, AwsManagedPolicy]:
    source = next(file for file in files("moto") or () if str(file) == _SOURCE)
    text = source.read_text(encoding="utf-8")
    start = text.index(_QUOTES) + len(_QUOTES)
    literal = text[start : text.index(_QUOTES, start)]
    found = [_policy(name, entry) for name, entry in msgspec.json.decode(literal).items()]
    return {policy.arn: policy for policy in found}


def _policy(name: str, entry: Mapping[str, Any]) -> AwsManagedPolicy:
    path = entry.get("Path", "/")
    return AwsManagedPolicy(
        name=name,
        path=path,
        id="ANPA" + base64.b32encode(hashlib.sha256(name.encode()).digest())[:17].decode(),
        arn=f"{ARN_PREFIX}{path}{name}",
        version=entry["DefaultVersionId"],
        document=msgspec.json.encode(entry["Document"]).decode(),
        created_at=_seconds(entry["CreateDate"]),
        updated_at=_seconds(entry.get("UpdateDate", entry["CreateDate"])),
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
