"""What the oracle does not see: what must not go out, streams, and errors word for word."""

from __future__ import annotations

import gzip
import math
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer

from forecourt.base.errors import AccessDenied, InternalFailure, RemoteError, ServiceError
from forecourt.wire import HttpRequest, HttpResponse, Target, body_limit, cbor, decode, encode, encode_error, timestamps
from forecourt.wire.errors import RequestTooLarge, SerializationException


def target(service: str, operation: str, protocol: str, **more: Any) -> Target:
    return Target(service=service, operation=operation, protocol=protocol, region="eu-west-1", **more)


def body(response: HttpResponse) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def test_only_what_the_model_names_goes_out() -> None:
    pool = {"Id": "p", "Name": None, "secret_salt": "inner", "LambdaConfig": {"PreSignUp": "arn", "_cache": 1}}
    answer = encode(target("cognito-idp", "DescribeUserPool", "json"), {"UserPool": pool, "extra": 1}, "r")
    assert msgspec.json.decode(body(answer)) == {"UserPool": {"Id": "p", "LambdaConfig": {"PreSignUp": "arn"}}}


def test_an_operation_without_output_answers_nothing() -> None:
    answer = encode(target("logs", "CreateLogGroup", "json"), {}, "r")
    assert (answer.status, answer.body) == (200, b"")


def test_a_headers_value_cannot_begin_another_header() -> None:
    answer = encode(target("lambda", "Invoke", "rest-json"), {"FunctionError": "a\r\nset-cookie: x=1"}, "r")
    assert (b"X-Amz-Function-Error", b"a  set-cookie: x=1") in answer.headers


def test_a_streamed_status_and_payload() -> None:
    result = {"StatusCode": 202, "Payload": b"\x00", "ExecutedVersion": "$LATEST"}
    answer = encode(target("lambda", "Invoke", "rest-json"), result, "r")
    assert (answer.status, answer.body) == (202, b"\x00")


async def test_events_to_come_become_frames_as_they_come() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield {"PayloadChunk": {"Payload": b"one"}}
        yield {"InvokeComplete": {"ErrorCode": "Oops"}}

    answer = encode(target("lambda", "InvokeWithResponseStream", "rest-json"), {"EventStream": events()}, "r")
    assert isinstance(answer.body, AsyncIterator)
    buffer = EventStreamBuffer()
    seen = []
    async for frame in answer.body:
        buffer.add_data(frame)
        seen += [(event.headers[":event-type"], event.payload) for event in buffer]
    assert seen == [("PayloadChunk", b"one"), ("InvokeComplete", b'{"ErrorCode":"Oops"}')]


ERRORS: list[tuple[Target, ServiceError, int, bytes]] = [
    (
        target("lambda", "GetFunction", "rest-json"),
        RemoteError("ResourceNotFoundException", "Function not found: f"),
        404,
        b'{"Type":"User","Message":"Function not found: f"}',
    ),
    (
        target("cognito-idp", "InitiateAuth", "json"),
        RemoteError("NotAuthorizedException", "Incorrect username or password.", 403),
        400,
        b'{"__type":"NotAuthorizedException","message":"Incorrect username or password."}',
    ),
    (
        target("iam", "GetUser", "query"),
        RemoteError("NoSuchEntityException", "no <user>"),
        404,
        b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        b"<Code>NoSuchEntity</Code><Message>no &lt;user&gt;</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    ),
    (
        target("sts", "AssumeRole", "query"),
        AccessDenied("not you"),
        403,
        b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        b"<Code>AccessDenied</Code><Message>not you</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    ),
    (
        target("stepfunctions", "StartExecution", "json"),
        AccessDenied("not you"),
        400,
        b'{"__type":"AccessDeniedException","message":"not you"}',
    ),
    (
        target("apigateway", "GetRestApi", "rest-json"),
        InternalFailure("see the log"),
        500,
        b'{"message":"see the log"}',
    ),
    (
        target("s3", "GetObject", "rest-xml"),
        AccessDenied("not you"),
        403,
        b"<Error><Code>AccessDenied</Code><Message>not you</Message><RequestId>r</RequestId></Error>",
    ),
]


@pytest.mark.parametrize(("asked", "error", "status", "expected"), ERRORS)
def test_an_error_has_its_protocols_form(asked: Target, error: ServiceError, status: int, expected: bytes) -> None:
    answer = encode_error(asked, error, "r")
    assert (answer.status, answer.body) == (status, expected)


def test_a_client_of_the_query_protocol_finds_its_codes_again() -> None:
    error = RemoteError("InvalidParameterValueException", "none")
    asked = target("cloudwatch", "GetDashboard", "json", query_mode=True)
    assert (b"x-amzn-query-error", b"InvalidParameterValue;Sender") in encode_error(asked, error, "r").headers
    asked = target("cloudwatch", "GetDashboard", "json")
    assert b"x-amzn-query-error" not in dict(encode_error(asked, error, "r").headers)


def test_a_body_that_is_too_large_is_refused_in_awss_words() -> None:
    asked = target("lambda", "UpdateFunctionCode", "rest-json", path_params={"FunctionName": "f"})
    request = HttpRequest("PUT", b"/2015-03-31/functions/f/code", b"", [], b"x" * (body_limit(asked) + 1))
    with pytest.raises(
        RequestTooLarge, match="must be smaller than 70167211 bytes for the UpdateFunctionCode operation"
    ):
        decode(asked, request)


PACKED = {
    "json": ([(b"content-type", b"application/x-amz-json-1.0")], b'{"Namespace": "n", "MetricData": []}'),
    "query": ([(b"content-type", b"application/x-www-form-urlencoded")], b"Action=PutMetricData&Namespace=n"),
    "smithy-rpc-v2-cbor": ([(b"content-type", b"application/cbor")], cbor.dumps({"Namespace": "n", "MetricData": []})),
}


def packed(protocol: str, content: bytes) -> HttpRequest:
    headers, _ = PACKED[protocol]
    return HttpRequest("POST", b"/", b"", [*headers, (b"content-encoding", b"gzip")], content)


@pytest.mark.parametrize("protocol", PACKED)
def test_a_gzipped_body_is_read(protocol: str) -> None:
    asked = target("cloudwatch", "PutMetricData", protocol)
    assert decode(asked, packed(protocol, gzip.compress(PACKED[protocol][1])))["Namespace"] == "n"


@pytest.mark.parametrize("protocol", PACKED)
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"not gzip", SerializationException),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], SerializationException),
        (gzip.compress(b"\0" * 11_000_000, 1, mtime=0), RequestTooLarge),
    ],
    ids=["no gzip", "cut off", "a bomb"],
)
def test_a_gzipped_body_that_cannot_be_read_is_refused(
    protocol: str, content: bytes, error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        decode(target("cloudwatch", "PutMetricData", protocol), packed(protocol, content))


@pytest.mark.parametrize(
    "value",
    [
        0,
        23,
        24,
        -1,
        -25,
        2**63 - 1,
        -(2**63),
        1.5,
        -math.inf,
        "",
        "é" * 300,
        b"\x00\xff",
        True,
        None,
        [],
        [1, [2]],
        {"a": {}},
    ],
)
def test_cbor_is_read_as_it_was_written(value: Any) -> None:
    assert cbor.loads(cbor.dumps(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18",
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x9f\x01",
        b"\xa1\x01\x02",
        b"\xc2\x41\x01",
        b"\x61\xff",
        b"\x01\x02",
    ],
)
def test_broken_cbor_is_refused(data: bytes) -> None:
    with pytest.raises(SerializationException):
        cbor.loads(data)


@pytest.mark.parametrize(
    ("moment", "seconds", "iso", "rfc"),
    [
        (0, 0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1_700_000_000.1234, 1_700_000_000.123, "2023-11-14T22:13:20.123Z", "Tue, 14 Nov 2023 22:13:20 GMT"),
        (-1.5, -1.5, "1969-12-31T23:59:58.500Z", "Wed, 31 Dec 1969 23:59:58 GMT"),
    ],
)
def test_timestamps(moment: float, seconds: float, iso: str, rfc: str) -> None:
    assert timestamps.to_seconds(moment) == seconds
    assert timestamps.iso8601(moment) == iso
    assert timestamps.rfc822(moment) == rfc
    assert timestamps.to_seconds(timestamps.parse(iso)) == seconds
    assert timestamps.to_seconds(timestamps.parse(str(seconds))) == seconds


@pytest.mark.parametrize("text", ["", "x", "2026-13-01", "1e999", "Mon, 99 Foo 2026", "9" * 400])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        timestamps.parse(text)
