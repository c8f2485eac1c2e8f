"""What an update does to a stack's resources, and what of it is undone where it fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.cloudformation.stacks import CAPABILITIES, Stacks, fresh, outputs

from forecourt.testing import Forecourt


@pytest.fixture(scope="module")
def stacks(server: Forecourt) -> Stacks:
    return Stacks(server)


def _parameter(value: str, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **more}}


def _broken(after: str) -> dict[str, Any]:
    """A resource that cannot be made, and that comes after another."""
    properties = {"PolicyName": "p", "PolicyDocument": {}, "Groups": ["nobody-knows-it"]}
    return {"Type": "AWS::IAM::Policy", "DependsOn": after, "Properties": properties}


def _value(server: Forecourt, name: str) -> str:
    found: str = server.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    return found


def test_a_change_in_place_keeps_the_resource(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("place")
    stacks.create(name, {"Resources": {"P": _parameter("one")}})
    before = stacks.ids(name)
    assert stacks.update(name, {"Resources": {"P": _parameter("two")}})["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.ids(name) == before
    assert _value(server, before["P"]) == "two"


def test_a_property_that_cannot_change_replaces_the_resource(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("replace")
    stacks.create(name, {"Resources": {"P": _parameter("one", Name=f"{name}-first")}})
    stacks.update(name, {"Resources": {"P": _parameter("one", Name=f"{name}-second")}})
    assert stacks.ids(name)["P"] == f"{name}-second"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        _value(server, f"{name}-first")
    assert [(what, status) for what, status, _ in stacks.events(name)][-6:] == [
        ("P", "UPDATE_IN_PROGRESS"),
        ("P", "UPDATE_COMPLETE"),
        (name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("P", "DELETE_IN_PROGRESS"),
        ("P", "DELETE_COMPLETE"),
        (name, "UPDATE_COMPLETE"),
    ]


def test_what_is_taken_out_of_the_template_goes_last(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("out")
    stacks.create(name, {"Resources": {"A": _parameter("a"), "B": _parameter("b")}})
    gone = stacks.ids(name)["B"]
    stacks.update(name, {"Resources": {"A": _parameter("a")}})
    assert set(stacks.ids(name)) == {"A"}
    with pytest.raises(ClientError, match="ParameterNotFound"):
        _value(server, gone)


def test_a_failed_update_leaves_everything_as_it_was(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("undo")
    first = {
        "Resources": {
            "Changed": _parameter("one"),
            "Replaced": _parameter("one", Name=f"{name}-old"),
            "Removed": _parameter("kept"),
        },
        "Outputs": {"Out": {"Value": {"Fn::GetAtt": ["Changed", "Value"]}}},
    }
    stacks.create(name, first)
    before = stacks.ids(name)
    second = {
        "Resources": {
            "Changed": _parameter("two"),
            "Replaced": _parameter("two", Name=f"{name}-new"),
            "Added": _parameter("new", Name=f"{name}-added"),
            "Broken": {**_broken("Changed"), "DependsOn": ["Changed", "Replaced", "Added"]},
        }
    }
    found = stacks.update(name, second)
    assert found["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.events(name)
    assert outputs(found) == {"Out": "one"}
    assert stacks.ids(name) == before
    assert [_value(server, before[key]) for key in ("Changed", "Replaced", "Removed")] == ["one", "one", "kept"]
    for lost in (f"{name}-new", f"{name}-added"):
        with pytest.raises(ClientError, match="ParameterNotFound"):
            _value(server, lost)
    assert json.loads(json.dumps(stacks.client.get_template(StackName=name)["TemplateBody"])) == first
    assert stacks.update(name, {"Resources": {"Changed": _parameter("three")}})["StackStatus"] == "UPDATE_COMPLETE"


def test_a_failed_stack_may_be_left_as_it_is_and_mended(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("left")
    template = {"Resources": {"A": _parameter("a", Name=f"{name}-a"), "Broken": _broken("A")}}
    found = stacks.create(name, template, DisableRollback=True)
    assert found["StackStatus"] == "CREATE_FAILED"
    assert _value(server, f"{name}-a") == "a"
    mended = {"Resources": {"A": _parameter("a", Name=f"{name}-a")}}
    assert stacks.update(name, mended)["StackStatus"] == "UPDATE_COMPLETE"
    assert set(stacks.ids(name)) == {"A"}


def test_what_is_to_be_retained_outlives_its_stack(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("retain")
    kept = {**_parameter("kept"), "DeletionPolicy": "Retain"}
    stacks.create(name, {"Resources": {"Kept": kept, "Gone": _parameter("gone")}})
    ids, stack_id = stacks.ids(name), stacks.stack(name)["StackId"]
    stacks.delete(name)
    assert ("Kept", "DELETE_SKIPPED", "") in stacks.events(stack_id)
    assert _value(server, ids["Kept"]) == "kept"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        _value(server, ids["Gone"])


def test_a_type_cannot_change_under_its_name(stacks: Stacks) -> None:
    name = fresh("type")
    stacks.create(name, {"Resources": {"R": _parameter("one")}})
    with pytest.raises(ClientError, match=r"Update of resource type is not permitted.*\[R\]"):
        stacks.update(name, {"Resources": {"R": {"Type": "AWS::IAM::Group"}}})


def test_a_stack_policy_keeps_resources_from_change(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("policy")
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "Update:*", "Principal": "*", "Resource": "LogicalResourceId/Kept"},
        ]
    }
    template = {"Resources": {"Kept": _parameter("one"), "Free": _parameter("one")}}
    stacks.create(name, template, StackPolicyBody=json.dumps(policy))
    both = {"Resources": {"Kept": _parameter("two"), "Free": _parameter("two")}}
    assert stacks.update(name, both)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [_value(server, key) for key in stacks.ids(name).values()] == ["one", "one"]
    reasons = [why for what, status, why in stacks.events(name) if (what, status) == ("Kept", "UPDATE_FAILED")]
    assert reasons == [
        "Action denied by stack policy: Statement [#2] does not allow [Update:Modify] for resource [Kept]"
    ]
    anyway = json.dumps({"Statement": policy["Statement"][:1]})
    assert stacks.update(name, both, StackPolicyDuringUpdateBody=anyway)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_protected_stack_is_not_deleted(stacks: Stacks) -> None:
    name = fresh("protected")
    stacks.create(name, {"Resources": {"P": _parameter("one")}}, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        stacks.client.delete_stack(StackName=name)
    stacks.client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_an_export_in_use_stays(stacks: Stacks) -> None:
    giver, taker = fresh("giver"), fresh("taker")
    export = {"Value": "v1", "Export": {"Name": f"{giver}-out"}}
    stacks.create(giver, {"Resources": {"P": _parameter("one")}, "Outputs": {"Out": export}})
    stacks.create(taker, {"Resources": {"P": _parameter("x", Description={"Fn::ImportValue": f"{giver}-out"})}})
    exports = {one["Name"]: one["Value"] for one in stacks.client.list_exports()["Exports"]}
    assert exports[f"{giver}-out"] == "v1"
    assert stacks.client.list_imports(ExportName=f"{giver}-out")["Imports"] == [taker]
    assert stacks.delete(giver)["StackStatus"] == "DELETE_FAILED"
    assert stacks.stack(giver)["StackStatusReason"] == (
        f"Export {giver}-out cannot be deleted as it is in use by {taker}"
    )
    stacks.delete(taker)
    assert stacks.delete(giver)["StackStatus"] == "DELETE_COMPLETE"


def test_a_change_set_says_what_will_happen_and_then_does_it(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("changes")
    client = stacks.client
    first = {"Resources": {"A": _parameter("a"), "B": _parameter("b", Name=f"{name}-b")}}
    made = {"StackName": name, "ChangeSetName": "first", "ChangeSetType": "CREATE", "Capabilities": CAPABILITIES}
    client.create_change_set(**made, TemplateBody=json.dumps(first))
    assert stacks.stack(name)["StackStatus"] == "REVIEW_IN_PROGRESS"
    client.execute_change_set(StackName=name, ChangeSetName="first")
    client.get_waiter("stack_create_complete").wait(StackName=name)

    second = {"Resources": {"A": _parameter("z"), "B": _parameter("b", Name=f"{name}-c"), "D": _parameter("d")}}
    client.create_change_set(StackName=name, ChangeSetName="second", TemplateBody=json.dumps(second))
    client.get_waiter("change_set_create_complete").wait(StackName=name, ChangeSetName="second")
    found = client.describe_change_set(StackName=name, ChangeSetName="second")
    changes = [one["ResourceChange"] for one in found["Changes"]]
    assert {one["LogicalResourceId"]: (one["Action"], one.get("Replacement")) for one in changes} == {
        "A": ("Modify", "False"),
        "B": ("Modify", "True"),
        "D": ("Add", None),
    }
    client.execute_change_set(StackName=name, ChangeSetName="second")
    assert stacks.settled(name)["StackStatus"] == "UPDATE_COMPLETE"
    assert _value(server, f"{name}-c") == "b"

    client.create_change_set(StackName=name, ChangeSetName="third", UsePreviousTemplate=True)
    nothing = client.describe_change_set(StackName=name, ChangeSetName="third")
    assert (nothing["Status"], nothing["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in nothing["StatusReason"]
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        client.execute_change_set(StackName=name, ChangeSetName="third")
    client.delete_change_set(StackName=name, ChangeSetName="third")
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        client.describe_change_set(StackName=name, ChangeSetName="third")


def test_what_a_failed_update_replaced_goes_with_the_next_one(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("leftover")
    stacks.create(name, {"Resources": {"P": _parameter("one", Name=f"{name}-old")}})
    broken = {"Resources": {"P": _parameter("one", Name=f"{name}-new"), "Broken": _broken("P")}}
    assert stacks.update(name, broken, DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    assert [_value(server, f"{name}-{which}") for which in ("old", "new")] == ["one", "one"]
    mended = {"Resources": {"P": _parameter("one", Name=f"{name}-new")}}
    assert stacks.update(name, mended)["StackStatus"] == "UPDATE_COMPLETE"
    assert _value(server, f"{name}-new") == "one"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        _value(server, f"{name}-old")


def test_a_property_that_is_none_fails_the_update_and_not_the_request(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("wrong")
    stacks.create(name, {"Resources": {"P": _parameter("one")}})
    found = stacks.update(name, {"Resources": {"P": _parameter("two", Nonsense=1)}})
    assert found["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "extraneous key [Nonsense] is not permitted" in str(stacks.events(name))
    assert _value(server, stacks.ids(name)["P"]) == "one"


def test_a_topic_is_told_of_every_event(server: Forecourt, stacks: Stacks) -> None:
    name = fresh("told")
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    stacks.create(name, {"Resources": {"P": _parameter("one")}}, NotificationARNs=[topic])
    told: list[str] = []
    while len(told) < 4:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        told += [message["Body"] for message in found.get("Messages", ())]
    assert sum("LogicalResourceId='P'\n" in one and "ResourceStatus='CREATE_COMPLETE'\n" in one for one in told) == 1
    assert all(f"StackName='{name}'\n" in one for one in told)
