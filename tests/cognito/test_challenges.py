"""Every first factor with every challenge that may follow it, and what a wrong answer is told."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from pycognito.aws_srp import AWSSRP, generate_hash_device
from tests.cognito.conftest import PASSWORD, Cloud, raises

from forecourt.base.errors import ServiceError
from forecourt.services.cognito import secret_hash, tokens, totp

Result = dict[str, Any]
PHONE, MAIL = "+15555550100", "anna@example.com"
SMS = {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}}
OWN_MAIL = {
    "EmailSendingAccount": "DEVELOPER",
    "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/example.com",
}
FLOWS = ("USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH", "USER_SRP_AUTH", "CUSTOM_AUTH", "USER_AUTH")


class Anna:
    """A user in a pool with everything on, and how she signs in."""

    def __init__(self, cloud: Cloud, pool: str, app: str) -> None:
        self.cloud, self.pool, self.app = cloud, pool, app
        self.password = PASSWORD
        self.device: dict[str, str] = {}
        self.seed = b""

    async def start(self, flow: str, **parameters: str) -> Result:
        given = {"USERNAME": "anna", **({"DEVICE_KEY": self.device["key"]} if self.device else {}), **parameters}
        call: dict[str, Any] = {"ClientId": self.app, "AuthFlow": flow, "AuthParameters": given}
        if flow.startswith("ADMIN"):
            return await self.cloud("AdminInitiateAuth", UserPoolId=self.pool, **call)
        return await self.cloud.client("InitiateAuth", **call)

    async def answer(self, asked: Result, **responses: str) -> Result:
        session = {"Session": asked["Session"]} if "Session" in asked else {}
        return await self.cloud.client(
            "RespondToAuthChallenge",
            ClientId=self.app,
            ChallengeName=asked["ChallengeName"],
            ChallengeResponses={"USERNAME": "anna", **responses},
            **session,
        )

    def proof(self) -> AWSSRP:
        device = {f"device_{name}": value for name, value in self.device.items()}
        return AWSSRP("anna", self.password, self.pool, self.app, client=object(), **device)


async def by_password(anna: Anna) -> Result:
    return await anna.start("USER_PASSWORD_AUTH", PASSWORD=anna.password)


async def by_admin(anna: Anna) -> Result:
    return await anna.start("ADMIN_USER_PASSWORD_AUTH", PASSWORD=anna.password)


async def proven(anna: Anna, proof: AWSSRP, asked: Result) -> Result:
    assert asked["ChallengeName"] == "PASSWORD_VERIFIER"
    responses = proof.process_challenge(asked["ChallengeParameters"], {"USERNAME": "anna"})
    return await anna.answer(asked, **responses)


async def by_srp(anna: Anna) -> Result:
    proof = anna.proof()
    return await proven(anna, proof, await anna.start("USER_SRP_AUTH", SRP_A=proof.get_auth_params()["SRP_A"]))


async def by_custom_after_srp(anna: Anna) -> Result:
    proof = anna.proof()
    srp_a = proof.get_auth_params()["SRP_A"]
    return await proven(anna, proof, await anna.start("CUSTOM_AUTH", SRP_A=srp_a, CHALLENGE_NAME="SRP_A"))


async def by_chosen_password(anna: Anna) -> Result:
    asked = await anna.start("USER_AUTH")
    assert asked["ChallengeName"] == "SELECT_CHALLENGE"
    return await anna.answer(asked, ANSWER="PASSWORD", PASSWORD=anna.password)


async def by_preferred_password(anna: Anna) -> Result:
    asked = await anna.start("USER_AUTH", PREFERRED_CHALLENGE="PASSWORD")
    assert asked["ChallengeName"] == "PASSWORD"
    return await anna.answer(asked, PASSWORD=anna.password)


async def by_chosen_srp(anna: Anna) -> Result:
    proof = anna.proof()
    asked = await anna.start("USER_AUTH", PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=proof.get_auth_params()["SRP_A"])
    return await proven(anna, proof, asked)


FIRST_FACTORS: list[Callable[[Anna], Awaitable[Result]]] = [
    by_password,
    by_admin,
    by_srp,
    by_custom_after_srp,
    by_chosen_password,
    by_preferred_password,
    by_chosen_srp,
]


# What may follow: how it comes to be asked, and how it is answered. ---------------------------------------------------


class Nothing:
    name = ""

    async def prepare(self, anna: Anna) -> None:
        pass

    async def answer(self, anna: Anna, asked: Result) -> Result:
        return asked


class NewPassword(Nothing):
    name = "NEW_PASSWORD_REQUIRED"

    async def prepare(self, anna: Anna) -> None:
        await anna.cloud("AdminSetUserPassword", UserPoolId=anna.pool, Username="anna", Password=PASSWORD)

    async def answer(self, anna: Anna, asked: Result) -> Result:
        shown = asked["ChallengeParameters"]
        assert shown["USER_ID_FOR_SRP"] == "anna"
        assert shown["requiredAttributes"] == "[]"
        assert msgspec.json.decode(shown["userAttributes"])["email"] == MAIL
        return await anna.answer(asked, NEW_PASSWORD="Another-horse-2")


class MfaSetup(Nothing):
    name = "MFA_SETUP"

    async def prepare(self, anna: Anna) -> None:
        await _mfa(anna, "ON", SoftwareTokenMfaConfiguration={"Enabled": True})

    async def answer(self, anna: Anna, asked: Result) -> Result:
        assert asked["ChallengeParameters"] == {
            "MFAS_CAN_SETUP": '["SOFTWARE_TOKEN_MFA"]',
            "USER_ID_FOR_SRP": "anna",
        }
        made = await anna.cloud.client("AssociateSoftwareToken", Session=asked["Session"])
        code = _code(anna, _seed(made["SecretCode"]))
        verified = await anna.cloud.client("VerifySoftwareToken", Session=made["Session"], UserCode=code)
        assert verified["Status"] == "SUCCESS"
        return await anna.answer({**asked, "Session": verified["Session"]})


class SoftwareToken(Nothing):
    name = "SOFTWARE_TOKEN_MFA"

    async def prepare(self, anna: Anna) -> None:
        await _mfa(anna, "OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True})
        await _with_app(anna)

    async def answer(self, anna: Anna, asked: Result) -> Result:
        assert asked["ChallengeParameters"] == {"USER_ID_FOR_SRP": "anna", "FRIENDLY_DEVICE_NAME": "phone"}
        with raises("CodeMismatchException", "Invalid code received for user"):
            await anna.answer(asked, SOFTWARE_TOKEN_MFA_CODE="000000")
        return await anna.answer(asked, SOFTWARE_TOKEN_MFA_CODE=_code(anna, anna.seed))


class Sms(Nothing):
    name = "SMS_MFA"

    async def prepare(self, anna: Anna) -> None:
        await _mfa(anna, "ON", SmsMfaConfiguration=SMS)

    async def answer(self, anna: Anna, asked: Result) -> Result:
        assert asked["ChallengeParameters"] == {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "SMS",
            "CODE_DELIVERY_DESTINATION": "+*******0100",
            "USER_ID_FOR_SRP": "anna",
        }
        code = anna.cloud.code_for(PHONE)
        with raises("CodeMismatchException", "Invalid code or auth state for the user."):
            await anna.answer(asked, SMS_MFA_CODE=f"{(int(code) + 1) % 10**6:06d}")
        return await anna.answer(asked, SMS_MFA_CODE=code)


class Mail(Nothing):
    name = "EMAIL_OTP"

    async def prepare(self, anna: Anna) -> None:
        await _mfa(anna, "ON", EmailMfaConfiguration={})

    async def answer(self, anna: Anna, asked: Result) -> Result:
        assert asked["ChallengeParameters"] == {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL",
            "CODE_DELIVERY_DESTINATION": "a***@e***",
            "USER_ID_FOR_SRP": "anna",
        }
        return await anna.answer(asked, EMAIL_OTP_CODE=anna.cloud.code_for(MAIL))


class SelectMfa(Nothing):
    name = "SELECT_MFA_TYPE"

    async def prepare(self, anna: Anna) -> None:
        await _mfa(anna, "OPTIONAL", SmsMfaConfiguration=SMS, EmailMfaConfiguration={})
        on = {"Enabled": True}
        preference = {"UserPoolId": anna.pool, "Username": "anna", "SMSMfaSettings": on, "EmailMfaSettings": on}
        await anna.cloud("AdminSetUserMFAPreference", **preference)

    async def answer(self, anna: Anna, asked: Result) -> Result:
        assert asked["ChallengeParameters"] == {
            "MFAS_CAN_CHOOSE": '["SMS_MFA","EMAIL_OTP"]',
            "USER_ID_FOR_SRP": "anna",
        }
        with raises("InvalidParameterException"):
            await anna.answer(asked, ANSWER="SOFTWARE_TOKEN_MFA")
        return await Mail().answer(anna, await anna.answer(asked, ANSWER="EMAIL_OTP"))


async def confirm_device(anna: Anna, result: Result) -> None:
    made = result["NewDeviceMetadata"]
    secret, config = generate_hash_device(made["DeviceGroupKey"], made["DeviceKey"])
    confirmed = await anna.cloud.client(
        "ConfirmDevice",
        AccessToken=result["AccessToken"],
        DeviceKey=made["DeviceKey"],
        DeviceSecretVerifierConfig=config,
    )
    assert confirmed == {"UserConfirmationNecessary": False}
    anna.device = {"key": made["DeviceKey"], "group_key": made["DeviceGroupKey"], "password": secret}


class Device(Nothing):
    name = "DEVICE_SRP_AUTH"

    async def prepare(self, anna: Anna) -> None:
        await confirm_device(anna, (await by_password(anna))["AuthenticationResult"])

    async def answer(self, anna: Anna, asked: Result) -> Result:
        assert asked["ChallengeParameters"] == {"DEVICE_KEY": anna.device["key"]}
        proof, key = anna.proof(), anna.device["key"]
        asked = await anna.answer(asked, SRP_A=proof.get_auth_params()["SRP_A"], DEVICE_KEY=key)
        assert asked["ChallengeName"] == "DEVICE_PASSWORD_VERIFIER"
        assert set(asked["ChallengeParameters"]) == {"SALT", "SECRET_BLOCK", "SRP_B", "USERNAME", "DEVICE_KEY"}
        return await anna.answer(asked, **proof.process_device_challenge(asked["ChallengeParameters"]))


_INVALID_REFRESH = "NotAuthorizedException: Invalid Refresh Token"
CHALLENGES: list[type[Nothing]] = [Nothing, NewPassword, MfaSetup, SoftwareToken, Sms, Mail, SelectMfa, Device]


async def _mfa(anna: Anna, mode: str, **factors: Any) -> None:
    await anna.cloud("SetUserPoolMfaConfig", UserPoolId=anna.pool, MfaConfiguration=mode, **factors)


async def _with_app(anna: Anna) -> None:
    token = (await by_password(anna))["AuthenticationResult"]["AccessToken"]
    anna.seed = _seed((await anna.cloud.client("AssociateSoftwareToken", AccessToken=token))["SecretCode"])
    await anna.cloud.client(
        "VerifySoftwareToken", AccessToken=token, UserCode=_code(anna, anna.seed), FriendlyDeviceName="phone"
    )
    on = {"Enabled": True, "PreferredMfa": True}
    await anna.cloud.client("SetUserMFAPreference", AccessToken=token, SoftwareTokenMfaSettings=on)
    anna.cloud.clock.advance(totp.STEP_SECONDS)


def _seed(text: str) -> bytes:
    return base64.b32decode(text + "=" * (-len(text) % 8))


def _code(anna: Anna, seed: bytes) -> str:
    return totp.code(seed, int(anna.cloud.clock.now()) // totp.STEP_SECONDS)


def define(event: Result) -> Result:
    """After the password and what follows it there is one question more: who are you?"""
    session = event["request"]["session"]
    last = session[-1]
    wanted = "PASSWORD_VERIFIER" if last["challengeName"] == "SRP_A" else "CUSTOM_CHALLENGE"
    done = last["challengeName"] == "CUSTOM_CHALLENGE" and last["challengeResult"]
    event["response"] = {"issueTokens": done, "failAuthentication": False, "challengeName": None if done else wanted}
    return event


def create(event: Result) -> Result:
    event["response"] = {"publicChallengeParameters": {}, "privateChallengeParameters": {"answer": "anna"}}
    return event


def verify(event: Result) -> Result:
    event["response"] = {"answerCorrect": event["request"]["challengeAnswer"] == "anna"}
    return event


async def anna_of(cloud: Cloud, **client: Any) -> Anna:
    functions = {"DefineAuthChallenge": define, "CreateAuthChallenge": create, "VerifyAuthChallengeResponse": verify}
    pool = await cloud.pool(
        EmailConfiguration=OWN_MAIL,
        DeviceConfiguration={"ChallengeRequiredOnNewDevice": True},
        LambdaConfig={name: cloud.functions.add(name, function) for name, function in functions.items()},
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "SMS_OTP"]}},
    )
    app = await cloud.app(pool, *FLOWS, "REFRESH_TOKEN_AUTH", **client)
    await cloud.user(pool, email=MAIL, email_verified="true", phone_number=PHONE, phone_number_verified="true")
    return Anna(cloud, pool, app)


@pytest.mark.parametrize("first", FIRST_FACTORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("following", CHALLENGES, ids=lambda c: c.name or "nothing")
async def test_every_flow_gets_every_challenge(
    cloud: Cloud, first: Callable[[Anna], Awaitable[Result]], following: type[Nothing]
) -> None:
    anna = await anna_of(cloud)
    if following in (MfaSetup, Mail, Sms):
        # Where MFA is required one-time codes alone are no way in.
        policies = {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]}}
        shown = (await cloud("DescribeUserPool", UserPoolId=anna.pool))["UserPool"]
        kept = {name: shown[name] for name in ("EmailConfiguration", "LambdaConfig", "DeviceConfiguration")}
        await cloud("UpdateUserPool", UserPoolId=anna.pool, Policies=policies, **kept)
    challenge = following()
    await challenge.prepare(anna)
    asked = await first(anna)
    if challenge.name:
        assert asked["ChallengeName"] == challenge.name
    asked = await challenge.answer(anna, asked)
    if first is by_custom_after_srp:
        assert asked["ChallengeName"] == "CUSTOM_CHALLENGE"
        asked = await anna.answer(asked, ANSWER="anna")
    result = asked["AuthenticationResult"]
    assert (await cloud.client("GetUser", AccessToken=result["AccessToken"]))["Username"] == "anna"
    if "NewDeviceMetadata" in result:
        unconfirmed = {"REFRESH_TOKEN": result["RefreshToken"], "DEVICE_KEY": result["NewDeviceMetadata"]["DeviceKey"]}
        assert await refusal(anna.start("REFRESH_TOKEN_AUTH", **unconfirmed)) == _INVALID_REFRESH
        await confirm_device(anna, result)
    for wrong in ("", "us-east-1_11111111-2222-3333-4444-555555555555"):
        given = {"REFRESH_TOKEN": result["RefreshToken"], "DEVICE_KEY": wrong}
        assert await refusal(anna.start("REFRESH_TOKEN_AUTH", **given)) == _INVALID_REFRESH
    given = {"REFRESH_TOKEN": result["RefreshToken"], "DEVICE_KEY": anna.device["key"]}
    again = await anna.start("REFRESH_TOKEN_AUTH", **given)
    assert again["AuthenticationResult"]["IdToken"]


@pytest.mark.parametrize(("factor", "to"), [("EMAIL_OTP", MAIL), ("SMS_OTP", PHONE)])
async def test_one_time_codes_as_the_first_factor(cloud: Cloud, factor: str, to: str) -> None:
    anna = await anna_of(cloud)

    async def selected() -> Result:
        return await anna.answer(await anna.start("USER_AUTH"), ANSWER=factor)

    for ask in (lambda: anna.start("USER_AUTH", PREFERRED_CHALLENGE=factor), selected):
        asked = await ask()
        assert asked["ChallengeName"] == factor
        code = {f"{factor}_CODE": cloud.code_for(to)}
        assert "AuthenticationResult" in await anna.answer(asked, **code)
        with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
            await anna.answer(asked, **code)


# Wrong calls ----------------------------------------------------------------------------------------------------------


async def refusal(call: Awaitable[Any]) -> str:
    with pytest.raises(ServiceError) as refused:
        await call
    return f"{refused.value.code}: {refused.value.message}"


async def test_flows_that_a_client_does_not_allow(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    anna = Anna(cloud, pool, app)
    other = Anna(cloud, pool, await cloud.app(pool, "USER_SRP_AUTH"))
    assert [
        await refusal(other.start("USER_PASSWORD_AUTH", PASSWORD=PASSWORD)),
        await refusal(anna.start("USER_SRP_AUTH", SRP_A="1234")),
        await refusal(anna.start("ADMIN_USER_PASSWORD_AUTH", PASSWORD=PASSWORD)),
        await refusal(anna.start("CUSTOM_AUTH")),
        await refusal(anna.start("REFRESH_TOKEN_AUTH", REFRESH_TOKEN="x")),
    ] == [
        "InvalidParameterException: USER_PASSWORD_AUTH flow not enabled for this client",
        "InvalidParameterException: USER_SRP_AUTH is not enabled for the client.",
        "InvalidParameterException: Auth flow not enabled for this client",
        "InvalidParameterException: CUSTOM_AUTH is not enabled for the client.",
        "InvalidParameterException: Auth flow not enabled for this client",
    ]


async def test_flows_at_the_wrong_door(cloud: Cloud) -> None:
    """An administrator's flow without a signature, and a user's with one."""
    anna = await anna_of(cloud)
    parameters = {"USERNAME": "anna", "PASSWORD": PASSWORD}
    for call in (
        cloud.client("InitiateAuth", ClientId=anna.app, AuthFlow="ADMIN_USER_PASSWORD_AUTH", AuthParameters=parameters),
        cloud(
            "AdminInitiateAuth",
            UserPoolId=anna.pool,
            ClientId=anna.app,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters=parameters,
        ),
    ):
        assert await refusal(call) == "InvalidParameterException: Initiate Auth method not supported."


async def test_parameters_that_are_missing(cloud: Cloud) -> None:
    anna = await anna_of(cloud)
    asked = await anna.start("USER_AUTH")
    respond = {"ClientId": anna.app, "ChallengeName": "SELECT_CHALLENGE"}

    async def started(**parameters: str) -> str:
        call = {"ClientId": anna.app, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters}
        return await refusal(cloud.client("InitiateAuth", **call))

    missing = "InvalidParameterException: Missing required parameter "
    assert await started(PASSWORD="x") == missing + "USERNAME"
    assert await started(USERNAME="x") == missing + "PASSWORD"
    assert await refusal(anna.start("USER_SRP_AUTH")) == missing + "SRP_A"
    assert await refusal(anna.start("REFRESH_TOKEN_AUTH")) == missing + "REFRESH_TOKEN"
    without_session = cloud.client("RespondToAuthChallenge", **respond, ChallengeResponses={"USERNAME": "anna"})
    assert await refusal(without_session) == missing + "Session"
    without_name = cloud.client(
        "RespondToAuthChallenge", **respond, Session=asked["Session"], ChallengeResponses={"ANSWER": "PASSWORD"}
    )
    assert await refusal(without_name) == missing + "USERNAME"
    assert await refusal(anna.answer(asked)) == missing + "ANSWER"


async def test_sessions_that_are_no_good(cloud: Cloud) -> None:
    anna, bob = await anna_of(cloud), await anna_of(cloud)
    other = Anna(cloud, anna.pool, await cloud.app(anna.pool, "USER_AUTH"))
    await cloud.user(anna.pool, "carla")
    asked = await anna.start("USER_AUTH")
    good = {"ANSWER": "PASSWORD", "PASSWORD": PASSWORD}
    refused = "NotAuthorizedException: Invalid session for the user."
    assert await refusal(anna.answer({**asked, "Session": "x" * 40}, **good)) == refused
    assert await refusal(anna.answer({**asked, "Session": asked["Session"][:-4] + "AAAA"}, **good)) == refused
    assert await refusal(anna.answer({**asked, "ChallengeName": "SMS_MFA"}, SMS_MFA_CODE="1")) == refused
    assert await refusal(other.answer(asked, **good)) == refused
    assert await refusal(bob.answer(asked, **good)) == refused
    assert await refusal(anna.answer(asked, **{**good, "USERNAME": "carla"})) == refused
    assert "AuthenticationResult" in await anna.answer(asked, **good)
    assert await refusal(anna.answer(asked, **good)) == refused[:-1] + ", session can only be used once."
    asked = await anna.start("USER_AUTH")
    cloud.clock.advance(181)
    assert await refusal(anna.answer(asked, **good)) == refused[:-1] + ", session is expired."


async def test_the_session_lives_as_long_as_the_client_says(cloud: Cloud) -> None:
    anna = await anna_of(cloud, AuthSessionValidity=15)
    asked = await anna.start("USER_AUTH")
    cloud.clock.advance(14 * 60)
    assert "AuthenticationResult" in await anna.answer(asked, ANSWER="PASSWORD", PASSWORD=PASSWORD)


async def test_users_who_may_not_sign_in(cloud: Cloud) -> None:
    anna = await anna_of(cloud)
    who = {"UserPoolId": anna.pool, "Username": "anna"}
    await cloud("AdminDisableUser", **who)
    for first in (by_password, by_srp, by_admin):
        assert await refusal(first(anna)) == "NotAuthorizedException: User is disabled."
    await cloud("AdminEnableUser", **who)
    await cloud("AdminResetUserPassword", **who)
    for first in (by_password, by_srp, by_admin):
        assert await refusal(first(anna)) == "PasswordResetRequiredException: Password reset required for the user"
    await cloud("AdminSetUserPassword", **who, Password=PASSWORD, Permanent=True)
    await cloud.client("SignUp", ClientId=anna.app, Username="bob", Password=PASSWORD)
    assert await refusal(anna.start("USER_PASSWORD_AUTH", USERNAME="bob", PASSWORD=PASSWORD)) == (
        "UserNotConfirmedException: User is not confirmed."
    )


async def test_a_client_that_hides_users_tells_no_status_before_a_proof(cloud: Cloud) -> None:
    anna = await anna_of(cloud, PreventUserExistenceErrors="ENABLED")
    await cloud("AdminDisableUser", UserPoolId=anna.pool, Username="anna")
    for name in ("anna", "nobody"):
        asked = await anna.start("USER_AUTH", USERNAME=name)
        assert asked["ChallengeName"] == "SELECT_CHALLENGE"
        custom = await anna.start("CUSTOM_AUTH", USERNAME=name, SRP_A="1" * 600, CHALLENGE_NAME="SRP_A")
        assert custom["ChallengeName"] == "PASSWORD_VERIFIER"
        mailed = await anna.start("USER_AUTH", USERNAME=name, PREFERRED_CHALLENGE="EMAIL_OTP")
        assert mailed["ChallengeName"] in ("EMAIL_OTP", "SELECT_CHALLENGE")
    assert cloud.pools.mailbox.messages() == []


async def test_the_secret_hash_of_every_call(cloud: Cloud) -> None:
    anna = await anna_of(cloud, GenerateSecret=True)
    described = await cloud("DescribeUserPoolClient", UserPoolId=anna.pool, ClientId=anna.app)
    right = secret_hash.compute(described["UserPoolClient"]["ClientSecret"], "anna", anna.app)
    missing = f"NotAuthorizedException: Client {anna.app} is configured with secret but SECRET_HASH was not received"
    wrong = f"NotAuthorizedException: Unable to verify secret hash for client {anna.app}"
    calls: dict[str, dict[str, str]] = {
        "SignUp": {"Username": "anna", "Password": PASSWORD},
        "ConfirmSignUp": {"Username": "anna", "ConfirmationCode": "123456"},
        "ResendConfirmationCode": {"Username": "anna"},
        "ForgotPassword": {"Username": "anna"},
        "ConfirmForgotPassword": {"Username": "anna", "ConfirmationCode": "123456", "Password": PASSWORD},
    }
    for operation, params in calls.items():
        assert await refusal(cloud.client(operation, ClientId=anna.app, **params)) == missing, operation
        given = cloud.client(operation, ClientId=anna.app, SecretHash="AAAA", **params)
        assert await refusal(given) == wrong, operation
    asked = await anna.start("USER_AUTH", SECRET_HASH=right)
    assert await refusal(anna.answer(asked, ANSWER="PASSWORD", PASSWORD=PASSWORD)) == missing
    assert await refusal(anna.answer(asked, ANSWER="PASSWORD", PASSWORD=PASSWORD, SECRET_HASH="AAAA")) == wrong
    result = await anna.answer(asked, ANSWER="PASSWORD", PASSWORD=PASSWORD, SECRET_HASH=right)
    refresh = result["AuthenticationResult"]["RefreshToken"]
    assert await refusal(anna.start("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=refresh)) == missing
    secret = {"ClientId": anna.app, "Token": refresh}
    assert (await refusal(cloud.client("RevokeToken", **secret))).startswith("UnauthorizedException: ")
    public = await cloud.app(anna.pool, "USER_PASSWORD_AUTH")
    told = cloud.client("ForgotPassword", ClientId=public, Username="anna", SecretHash=right)
    assert await refusal(told) == f"NotAuthorizedException: Unable to verify secret hash for client {public}"


async def test_refresh_tokens_that_are_no_good(cloud: Cloud) -> None:
    """One that is kept no more is told from one that never was."""
    anna = await anna_of(cloud)

    async def refresh(token: str) -> str:
        return await refusal(anna.start("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=token))

    invalid = _INVALID_REFRESH
    revoked = "NotAuthorizedException: Refresh Token has been revoked"
    first = (await by_password(anna))["AuthenticationResult"]
    assert await refresh("never-was") == invalid
    assert await refresh(first["AccessToken"]) == invalid
    kept, changed = first["RefreshToken"], "B" if first["RefreshToken"][20] == "A" else "A"
    assert await refresh(kept[:20] + changed + kept[21:]) == invalid
    await cloud.client("RevokeToken", ClientId=anna.app, Token=first["RefreshToken"])
    assert await refresh(first["RefreshToken"]) == revoked
    second = (await by_password(anna))["AuthenticationResult"]
    await cloud.client("GlobalSignOut", AccessToken=second["AccessToken"])
    assert await refresh(second["RefreshToken"]) == revoked


@pytest.mark.parametrize("on_prompt", [False, True], ids=["always", "when asked"])
@pytest.mark.parametrize("stands_for_mfa", [False, True], ids=["beside MFA", "for MFA"])
async def test_a_device_and_the_second_factor(cloud: Cloud, on_prompt: bool, stands_for_mfa: bool) -> None:
    """A remembered device proves itself; whether a second factor is asked for as well is the pool's choice."""
    anna = await anna_of(cloud)
    configuration = {
        "ChallengeRequiredOnNewDevice": stands_for_mfa,
        "DeviceOnlyRememberedOnUserPrompt": on_prompt,
    }
    await cloud("UpdateUserPool", UserPoolId=anna.pool, DeviceConfiguration=configuration, EmailConfiguration=OWN_MAIL)
    await _mfa(anna, "ON", SmsMfaConfiguration=SMS)

    async def after_sms(asked: Result) -> Result:
        assert asked["ChallengeName"] == "SMS_MFA"
        result: Result = (await anna.answer(asked, SMS_MFA_CODE=cloud.code_for(PHONE)))["AuthenticationResult"]
        return result

    result = await after_sms(await by_password(anna))
    made, token = result["NewDeviceMetadata"], {"AccessToken": result["AccessToken"]}
    secret, config = generate_hash_device(made["DeviceGroupKey"], made["DeviceKey"])
    which = {"DeviceKey": made["DeviceKey"], **token}
    confirmed = await cloud.client("ConfirmDevice", **which, DeviceSecretVerifierConfig=config, DeviceName="laptop")
    assert confirmed == {"UserConfirmationNecessary": on_prompt}
    with raises("DeviceKeyExistsException"):
        await cloud.client("ConfirmDevice", **which, DeviceSecretVerifierConfig=config)
    anna.device = {"key": made["DeviceKey"], "group_key": made["DeviceGroupKey"], "password": secret}
    if on_prompt:
        await after_sms(await by_password(anna))
        await cloud.client("UpdateDeviceStatus", **which, DeviceRememberedStatus="remembered")
    asked = await Device().answer(anna, await by_password(anna))
    again = asked["AuthenticationResult"] if stands_for_mfa else await after_sms(asked)
    assert "NewDeviceMetadata" not in again
    shown = (await cloud.client("GetDevice", **which))["Device"]
    attributes = {attribute["Name"]: attribute["Value"] for attribute in shown["DeviceAttributes"]}
    assert attributes["device_name"] == "laptop"
    assert attributes["device_status"] == "valid"
    await cloud.client("UpdateDeviceStatus", **which, DeviceRememberedStatus="not_remembered")
    await after_sms(await by_password(anna))
    await cloud.client("ForgetDevice", **which)
    assert "NewDeviceMetadata" in await after_sms(await by_password(anna))
    with raises("ResourceNotFoundException", "Device does not exist."):
        await cloud.client("GetDevice", **which)


async def test_a_device_that_is_named_with_the_proof(cloud: Cloud) -> None:
    """Amplify names the device when it answers PASSWORD_VERIFIER, or an MFA challenge, and not before."""
    anna = await anna_of(cloud)
    await Device().prepare(anna)
    key = anna.device["key"]
    proof = anna.proof()
    asked = await anna.start("USER_SRP_AUTH", SRP_A=proof.get_auth_params()["SRP_A"], DEVICE_KEY="")
    responses = proof.process_challenge(asked["ChallengeParameters"], {"USERNAME": "anna"})
    asked = await anna.answer(asked, **{**responses, "DEVICE_KEY": key})
    assert asked["ChallengeName"] == "DEVICE_SRP_AUTH"
    assert "AuthenticationResult" in await Device().answer(anna, asked)
    other = {**responses, "DEVICE_KEY": "us-east-1_11111111-2222-3333-4444-555555555555"}
    proof = anna.proof()
    asked = await anna.start("USER_SRP_AUTH", SRP_A=proof.get_auth_params()["SRP_A"], DEVICE_KEY="")
    responses = proof.process_challenge(asked["ChallengeParameters"], {"USERNAME": "anna"})
    result = await anna.answer(asked, **{**responses, "DEVICE_KEY": other["DEVICE_KEY"]})
    assert "NewDeviceMetadata" in result["AuthenticationResult"]


async def test_a_name_is_no_device(cloud: Cloud) -> None:
    """Where the pool tracks none, what a client says of its device does not get into its tokens."""
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    result = (await cloud.sign_in(app, DEVICE_KEY="us-east-1_anything"))["AuthenticationResult"]
    assert "device_key" not in tokens.peek(result["AccessToken"])


async def test_a_device_that_proves_nothing(cloud: Cloud) -> None:
    anna = await anna_of(cloud)
    await Device().prepare(anna)
    asked = await by_password(anna)
    wrong = anna.proof()
    wrong.device_password = "another secret"
    key = anna.device["key"]
    step = await anna.answer(asked, SRP_A=wrong.get_auth_params()["SRP_A"], DEVICE_KEY=key)
    proof = wrong.process_device_challenge(step["ChallengeParameters"])
    refused = "NotAuthorizedException: Incorrect username or password."
    assert await refusal(anna.answer(step, **proof)) == refused
    assert await refusal(anna.answer(step, **proof)) == refused
    used = "NotAuthorizedException: Invalid session for the user, session can only be used once."
    assert await refusal(anna.answer(asked, SRP_A=wrong.get_auth_params()["SRP_A"], DEVICE_KEY=key)) == used


async def test_no_app_is_set_up_where_the_pool_wants_none(cloud: Cloud) -> None:
    """Who knows the password of a user without a number does not choose a second factor of his own."""
    pool = await cloud.pool(SmsConfiguration=SMS["SmsConfiguration"], MfaConfiguration="ON")
    anna = Anna(cloud, pool, await cloud.app(pool, "USER_PASSWORD_AUTH"))
    await cloud.user(pool)
    asked = await by_password(anna)
    assert asked["ChallengeName"] == "MFA_SETUP"
    assert asked["ChallengeParameters"]["MFAS_CAN_SETUP"] == '["SMS_MFA"]'
    with raises("SoftwareTokenMFANotFoundException", "Software Token MFA has not been enabled by the userPool"):
        await cloud.client("AssociateSoftwareToken", Session=asked["Session"])
    with raises("NotAuthorizedException", "Invalid session for the user, software token is not verified."):
        await anna.answer(asked)


NOT_FOUND = "UserNotFoundException: User does not exist."
NO_COMBINATION = "UserNotFoundException: Username/client id combination not found."
INCORRECT = "NotAuthorizedException: Incorrect username or password."
NO_CODE = "ExpiredCodeException: Invalid code provided, please request a code again."
# Operation or flow -> what is said of nobody where the client hides users, and where it does not.
OF_NOBODY: dict[str, tuple[str, str]] = {
    "USER_PASSWORD_AUTH": (INCORRECT, NOT_FOUND),
    "ADMIN_USER_PASSWORD_AUTH": (INCORRECT, NOT_FOUND),
    "USER_SRP_AUTH": ("PASSWORD_VERIFIER", NOT_FOUND),
    "CUSTOM_AUTH": ("PASSWORD_VERIFIER", NOT_FOUND),
    "USER_AUTH": ("SELECT_CHALLENGE", NOT_FOUND),
    "ConfirmSignUp": (NO_CODE, NO_COMBINATION),
    "ResendConfirmationCode": ("EMAIL email", NO_COMBINATION),
    "ForgotPassword": ("EMAIL email", NO_COMBINATION),
    "ConfirmForgotPassword": (NO_CODE, NO_COMBINATION),
}


@pytest.mark.parametrize("hides", [True, False], ids=["ENABLED", "LEGACY"])
@pytest.mark.parametrize("what", OF_NOBODY)
async def test_what_is_said_of_nobody(cloud: Cloud, what: str, hides: bool) -> None:
    anna = await anna_of(cloud, PreventUserExistenceErrors="ENABLED" if hides else "LEGACY")
    shown = (await cloud("DescribeUserPool", UserPoolId=anna.pool))["UserPool"]
    order = {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]}
    kept = {"LambdaConfig": shown["LambdaConfig"], "Policies": {"SignInPolicy": shown["Policies"]["SignInPolicy"]}}
    await cloud(
        "UpdateUserPool",
        UserPoolId=anna.pool,
        AutoVerifiedAttributes=["email"],
        AccountRecoverySetting=order,
        **kept,
    )
    parameters = {"USERNAME": "ghost", "PASSWORD": PASSWORD, "SRP_A": "1" * 600, "CHALLENGE_NAME": "SRP_A"}
    call = {"Username": "ghost", "ConfirmationCode": "123456", "Password": PASSWORD}
    names = {"ConfirmSignUp": ("Username", "ConfirmationCode"), "ConfirmForgotPassword": tuple(call)}
    try:
        if what.endswith("AUTH"):
            told = (await anna.start(what, **parameters))["ChallengeName"]
        else:
            given = {name: call[name] for name in names.get(what, ("Username",))}
            details = (await cloud.client(what, ClientId=anna.app, **given))["CodeDeliveryDetails"]
            told = f"{details['DeliveryMedium']} {details['AttributeName']}"
    except ServiceError as error:
        told = f"{error.code}: {error.message}"
    assert told == OF_NOBODY[what][0 if hides else 1]


async def test_factors_that_a_user_does_not_have(cloud: Cloud) -> None:
    pool = await cloud.pool()
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, MfaConfiguration="OPTIONAL", SmsMfaConfiguration=SMS)
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]
    on, both = {"Enabled": True}, {"Enabled": True, "PreferredMfa": True}
    who = {"UserPoolId": pool, "Username": "anna"}
    text = "InvalidParameterException: User does not have delivery config set to turn on "
    calls = {
        text + "SOFTWARE_TOKEN_MFA": cloud("AdminSetUserMFAPreference", **who, SoftwareTokenMfaSettings=on),
        text + "SMS_MFA": cloud("AdminSetUserMFAPreference", **who, SMSMfaSettings=on),
        text + "EMAIL_OTP": cloud("AdminSetUserMFAPreference", **who, EmailMfaSettings=on),
        "InvalidParameterException: User has not verified software token mfa": cloud.client(
            "SetUserMFAPreference", AccessToken=token, SoftwareTokenMfaSettings=on
        ),
        "InvalidParameterException: Cannot set multiple preferred MFA types.": cloud(
            "AdminSetUserMFAPreference", **who, SMSMfaSettings=both, EmailMfaSettings=both
        ),
    }
    for wording, call in calls.items():
        assert await refusal(call) == wording
