"""Which services a user, a group, a role or a policy's holders may use, and when they last did."""

from __future__ import annotations

from typing import Any

from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, session, user

from forecourt.testing import Forecourt

MAY = policy(allow(["sqs:ListQueues", "dynamodb:*"]), allow("sts:AssumeRole"))


def report(iam: Any, arn: str, granularity: str = "SERVICE_LEVEL") -> dict[str, dict[str, Any]]:
    job = iam.generate_service_last_accessed_details(Arn=arn, Granularity=granularity)["JobId"]
    found = iam.get_service_last_accessed_details(JobId=job)
    assert (found["JobStatus"], found["JobType"]) == ("COMPLETED", granularity)
    return {service["ServiceNamespace"]: service for service in found["ServicesLastAccessed"]}


def test_of_a_user_a_group_and_a_policy(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    keys = user(enforced, "advised")
    made = iam.create_policy(PolicyName="advised", PolicyDocument=MAY)["Policy"]["Arn"]
    iam.create_group(GroupName="advised")
    iam.attach_group_policy(GroupName="advised", PolicyArn=made)
    iam.add_user_to_group(GroupName="advised", UserName="advised")
    arn = f"arn:aws:iam::{HOME}:user/advised"
    before = report(iam, arn)
    assert sorted(before) == ["dynamodb", "sqs", "sts"]
    assert "LastAuthenticated" not in before["sqs"]
    enforced.client("sqs", **keys).list_queues()
    refusal(enforced.client("s3", **keys).list_buckets)
    for about in (arn, f"arn:aws:iam::{HOME}:group/advised", made):
        found = report(iam, about)
        assert "s3" not in found
        assert "LastAuthenticated" not in found["dynamodb"]
        sqs = found["sqs"]
        assert (sqs["LastAuthenticatedEntity"], sqs["LastAuthenticatedRegion"]) == (arn, "us-east-1")
        assert (sqs["TotalAuthenticatedEntities"], sqs["ServiceName"]) == (1, "Amazon SQS")
    actions = report(iam, arn, "ACTION_LEVEL")["sqs"]["TrackedActionsLastAccessed"]
    assert [action["ActionName"] for action in actions] == ["ListQueues"]
    job = iam.generate_service_last_accessed_details(Arn=made)["JobId"]
    entities = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="sqs")
    (entity,) = entities["EntityDetailsList"]
    assert entity["EntityInfo"]["Name"] == "advised"
    assert entity["LastAuthenticated"]


def test_of_a_role_through_its_sessions_until_it_is_made_again(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    trust = policy({"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "sts:AssumeRole"})

    def make() -> str:
        arn: str = iam.create_role(RoleName="advised-role", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName="advised-role", PolicyName="p", PolicyDocument=MAY)
        return arn

    arn = make()
    someone = enforced.client("sts", **user(enforced, "advised-too", MAY))
    held = session(someone.assume_role(RoleArn=arn, RoleSessionName="once")["Credentials"])
    enforced.client("sqs", **held).list_queues()
    assert report(iam, arn)["sqs"]["LastAuthenticatedEntity"] == arn
    iam.delete_role_policy(RoleName="advised-role", PolicyName="p")
    iam.delete_role(RoleName="advised-role")
    assert make() == arn
    assert "LastAuthenticated" not in report(iam, arn)["sqs"]


def test_what_there_is_not(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    generate = iam.generate_service_last_accessed_details
    assert refusal(generate, Arn=f"arn:aws:iam::{HOME}:user/nobody-at-all")[0] == "NoSuchEntity"
    assert refusal(generate, Arn=f"arn:aws:iam::{HOME}:mfa/nobody-at-all")[0] == "InvalidInput"
    unknown = "12345678-1234-1234-1234-123456789012"
    assert refusal(iam.get_service_last_accessed_details, JobId=unknown)[0] == "NoSuchEntity"
