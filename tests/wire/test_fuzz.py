"""Whatever arrives, the answer is a result or a `ServiceError` of 4xx, never a bug of ours: 10,000 requests.

Each starts as a request that a client would send (any protocol, any operation of ours) and is then broken at random:
bytes flipped, cut, doubled; values of another type; headers lost; paths mangled. The seed is fixed, a failure repeats.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ParamValidationError
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from forecourt.base.errors import RemoteError, ServiceError
from forecourt.wire import HttpRequest, UnknownService, addressee, decode, encode_error, resolve
from forecourt.wire.models import model

from .generate import Generator, Unsatisfiable
from .test_oracle import OWN, shapes

FUZZED = (*OWN, "s3", "route53", "ec2", "dynamodb")
EXAMPLES_PER_SERVICE = 650
SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"
JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1e308, "", "x" * 5000, "\u0000", "\ud7ff", [], {}, [[]], [None], {"": None}, "2026-13-45",
)  # fmt: skip


@cache
def protocols(service: str) -> tuple[str, ...]:
    metadata = model(service).metadata
    return tuple(metadata.protocols or (metadata.protocol,))


def sendable(service: str, protocol: str, rng: random.Random) -> tuple[Any, Any]:
    for _ in range(100):
        name = rng.choice(sorted(model(service).operations))
        operation = shapes(service, name)
        shape = operation.input_shape
        try:
            params = Generator(f"{service} {name} {rng.random()}").value(shape) if shape is not None else {}
            return create_serializer(protocol).serialize_to_request(params, operation), params
        except (Unsatisfiable, ParamValidationError):
            continue
    raise AssertionError(f"nothing can be sent to {service}")


def valid(service: str, protocol: str, rng: random.Random) -> tuple[HttpRequest, Any]:
    """A request as botocore builds it, and its body before it became bytes, where it was JSON."""
    sent, params = sendable(service, protocol, rng)
    body = sent["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    headers = [(key.lower().encode(), str(value).encode()) for key, value in sent["headers"].items()]
    headers.append((b"authorization", SCOPE.format(model(service).metadata.signs_as).encode()))
    query = urlencode(sent["query_string"] or {}, doseq=True)
    return HttpRequest(sent["method"], sent["url_path"].encode(), query.encode(), headers, bytes(body)), params


def junk_in(value: Any, rng: random.Random) -> Any:
    """The same JSON with one value replaced."""
    if rng.random() < 0.3 or not isinstance(value, dict | list) or not value:
        return rng.choice(JUNK)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        return [junk_in(item, rng) if index == at else item for index, item in enumerate(value)]
    key = rng.choice(sorted(value))
    return {**value, key: junk_in(value[key], rng)}


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data or b"{}")
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _double(data: bytes, rng: random.Random) -> bytes:
    return data * rng.randint(2, 4)


def _nested(data: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"[", b'{"a":', b"\x81", b"\xa1\x61a", b"a.")) * rng.choice((100, 20_000)) + data


def _other_json(data: bytes, rng: random.Random) -> bytes:
    try:
        return json.dumps(junk_in(json.loads(data), rng)).encode()
    except ValueError:
        return json.dumps(rng.choice(JUNK)).encode()


def _noise(data: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((1, 10, 1000)))


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _cut, _double, _nested, _other_json, _other_json, _other_json, _noise,
)  # fmt: skip


def mutated(request: HttpRequest, rng: random.Random) -> HttpRequest:
    method, path, query, headers, body = (
        request.method,
        request.raw_path,
        request.query_string,
        list(request.headers),
        request.body,
    )
    choice = rng.random()
    if choice < 0.7:
        body = rng.choice(MUTATIONS)(body, rng)
    if choice > 0.6:
        path = b"/" + rng.choice((_flip, _cut, _double))(path, rng).lstrip(b"/")
    if choice > 0.8:
        query = rng.choice((_flip, _cut, _double, _noise))(query or b"a=b", rng)
    if choice > 0.9:
        method = rng.choice(("GET", "PUT", "DELETE", "PATCH", "BREW", "HEAD", "OPTIONS"))
    if headers and rng.random() < 0.3:
        at = rng.randrange(len(headers))
        name, value = headers[at]
        headers[at] = (name, rng.choice((_flip, _cut, _double, _noise))(value, rng))
    if headers and rng.random() < 0.1:
        headers.pop(rng.randrange(len(headers)))
    return HttpRequest(method, path, query, headers, body)


def outcome(request: HttpRequest) -> ServiceError | None:
    """The error, or None where the request is taken: then its parameters are of the types that the model names."""
    target = None
    try:
        target = resolve(request)
        params = decode(target, request)
    except ServiceError as error:
        refusal = error
    else:
        shape = shapes(target.service, target.operation).input_shape
        report = ParamValidator().validate(params, shape) if shape is not None else None
        assert report is None or not report.has_errors(), report.generate_report()
        return None
    response = encode_error(target or addressee(request), refusal, "r")
    assert 400 <= response.status < 500, refusal
    return refusal


@pytest.mark.parametrize("service", FUZZED)
def test_a_broken_request_is_refused_or_taken_but_never_a_failure_of_ours(service: str) -> None:
    rng = random.Random(f"fuzz {service}")
    refused = 0
    for number in range(EXAMPLES_PER_SERVICE):
        request, _ = valid(service, protocols(service)[number % len(protocols(service))], rng)
        broken = mutated(request, rng)
        try:
            error = outcome(broken)
        except Exception as failure:
            raise AssertionError(f"{broken!r}"[:3000]) from failure
        if error is not None:
            refused += 1
            assert 400 <= error.status < 500, (error, broken)
    assert refused > EXAMPLES_PER_SERVICE / 3


def test_noise_is_refused() -> None:
    rng = random.Random("noise")
    for _ in range(500):
        names = (b"x-amz-target", b"authorization", b"smithy-protocol", b"content-type", b"host", b"x-amz-query-mode")
        headers = [(rng.choice(names), rng.randbytes(rng.randrange(40))) for _ in range(rng.randrange(6))]
        request = HttpRequest(
            rng.choice(("GET", "POST")), b"/" + rng.randbytes(20), rng.randbytes(20), headers, rng.randbytes(100)
        )
        error = outcome(request)
        assert error is not None
        assert 400 <= error.status < 500


def test_an_error_of_an_unknown_service_is_still_readable() -> None:
    nobody = addressee(HttpRequest("GET", b"/", b"", [], b""))
    response = encode_error(nobody, UnknownService("what?"), "request-1")
    assert (response.status, response.body) == (404, b'{"message":"what?"}')
    assert (b"x-amzn-errortype", b"UnknownServiceException") in response.headers
    assert encode_error(nobody, RemoteError("Odd\r\nName", "m"), "r").headers[2][1] == b"Odd  Name"
