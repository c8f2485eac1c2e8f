"""IAM's operations: what they keep, what they refuse, and in whose words."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from tests.iam.world import ACCOUNT, World

from forecourt.auth.policy import Effect
from forecourt.base.errors import ServiceError
from forecourt.services.iam.model import ManagedPolicy
from forecourt.store import Tx

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
EVERYTHING = ALLOW.replace("s3:*", "*")
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
)
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


async def refused(world: World, operation: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await world.iam_call(operation, **params)
    return caught.value.code.removesuffix("Exception"), caught.value.message


async def test_users(world: World) -> None:
    made = (await world.iam_call("CreateUser", UserName="Ann", Path="/dev/", Tags=[{"Key": "t", "Value": "v"}]))["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/dev/Ann"
    assert made["UserId"].startswith("AIDA")
    assert len(made["UserId"]) == 21
    assert (await world.iam_call("GetUser", UserName="ann"))["User"] == made
    assert await refused(world, "CreateUser", UserName="ANN") == (
        "EntityAlreadyExists",
        "User with name ANN already exists.",
    )
    assert await refused(world, "GetUser", UserName="bob") == (
        "NoSuchEntity",
        "The user with name bob cannot be found.",
    )
    await world.iam_call("UpdateUser", UserName="Ann", NewUserName="Anna", NewPath="/")
    listed = (await world.iam_call("ListUsers", PathPrefix="/"))["Users"]
    assert [user["Arn"] for user in listed] == [f"arn:aws:iam::{ACCOUNT}:user/Anna"]
    await world.iam_call("TagUser", UserName="Anna", Tags=[{"Key": "u", "Value": "w"}])
    await world.iam_call("UntagUser", UserName="Anna", TagKeys=["t"])
    assert (await world.iam_call("ListUserTags", UserName="Anna"))["Tags"] == [{"Key": "u", "Value": "w"}]
    await world.iam_call("DeleteUser", UserName="Anna")
    assert (await world.iam_call("ListUsers"))["Users"] == []


async def test_pages(world: World) -> None:
    for number in range(5):
        await world.iam_call("CreateGroup", GroupName=f"g{number}")
    first = await world.iam_call("ListGroups", MaxItems=3)
    assert first["IsTruncated"]
    second = await world.iam_call("ListGroups", MaxItems=3, Marker=first["Marker"])
    assert not second["IsTruncated"]
    assert [group["GroupName"] for group in first["Groups"] + second["Groups"]] == [f"g{n}" for n in range(5)]
    assert await refused(world, "ListGroups", Marker="nonsense") == ("ValidationError", "Invalid Marker.")


async def test_a_user_that_is_used_is_not_deleted(world: World) -> None:
    await world.iam_call("CreateUser", UserName="ann")
    await world.iam_call("CreateGroup", GroupName="devs")
    steps = [
        ("AttachUserPolicy", "DetachUserPolicy", {"PolicyArn": BASIC}, "must detach all policies first."),
        ("AddUserToGroup", "RemoveUserFromGroup", {"GroupName": "devs"}, "must remove users from group first."),
        ("CreateLoginProfile", "DeleteLoginProfile", {}, "must delete login profile first."),
    ]
    for make, unmake, params, words in steps:
        password = {"Password": "a-long-Passw0rd"} if make == "CreateLoginProfile" else {}
        await world.iam_call(make, UserName="ann", **params, **password)
        assert await refused(world, "DeleteUser", UserName="ann") == (
            "DeleteConflict",
            f"Cannot delete entity, {words}",
        )
        await world.iam_call(unmake, UserName="ann", **params)
    await world.iam_call("PutUserPolicy", UserName="ann", PolicyName="p", PolicyDocument=ALLOW)
    assert (await refused(world, "DeleteUser", UserName="ann"))[
        1
    ] == "Cannot delete entity, must delete policies first."
    await world.iam_call("DeleteUserPolicy", UserName="ann", PolicyName="p")
    key = (await world.iam_call("CreateAccessKey", UserName="ann"))["AccessKey"]["AccessKeyId"]
    assert "access keys" in (await refused(world, "DeleteUser", UserName="ann"))[1]
    await world.iam_call("DeleteAccessKey", UserName="ann", AccessKeyId=key)
    await world.iam_call("DeleteUser", UserName="ann")


async def test_groups(world: World) -> None:
    await world.iam_call("CreateGroup", GroupName="devs")
    for name in ("ann", "bob"):
        await world.iam_call("CreateUser", UserName=name)
        await world.iam_call("AddUserToGroup", UserName=name, GroupName="devs")
    found = await world.iam_call("GetGroup", GroupName="devs")
    assert [user["UserName"] for user in found["Users"]] == ["ann", "bob"]
    await world.iam_call("UpdateGroup", GroupName="devs", NewGroupName="engineers")
    groups = await world.iam_call("ListGroupsForUser", UserName="ann")
    assert [group["GroupName"] for group in groups["Groups"]] == ["engineers"]
    assert (await refused(world, "DeleteGroup", GroupName="engineers"))[0] == "DeleteConflict"
    for name in ("ann", "bob"):
        await world.iam_call("RemoveUserFromGroup", UserName=name, GroupName="engineers")
    await world.iam_call("DeleteGroup", GroupName="engineers")


async def test_roles(world: World) -> None:
    made = await world.iam_call(
        "CreateRole",
        RoleName="runner",
        AssumeRolePolicyDocument=TRUST,
        Path="/app/",
        MaxSessionDuration=7200,
        Description="runs",
    )
    role = made["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/app/runner"
    assert json.loads(unquote(role["AssumeRolePolicyDocument"])) == json.loads(TRUST)
    await world.iam_call("PutRolePolicy", RoleName="runner", PolicyName="inline", PolicyDocument=ALLOW)
    await world.iam_call("AttachRolePolicy", RoleName="runner", PolicyArn=BASIC)
    attached = await world.iam_call("ListAttachedRolePolicies", RoleName="runner")
    assert attached["AttachedPolicies"] == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    assert (await world.iam_call("ListRolePolicies", RoleName="runner"))["PolicyNames"] == ["inline"]
    assert await refused(world, "GetRolePolicy", RoleName="runner", PolicyName="x") == (
        "NoSuchEntity",
        "The role policy with name x cannot be found.",
    )
    assert await refused(world, "AttachRolePolicy", RoleName="runner", PolicyArn="arn:aws:iam::aws:policy/Nothing") == (
        "NoSuchEntity",
        "Policy arn:aws:iam::aws:policy/Nothing does not exist or is not attachable.",
    )
    assert await refused(world, "CreateRole", RoleName="bad", AssumeRolePolicyDocument=ALLOW) == (
        "MalformedPolicyDocument",
        "AssumeRole policy may only specify STS AssumeRole actions.",
    )
    await world.iam_call("CreateInstanceProfile", InstanceProfileName="ip")
    await world.iam_call("AddRoleToInstanceProfile", InstanceProfileName="ip", RoleName="runner")
    profiles = await world.iam_call("ListInstanceProfilesForRole", RoleName="runner")
    assert profiles["InstanceProfiles"][0]["Roles"][0]["RoleName"] == "runner"
    assert (await refused(world, "DeleteRole", RoleName="runner"))[1] == (
        "Cannot delete entity, must remove roles from instance profile first."
    )
    await world.iam_call("RemoveRoleFromInstanceProfile", InstanceProfileName="ip", RoleName="runner")
    await world.iam_call("DetachRolePolicy", RoleName="runner", PolicyArn=BASIC)
    await world.iam_call("DeleteRolePolicy", RoleName="runner", PolicyName="inline")
    await world.iam_call("DeleteRole", RoleName="runner")


async def test_service_linked_roles(world: World) -> None:
    role = (await world.iam_call("CreateServiceLinkedRole", AWSServiceName="ops.apigateway.amazonaws.com"))["Role"]
    assert role["Path"] == "/aws-service-role/ops.apigateway.amazonaws.com/"
    assert role["RoleName"] == "AWSServiceRoleForAPIGateway"
    error, _ = await refused(world, "PutRolePolicy", RoleName=role["RoleName"], PolicyName="p", PolicyDocument=ALLOW)
    assert error == "UnmodifiableEntity"
    task = (await world.iam_call("DeleteServiceLinkedRole", RoleName=role["RoleName"]))["DeletionTaskId"]
    assert (await world.iam_call("GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task))["Status"] == "SUCCEEDED"
    assert (await world.iam_call("ListRoles"))["Roles"] == []


async def test_managed_policies_and_versions(world: World) -> None:
    policy = (await world.iam_call("CreatePolicy", PolicyName="read", PolicyDocument=ALLOW, Path="/x/"))["Policy"]
    arn = policy["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/x/read"
    for number in range(2, 6):
        version = await world.iam_call("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ALLOW, SetAsDefault=True)
        assert version["PolicyVersion"]["VersionId"] == f"v{number}"
    assert (await refused(world, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ALLOW))[0] == "LimitExceeded"
    assert (await world.iam_call("GetPolicy", PolicyArn=arn))["Policy"]["DefaultVersionId"] == "v5"
    assert await refused(world, "DeletePolicyVersion", PolicyArn=arn, VersionId="v5") == (
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    )
    await world.iam_call("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1")
    for number in range(2, 6):
        await world.iam_call("DeletePolicyVersion", PolicyArn=arn, VersionId=f"v{number}")
    await world.iam_call("CreateUser", UserName="ann", PermissionsBoundary=arn)
    await world.iam_call("AttachUserPolicy", UserName="ann", PolicyArn=arn)
    shown = (await world.iam_call("GetPolicy", PolicyArn=arn))["Policy"]
    assert (shown["AttachmentCount"], shown["PermissionsBoundaryUsageCount"]) == (1, 1)
    entities = await world.iam_call("ListEntitiesForPolicy", PolicyArn=arn)
    assert [user["UserName"] for user in entities["PolicyUsers"]] == ["ann"]
    assert (await refused(world, "DeletePolicy", PolicyArn=arn))[1] == "Cannot delete a policy attached to entities."
    await world.iam_call("DetachUserPolicy", UserName="ann", PolicyArn=arn)
    await world.iam_call("DeleteUserPermissionsBoundary", UserName="ann")
    await world.iam_call("DeletePolicy", PolicyArn=arn)
    assert await refused(world, "GetPolicy", PolicyArn=arn) == ("NoSuchEntity", f"Policy {arn} was not found.")


async def test_awss_own_policies_are_there(world: World) -> None:
    policy = (await world.iam_call("GetPolicy", PolicyArn=BASIC))["Policy"]
    found = await world.iam_call("GetPolicyVersion", PolicyArn=BASIC, VersionId=policy["DefaultVersionId"])
    assert "logs:PutLogEvents" in unquote(found["PolicyVersion"]["Document"])
    local = await world.iam_call("ListPolicies", Scope="Local")
    assert local["Policies"] == []
    service_role = await world.iam_call("ListPolicies", Scope="AWS", PathPrefix="/service-role/", MaxItems=1000)
    assert "AmazonAPIGatewayPushToCloudWatchLogs" in {policy["PolicyName"] for policy in service_role["Policies"]}


async def test_access_keys_sign_until_they_are_inactive(world: World) -> None:
    await world.iam_call("CreateUser", UserName="ann")
    key = (await world.iam_call("CreateAccessKey", UserName="ann"))["AccessKey"]
    source = world.iam.credential_source
    found = await source.access_key(key["AccessKeyId"])
    assert found is not None
    assert found[0] == key["SecretAccessKey"]
    assert found[1].arn.endswith(":user/ann")
    await world.iam_call("UpdateAccessKey", UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert await source.access_key(key["AccessKeyId"]) is None
    assert (await world.iam_call("CreateAccessKey", UserName="ann"))["AccessKey"]
    assert await refused(world, "CreateAccessKey", UserName="ann") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    used = await world.iam_call("GetAccessKeyLastUsed", AccessKeyId=key["AccessKeyId"])
    assert used == {"UserName": "ann", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}


async def test_the_first_administrator_is_made_once(world: World) -> None:
    made = await world.iam.first_administrator()
    assert made is not None
    found = await world.iam.credential_source.access_key(made[0])
    assert found is not None
    assert (found[0], found[1].kind) == (made[1], "root")
    assert await world.iam.first_administrator() is None


async def test_the_account(world: World) -> None:
    await world.iam_call("CreateAccountAlias", AccountAlias="shop")
    assert (await world.iam_call("ListAccountAliases"))["AccountAliases"] == ["shop"]
    await world.iam_call("DeleteAccountAlias", AccountAlias="shop")
    assert (await refused(world, "GetAccountPasswordPolicy"))[0] == "NoSuchEntity"
    await world.iam_call("UpdateAccountPasswordPolicy", MinimumPasswordLength=12, RequireNumbers=True)
    policy = (await world.iam_call("GetAccountPasswordPolicy"))["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["RequireNumbers"], policy["ExpirePasswords"]) == (12, True, False)
    await world.iam_call("CreateUser", UserName="ann")
    assert await refused(world, "CreateLoginProfile", UserName="ann", Password="short1") == (
        "PasswordPolicyViolation",
        "Password should have a minimum length of 12",
    )
    summary = (await world.iam_call("GetAccountSummary"))["SummaryMap"]
    assert (summary["Users"], summary["Roles"]) == (1, 0)
    await world.iam_call("PutUserPolicy", UserName="ann", PolicyName="p", PolicyDocument=ALLOW)
    details = await world.iam_call("GetAccountAuthorizationDetails", Filter=["User"])
    assert details["UserDetailList"][0]["UserPolicyList"][0]["PolicyName"] == "p"
    assert (await world.iam_call("GenerateCredentialReport"))["State"] == "STARTED"
    assert b"ann," in (await world.iam_call("GetCredentialReport"))["Content"]


async def test_identity_providers(world: World) -> None:
    made = await world.iam_call("CreateOpenIDConnectProvider", Url="https://idp.example.com/x", ClientIDList=["app"])
    arn = made["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com/x"
    await world.iam_call("AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID="web")
    assert (await world.iam_call("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn))["ClientIDList"] == [
        "app",
        "web",
    ]
    await world.iam_call("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
    assert (await world.iam_call("ListOpenIDConnectProviders"))["OpenIDConnectProviderList"] == []
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>' + " " * 1000
    assert await refused(world, "CreateSAMLProvider", Name="idp", SAMLMetadataDocument=bomb) == (
        "InvalidInput",
        "Could not parse metadata",
    )


async def test_simulation_tells_what_the_engine_would_do(world: World) -> None:
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "s3:GetObject",
                    "Resource": "arn:aws:s3:::b/${aws:username}/*",
                    "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}},
                }
            ],
        }
    )
    await world.user("ann", policy)
    arn = f"arn:aws:iam::{ACCOUNT}:user/ann"
    entries = [
        {"ContextKeyName": "aws:username", "ContextKeyValues": ["ann"], "ContextKeyType": "string"},
        {"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": ["blue"], "ContextKeyType": "string"},
    ]
    asked = {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::b/ann/x"]}
    (result,) = (await world.iam_call("SimulatePrincipalPolicy", **asked, ContextEntries=entries))["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    (matched,) = result["MatchedStatements"]
    assert matched["SourcePolicyId"] == "p0"
    assert matched["StartPosition"] == {"Line": 1, "Column": policy.index("[") + 2}
    assert matched["EndPosition"] == {"Line": 1, "Column": policy.index("]") + 1}
    (result,) = (await world.iam_call("SimulatePrincipalPolicy", **asked))["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("implicitDeny", ["aws:PrincipalTag/team"])
    keys = await world.iam_call("GetContextKeysForPrincipalPolicy", PolicySourceArn=arn)
    assert keys["ContextKeyNames"] == ["aws:PrincipalTag/team", "aws:username"]
    custom = await world.iam_call("SimulateCustomPolicy", PolicyInputList=[ALLOW], ActionNames=["s3:x", "sqs:y"])
    assert [found["EvalDecision"] for found in custom["EvaluationResults"]] == ["allowed", "implicitDeny"]
    boundary = await world.iam_call(
        "SimulateCustomPolicy",
        PolicyInputList=[ALLOW],
        ActionNames=["s3:x"],
        PermissionsBoundaryPolicyInputList=[ALLOW.replace("s3", "sqs")],
    )
    assert boundary["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


async def test_policies_see_paths_and_tags_of_what_a_call_is_about(world: World) -> None:
    tags = [{"Key": "team", "Value": "blue"}]
    await world.iam_call("CreateUser", UserName="ann", Path="/blue/", Tags=tags)
    for statement in (
        {"Resource": f"arn:aws:iam::{ACCOUNT}:user/blue/*"},
        {"Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}}},
    ):
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:GetUser", **statement}}
        name = f"boss{len(json.dumps(statement))}"
        boss = await world.user(name, json.dumps(document))
        world.authorizer.register_finish("iam", world.iam.whole_arns.finish)
        await world.authorizer.authorize(boss, "iam:GetUser", f"arn:aws:iam::{ACCOUNT}:user/ann", {})
        with pytest.raises(ServiceError):
            await world.authorizer.authorize(boss, "iam:GetUser", boss.arn, {})


async def test_a_kept_policy_that_cannot_be_read_denies(world: World) -> None:
    """What it denied, or how it bounded, is no longer known."""
    pia = await world.user("pia", EVERYTHING)
    made = await world.iam_call("CreatePolicy", PolicyName="kept", PolicyDocument=ALLOW)
    arn = made["Policy"]["Arn"]
    await world.authorizer.authorize(pia, "s3:GetObject", "*", {})

    async def denied() -> bool:
        return (await world.authorizer.decide(pia, "s3:GetObject", "*", {})).effect is Effect.EXPLICIT_DENY

    def broken(tx: Tx) -> None:
        found = tx.get(ManagedPolicy, ACCOUNT, "kept")
        assert found is not None
        found.versions[0].document = '{"Statement": {"Effect": "Deny", "NewElement": 1}}'
        tx.put(found)

    await world.store.write(broken)
    assert not await denied()
    await world.iam_call("AttachUserPolicy", UserName="pia", PolicyArn=arn)
    assert await denied()
    await world.iam_call("DetachUserPolicy", UserName="pia", PolicyArn=arn)
    await world.iam_call("PutUserPermissionsBoundary", UserName="pia", PermissionsBoundary=arn)
    assert await denied()


async def test_quotas(world: World) -> None:
    def policy_of(size: int) -> str:
        start = ALLOW.replace("s3:*", "s3:")
        return start.replace("s3:", "s3:" + "x" * (size - len("".join(start.split()))))

    await world.iam_call("CreateUser", UserName="big")
    put = {"UserName": "big", "PolicyName": "one"}
    await world.iam_call("PutUserPolicy", **put, PolicyDocument=policy_of(2048))
    second = {**put, "PolicyName": "two", "PolicyDocument": ALLOW}
    assert await refused(world, "PutUserPolicy", **second) == (
        "LimitExceeded",
        "Maximum policy size of 2048 bytes exceeded for user big",
    )
    assert (await refused(world, "CreatePolicy", PolicyName="p", PolicyDocument=policy_of(6145)))[0] == "LimitExceeded"
    await world.iam_call("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    long = TRUST.replace('"sts:AssumeRole"', json.dumps(["sts:AssumeRole"] * 200))
    quota = ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
    assert await refused(world, "UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=long) == quota
    for number in range(100):
        await world.iam_call("CreateOpenIDConnectProvider", Url=f"https://idp{number}.example.com")
    assert await refused(world, "CreateOpenIDConnectProvider", Url="https://one-more.example.com") == (
        "LimitExceeded",
        "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100",
    )


async def test_nobody_but_aws_modifies_a_service_linked_role(world: World) -> None:
    made = await world.iam_call("CreateServiceLinkedRole", AWSServiceName="ecs.amazonaws.com")
    name = {"RoleName": made["Role"]["RoleName"]}
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    calls: dict[str, dict[str, Any]] = {
        "PutRolePolicy": {"PolicyName": "p", "PolicyDocument": ALLOW},
        "DeleteRolePolicy": {"PolicyName": "p"},
        "AttachRolePolicy": {"PolicyArn": arn},
        "DetachRolePolicy": {"PolicyArn": arn},
        "PutRolePermissionsBoundary": {"PermissionsBoundary": arn},
        "DeleteRolePermissionsBoundary": {},
        "UpdateAssumeRolePolicy": {"PolicyDocument": TRUST},
        "UpdateRole": {},
    }
    answers = {operation: (await refused(world, operation, **name, **more))[0] for operation, more in calls.items()}
    assert answers == dict.fromkeys(calls, "UnmodifiableEntity")


async def test_passwords_change_and_do_not_come_back(world: World) -> None:
    ann = await world.user("ann")
    first, second, third = ("Correct-Horse-1", "Correct-Horse-2", "Correct-Horse-3")
    await world.iam_call("CreateLoginProfile", UserName="ann", Password=first)
    await world.iam_call("UpdateAccountPasswordPolicy", MinimumPasswordLength=8, PasswordReusePrevention=2)

    async def change(old: str, new: str) -> str:
        try:
            await world.call("iam", "ChangePassword", ann, OldPassword=old, NewPassword=new)
        except ServiceError as refusal:
            return str(refusal.code).removesuffix("Exception")
        return ""

    assert await change("guess", second) == "InvalidUserType"
    assert await change(first, first) == "PasswordPolicyViolation"
    assert await change(first, second) == ""
    assert await change(first, third) == "InvalidUserType"
    assert await change(second, first) == "PasswordPolicyViolation"
    reset = {"UserName": "ann", "Password": first}
    assert (await refused(world, "UpdateLoginProfile", **reset))[0] == "PasswordPolicyViolation"
    assert await change(second, third) == ""
    await world.iam_call("UpdateLoginProfile", **reset)
    with pytest.raises(ServiceError):
        await world.call("iam", "ChangePassword", OldPassword=first, NewPassword=second)


async def test_what_is_in_the_account(world: World) -> None:
    await world.user("ann", ALLOW)
    await world.iam_call("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await world.iam_call("AttachRolePolicy", RoleName="r", PolicyArn=BASIC)
    await world.iam_call("CreatePolicy", PolicyName="own", PolicyDocument=ALLOW)

    async def details(*wanted: str) -> dict[str, list[str]]:
        found = await world.iam_call("GetAccountAuthorizationDetails", **({"Filter": list(wanted)} if wanted else {}))
        lists = {"UserDetailList": "UserName", "RoleDetailList": "RoleName", "Policies": "PolicyName"}
        return {member: [entry[name] for entry in found[member]] for member, name in lists.items() if found[member]}

    local, aws = ["own"], ["AWSLambdaBasicExecutionRole"]
    every = await details()
    assert sorted(every.pop("Policies")) == sorted([*local, *aws])
    assert every == {"UserDetailList": ["ann"], "RoleDetailList": ["r"]}
    assert await details("LocalManagedPolicy") == {"Policies": local}
    assert await details("AWSManagedPolicy") == {"Policies": aws}
    assert await details("User", "Role") == every
    pages, marker = [], {}
    while True:
        page = await world.iam_call("GetAccountAuthorizationDetails", MaxItems=1, **marker)
        pages.append(sum(len(page[member]) for member in ("UserDetailList", "RoleDetailList", "Policies")))
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert pages == [1, 1, 1, 1]


async def test_keys_of_tags_are_one_whatever_their_case(world: World) -> None:
    tag = [{"Key": "Team", "Value": "blue"}]
    await world.iam_call("CreateUser", UserName="tagged", Tags=tag)
    await world.iam_call("TagUser", UserName="tagged", Tags=[{"Key": "team", "Value": "red"}])
    assert (await world.iam_call("ListUserTags", UserName="tagged"))["Tags"] == [{"Key": "team", "Value": "red"}]
    twice = [*tag, {"Key": "TEAM", "Value": "x"}]
    assert (await refused(world, "TagUser", UserName="tagged", Tags=twice))[0] == "InvalidInput"


async def test_only_actions_are_simulated(world: World) -> None:
    for action in ("GetObject", "s3:", ":GetObject"):
        params = {"PolicyInputList": [ALLOW], "ActionNames": [action]}
        assert (await refused(world, "SimulateCustomPolicy", **params))[0] == "InvalidInput"
