"""A signed request that says two things: what is carried out is what was authorized, or nothing.

Each is sent by a user who may use what is called `mine`, and signs whatever the request says.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.iam.enforcing import HOME, ROOT, allow, policy, user

from forecourt.testing import Forecourt

REGION = "us-east-1"
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/x-amz-json-1.0"}
SCAN, LIST = "DynamoDB_20120810.Scan", "DynamoDB_20120810.ListTables"
MINE, THEIRS = (f"arn:aws:sns:{REGION}:{HOME}:amb-{name}" for name in ("mine", "theirs"))
Q_MINE, Q_THEIRS = (f"http://localhost:4566/{HOME}/amb-{name}" for name in ("mine", "theirs"))


class Sent(NamedTuple):
    service: str
    method: str
    target: str
    headers: dict[str, str]
    body: str = ""


CASES = {
    "a topic twice": Sent("sns", "POST", "/", FORM, f"Action=GetTopicAttributes&TopicArn={THEIRS}&TopicArn={MINE}"),
    "a topic in the query string": Sent(
        "sns", "POST", f"/?TopicArn={THEIRS}", FORM, f"Action=GetTopicAttributes&TopicArn={MINE}"
    ),
    "an action twice": Sent("sns", "POST", "/", FORM, f"Action=GetTopicAttributes&TopicArn={THEIRS}&Action=ListTopics"),
    "an action in the query string": Sent(
        "sns", "POST", f"/?Action=GetTopicAttributes&TopicArn={THEIRS}", FORM, "Action=ListTopics"
    ),
    "a queue in the path": Sent(
        "sqs", "POST", f"/{HOME}/amb-theirs", FORM, f"Action=ReceiveMessage&QueueUrl={quote(Q_MINE, safe='')}"
    ),
    "a queue in the path of JSON": Sent(
        "sqs",
        "POST",
        f"/{HOME}/amb-theirs",
        {**JSON, "x-amz-target": "AmazonSQS.ReceiveMessage"},
        json.dumps({"QueueUrl": Q_MINE}),
    ),
    "a query's action beside a target": Sent(
        "sqs",
        "POST",
        f"/?Action=ReceiveMessage&QueueUrl={quote(Q_THEIRS, safe='')}",
        {**JSON, "x-amz-target": "AmazonSQS.ListQueues"},
        "{}",
    ),
    "an action in the query string of JSON": Sent(
        "dynamodb", "POST", "/?Action=Scan", {**JSON, "x-amz-target": LIST}, '{"TableName": "amb-theirs"}'
    ),
    "a queue's query string": Sent(
        "sqs",
        "POST",
        "/",
        {**JSON, "x-amz-target": "AmazonSQS.ReceiveMessage"},
        json.dumps({"QueueUrl": f"{Q_THEIRS}?/{HOME}/amb-mine"}),
    ),
    "a table of another region": Sent(
        "dynamodb",
        "POST",
        "/",
        {**JSON, "x-amz-target": SCAN},
        json.dumps({"TableName": f"arn:aws:dynamodb:ap-south-1:{HOME}:table/amb-theirs"}),
    ),
    "a member twice": Sent(
        "dynamodb", "POST", "/", {**JSON, "x-amz-target": SCAN}, '{"TableName": "amb-theirs", "TableName": "amb-mine"}'
    ),
    "another service's scope": Sent(
        "secretsmanager",
        "POST",
        "/",
        {**JSON, "x-amz-target": "DynamoDB_20120810.GetResourcePolicy"},
        json.dumps({"ResourceArn": f"arn:aws:dynamodb:{REGION}:{HOME}:table/amb-mine", "SecretId": "amb-theirs"}),
    ),
    "another region's host": Sent(
        "dynamodb",
        "POST",
        "/",
        {**JSON, "x-amz-target": SCAN, "host": "dynamodb.eu-west-1.amazonaws.com"},
        '{"TableName": "amb-mine"}',
    ),
    "another account's header": Sent(
        "dynamodb",
        "POST",
        "/",
        {**JSON, "x-amz-target": SCAN, "x-moto-account-id": "999988887777"},
        '{"TableName": "amb-mine"}',
    ),
    "a prefix twice": Sent("s3", "GET", "/amb-bucket?list-type=2&prefix=theirs%2F&prefix=mine%2F", {}),
    "a prefix twice, the other way": Sent("s3", "GET", "/amb-bucket?list-type=2&prefix=mine%2F&prefix=theirs%2F", {}),
    "a source twice": Sent(
        "s3",
        "PUT",
        "/amb-bucket/mine/copy",
        {"x-amz-copy-source": "/amb-bucket/mine/k", "X-Amz-Copy-Source": "/amb-bucket/theirs/k"},
    ),
    "dots": Sent("s3", "GET", "/amb-bucket/mine/../theirs/k", {}),
    "an action of S3": Sent("s3", "GET", "/amb-bucket/mine/k?Action=DeleteObject", {}),
}


@pytest.fixture(scope="module")
def me(enforced: Forecourt) -> dict[str, str]:
    for region in (REGION, "eu-west-1"):
        tables = enforced.client("dynamodb", region=region, **ROOT)
        for name in ("amb-mine", "amb-theirs"):
            tables.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        secret = "amb-theirs" if region == REGION else "amb-mine"
        tables.put_item(TableName=secret, Item={"pk": {"S": "hidden"}})
    queues, topics, s3 = (enforced.client(service, **ROOT) for service in ("sqs", "sns", "s3"))
    for name in ("amb-mine", "amb-theirs"):
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        queues.send_message(QueueUrl=url, MessageBody="hidden" if name == "amb-theirs" else "open")
        topics.create_topic(Name=name, Attributes={"DisplayName": "hidden" if name == "amb-theirs" else "open"})
    secrets = enforced.client("secretsmanager", **ROOT)
    secrets.create_secret(Name="amb-theirs", SecretString="x")
    closed = {"Effect": "Deny", "Principal": "*", "Action": "x:hidden", "Resource": "*"}
    secrets.put_resource_policy(SecretId="amb-theirs", ResourcePolicy=policy(closed))
    s3.create_bucket(Bucket="amb-bucket")
    for owner, body in (("mine", b"open"), ("theirs", b"hidden")):
        s3.put_object(Bucket="amb-bucket", Key=f"{owner}/{'k' if owner == 'mine' else 'hidden'}", Body=body)
    s3.put_object(Bucket="amb-bucket", Key="theirs/k", Body=b"hidden")
    return user(
        enforced,
        "ambiguous",
        policy(
            allow(["sns:ListTopics", "sqs:ListQueues", "dynamodb:ListTables"]),
            allow("sqs:*", f"arn:aws:sqs:{REGION}:{HOME}:amb-mine"),
            allow("sns:*", MINE),
            allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{HOME}:table/amb-mine"),
            allow("dynamodb:*", f"arn:aws:dynamodb:ap-south-1:{HOME}:table/amb-theirs"),
            allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::amb-bucket/mine/*"),
            allow("s3:ListBucket", "arn:aws:s3:::amb-bucket", Condition={"StringLike": {"s3:prefix": "mine/*"}}),
        ),
    )


@pytest.mark.parametrize("name", CASES)
def test_what_is_carried_out_is_what_was_authorized(enforced: Forecourt, me: dict[str, str], name: str) -> None:
    answer = send(enforced, me, CASES[name])
    assert "hidden" not in answer.text, answer.text
    assert answer.status_code < 500


def test_the_copy_that_was_named_twice_was_not_made(enforced: Forecourt, me: dict[str, str]) -> None:
    send(enforced, me, CASES["a source twice"])
    copies = enforced.client("s3", **ROOT).list_objects_v2(Bucket="amb-bucket", Prefix="mine/copy")
    assert copies["KeyCount"] == 0


def send(forecourt: Forecourt, keys: dict[str, str], case: Sent) -> httpx.Response:
    host = {"host": f"127.0.0.1:{forecourt.port}"}
    signed = AWSRequest(case.method, forecourt.url + case.target, headers={}, data=case.body.encode())
    given: list[tuple[str, Any]] = [*({**host, **case.headers}).items()]
    for header, value in given:
        signed.headers[header] = value
    sign = S3SigV4Auth if case.service == "s3" else SigV4Auth
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
    sign(credentials, case.service, REGION).add_auth(signed)
    headers = [(header.encode(), str(value).encode()) for header, value in signed.headers.items()]
    url = httpx.URL(forecourt.url).copy_with(raw_path=case.target.encode())
    return httpx.Client().send(httpx.Request(case.method, url, headers=headers, content=case.body.encode()))


def test_a_deny_on_a_queue_holds_for_its_bare_name(enforced: Forecourt, me: dict[str, str]) -> None:
    queue = f"arn:aws:sqs:{REGION}:{HOME}:amb-theirs"
    held_back = user(enforced, "bare", policy(allow("sqs:*"), {**allow("sqs:*", queue), "Effect": "Deny"}))
    answer = send(
        enforced,
        held_back,
        Sent("sqs", "POST", "/", {**JSON, "x-amz-target": "AmazonSQS.ReceiveMessage"}, '{"QueueUrl": "amb-theirs"}'),
    )
    assert answer.json()["message"].endswith("with an explicit deny in an identity-based policy")
