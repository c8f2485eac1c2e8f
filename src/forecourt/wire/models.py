"""botocore's service models, read as data.

A model (`botocore/data/<service>/<api version>/service-2.json[.gz]`) is decoded into the few structs below; the
documentation, which is nine tenths of it, is skipped while decoding. A model is read when its service is first
asked for and kept. Codecs see only `Ref`s (a member: which shape, and its traits there) and `Shape`s.
"""

from __future__ import annotations

import gzip
import re
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from forecourt.wire import quirks
from forecourt.wire.errors import UnknownService


def _data_folder() -> Path:
    """botocore's, of which only the data is used: it is found, not imported."""
    found = find_spec("botocore")
    if found is None or found.origin is None:
        raise ImportError("botocore is not installed")
    return Path(found.origin).parent / "data"


DATA = _data_folder()

ShapeType = Literal[
    "structure",
    "list",
    "map",
    "string",
    "character",
    "integer",
    "long",
    "float",
    "double",
    "boolean",
    "blob",
    "timestamp",
]
TimestampFormat = Literal["iso8601", "rfc822", "unixTimestamp", "unixTimestampMillis"]


class Ref(msgspec.Struct, rename="camel", frozen=True):
    """A use of a shape: as a member, a list's element, a map's key or value, an operation's input or output."""

    shape: str
    location: str | None = None
    location_name: str | None = None
    query_name: str | None = None
    flattened: bool = False
    streaming: bool = False
    jsonvalue: bool = False
    idempotency_token: bool = False
    host_label: bool = False
    eventpayload: bool = False
    eventheader: bool = False
    result_wrapper: str | None = None
    timestamp_format: str | None = None


class ErrorTrait(msgspec.Struct, rename="camel", frozen=True):
    code: str | None = None
    http_status_code: int | None = None
    sender_fault: bool = True


class Shape(msgspec.Struct, rename="camel", frozen=True):
    type: ShapeType
    members: dict[str, Ref] = {}
    required: tuple[str, ...] = ()
    member: Ref | None = None
    key: Ref | None = None
    value: Ref | None = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    payload: str | None = None
    exception: bool = False
    error: ErrorTrait | None = None
    fault: bool = False
    document: bool = False
    union: bool = False
    eventstream: bool = False
    streaming: bool = False
    flattened: bool = False
    sensitive: bool = False
    jsonvalue: bool = False
    location_name: str | None = None
    timestamp_format: str | None = None


class HttpTrait(msgspec.Struct, rename="camel", frozen=True):
    method: str = "POST"
    request_uri: str = "/"
    response_code: int = 200


class EndpointTrait(msgspec.Struct, rename="camel", frozen=True):
    host_prefix: str = ""


class Operation(msgspec.Struct, rename="camel", frozen=True):
    name: str
    http: HttpTrait = HttpTrait()
    input: Ref | None = None
    output: Ref | None = None
    errors: tuple[Ref, ...] = ()
    authtype: str | None = None
    auth: tuple[str, ...] = ()
    endpoint: EndpointTrait | None = None
    deprecated: bool = False

    @property
    def unsigned(self) -> bool:
        """Whether AWS takes this call without a signature."""
        return self.authtype == "none" or "smithy.api#noAuth" in self.auth


class Metadata(msgspec.Struct, rename="camel", frozen=True):
    protocol: str
    api_version: str = ""
    protocols: tuple[str, ...] = ()
    endpoint_prefix: str = ""
    signing_name: str = ""
    target_prefix: str = ""
    json_version: str = "1.1"
    xml_namespace: str = ""
    service_id: str = ""
    aws_query_compatible: dict[str, Any] | None = None

    @property
    def signs_as(self) -> str:
        return self.signing_name or self.endpoint_prefix


class Model(msgspec.Struct, dict=True):
    metadata: Metadata
    operations: dict[str, Operation]
    shapes: dict[str, Shape]
    name: str = ""

    def shape(self, ref: Ref) -> Shape:
        return self.shapes[ref.shape]

    @cached_property
    def errors(self) -> dict[str, str]:
        """The error shape's name by each code it is known by: its own name, and what the query protocol calls it."""
        named: dict[str, str] = {}
        for name, shape in self.shapes.items():
            if shape.exception:
                named[name] = name
                if shape.error is not None and shape.error.code:
                    named.setdefault(shape.error.code, name)
        return named


def model_file(service: str) -> Path | None:
    """The newest model of `service` (botocore's name), or None where botocore has none."""
    folder = DATA / service
    if not re.fullmatch(r"[a-z0-9-]+", service) or not folder.is_dir():
        return None
    files = sorted(folder.glob("*/service-2.json*"))
    return files[-1] if files else None


def decode_model(file: Path, type: type[Any]) -> Any:
    data = file.read_bytes()
    return msgspec.json.decode(gzip.decompress(data) if file.suffix == ".gz" else data, type=type)


@cache
def model(service: str) -> Model:
    """The model of `service`. Raises `UnknownService`."""
    file = model_file(service)
    if file is None:
        raise UnknownService(f"There is no AWS service {service!r}")
    found: Model = decode_model(file, Model)
    found.name = service
    for name, changed in quirks.SHAPES.get(service, {}).items():
        found.shapes[name] = msgspec.structs.replace(found.shapes[name], **changed)
    return found
