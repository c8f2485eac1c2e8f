"""A stack's life over the network: what it makes is the services' own, and answers."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.cloudformation.stacks import CAPABILITIES, Stacks, ask, fresh, outputs

from forecourt.testing import Forecourt

_API = """
AWSTemplateFormatVersion: 2010-09-09
Description: thin
Parameters:
  Greeting: {Type: String, Default: hello}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
  Fn:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Environment: {Variables: {GREETING: !Ref Greeting}}
      Code:
        ZipFile: |
          import json, os
          def handler(event, context):
              return {"statusCode": 200, "body": os.environ["GREETING"]}
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties: {Name: !Sub "${AWS::StackName}-api"}
  Pets:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: pets}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pets
      HttpMethod: GET
      AuthorizationType: NONE
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Fn.Arn}/invocations
  Deployment:
    Type: AWS::ApiGateway::Deployment
    DependsOn: Get
    Properties: {RestApiId: !Ref Api}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, DeploymentId: !Ref Deployment, StageName: prod}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref Fn
      Action: lambda:InvokeFunction
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*
Outputs:
  ApiId: {Value: !Ref Api, Export: {Name: !Sub "${AWS::StackName}-id"}}
  Url: {Value: !Sub "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/prod/pets"}
"""


@pytest.fixture(scope="module")
def stacks(server: Forecourt) -> Stacks:
    return Stacks(server)


def test_an_api_with_its_function_is_deployed_changed_and_deleted(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("api")
    made = stacks.create(name, _API)
    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.events(name)
    api = outputs(made)["ApiId"]
    assert ask(server, api, "/prod/pets") == (200, "hello")

    changed = stacks.update(name, Parameters=[{"ParameterKey": "Greeting", "ParameterValue": "servus"}])
    assert changed["StackStatus"] == "UPDATE_COMPLETE", stacks.events(name)
    assert ask(server, api, "/prod/pets") == (200, "servus")

    ids = stacks.ids(name)
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE", stacks.events(made["StackId"])
    with pytest.raises(ClientError, match="NotFoundException"):
        server.client("apigateway").get_rest_api(restApiId=ids["Api"])
    with pytest.raises(ClientError, match="NoSuchEntity"):
        server.client("iam").get_role(RoleName=ids["Role"])
    with pytest.raises(ClientError, match="does not exist"):
        stacks.stack(name)


def test_a_type_that_is_not_supported_fails_its_stack_before_anything_is_made(stacks: Stacks) -> None:
    name = fresh("strange")
    template = {
        "Resources": {
            "Group": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": f"{name}-group"}},
            "Cluster": {"Type": "AWS::ECS::Cluster"},
        }
    }
    made = stacks.create(name, template)
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.events(name)
    assert ("Cluster", "CREATE_FAILED", "Resource type AWS::ECS::Cluster is not supported by Forecourt") in events
    assert not [event for event in events if event[0] == "Group"]


def test_what_fails_is_rolled_back(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("broken")
    template = {
        "Resources": {
            "First": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": f"{name}-first"}},
            "Second": {
                "Type": "AWS::IAM::Policy",
                "DependsOn": "First",
                "Properties": {"PolicyName": "p", "PolicyDocument": {}, "Groups": ["nobody-knows-it"]},
            },
        }
    }
    made = stacks.create(name, template)
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = {(what, status): why for what, status, why in stacks.events(name)}
    assert "HandlerErrorCode" in reasons["Second", "CREATE_FAILED"]
    assert reasons[name, "ROLLBACK_IN_PROGRESS"] == (
        "The following resource(s) failed to create: [Second]. Rollback requested by user."
    )
    assert ("First", "DELETE_COMPLETE") in reasons
    with pytest.raises(ClientError, match="NoSuchEntity"):
        server.client("iam").get_group(GroupName=f"{name}-first")


def test_a_template_with_iam_has_to_be_acknowledged(stacks: Stacks) -> None:
    template = '{"Resources": {"G": {"Type": "AWS::IAM::Group"}}}'
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_IAM\]"):
        stacks.client.create_stack(StackName=fresh("iam"), TemplateBody=template)
    named = '{"Resources": {"G": {"Type": "AWS::IAM::Group", "Properties": {"GroupName": "g"}}}}'
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_NAMED_IAM\]"):
        stacks.client.create_stack(StackName=fresh("iam"), TemplateBody=named, Capabilities=["CAPABILITY_IAM"])


def test_a_name_is_taken_until_its_stack_is_deleted(stacks: Stacks) -> None:
    name, template = fresh("name"), '{"Resources": {"G": {"Type": "AWS::IAM::Group"}}}'
    token = {"ClientRequestToken": f"{name}-token"}
    first = stacks.create(name, template, **token)
    again = stacks.client.create_stack(StackName=name, TemplateBody=template, Capabilities=CAPABILITIES, **token)
    assert again["StackId"] == first["StackId"]
    with pytest.raises(ClientError, match="AlreadyExistsException"):
        stacks.create(name, template)
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update(name)
    stacks.delete(name)
    assert stacks.create(name, template)["StackId"] != first["StackId"]


def test_what_refers_to_a_resource_that_is_not_to_be_is_refused_at_once(stacks: Stacks) -> None:
    template = """
Parameters: {Word: {Type: String, Default: a}}
Conditions: {Is: !Equals [!Ref Word, b]}
Resources:
  Maybe: {Type: AWS::SQS::Queue, Condition: Is}
  Sure: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt Maybe.Arn}}
"""
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Maybe\] in the Resources block"):
        stacks.create(fresh("maybe"), template)
    either = template.replace("!GetAtt Maybe.Arn", "!If [Is, !GetAtt Maybe.Arn, none]")
    assert stacks.create(fresh("maybe"), either)["StackStatus"] == "CREATE_COMPLETE"


def test_what_there_is_not_says_so(stacks: Stacks) -> None:
    client = stacks.client
    template = '{"Resources": {"G": {"Type": "AWS::IAM::Group"}}}'
    triggers = {"RollbackTriggers": [{"Arn": "arn:aws:cloudwatch:x", "Type": "AWS::CloudWatch::Alarm"}]}
    change_set = {"StackName": "s", "ChangeSetName": "c", "ChangeSetType": "CREATE"}
    refused: list[tuple[str, dict[str, Any]]] = [
        ("create_change_set", {**change_set, "ChangeSetType": "IMPORT"}),
        ("create_change_set", {**change_set, "ResourceTypes": ["AWS::*"]}),
        ("create_change_set", {**change_set, "RollbackConfiguration": triggers}),
        ("estimate_template_cost", {}),
        ("create_stack", {"StackName": "s", "ResourceTypes": ["AWS::*"]}),
        ("create_stack", {"StackName": "s", "RollbackConfiguration": {"MonitoringTimeInMinutes": 5}}),
        ("create_stack", {"StackName": "s", "DeploymentConfig": {"Mode": "EXPRESS"}}),
    ]
    for method, request in refused:
        with pytest.raises(ClientError, match="NotImplemented"):
            getattr(client, method)(**request, TemplateBody=template)
    with pytest.raises(ClientError, match="NotImplemented"):
        client.detect_stack_drift(StackName="s")
