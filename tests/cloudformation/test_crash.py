"""`kill -9` in the middle of an operation: it goes on, and ends as it would have."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from tests.cloudformation.stacks import CAPABILITIES, Stacks

from forecourt.testing import Forecourt

_SIGNAL = json.dumps({"Status": "SUCCESS", "Reason": "r", "UniqueId": "1", "Data": "d"}).encode()
_WAITING = {
    "Resources": {
        "Before": {"Type": "AWS::IAM::Group"},
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle", "DependsOn": "Before"},
        "Wait": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "3600"},
        },
        "After": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::GetAtt": ["Wait", "Data"]}},
        },
    }
}


def _put(url: str) -> int:
    request = urllib.request.Request(url, _SIGNAL, {"content-type": ""}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        return int(answer.status)


def _begin(stacks: Stacks, name: str) -> None:
    """Until it waits."""

    def create() -> None:
        with contextlib.suppress(ClientError, BotoCoreError, OSError):
            stacks.client.create_stack(StackName=name, TemplateBody=json.dumps(_WAITING), Capabilities=CAPABILITIES)

    threading.Thread(target=create, daemon=True).start()
    while True:
        try:
            if any(event[:2] == ("Wait", "CREATE_IN_PROGRESS") for event in stacks.events(name)):
                return
        except ClientError:
            continue


def test_a_killed_creation_goes_on(tmp_path: Path) -> None:
    server = Forecourt(data=tmp_path)
    server.start()
    try:
        stacks = Stacks(server)
        _begin(stacks, "waiting")
        ids = stacks.ids("waiting")
        server.kill()
        server.start()
        assert stacks.stack("waiting")["StackStatus"] == "CREATE_IN_PROGRESS"
        assert _put(ids["Handle"]) == 200
        assert stacks.settled("waiting")["StackStatus"] == "CREATE_COMPLETE", stacks.events("waiting")
        after = stacks.ids("waiting")
        assert {name: after[name] for name in ("Before", "Handle")} == {
            name: ids[name] for name in ("Before", "Handle")
        }
        value = server.client("ssm").get_parameter(Name=after["After"])["Parameter"]["Value"]
        assert json.loads(value) == {"1": "d"}
        groups = server.client("iam").list_groups()["Groups"]
        assert [group["GroupName"] for group in groups] == [ids["Before"]]
    finally:
        server.stop()


def test_a_killed_creation_can_be_deleted_and_is_forgotten_in_time(tmp_path: Path) -> None:
    server = Forecourt(data=tmp_path)
    server.start()
    try:
        stacks = Stacks(server)
        _begin(stacks, "waiting")
        server.kill()
        server.start()
        assert stacks.delete("waiting")["StackStatus"] == "DELETE_COMPLETE"
        assert server.client("iam").list_groups()["Groups"] == []
        assert len(stacks.client.list_stacks()["StackSummaries"]) == 1
        server.advance_clock(91 * 86_400)
        while stacks.client.list_stacks()["StackSummaries"]:
            pass
    finally:
        server.stop()
