"""Nested stacks, custom resources, wait conditions: what CloudFormation has of its own."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
from tests.cloudformation.stacks import Stacks, fresh, outputs, role

from forecourt.testing import Forecourt


@pytest.fixture(scope="module")
def stacks(server: Forecourt) -> Stacks:
    return Stacks(server)


_ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    },
}


def _custom(source: str, runtime: str = "python3.11", **properties: Any) -> dict[str, Any]:
    function = {
        "Runtime": runtime,
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": source},
    }
    return {
        "Resources": {
            "Role": _ROLE,
            "Fn": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Thing": {
                "Type": "Custom::Thing",
                "Properties": {"ServiceToken": {"Fn::GetAtt": ["Fn", "Arn"]}, **properties},
            },
        },
        "Outputs": {"Doubled": {"Value": {"Fn::GetAtt": ["Thing", "Doubled"]}}},
    }


_DOUBLES = """
import cfnresponse
def handler(event, context):
    word = event["ResourceProperties"]["Word"]
    status = cfnresponse.FAILED if word == "bad" else cfnresponse.SUCCESS
    cfnresponse.send(event, context, status, {"Doubled": word * 2, "Kind": event["RequestType"]}, "thing", reason="why")
"""
# As CDK's own handlers do: by https to the host of the address
_AS_CDK = """
const https = require('https')
exports.handler = (event) => new Promise((resolve, reject) => {
  const url = new URL(event.ResponseURL)
  const data = { Doubled: event.ResourceProperties.Word.repeat(2) }
  const body = JSON.stringify({ ...event, Status: 'SUCCESS', PhysicalResourceId: 'p', Data: data })
  const request = https.request({ hostname: url.hostname, path: url.pathname, method: 'PUT' }, () => resolve(null))
  request.on('error', reject)
  request.end(body)
})
"""


def test_a_custom_resource_is_made_by_its_function(stacks: Stacks) -> None:
    name = fresh("custom")
    made = stacks.create(name, _custom(_DOUBLES, Word="one"))
    assert outputs(made) == {"Doubled": "oneone"}, stacks.events(name)
    assert outputs(stacks.update(name, _custom(_DOUBLES, Word="two"))) == {"Doubled": "twotwo"}
    assert stacks.ids(name)["Thing"] == "thing"
    assert stacks.update(name, _custom(_DOUBLES, Word="bad"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    why = [why for what, status, why in stacks.events(name) if (what, status) == ("Thing", "UPDATE_FAILED")]
    assert why == ["Received response status [FAILED] from custom resource. Message returned: why"]
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_a_function_that_fails_without_an_answer_fails_the_stack_at_once(stacks: Stacks) -> None:
    name = fresh("silent")
    source = (
        "def handler(event, context):\n    if event['RequestType'] == 'Create':\n        raise ValueError('no luck')\n"
    )
    assert stacks.create(name, _custom(source))["StackStatus"] == "ROLLBACK_COMPLETE"
    why = next(why for what, status, why in stacks.events(name) if (what, status) == ("Thing", "CREATE_FAILED"))
    assert "failed without an answer" in why
    assert "no luck" in why


def test_an_answer_by_https_to_the_host_finds_its_way(stacks: Stacks) -> None:
    name = fresh("https")
    made = stacks.create(name, _custom(_AS_CDK, "nodejs20.x", Word="one"))
    assert outputs(made) == {"Doubled": "oneone"}, stacks.events(name)


def test_nested_stacks_take_parameters_and_give_outputs(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("parent")
    inner = {
        "Parameters": {"Word": {"Type": "String"}},
        "Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Word"}}}},
        "Outputs": {"Name": {"Value": {"Ref": "P"}}},
    }
    bucket = server.client("s3")
    bucket.create_bucket(Bucket=name)
    bucket.put_object(Bucket=name, Key="inner.json", Body=json.dumps(inner))
    properties = {"TemplateURL": f"https://{name}.s3.amazonaws.com/inner.json", "Parameters": {"Word": "one"}}
    template = {
        "Resources": {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": properties}},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Name"]}}},
    }
    made = stacks.create(name, template)
    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.events(name)
    parameter = outputs(made)["Name"]
    assert server.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"] == "one"
    child = stacks.stack(stacks.ids(name)["Inner"])
    assert (child["ParentId"], child["RootId"]) == (made["StackId"], made["StackId"])

    properties["Parameters"] = {"Word": "two"}
    assert stacks.update(name, template)["StackStatus"] == "UPDATE_COMPLETE"
    assert server.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"] == "two"
    stacks.delete(name)
    assert stacks.stack(child["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_wait_condition_waits_for_its_signals(stacks: Stacks) -> None:
    name = fresh("wait")
    template = {
        "Resources": {
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Wait": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": 600, "Count": 2},
            },
        },
        "Outputs": {"Data": {"Value": {"Fn::GetAtt": ["Wait", "Data"]}}},
    }
    creation = threading.Thread(target=stacks.create, args=(name, template))
    creation.start()
    while not _is_there(stacks, name):
        pass
    url = stacks.ids(name)["Handle"]
    for number in ("1", "2"):
        body = json.dumps({"Status": "SUCCESS", "Reason": "r", "UniqueId": number, "Data": f"d{number}"}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT")) as answer:
            assert answer.status == 200
    creation.join()
    assert json.loads(outputs(stacks.stack(name))["Data"]) == {"1": "d1", "2": "d2"}
    forged = url[:-4] + ("AAAA" if not url.endswith("AAAA") else "BBBB")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(forged, b"{}", method="PUT"))


def test_an_update_that_waits_can_be_cancelled(stacks: Stacks) -> None:
    name = fresh("cancel")
    group = {"Group": {"Type": "AWS::IAM::Group"}}
    stacks.create(name, {"Resources": group})
    waiting = {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": 3600},
        },
    }
    update = threading.Thread(target=stacks.update, args=(name, {"Resources": {**group, **waiting}}))
    update.start()
    while ("Wait", "CREATE_IN_PROGRESS", "") not in stacks.events(name):
        pass
    stacks.client.cancel_update_stack(StackName=name)
    update.join()
    assert stacks.stack(name)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.events(name)
    assert ("Wait", "CREATE_FAILED", "Resource creation cancelled") in stacks.events(name)
    assert set(stacks.ids(name)) == {"Group"}


def _is_there(stacks: Stacks, name: str) -> bool:
    try:
        return ("Handle", "CREATE_COMPLETE", "") in stacks.events(name)
    except stacks.client.exceptions.ClientError:
        return False


_STUBBORN = """
import cfnresponse
def handler(event, context):
    wrong = event["RequestType"] == "Update"
    cfnresponse.send(event, context, cfnresponse.FAILED if wrong else cfnresponse.SUCCESS, {"Doubled": "x"}, "thing")
"""


def test_a_rollback_that_failed_goes_on_without_what_failed(stacks: Stacks) -> None:
    name = fresh("stubborn")
    stacks.create(name, _custom(_STUBBORN, Word="one"))
    failed = stacks.update(name, _custom(_STUBBORN, Word="two"))
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(stacks.client.exceptions.ClientError, match="can not be updated"):
        stacks.update(name, _custom(_STUBBORN, Word="one"))
    stacks.client.continue_update_rollback(StackName=name)
    assert stacks.settled(name)["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    idle = role(stacks.server, name, "ssm:*")
    stacks.client.continue_update_rollback(StackName=name, RoleARN=idle)
    assert stacks.settled(name)["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert "not authorized" in str(stacks.events(name)[-3:])
    stacks.client.continue_update_rollback(StackName=name, ResourcesToSkip=["Thing"])
    assert stacks.settled(name)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
