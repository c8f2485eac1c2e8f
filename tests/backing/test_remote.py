"""A remote endpoint sees the client's request, signed anew with credentials that it can check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from forecourt.auth import sigv4
from forecourt.base.errors import RemoteError
from forecourt.services.backing.errors import EndpointUnavailable
from forecourt.services.backing.message import Request
from forecourt.services.backing.remote import Remote

from .conftest import Bench, caller


@dataclass
class Endpoint:
    """An HTTP server that keeps what it is sent and answers `answer`."""

    url: str = ""
    answer: bytes = b"{}"
    status: str = "200 OK"
    seen: list[sigv4.SignedRequest] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = [
            (name.lower().encode(), value.strip().encode()) for name, _, value in (x.partition(":") for x in lines)
        ]
        length = int(dict(headers).get(b"content-length", b"0"))
        body = await reader.readexactly(length)
        path, _, query = target.partition("?")
        self.seen.append(sigv4.SignedRequest(method, path.encode(), query.encode(), headers, body))
        reply = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.answer)}\r\nx-amzn-requestid: r\r\n\r\n"
        writer.write(reply.encode() + self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield endpoint
    server.close()


def check_signature(request: sigv4.SignedRequest, secret: str, bench: Bench) -> sigv4.Signature:
    signature = sigv4.read_signature(request)
    assert signature is not None
    sigv4.verify(signature, request, secret, bench.clock.now())
    return signature


async def test_a_call_goes_to_the_endpoint_and_comes_back(bench: Bench, endpoint: Endpoint) -> None:
    endpoint.answer = b'{"TableNames": ["pets"]}'
    backing = bench.ephemeral({"dynamodb": endpoint.url})
    assert await backing.call(caller("111111111111"), "dynamodb", "ListTables", {"Limit": 3}) == {
        "TableNames": ["pets"]
    }
    sent = endpoint.seen[0]
    assert (sent.method, sent.body) == ("POST", b'{"Limit": 3}')
    signature = check_signature(sent, "forecourt", bench)
    assert (signature.access_key_id, signature.region, signature.service) == ("111111111111", "eu-west-1", "dynamodb")
    await backing.stop()


async def test_a_clients_request_is_passed_on_without_what_was_for_us(bench: Bench, endpoint: Endpoint) -> None:
    backing = bench.ephemeral({"s3": endpoint.url + "/minio"})
    headers = [
        (b"host", b"localhost:4566"),
        (b"authorization", b"AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/s3/aws4_request, Signature=0"),
        (b"x-amz-meta-colour", b"red"),
        (b"connection", b"keep-alive"),
        (b"x-moto-account-id", b"222222222222"),
    ]
    query = b"partNumber=1&X-Amz-Signature=00&X-Amz-Credential=x"
    status, _, _ = await backing.http(caller(), "s3", "PUT", b"/bucket/a%2Fb", query, headers, b"data")
    assert status == 200
    sent = endpoint.seen[0]
    check_signature(sent, "forecourt", bench)
    names = [name for name, _ in sent.headers]
    assert (sent.raw_path, sent.query_string, sent.body) == (b"/minio/bucket/a%2Fb", b"partNumber=1", b"data")
    assert (b"x-amz-meta-colour", b"red") in sent.headers
    assert names.count(b"authorization") == names.count(b"host") == 1
    assert b"x-moto-account-id" not in names
    await backing.stop()


async def test_the_environments_credentials_sign(bench: Bench, endpoint: Endpoint) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "token"}
    remote = Remote({"sqs": endpoint.url}, environ)
    request = Request(
        service="sqs", account="000000000000", region="eu-west-1", method="POST", raw_path=b"/", body=b"{}"
    )
    await remote.run(request)
    signature = check_signature(endpoint.seen[0], "hush", bench)
    assert (signature.access_key_id, signature.session_token) == ("AKIDENV", "token")
    await remote.close()
    bench.ephemeral()


async def test_an_error_of_the_endpoint_is_passed_on(bench: Bench, endpoint: Endpoint) -> None:
    endpoint.status, endpoint.answer = "400 Bad Request", b'{"__type": "x#ResourceNotFoundException", "message": "no"}'
    backing = bench.ephemeral({"dynamodb": endpoint.url})
    with pytest.raises(RemoteError) as caught:
        await backing.call(caller(), "dynamodb", "ListTables", {})
    assert (caught.value.code, caught.value.message, caught.value.status) == ("ResourceNotFoundException", "no", 400)
    await backing.stop()


async def test_an_endpoint_that_is_down_is_named(bench: Bench) -> None:
    backing = bench.ephemeral({"dynamodb": "http://127.0.0.1:9"})
    with pytest.raises(EndpointUnavailable) as caught:
        await backing.call(caller(), "dynamodb", "ListTables", {})
    assert caught.value.status == 503
    assert "127.0.0.1:9 (setting backing.dynamodb), cannot be reached" in caught.value.message
    await backing.stop()


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(ValueError, match="not an http"):
        Remote({"dynamodb": "localhost:8000"})
