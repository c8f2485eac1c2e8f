"""AWS's protocols, pure: an HTTP message on one side, a service's operation and its parameters on the other.

    target = resolve(request)                      # service, operation, protocol, region
    params = decode(target, request)               # validated against the model
    response = encode(target, result, request_id)
    response = encode_error(target, error, request_id)

botocore's models are the specification. A codec is compiled once for an operation when it is first called
(`codecs`), and knows no service's name; what a model can't say stands in `quirks`. Nothing here waits, opens a socket
or reads a clock. Whatever is wrong with a request is a `ServiceError` with a status of 4xx.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.wire import quirks, validation
from forecourt.wire.codecs import Codec, codec, form_of
from forecourt.wire.compression import plain_body
from forecourt.wire.errors import (
    InvalidAction,
    InvalidInput,
    MissingAction,
    RequestTooLarge,
    SerializationException,
    UnknownOperation,
    UnknownService,
    UnsupportedMediaType,
)
from forecourt.wire.faults import encode_error
from forecourt.wire.messages import HttpRequest, HttpResponse, Target
from forecourt.wire.models import model
from forecourt.wire.resolve import Scope, addressee, resolve, signing_scope, signs_for
from forecourt.wire.rest import parse_query

__all__ = [
    "HttpRequest",
    "HttpResponse",
    "InvalidAction",
    "InvalidInput",
    "MissingAction",
    "RequestTooLarge",
    "Scope",
    "SerializationException",
    "Target",
    "UnknownOperation",
    "UnknownService",
    "UnsupportedMediaType",
    "addressee",
    "body_limit",
    "check",
    "decode",
    "encode",
    "encode_error",
    "form_of",
    "parse_query",
    "plain_body",
    "resolve",
    "signing_scope",
    "signs_for",
]


def body_limit(target: Target) -> int:
    """The largest body, in bytes, that the operation takes."""
    usual = quirks.SERVICE_BODY_LIMIT.get(target.service, quirks.DEFAULT_BODY_LIMIT)
    return quirks.BODY_LIMIT.get((target.service, target.operation), usual)


def decode(target: Target, request: HttpRequest) -> dict[str, Any]:
    """The operation's parameters by the model's names: timestamps are aware datetimes, blobs are bytes.

    Raises `ServiceError`s of 4xx only.
    """
    limit = body_limit(target)
    if len(request.body) > limit:
        raise RequestTooLarge(f"Request must be smaller than {limit} bytes for the {target.operation} operation")
    found = codec(target.service, target.operation, target.protocol)
    params = found.decode(target, request)
    _refuse_broken(target.service, target.protocol, found, params)
    return params


def check(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """The model's constraints, for parameters that did not come over the wire. Raises `InvalidInput`."""
    protocol = model(service).metadata.protocol
    _refuse_broken(service, protocol, codec(service, operation, protocol), params)


def _refuse_broken(service: str, protocol: str, found: Codec, params: Mapping[str, Any]) -> None:
    broken = found.check(params) if found.check is not None else ()
    if broken:
        raise validation.error(service, protocol, found.input_name, broken)


def encode(target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    """What the model's output names of `result`, in the protocol that the request came in."""
    return codec(target.service, target.operation, target.protocol).encode(target, result, request_id)
