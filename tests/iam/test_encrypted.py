"""What is kept under a KMS key takes the key's permission, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, user

from forecourt.testing import Forecourt

REGION = "us-east-1"
# Makes a resource under a key, as the root; gives the calls that need it, each with the first permission it lacks.
Calls = list[tuple[str, str, dict[str, Any]]]


def objects(client: Any, key: str) -> Calls:
    client.create_bucket(Bucket="sealed")
    client.create_bucket(Bucket="sealed-by-default")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    client.put_bucket_encryption(
        Bucket="sealed-by-default", ServerSideEncryptionConfiguration={"Rules": [rule]}
    )  # fmt: skip
    sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    client.put_object(Bucket="sealed", Key="k", Body=b"1", **sealed)
    upload = client.create_multipart_upload(Bucket="sealed", Key="o")["UploadId"]
    part = {"UploadId": upload, "PartNumber": 1}
    return [
        ("kms:Decrypt", "get_object", {"Bucket": "sealed", "Key": "k"}),
        ("kms:GenerateDataKey", "put_object", {"Bucket": "sealed", "Key": "n", "Body": b"1", **sealed}),
        ("kms:GenerateDataKey", "put_object", {"Bucket": "sealed-by-default", "Key": "n", "Body": b"1"}),
        ("kms:GenerateDataKey", "create_multipart_upload", {"Bucket": "sealed", "Key": "m", **sealed}),
        ("kms:Decrypt", "copy_object", {"Bucket": "sealed", "Key": "c", "CopySource": "sealed/k"}),
        ("kms:Decrypt", "upload_part_copy", {"Bucket": "sealed", "Key": "o", "CopySource": "sealed/k", **part}),
    ]


def messages(client: Any, key: str) -> Calls:
    url = client.create_queue(QueueName="sealed", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    return [
        ("kms:GenerateDataKey", "send_message", {"QueueUrl": url, "MessageBody": "x"}),
        ("kms:Decrypt", "receive_message", {"QueueUrl": url}),
    ]


def topics(client: Any, key: str) -> Calls:
    arn = client.create_topic(Name="sealed", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    return [("kms:GenerateDataKey", "publish", {"TopicArn": arn, "Message": "x"})]


def secrets(client: Any, key: str) -> Calls:
    client.create_secret(Name="sealed", SecretString="x", KmsKeyId=key)
    return [
        ("kms:Decrypt", "get_secret_value", {"SecretId": "sealed"}),
        ("kms:Decrypt", "batch_get_secret_value", {"SecretIdList": ["sealed"]}),
        ("kms:Decrypt", "batch_get_secret_value", {"Filters": [{"Key": "name", "Values": ["sealed"]}]}),
        ("kms:GenerateDataKey", "put_secret_value", {"SecretId": "sealed", "SecretString": "y"}),
    ]


def parameters(client: Any, key: str) -> Calls:
    sealed = {"Value": "x", "Type": "SecureString", "KeyId": key}
    client.put_parameter(Name="/sealed/one", **sealed)
    return [
        ("kms:Decrypt", "get_parameter", {"Name": "/sealed/one", "WithDecryption": True}),
        ("kms:Decrypt", "get_parameters", {"Names": ["/sealed/one"], "WithDecryption": True}),
        ("kms:Decrypt", "get_parameters_by_path", {"Path": "/sealed", "WithDecryption": True}),
        ("kms:Decrypt", "get_parameter_history", {"Name": "/sealed/one", "WithDecryption": True}),
        ("kms:Encrypt", "put_parameter", {"Name": "/sealed-too", **sealed}),
    ]


KEPT: list[tuple[str, Callable[[Any, str], Calls]]] = [
    ("s3", objects), ("sqs", messages), ("sns", topics), ("secretsmanager", secrets), ("ssm", parameters),
]  # fmt: skip


@pytest.mark.parametrize(("service", "make"), KEPT, ids=[make.__name__ for _, make in KEPT])
def test_whoever_may_use_the_resource_needs_the_key(
    enforced: Forecourt, service: str, make: Callable[[Any, str], Calls]
) -> None:
    id = enforced.client("kms", **ROOT).create_key()["KeyMetadata"]["KeyId"]
    key = f"arn:aws:kms:{REGION}:{HOME}:key/{id}"
    name = f"keyless-{service}"
    theirs = enforced.client(service, **user(enforced, name, policy(allow(f"{service}:*"))))
    calls = make(enforced.client(service, **ROOT), key)
    for action, operation, params in calls:
        code, _, message = refusal(getattr(theirs, operation), **params)
        assert "AccessDenied" in code or code == "AuthorizationError", (operation, code)
        assert f"{action} on resource" in message, (operation, message)
    via = {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}
    document = policy(allow(["kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"], key, Condition=via))
    enforced.client("iam", **ROOT).put_user_policy(UserName=name, PolicyName="key", PolicyDocument=document)
    for _, operation, params in calls:
        getattr(theirs, operation)(**params)


def test_an_object_that_is_written_anew_is_asked_about_anew(enforced: Forecourt) -> None:
    id = enforced.client("kms", **ROOT).create_key()["KeyMetadata"]["KeyId"]
    buckets = enforced.client("s3", **ROOT)
    buckets.create_bucket(Bucket="resealed")
    theirs = enforced.client("s3", **user(enforced, "keyless-again", policy(allow("s3:*"))))
    buckets.put_object(Bucket="resealed", Key="k", Body=b"1")
    theirs.get_object(Bucket="resealed", Key="k")
    buckets.put_object(Bucket="resealed", Key="k", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=id)
    assert refusal(theirs.get_object, Bucket="resealed", Key="k")[0] == "AccessDenied"


def test_a_key_of_aws_needs_no_permission(enforced: Forecourt) -> None:
    enforced.client("kms", **ROOT).create_key()
    buckets = enforced.client("s3", **ROOT)
    buckets.create_bucket(Bucket="sealed-by-aws")
    theirs = enforced.client("s3", **user(enforced, "keyless-at-all", policy(allow("s3:*"))))
    for key in ({}, {"SSEKMSKeyId": "alias/aws/s3"}):
        theirs.put_object(Bucket="sealed-by-aws", Key="k", Body=b"1", ServerSideEncryption="aws:kms", **key)
    assert theirs.get_object(Bucket="sealed-by-aws", Key="k")["Body"].read() == b"1"
