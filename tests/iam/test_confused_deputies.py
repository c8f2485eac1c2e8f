"""Services act for the resource that their caller's policy names, over the network and under enforcement: a function's
policy and a role's trust that name a source let no other source in."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import httpx
import pytest
from tests.iam.enforcing import HOME, ROOT, allow, policy

from forecourt.testing import Forecourt

REGION = "us-east-1"


def trusted(service: str, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy(statement | ({"Condition": condition} if condition else {}))


@pytest.fixture(scope="module")
def function(enforced: Forecourt) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n    return {'statusCode': 200, 'body': 'called'}\n")
    iam, functions = enforced.client("iam", **ROOT), enforced.client("lambda", **ROOT)
    role = iam.create_role(RoleName="deputy-fn", AssumeRolePolicyDocument=trusted("lambda.amazonaws.com"))
    arn: str = functions.create_function(
        FunctionName="deputy",
        Runtime="python3.12",
        Role=role["Role"]["Arn"],
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="deputy")
    return arn


def api(forecourt: Forecourt, function: str, name: str) -> str:
    apis = forecourt.client("apigateway", **ROOT)
    made: str = apis.create_rest_api(name=name)["id"]
    root = apis.get_resources(restApiId=made)["items"][0]["id"]
    method = {"restApiId": made, "resourceId": root, "httpMethod": "GET"}
    apis.put_method(**method, authorizationType="NONE")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
    apis.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    apis.create_deployment(restApiId=made, stageName="s")
    return made


def test_a_functions_policy_lets_in_the_api_that_it_names(enforced: Forecourt, function: str) -> None:
    named, other = api(enforced, function, "named"), api(enforced, function, "other")

    def call(api: str) -> int:
        return httpx.get(f"{enforced.url}/_aws/execute-api/{api}/s").status_code

    functions = enforced.client("lambda", **ROOT)
    permission = {"FunctionName": "deputy", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
    assert (call(named), call(other)) == (500, 500)
    source = f"arn:aws:execute-api:{REGION}:{HOME}:{named}/*"
    functions.add_permission(**permission, StatementId="named", SourceArn=source)
    assert (call(named), call(other)) == (200, 500)
    functions.remove_permission(FunctionName="deputy", StatementId="named")
    functions.add_permission(**permission, StatementId="account", SourceAccount="999988887777")
    assert (call(named), call(other)) == (500, 500)
    functions.remove_permission(FunctionName="deputy", StatementId="account")
    functions.add_permission(**{**permission, "Principal": "states.amazonaws.com"}, StatementId="states")
    assert call(named) == 500


def test_a_roles_trust_lets_in_the_state_machine_that_it_names(enforced: Forecourt) -> None:
    iam, machines = enforced.client("iam", **ROOT), enforced.client("stepfunctions", **ROOT)
    queue = enforced.client("sqs", **ROOT).create_queue(QueueName="deputy-queue")["QueueUrl"]
    trust = trusted(
        "states.amazonaws.com",
        ArnLike={"aws:SourceArn": f"arn:aws:states:{REGION}:{HOME}:stateMachine:deputy-named"},
        StringEquals={"aws:SourceAccount": HOME},
    )
    role = iam.create_role(RoleName="deputy-machine", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="deputy-machine", PolicyName="p", PolicyDocument=policy(allow("sqs:SendMessage")))
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": queue, "MessageBody": "x"},
        "End": True,
    }
    definition = json.dumps({"StartAt": "S", "States": {"S": send}})

    def outcome(name: str) -> str:
        made = machines.create_state_machine(name=name, roleArn=role, definition=definition)["stateMachineArn"]
        execution = machines.start_execution(stateMachineArn=made)["executionArn"]
        for _ in range(100):
            status: str = machines.describe_execution(executionArn=execution)["status"]
            if status != "RUNNING":
                return status
            time.sleep(0.05)
        return "RUNNING"

    assert (outcome("deputy-named"), outcome("deputy-other")) == ("SUCCEEDED", "FAILED")
