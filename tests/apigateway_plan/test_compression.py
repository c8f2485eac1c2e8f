"""`minimumCompressionSize`: answers packed, requests unpacked."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from tests.apigateway_plan.harness import backend, gateway, http_proxy, mock, proxy

from forecourt.services.apigateway.rest import model

PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}


@pytest.mark.parametrize(
    ("accept", "size", "coding"),
    [
        ("gzip", 10, "gzip"),
        ("deflate,gzip", 10, "deflate"),
        ("deflate;q=0.5,gzip;q=1.0", 10, "gzip"),
        ("gzip;q=1.0,identity;q=0.5,*;q=0", 10, "gzip"),
        ("gzip, deflate, br", 10, "gzip"),
        ("br, gzip", 10, "gzip"),
        ("*", 10, "gzip"),
        # The coding that is liked best is not one of the gateway's.
        ("br;q=1.0, deflate;q=0.5", 10, None),
        ("gzip;q=0", 10, None),
        ("gzip;q=x", 10, None),
        ("identity", 10, None),
        ("", 10, None),
        ("gzip", 1000, None),
        ("gzip", None, None),
    ],
)
async def test_answers(accept: str, size: int | None, coding: str | None) -> None:
    async with gateway() as made:
        await made.deploy({"GET /": mock(out="x" * 200)}, minimum_compression_size=size)
        answer = await made.ask("/", headers=[("Accept-Encoding", accept)] if accept else [])
        assert answer.header("content-encoding") == coding
        assert answer.header("content-length") == str(len(answer.body))
        assert UNPACK[coding](answer.body) == b"x" * 200


@pytest.mark.parametrize("coding", sorted(PACK))
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_packed_request_is_unpacked_for_everything_behind(coding: str, chunked: bool) -> None:
    schema = '{"type": "object", "required": ["name"]}'
    validator = model.RequestValidator(
        account="0", region="r", rest_api_id="a", id="v1", validate_request_body=True, validate_request_parameters=False
    )
    shape = model.Model(
        account="0", region="r", rest_api_id="a", id="m1", name="Pet", content_type="application/json", schema=schema
    )
    seen: list[dict[str, Any]] = []
    async with gateway() as made:
        made.services.functions["pets"] = lambda event: seen.append(event) or {"statusCode": 200}  # type: ignore[func-returns-value]
        pets = proxy("pets", request_validator_id="v1", request_models={"application/json": "Pet"})
        await made.deploy({"POST /": pets}, minimum_compression_size=0, request_validators=[validator], models=[shape])

        async def post(document: Any) -> int:
            packed = PACK[coding](json.dumps(document).encode())
            headers = [("Content-Type", "application/json"), ("Content-Encoding", coding), ("X-Last", "1")]
            parts = [packed[:5], packed[5:]] if chunked else None
            return (await made.ask("/", "POST", headers, packed, chunked=parts)).status

        assert await post({"name": "Rex"}) == 200
        assert json.loads(seen[0]["body"]) == {"name": "Rex"}
        assert seen[0]["headers"]["X-Last"] == "1"
        if coding != "identity":
            assert "Content-Encoding" not in seen[0]["headers"]
        assert await post({}) == 400


async def test_a_backend_gets_the_plain_body() -> None:
    async with gateway() as made, backend() as behind:
        await made.deploy({"POST /": http_proxy(behind.url)}, minimum_compression_size=0)
        await made.ask("/", "POST", [("Content-Encoding", "gzip")], gzip.compress(b"plain"))
        received = behind.received[0]
        assert (received.body, received.header("content-encoding")) == (b"plain", None)
        assert received.header("content-length") == "5"


@pytest.mark.parametrize(
    ("coding", "body", "status", "message"),
    [
        ("gzip", b"not packed at all", 415, "Unsupported Media Type"),
        ("deflate", b"not packed at all", 415, "Unsupported Media Type"),
        ("gzip", gzip.compress(b"x" * 1000)[:-9], 415, "Unsupported Media Type"),
        ("br", b"\x8b\x00\x80x\x03", 415, "Unsupported Media Type"),
        ("gzip", gzip.compress(bytes(11 * 1024 * 1024)), 413, "Request Too Long"),
        ("deflate", zlib.compress(bytes(300 * 1024 * 1024), 9), 413, "Request Too Long"),
    ],
    # Named, for gzip writes the time into its head, and a test's name must be the same in every worker.
    ids=["gzip-plain", "deflate-plain", "gzip-cut-off", "unknown-coding", "gzip-too-large", "deflate-too-large"],
)
async def test_what_cannot_be_unpacked(coding: str, body: bytes, status: int, message: str) -> None:
    async with gateway() as made:
        await made.deploy({"POST /": mock()}, minimum_compression_size=0)
        answer = await made.ask("/", "POST", [("Content-Encoding", coding)], body)
        assert (answer.status, answer.json()) == (status, {"message": message})


async def test_deflate_without_its_wrapper() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(b"plain") + packer.flush()
    async with gateway() as made, backend() as behind:
        await made.deploy({"POST /": http_proxy(behind.url)}, minimum_compression_size=0)
        await made.ask("/", "POST", [("Content-Encoding", "deflate")], packed)
        assert behind.received[0].body == b"plain"


@pytest.mark.parametrize("size", [None, 1000])
async def test_below_the_size_and_without_one_bodies_pass_as_they_came(size: int | None) -> None:
    packed = gzip.compress(b"plain")
    async with gateway() as made, backend() as behind:
        await made.deploy({"POST /": http_proxy(behind.url)}, minimum_compression_size=size)
        await made.ask("/", "POST", [("Content-Encoding", "gzip")], packed)
        received = behind.received[0]
        # AWS does not tell an HTTP_PROXY backend of the coding.
        assert (received.body, received.header("content-encoding")) == (packed, None)
