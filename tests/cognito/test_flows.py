"""Signing up and signing in, flow by flow, as a client without a signature does it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cognito.conftest import PASSWORD, Cloud, raises

from forecourt.base.errors import ServiceError
from forecourt.services.cognito import tokens, totp


async def test_sign_up_confirm_and_sign_in(cloud: Cloud) -> None:
    pool = await cloud.pool(AutoVerifiedAttributes=["email"])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    attributes = [{"Name": "email", "Value": "anna@example.com"}]
    made = await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    assert made["UserConfirmed"] is False
    assert made["CodeDeliveryDetails"] == {
        "Destination": "a***@e***",
        "DeliveryMedium": "EMAIL",
        "AttributeName": "email",
    }
    with raises("UserNotConfirmedException", "User is not confirmed."):
        await cloud.sign_in(app)
    code = cloud.code_for("anna@example.com")
    wrong = f"{(int(code) + 1) % 1000000:06d}"
    with raises("CodeMismatchException", "Invalid verification code provided, please try again."):
        await cloud.client("ConfirmSignUp", ClientId=app, Username="anna", ConfirmationCode=wrong)
    await cloud.client("ConfirmSignUp", ClientId=app, Username="anna", ConfirmationCode=code)
    with raises("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED"):
        await cloud.client("ConfirmSignUp", ClientId=app, Username="anna", ConfirmationCode=code)
    result = (await cloud.sign_in(app))["AuthenticationResult"]
    assert result["TokenType"] == "Bearer"
    assert result["ExpiresIn"] == 3600
    me = await cloud.client("GetUser", AccessToken=result["AccessToken"])
    assert me["Username"] == "anna"
    assert {"Name": "email_verified", "Value": "true"} in me["UserAttributes"]
    claims = tokens.peek(result["IdToken"])
    assert claims["email_verified"] is True
    assert claims["cognito:username"] == "anna"
    assert claims["aud"] == app
    assert claims["iss"] == f"http://localhost:4566/{pool}"


@pytest.mark.parametrize("hides", ["ENABLED", "LEGACY"])
async def test_unknown_users(cloud: Cloud, hides: str) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors=hides)
    hidden = hides == "ENABLED"
    code, wording = (
        ("NotAuthorizedException", "Incorrect username or password.")
        if hidden
        else ("UserNotFoundException", "User does not exist.")
    )
    with raises(code, wording):
        await cloud.sign_in(app, "nobody")
    with raises(*(("ExpiredCodeException", "Invalid code provided") if hidden else ("UserNotFoundException",))):
        await cloud.client("ConfirmSignUp", ClientId=app, Username="nobody", ConfirmationCode="123456")
    if hidden:
        sent = await cloud.client("ForgotPassword", ClientId=app, Username="nobody")
        assert sent == await cloud.client("ForgotPassword", ClientId=app, Username="nobody")
        assert sent["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"
    else:
        with raises("UserNotFoundException", "Username/client id combination not found."):
            await cloud.client("ForgotPassword", ClientId=app, Username="nobody")


async def test_new_password_required(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud("AdminCreateUser", UserPoolId=pool, Username="anna", TemporaryPassword="Temporary-1")
    asked = await cloud.sign_in(app, password="Temporary-1")
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert asked["ChallengeParameters"]["requiredAttributes"] == "[]"
    with raises("InvalidPasswordException", "Password did not conform with policy: Password not long enough"):
        await cloud.answer(app, asked, NEW_PASSWORD="Short-1")
    done = await cloud.answer(app, asked, NEW_PASSWORD=PASSWORD)
    assert done["AuthenticationResult"]["AccessToken"]
    with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await cloud.answer(app, asked, NEW_PASSWORD=PASSWORD)
    assert (await cloud("AdminGetUser", UserPoolId=pool, Username="anna"))["UserStatus"] == "CONFIRMED"


async def test_a_temporary_password_expires(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud("AdminCreateUser", UserPoolId=pool, Username="anna", TemporaryPassword="Temporary-1")
    cloud.clock.advance(8 * 86400)
    with raises("NotAuthorizedException", "Temporary password has expired"):
        await cloud.sign_in(app, password="Temporary-1")


async def set_up_app(cloud: Cloud, app: str, challenge: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Goes through MFA_SETUP. The tokens, and the seed."""
    import base64

    associated = await cloud.client("AssociateSoftwareToken", Session=challenge["Session"])
    text = associated["SecretCode"]
    seed = base64.b32decode(text + "=" * (-len(text) % 8))
    verified = await cloud.client("VerifySoftwareToken", Session=associated["Session"], UserCode=code_now(cloud, seed))
    assert verified["Status"] == "SUCCESS"
    done = await cloud.answer(app, {**challenge, "Session": verified["Session"]})
    return done, seed


def code_now(cloud: Cloud, seed: bytes) -> str:
    return totp.code(seed, int(cloud.clock.now()) // 30)


async def totp_pool(cloud: Cloud, mode: str = "ON") -> tuple[str, str]:
    identity = "arn:aws:ses:us-east-1:000000000000:identity/example.com"
    pool = await cloud.pool(EmailConfiguration={"EmailSendingAccount": "DEVELOPER", "SourceArn": identity})
    await cloud(
        "SetUserPoolMfaConfig",
        UserPoolId=pool,
        MfaConfiguration=mode,
        SoftwareTokenMfaConfiguration={"Enabled": True},
    )
    return pool, await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")


async def test_totp_set_up_sign_in_and_replay(cloud: Cloud) -> None:
    pool, app = await totp_pool(cloud)
    await cloud.user(pool)
    asked = await cloud.sign_in(app)
    assert asked["ChallengeName"] == "MFA_SETUP"
    assert asked["ChallengeParameters"]["MFAS_CAN_SETUP"] == '["SOFTWARE_TOKEN_MFA"]'
    done, seed = await set_up_app(cloud, app, asked)
    assert done["AuthenticationResult"]["IdToken"]
    cloud.clock.advance(60)
    code = code_now(cloud, seed)
    first, second = await cloud.sign_in(app), await cloud.sign_in(app)
    assert first["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    with raises("CodeMismatchException", "Invalid code received for user"):
        await cloud.answer(app, first, SOFTWARE_TOKEN_MFA_CODE=f"{(int(code) + 1) % 1000000:06d}")
    assert "AuthenticationResult" in await cloud.answer(app, first, SOFTWARE_TOKEN_MFA_CODE=code)
    with raises("ExpiredCodeException", "Your software token has already been used once."):
        await cloud.answer(app, second, SOFTWARE_TOKEN_MFA_CODE=code)


async def test_totp_can_not_be_guessed(cloud: Cloud) -> None:
    pool, app = await totp_pool(cloud)
    await cloud.user(pool)
    await set_up_app(cloud, app, await cloud.sign_in(app))
    asked = await cloud.sign_in(app)
    refusals = set()
    for guess in range(12):
        with pytest.raises(ServiceError) as refused:
            await cloud.answer(app, asked, SOFTWARE_TOKEN_MFA_CODE=f"{guess:06d}")
        refusals.add(refused.value.code)
    assert refusals == {"CodeMismatchException", "NotAuthorizedException"}
    with raises("NotAuthorizedException", "Password attempts exceeded"):
        await cloud.sign_in(app)


async def test_refresh_rotation_and_reuse(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(
        pool,
        "USER_PASSWORD_AUTH",
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 10},
    )
    await cloud.user(pool)
    first = (await cloud.sign_in(app))["AuthenticationResult"]["RefreshToken"]
    second = (await cloud.client("GetTokensFromRefreshToken", ClientId=app, RefreshToken=first))["AuthenticationResult"]
    assert second["RefreshToken"] != first
    again = await cloud.client("GetTokensFromRefreshToken", ClientId=app, RefreshToken=first)
    assert again["AuthenticationResult"]["RefreshToken"] != second["RefreshToken"]
    cloud.clock.advance(11)
    with raises("RefreshTokenReuseException"):
        await cloud.client("GetTokensFromRefreshToken", ClientId=app, RefreshToken=first)
    with raises("NotAuthorizedException", "Refresh Token has been revoked"):
        await cloud.client(
            "GetTokensFromRefreshToken", ClientId=app, RefreshToken=again["AuthenticationResult"]["RefreshToken"]
        )
    with raises("NotAuthorizedException", "Access Token has been revoked"):
        await cloud.client("GetUser", AccessToken=second["AccessToken"])


async def test_a_token_of_long_ago_is_a_copy_too(cloud: Cloud) -> None:
    pool = await cloud.pool()
    rotation = {"Feature": "ENABLED", "RetryGracePeriodSeconds": 60}
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", RefreshTokenRotation=rotation)
    await cloud.user(pool)
    first = latest = (await cloud.sign_in(app))["AuthenticationResult"]["RefreshToken"]
    for _ in range(12):
        rotated = await cloud.client("GetTokensFromRefreshToken", ClientId=app, RefreshToken=latest)
        latest = rotated["AuthenticationResult"]["RefreshToken"]
    cloud.clock.advance(3600)
    with raises("RefreshTokenReuseException"):
        await cloud.client("GetTokensFromRefreshToken", ClientId=app, RefreshToken=first)
    with raises("NotAuthorizedException", "Refresh Token has been revoked"):
        await cloud.client("GetTokensFromRefreshToken", ClientId=app, RefreshToken=latest)


async def test_a_refresh_token_that_was_made_up_or_changed(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["RefreshToken"]
    other = "A" if token[60] != "A" else "B"
    padded = token + "=" * (-len(token) % 4 or 4)
    # Bits behind the last byte: another text of the same bytes.
    twin = token[:-1] + next(last for last in "BCDEFGHIJ" if last != token[-1])
    for wrong in ("x", "A" * len(token), token[:60] + other + token[61:], token[:-4], token + "AAAA", padded, twin):
        with raises("NotAuthorizedException", "Invalid Refresh Token"):
            given = {"REFRESH_TOKEN": wrong}
            await cloud.client("InitiateAuth", ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=given)
        await cloud.client("RevokeToken", ClientId=app, Token=wrong)
    given = {"REFRESH_TOKEN": token}
    assert await cloud.client("InitiateAuth", ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=given)


async def test_refresh_without_rotation(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")
    await cloud.user(pool)
    signed_in = (await cloud.sign_in(app))["AuthenticationResult"]
    cloud.clock.advance(7200)
    with raises("NotAuthorizedException", "Access Token has expired"):
        await cloud.client("GetUser", AccessToken=signed_in["AccessToken"])
    refreshed = await cloud.client(
        "InitiateAuth",
        ClientId=app,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": signed_in["RefreshToken"]},
    )
    result = refreshed["AuthenticationResult"]
    assert "RefreshToken" not in result
    before, after = tokens.peek(signed_in["AccessToken"]), tokens.peek(result["AccessToken"])
    assert after["origin_jti"] == before["origin_jti"]
    assert after["auth_time"] == before["auth_time"]
    assert after["jti"] != before["jti"]
    await cloud.client("RevokeToken", ClientId=app, Token=signed_in["RefreshToken"])
    with raises("NotAuthorizedException", "Access Token has been revoked"):
        await cloud.client("GetUser", AccessToken=result["AccessToken"])


async def test_global_sign_out(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")
    await cloud.user(pool)
    one, other = [(await cloud.sign_in(app))["AuthenticationResult"] for _ in range(2)]
    await cloud.client("GlobalSignOut", AccessToken=one["AccessToken"])
    with raises("NotAuthorizedException", "Access Token has been revoked"):
        await cloud.client("GetUser", AccessToken=other["AccessToken"])
    fresh = (await cloud.sign_in(app))["AuthenticationResult"]
    assert (await cloud.client("GetUser", AccessToken=fresh["AccessToken"]))["Username"] == "anna"


async def test_forgotten_password(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    sent = await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    assert sent["CodeDeliveryDetails"]["Destination"] == "a***@e***"
    code = cloud.code_for("anna@example.com")
    await cloud.client(
        "ConfirmForgotPassword", ClientId=app, Username="anna", ConfirmationCode=code, Password="Another-one-2"
    )
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await cloud.sign_in(app)
    assert "AuthenticationResult" in await cloud.sign_in(app, password="Another-one-2")
    with raises("ExpiredCodeException"):
        await cloud.client(
            "ConfirmForgotPassword", ClientId=app, Username="anna", ConfirmationCode=code, Password="Another-one-3"
        )


async def test_the_second_factor_does_not_recover_the_password(cloud: Cloud) -> None:
    """Where the pool says how passwords are recovered; without its word text messages come first, whatever else."""
    sms = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}
    order = [{"Name": "verified_phone_number", "Priority": 1}, {"Name": "verified_email", "Priority": 2}]
    told = []
    for setting in ({}, {"AccountRecoverySetting": {"RecoveryMechanisms": order}}):
        pool = await cloud.pool(SmsConfiguration=sms, MfaConfiguration="OPTIONAL", **setting)
        app = await cloud.app(pool)
        await cloud.user(
            pool,
            email="anna@example.com",
            email_verified="true",
            phone_number="+15555550100",
            phone_number_verified="true",
        )
        for enabled in (False, True):
            preference = {"SMSMfaSettings": {"Enabled": enabled}}
            await cloud("AdminSetUserMFAPreference", UserPoolId=pool, Username="anna", **preference)
            details = (await cloud.client("ForgotPassword", ClientId=app, Username="anna"))["CodeDeliveryDetails"]
            told.append(details["DeliveryMedium"])
    assert told == ["SMS", "SMS", "SMS", "EMAIL"]


async def test_user_auth_by_mail(cloud: Cloud) -> None:
    pool = await cloud.pool(
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
        AutoVerifiedAttributes=["email"],
    )
    app = await cloud.app(pool, "USER_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    asked = await cloud.client("InitiateAuth", ClientId=app, AuthFlow="USER_AUTH", AuthParameters={"USERNAME": "anna"})
    assert asked["ChallengeName"] == "SELECT_CHALLENGE"
    assert asked["AvailableChallenges"] == ["PASSWORD", "PASSWORD_SRP", "EMAIL_OTP"]
    mailed = await cloud.answer(app, asked, ANSWER="EMAIL_OTP")
    assert mailed["ChallengeName"] == "EMAIL_OTP"
    with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await cloud.answer(app, asked, ANSWER="EMAIL_OTP")
    done = await cloud.answer(app, mailed, EMAIL_OTP_CODE=cloud.code_for("anna@example.com"))
    assert done["AuthenticationResult"]["AccessToken"]
    direct = await cloud.client(
        "InitiateAuth",
        ClientId=app,
        AuthFlow="USER_AUTH",
        AuthParameters={"USERNAME": "anna", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD},
    )
    assert direct["AuthenticationResult"]["AccessToken"]


async def test_sms_and_select_mfa_type(cloud: Cloud) -> None:
    pool, app = await totp_pool(cloud, "OPTIONAL")
    await cloud(
        "SetUserPoolMfaConfig",
        UserPoolId=pool,
        MfaConfiguration="OPTIONAL",
        SoftwareTokenMfaConfiguration={"Enabled": True},
        SmsMfaConfiguration={"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}},
        EmailMfaConfiguration={},
    )
    await cloud.user(
        pool, phone_number="+15555550100", phone_number_verified="true", email="a@example.com", email_verified="true"
    )
    assert "AuthenticationResult" in await cloud.sign_in(app)
    on = {"Enabled": True}
    await cloud("AdminSetUserMFAPreference", UserPoolId=pool, Username="anna", SMSMfaSettings=on, EmailMfaSettings=on)
    asked = await cloud.sign_in(app)
    assert asked["ChallengeName"] == "SELECT_MFA_TYPE"
    assert asked["ChallengeParameters"]["MFAS_CAN_CHOOSE"] == '["SMS_MFA","EMAIL_OTP"]'
    texted = await cloud.answer(app, asked, ANSWER="SMS_MFA")
    assert texted["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == "+*******0100"
    code = cloud.code_for("+15555550100")
    done = await cloud.answer(app, texted, SMS_MFA_CODE=code)
    assert done["AuthenticationResult"]["AccessToken"]
    with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await cloud.answer(app, texted, SMS_MFA_CODE=code)


async def test_a_session_is_bound_to_its_user(cloud: Cloud) -> None:
    pool, app = await totp_pool(cloud)
    await cloud.user(pool)
    await cloud.user(pool, "bob")
    asked = await cloud.sign_in(app)
    with raises("NotAuthorizedException", "Invalid session for the user."):
        await cloud.answer(app, asked, USERNAME="bob")
    other = await cloud.app(pool, "USER_PASSWORD_AUTH")
    with raises("NotAuthorizedException", "Invalid session for the user."):
        await cloud.answer(other, asked)
    cloud.clock.advance(181)
    with raises("NotAuthorizedException", "Invalid session for the user, session is expired."):
        await cloud.answer(app, asked)


async def test_lock_out_doubles(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    await cloud.user(pool)
    for name in ("anna", "nobody"):
        for _ in range(5):
            with raises("NotAuthorizedException", "Incorrect username or password."):
                await cloud.sign_in(app, name, "Wrong-one-1")
        with raises("NotAuthorizedException", "Password attempts exceeded"):
            await cloud.sign_in(app, name)
    cloud.clock.advance(1.1)
    assert "AuthenticationResult" in await cloud.sign_in(app)
