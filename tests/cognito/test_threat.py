"""Threat protection: passwords that everybody knows, and what each setting of a risk makes of a sign-in."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.cognito.conftest import PASSWORD, Cloud, raises

Document = dict[str, Any]
COMMON = "Password1!"
HOME, ABROAD = ("192.0.2.1", "Firefox"), ("198.51.100.1", "curl")


async def protected(cloud: Cloud, mode: str = "ENFORCED", **risk: Any) -> tuple[str, str]:
    pool = await cloud.pool(UserPoolTier="PLUS", UserPoolAddOns={"AdvancedSecurityMode": mode})
    await cloud("SetRiskConfiguration", UserPoolId=pool, **risk)
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "ADMIN_USER_PASSWORD_AUTH")
    await cloud.user(
        pool, email="anna@example.com", email_verified="true", phone_number="+15555550100", phone_number_verified="true"
    )
    return pool, app


def compromised(action: str, *events: str) -> Document:
    setting: Document = {"Actions": {"EventAction": action}, **({"EventFilter": list(events)} if events else {})}
    return {"CompromisedCredentialsRiskConfiguration": setting}


async def events(cloud: Cloud, pool: str) -> list[tuple[str, str, bool | None]]:
    found = (await cloud("AdminListUserAuthEvents", UserPoolId=pool, Username="anna"))["AuthEvents"]
    return [
        (event["EventType"], event["EventResponse"], event["EventRisk"].get("CompromisedCredentialsDetected"))
        for event in found
    ]


async def test_a_known_password_is_blocked(cloud: Cloud) -> None:
    pool, app = await protected(cloud, **compromised("BLOCK"))
    await cloud("AdminSetUserPassword", UserPoolId=pool, Username="anna", Password=COMMON, Permanent=True)
    with raises("PasswordResetRequiredException", "Password reset required for the user for security reasons"):
        await cloud.sign_in(app, password=COMMON)
    assert (await events(cloud, pool))[0] == ("SignIn", "Fail", True)
    with raises("InvalidPasswordException", "Provided password cannot be used for security reasons."):
        await cloud.client("SignUp", ClientId=app, Username="eve", Password=COMMON)


@pytest.mark.parametrize(
    ("mode", "settings"),
    [("AUDIT", compromised("BLOCK")), ("ENFORCED", compromised("NO_ACTION"))],
    ids=["audit", "no action"],
)
async def test_a_known_password_is_noted(cloud: Cloud, mode: str, settings: Document) -> None:
    pool, app = await protected(cloud, mode, **settings)
    assert "AuthenticationResult" in await cloud.sign_in(app)
    assert (await events(cloud, pool))[0] == ("SignIn", "Pass", False)
    await cloud("AdminSetUserPassword", UserPoolId=pool, Username="anna", Password=COMMON, Permanent=True)
    assert "AuthenticationResult" in await cloud.sign_in(app, password=COMMON)
    assert (await events(cloud, pool))[0] == ("SignIn", "Pass", True)


async def test_events_that_are_filtered_out(cloud: Cloud) -> None:
    pool, app = await protected(cloud, **compromised("BLOCK", "SIGN_UP"))
    await cloud("AdminSetUserPassword", UserPoolId=pool, Username="anna", Password=COMMON, Permanent=True)
    assert "AuthenticationResult" in await cloud.sign_in(app, password=COMMON)
    assert (await events(cloud, pool))[0] == ("SignIn", "Pass", None)


class RangeService:
    """Is told five digits of a hash and answers with what it knows of them; or, when slow, with nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.slow = self.strange = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked.append(path)
        if self.slow:
            await asyncio.sleep(10)
        if self.strange:
            writer.write(b"hello\r\n\r\n")
            writer.close()
            return
        digest = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
        body = f"{'0' * 35}:1\r\n{digest[5:]}:7\r\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()


@pytest.fixture
async def service() -> AsyncIterator[RangeService]:
    made = RangeService()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


async def test_a_range_service_is_asked(service: RangeService) -> None:
    cloud = Cloud(compromised_password_range_url=f"http://127.0.0.1:{service.port}/range/")
    _, app = await protected(cloud, **compromised("BLOCK"))
    with raises("PasswordResetRequiredException"):
        await cloud.sign_in(app)
    digest = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
    assert service.asked == [f"/range/{digest[:5]}"]
    await cloud.pools.stop()
    await cloud.store.close()


@pytest.mark.parametrize("kind", ["slow", "no HTTP"])
async def test_a_range_service_that_does_not_answer_blocks_nobody(
    service: RangeService, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from forecourt.services.cognito.threat import compromised as module

    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.05)
    service.slow, service.strange = kind == "slow", kind == "no HTTP"
    cloud = Cloud(compromised_password_range_url=f"http://127.0.0.1:{service.port}")
    _, app = await protected(cloud, **compromised("BLOCK"))
    assert "AuthenticationResult" in await cloud.sign_in(app)
    await cloud.pools.stop()
    await cloud.store.close()


# What a risk comes to -------------------------------------------------------------------------------------------------


async def sign_in(cloud: Cloud, pool: str, app: str, here: tuple[str, str]) -> Document:
    ip, agent = here
    context = {"IpAddress": ip, "ServerName": "s", "ServerPath": "/"}
    return await cloud(
        "AdminInitiateAuth",
        UserPoolId=pool,
        ClientId=app,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
        ContextData={**context, "HttpHeaders": [{"headerName": "User-Agent", "headerValue": agent}]},
    )


def takeover(action: str) -> Document:
    actions = {key: {"EventAction": action, "Notify": False} for key in ("LowAction", "MediumAction", "HighAction")}
    return {"AccountTakeoverRiskConfiguration": {"Actions": actions}}


async def with_sms(cloud: Cloud, pool: str) -> None:
    sms = {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}}
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, MfaConfiguration="OPTIONAL", SmsMfaConfiguration=sms)


@pytest.mark.parametrize("action", ["NO_ACTION", "MFA_IF_CONFIGURED", "MFA_REQUIRED", "BLOCK"])
@pytest.mark.parametrize("mfa", [False, True], ids=["without MFA", "with MFA"])
async def test_actions(cloud: Cloud, action: str, mfa: bool) -> None:
    pool, app = await protected(cloud, **takeover(action))
    if mfa:
        await with_sms(cloud, pool)
    assert "AuthenticationResult" in await sign_in(cloud, pool, app, HOME)
    strange = sign_in(cloud, pool, app, ABROAD)
    if action == "BLOCK" or (action == "MFA_REQUIRED" and not mfa):
        with raises("NotAuthorizedException", "Unable to login because of security reasons."):
            await strange
    elif mfa and action != "NO_ACTION":
        assert (await strange)["ChallengeName"] == "SMS_MFA"
    else:
        assert "AuthenticationResult" in await strange
    assert "AuthenticationResult" in await sign_in(cloud, pool, app, HOME)


async def test_an_audit_stops_nobody(cloud: Cloud) -> None:
    pool, app = await protected(cloud, "AUDIT", **takeover("BLOCK"))
    await sign_in(cloud, pool, app, HOME)
    assert "AuthenticationResult" in await sign_in(cloud, pool, app, ABROAD)
    [event, _] = (await cloud("AdminListUserAuthEvents", UserPoolId=pool, Username="anna"))["AuthEvents"]
    assert event["EventRisk"] == {"RiskDecision": "AccountTakeover", "RiskLevel": "Medium"} | {
        name: value for name, value in event["EventRisk"].items() if name == "CompromisedCredentialsDetected"
    }


@pytest.mark.parametrize(
    ("name", "blocked"), [("BlockedIPRangeList", True), ("SkippedIPRangeList", False)], ids=["blocked", "skipped"]
)
async def test_exceptions_by_address(cloud: Cloud, name: str, blocked: bool) -> None:
    exceptions = {"RiskExceptionConfiguration": {name: ["198.51.100.0/24"]}}
    pool, app = await protected(cloud, **takeover("BLOCK"), **exceptions)
    await sign_in(cloud, pool, app, HOME)
    if blocked:
        with raises("NotAuthorizedException", "Unable to login because of security reasons."):
            await sign_in(cloud, pool, app, ABROAD)
    else:
        assert "AuthenticationResult" in await sign_in(cloud, pool, app, ABROAD)


async def test_a_clients_own_configuration_comes_first(cloud: Cloud) -> None:
    pool, app = await protected(cloud, **takeover("BLOCK"))
    await cloud("SetRiskConfiguration", UserPoolId=pool, ClientId=app, **takeover("NO_ACTION"))
    await sign_in(cloud, pool, app, HOME)
    assert "AuthenticationResult" in await sign_in(cloud, pool, app, ABROAD)
    shown = (await cloud("DescribeRiskConfiguration", UserPoolId=pool, ClientId=app))["RiskConfiguration"]
    assert shown["ClientId"] == app
    with raises("InvalidParameterException"):
        bad = {"BlockedIPRangeList": ["nowhere"]}
        await cloud("SetRiskConfiguration", UserPoolId=pool, RiskExceptionConfiguration=bad)
