"""Policies of resources, over the network: queues, topics, buckets, secrets and functions let in whom they name."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

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
