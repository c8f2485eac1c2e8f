"""Service integrations over the network: which there are, how members and errors are spelled, jobs that are waited for.

Names as the SDK for Java 2 has them: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from forecourt.testing import Forecourt

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

ROLE = "arn:aws:iam::000000000000:role/states"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def sfn(server: Forecourt) -> SFNClient:
    return server.client("stepfunctions")


def one_task(resource: str, parameters: Any, **fields: Any) -> str:
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True, **fields}
    return json.dumps({"StartAt": "T", "States": {"T": task}})


def run(sfn: SFNClient, resource: str, parameters: Any, **fields: Any) -> dict[str, Any]:
    definition = one_task(resource, parameters, **fields)
    made = sfn.create_state_machine(name=f"i-{next(_numbers)}", definition=definition, roleArn=ROLE)
    execution = sfn.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]
    deadline = time.monotonic() + 20
    while (ended := sfn.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return dict(ended)


# --- names ------------------------------------------------------------------------------------------------------------


def test_members_are_spelled_as_the_sdk_spells_them(server: Forecourt, sfn: SFNClient) -> None:
    server.client("dynamodb").create_table(
        TableName="spelled",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    # Of what a map holds, the keys are data
    item = {"id": {"S": "1"}, "DBName": {"BOOL": True}, "none": {"Nul": True}, "list": {"SS": ["a"]}}
    assert run(sfn, "aws-sdk:dynamodb:putItem", {"TableName": "spelled", "Item": item})["status"] == "SUCCEEDED"
    asked = {"TableName": "spelled", "Key": {"id": {"S": "1"}}}
    sdk = json.loads(run(sfn, "aws-sdk:dynamodb:getItem", asked)["output"])
    assert sdk == {
        "Item": {"id": {"S": "1"}, "DBName": {"Bool": True}, "none": {"Nul": True}, "list": {"Ss": ["a"]}}
    }  # fmt: skip
    optimized = json.loads(run(sfn, "dynamodb:getItem", asked)["output"])
    assert optimized["Item"]["DBName"] == {"BOOL": True}


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        ("aws-sdk:rds:describeDBInstances", {"DbInstanceIdentifier": "x"}, "Rds.DbInstanceNotFoundException"),
        ("aws-sdk:dynamodb:describeTable", {"TableName": "nowhere"}, "DynamoDb.ResourceNotFoundException"),
        ("aws-sdk:dynamodb:getItem", {"TableName": "nowhere", "Key": {}}, "DynamoDb.ResourceNotFoundException"),
        # Declared for another operation of the service
        ("aws-sdk:s3:getObject", {"Bucket": "nowhere-at-all", "Key": "x"}, "S3.NoSuchBucketException"),
        # An older code, and nothing but a code
        ("aws-sdk:sqs:getQueueUrl", {"QueueName": "nowhere"}, "Sqs.QueueDoesNotExistException"),
        ("sqs:sendMessage", {"QueueUrl": "http://sqs/000000000000/no", "MessageBody": "x"},
         "SQS.QueueDoesNotExistException"),
        ("aws-sdk:sfn:describeStateMachine", {"StateMachineArn": "x"}, "Sfn.InvalidArnException"),
        ("aws-sdk:cloudwatchlogs:getLogEvents", {"LogGroupName": "no", "LogStreamName": "no"},
         "CloudWatchLogs.ResourceNotFoundException"),
    ],
)  # fmt: skip
def test_errors_are_named_as_the_sdk_names_them(sfn: SFNClient, resource: str, parameters: Any, error: str) -> None:
    ended = run(sfn, resource, parameters)
    assert (ended["status"], ended["error"]) == ("FAILED", error)


@pytest.mark.parametrize(
    ("resource", "parameters", "field"),
    [
        ("sqs:sendMessage", {"QueueUrl": "x", "MessageBody": "x", "Delay": 1}, "Delay"),
        ("aws-sdk:ec2:describeInstances", {"Filter": []}, "Filter"),
        ("lambda:invoke", {"FunctionName": "f", "TaskToken": "x"}, "TaskToken"),
    ],
)
def test_fields_that_a_service_does_not_have(sfn: SFNClient, resource: str, parameters: Any, field: str) -> None:
    ended = run(sfn, resource, parameters)
    assert (ended["error"], ended["cause"].partition("\n")[0]) == (
        "States.Runtime",
        f'The field "{field}" is not supported by Step Functions',
    )


# --- which there are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "resource",
    [
        "sqs:deleteMessage",
        "sqs:sendMessage.sync",
        "dynamodb:query",
        "lambda:invoke.sync",
        "states:startExecution.sync:3",
        "glue:startJobRun.sync:2",
        "s3:getObject",
        "aws-sdk:s3:getObjects",
        "aws-sdk:s3:getObject.sync",
        "aws-sdk:nosuchservice:get",
        # botocore's names for cloudwatchlogs and sfn
        "aws-sdk:logs:putLogEvents",
        "aws-sdk:stepfunctions:startExecution",
    ],
)
def test_integrations_that_there_are_not(sfn: SFNClient, resource: str) -> None:
    arn = f"arn:aws:states:::{resource}"
    message = (
        f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not "
        "available in this region."
    )
    assert sfn.validate_state_machine_definition(definition=one_task(resource, {}))["diagnostics"] == [
        {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": message, "location": "/States/T/Resource"}
    ]
    with pytest.raises(ClientError, match="InvalidDefinition"):
        sfn.create_state_machine(name="none", definition=one_task(resource, {}), roleArn=ROLE)


@pytest.mark.parametrize(
    "resource",
    [
        "athena:startQueryExecution.sync",
        "bedrock:invokeModel",
        "ecs:runTask.waitForTaskToken",
        "eks:createCluster.sync",
        "elasticmapreduce:addStep.sync",
        "emr-serverless:startJobRun.sync",
        "sagemaker:createAutoMLJob.sync",
        "states:startExecution.sync:2",
        "aws-sdk:sfn:startExecution.waitForTaskToken",
        "aws-sdk:cloudwatchlogs:putLogEvents",
        "aws-sdk:config:describeConfigRules",
        "aws-sdk:databasemigration:describeEndpoints",
        "aws-sdk:elasticloadbalancingv2:describeLoadBalancers",
        "aws-sdk:eventbridge:putEvents",
        "aws-sdk:migrationhub:listProgressUpdateStreams",
        "aws-sdk:rds:describeDBInstances",
    ],
)
def test_integrations_that_there_are(sfn: SFNClient, resource: str) -> None:
    assert sfn.validate_state_machine_definition(definition=one_task(resource, {}))["diagnostics"] == []


# --- jobs that are waited for -----------------------------------------------------------------------------------------


def test_jobs_that_are_waited_for(server: Forecourt, sfn: SFNClient) -> None:
    """What the embedded services get on with: their description is the result, in the first SDK's words."""
    server.client("glue").create_job(Name="waited", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://b/x"})
    ended = run(sfn, "glue:startJobRun.sync", {"JobName": "waited"})
    assert json.loads(ended["output"])["JobRunState"] == "SUCCEEDED"
    query = {"QueryString": "select 1", "WorkGroup": "primary", "ResultConfiguration": {"OutputLocation": "s3://o/"}}
    ended = run(sfn, "athena:startQueryExecution.sync", query)
    assert json.loads(ended["output"])["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
    cluster = {
        "Name": "waited", "RoleArn": "arn:aws:iam::000000000000:role/eks",
        "ResourcesVpcConfig": {"SubnetIds": ["subnet-12345678"]},
    }  # fmt: skip
    assert json.loads(run(sfn, "eks:createCluster.sync", cluster)["output"])["Cluster"]["Status"] == "ACTIVE"
    assert run(sfn, "eks:deleteCluster.sync", {"Name": "waited"})["status"] == "SUCCEEDED"


def test_services_whose_calls_are_signed_with_another_name(sfn: SFNClient) -> None:
    """An embedded service is found by what AWS signs its calls with: EMR's with `elasticmapreduce`."""
    instances = {"KeepJobFlowAliveWhenNoSteps": True, "InstanceCount": 1, "MasterInstanceType": "m5.large"}
    job = {"Name": "c", "Instances": instances, "ReleaseLabel": "emr-6.2.0", "JobFlowRole": "x", "ServiceRole": "y"}
    created = run(sfn, "elasticmapreduce:createCluster", job)
    assert json.loads(created["output"])["JobFlowId"].startswith("j-")
    listed = run(sfn, "aws-sdk:emr:listClusters", {})
    assert json.loads(listed["output"])["Clusters"][0]["Name"] == "c"
    for resource in ("aws-sdk:efs:describeFileSystems", "aws-sdk:opensearch:listDomainNames"):
        assert run(sfn, resource, {})["status"] == "SUCCEEDED"
