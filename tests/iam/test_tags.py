"""Permissions by tags: those that a resource has, and those that a request gives or takes away."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, user

from forecourt.auth.tags import request_tags
from forecourt.testing import Forecourt

REGION = "us-east-1"
BLUE = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
ROLE = f"arn:aws:iam::{HOME}:role/tagged"
MACHINE = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
# Makes a resource with a tag, as the root; gives what to call on it: operation and parameters
Made = tuple[str, dict[str, Any]]


def pairs(team: str, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: "team", value: team}]


def rest_api(client: Any, team: str) -> Made:
    return "get_resources", {"restApiId": client.create_rest_api(name="tagged", tags={"team": team})["id"]}


def stage(client: Any, team: str) -> Made:
    api = client.create_rest_api(name="tagged")["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    client.put_method(**method, authorizationType="NONE")
    client.put_integration(**method, type="MOCK")
    deployment = client.create_deployment(restApiId=api)["id"]
    client.create_stage(restApiId=api, stageName="v1", deploymentId=deployment, tags={"team": team})
    return "get_stage", {"restApiId": api, "stageName": "v1"}


def http_api(client: Any, team: str) -> Made:
    made = client.create_api(Name="tagged", ProtocolType="HTTP", Tags={"team": team})
    return "get_routes", {"ApiId": made["ApiId"]}


def user_pool(client: Any, team: str) -> Made:
    made = client.create_user_pool(PoolName="tagged", UserPoolTags={"team": team})
    return "list_users", {"UserPoolId": made["UserPool"]["Id"]}


def identity_pool(client: Any, team: str) -> Made:
    made = client.create_identity_pool(
        IdentityPoolName="tagged", AllowUnauthenticatedIdentities=True, IdentityPoolTags={"team": team}
    )
    return "describe_identity_pool", {"IdentityPoolId": made["IdentityPoolId"]}


def machine(client: Any, team: str) -> Made:
    made = client.create_state_machine(
        name=f"tagged-{team}", definition=MACHINE, roleArn=ROLE, tags=pairs(team, "key", "value")
    )
    return "start_execution", {"stateMachineArn": made["stateMachineArn"]}


def function(client: Any, team: str) -> Made:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return 1\n")
    client.create_function(
        FunctionName=f"tagged-{team}",
        Runtime="python3.12",
        Handler="main.handler",
        Role=ROLE,
        Code={"ZipFile": buffer.getvalue()},
        Tags={"team": team},
    )
    return "get_function_configuration", {"FunctionName": f"tagged-{team}"}


def log_group(client: Any, team: str) -> Made:
    client.create_log_group(logGroupName=f"tagged-{team}", tags={"team": team})
    return "filter_log_events", {"logGroupName": f"tagged-{team}"}


def alarm(client: Any, team: str) -> Made:
    client.put_metric_alarm(
        AlarmName=f"tagged-{team}", MetricName="M", Namespace="N", Period=60, EvaluationPeriods=1, Statistic="Sum",
        Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=pairs(team),
    )  # fmt: skip
    return "describe_alarms", {"AlarmNames": [f"tagged-{team}"]}


def table(client: Any, team: str) -> Made:
    client.create_table(
        TableName=f"tagged-{team}",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=pairs(team),
    )
    return "scan", {"TableName": f"tagged-{team}"}


def queue(client: Any, team: str) -> Made:
    made = client.create_queue(QueueName=f"tagged-{team}", tags={"team": team})
    return "send_message", {"QueueUrl": made["QueueUrl"], "MessageBody": "x"}


def topic(client: Any, team: str) -> Made:
    made = client.create_topic(Name=f"tagged-{team}", Tags=pairs(team))
    return "publish", {"TopicArn": made["TopicArn"], "Message": "x"}


def stream(client: Any, team: str) -> Made:
    client.create_stream(StreamName=f"tagged-{team}", ShardCount=1, Tags={"team": team})
    return "list_shards", {"StreamName": f"tagged-{team}"}


def rule(client: Any, team: str) -> Made:
    client.put_rule(Name=f"tagged-{team}", ScheduleExpression="rate(1 day)", State="DISABLED", Tags=pairs(team))
    return "describe_rule", {"Name": f"tagged-{team}"}


def parameter(client: Any, team: str) -> Made:
    client.put_parameter(Name=f"/tagged/{team}", Value="x", Type="String", Tags=pairs(team))
    return "get_parameter", {"Name": f"/tagged/{team}"}


def secret(client: Any, team: str) -> Made:
    client.create_secret(Name=f"tagged-{team}", SecretString="x", Tags=pairs(team))
    return "get_secret_value", {"SecretId": f"tagged-{team}"}


def key(client: Any, team: str) -> Made:
    made = client.create_key(Tags=pairs(team, "TagKey", "TagValue"))
    return "encrypt", {"KeyId": made["KeyMetadata"]["KeyId"], "Plaintext": b"x"}


TAGGED: list[tuple[str, Callable[[Any, str], Made]]] = [
    ("apigateway", rest_api),
    ("apigateway", stage),
    ("apigatewayv2", http_api),
    ("cognito-idp", user_pool),
    ("cognito-identity", identity_pool),
    ("stepfunctions", machine),
    ("lambda", function),
    ("logs", log_group),
    ("cloudwatch", alarm),
    ("dynamodb", table),
    ("sqs", queue),
    ("sns", topic),
    ("kinesis", stream),
    ("events", rule),
    ("ssm", parameter),
    ("secretsmanager", secret),
    ("kms", key),
]


@pytest.fixture(scope="session")
def blue_only(enforced: Forecourt) -> dict[str, str]:
    trust = {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]}}
    enforced.client("iam", **ROOT).create_role(
        RoleName="tagged", AssumeRolePolicyDocument=policy({**trust, "Action": "sts:AssumeRole"})
    )
    return user(enforced, "blue-only", policy(allow("*", Condition=BLUE)))


@pytest.mark.parametrize(("service", "make"), TAGGED, ids=[make.__name__ for _, make in TAGGED])
def test_a_resource_is_let_in_by_its_tag(
    enforced: Forecourt, blue_only: dict[str, str], service: str, make: Callable[[Any, str], Made]
) -> None:
    root, theirs = enforced.client(service, **ROOT), enforced.client(service, **blue_only)
    operation, params = make(root, "red")
    code, _, message = refusal(getattr(theirs, operation), **params)
    assert "AccessDenied" in code or code == "AuthorizationError"
    assert "because no identity-based policy allows" in message
    operation, params = make(root, "blue")
    getattr(theirs, operation)(**params)


def test_a_tag_that_changes_counts_at_once(enforced: Forecourt, blue_only: dict[str, str]) -> None:
    root = enforced.client("sqs", **ROOT)
    url = root.create_queue(QueueName="repainted", tags={"team": "red"})["QueueUrl"]
    send = enforced.client("sqs", **blue_only).send_message
    refusal(send, QueueUrl=url, MessageBody="x")
    root.tag_queue(QueueUrl=url, Tags={"team": "blue"})
    send(QueueUrl=url, MessageBody="x")
    root.untag_queue(QueueUrl=url, TagKeys=["team"])
    refusal(send, QueueUrl=url, MessageBody="x")


def test_an_objects_tags(enforced: Forecourt) -> None:
    public = allow("s3:GetObject", "arn:aws:s3:::labelled/*",
                   Condition={"StringEquals": {"s3:ExistingObjectTag/class": "public"}})  # fmt: skip
    keys, root = user(enforced, "clerk", policy(public)), enforced.client("s3", **ROOT)
    root.create_bucket(Bucket="labelled")
    root.put_object(Bucket="labelled", Key="a", Body=b"1", Tagging="class=public")
    root.put_object(Bucket="labelled", Key="b", Body=b"1", Tagging="class=secret")
    get = enforced.client("s3", **keys).get_object
    assert get(Bucket="labelled", Key="a")["Body"].read() == b"1"
    assert refusal(get, Bucket="labelled", Key="b")[0] == "AccessDenied"
    root.put_object(Bucket="labelled", Key="a", Body=b"1", Tagging="class=secret")
    assert refusal(get, Bucket="labelled", Key="a")[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("params", "tags", "keys"),
    [
        ({"Tags": [{"TagKey": "a", "TagValue": "1"}]}, {"a": "1"}, ("a",)),
        ({"tags": {"a": "1", "b": ""}}, {"a": "1", "b": ""}, ("a", "b")),
        ({"Tags": [{"Key": "a"}]}, {"a": ""}, ("a",)),
        ({"TagsModel": {"tags": {"a": "1"}}}, {"a": "1"}, ("a",)),
        ({"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}}, {"a": "1"}, ("a",)),
        ({"TagKeys": ["a", "b"]}, {}, ("a", "b")),
        ({"logGroupName": "g", "tags": ["a"]}, {}, ("a",)),
        ({"Tagging": "a=1"}, {}, None),
        ({}, {}, None),
    ],
    ids=["kms", "map", "no-value", "pinpoint", "s3", "keys", "log-group", "s3-header", "none"],
)
def test_what_a_request_says_of_tags(params: Any, tags: dict[str, str], keys: tuple[str, ...] | None) -> None:
    found = request_tags(params)
    assert found.pop("aws:TagKeys", None) == keys
    assert found == {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def test_a_policy_is_tagged_by_its_whole_arn(enforced: Forecourt) -> None:
    """Who may tag the policies below a path does not reach another one by its name."""
    root = enforced.client("iam", **ROOT)
    arn = root.create_policy(PolicyName="out-of-reach", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    below = f"arn:aws:iam::{HOME}:policy/team/"
    mine = enforced.client("iam", **user(enforced, "tagger", policy(allow("iam:*", f"{below}*"))))
    tag = [{"Key": "team", "Value": "mine"}]
    assert refusal(mine.tag_policy, PolicyArn=arn, Tags=tag)[0] == "AccessDenied"
    assert refusal(mine.tag_policy, PolicyArn=f"{below}out-of-reach", Tags=tag)[0] == "NoSuchEntity"
    assert root.list_policy_tags(PolicyArn=arn)["Tags"] == []
