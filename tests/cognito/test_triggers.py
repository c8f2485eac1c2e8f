"""Lambda triggers: AWS's event documents, what the functions may change, and what becomes of their mistakes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cognito.conftest import PASSWORD, Cloud, raises

from forecourt.services.cognito import tokens, triggers
from forecourt.services.cognito.encrypted_code import encrypt


def answering(**response: Any) -> Any:
    def function(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "response": {**event["response"], **response}}

    return function


async def test_pre_sign_up_confirms(cloud: Cloud) -> None:
    arn = cloud.functions.add("pre", answering(autoConfirmUser=True, autoVerifyEmail=True))
    after = cloud.functions.add("post", answering())
    pool = await cloud.pool(
        LambdaConfig={"PreSignUp": arn, "PostConfirmation": after}, AutoVerifiedAttributes=["email"]
    )
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    made = await cloud.client(
        "SignUp",
        ClientId=app,
        Username="anna",
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": "anna@example.com"}],
        ValidationData=[{"Name": "captcha", "Value": "ok"}],
        ClientMetadata={"from": "test"},
    )
    assert made["UserConfirmed"] is True
    first, second = cloud.functions.events
    assert first == {
        "version": "1",
        "region": "us-east-1",
        "userPoolId": pool,
        "userName": "anna",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": app},
        "triggerSource": "PreSignUp_SignUp",
        "request": {
            "userAttributes": {"email": "anna@example.com"},
            "validationData": {"captcha": "ok"},
            "clientMetadata": {"from": "test"},
        },
        "response": {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
    }
    assert second["triggerSource"] == "PostConfirmation_ConfirmSignUp"
    assert second["request"]["userAttributes"]["cognito:user_status"] == "CONFIRMED"
    assert cloud.pools.mailbox.messages() == []


async def test_what_goes_wrong_in_a_function(cloud: Cloud) -> None:
    def refuse(event: dict[str, Any]) -> None:
        raise ValueError("not you")

    cases: list[tuple[str, str, str]] = [
        (
            cloud.functions.add("refuse", refuse),
            "UserLambdaValidationException",
            "PreSignUp failed with error not you.",
        ),
        (
            cloud.functions.add("none", lambda event: None),
            "InvalidLambdaResponseException",
            "Unrecognizable lambda output",
        ),
        (
            cloud.functions.add("list", lambda event: {"response": []}),
            "InvalidLambdaResponseException",
            "Unrecognizable lambda output",
        ),
        (
            "arn:aws:lambda:us-east-1:000000000000:function:missing",
            "UnexpectedLambdaException",
            "PreSignUp invocation failed due to configuration.",
        ),
    ]
    for arn, code, wording in cases:
        pool = await cloud.pool(LambdaConfig={"PreSignUp": arn})
        app = await cloud.app(pool)
        with raises(code, wording):
            await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD)
        with raises("UserNotFoundException", "User does not exist."):
            await cloud("AdminGetUser", UserPoolId=pool, Username="anna")


async def test_a_function_that_hangs_gets_three_tries(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "TIME_LIMIT_SECONDS", 0.02)
    calls = []

    async def hang(*call: Any) -> dict[str, Any]:
        calls.append(call)
        await asyncio.sleep(10)
        return {}

    monkeypatch.setattr(cloud.functions, "call", hang)
    pool = await cloud.pool(LambdaConfig={"PreSignUp": "arn:aws:lambda:us-east-1:000000000000:function:slow"})
    app = await cloud.app(pool)
    with raises("UnexpectedLambdaException", "PreSignUp invocation failed due to error Socket timeout"):
        await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD)
    assert len(calls) == 3


async def token_claims(cloud: Cloud, **config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    pool = await cloud.pool(LambdaConfig=config)
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="anna@example.com")
    await cloud(
        "CreateGroup", UserPoolId=pool, GroupName="staff", Precedence=1, RoleArn="arn:aws:iam::000000000000:role/staff"
    )
    await cloud("AdminAddUserToGroup", UserPoolId=pool, GroupName="staff", Username="anna")
    result = (await cloud.sign_in(app))["AuthenticationResult"]
    return tokens.peek(result["IdToken"]), tokens.peek(result["AccessToken"])


async def test_groups_and_roles_in_tokens(cloud: Cloud) -> None:
    identity, access = await token_claims(cloud)
    assert identity["cognito:groups"] == access["cognito:groups"] == ["staff"]
    assert identity["cognito:roles"] == ["arn:aws:iam::000000000000:role/staff"]
    assert identity["cognito:preferred_role"] == "arn:aws:iam::000000000000:role/staff"
    assert access["scope"] == "aws.cognito.signin.user.admin"
    assert identity["origin_jti"] == access["origin_jti"]
    assert identity["event_id"] == access["event_id"]


async def test_token_generation_v1(cloud: Cloud) -> None:
    override = {
        "claimsToAddOrOverride": {"plan": "gold", "sub": "forged", "iss": "forged"},
        "claimsToSuppress": ["email"],
        "groupOverrideDetails": {"groupsToOverride": ["other"], "iamRolesToOverride": [], "preferredRole": None},
    }
    arn = cloud.functions.add("tokens", answering(claimsOverrideDetails=override))
    identity, access = await token_claims(cloud, PreTokenGeneration=arn)
    assert identity["plan"] == "gold"
    assert "email" not in identity
    assert identity["sub"] == access["sub"] != "forged"
    assert identity["iss"] != "forged"
    assert identity["cognito:groups"] == ["other"]
    event = cloud.functions.events[-1]
    assert event["triggerSource"] == "TokenGeneration_Authentication"
    assert event["request"]["groupConfiguration"] == {
        "groupsToOverride": ["staff"],
        "iamRolesToOverride": ["arn:aws:iam::000000000000:role/staff"],
        "preferredRole": "arn:aws:iam::000000000000:role/staff",
    }


async def test_token_generation_v2_changes_the_access_token(cloud: Cloud) -> None:
    override = {
        "accessTokenGeneration": {
            "claimsToAddOrOverride": {"tenant": {"id": 7}, "client_id": "forged"},
            "scopesToAdd": ["pets/read"],
            "scopesToSuppress": ["aws.cognito.signin.user.admin"],
        },
        "idTokenGeneration": {"claimsToAddOrOverride": {"roles": ["a", "b"]}},
    }
    arn = cloud.functions.add("tokens", answering(claimsAndScopeOverrideDetails=override))
    identity, access = await token_claims(cloud, PreTokenGenerationConfig={"LambdaVersion": "V2_0", "LambdaArn": arn})
    assert access["tenant"] == {"id": 7}
    assert access["client_id"] != "forged"
    assert access["scope"] == "pets/read"
    assert identity["roles"] == ["a", "b"]
    assert cloud.functions.events[-1]["version"] == "2"
    assert cloud.functions.events[-1]["request"]["scopes"] == ["aws.cognito.signin.user.admin"]


async def custom_pool(cloud: Cloud) -> tuple[str, str]:
    def define(event: dict[str, Any]) -> dict[str, Any]:
        session = event["request"]["session"]
        last = session[-1] if session else None
        if last and last["challengeName"] == "SRP_A":
            event["response"] = {
                "challengeName": "PASSWORD_VERIFIER",
                "issueTokens": False,
                "failAuthentication": False,
            }
        elif last and last["challengeName"] == "CUSTOM_CHALLENGE" and last["challengeResult"]:
            event["response"] = {"issueTokens": True, "failAuthentication": False}
        elif sum(entry["challengeName"] == "CUSTOM_CHALLENGE" for entry in session) >= 2:
            event["response"] = {"issueTokens": False, "failAuthentication": True}
        else:
            event["response"] = {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False}
        return event

    def create(event: dict[str, Any]) -> dict[str, Any]:
        event["response"] = {
            "publicChallengeParameters": {"question": "2+2"},
            "privateChallengeParameters": {"answer": "4"},
            "challengeMetadata": "MATHS",
        }
        return event

    def verify(event: dict[str, Any]) -> dict[str, Any]:
        right = event["request"]["privateChallengeParameters"]["answer"] == event["request"]["challengeAnswer"]
        event["response"] = {"answerCorrect": right}
        return event

    pool = await cloud.pool(
        LambdaConfig={
            "DefineAuthChallenge": cloud.functions.add("define", define),
            "CreateAuthChallenge": cloud.functions.add("create", create),
            "VerifyAuthChallengeResponse": cloud.functions.add("verify", verify),
        }
    )
    return pool, await cloud.app(pool, "CUSTOM_AUTH", "USER_SRP_AUTH")


async def test_custom_auth(cloud: Cloud) -> None:
    pool, app = await custom_pool(cloud)
    await cloud.user(pool)
    start = {"ClientId": app, "AuthFlow": "CUSTOM_AUTH", "AuthParameters": {"USERNAME": "anna"}}
    asked = await cloud.client("InitiateAuth", **start)
    assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"
    assert asked["ChallengeParameters"] == {"question": "2+2", "USERNAME": "anna"}
    again = await cloud.answer(app, asked, ANSWER="5")
    assert again["ChallengeName"] == "CUSTOM_CHALLENGE"
    session = [event for event in cloud.functions.events if event["triggerSource"].startswith("Define")][-1]["request"][
        "session"
    ]
    assert session == [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": False, "challengeMetadata": "MATHS"}]
    done = await cloud.answer(app, again, ANSWER="4")
    assert done["AuthenticationResult"]["AccessToken"]
    with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await cloud.answer(app, again, ANSWER="4")
    asked = await cloud.client("InitiateAuth", **start)
    asked = await cloud.answer(app, asked, ANSWER="5")
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await cloud.answer(app, asked, ANSWER="6")


async def test_custom_auth_after_srp(cloud: Cloud) -> None:
    from pycognito.aws_srp import AWSSRP

    pool, app = await custom_pool(cloud)
    await cloud.user(pool)
    proof = AWSSRP("anna", PASSWORD, pool, app, client=object())
    parameters = {**proof.get_auth_params(), "CHALLENGE_NAME": "SRP_A"}
    asked = await cloud.client("InitiateAuth", ClientId=app, AuthFlow="CUSTOM_AUTH", AuthParameters=parameters)
    assert asked["ChallengeName"] == "PASSWORD_VERIFIER"
    answer = proof.process_challenge(asked["ChallengeParameters"], proof.get_auth_params())
    asked = await cloud.client(
        "RespondToAuthChallenge", ClientId=app, ChallengeName="PASSWORD_VERIFIER", ChallengeResponses=answer
    )
    assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"
    done = await cloud.answer(app, asked, ANSWER="4")
    assert done["AuthenticationResult"]["IdToken"]


async def test_a_second_factor_within_custom_auth(cloud: Cloud) -> None:
    from pycognito.aws_srp import AWSSRP

    pool, app = await custom_pool(cloud)
    sms = {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}}
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, MfaConfiguration="ON", SmsMfaConfiguration=sms)
    await cloud.user(pool, phone_number="+15555550100", phone_number_verified="true")
    proof = AWSSRP("anna", PASSWORD, pool, app, client=object())
    parameters = {**proof.get_auth_params(), "CHALLENGE_NAME": "SRP_A"}
    asked = await cloud.client("InitiateAuth", ClientId=app, AuthFlow="CUSTOM_AUTH", AuthParameters=parameters)
    answer = proof.process_challenge(asked["ChallengeParameters"], proof.get_auth_params())
    asked = await cloud.client(
        "RespondToAuthChallenge", ClientId=app, ChallengeName="PASSWORD_VERIFIER", ChallengeResponses=answer
    )
    assert asked["ChallengeName"] == "SMS_MFA"
    asked = await cloud.answer(app, asked, SMS_MFA_CODE=cloud.code_for("+15555550100"))
    assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"
    session = cloud.functions.events[-1]["request"]["session"]
    assert [entry["challengeName"] for entry in session] == ["SRP_A", "PASSWORD_VERIFIER", "SMS_MFA"]
    assert "AuthenticationResult" in await cloud.answer(app, asked, ANSWER="4")


async def test_migration(cloud: Cloud) -> None:
    def migrate(event: dict[str, Any]) -> dict[str, Any]:
        if event["request"].get("password") != PASSWORD:
            raise ValueError("Bad password")
        attributes = {"email": "anna@example.com", "email_verified": "true"}
        event["response"] = {"userAttributes": attributes, "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"}
        return event

    pool = await cloud.pool(LambdaConfig={"UserMigration": cloud.functions.add("migrate", migrate)})
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await cloud.sign_in(app, password="Wrong-one-1")
    assert "AuthenticationResult" in await cloud.sign_in(app)
    assert cloud.functions.events[-1]["triggerSource"] == "UserMigration_Authentication"
    assert (await cloud("AdminGetUser", UserPoolId=pool, Username="anna"))["UserStatus"] == "CONFIRMED"
    calls = len(cloud.functions.events)
    assert "AuthenticationResult" in await cloud.sign_in(app)
    assert len(cloud.functions.events) == calls


async def test_custom_message(cloud: Cloud) -> None:
    def message(event: dict[str, Any]) -> dict[str, Any]:
        code = event["request"]["codeParameter"]
        event["response"] = {"emailSubject": "Hello", "emailMessage": f"Dear {event['userName']}, {code}"}
        return event

    pool = await cloud.pool(
        LambdaConfig={"CustomMessage": cloud.functions.add("message", message)}, AutoVerifiedAttributes=["email"]
    )
    app = await cloud.app(pool)
    attributes = [{"Name": "email", "Value": "anna@example.com"}]
    await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    sent = cloud.pools.mailbox.messages()[-1]
    assert (sent["Subject"], sent["Body"]) == ("Hello", f"Dear anna, {sent['Code']}")
    assert cloud.functions.events[-1]["triggerSource"] == "CustomMessage_SignUp"


def test_encrypted_codes_are_messages_of_the_encryption_sdk() -> None:
    """Taken apart by the published format; there is no Encryption SDK here to do it."""
    import struct

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key, message_id = b"k" * 32, b"m" * 16
    message = encrypt(b"123456", key, b"sealed", "arn:aws:kms:us-east-1:0:key/1", {"userpool-id": "p"}, message_id)
    version, kind, algorithm = struct.unpack(">BBH", message[:4])
    assert (version, kind, algorithm, message[4:20]) == (1, 0x80, 0x0178, message_id)
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=struct.pack(">H", algorithm) + message_id).derive(key)
    frame = message.index(b"\xff\xff\xff\xff")
    header, iv, tag = message[: frame - 28], message[frame - 28 : frame - 16], message[frame - 16 : frame]
    assert AESGCM(derived).decrypt(iv, tag, header) == b""
    sequence, body_iv = message[frame + 4 : frame + 8], message[frame + 8 : frame + 20]
    size = message[frame + 20 : frame + 24]
    aad = message_id + b"AWSKMSEncryptionClient Final Frame" + sequence + b"\0\0\0\0" + size
    assert AESGCM(derived).decrypt(body_iv, message[frame + 24 :], aad) == b"123456"
