from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from forecourt.base.errors import NotImplementedYet, RemoteError, ServiceError, UnknownOperation
from forecourt.services.backing import Backing

from .conftest import Bench, caller

PIPE = {
    "Name": "p",
    "Source": "arn:aws:sqs:us-east-1:000000000000:in",
    "Target": "arn:aws:sqs:us-east-1:000000000000:out",
    "RoleArn": "arn:aws:iam::000000000000:role/pipe",
}
TABLE: dict[str, Any] = {
    "TableName": "pets",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


async def queue(backing: Backing, name: str = "q", **attributes: str) -> str:
    made = await backing.call(caller(), "sqs", "CreateQueue", {"QueueName": name, "Attributes": attributes})
    url: str = made["QueueUrl"]
    return url


async def received(backing: Backing, url: str, wait: int = 0) -> list[str]:
    params = {"QueueUrl": url, "WaitTimeSeconds": wait}
    answer = await backing.call(caller(), "sqs", "ReceiveMessage", params)
    return [message["Body"] for message in answer.get("Messages", [])]


async def test_services_of_every_protocol_answer_from_inside(bench: Bench) -> None:
    backing = bench.ephemeral()
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    item = {"id": {"S": "1"}, "photo": {"B": b"\x00\xff"}}
    await backing.call(caller(), "dynamodb", "PutItem", {"TableName": "pets", "Item": item})
    got = await backing.call(caller(), "dynamodb", "GetItem", {"TableName": "pets", "Key": {"id": {"S": "1"}}})
    assert got["Item"] == item

    location = {"LocationConstraint": "eu-west-1"}
    await backing.call(caller(), "s3", "CreateBucket", {"Bucket": "photos", "CreateBucketConfiguration": location})
    await backing.call(caller(), "s3", "PutObject", {"Bucket": "photos", "Key": "ä b/c", "Body": b"\x00\xff"})
    body = await backing.call(caller(), "s3", "GetObject", {"Bucket": "photos", "Key": "ä b/c"})
    assert body["Body"] == b"\x00\xff"

    topic = await backing.call(caller(), "sns", "CreateTopic", {"Name": "news"})
    url = await queue(backing)
    endpoint = "arn:aws:sqs:eu-west-1:000000000000:q"
    await backing.call(
        caller(), "sns", "Subscribe", {"TopicArn": topic["TopicArn"], "Protocol": "sqs", "Endpoint": endpoint}
    )
    await backing.call(caller(), "sns", "Publish", {"TopicArn": topic["TopicArn"], "Message": "hello"})
    assert "hello" in (await received(backing, url))[0]
    assert url == "http://localhost:4566/000000000000/q"

    key = await backing.call(caller(), "kms", "CreateKey", {})
    sealed = await backing.call(
        caller(), "kms", "Encrypt", {"KeyId": key["KeyMetadata"]["KeyId"], "Plaintext": b"secret"}
    )
    opened = await backing.call(caller(), "kms", "Decrypt", {"CiphertextBlob": sealed["CiphertextBlob"]})
    assert opened["Plaintext"] == b"secret"


async def test_accounts_and_regions_are_worlds_apart(bench: Bench) -> None:
    backing = bench.ephemeral()
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    for other in (caller(account="111111111111"), caller(region="us-east-1")):
        assert (await backing.call(other, "dynamodb", "ListTables", {}))["TableNames"] == []
    made = await backing.call(caller("111111111111", "ap-south-1"), "dynamodb", "CreateTable", TABLE)
    assert made["TableDescription"]["TableArn"] == "arn:aws:dynamodb:ap-south-1:111111111111:table/pets"


async def test_errors_keep_code_message_status_and_members(bench: Bench) -> None:
    backing = bench.ephemeral()
    with pytest.raises(RemoteError) as caught:
        await backing.call(caller(), "dynamodb", "DescribeTable", {"TableName": "none"})
    assert (caught.value.code, caught.value.status) == ("ResourceNotFoundException", 400)
    assert "none" in caught.value.message
    with pytest.raises(RemoteError) as caught:
        await backing.call(caller(), "s3", "GetObject", {"Bucket": "none-such", "Key": "k"})
    assert (caught.value.code, caught.value.status) == ("NoSuchBucket", 404)

    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    put = {"TableName": "pets", "Item": {"id": {"S": "1"}, "n": {"N": "1"}}}
    await backing.call(caller(), "dynamodb", "PutItem", put)
    refused = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    with pytest.raises(RemoteError) as caught:
        await backing.call(caller(), "dynamodb", "PutItem", put | refused)
    assert caught.value.code == "ConditionalCheckFailedException"
    assert caught.value.members["Item"] == put["Item"]


@pytest.mark.parametrize(
    ("service", "operation", "params", "error"),
    [
        ("dynamodb", "Nonsense", {}, UnknownOperation),
        ("nonsense", "Nonsense", {}, UnknownOperation),
        ("outposts", "GetOutpost", {"OutpostId": "op-1"}, NotImplementedYet),
        ("dynamodb", "DescribeContributorInsights", {"TableName": "none"}, NotImplementedYet),
        ("pipes", "CreatePipe", PIPE, NotImplementedYet),
    ],
)
async def test_what_is_not_there_is_said(
    bench: Bench, service: str, operation: str, params: dict[str, Any], error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        await bench.ephemeral().call(caller(), service, operation, params)


async def test_wrong_parameters_are_the_callers_mistake(bench: Bench) -> None:
    backing = bench.ephemeral()
    with pytest.raises(ServiceError) as caught:
        await backing.call(caller(), "dynamodb", "GetItem", {"TableName": 7})
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    headers = [(b"x-amz-target", b"DynamoDB_20120810.PutItem"), (b"content-type", b"application/x-amz-json-1.0")]
    for body in (b'{"TableName": ["x"]}', b"not json", b'{"TableName": "t", "Item": 1}'):
        with pytest.raises(ServiceError) as caught:
            await backing.http(caller(), "dynamodb", "POST", b"/", b"", headers, body)
        assert 400 <= caught.value.status < 500


async def test_a_long_poll_wakes_when_a_message_comes_and_holds_up_nobody(bench: Bench) -> None:
    backing = bench.ephemeral()
    url = await queue(backing)
    waiting = asyncio.create_task(received(backing, url, wait=20))
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    await backing.call(caller(), "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "late"})
    assert await waiting == ["late"]
    assert time.perf_counter() - started < 5


async def test_a_long_poll_ends_empty(bench: Bench) -> None:
    backing = bench.ephemeral()
    url = await queue(backing)
    started = time.perf_counter()
    assert await received(backing, url, wait=1) == []
    assert 0.9 < time.perf_counter() - started < 5


async def test_a_queues_delay_passes_when_the_clock_is_moved(bench: Bench) -> None:
    backing = bench.ephemeral()
    url = await queue(backing, DelaySeconds="600")
    await backing.call(caller(), "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "later"})
    assert await received(backing, url) == []
    bench.clock.advance(601)
    assert await received(backing, url) == ["later"]


async def test_what_moto_never_forgets_is_cut_back(bench: Bench) -> None:
    from moto.sns.models import sns_backends

    backing = bench.ephemeral()
    arn = (await backing.call(caller(), "sns", "CreateTopic", {"Name": "news"}))["TopicArn"]
    for _ in range(1000):
        await backing.call(caller(), "sns", "Publish", {"TopicArn": arn, "Message": "m"})
    kept = sns_backends["000000000000"]["eu-west-1"].topics[arn].sent_notifications
    assert 0 < len(kept) < 700


async def test_reset_empties_everything_at_once(bench: Bench) -> None:
    backing = bench.ephemeral()
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    url = await queue(backing)
    await backing.call(caller(), "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "m"})
    started = time.perf_counter()
    await backing.reset()
    assert time.perf_counter() - started < 0.5
    assert (await backing.call(caller(), "dynamodb", "ListTables", {}))["TableNames"] == []
    assert (await backing.call(caller(), "sqs", "ListQueues", {})).get("QueueUrls", []) == []


# -- as HTTP clients send it -------------------------------------------------------------------------------------------


async def http(
    backing: Backing, service: str, method: str, path: bytes, **more: Any
) -> tuple[int, dict[str, str], bytes]:
    headers = [(b"host", b"localhost:4566"), *more.get("headers", [])]
    status, answered, body = await backing.http(
        caller(), service, method, path, more.get("query", b""), headers, more.get("body", b"")
    )
    return status, {name.decode(): value.decode() for name, value in answered}, body


async def test_an_object_travels_raw(bench: Bench) -> None:
    backing = bench.ephemeral()
    location = (
        b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
    )
    assert (await http(backing, "s3", "PUT", b"/raw-bucket", body=location))[0] == 200
    meta = [(b"x-amz-meta-a_b", b"1"), (b"x-amz-meta-c-d", b"2"), (b"content-type", b"text/plain")]
    put = await http(backing, "s3", "PUT", b"/raw-bucket/a%2Fb%20c", headers=meta, body=b"\x00\xff")
    assert put[0] == 200
    status, headers, body = await http(backing, "s3", "GET", b"/raw-bucket/a%2Fb%20c")
    assert (status, body, headers["content-type"]) == (200, b"\x00\xff", "text/plain")
    assert (headers["x-amz-meta-a_b"], headers["x-amz-meta-c-d"]) == ("1", "2")
    status, headers, body = await http(backing, "s3", "HEAD", b"/raw-bucket/a%2Fb%20c")
    assert (status, headers["content-length"], body) == (200, "2", b"")
    listed = await backing.call(caller(), "s3", "ListObjectsV2", {"Bucket": "raw-bucket"})
    assert [item["Key"] for item in listed["Contents"]] == ["a/b c"]


async def test_a_bucket_named_by_the_host(bench: Bench) -> None:
    backing = bench.ephemeral()
    location = {"LocationConstraint": "eu-west-1"}
    await backing.call(caller(), "s3", "CreateBucket", {"Bucket": "photos", "CreateBucketConfiguration": location})
    host = [(b"host", b"photos.s3.localhost:4566")]
    status, _, _ = await backing.http(caller(), "s3", "PUT", b"/k", b"", host, b"data")
    assert status == 200
    assert (await backing.call(caller(), "s3", "GetObject", {"Bucket": "photos", "Key": "k"}))["Body"] == b"data"


async def test_a_body_whose_chunks_are_gone_is_taken_as_it_is(bench: Bench) -> None:
    backing = bench.ephemeral()
    location = {"LocationConstraint": "eu-west-1"}
    await backing.call(caller(), "s3", "CreateBucket", {"Bucket": "photos", "CreateBucketConfiguration": location})
    headers = [
        (b"content-encoding", b"aws-chunked"),
        (b"x-amz-content-sha256", b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        (b"x-amz-decoded-content-length", b"4"),
        (b"x-amz-trailer", b"x-amz-checksum-crc32"),
    ]
    assert (await http(backing, "s3", "PUT", b"/photos/k", headers=headers, body=b"data"))[0] == 200
    got = await backing.call(caller(), "s3", "GetObject", {"Bucket": "photos", "Key": "k"})
    assert got["Body"] == b"data"


async def test_a_query_client_gets_xml(bench: Bench) -> None:
    backing = bench.ephemeral()
    form = [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]
    body = b"Action=CreateTopic&Version=2010-03-31&Name=t"
    status, _, answer = await http(backing, "sns", "POST", b"/", headers=form, body=body)
    assert (status, b"arn:aws:sns:eu-west-1:000000000000:t" in answer) == (200, True)


async def test_motos_own_doors_are_shut(bench: Bench) -> None:
    backing = bench.ephemeral()
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    status, _, body = await http(backing, "s3", "GET", b"/moto-api/data.json")
    assert (status, b"NoSuchBucket" in body) == (404, True)
    assert (await backing.call(caller(), "dynamodb", "ListTables", {}))["TableNames"] == ["pets"]
    other = [
        (b"x-moto-account-id", b"111111111111"),
        (b"x-amz-target", b"DynamoDB_20120810.ListTables"),
        (b"content-type", b"application/x-amz-json-1.0"),
    ]
    _, _, body = await http(backing, "dynamodb", "POST", b"/", headers=other, body=b"{}")
    assert b"pets" in body
