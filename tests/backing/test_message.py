"""What a request does, told from its bytes; a request in a line, the answer after the arrow."""

from __future__ import annotations

import pytest

from forecourt.services.backing.message import (
    Headers,
    Request,
    not_replayable,
    only_reads,
    operation_of,
    without_chunks,
)

CASES = """
POST / target=DynamoDB_20120810.PutItem -> PutItem writes
POST / target=DynamoDB_20120810.Query -> Query reads
POST / target=DynamoDB_20120810.TransactGetItems -> TransactGetItems reads
POST / target=DynamoDB_20120810.TransactWriteItems -> TransactWriteItems writes
POST / target=AmazonSQS.ReceiveMessage -> ReceiveMessage writes
POST / target=AmazonSQS.GetQueueUrl -> GetQueueUrl reads
POST / form=Action=Publish&Version=1 -> Publish writes
POST / form=Version=1&Action=ListTopics -> ListTopics reads
GET /?Action=ConfirmSubscription&Token=1 -> ConfirmSubscription writes
POST /service/GraniteServiceVersion20100801/operation/PutMetricData cbor -> PutMetricData writes
GET /bucket/key -> reads
HEAD /bucket/key -> reads
PUT /bucket/key -> writes
DELETE /bucket/key -> writes
PUT /bucket/key form=not=an-action -> writes
"""


def request(line: str) -> Request:
    method, url, *rest = line.split(" ")
    said = dict(part.partition("=")[::2] for part in rest)
    path, _, query = url.partition("?")
    headers: Headers = []
    if "target" in said:
        headers.append((b"x-amz-target", said["target"].encode()))
    if "form" in said:
        headers.append((b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"))
    if "cbor" in said:
        headers.append((b"smithy-protocol", b"rpc-v2-cbor"))
    return Request(
        service="any",
        account="000000000000",
        region="eu-west-1",
        method=method,
        raw_path=path.encode(),
        query_string=query.encode(),
        headers=headers,
        body=said.get("form", "").encode(),
    )


@pytest.mark.parametrize("case", CASES.strip().split("\n"))
def test_a_request_tells_its_operation_and_whether_it_only_reads(case: str) -> None:
    given, _, expected = case.partition(" -> ")
    found = request(given)
    said = f"{operation_of(found)} {'reads' if only_reads(found) else 'writes'}".strip()
    assert said == expected


def test_keys_that_come_out_otherwise_each_time_are_not_replayed() -> None:
    create = request("POST / target=TrentService.CreateKey")
    assert not not_replayable(create)
    assert not_replayable(
        Request(**{name: getattr(create, name) for name in create.__struct_fields__} | {"service": "kms"})
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            [(b"x-amz-decoded-content-length", b"4"), (b"content-encoding", b"aws-chunked"), (b"a", b"b")],
            [(b"a", b"b")],
        ),
        (
            [(b"x-amz-decoded-content-length", b"4"), (b"content-encoding", b"aws-chunked, gzip")],
            [(b"content-encoding", b"gzip")],
        ),
        ([(b"x-amz-decoded-content-length", b"9"), (b"content-encoding", b"aws-chunked")], None),
        ([(b"content-type", b"text/plain")], None),
    ],
)
def test_the_headers_of_chunks_go_with_the_chunks(headers: Headers, expected: Headers | None) -> None:
    assert without_chunks(headers, b"data") == (headers if expected is None else expected)


def test_visits_are_counted_through_queues_topics_and_buckets_only() -> None:
    root = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    counted = f"{root};Lineage=a87bd80c:1"

    def handed_on(service: str, header: str) -> str:
        headers = [(b"x-amzn-trace-id", header.encode())]
        return Request(service=service, account="", region="", method="POST", raw_path=b"/", headers=headers).trace_id

    assert {handed_on(service, counted) for service in ("sqs", "sns", "s3")} == {counted}
    assert handed_on("events", counted) == root
    assert (handed_on("events", ""), handed_on("events", "nonsense")) == ("", "nonsense")
