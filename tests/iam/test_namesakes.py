"""Whoever is made again under a name is somebody else: what was granted to the name before is not theirs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, session, user

from forecourt.testing import Forecourt

REGION = "us-east-1"


def unmake(forecourt: Forecourt, name: str) -> None:
    iam = forecourt.client("iam", **ROOT)
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for inline in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=inline)
    iam.delete_user(UserName=name)


def for_user(name: str, action: str, resource: str | None) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:user/{name}"}, "Action": action}
    return policy({**statement, "Resource": resource} if resource else statement)


# Each makes a resource, and gives what gives its policy to a user, and what that user then calls.
Shared = tuple[Callable[[str], Any], str, dict[str, Any]]


def queue(client: Any) -> Shared:
    url = client.create_queue(QueueName="kept-for-one")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{HOME}:kept-for-one"

    def share(name: str) -> None:
        client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": for_user(name, "sqs:SendMessage", arn)})

    return share, "send_message", {"QueueUrl": url, "MessageBody": "x"}


def topic(client: Any) -> Shared:
    arn = client.create_topic(Name="kept-for-one")["TopicArn"]

    def share(name: str) -> None:
        document = for_user(name, "sns:Publish", arn)
        client.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document)

    return share, "publish", {"TopicArn": arn, "Message": "x"}


def bucket(client: Any) -> Shared:
    client.create_bucket(Bucket="kept-for-one")
    client.put_object(Bucket="kept-for-one", Key="k", Body=b"1")

    def share(name: str) -> None:
        document = for_user(name, "s3:GetObject", "arn:aws:s3:::kept-for-one/*")
        client.put_bucket_policy(Bucket="kept-for-one", Policy=document)

    return share, "get_object", {"Bucket": "kept-for-one", "Key": "k"}


def secret(client: Any) -> Shared:
    client.create_secret(Name="kept-for-one", SecretString="x")

    def share(name: str) -> None:
        document = for_user(name, "secretsmanager:GetSecretValue", "*")
        client.put_resource_policy(SecretId="kept-for-one", ResourcePolicy=document)

    return share, "get_secret_value", {"SecretId": "kept-for-one"}


def table(client: Any) -> Shared:
    arn = client.create_table(
        TableName="kept-for-one",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]

    def share(name: str) -> None:
        client.put_resource_policy(ResourceArn=arn, Policy=for_user(name, "dynamodb:Scan", arn))

    return share, "scan", {"TableName": "kept-for-one"}


def function(client: Any) -> Shared:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return 1\n")
    client.create_function(
        FunctionName="kept-for-one", Runtime="python3.12", Handler="main.handler", Code={"ZipFile": buffer.getvalue()},
        Role=f"arn:aws:iam::{HOME}:role/kept-for-one-lambda",
    )  # fmt: skip
    given: list[str] = []

    def share(name: str) -> None:
        given.append(f"s{len(given)}")
        client.add_permission(
            FunctionName="kept-for-one", StatementId=given[-1], Action="lambda:GetFunctionConfiguration",
            Principal=f"arn:aws:iam::{HOME}:user/{name}",
        )  # fmt: skip

    return share, "get_function_configuration", {"FunctionName": "kept-for-one"}


def key(client: Any) -> Shared:
    id = client.create_key()["KeyMetadata"]["KeyId"]
    root = {"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"}

    def share(name: str) -> None:
        statements = json.loads(for_user(name, "kms:Encrypt", "*"))["Statement"]
        client.put_key_policy(KeyId=id, PolicyName="default", Policy=policy(root, *statements))

    return share, "encrypt", {"KeyId": id, "Plaintext": b"x"}


SHARED: list[tuple[str, Callable[[Any], Shared]]] = [
    ("sqs", queue), ("sns", topic), ("s3", bucket), ("secretsmanager", secret), ("dynamodb", table),
    ("lambda", function), ("kms", key),
]  # fmt: skip


@pytest.mark.parametrize(("service", "make"), SHARED, ids=[make.__name__ for _, make in SHARED])
def test_a_resources_policy_means_who_had_the_name_when_it_was_given(
    enforced: Forecourt, service: str, make: Callable[[Any], Shared]
) -> None:
    name = f"namesake-{service}"
    root = enforced.client("iam", **ROOT)
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    if service == "lambda":
        root.create_role(RoleName="kept-for-one-lambda", AssumeRolePolicyDocument=trust)
    share, operation, params = make(enforced.client(service, **ROOT))
    first = user(enforced, name)
    share(name)
    getattr(enforced.client(service, **first), operation)(**params)
    unmake(enforced, name)
    second = enforced.client(service, **user(enforced, name))
    code, _, _ = refusal(getattr(second, operation), **params)
    assert "AccessDenied" in code or code == "AuthorizationError"
    share(name)
    getattr(second, operation)(**params)


@pytest.mark.parametrize(("service", "make"), SHARED[:3], ids=[make.__name__ for _, make in SHARED[:3]])
def test_nobody_is_let_in_before_there_is_one(enforced: Forecourt, service: str, make: Callable[[Any], Shared]) -> None:
    share, _, _ = make(enforced.client(service, **ROOT))
    with pytest.raises(ClientError, match=r"Invalid principal in policy|Invalid value for the parameter Policy"):
        share("nobody-of-this-name")


def test_a_trust_policy_names_whom_there_is(enforced: Forecourt) -> None:
    arn = f"arn:aws:iam::{HOME}:role/nobody-of-this-name"
    trust = policy({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"})
    create = enforced.client("iam", **ROOT).create_role
    code, _, message = refusal(create, RoleName="too-early", AssumeRolePolicyDocument=trust)
    assert (code, message) == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{arn}"')


def test_a_trust_policy_means_who_had_the_name_when_it_was_given(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    user(enforced, "trusted")
    trust = policy(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:user/trusted"}, "Action": "sts:AssumeRole"}
    )
    role = iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    unmake(enforced, "trusted")
    assume = enforced.client("sts", **user(enforced, "trusted")).assume_role
    assert refusal(assume, RoleArn=role, RoleSessionName="once")[0] == "AccessDenied"
    iam.update_assume_role_policy(RoleName="trusting", PolicyDocument=trust)
    assume(RoleArn=role, RoleSessionName="once")


def test_a_session_ends_with_its_role(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    trust = policy({"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "sts:AssumeRole"})

    def make() -> str:
        arn: str = iam.create_role(RoleName="twice", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName="twice", PolicyName="p", PolicyDocument=policy(allow("sqs:ListQueues")))
        return arn

    ann = enforced.client("sts", **user(enforced, "twice-ann", policy(allow("sts:AssumeRole"))))
    held = session(ann.assume_role(RoleArn=make(), RoleSessionName="once")["Credentials"])
    list_queues = enforced.client("sqs", **held).list_queues
    list_queues()
    iam.delete_role_policy(RoleName="twice", PolicyName="p")
    iam.delete_role(RoleName="twice")
    with pytest.raises(ClientError):
        list_queues()
    make()
    with pytest.raises(ClientError):
        list_queues()


def test_a_renamed_user_leaves_what_the_name_was_granted(enforced: Forecourt) -> None:
    """Unlike with AWS, which goes on to mean the user: what the new name is granted counts from now on."""
    url = enforced.client("sqs", **ROOT).create_queue(QueueName="renamed")["QueueUrl"]
    document = for_user("renamed-old", "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{HOME}:renamed")
    user(enforced, "renamed-old")
    enforced.client("sqs", **ROOT).set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    enforced.client("iam", **ROOT).update_user(UserName="renamed-old", NewUserName="renamed-new")
    thief = enforced.client("sqs", **user(enforced, "renamed-old"))
    assert "AccessDenied" in refusal(thief.send_message, QueueUrl=url, MessageBody="x")[0]
