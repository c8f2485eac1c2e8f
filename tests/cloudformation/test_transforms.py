"""Transforms: SAM as `sam deploy` and `aws cloudformation deploy` use it, includes, loops."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError
from tests.cloudformation.stacks import CAPABILITIES, Stacks, ask, fresh, outputs

from forecourt.testing import Forecourt

_SAM = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, Handler: app.handler, Environment: {Variables: {TABLE: !Ref Table}}}}
Parameters: {Stage: {Type: String, Default: dev}}
Resources:
  Table: {Type: AWS::Serverless::SimpleTable}
  Queue: {Type: AWS::SQS::Queue}
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s3://BUCKET/code.zip
      AutoPublishAlias: live
      Description: !Ref Stage
      Policies: [AWSLambdaBasicExecutionRole, {DynamoDBCrudPolicy: {TableName: !Ref Table}}]
      Events:
        Rest: {Type: Api, Properties: {Path: /hello, Method: get}}
        Http: {Type: HttpApi, Properties: {Path: /hello, Method: get}}
        Messages: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {StartAt: A, States: {A: {Type: Task, Resource: "${Fn}", End: true}}}
      DefinitionSubstitutions: {Fn: !GetAtt Hello.Arn}
      Policies: [{LambdaInvokePolicy: {FunctionName: !Ref Hello}}]
Outputs:
  Rest: {Value: !Ref ServerlessRestApi}
  Http: {Value: !Ref ServerlessHttpApi}
"""


@pytest.fixture(scope="module")
def stacks(server: Forecourt) -> Stacks:
    return Stacks(server)


def _bucket(server: Forecourt, name: str, **objects: bytes) -> None:
    client = server.client("s3")
    client.create_bucket(Bucket=name)
    for key, body in objects.items():
        client.put_object(Bucket=name, Key=key.replace("_", "."), Body=body)


def _zipped(source: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", source)
    return data.getvalue()


def test_a_sam_application_is_deployed_by_a_change_set(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("sam")
    source = "def handler(event, context):\n    return {'statusCode': 200, 'body': context.function_version}\n"
    _bucket(server, name, code_zip=_zipped(source))
    wanted = {"StackName": name, "ChangeSetName": "first", "Capabilities": ["CAPABILITY_IAM"]}
    stacks.client.create_change_set(**wanted, ChangeSetType="CREATE", TemplateBody=_SAM.replace("BUCKET", name))
    stacks.client.get_waiter("change_set_create_complete").wait(StackName=name, ChangeSetName="first")
    stacks.client.execute_change_set(StackName=name, ChangeSetName="first")
    found = stacks.settled(name)
    assert found["StackStatus"] == "CREATE_COMPLETE", stacks.events(name)
    apis = outputs(found)
    assert ask(server, apis["Rest"], "/Prod/hello") == ask(server, apis["Http"], "/hello") == (200, "1")

    original = stacks.client.get_template(StackName=name)["TemplateBody"]
    assert "AWS::Serverless::Function" in original
    processed = stacks.client.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
    assert processed["Resources"]["Hello"]["Type"] == "AWS::Lambda::Function"
    summary = stacks.client.get_template_summary(StackName=name)
    assert summary["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]

    assert (
        stacks.update(name, Parameters=[{"ParameterKey": "Stage", "ParameterValue": "prod"}])["StackStatus"]
        == "UPDATE_COMPLETE"
    ), stacks.events(name)
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_a_template_with_a_transform_has_to_be_acknowledged(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_AUTO_EXPAND\]"):
        stacks.client.create_stack(StackName=fresh("sam"), TemplateBody=_SAM, Capabilities=["CAPABILITY_IAM"])


def test_what_sam_does_not_take_is_said_in_its_words(stacks: Stacks) -> None:
    name = fresh("sam")
    wrong = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": {"Nonsense": 1}}},
    }
    wanted = {"StackName": name, "ChangeSetName": "c", "ChangeSetType": "CREATE", "Capabilities": CAPABILITIES}
    stacks.client.create_change_set(**wanted, TemplateBody=json.dumps(wrong))
    found = stacks.client.describe_change_set(StackName=name, ChangeSetName="c")
    assert found["Status"] == "FAILED"
    assert found["StatusReason"].startswith("Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless")
    assert "[Fn]" in found["StatusReason"]


def test_applications_of_aws_are_refused_without_asking_aws(stacks: Stacks) -> None:
    location = {"ApplicationId": "arn:aws:serverlessrepo:us-east-1:1:applications/x", "SemanticVersion": "1.0.0"}
    application = {"Type": "AWS::Serverless::Application", "Properties": {"Location": location}}
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"App": application}}
    with pytest.raises(ClientError, match="Forecourt has no Serverless Application Repository"):
        stacks.create(fresh("sar"), template)


def test_a_transform_that_nobody_knows_is_refused(stacks: Stacks) -> None:
    template = {"Transform": "Mine", "Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}
    with pytest.raises(ClientError, match=r"No transform named Mine found\."):
        stacks.create(fresh("macro"), template)


def test_pieces_in_buckets_are_included_and_loops_written_out(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("pieces")
    _bucket(server, name, piece_yaml=b"Type: AWS::SSM::Parameter\nProperties: {Type: String, Value: !Ref Word}")
    template = """
Transform: [AWS::LanguageExtensions]
Parameters: {Word: {Type: String, Default: hi}, Names: {Type: CommaDelimitedList, Default: "A,B"}}
Resources:
  Included:
    Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://BUCKET/piece.yaml}}
  Fn::ForEach::Queues:
    - Name
    - !Ref Names
    - Queue${Name}: {Type: AWS::SQS::Queue}
""".replace("BUCKET", name)
    assert stacks.create(name, template)["StackStatus"] == "CREATE_COMPLETE", stacks.events(name)
    ids = stacks.ids(name)
    assert set(ids) == {"Included", "QueueA", "QueueB"}
    assert server.client("ssm").get_parameter(Name=ids["Included"])["Parameter"]["Value"] == "hi"
