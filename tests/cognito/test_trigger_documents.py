"""The events that functions get, field by field, and what they may answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cognito.conftest import PASSWORD, Cloud, raises

Event = dict[str, Any]
MAIL = "anna@example.com"
META = {"from": "test"}
KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"


class Recorder:
    """A pool whose functions note what they are asked and answer nothing."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.pool = self.app = ""

    async def begin(self, *triggers: str, hides: str = "LEGACY", **settings: Any) -> None:
        arn = self.cloud.functions.add("note", lambda event: event)
        self.pool = await self.cloud.pool(
            **{"AutoVerifiedAttributes": ["email"], "LambdaConfig": dict.fromkeys(triggers, arn), **settings}
        )
        flows = ("USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH", "CUSTOM_AUTH", "REFRESH_TOKEN_AUTH")
        self.app = await self.cloud.app(self.pool, *flows, PreventUserExistenceErrors=hides)

    def event(self, source: str, request: Event, response: Event, *, client: bool = True, **more: Any) -> Event:
        return {
            "version": "1",
            "region": "us-east-1",
            "userPoolId": self.pool,
            "userName": "anna",
            "callerContext": {
                "awsSdkVersion": "aws-sdk-unknown-unknown",
                "clientId": self.app if client else "CLIENT_ID_NOT_APPLICABLE",
            },
            "triggerSource": source,
            "request": request,
            "response": response,
            **more,
        }

    def take(self) -> list[Event]:
        events, self.cloud.functions.events[:] = list(self.cloud.functions.events), []
        return events

    async def client(self, operation: str, **params: Any) -> Event:
        return await self.cloud.client(operation, ClientId=self.app, **params)

    def attributes(self, sub: str, status: str, verified: str = "true") -> Event:
        return {"sub": sub, "cognito:user_status": status, "email": MAIL, "email_verified": verified}


@pytest.fixture
def recorder(cloud: Cloud) -> Recorder:
    return Recorder(cloud)


async def test_signing_up(recorder: Recorder) -> None:
    await recorder.begin("PreSignUp", "PostConfirmation", "CustomMessage")
    given = [{"Name": "email", "Value": MAIL}]
    data = [{"Name": "captcha", "Value": "ok"}]
    made = await recorder.client(
        "SignUp", Username="anna", Password=PASSWORD, UserAttributes=given, ValidationData=data, ClientMetadata=META
    )
    unconfirmed = {"sub": made["UserSub"], "cognito:user_status": "UNCONFIRMED", "email": MAIL}
    message = {
        "userAttributes": unconfirmed,
        "codeParameter": "{####}",
        "linkParameter": "{##Click Here##}",
        "usernameParameter": None,
        "clientMetadata": META,
    }
    nothing = {"smsMessage": None, "emailMessage": None, "emailSubject": None}
    assert recorder.take() == [
        recorder.event(
            "PreSignUp_SignUp",
            {"userAttributes": {"email": MAIL}, "validationData": {"captcha": "ok"}, "clientMetadata": META},
            {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
        ),
        recorder.event("CustomMessage_SignUp", message, nothing),
    ]
    await recorder.client("ResendConfirmationCode", Username="anna", ClientMetadata=META)
    assert recorder.take() == [recorder.event("CustomMessage_ResendCode", message, nothing)]
    code = recorder.cloud.code_for(MAIL)
    await recorder.client("ConfirmSignUp", Username="anna", ConfirmationCode=code, ClientMetadata=META)
    confirmed = recorder.attributes(made["UserSub"], "CONFIRMED")
    assert recorder.take() == [
        recorder.event("PostConfirmation_ConfirmSignUp", {"userAttributes": confirmed, "clientMetadata": META}, {})
    ]


async def test_an_administrator_makes_a_user(recorder: Recorder) -> None:
    await recorder.begin("PreSignUp", "CustomMessage")
    given = [{"Name": "email", "Value": MAIL}]
    made = await recorder.cloud(
        "AdminCreateUser", UserPoolId=recorder.pool, Username="anna", UserAttributes=given, ClientMetadata=META
    )
    sub = {a["Name"]: a["Value"] for a in made["User"]["Attributes"]}["sub"]
    assert recorder.take() == [
        recorder.event(
            "PreSignUp_AdminCreateUser",
            {"userAttributes": {"email": MAIL}, "validationData": None, "clientMetadata": META},
            {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
            client=False,
        ),
        recorder.event(
            "CustomMessage_AdminCreateUser",
            {
                "userAttributes": {"sub": sub, "cognito:user_status": "FORCE_CHANGE_PASSWORD", "email": MAIL},
                "codeParameter": "{####}",
                "linkParameter": "{##Click Here##}",
                "usernameParameter": "{username}",
                "clientMetadata": META,
            },
            {"smsMessage": None, "emailMessage": None, "emailSubject": None},
            client=False,
        ),
    ]


async def test_signing_in(recorder: Recorder) -> None:
    """ClientMetadata of InitiateAuth reaches the functions that validate, and no other."""
    await recorder.begin("PreAuthentication", "PostAuthentication", "PreTokenGeneration", hides="ENABLED")
    sub = await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
    recorder.take()
    call = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientMetadata": META}
    result = await recorder.client("InitiateAuth", **call, AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD})
    attributes = recorder.attributes(sub, "CONFIRMED")
    groups = {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None}
    tokens_request = {"userAttributes": attributes, "groupConfiguration": groups}
    assert recorder.take() == [
        recorder.event(
            "PreAuthentication_Authentication",
            {"userAttributes": attributes, "validationData": META, "userNotFound": False},
            {},
        ),
        recorder.event("PostAuthentication_Authentication", {"userAttributes": attributes, "newDeviceUsed": False}, {}),
        recorder.event("TokenGeneration_Authentication", tokens_request, {"claimsOverrideDetails": None}),
    ]
    refresh = result["AuthenticationResult"]["RefreshToken"]
    await recorder.client("InitiateAuth", AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": refresh})
    assert recorder.take() == [
        recorder.event("TokenGeneration_RefreshTokens", tokens_request, {"claimsOverrideDetails": None})
    ]
    await recorder.client("GetTokensFromRefreshToken", RefreshToken=refresh, ClientMetadata=META)
    assert recorder.take()[0]["request"] == {**tokens_request, "clientMetadata": META}
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await recorder.client("InitiateAuth", **call, AuthParameters={"USERNAME": "bob", "PASSWORD": PASSWORD})
    assert recorder.take() == [
        recorder.event(
            "PreAuthentication_Authentication",
            {"userAttributes": {}, "validationData": META, "userNotFound": True},
            {},
            userName="bob",
        )
    ]


async def test_a_new_password(recorder: Recorder) -> None:
    await recorder.begin("PreTokenGeneration", "PostAuthentication")
    await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
    who = {"UserPoolId": recorder.pool, "Username": "anna"}
    await recorder.cloud("AdminSetUserPassword", **who, Password="Temporary-1")
    asked = await recorder.cloud.sign_in(recorder.app, password="Temporary-1")
    assert recorder.take() == []
    await recorder.client(
        "RespondToAuthChallenge",
        ChallengeName="NEW_PASSWORD_REQUIRED",
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "anna", "NEW_PASSWORD": "Another-horse-2"},
        ClientMetadata=META,
    )
    after, tokens = recorder.take()
    assert after["request"]["clientMetadata"] == tokens["request"]["clientMetadata"] == META
    assert tokens["triggerSource"] == "TokenGeneration_NewPasswordChallenge"
    assert tokens["request"]["userAttributes"]["cognito:user_status"] == "CONFIRMED"


async def test_versions_of_token_generation(recorder: Recorder) -> None:
    for version in ("V2_0", "V3_0"):
        arn = recorder.cloud.functions.add("note", lambda event: event)
        config = {"PreTokenGenerationConfig": {"LambdaVersion": version, "LambdaArn": arn}}
        await recorder.begin(LambdaConfig=config)
        sub = await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
        await recorder.cloud.sign_in(recorder.app)
        assert recorder.take() == [
            recorder.event(
                "TokenGeneration_Authentication",
                {
                    "userAttributes": recorder.attributes(sub, "CONFIRMED"),
                    "groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None},
                    "scopes": ["aws.cognito.signin.user.admin"],
                },
                {"claimsAndScopeOverrideDetails": None},
                version=version[1],
            )
        ]


async def test_custom_challenges(recorder: Recorder) -> None:
    functions = recorder.cloud.functions

    def define(event: Event) -> Event:
        return {
            **event,
            "response": {"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False},
        }

    def create(event: Event) -> Event:
        return {
            **event,
            "response": {
                "publicChallengeParameters": {"question": "2+2"},
                "privateChallengeParameters": {"answer": "4"},
                "challengeMetadata": "MATHS",
            },
        }

    def verify(event: Event) -> Event:
        return {**event, "response": {"answerCorrect": False}}

    triggers = {
        "DefineAuthChallenge": functions.add("define", define),
        "CreateAuthChallenge": functions.add("create", create),
        "VerifyAuthChallengeResponse": functions.add("verify", verify),
    }
    await recorder.begin(hides="ENABLED", LambdaConfig=triggers)
    sub = await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
    call = {"AuthFlow": "CUSTOM_AUTH", "ClientMetadata": META}
    asked = await recorder.client("InitiateAuth", **call, AuthParameters={"USERNAME": "anna"})
    user = {"userAttributes": recorder.attributes(sub, "CONFIRMED"), "userNotFound": False}
    nothing = {"challengeName": None, "issueTokens": None, "failAuthentication": None}
    empty = {"publicChallengeParameters": None, "privateChallengeParameters": None, "challengeMetadata": None}
    assert recorder.take() == [
        recorder.event("DefineAuthChallenge_Authentication", {**user, "session": []}, nothing),
        recorder.event(
            "CreateAuthChallenge_Authentication",
            {**user, "challengeName": "CUSTOM_CHALLENGE", "session": []},
            empty,
        ),
    ]
    await recorder.client(
        "RespondToAuthChallenge",
        ChallengeName="CUSTOM_CHALLENGE",
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": "anna", "ANSWER": "5"},
        ClientMetadata=META,
    )
    session = [{"challengeName": "CUSTOM_CHALLENGE", "challengeResult": False, "challengeMetadata": "MATHS"}]
    assert recorder.take() == [
        recorder.event(
            "VerifyAuthChallengeResponse_Authentication",
            {
                **user,
                "privateChallengeParameters": {"answer": "4"},
                "challengeAnswer": "5",
                "clientMetadata": META,
            },
            {"answerCorrect": None},
        ),
        recorder.event(
            "DefineAuthChallenge_Authentication", {**user, "session": session, "clientMetadata": META}, nothing
        ),
        recorder.event(
            "CreateAuthChallenge_Authentication",
            {**user, "challengeName": "CUSTOM_CHALLENGE", "session": session, "clientMetadata": META},
            empty,
        ),
    ]


async def test_recovery(recorder: Recorder) -> None:
    await recorder.begin("CustomMessage", "PostConfirmation")
    sub = await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
    await recorder.client("ForgotPassword", Username="anna", ClientMetadata=META)
    [asked] = recorder.take()
    assert asked["triggerSource"] == "CustomMessage_ForgotPassword"
    assert asked["request"]["clientMetadata"] == META
    await recorder.client(
        "ConfirmForgotPassword",
        Username="anna",
        ConfirmationCode=recorder.cloud.code_for(MAIL),
        Password="Another-horse-2",
        ClientMetadata=META,
    )
    assert recorder.take() == [
        recorder.event(
            "PostConfirmation_ConfirmForgotPassword",
            {"userAttributes": recorder.attributes(sub, "CONFIRMED"), "clientMetadata": META},
            {},
        )
    ]


async def test_writing_to_a_user(recorder: Recorder) -> None:
    """The sources of the custom message trigger that an account's own calls have."""
    await recorder.begin("CustomMessage")
    await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
    token = (await recorder.cloud.sign_in(recorder.app))["AuthenticationResult"]["AccessToken"]
    call = {"AccessToken": token, "ClientMetadata": META}
    await recorder.cloud.client("GetUserAttributeVerificationCode", AttributeName="email", **call)
    other = [{"Name": "email", "Value": "a@example.org"}]
    await recorder.cloud.client("UpdateUserAttributes", UserAttributes=other, **call)
    sources = [event["triggerSource"] for event in recorder.take()]
    assert sources == ["CustomMessage_VerifyUserAttribute", "CustomMessage_UpdateUserAttribute"]


async def test_migrating(recorder: Recorder) -> None:
    def migrate(event: Event) -> Event:
        return {
            **event,
            "response": {
                "userAttributes": {"email": MAIL, "email_verified": "true"},
                "finalUserStatus": "CONFIRMED" if "password" in event["request"] else None,
                "messageAction": "SUPPRESS",
                "forceAliasCreation": True,
            },
        }

    arn = recorder.cloud.functions.add("migrate", migrate)
    await recorder.begin(LambdaConfig={"UserMigration": arn}, AliasAttributes=["email"])
    await recorder.cloud.user(recorder.pool, "holder", email=MAIL, email_verified="true")
    call = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientMetadata": META}
    await recorder.client("InitiateAuth", **call, AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD})
    nothing = dict.fromkeys(
        [
            "userAttributes",
            "finalUserStatus",
            "messageAction",
            "desiredDeliveryMediums",
            "forceAliasCreation",
            "enableSMSMFA",
        ]
    )
    assert recorder.take() == [
        recorder.event("UserMigration_Authentication", {"password": PASSWORD, "validationData": META}, nothing)
    ]
    held = await recorder.cloud("AdminGetUser", UserPoolId=recorder.pool, Username="holder")
    assert {"Name": "email_verified", "Value": "false"} in held["UserAttributes"]
    await recorder.client("ForgotPassword", Username="bob", ClientMetadata=META)
    assert recorder.take() == [
        recorder.event(
            "UserMigration_ForgotPassword",
            {"validationData": None, "clientMetadata": META},
            nothing,
            userName="bob",
        )
    ]


@pytest.mark.parametrize("hides", ["LEGACY", "ENABLED"])
async def test_a_migration_that_fails(recorder: Recorder, hides: str) -> None:
    def migrate(event: Event) -> Event:
        raise ValueError("Bad password")

    arn = recorder.cloud.functions.add("migrate", migrate)
    await recorder.begin(LambdaConfig={"UserMigration": arn}, hides=hides)
    shown = ("UserNotFoundException", f"Exception migrating user in app client {recorder.app}")
    hidden = ("NotAuthorizedException", "Incorrect username or password.")
    with raises(*(hidden if hides == "ENABLED" else shown)):
        await recorder.cloud.sign_in(recorder.app)


async def test_an_alias_that_somebody_holds_stops_a_migration(recorder: Recorder) -> None:
    def migrate(event: Event) -> Event:
        attributes = {"email": MAIL, "email_verified": "true"}
        return {**event, "response": {"userAttributes": attributes, "finalUserStatus": "CONFIRMED"}}

    arn = recorder.cloud.functions.add("migrate", migrate)
    await recorder.begin(LambdaConfig={"UserMigration": arn}, AliasAttributes=["email"])
    await recorder.cloud.user(recorder.pool, "holder", email=MAIL, email_verified="true")
    with raises("UserNotFoundException", "Exception migrating user in app client"):
        await recorder.cloud.sign_in(recorder.app)


# Sender functions -----------------------------------------------------------------------------------------------------


def senders(recorder: Recorder, function: Any) -> Event:
    arn = recorder.cloud.functions.add("send", function)
    sender = {"LambdaVersion": "V1_0", "LambdaArn": arn}
    return {"CustomEmailSender": sender, "CustomSMSSender": sender, "KMSKeyID": KEY}


async def test_a_sender_function_gets_the_code_sealed(recorder: Recorder) -> None:
    await recorder.begin(LambdaConfig=senders(recorder, lambda event: event))
    given = [{"Name": "email", "Value": MAIL}]
    made = await recorder.client(
        "SignUp", Username="anna", Password=PASSWORD, UserAttributes=given, ClientMetadata=META
    )
    assert made["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"
    await until(lambda: bool(recorder.cloud.functions.events))
    [event] = recorder.take()
    code = event["request"].pop("code")
    assert event == recorder.event(
        "CustomEmailSender_SignUp",
        {
            "type": "customEmailSenderRequestV1",
            "userAttributes": {"sub": made["UserSub"], "cognito:user_status": "UNCONFIRMED", "email": MAIL},
            "clientMetadata": META,
        },
        {},
    )
    # Version 1, customer authenticated, AES-256-GCM: what every Encryption SDK reads.
    assert code.startswith("AYAB")
    service, operation, params = recorder.cloud.functions.delivered[0]
    assert (service, operation, params["KeyId"]) == ("kms", "GenerateDataKey", KEY)
    assert params["EncryptionContext"] == {"userpool-id": recorder.pool}
    assert recorder.cloud.pools.mailbox.messages() == []


async def test_nobody_waits_for_a_sender_function(recorder: Recorder) -> None:
    """What it does, and whether it fails, shows neither in the answer nor in its time."""

    def fail(event: Event) -> Event:
        raise ValueError("no")

    await recorder.begin(LambdaConfig=senders(recorder, fail))
    await recorder.cloud.user(recorder.pool, email=MAIL, email_verified="true")
    told = await recorder.client("ForgotPassword", Username="anna")
    assert told["CodeDeliveryDetails"]["Destination"] == "a***@e***"
    assert recorder.cloud.functions.events == []
    await until(lambda: bool(recorder.cloud.functions.events))


async def until(ready: Any) -> None:
    async with asyncio.timeout(5):
        while not ready():
            await asyncio.sleep(0.01)


# What functions may not answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [{"emailMessage": "{####}" + "x" * 20_000}, {"emailSubject": "x" * 141}, {"smsMessage": ["{####}"]}],
    ids=["long mail", "long subject", "no text"],
)
async def test_messages_that_are_none(recorder: Recorder, answer: Event) -> None:
    arn = recorder.cloud.functions.add("message", lambda event: {**event, "response": answer})
    await recorder.begin(LambdaConfig={"CustomMessage": arn})
    given = [{"Name": "email", "Value": MAIL}]
    with raises("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await recorder.client("SignUp", Username="anna", Password=PASSWORD, UserAttributes=given)


async def test_a_flag_is_no_text(recorder: Recorder) -> None:
    arn = recorder.cloud.functions.add("yes", lambda event: {**event, "response": {"autoConfirmUser": "true"}})
    await recorder.begin(LambdaConfig={"PreSignUp": arn})
    with raises("InvalidLambdaResponseException", "Unrecognizable lambda output"):
        await recorder.client("SignUp", Username="anna", Password=PASSWORD)
