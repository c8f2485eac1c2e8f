"""The API's nouns: pools, clients, groups, users, aliases, addresses, imports, protection."""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import pytest
from tests.cognito.conftest import PASSWORD, Cloud, raises

from forecourt.base.call import CallContext, operations
from forecourt.base.principal import root
from forecourt.services.cognito import tokens
from forecourt.services.cognito.model import Grant
from forecourt.store import Tx
from forecourt.testing import free_port


async def test_a_pool_has_awss_defaults(cloud: Cloud) -> None:
    pool = await cloud.pool(PoolName="first", Policies={"PasswordPolicy": {"MinimumLength": 10}})
    shown = (await cloud("DescribeUserPool", UserPoolId=pool))["UserPool"]
    assert shown["Arn"] == f"arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool}"
    assert shown["Policies"]["PasswordPolicy"] == {
        "MinimumLength": 10,
        "RequireUppercase": False,
        "RequireLowercase": False,
        "RequireNumbers": False,
        "RequireSymbols": False,
        "TemporaryPasswordValidityDays": 7,
    }
    assert shown["MfaConfiguration"] == "OFF"
    assert shown["EmailConfiguration"] == {"EmailSendingAccount": "COGNITO_DEFAULT"}
    assert shown["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": False, "UnusedAccountValidityDays": 7}
    assert shown["VerificationMessageTemplate"] == {"DefaultEmailOption": "CONFIRM_WITH_CODE"}
    assert shown["UserPoolTier"] == "ESSENTIALS"
    assert shown["EstimatedNumberOfUsers"] == 0
    with raises("ResourceNotFoundException", f"User pool {pool} does not exist."):
        context = CallContext(principal=root(), region="eu-west-1", request_id="r")
        await operations(*cloud.pools.apis)["DescribeUserPool"](context, {"UserPoolId": pool})


async def test_updating_a_pool_replaces_its_settings(cloud: Cloud) -> None:
    pool = await cloud.pool(
        AutoVerifiedAttributes=["email"],
        AliasAttributes=["email"],
        UserPoolTags={"team": "a"},
        DeletionProtection="ACTIVE",
    )
    with raises(
        "InvalidParameterException", "The user pool cannot be deleted because deletion protection is activated."
    ):
        await cloud("DeleteUserPool", UserPoolId=pool)
    await cloud("UpdateUserPool", UserPoolId=pool, EmailVerificationSubject="Hello")
    shown = (await cloud("DescribeUserPool", UserPoolId=pool))["UserPool"]
    assert "AutoVerifiedAttributes" not in shown
    assert shown["AliasAttributes"] == ["email"]
    assert shown["VerificationMessageTemplate"]["EmailSubject"] == "Hello"
    assert shown["UserPoolTags"] == {"team": "a"}
    await cloud("TagResource", ResourceArn=shown["Arn"], Tags={"cost": "1"})
    await cloud("UntagResource", ResourceArn=shown["Arn"], TagKeys=["team"])
    assert (await cloud("ListTagsForResource", ResourceArn=shown["Arn"]))["Tags"] == {"cost": "1"}
    await cloud("DeleteUserPool", UserPoolId=pool)
    with raises("ResourceNotFoundException"):
        await cloud("DescribeUserPool", UserPoolId=pool)


async def test_custom_attributes(cloud: Cloud) -> None:
    pool = await cloud.pool()
    plan = {"Name": "plan", "AttributeDataType": "String", "Mutable": True}
    await cloud("AddCustomAttributes", UserPoolId=pool, CustomAttributes=[plan])
    with raises("InvalidParameterException", "custom:plan: Existing attribute already has name"):
        await cloud("AddCustomAttributes", UserPoolId=pool, CustomAttributes=[plan])
    await cloud.user(pool, **{"custom:plan": "gold"})
    found = await cloud("ListUsers", UserPoolId=pool, AttributesToGet=["custom:plan"])
    assert found["Users"][0]["Attributes"] == [{"Name": "custom:plan", "Value": "gold"}]


async def test_groups(cloud: Cloud) -> None:
    pool = await cloud.pool()
    await cloud.user(pool)
    for name in ("b", "a"):
        await cloud("CreateGroup", UserPoolId=pool, GroupName=name)
        await cloud("AdminAddUserToGroup", UserPoolId=pool, GroupName=name, Username="anna")
    with raises("GroupExistsException", "A group with the name already exists."):
        await cloud("CreateGroup", UserPoolId=pool, GroupName="a")
    first = await cloud("AdminListGroupsForUser", UserPoolId=pool, Username="anna", Limit=1)
    second = await cloud("AdminListGroupsForUser", UserPoolId=pool, Username="anna", NextToken=first["NextToken"])
    assert [group["GroupName"] for group in first["Groups"] + second["Groups"]] == ["a", "b"]
    members = await cloud("ListUsersInGroup", UserPoolId=pool, GroupName="a")
    assert [user["Username"] for user in members["Users"]] == ["anna"]
    await cloud("DeleteGroup", UserPoolId=pool, GroupName="a")
    assert len((await cloud("AdminListGroupsForUser", UserPoolId=pool, Username="anna"))["Groups"]) == 1
    await cloud("AdminDeleteUser", UserPoolId=pool, Username="anna")
    assert (await cloud("ListUsersInGroup", UserPoolId=pool, GroupName="b"))["Users"] == []


async def test_pages_of_users(cloud: Cloud) -> None:
    pool = await cloud.pool()
    for n in range(7):
        await cloud(
            "AdminCreateUser",
            UserPoolId=pool,
            Username=f"user{n}",
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "family_name", "Value": "Reed" if n % 2 else "Rowe"}],
        )

    async def names(**filtered: Any) -> list[str]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = await cloud("ListUsers", UserPoolId=pool, Limit=2, **filtered, **token)
            assert len(page["Users"]) <= 2
            found += [user["Username"] for user in page["Users"]]
            if "PaginationToken" not in page:
                return found
            token = {"PaginationToken": page["PaginationToken"]}

    assert await names() == [f"user{n}" for n in range(7)]
    assert await names(Filter='family_name = "Reed"') == ["user1", "user3", "user5"]
    assert sorted(await names(Filter='family_name ^= "R"')) == [f"user{n}" for n in range(7)]
    assert await names(Filter='family_name = "reed"') == []
    assert await names(Filter='username = "user3"') == ["user3"]
    assert await names(Filter='cognito:user_status = "CONFIRMED"') == []
    assert await names(Filter='cognito:user_status = "force_change_password"') == [f"user{n}" for n in range(7)]
    assert await names(Filter='status = "Enabled"') == [f"user{n}" for n in range(7)]
    with raises("InvalidParameterException", "Invalid pagination token"):
        await cloud("ListUsers", UserPoolId=pool, PaginationToken="nonsense!")


async def test_names_are_folded_where_the_pool_says_so(cloud: Cloud) -> None:
    pool = await cloud.pool(UsernameConfiguration={"CaseSensitive": False})
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, "Anna")
    assert "AuthenticationResult" in await cloud.sign_in(app, "aNNa")
    assert (await cloud("AdminGetUser", UserPoolId=pool, Username="ANNA"))["Username"] == "Anna"
    with raises("UsernameExistsException", "User account already exists"):
        await cloud("AdminCreateUser", UserPoolId=pool, Username="anna")
    strict = await cloud.pool(UsernameConfiguration={"CaseSensitive": True})
    await cloud.user(strict, "Anna")
    with raises("UserNotFoundException", "User does not exist."):
        await cloud("AdminGetUser", UserPoolId=strict, Username="anna")


async def test_signing_up_by_mail_address(cloud: Cloud) -> None:
    pool = await cloud.pool(UsernameAttributes=["email"], AutoVerifiedAttributes=["email"])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    with raises("InvalidParameterException", "Username should be an email."):
        await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD)
    made = await cloud.client("SignUp", ClientId=app, Username="anna@example.com", Password=PASSWORD)
    with raises("UsernameExistsException", "An account with the given email already exists."):
        await cloud.client("SignUp", ClientId=app, Username="anna@example.com", Password=PASSWORD)
    code = cloud.code_for("anna@example.com")
    await cloud.client("ConfirmSignUp", ClientId=app, Username="anna@example.com", ConfirmationCode=code)
    for name in ("anna@example.com", made["UserSub"]):
        result = (await cloud.sign_in(app, name))["AuthenticationResult"]
        assert tokens.peek(result["IdToken"])["cognito:username"] == made["UserSub"]


async def test_a_preferred_username_that_signs_in_comes_after_the_confirmation(cloud: Cloud) -> None:
    pool = await cloud.pool(AliasAttributes=["preferred_username"])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    preferred = [{"Name": "preferred_username", "Value": "ann"}]
    refused = raises(
        "InvalidParameterException",
        "Preferred username cannot be provided for unconfirmed account, since user pool is configured for preferred "
        "username alias.",
    )
    with refused:
        await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=preferred)
    await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD)
    with refused:
        await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username="anna", UserAttributes=preferred)
    await cloud("AdminConfirmSignUp", UserPoolId=pool, Username="anna")
    await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username="anna", UserAttributes=preferred)
    assert "AuthenticationResult" in await cloud.sign_in(app, "ann")
    with raises("UsernameExistsException", "An account with the preferred_username already exists."):
        await cloud(
            "AdminCreateUser", UserPoolId=pool, Username="ben", UserAttributes=preferred, ForceAliasCreation=True
        )
    plain = await cloud.pool()
    other = await cloud.app(plain)
    await cloud.client("SignUp", ClientId=other, Username="anna", Password=PASSWORD, UserAttributes=preferred)


async def test_an_alias_moves_only_by_force(cloud: Cloud) -> None:
    pool = await cloud.pool(AliasAttributes=["email"], AutoVerifiedAttributes=["email"])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, "old", email="shared@example.com", email_verified="true")
    assert "AuthenticationResult" in await cloud.sign_in(app, "shared@example.com")
    attributes = [{"Name": "email", "Value": "shared@example.com"}]
    await cloud.client("SignUp", ClientId=app, Username="new", Password="Another-one-2", UserAttributes=attributes)
    call = {"ClientId": app, "Username": "new", "ConfirmationCode": cloud.code_for("shared@example.com")}
    with raises("AliasExistsException", "An account with the email already exists."):
        await cloud.client("ConfirmSignUp", **call)
    await cloud.client("ConfirmSignUp", ForceAliasCreation=True, **call)
    assert "AuthenticationResult" in await cloud.sign_in(app, "shared@example.com", "Another-one-2")
    old = await cloud("AdminGetUser", UserPoolId=pool, Username="old")
    assert {"Name": "email_verified", "Value": "false"} in old["UserAttributes"]


async def test_a_new_address_is_verified(cloud: Cloud) -> None:
    pool = await cloud.pool(
        AutoVerifiedAttributes=["email"],
        UserAttributeUpdateSettings={"AttributesRequireVerificationBeforeUpdate": ["email"]},
    )
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="old@example.com", email_verified="true")
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]
    sent = await cloud.client(
        "UpdateUserAttributes", AccessToken=token, UserAttributes=[{"Name": "email", "Value": "new@example.com"}]
    )
    assert sent["CodeDeliveryDetailsList"][0]["Destination"] == "n***@e***"

    async def email() -> list[str]:
        shown = await cloud.client("GetUser", AccessToken=token)
        return [a["Value"] for a in shown["UserAttributes"] if a["Name"].startswith("email")]

    assert await email() == ["old@example.com", "true"]
    code = cloud.code_for("new@example.com")
    await cloud.client("VerifyUserAttribute", AccessToken=token, AttributeName="email", Code=code)
    assert await email() == ["new@example.com", "true"]
    with raises("ExpiredCodeException"):
        await cloud.client("VerifyUserAttribute", AccessToken=token, AttributeName="email", Code=code)


async def test_password_history_and_change(cloud: Cloud) -> None:
    pool = await cloud.pool(Policies={"PasswordPolicy": {"MinimumLength": 8, "PasswordHistorySize": 2}})
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]

    async def change(old: str, new: str) -> None:
        await cloud.client("ChangePassword", AccessToken=token, PreviousPassword=old, ProposedPassword=new)

    with raises("NotAuthorizedException", "Incorrect username or password."):
        await change("Wrong-one-1", "password-two")
    with raises("PasswordHistoryPolicyViolationException", "Password has previously been used"):
        await change(PASSWORD, PASSWORD)
    await change(PASSWORD, "password-two")
    await change("password-two", "password-three")
    await change("password-three", PASSWORD)


async def test_disabled_users(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]
    await cloud("AdminDisableUser", UserPoolId=pool, Username="anna")
    with raises("NotAuthorizedException", "User is disabled."):
        await cloud.client("GetUser", AccessToken=token)
    with raises("NotAuthorizedException", "User is disabled."):
        await cloud.sign_in(app)
    await cloud("AdminEnableUser", UserPoolId=pool, Username="anna")
    with raises("NotAuthorizedException", "Access Token has been revoked"):
        await cloud.client("GetUser", AccessToken=token)
    assert "AuthenticationResult" in await cloud.sign_in(app)


async def test_invitations_and_the_local_mailbox(cloud: Cloud) -> None:
    pool = await cloud.pool(
        AdminCreateUserConfig={
            "AllowAdminCreateUserOnly": True,
            "InviteMessageTemplate": {"EmailMessage": "<b>{username}</b>: {####}", "EmailSubject": "Welcome"},
        }
    )
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    with raises("NotAuthorizedException", "SignUp is not permitted for this user pool"):
        await cloud.client("SignUp", ClientId=app, Username="eve", Password=PASSWORD)
    await cloud(
        "AdminCreateUser",
        UserPoolId=pool,
        Username="<anna>",
        UserAttributes=[{"Name": "email", "Value": "anna@example.com"}],
        DesiredDeliveryMediums=["EMAIL"],
    )
    sent = cloud.pools.mailbox.messages("anna@example.com")[-1]
    assert sent["Subject"] == "Welcome"
    assert sent["Body"].startswith("<b>&lt;anna&gt;</b>: ")
    asked = await cloud.sign_in(app, "<anna>", sent["Code"])
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


async def test_confirmation_by_link(cloud: Cloud) -> None:
    pool = await cloud.pool(
        AutoVerifiedAttributes=["email"], VerificationMessageTemplate={"DefaultEmailOption": "CONFIRM_WITH_LINK"}
    )
    await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain="linked")
    app = await cloud.app(pool)
    attributes = [{"Name": "email", "Value": "anna@example.com"}]
    await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    link = cloud.pools.mailbox.messages()[-1]["Body"].split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert link.startswith("http://localhost:4566/_aws/cognito/linked/confirmUser?")

    async def site(scope: Any, receive: Any, send: Any) -> None:
        await cloud.pools.serve("linked", scope["raw_path"].removeprefix(b"/_aws/cognito/linked"), scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(site)) as browser:
        assert "Your account is confirmed." in (await browser.get(link)).text
    assert (await cloud("AdminGetUser", UserPoolId=pool, Username="anna"))["UserStatus"] == "CONFIRMED"


async def test_an_import_from_csv() -> None:
    logs = Lines()
    cloud = Cloud(logs=logs)
    pool = await cloud.pool(AutoVerifiedAttributes=["email"])
    header = (await cloud("GetCSVHeader", UserPoolId=pool))["CSVHeader"]
    assert (header[0], header[-2:]) == ("name", ["cognito:mfa_enabled", "cognito:username"])
    job = (
        await cloud(
            "CreateUserImportJob",
            UserPoolId=pool,
            JobName="import",
            CloudWatchLogsRoleArn="arn:aws:iam::000000000000:role/logs",
        )
    )["UserImportJob"]
    lines = [
        "cognito:mfa_enabled,cognito:username,email,email_verified,phone_number",
        "false,one,one@example.com,TRUE,",
        "true,two,two@example.com,true,+15555550100",
        "false,bad,not-an-address,true,",
        "false,unverified,u@example.com,false,",
        "false,one,again@example.com,true,",
        "true,numberless,n@example.com,true,",
        "true,short",
        "false,long,l@example.com,true,+15555550101,more",
        "false,,nameless@example.com,true,",
    ]

    async def site(scope: Any, receive: Any, send: Any) -> None:
        prefix = f"/_aws/cognito/{pool}".encode()
        await cloud.pools.serve(pool, scope["raw_path"].removeprefix(prefix), scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(site)) as browser:
        assert (await browser.put(job["PreSignedUrl"] + "x", content=b"")).status_code == 403
        assert (await browser.put(job["PreSignedUrl"], content="\n".join(lines).encode())).status_code == 200
    await cloud("StartUserImportJob", UserPoolId=pool, JobId=job["JobId"])
    with raises("PreconditionNotMetException"):
        await cloud("StartUserImportJob", UserPoolId=pool, JobId=job["JobId"])
    for _ in range(200):
        shown = (await cloud("DescribeUserImportJob", UserPoolId=pool, JobId=job["JobId"]))["UserImportJob"]
        if shown["Status"] == "Succeeded":
            break
        await asyncio.sleep(0.01)
    assert (shown["ImportedUsers"], shown["SkippedUsers"], shown["FailedUsers"]) == (2, 1, 6)
    assert {(group, stream) for _, _, group, stream, _ in logs.written} == {
        (f"/aws/cognito/userpools/{pool}/pool", f"{job['JobId']}/import")
    }
    assert [message for *_, message in logs.written] == [
        "[SUCCEEDED] Line Number 2 - The import succeeded.",
        "[SUCCEEDED] Line Number 3 - The import succeeded.",
        "[FAILED] Line Number 4 - Invalid email address format.",
        "[FAILED] Line Number 5 - The User Record does not set any of the auto verified attributes to true. "
        "(Example: email_verified to true).",
        "[SKIPPED] Line Number 6 - The user already exists.",
        "[FAILED] Line Number 7 - MFA is enabled for the user, who has no phone_number.",
        "[FAILED] Line Number 8 - The User Record does not set any of the auto verified attributes to true. "
        "(Example: email_verified to true).",
        "[FAILED] Line Number 9 - The line has more columns than the header.",
        "[FAILED] Line Number 10 - The user has no name.",
    ]
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    with raises("PasswordResetRequiredException", "Password reset required for the user"):
        await cloud.sign_in(app, "one")
    assert (await cloud("AdminGetUser", UserPoolId=pool, Username="two"))["PreferredMfaSetting"] == "SMS_MFA"
    role = "arn:aws:iam::000000000000:role/logs"
    late = await cloud("CreateUserImportJob", UserPoolId=pool, JobName="late", CloudWatchLogsRoleArn=role)
    cloud.clock.advance(86_401)
    which = {"UserPoolId": pool, "JobId": late["UserImportJob"]["JobId"]}
    assert (await cloud("DescribeUserImportJob", **which))["UserImportJob"]["Status"] == "Expired"
    with raises("PreconditionNotMetException", "The job is Expired, not Created."):
        await cloud("StartUserImportJob", **which)
    await cloud.pools.stop()
    await cloud.store.close()


async def protected(cloud: Cloud, **risk: Any) -> tuple[str, str]:
    pool = await cloud.pool(UserPoolTier="PLUS", UserPoolAddOns={"AdvancedSecurityMode": "ENFORCED"})
    await cloud("SetRiskConfiguration", UserPoolId=pool, **risk)
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    return pool, app


async def test_compromised_passwords_are_refused(cloud: Cloud) -> None:
    _, app = await protected(cloud, CompromisedCredentialsRiskConfiguration={"Actions": {"EventAction": "BLOCK"}})
    with raises("InvalidPasswordException", "Provided password cannot be used for security reasons."):
        await cloud.client("SignUp", ClientId=app, Username="eve", Password="Password1!")
    with raises("FeatureUnavailableInTierException"):
        await cloud.pool(UserPoolAddOns={"AdvancedSecurityMode": "ENFORCED"})


async def test_a_strange_sign_in_is_blocked_and_told(cloud: Cloud) -> None:
    notify = {"EventAction": "BLOCK", "Notify": True}
    pool, app = await protected(
        cloud,
        AccountTakeoverRiskConfiguration={
            "Actions": {"MediumAction": notify, "HighAction": notify},
            "NotifyConfiguration": {"SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a@example.com"},
        },
    )

    async def from_(ip: str, agent: str) -> dict[str, Any]:
        return await cloud(
            "AdminInitiateAuth",
            UserPoolId=pool,
            ClientId=app,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
            ContextData={
                "IpAddress": ip,
                "ServerName": "s",
                "ServerPath": "/",
                "HttpHeaders": [{"headerName": "User-Agent", "headerValue": agent}],
            },
        )

    assert "AuthenticationResult" in await from_("192.0.2.1", "Firefox")
    with raises("NotAuthorizedException", "Unable to login because of security reasons."):
        await from_("198.51.100.1", "curl")
    assert cloud.pools.mailbox.messages("anna@example.com")[-1]["Subject"] == "Blocked sign-in attempt"
    events = (await cloud("AdminListUserAuthEvents", UserPoolId=pool, Username="anna"))["AuthEvents"]
    assert [(event["EventResponse"], event["EventRisk"]["RiskDecision"]) for event in events] == [
        ("Fail", "Block"),
        ("Pass", "NoRisk"),
    ]
    await cloud(
        "AdminUpdateAuthEventFeedback",
        UserPoolId=pool,
        Username="anna",
        EventId=events[0]["EventId"],
        FeedbackValue="Valid",
    )
    events = (await cloud("AdminListUserAuthEvents", UserPoolId=pool, Username="anna", MaxResults=1))["AuthEvents"]
    assert events[0]["EventFeedback"]["FeedbackValue"] == "Valid"


@pytest.mark.parametrize("custom", ["OFF", "AUDIT", "ENFORCED"])
async def test_custom_flows_are_judged_where_the_pool_says_so(cloud: Cloud, custom: str) -> None:
    def decide(event: dict[str, Any]) -> dict[str, Any]:
        done = bool(event["request"].get("session"))
        return {
            **event,
            "response": {
                "issueTokens": done,
                "failAuthentication": False,
                "challengeName": None if done else "CUSTOM_CHALLENGE",
                "answerCorrect": True,
            },
        }

    functions = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
    additional = {} if custom == "OFF" else {"AdvancedSecurityAdditionalFlows": {"CustomAuthMode": custom}}
    pool = await cloud.pool(
        UserPoolTier="PLUS",
        UserPoolAddOns={"AdvancedSecurityMode": "ENFORCED", **additional},
        LambdaConfig=dict.fromkeys(functions, cloud.functions.add("decide", decide)),
    )
    blocked = {"BlockedIPRangeList": ["10.1.0.0/16"]}
    await cloud("SetRiskConfiguration", UserPoolId=pool, RiskExceptionConfiguration=blocked)
    app = await cloud.app(pool, "CUSTOM_AUTH")
    await cloud.user(pool)
    here = {"IpAddress": "10.1.2.3", "ServerName": "s", "ServerPath": "/", "HttpHeaders": []}
    call = {"UserPoolId": pool, "ClientId": app, "ContextData": here}
    asked = await cloud("AdminInitiateAuth", AuthFlow="CUSTOM_AUTH", AuthParameters={"USERNAME": "anna"}, **call)
    answer = cloud(
        "AdminRespondToAuthChallenge",
        ChallengeName="CUSTOM_CHALLENGE",
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "anna", "ANSWER": "x"},
        **call,
    )
    if custom == "ENFORCED":
        with raises("NotAuthorizedException", "Unable to login because of security reasons."):
            await answer
    else:
        assert "AuthenticationResult" in await answer


@pytest.mark.parametrize("kind", ["HtmlBody", "TextBody"])
async def test_the_links_of_a_notice_give_feedback(cloud: Cloud, kind: str) -> None:
    body = "<p>{username} from {ip-address}</p>{one-click-link-valid} {one-click-link-invalid}"
    pool, app = await protected(
        cloud,
        AccountTakeoverRiskConfiguration={
            "Actions": {"MediumAction": {"EventAction": "BLOCK", "Notify": True}},
            "NotifyConfiguration": {
                "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a@example.com",
                "BlockEmail": {"Subject": "Was it you?", kind: body},
            },
        },
    )
    await cloud.sign_in(app)
    strange = {"IpAddress": "192.0.2.1", "ServerName": "s", "ServerPath": "/"}
    with raises("NotAuthorizedException", "Unable to login because of security reasons."):
        await cloud(
            "AdminInitiateAuth",
            UserPoolId=pool,
            ClientId=app,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
            ContextData={**strange, "HttpHeaders": [{"headerName": "User-Agent", "headerValue": "curl"}]},
        )
    text = html.unescape(cloud.pools.mailbox.messages("anna@example.com")[-1]["Body"])
    assert "anna from 192.0.2.1" in text
    links = re.findall(r"http\S+", text)
    asked = [dict(parse_qsl(urlsplit(link).query)) for link in links]
    assert [query["value"] for query in asked] == ["Valid", "Invalid"]
    event = (await cloud("AdminListUserAuthEvents", UserPoolId=pool, Username="anna"))["AuthEvents"][0]
    call = {"UserPoolId": pool, "Username": "anna", "FeedbackValue": "Invalid"}
    good = {**call, "EventId": event["EventId"], "FeedbackToken": asked[1]["token"]}
    other = await cloud.pool(UserPoolTier="PLUS", UserPoolAddOns={"AdvancedSecurityMode": "AUDIT"})
    for bad in ({"FeedbackToken": "A" * 90}, {"EventId": "another"}, {"UserPoolId": other}, {"Username": "eve"}):
        with raises("NotAuthorizedException", "Invalid feedback token."):
            await cloud.client("UpdateAuthEventFeedback", **{**good, **bad})
    assert await cloud.client("UpdateAuthEventFeedback", **good) == {}
    event = (await cloud("AdminListUserAuthEvents", UserPoolId=pool, Username="anna"))["AuthEvents"][0]
    assert (event["EventFeedback"]["FeedbackValue"], event["EventFeedback"]["Provider"]) == ("Invalid", "User")
    cloud.clock.advance(8 * 86400)
    with raises("NotAuthorizedException", "Feedback token has expired."):
        await cloud.client("UpdateAuthEventFeedback", **good)


async def test_activity_goes_to_firehose_and_a_bucket(cloud: Cloud) -> None:
    pool, app = await protected(cloud)
    source = {"LogLevel": "INFO", "EventSource": "userAuthEvents"}
    for where in (
        {"FirehoseConfiguration": {"StreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/activity"}},
        {"S3Configuration": {"BucketArn": "arn:aws:s3:::activity"}},
    ):
        await cloud("SetLogDeliveryConfiguration", UserPoolId=pool, LogConfigurations=[{**source, **where}])
        await cloud.sign_in(app)
        await asyncio.sleep(0)
    (firehose, put_record, record), (s3, put_object, kept) = cloud.functions.delivered
    assert (firehose, put_record, record["DeliveryStreamName"]) == ("firehose", "PutRecord", "activity")
    assert (s3, put_object, kept["Bucket"]) == ("s3", "PutObject", "activity")
    assert kept["Key"].startswith(f"AWSLogs/000000000000/CognitoUserPools/us-east-1/{pool}/")
    for line in (record["Record"]["Data"], kept["Body"]):
        message = msgspec.json.decode(line)["message"]
        assert (message["userName"], message["eventType"], message["eventResponse"]) == ("anna", "SignIn", "Pass")


class Lines:
    """A log sink that keeps what it gets."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, str, str, str]] = []

    def write(self, account: str, region: str, group: str, stream: str, timestamp_ms: int, message: str) -> None:
        self.written.append((account, region, group, stream, message))


async def test_a_message_that_can_not_be_delivered_is_logged() -> None:
    lines, port = Lines(), free_port()
    cloud = Cloud(logs=lines, smtp_url=f"smtp://127.0.0.1:{port}")
    pool = await cloud.pool(AutoVerifiedAttributes=["email"])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    group = {"LogGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:failures"}
    told = {"LogLevel": "ERROR", "EventSource": "userNotification", "CloudWatchLogsConfiguration": group}
    await cloud("SetLogDeliveryConfiguration", UserPoolId=pool, LogConfigurations=[told])
    attributes = [{"Name": "email", "Value": "anna@example.com"}]
    await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    while not lines.written:
        await asyncio.sleep(0.01)
        cloud.clock.advance(1)
    [(account, region, name, _, message)] = lines.written
    assert (account, region, name) == ("000000000000", "us-east-1", "failures")
    entry = msgspec.json.decode(message)
    assert (entry["eventSource"], entry["logLevel"]) == ("USER_NOTIFICATION", "ERROR")
    assert entry["logSourceId"] == {"userPoolId": pool}
    assert "anna" not in entry["message"]["details"]
    for wrong in ({**told, "LogLevel": "INFO"}, {k: v for k, v in told.items() if k != "CloudWatchLogsConfiguration"}):
        with raises("InvalidParameterException"):
            await cloud("SetLogDeliveryConfiguration", UserPoolId=pool, LogConfigurations=[wrong])
    await cloud.pools.stop()
    await cloud.store.close()


async def test_rotating_the_key_of_no_pool(cloud: Cloud) -> None:
    with raises("ResourceNotFoundException"):
        await cloud.pools.rotate_key("us-east-1_nothing")


async def test_quotas_can_be_on() -> None:
    strict = Cloud(enforce_quotas=True, quotas={"UserRead": 2})
    pool = await strict.pool()
    for _ in range(2):
        with raises("UserNotFoundException"):
            await strict("AdminGetUser", UserPoolId=pool, Username="nobody")
    with raises("TooManyRequestsException", "Rate exceeded"):
        await strict("AdminGetUser", UserPoolId=pool, Username="nobody")
    await strict.pools.stop()
    await strict.store.close()


async def test_answers_to_challenges_have_three_times_the_quota_of_sign_ins() -> None:
    """And a call without a signature takes from its pool's quota, whatever region it names."""
    strict = Cloud(enforce_quotas=True, quotas={"UserAuthentication": 1})
    app = await strict.app(await strict.pool(), "USER_PASSWORD_AUTH")
    handler = operations(*strict.pools.apis)["InitiateAuth"]

    async def start(region: str) -> None:
        context = CallContext(principal=root(), region=region, request_id="r")
        await handler(context, {"ClientId": app, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": {}})

    with raises("InvalidParameterException"):
        await start("us-east-1")
    with raises("TooManyRequestsException", "Rate exceeded"):
        await start("mars-north-1")
    for _ in range(3):
        with raises("InvalidParameterException"):
            await strict.client("RespondToAuthChallenge", ClientId=app, ChallengeName="SMS_MFA")
    with raises("TooManyRequestsException", "Rate exceeded"):
        await strict.client("RespondToAuthChallenge", ClientId=app, ChallengeName="SMS_MFA")
    await strict.pools.stop()
    await strict.store.close()


async def test_what_one_pool_has_is_asked_for_five_times_a_second() -> None:
    strict = Cloud(enforce_quotas=True)
    one, other = await strict.pool(), await strict.pool()
    for _ in range(5):
        await strict("ListGroups", UserPoolId=one)
    with raises("TooManyRequestsException", "Rate exceeded"):
        await strict("ListGroups", UserPoolId=one)
    await strict("ListGroups", UserPoolId=other)
    with raises("InvalidParameterException", "The rate of UserList requests is not adjustable."):
        definition = {"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserList"}}
        await strict("UpdateProvisionedLimit", LimitDefinition=definition, RequestedLimitValue=40)
    await strict.pools.stop()
    await strict.store.close()


async def test_what_expired_is_swept_away(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    await cloud.sign_in(app)
    await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    assert await cloud.pools.sweeper.sweep() == 0
    cloud.clock.advance(31 * 86400)
    assert await cloud.pools.sweeper.sweep() == 2
    assert await cloud.pools.sweeper.sweep() == 0


async def test_expired_sign_ins_are_swept_a_part_at_a_time(cloud: Cloud) -> None:
    """As many as one sweep looks at, and some: the next one goes on where it stopped."""
    hour, many = 3600, 4100

    def put(tx: Tx) -> None:
        for n in range(many):
            ends = cloud.clock.now() + (hour if n % 2 else 3 * hour)
            common = {"client_id": "app", "created_at": 0.0, "auth_time": 0, "scopes": list[str]()}
            tx.put(Grant(pool_id="pool", user_key=f"user-{n:04d}", id="grant", expires_at=ends, **common))

    await cloud.store.write(put)
    cloud.clock.advance(2 * hour)
    swept = [await cloud.pools.sweeper.sweep() for _ in range(3)]
    assert swept == [2000, 50, 0]
    assert await cloud.store.count(Grant) == many / 2


async def test_signing_in_right_after_signing_up(cloud: Cloud) -> None:
    pool = await cloud.pool(AutoVerifiedAttributes=["email"])
    app = await cloud.app(pool, "USER_AUTH")
    attributes = [{"Name": "email", "Value": "anna@example.com"}]
    made = await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    code = cloud.code_for("anna@example.com")
    confirmed = await cloud.client("ConfirmSignUp", ClientId=app, Username="anna", ConfirmationCode=code)
    call = {"ClientId": app, "AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": "anna"}}
    with raises("NotAuthorizedException", "Invalid session for the user."):
        await cloud.client("InitiateAuth", Session=made["Session"], **call)
    assert "AuthenticationResult" in await cloud.client("InitiateAuth", Session=confirmed["Session"], **call)
    with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await cloud.client("InitiateAuth", Session=confirmed["Session"], **call)
