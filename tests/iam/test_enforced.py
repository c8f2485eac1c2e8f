"""Enforcement over the network, as clients meet it: boto3 against a server that trusts nobody."""

from __future__ import annotations

import httpx
import pytest
from botocore.config import Config
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, session, user

from forecourt.testing import Forecourt


def test_strangers_are_refused(enforced: Forecourt) -> None:
    assert refusal(enforced.client("sts").get_caller_identity)[:2] == ("InvalidClientTokenId", 403)
    assert refusal(enforced.client("stepfunctions").list_state_machines)[:2] == ("UnrecognizedClientException", 400)
    wrong = {**ROOT, "aws_secret_access_key": "guess"}
    assert refusal(enforced.client("sts", **wrong).get_caller_identity)[:2] == ("SignatureDoesNotMatch", 403)
    assert enforced.client("sts", **ROOT).get_caller_identity()["Arn"] == f"arn:aws:iam::{HOME}:root"


def test_a_user_may_do_what_its_policies_allow(enforced: Forecourt) -> None:
    ann = user(
        enforced, "ann", policy(allow("states:ListStateMachines"), allow("iam:GetUser", "arn:aws:iam::*:user/ann"))
    )
    assert enforced.client("sts", **ann).get_caller_identity()["Arn"] == f"arn:aws:iam::{HOME}:user/ann"
    assert "stateMachines" in enforced.client("stepfunctions", **ann).list_state_machines()
    assert enforced.client("iam", **ann).get_user()["User"]["UserName"] == "ann"
    code, status, message = refusal(enforced.client("iam", **ann).get_user, UserName="bob")
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: arn:aws:iam::{HOME}:user/ann is not authorized to perform: iam:GetUser on resource: "
        f"arn:aws:iam::{HOME}:user/bob because no identity-based policy allows the iam:GetUser action"
    )
    code, status, _ = refusal(enforced.client("dynamodb", **ann).list_tables)
    assert (code, status) == ("AccessDeniedException", 400)
    assert refusal(enforced.client("lambda", **ann).list_functions)[:2] == ("AccessDeniedException", 403)
    assert refusal(enforced.client("s3", **ann).list_buckets)[:2] == ("AccessDenied", 403)
    assert refusal(enforced.client("sqs", **ann).list_queues)[0] in ("AccessDenied", "AccessDeniedException")
    enforced.client("iam", **ROOT).put_user_policy(
        UserName="ann", PolicyName="p0", PolicyDocument=policy({**allow("*"), "Effect": "Deny"})
    )
    message = refusal(enforced.client("stepfunctions", **ann).list_state_machines)[2]
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_groups_managed_policies_and_boundaries_count_at_once(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    bea = user(enforced, "bea")
    pools = enforced.client("cognito-idp", **bea)
    assert refusal(pools.list_user_pools, MaxResults=1)[0] == "AccessDeniedException"
    arn = iam.create_policy(PolicyName="pools", PolicyDocument=policy(allow("cognito-idp:*")))["Policy"]["Arn"]
    iam.create_group(GroupName="pool-admins")
    iam.attach_group_policy(GroupName="pool-admins", PolicyArn=arn)
    iam.add_user_to_group(GroupName="pool-admins", UserName="bea")
    assert "UserPools" in pools.list_user_pools(MaxResults=1)
    iam.put_user_permissions_boundary(
        UserName="bea", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    )
    message = refusal(pools.list_user_pools, MaxResults=1)[2]
    assert message.endswith("because no permissions boundary allows the cognito-idp:ListUserPools action")


def test_roles_sessions_and_their_end(enforced: Forecourt) -> None:
    iam = enforced.client("iam", **ROOT)
    cat = user(enforced, "cat", policy(allow("sts:AssumeRole", f"arn:aws:iam::{HOME}:role/lister")))
    trust = policy({"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "sts:AssumeRole"})
    for name in ("lister", "other"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="lister", PolicyName="p", PolicyDocument=policy(allow("states:List*")))
    sts = enforced.client("sts", **cat)
    other = f"arn:aws:iam::{HOME}:role/other"
    assert refusal(sts.assume_role, RoleArn=other, RoleSessionName="s1")[0] == "AccessDenied"
    found = sts.assume_role(RoleArn=f"arn:aws:iam::{HOME}:role/lister", RoleSessionName="s1")["Credentials"]
    mine = session(found)
    identity = enforced.client("sts", **mine).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{HOME}:assumed-role/lister/s1"
    enforced.client("stepfunctions", **mine).list_activities()
    assert refusal(enforced.client("stepfunctions", **mine).create_activity, name="a")[0] == "AccessDeniedException"
    tampered = {**mine, "aws_session_token": mine["aws_session_token"][:-6] + "AAAAA="}
    assert refusal(enforced.client("sts", **tampered).get_caller_identity)[0] == "InvalidClientTokenId"
    narrowed = sts.assume_role(
        RoleArn=f"arn:aws:iam::{HOME}:role/lister", RoleSessionName="s1", Policy=policy(allow("states:ListActivities"))
    )["Credentials"]
    enforced.client("stepfunctions", **session(narrowed)).list_activities()
    message = refusal(enforced.client("stepfunctions", **session(narrowed)).list_state_machines)[2]
    assert message.endswith("because no session policy allows the states:ListStateMachines action")
    enforced.advance_clock(3601)
    assert refusal(enforced.client("sts", **mine).get_caller_identity)[:2] == ("ExpiredToken", 403)


def test_nobody_hands_a_service_a_role_without_pass_role(enforced: Forecourt) -> None:
    """Whoever may create functions but not pass the role would get everything that the role may do."""
    role = f"arn:aws:iam::{HOME}:role/admin"
    dan = user(enforced, "dan", policy(allow("states:*")))
    params = {
        "name": "m",
        "roleArn": role,
        "definition": '{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}',
    }
    code, _, message = refusal(enforced.client("stepfunctions", **dan).create_state_machine, **params)
    assert code == "AccessDeniedException"
    assert f"is not authorized to perform: iam:PassRole on resource: {role}" in message
    enforced.client("iam", **ROOT).put_user_policy(
        UserName="dan",
        PolicyName="pass",
        PolicyDocument=policy(
            allow("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
        ),
    )
    assert refusal(enforced.client("stepfunctions", **dan).create_state_machine, **params)[0] == "AccessDeniedException"


def test_issued_credentials_are_verified_where_strangers_are_trusted(server: Forecourt) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="enforced-eve")
    key = iam.create_access_key(UserName="enforced-eve")["AccessKey"]
    eve = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assert refusal(server.client("lambda", **eve).list_functions)[0] == "AccessDeniedException"
    forged = {**eve, "aws_secret_access_key": "guess"}
    assert refusal(server.client("sts", **forged).get_caller_identity)[0] == "SignatureDoesNotMatch"
    iam.delete_access_key(UserName="enforced-eve", AccessKeyId=key["AccessKeyId"])
    assert refusal(server.client("sts", **eve).get_caller_identity)[0] == "InvalidClientTokenId"
    assert server.client("sts", account="123456789012").get_caller_identity()["Account"] == "123456789012"


def test_when_a_key_was_used_last(enforced: Forecourt) -> None:
    ned = user(enforced, "ned", policy(allow("states:ListActivities")))
    iam = enforced.client("iam", **ROOT)
    asked = {"AccessKeyId": ned["aws_access_key_id"]}
    assert iam.get_access_key_last_used(**asked)["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    forged = {**ned, "aws_secret_access_key": "guess"}
    refusal(enforced.client("stepfunctions", **forged).list_activities)
    assert "LastUsedDate" not in iam.get_access_key_last_used(**asked)["AccessKeyLastUsed"]
    enforced.client("stepfunctions", region="eu-west-1", **ned).list_activities()
    found = iam.get_access_key_last_used(**asked)
    used = found["AccessKeyLastUsed"]
    assert (found["UserName"], used["ServiceName"], used["Region"]) == ("ned", "states", "eu-west-1")
    assert used["LastUsedDate"] is not None
    enforced.client("sts", **ned).get_caller_identity()
    assert iam.get_access_key_last_used(**asked)["AccessKeyLastUsed"]["ServiceName"] == "sts"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(enforced: Forecourt, version: str) -> None:
    bucket = f"presigned-{version}"
    mia = user(enforced, f"mia-{version}", policy(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/open/*")))
    root = enforced.client("s3", **ROOT)
    root.create_bucket(Bucket=bucket)
    for key in ("open/a b", "closed/a"):
        root.put_object(Bucket=bucket, Key=key, Body=b"content")
    signer = enforced.client("s3", **mia, config=Config(signature_version=version))

    def fetch(key: str) -> httpx.Response:
        return httpx.get(signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))

    assert (fetch("open/a b").status_code, fetch("open/a b").content) == (200, b"content")
    assert fetch("closed/a").status_code == 403
    changed = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "open/x"})
    assert "SignatureDoesNotMatch" in httpx.get(changed.replace("/open/x", "/open/a%20b")).text


def test_a_users_own_session_is_kept_from_iam(enforced: Forecourt) -> None:
    """It could make itself a key that lasts."""
    everything = policy(allow("*"))
    owner = enforced.client("sts", **user(enforced, "lasting", everything))
    for found in (owner.get_session_token(), owner.get_federation_token(Name="guest", Policy=everything)):
        mine = session(found["Credentials"])
        enforced.client("stepfunctions", **mine).list_activities()
        answer = refusal(enforced.client("iam", **mine).create_access_key, UserName="lasting")
        assert answer == ("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
