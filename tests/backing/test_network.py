"""Backing services over the network, with the clients that people use."""

from __future__ import annotations

import io
import urllib.request
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from forecourt.testing import Forecourt


def test_dynamodb(server: Forecourt) -> None:
    table = {
        "TableName": "backing-network",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    dynamodb = server.client("dynamodb")
    dynamodb.create_table(**table)
    dynamodb.get_waiter("table_exists").wait(TableName="backing-network")
    item = {"id": {"S": "1"}, "name": {"S": "日本"}}
    dynamodb.put_item(TableName="backing-network", Item=item)
    assert dynamodb.get_item(TableName="backing-network", Key={"id": {"S": "1"}})["Item"] == item
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="none")
    assert server.client("dynamodb", account="111111111111").list_tables()["TableNames"] == []


def test_s3_with_checksums_multipart_and_presigned_urls(server: Forecourt) -> None:
    s3 = server.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="backing-network")
    s3.put_object(Bucket="backing-network", Key="a b/ü+%.txt", Body=b"\x00\xff", Metadata={"colour": "red"})
    got = s3.get_object(Bucket="backing-network", Key="a b/ü+%.txt")
    assert (got["Body"].read(), got["Metadata"]) == (b"\x00\xff", {"colour": "red"})
    # A stream of unknown length goes in signed chunks; a large one in parts.
    s3.upload_fileobj(io.BytesIO(b"y" * 9_000_000), "backing-network", "large")
    assert s3.head_object(Bucket="backing-network", Key="large")["ContentLength"] == 9_000_000
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="backing-network")["Contents"]] == [
        "a b/ü+%.txt",
        "large",
    ]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "backing-network", "Key": "a b/ü+%.txt"})
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() == b"\x00\xff"
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "backing-network", "Key": "put"})
    with urllib.request.urlopen(urllib.request.Request(url, b"by url", method="PUT"), timeout=10) as response:
        assert response.status == 200
    assert s3.get_object(Bucket="backing-network", Key="put")["Body"].read() == b"by url"
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="backing-network", Key="none")
    assert s3.delete_objects(Bucket="backing-network", Delete={"Objects": [{"Key": "put"}]})["Deleted"]


def test_sqs_behind_sns(server: Forecourt) -> None:
    sqs, sns = server.client("sqs"), server.client("sns")
    url = sqs.create_queue(QueueName="backing-network")["QueueUrl"]
    assert url == f"{server.url}/000000000000/backing-network"
    topic = sns.create_topic(Name="backing-network")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:backing-network")
    sns.publish(TopicArn=topic, Message="hello")
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert "hello" in messages[0]["Body"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path) as forecourt:
        url = forecourt.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        forecourt.client("sqs").send_message(QueueUrl=url, MessageBody="kept")
        secret = forecourt.client("secretsmanager").create_secret(Name="s", SecretString="v")
        forecourt.kill()
        forecourt.start()
        assert forecourt.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"
        found = forecourt.client("secretsmanager").get_secret_value(SecretId="s")
        assert (found["ARN"], found["SecretString"]) == (secret["ARN"], "v")
        forecourt.restart()
        assert forecourt.client("secretsmanager").get_secret_value(SecretId="s")["ARN"] == secret["ARN"]


def test_a_queue_keeps_its_documents_when_another_attribute_changes(server: Forecourt) -> None:
    sqs = server.client("sqs")
    sqs.create_queue(QueueName="documents-dead")
    redrive = '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:documents-dead","maxReceiveCount":3}'
    url = sqs.create_queue(QueueName="documents", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}'
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "3"})
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "RedrivePolicy"])["Attributes"]
    assert kept == {"Policy": policy, "RedrivePolicy": redrive}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert "Policy" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_a_stream_is_made_with_its_tags(server: Forecourt) -> None:
    kinesis = server.client("kinesis")
    kinesis.create_stream(StreamName="tagged", ShardCount=1, Tags={"team": "a"})
    assert kinesis.list_tags_for_stream(StreamName="tagged")["Tags"] == [{"Key": "team", "Value": "a"}]
    arn = kinesis.describe_stream_summary(StreamName="tagged")["StreamDescriptionSummary"]["StreamARN"]
    kinesis.tag_resource(ResourceARN=arn, Tags={"cost": "1"})
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "cost", "Value": "1"}]
