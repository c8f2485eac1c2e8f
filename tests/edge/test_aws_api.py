"""The AWS API's front over the network: what is refused, how, and who is trusted."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from forecourt.testing import Forecourt

SIGNED = "AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"


def exchange(port: int, request: bytes, seconds: float = 10) -> bytes:
    """Sends bytes as they are; returns all that comes back until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            pass
        return received


def call(port: int, line: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    fields = {"host": f"localhost:{port}", "connection": "close", "content-length": str(len(body))}
    fields["x-amz-date"] = "20261121T000000Z"
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    answer = exchange(port, f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return int(answer[9:12]), answer


def signed(service: str, key: str = "test") -> str:
    return SIGNED.format(service=service, key=key)


@pytest.fixture(scope="module")
def hasty() -> Iterator[Forecourt]:
    """A server that gives its clients one second."""
    with Forecourt(arguments=("--client-timeout", "1")) as forecourt:
        yield forecourt


def test_every_answer_has_a_request_id(server: Forecourt) -> None:
    for line in ("GET /", "POST /nothing/here", "PUT /restapis/x"):
        _, answer = call(server.port, line)
        assert b"x-amzn-requestid: " in answer.lower()


def test_an_answer_says_how_long_it_is(server: Forecourt) -> None:
    form = {"content_type": "application/x-www-form-urlencoded", "authorization": signed("sts")}
    _, answer = call(server.port, "POST /", b"Action=GetCallerIdentity&Version=2011-06-15", **form)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b"chunked" not in head


def test_an_unknown_service_is_said_to_be_unknown(server: Forecourt) -> None:
    status, answer = call(server.port, "POST /", authorization=signed("teleport"))
    assert 400 <= status < 500
    assert b"teleport" in answer


def test_an_unknown_operation_is_said_to_be_unknown(server: Forecourt) -> None:
    status, answer = call(
        server.port,
        "POST /",
        b"{}",
        authorization=signed("cognito-idp"),
        content_type="application/x-amz-json-1.1",
        x_amz_target="AWSCognitoIdentityProviderService.MakeCoffee",
    )
    assert 400 <= status < 500
    assert b"UnknownOperationException" in answer


def test_a_malformed_body_is_a_serialization_exception(server: Forecourt) -> None:
    status, answer = call(
        server.port,
        "POST /",
        b'{"PoolName": ',
        authorization=signed("cognito-idp"),
        content_type="application/x-amz-json-1.1",
        x_amz_target="AWSCognitoIdentityProviderService.CreateUserPool",
    )
    assert status == 400
    assert b"SerializationException" in answer


def test_a_call_without_a_signature_is_missing_its_token(server: Forecourt) -> None:
    status, answer = call(
        server.port,
        "POST /",
        b'{"MaxResults": 1}',
        content_type="application/x-amz-json-1.1",
        x_amz_target="AWSCognitoIdentityProviderService.ListUserPools",
    )
    assert status == 400
    assert b"MissingAuthenticationTokenException" in answer


def test_a_call_that_names_no_service_is_told_so(server: Forecourt) -> None:
    status, answer = call(server.port, "GET /pets")
    assert status == 404
    assert b"no signature, target, action or host" in answer


def test_a_body_over_the_limit_is_refused(server: Forecourt) -> None:
    body = b'{"name": "' + b"x" * (10 * 1024 * 1024) + b'"}'
    status, answer = call(server.port, "POST /restapis", body, authorization=signed("apigateway"))
    assert status == 413
    assert b"RequestEntityTooLargeException" in answer


def test_a_page_may_ask_before_it_calls(server: Forecourt) -> None:
    status, answer = call(
        server.port,
        "OPTIONS /",
        origin="http://localhost:3000",
        access_control_request_method="POST",
        access_control_request_headers="x-amz-target",
    )
    assert status == 200
    assert b"access-control-allow-origin: *" in answer
    assert b"x-amz-target" in answer


@pytest.mark.parametrize(
    ("headers", "trusted"),
    [
        ({}, True),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"host": "evil.example:4566"}, False),
    ],
)
def test_a_foreign_page_is_not_root(server: Forecourt, headers: dict[str, str], trusted: bool) -> None:
    status, answer = call(server.port, "GET /restapis", authorization=signed("apigateway"), **headers)
    assert (b"UnrecognizedClientException" in answer) is not trusted
    assert (status == 403) is not trusted


def test_a_client_that_never_finishes_its_headers_is_cut_off(hasty: Forecourt) -> None:
    started = time.monotonic()
    answer = exchange(hasty.port, b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
    assert time.monotonic() - started < 8
    assert not answer.startswith(b"HTTP/1.1 200")


def test_a_client_that_never_finishes_its_body_times_out(hasty: Forecourt) -> None:
    head = f"POST /restapis HTTP/1.1\r\nhost: localhost\r\nauthorization: {signed('apigateway')}\r\n"
    answer = exchange(hasty.port, head.encode() + b"content-length: 100\r\nconnection: close\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"RequestTimeoutException" in answer


def test_a_thousand_unfinished_requests_do_not_keep_another_waiting(hasty: Forecourt) -> None:
    open_ones = [socket.create_connection(("127.0.0.1", hasty.port), timeout=10) for _ in range(1000)]
    try:
        for connection in open_ones:
            connection.sendall(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-le")
        assert hasty.ask("/_forecourt/ready", timeout_seconds=5) == {"ready": True}
    finally:
        for connection in open_ones:
            connection.close()


def test_smuggling_is_refused(server: Forecourt) -> None:
    both = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"
    assert not exchange(server.port, both, 2).startswith(b"HTTP/1.1 2")


REFUSED_FORMS = [
    ("dynamodb", "{}", {"x_amz_target": "DynamoDB_20120810.Fly"}, "application/x-amz-json-1.0", b'{"__type":"Unknown'),
    ("logs", "{}", {"x_amz_target": "Logs_20140328.Fly"}, "application/x-amz-json-1.1", b'{"__type":"UnknownOperation'),
    ("iam", "Action=Fly&Version=2010-05-08", {}, "text/xml", b"<Code>InvalidAction</Code>"),
    ("iam", "Version=2010-05-08", {}, "text/xml", b"<Code>MissingAction</Code>"),
    ("iam", "Action=ListRoles&Path=%ff", {}, "text/xml", b"<Code>MalformedQueryString</Code>"),
    ("lambda", "", {}, "application/json", b"x-amzn-errortype: UnknownOperationException"),
    ("logs", "x" * (10 * 1024 * 1024 + 1), {"x_amz_target": "Logs_20140328.CreateLogGroup"},
     "application/x-amz-json-1.1", b'{"__type":"RequestEntityTooLarge'),
    ("iam", "x" * (10 * 1024 * 1024 + 1), {}, "text/xml", b"<Code>RequestEntityTooLarge"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "body", "more", "kind", "said"), REFUSED_FORMS, ids=lambda value: str(value)[:24])
def test_what_cannot_be_resolved_is_refused_in_the_clients_protocol(
    server: Forecourt, service: str, body: str, more: dict[str, str], kind: str, said: bytes
) -> None:
    form = {"iam": "application/x-www-form-urlencoded", "dynamodb": "application/x-amz-json-1.0"}
    content_type = form.get(service, "application/x-amz-json-1.1")
    _, answer = call(
        server.port, "POST /", body.encode(), authorization=signed(service), content_type=content_type, **more
    )
    assert f"content-type: {kind}\r\n".encode() in answer.lower()
    assert said in answer
