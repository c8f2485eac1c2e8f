"""Every service that botocore knows, by what a request says of it.

Reading four hundred models takes seconds, so what `resolve` needs of each is kept beside this file in
`services.json`; `python -m forecourt.wire.index` writes it anew, and a test compares. A service that is too new for
the file is still found where it signs by its own name.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import msgspec

from forecourt.wire.models import DATA, Metadata, decode_model, model_file

FILE = Path(__file__).with_name("services.json")


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    signs_as: str
    endpoint_prefix: str
    protocol: str
    api_version: str
    target_prefix: str = ""


class _MetadataOnly(msgspec.Struct):
    metadata: Metadata


class Index:
    def __init__(self, entries: list[Entry]) -> None:
        self.by_name = {entry.name: entry for entry in entries}
        self.by_signing_name: dict[str, list[Entry]] = defaultdict(list)
        self.by_target_prefix: dict[str, list[Entry]] = defaultdict(list)
        self.by_endpoint_prefix: dict[str, list[Entry]] = defaultdict(list)
        self.by_query_version: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self.by_signing_name[entry.signs_as].append(entry)
            self.by_endpoint_prefix[entry.endpoint_prefix].append(entry)
            if entry.target_prefix:
                self.by_target_prefix[entry.target_prefix].append(entry)
            if entry.protocol in ("query", "ec2"):
                self.by_query_version[entry.api_version].append(entry)


@cache
def index() -> Index:
    return Index(msgspec.json.decode(FILE.read_bytes(), type=list[Entry]))


def build() -> bytes:
    """The file's content, from botocore's models."""
    entries = []
    for folder in sorted(path.name for path in DATA.iterdir() if path.is_dir()):
        file = model_file(folder)
        if file is None:
            continue
        known: Metadata = decode_model(file, _MetadataOnly).metadata
        entries.append(
            Entry(folder, known.signs_as, known.endpoint_prefix, known.protocol, known.api_version, known.target_prefix)
        )
    return b"[\n" + b",\n".join(msgspec.json.encode(entry) for entry in entries) + b"\n]\n"


if __name__ == "__main__":
    FILE.write_bytes(build())
    sys.stdout.write(f"wrote {FILE}\n")
