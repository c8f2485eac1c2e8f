"""Policies of resources, over the network: queues, topics, buckets, secrets and functions let in whom they name."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, user

from forecourt.testing import Forecourt

REGION = "us-east-1"


def grant(name: str, action: str, resource: str, **more: Any) -> dict[str, Any]:
    return allow(action, resource, Principal={"AWS": f"arn:aws:iam::{HOME}:user/{name}"}, **more)


def test_a_queues_policy(enforced: Forecourt) -> None:
    fay = user(enforced, "fay")
    queues = enforced.client("sqs", **ROOT)
    url = queues.create_queue(QueueName="jobs")["QueueUrl"]
    assert "AccessDenied" in refusal(enforced.client("sqs", **fay).send_message, QueueUrl=url, MessageBody="x")[0]
    document = policy(grant("fay", "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{HOME}:jobs"))
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    enforced.client("sqs", **fay).send_message(QueueUrl=url, MessageBody="x")
    assert "AccessDenied" in refusal(enforced.client("sqs", **fay).receive_message, QueueUrl=url)[0]


def test_a_buckets_policy_denies_even_an_administrator(enforced: Forecourt) -> None:
    gus = user(enforced, "gus", policy(allow("s3:*")))
    buckets = enforced.client("s3", **ROOT)
    buckets.create_bucket(Bucket="vault")
    buckets.put_object(Bucket="vault", Key="open/x", Body=b"1")
    buckets.put_object(Bucket="vault", Key="closed/x", Body=b"1")
    closed = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::vault/closed/*"}
    buckets.put_bucket_policy(Bucket="vault", Policy=policy(closed))
    mine = enforced.client("s3", **gus)
    assert mine.get_object(Bucket="vault", Key="open/x")["Body"].read() == b"1"
    code, status, message = refusal(mine.get_object, Bucket="vault", Key="closed/x")
    assert (code, status) == ("AccessDenied", 403)
    assert message.endswith("with an explicit deny in a resource-based policy")


def test_a_bucket_for_the_pages_of_a_site(enforced: Forecourt) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html (HTTP referer)"""
    root = enforced.client("s3", **ROOT)
    root.create_bucket(Bucket="pictures")
    root.put_object(Bucket="pictures", Key="cat.png", Body=b"cat")
    linked = {"StringLike": {"aws:Referer": "https://www.example.com/*"}}
    shown = allow("s3:GetObject", "arn:aws:s3:::pictures/*", Principal="*", Condition=linked)
    root.put_bucket_policy(Bucket="pictures", Policy=policy(shown))
    url, host = f"{enforced.url}/cat.png", f"pictures.s3.localhost:{enforced.port}"

    def status(**headers: str) -> int:
        return httpx.get(url, headers={"host": host, **headers}).status_code

    assert status(referer="https://www.example.com/cats") == 200
    assert status(referer="https://www.example.org/cats") == 403
    assert status() == 403


@pytest.mark.parametrize(("account", "may"), [(HOME, True), ("111122223333", False)], ids=["own", "another"])
def test_the_account_of_the_resource(enforced: Forecourt, account: str, may: bool) -> None:
    within = allow("sqs:*", Condition={"StringEquals": {"aws:ResourceAccount": account}})
    theirs = enforced.client("sqs", **user(enforced, f"within-{account}", policy(within)))
    url = enforced.client("sqs", **ROOT).create_queue(QueueName="of-an-account")["QueueUrl"]
    if may:
        theirs.send_message(QueueUrl=url, MessageBody="x")
    else:
        assert "AccessDenied" in refusal(theirs.send_message, QueueUrl=url, MessageBody="x")[0]


def test_a_prefix_of_ones_own(enforced: Forecourt) -> None:
    hal = user(
        enforced,
        "hal",
        policy(
            allow("s3:ListBucket", "arn:aws:s3:::homes", Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}),
            allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::homes/${aws:username}/*"),
        ),
    )
    enforced.client("s3", **ROOT).create_bucket(Bucket="homes")
    mine = enforced.client("s3", **hal)
    mine.put_object(Bucket="homes", Key="hal/a", Body=b"1")
    assert mine.list_objects_v2(Bucket="homes", Prefix="hal/")["KeyCount"] == 1
    for call, params in (
        (mine.list_objects_v2, {}),
        (mine.list_objects_v2, {"Prefix": "ivy/"}),
        (mine.put_object, {"Key": "ivy/a", "Body": b"1"}),
        (mine.delete_object, {"Key": "hal/a"}),
    ):
        assert refusal(call, Bucket="homes", **params)[0] == "AccessDenied"


def test_a_secrets_policy_and_its_whole_arn(enforced: Forecourt) -> None:
    ivy = user(
        enforced,
        "ivy",
        policy(allow("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:*:{HOME}:secret:db-??????")),
    )
    jon = user(enforced, "jon")
    secrets = enforced.client("secretsmanager", **ROOT)
    arn = secrets.create_secret(Name="db", SecretString="s3cret")["ARN"]
    assert enforced.client("secretsmanager", **ivy).get_secret_value(SecretId="db")["SecretString"] == "s3cret"
    assert "AccessDenied" in refusal(enforced.client("secretsmanager", **jon).get_secret_value, SecretId="db")[0]
    secrets.put_resource_policy(
        SecretId="db", ResourcePolicy=policy(grant("jon", "secretsmanager:GetSecretValue", "*"))
    )
    assert enforced.client("secretsmanager", **jon).get_secret_value(SecretId=arn)["SecretString"] == "s3cret"


def test_a_functions_policy(enforced: Forecourt) -> None:
    kim = user(enforced, "kim")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n    return event\n")
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = enforced.client("iam", **ROOT).create_role(RoleName="echo", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    functions = enforced.client("lambda", **ROOT)
    functions.create_function(
        FunctionName="echo",
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="echo")
    code, status, message = refusal(
        enforced.client("lambda", **kim).invoke, FunctionName="echo", InvocationType="DryRun"
    )
    assert (code, status) == ("AccessDeniedException", 403)
    assert f"lambda:InvokeFunction on resource: arn:aws:lambda:{REGION}:{HOME}:function:echo" in message
    functions.add_permission(
        FunctionName="echo",
        StatementId="kim",
        Action="lambda:InvokeFunction",
        Principal=f"arn:aws:iam::{HOME}:user/kim",
    )
    enforced.client("iam", **ROOT).put_user_policy(
        UserName="kim",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow("lambda:InvokeFunction")}),
    )
    assert enforced.client("lambda", **kim).invoke(FunctionName="echo", InvocationType="DryRun")["StatusCode"] == 204


def test_another_accounts_resources(enforced: Forecourt) -> None:
    """An identity policy alone never reaches into another account."""
    lou = user(enforced, "lou", policy(allow("*")))
    elsewhere = f"arn:aws:states:{REGION}:999988887777:stateMachine:theirs"
    message = refusal(enforced.client("stepfunctions", **lou).describe_state_machine, stateMachineArn=elsewhere)[2]
    assert message.endswith("because no resource-based policy allows the states:DescribeStateMachine action")


def test_a_tables_policy(enforced: Forecourt) -> None:
    tables = enforced.client("dynamodb", **ROOT)
    arn = tables.create_table(
        TableName="shared",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]
    mel = enforced.client("dynamodb", **user(enforced, "mel"))
    nat = enforced.client("dynamodb", **user(enforced, "nat", policy(allow("dynamodb:*"))))
    key = {"pk": {"S": "1"}}
    assert refusal(mel.get_item, TableName="shared", Key=key)[0] == "AccessDeniedException"
    tables.put_resource_policy(
        ResourceArn=arn,
        Policy=policy(grant("mel", "dynamodb:GetItem", arn), {**grant("nat", "dynamodb:Scan", arn), "Effect": "Deny"}),
    )
    mel.get_item(TableName="shared", Key=key)
    assert refusal(mel.put_item, TableName="shared", Item=key)[0] == "AccessDeniedException"
    nat.get_item(TableName="shared", Key=key)
    assert refusal(nat.scan, TableName="shared")[2].endswith("with an explicit deny in a resource-based policy")


def test_a_streams_policy(enforced: Forecourt) -> None:
    streams = enforced.client("kinesis", **ROOT)
    streams.create_stream(StreamName="shared", ShardCount=1)
    arn = f"arn:aws:kinesis:{REGION}:{HOME}:stream/shared"
    ola = enforced.client("kinesis", **user(enforced, "ola"))
    pam = enforced.client("kinesis", **user(enforced, "pam-k", policy(allow("kinesis:*"))))
    pam.describe_stream_summary(StreamName="shared")
    assert refusal(ola.put_record, StreamName="shared", Data=b"1", PartitionKey="1")[0] == "AccessDeniedException"
    streams.put_resource_policy(ResourceARN=arn, Policy=policy(grant("ola", "kinesis:PutRecord", arn)))
    ola.put_record(StreamName="shared", Data=b"1", PartitionKey="1")


def test_an_event_buss_policy(enforced: Forecourt) -> None:
    events = enforced.client("events", **ROOT)
    arn = events.create_event_bus(Name="shared")["EventBusArn"]
    quy = enforced.client("events", **user(enforced, "quy"))
    entry = {"EventBusName": "shared", "Source": "app", "DetailType": "t", "Detail": "{}"}
    assert refusal(quy.put_events, Entries=[entry])[0] == "AccessDeniedException"
    statement = {"Sid": "quy", **grant("quy", "events:PutEvents", arn)}
    events.put_permission(EventBusName="shared", Policy=policy(statement))
    assert quy.put_events(Entries=[entry])["FailedEntryCount"] == 0
    assert refusal(quy.put_events, Entries=[entry, {**entry, "EventBusName": "default"}])[0] == "AccessDeniedException"
    elsewhere = f"arn:aws:events:{REGION}:999988887777:event-bus/default"
    refused = refusal(enforced.client("events", **ROOT).put_events, Entries=[{**entry, "EventBusName": elsewhere}])
    assert refused[2].endswith("because no resource-based policy allows the events:PutEvents action")


BAD = ["{", '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}']


@pytest.mark.parametrize("document", BAD, ids=["no JSON", "nobody named"])
def test_a_policy_that_cannot_be_read_is_refused_when_it_is_given(enforced: Forecourt, document: str) -> None:
    bucket, name = "bad-policies", f"bad-policies-{BAD.index(document)}"
    s3, sqs, sns, secrets, tables, streams, events = (
        enforced.client(service, **ROOT)
        for service in ("s3", "sqs", "sns", "secretsmanager", "dynamodb", "kinesis", "events")
    )
    s3.create_bucket(Bucket=bucket)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    secrets.create_secret(Name=name, SecretString="x")
    events.create_event_bus(Name=name)
    arn = f"arn:aws:dynamodb:{REGION}:{HOME}:table/{name}"
    stream = f"arn:aws:kinesis:{REGION}:{HOME}:stream/{name}"
    found = {
        "s3": refusal(s3.put_bucket_policy, Bucket=bucket, Policy=document),
        "sqs": refusal(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Policy": document}),
        "sns": refusal(sns.set_topic_attributes, TopicArn=topic, AttributeName="Policy", AttributeValue=document),
        "secretsmanager": refusal(secrets.put_resource_policy, SecretId=name, ResourcePolicy=document),
        "dynamodb": refusal(tables.put_resource_policy, ResourceArn=arn, Policy=document),
        "kinesis": refusal(streams.put_resource_policy, ResourceARN=stream, Policy=document),
        "events": refusal(events.put_permission, EventBusName=name, Policy=document),
    }
    assert {service: answer[:2] for service, answer in found.items()} == {
        "s3": ("MalformedPolicy", 400),
        "sqs": ("InvalidAttributeValue", 400),
        "sns": ("InvalidParameter", 400),
        "secretsmanager": ("MalformedPolicyDocumentException", 400),
        "dynamodb": ("ValidationException", 400),
        "kinesis": ("InvalidArgumentException", 400),
        "events": ("ValidationException", 400),
    }
    assert "Policy" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_a_buckets_policy_is_about_that_bucket(enforced: Forecourt) -> None:
    s3 = enforced.client("s3", **ROOT)
    s3.create_bucket(Bucket="about-itself")

    def put(resource: str) -> None:
        document = policy(allow("s3:GetObject", resource, Principal="*"))
        s3.put_bucket_policy(Bucket="about-itself", Policy=document)

    for resource in ("arn:aws:s3:::about-itself/*", "arn:aws:s3:::about-itself", "arn:aws:s3:::about-*"):
        put(resource)
    for resource in ("*", "arn:aws:s3:::another/*", "arn:aws:s3:::about-itself-not/*", "about-itself"):
        assert refusal(put, resource=resource) == ("MalformedPolicy", 400, "Policy has invalid resource")
