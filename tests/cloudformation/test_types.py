"""One stack with a resource of nearly every type: made, changed twice, deleted; nothing is left of it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.cloudformation.stacks import Stacks, ask, fresh, outputs, role

from forecourt.services.cloudformation.resources.registry import handlers
from forecourt.services.cloudformation.schemas import schema_of
from forecourt.testing import Forecourt

_TEMPLATE = (Path(__file__).parent / "everything.yaml").read_text()
_REST = (Path(__file__).parent / "the_rest.yaml").read_text()
# service, operation, and where in its answer the names of what there is are
_LISTS = (
    ("apigateway", "get_rest_apis", "items", "name"),
    ("apigateway", "get_usage_plans", "items", "name"),
    ("apigateway", "get_api_keys", "items", "name"),
    ("apigatewayv2", "get_apis", "Items", "Name"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_users", "Users", "UserName"),
    ("iam", "list_groups", "Groups", "GroupName"),
    ("stepfunctions", "list_activities", "activities", "name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("dynamodb", "list_tables", "TableNames", None),
    ("sqs", "list_queues", "QueueUrls", None),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("events", "list_event_buses", "EventBuses", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("kinesis", "list_streams", "StreamNames", None),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
)


@pytest.fixture(scope="module")
def stacks(server: Forecourt) -> Stacks:
    return Stacks(server)


def _named(server: Forecourt, stack: str) -> list[str]:
    """What there is that has the stack's name in its own."""
    found: list[str] = []
    for service, operation, member, name in _LISTS:
        rows: list[Any] = getattr(server.client(service), operation)().get(member, [])
        names = [str(row if name is None else row.get(name, "")) for row in rows]
        found += [f"{service}:{one}" for one in names if stack.lower() in one.lower()]
    # A function's log group is its own, and stays, as on AWS.
    return [one for one in found if not one.startswith("logs:/aws/")]


def test_everything_is_made_changed_and_deleted(server: Forecourt, stacks: Stacks) -> None:
    """As a role that may do everything: a service whose permissions nobody knows would be denied."""
    name = fresh("all")
    made = stacks.create(name, _TEMPLATE, RoleARN=role(server, f"deploys-{name[4:]}", "*"))
    assert made["StackStatus"] == "CREATE_COMPLETE", [event for event in stacks.events(name) if event[2]]
    found = outputs(made)
    assert len(_named(server, name)) > 20
    _answers(server, found, "one")
    for word in ("two", "one"):
        changed = stacks.update(name, Parameters=[{"ParameterKey": "Word", "ParameterValue": word}])
        assert changed["StackStatus"] == "UPDATE_COMPLETE", [event for event in stacks.events(name) if event[2]]
        assert outputs(changed) == {**found, "Doubled": word * 2}
        _answers(server, found, word)
    _took_the_change(server, stacks.ids(name), "one")
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    assert _named(server, name) == []


def test_the_rest_is_made_changed_and_deleted(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("rest")
    bucket, data = server.client("s3"), io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): ...")
    bucket.create_bucket(Bucket=name)
    bucket.put_object(Bucket=name, Key="code.zip", Body=data.getvalue())
    certificate = server.client("acm").request_certificate(DomainName="*.example.com")["CertificateArn"]
    template = _REST.replace("BUCKET", name).replace("CERT", certificate)
    assert stacks.create(name, template)["StackStatus"] == "CREATE_COMPLETE", stacks.events(name)
    word = [{"ParameterKey": "Word", "ParameterValue": "two"}]
    assert stacks.update(name, Parameters=word)["StackStatus"] == "UPDATE_COMPLETE", stacks.events(name)
    secret = server.client("secretsmanager").get_secret_value(SecretId=stacks.ids(name)["Secret"])
    assert secret["SecretString"] == "two"
    stack_id = stacks.stack(name)["StackId"]
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE", stacks.events(stack_id)


def _answers(server: Forecourt, found: dict[str, str], word: str) -> None:
    assert ask(server, found["Body"], "/v1/hi") == (200, word)
    assert ask(server, found["Http"], "/hi") == (200, word)
    assert ask(server, found["HttpBody"], "/b") == (200, word)
    assert ask(server, found["Rest"], "/prod/pets")[0] == 403, "it wants a key"
    assert ask(server, found["Http"], "/me")[0] == 401, "it wants a token"


def _took_the_change(server: Forecourt, ids: dict[str, str], word: str) -> None:
    """Of each kind of change a sample: a call's parameter, a patch, an attribute, tags."""
    assert server.client("ssm").get_parameter(Name=ids["Param"])["Parameter"]["Value"] == word
    assert server.client("apigateway").get_rest_api(restApiId=ids["Rest"])["description"] == word
    stage = server.client("apigateway").get_stage(restApiId=ids["Rest"], stageName=ids["RestStage"])
    assert stage["variables"] == {"word": word}
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 100
    topic = server.client("sns").get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]
    assert topic["DisplayName"] == word
    tags = server.client("sqs").list_queue_tags(QueueUrl=ids["Queue"])["Tags"]
    assert tags == {"w": word}
    pool = server.client("cognito-idp").describe_user_pool(UserPoolId=ids["Pool"])["UserPool"]
    assert (pool["UserPoolTags"], pool["MfaConfiguration"]) == ({"w": word}, "OPTIONAL")
    machine = server.client("stepfunctions").describe_state_machine(stateMachineArn=ids["Machine"])
    assert f'"Result":"{word}"' in machine["definition"]
    role = server.client("iam").get_role(RoleName=ids["FnRole"])["Role"]
    assert (role["Path"], role["Tags"]) == ("/x/", [{"Key": "a", "Value": word}])


@pytest.mark.parametrize("type_name", sorted(handlers()))
def test_every_type_is_one_of_awss(type_name: str) -> None:
    assert schema_of(type_name) is not None


def test_a_property_that_nobody_would_carry_out_is_refused(stacks: Stacks) -> None:
    name = fresh("property")
    fast = {
        "S3Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"ReplicationConfiguration": {"Role": "r", "Rules": []}}}
    }
    assert stacks.create(name, {"Resources": fast})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Forecourt does not support ReplicationConfiguration" in str(stacks.events(name))


def test_names_of_properties_are_checked_as_aws_does(stacks: Stacks) -> None:
    name = fresh("names")
    template = {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"Nonsense": 1}}}}
    assert stacks.create(name, template)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "#: extraneous key [Nonsense] is not permitted" in str(stacks.events(name))


def test_what_cannot_change_in_place_fails_and_is_put_back(stacks: Stacks) -> None:
    name = fresh("fixed")
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, "LogGroupClass": "STANDARD"}}
    stacks.create(name, {"Resources": {"G": group}})
    group["Properties"] = {"LogGroupName": name, "LogGroupClass": "INFREQUENT_ACCESS"}
    assert stacks.update(name, {"Resources": {"G": group}})["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Forecourt cannot change LogGroupClass of an existing AWS::Logs::LogGroup" in str(stacks.events(name))
