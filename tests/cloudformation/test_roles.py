"""As whom a stack's calls are made, and what that one may not do."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from tests.cloudformation.stacks import Stacks, document, fresh, role

from forecourt.testing import Forecourt

_TEMPLATE = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}}}


@pytest.fixture(scope="module")
def stacks(server: Forecourt) -> Stacks:
    return Stacks(server)


def test_a_stack_acts_as_its_role(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("role")
    arn = role(server, name, "ssm:*")
    assert stacks.create(name, _TEMPLATE, RoleARN=arn)["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.stack(name)["RoleARN"] == arn
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_what_its_role_may_not_do_fails(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("denied")
    arn = role(server, name, "ssm:Get*")
    assert stacks.create(name, _TEMPLATE, RoleARN=arn)["StackStatus"] == "ROLLBACK_COMPLETE"
    why = next(why for what, status, why in stacks.events(name) if (what, status) == ("P", "CREATE_FAILED"))
    assert "is not authorized to perform: ssm:PutParameter" in why
    assert "HandlerErrorCode: AccessDenied" in why


def test_a_role_that_does_not_trust_cloudformation_is_refused(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("trust")
    arn = role(server, name, "ssm:*", trusts="lambda.amazonaws.com")
    with pytest.raises(ClientError, match="is invalid or cannot be assumed"):
        stacks.create(name, _TEMPLATE, RoleARN=arn)


def test_a_user_makes_by_a_stack_only_what_the_user_may_make(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("user")
    iam = server.client("iam")
    iam.create_user(UserName=name)
    policy = document({"Effect": "Allow", "Action": ["cloudformation:*", "ssm:*"], "Resource": "*"})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    own = Stacks(server, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    assert own.create(name, _TEMPLATE)["StackStatus"] == "CREATE_COMPLETE"
    template = {"Resources": {**_TEMPLATE["Resources"], "Q": {"Type": "AWS::SQS::Queue"}}}
    assert own.update(name, template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "is not authorized to perform: sqs:CreateQueue" in str(own.events(name))


def test_secrets_are_not_shown(stacks: Stacks) -> None:
    name = fresh("secret")
    template = {
        "Parameters": {"Password": {"Type": "String", "NoEcho": True}},
        "Resources": {
            "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Password"}}}
        },
    }
    found = stacks.create(name, template, Parameters=[{"ParameterKey": "Password", "ParameterValue": "hunter2"}])
    assert found["Parameters"] == [{"ParameterKey": "Password", "ParameterValue": "****"}]
    assert "hunter2" not in str(stacks.client.describe_stack_events(StackName=name))


def test_references_to_parameters_and_secrets_become_values(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("dynamic")
    server.client("ssm").put_parameter(Name=f"{name}-plain", Type="String", Value="from-store")
    secret = json.dumps({"password": "from-secret"})
    server.client("secretsmanager").create_secret(Name=f"{name}-secret", SecretString=secret)
    both = f"{{{{resolve:ssm:{name}-plain}}}} {{{{resolve:secretsmanager:{name}-secret:SecretString:password}}}}"
    template = {
        "Parameters": {"Looked": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": f"{name}-plain"}},
        "Resources": {
            "Both": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": both}},
        },
        "Outputs": {"Looked": {"Value": {"Ref": "Looked"}}},
    }
    found = stacks.create(name, template)
    assert found["StackStatus"] == "CREATE_COMPLETE", stacks.events(name)
    value = server.client("ssm").get_parameter(Name=stacks.ids(name)["Both"])["Parameter"]["Value"]
    assert value == "from-store from-secret"
    assert found["Outputs"][0]["OutputValue"] == "from-store"
    assert found["Parameters"][0]["ResolvedValue"] == "from-store"
    assert "from-secret" not in str(stacks.client.describe_stack_events(StackName=name))
