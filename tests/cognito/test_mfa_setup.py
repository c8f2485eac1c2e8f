"""MFA_SETUP by an address: the pool demands a second factor, and the user has none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cognito.conftest import PASSWORD, Cloud, raises
from tests.cognito.test_attacks import CALLBACK, hosted
from tests.cognito.test_oauth import form_of

MAIL, PHONE = "anna@example.com", "+15555550100"
SMS = {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "x"}}


async def demand(cloud: Cloud, pool: str, **factors: Any) -> None:
    sender = "arn:aws:ses:us-east-1:000000000000:identity/pets@example.com"
    mail = {"EmailSendingAccount": "DEVELOPER", "SourceArn": sender}
    await cloud("UpdateUserPool", UserPoolId=pool, EmailConfiguration=mail)
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, MfaConfiguration="ON", **factors)


async def attributes_of(cloud: Cloud, pool: str, name: str = "anna") -> dict[str, str]:
    got = await cloud("AdminGetUser", UserPoolId=pool, Username=name)
    return {attribute["Name"]: attribute["Value"] for attribute in got["UserAttributes"]}


@pytest.mark.parametrize(
    ("factors", "response", "address", "challenge", "attribute"),
    [
        ({"EmailMfaConfiguration": {}}, "EMAIL", MAIL, "EMAIL_OTP", "email"),
        ({"SmsMfaConfiguration": SMS}, "PHONE_NUMBER", PHONE, "SMS_MFA", "phone_number"),
    ],
    ids=["email", "phone"],
)
async def test_an_address_becomes_the_second_factor(
    cloud: Cloud, factors: dict[str, Any], response: str, address: str, challenge: str, attribute: str
) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    await demand(cloud, pool, **factors)
    asked = await cloud.sign_in(app)
    assert asked["ChallengeName"] == "MFA_SETUP"
    assert asked["ChallengeParameters"]["MFAS_CAN_SETUP"] == f'["{challenge}"]'
    sent = await cloud.answer(app, asked, **{response: address})
    assert sent["ChallengeName"] == challenge
    # Until its code has come back it is nobody's.
    assert attribute not in await attributes_of(cloud, pool)
    with raises("CodeMismatchException"):
        await cloud.answer(app, sent, **{f"{challenge}_CODE": "0"})
    assert attribute not in await attributes_of(cloud, pool)
    done = await cloud.answer(app, sent, **{f"{challenge}_CODE": cloud.code_for(address)})
    assert "AccessToken" in done["AuthenticationResult"]
    kept = await attributes_of(cloud, pool)
    assert (kept[attribute], kept[f"{attribute}_verified"]) == (address, "true")
    assert (await cloud.sign_in(app))["ChallengeName"] == challenge


async def test_what_is_no_address_or_not_offered_is_refused(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="old@example.com")
    await demand(cloud, pool, EmailMfaConfiguration={})
    asked = await cloud.sign_in(app)
    for responses in ({"PHONE_NUMBER": PHONE}, {"EMAIL": "nothing"}, {"EMAIL": MAIL}):
        with raises("InvalidParameterException"):
            await cloud.answer(app, asked, **responses)
    sent = await cloud.answer(app, asked, EMAIL="old@example.com")
    await cloud.answer(app, sent, EMAIL_OTP_CODE=cloud.code_for("old@example.com"))
    assert (await attributes_of(cloud, pool))["email_verified"] == "true"


async def test_an_alias_that_is_somebody_elses(cloud: Cloud) -> None:
    pool = await cloud.pool(AliasAttributes=["email"])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    await cloud.user(pool, "ben", email=MAIL, email_verified="true")
    await demand(cloud, pool, EmailMfaConfiguration={})
    sent = await cloud.answer(app, await cloud.sign_in(app), EMAIL=MAIL)
    with raises("AliasExistsException"):
        await cloud.answer(app, sent, EMAIL_OTP_CODE=cloud.code_for(MAIL))


async def test_on_the_page(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    await demand(cloud, pool, EmailMfaConfiguration={}, SmsMfaConfiguration=SMS)
    params, token = await form_of(site, app)
    page = await site.http.post("/login", params=params, data={"username": "anna", "password": PASSWORD, "csrf": token})
    assert 'name="email"' in page.text
    assert 'name="phone_number"' in page.text
    form = {"csrf": token, "session": page.text.split('name="session" value="')[1].split('"')[0]}
    wrong = {**form, "challenge": "MFA_SETUP", "email": "nothing"}
    again = await site.http.post("/challenge", params=params, data=wrong)
    assert (again.status_code, 'name="phone_number"' in again.text) == (400, True)
    sent = await site.http.post("/challenge", params=params, data={**wrong, "email": MAIL})
    form["session"] = sent.text.split('name="session" value="')[1].split('"')[0]
    code = {**form, "challenge": "EMAIL_OTP", "code": cloud.code_for(MAIL)}
    assert (await site.http.post("/challenge", params=params, data=code)).headers["location"].startswith(CALLBACK)
