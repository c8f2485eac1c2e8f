"""`X-Amzn-Trace-Id`: the header by which AWS's services tell one another which trace a request belongs to. Pure.

`Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, fields in any order, unknown ones kept.
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

import re
from typing import NamedTuple

from forecourt.base.clock import Clock
from forecourt.base.ids import Ids

HEADER = "X-Amzn-Trace-Id"

_ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_PARENT = re.compile(r"[0-9a-f]{16}")
# A header is what a stranger sends: we keep no more of it than AWS's own services do.
_LONGEST = 500


class Trace(NamedTuple):
    root: str
    parent: str = ""
    sampled: str = ""
    others: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        fields = (("Root", self.root), ("Parent", self.parent), ("Sampled", self.sampled), *self.others)
        return ";".join(f"{name}={value}" for name, value in fields if value)


def parse(header: str) -> Trace | None:
    """None where the header names no valid root: then a new trace begins."""
    if len(header) > _LONGEST or not header.isascii() or not header.isprintable():
        return None
    fields = dict(field.strip().split("=", 1) for field in header.split(";") if "=" in field)
    root, parent, sampled = fields.pop("Root", ""), fields.pop("Parent", ""), fields.pop("Sampled", "")
    if not _ROOT.fullmatch(root):
        return None
    return Trace(
        root,
        parent if _PARENT.fullmatch(parent) else "",
        sampled if sampled in ("0", "1", "?") else "",
        tuple(fields.items()),
    )


def new(clock: Clock, ids: Ids) -> Trace:
    return Trace(f"1-{int(clock.now()):08x}-{ids.bytes(12).hex()}")


def of_request(header: str | None, clock: Clock, ids: Ids) -> Trace:
    """The trace that a request belongs to: the one it names, or a new one."""
    return (parse(header) if header else None) or new(clock, ids)
