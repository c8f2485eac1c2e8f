"""Attacks that have to fail. Each says what the attacker has, and tries."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.cognito.conftest import PASSWORD, Cloud, raises

from forecourt.base.errors import ServiceError
from forecourt.base.ports import TokenRejected
from forecourt.services.cognito import secret_hash, srp, tokens
from forecourt.services.cognito.model import Tally
from forecourt.services.cognito.threat.lockout import lock_seconds

CALLBACK = "https://app.example.com/callback"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def forged(header: dict[str, Any], claims: dict[str, Any], sign: Any) -> str:
    body = b64(msgspec.json.encode(header)) + "." + b64(msgspec.json.encode(claims))
    return body + "." + b64(sign(body.encode()))


async def signed_in(cloud: Cloud, **client: Any) -> tuple[str, str, dict[str, Any]]:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH", **client)
    await cloud.user(pool)
    return pool, app, (await cloud.sign_in(app))["AuthenticationResult"]


async def test_forged_tokens(cloud: Cloud) -> None:
    pool, _, result = await signed_in(cloud)
    good = result["AccessToken"]
    claims = {**tokens.peek(good), "username": "root"}
    key = (await cloud.pools.records.keys(pool))[0]
    public = key.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    foreign = tokens.Key(key.kid, rsa.generate_private_key(65537, 2048))
    strange = tokens.Key("strange", foreign.private)
    header, payload, signature = good.split(".")
    attacks = {
        "none": forged({"alg": "none", "kid": key.kid}, claims, lambda body: b""),
        "None": forged({"alg": "None", "kid": key.kid}, claims, lambda body: b""),
        "public key as HMAC secret": forged(
            {"alg": "HS256", "kid": key.kid}, claims, lambda body: hmac.digest(public, body, "sha256")
        ),
        "foreign key, known kid": tokens.sign(foreign, claims),
        "foreign key, own kid": tokens.sign(strange, claims),
        "key in the header": forged(
            {"alg": "RS256", "kid": key.kid, "jwk": tokens.jwks([foreign])["keys"][0]}, claims, lambda body: b"x"
        ),
        "critical extension": forged(
            {"alg": "RS256", "kid": key.kid, "crit": ["b64"], "b64": False}, claims, lambda b: b""
        ),
        "other payload": f"{header}.{b64(msgspec.json.encode(claims))}.{signature}",
        "no signature": f"{header}.{payload}.",
        "two parts": f"{header}.{payload}",
        "padding": f"{header}.{payload}=.{signature}",
        "issuer of another pool": tokens.sign(key, {**claims, "iss": "http://localhost:4566/us-east-1_zzzzzzzzz"}),
        "issuer elsewhere": tokens.sign(key, {**claims, "iss": f"https://evil.example.com/{pool}"}),
        "expired": tokens.sign(key, {**claims, "exp": 1}),
        "without an end": tokens.sign(key, {name: value for name, value in claims.items() if name != "exp"}),
        "ID token for an access token": result["IdToken"],
    }
    for name, token in attacks.items():
        with pytest.raises(ServiceError) as refused:
            await cloud.client("GetUser", AccessToken=token)
        assert refused.value.code == "NotAuthorizedException", name
    assert (await cloud.client("GetUser", AccessToken=good))["Username"] == "anna"


async def test_the_verifier_port(cloud: Cloud) -> None:
    pool, app, result = await signed_in(cloud)
    verifier = cloud.pools.verifier
    issuer = f"http://localhost:4566/{pool}"
    amazon = f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"
    assert verifier.owns(issuer)
    assert verifier.owns(amazon)
    assert not verifier.owns("https://accounts.example.com")
    assert (await verifier.verify(result["IdToken"], issuer))["aud"] == app
    assert (await verifier.verify(result["IdToken"], amazon))["aud"] == app
    with pytest.raises(TokenRejected):
        await verifier.verify_pool_token(result["IdToken"], use="access")
    with pytest.raises(TokenRejected):
        await verifier.verify_pool_token(result["IdToken"], pool_arns=("arn:aws:cognito-idp:us-east-1:0:userpool/x",))
    other = await cloud.pool()
    with pytest.raises(TokenRejected):
        await verifier.verify(result["IdToken"], f"http://localhost:4566/{other}")
    cloud.clock.advance(3601)
    with pytest.raises(TokenRejected) as late:
        await verifier.verify(result["IdToken"], issuer)
    assert late.value.expired


async def test_key_rotation_keeps_old_tokens_good(cloud: Cloud) -> None:
    pool, app, result = await signed_in(cloud)
    await cloud.pools.rotate_key(pool)
    cloud.clock.advance(1)
    fresh = (await cloud.sign_in(app))["AuthenticationResult"]
    kids = [msgspec.json.decode(base64.b64decode(t["IdToken"].split(".")[0] + "==="))["kid"] for t in (result, fresh)]
    assert kids[0] != kids[1]
    for each in (result, fresh):
        assert (await cloud.client("GetUser", AccessToken=each["AccessToken"]))["Username"] == "anna"


async def test_an_old_key_goes_when_its_last_token_has_expired(cloud: Cloud) -> None:
    pool, app, result = await signed_in(cloud)
    await cloud.pools.rotate_key(pool)
    cloud.clock.advance(86_000)
    await cloud.pools.sweeper.sweep()
    assert len(await cloud.pools.records.keys(pool)) == 2
    cloud.clock.advance(500)
    await cloud.pools.sweeper.sweep()
    [left] = await cloud.pools.records.keys(pool)
    fresh = (await cloud.sign_in(app))["AuthenticationResult"]
    assert msgspec.json.decode(base64.b64decode(fresh["IdToken"].split(".")[0] + "==="))["kid"] == left.kid
    with raises("NotAuthorizedException"):
        await cloud.client("GetUser", AccessToken=result["AccessToken"])


async def test_a_secret_hash_is_needed_and_bound(cloud: Cloud) -> None:
    pool = await cloud.pool()
    made = await cloud(
        "CreateUserPoolClient",
        UserPoolId=pool,
        ClientName="app",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )
    app, secret = made["UserPoolClient"]["ClientId"], made["UserPoolClient"]["ClientSecret"]
    await cloud.user(pool)
    with raises("NotAuthorizedException", f"Client {app} is configured with secret but SECRET_HASH was not received"):
        await cloud.sign_in(app)
    for wrong in (
        secret_hash.compute(secret, "bob", app),
        secret_hash.compute(secret, "anna", "other"),
        secret_hash.compute("x" * 52, "anna", app),
    ):
        with raises("NotAuthorizedException", f"Unable to verify secret hash for client {app}"):
            await cloud.sign_in(app, SECRET_HASH=wrong)
    right = secret_hash.compute(secret, "anna", app)
    result = (await cloud.sign_in(app, SECRET_HASH=right))["AuthenticationResult"]
    with raises("NotAuthorizedException", f"Client {app} is configured with secret but SECRET_HASH was not received"):
        await cloud.client(
            "InitiateAuth",
            ClientId=app,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": result["RefreshToken"]},
        )
    added = await cloud("AddUserPoolClientSecret", UserPoolId=pool, ClientId=app)
    second = added["ClientSecretDescriptor"]["ClientSecretValue"]
    for each in (secret, second):
        assert await cloud.sign_in(app, SECRET_HASH=secret_hash.compute(each, "anna", app))


async def test_a_code_can_not_be_guessed_or_used_twice(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    code = cloud.code_for("anna@example.com")

    async def guess(text: str) -> str:
        try:
            await cloud.client(
                "ConfirmForgotPassword", ClientId=app, Username="anna", ConfirmationCode=text, Password="Stolen-one-1"
            )
        except ServiceError as error:
            return error.code
        return "in"

    guesses = [f"{(int(code) + n) % 1_000_000:06d}" for n in range(1, 9)]
    refused = await asyncio.gather(*(guess(text) for text in guesses))
    assert refused.count("CodeMismatchException") == 5
    assert refused.count("LimitExceededException") == 3
    assert await guess(code) == "LimitExceededException"


async def test_one_code_for_two_at_once(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    call = {"ClientId": app, "Username": "anna", "ConfirmationCode": cloud.code_for("anna@example.com")}
    results = await asyncio.gather(
        *(cloud.client("ConfirmForgotPassword", Password=f"Racing-one-{n}", **call) for n in range(4)),
        return_exceptions=True,
    )
    assert results.count({}) == 1


async def test_codes_are_not_sent_without_end(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool)
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    for _ in range(10):
        await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    with raises("LimitExceededException", "Attempt limit exceeded, please try after some time."):
        await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    cloud.clock.advance(3601)
    assert await cloud.client("ForgotPassword", ClientId=app, Username="anna")


async def test_a_restart_forgets_no_failed_attempt(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    await cloud.user(pool)
    # As many as lock out for longer than a busy machine takes for the rest.
    for n in range(10):
        cloud.clock.advance(lock_seconds(n))
        for name in ("anna", "nobody"):
            with raises("NotAuthorizedException", "Incorrect username or password."):
                await cloud.sign_in(app, name, "Wrong-one-1")
    await cloud.restart()
    for name in ("anna", "nobody"):
        with raises("NotAuthorizedException", "Password attempts exceeded"):
            await cloud.sign_in(app, name, "Wrong-one-1")
    cloud.clock.advance(lock_seconds(10))
    assert "AuthenticationResult" in await cloud.sign_in(app)
    await cloud.restart()
    for _ in range(4):
        with raises("NotAuthorizedException", "Incorrect username or password."):
            await cloud.sign_in(app, "anna", "Wrong-one-1")
    cloud.clock.advance(1000)
    await cloud.pools.sweeper.sweep()
    assert await cloud.store.list(Tally) == []


async def test_a_restart_forgets_no_code_that_was_sent(cloud: Cloud) -> None:
    pool = await cloud.pool(
        UserPoolTier="ESSENTIALS",
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
    )
    app = await cloud.app(pool, "USER_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    ask = {"AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": "anna", "PREFERRED_CHALLENGE": "EMAIL_OTP"}}
    for _ in range(30):
        await cloud.client("InitiateAuth", ClientId=app, **ask)
    await cloud.restart()
    with raises("TooManyRequestsException"):
        await cloud.client("InitiateAuth", ClientId=app, **ask)


async def test_existence_does_not_show_in_time(cloud: Cloud) -> None:
    """Wrong passwords for somebody and for nobody: the processor time may not differ by a tenth."""
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    taken: dict[str, list[float]] = {"somebody": [], "nobody": []}
    for n in range(4):
        await cloud.user(pool, f"anna{n}")
    for n in range(4):
        for _ in range(4):
            for kind, name in (("somebody", f"anna{n}"), ("nobody", f"ghost{n}")):
                started = time.process_time()
                with raises("NotAuthorizedException", "Incorrect username or password."):
                    await cloud.sign_in(app, name, "Wrong-one-1")
                taken[kind].append(time.process_time() - started)
    # The least of many is what the work takes; the rest is what else the machine did.
    somebody, nobody = (statistics.mean(sorted(times)[:6]) for times in taken.values())
    assert abs(somebody - nobody) < 0.1 * max(somebody, nobody) + 0.002


async def test_existence_does_not_show_in_the_time_of_recovery(cloud: Cloud) -> None:
    """Asking for a code, and a wrong code, cost nobody as much processor time as somebody, with every protection on."""
    pool = await cloud.pool(
        UserPoolTier="PLUS",
        UserPoolAddOns={"AdvancedSecurityMode": "ENFORCED"},
        Policies={"PasswordPolicy": {"MinimumLength": 8, "PasswordHistorySize": 5}},
    )
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    for n in range(4):
        await cloud.user(pool, f"anna{n}", email=f"anna{n}@example.com", email_verified="true")
    confirm = {"ConfirmationCode": "000000", "Password": "Another-one-2"}
    calls: list[tuple[str, dict[str, str]]] = [("ForgotPassword", {}), ("ConfirmForgotPassword", confirm)]
    for operation, params in calls:
        taken: dict[str, list[float]] = {"anna": [], "ghost": []}
        for _ in range(4):
            for n in range(4):
                for kind, times in taken.items():
                    started = time.perf_counter()
                    with contextlib.nullcontext() if not params else raises("CodeMismatchException"):
                        await cloud.client(operation, ClientId=app, Username=f"{kind}{n}", **params)
                    times.append(time.perf_counter() - started)
        somebody, nobody = (statistics.mean(sorted(times)[:6]) for times in taken.values())
        # A hash that only one of them pays for would be some 20 ms, a commit that is waited for one more write.
        assert abs(somebody - nobody) < 0.3 * max(somebody, nobody) + 0.0005, operation


async def test_existence_does_not_show_in_the_time_of_confirmation(cloud: Cloud) -> None:
    """A wrong code of a sign-up, another code, and the first step of SRP, compared as above."""
    pool = await cloud.pool(AutoVerifiedAttributes=["email"])
    app = await cloud.app(pool, "USER_SRP_AUTH", PreventUserExistenceErrors="ENABLED")
    for n in range(8):
        attributes = [{"Name": "email", "Value": f"anna{n}@example.com"}]
        await cloud.client("SignUp", ClientId=app, Username=f"anna{n}", Password=PASSWORD, UserAttributes=attributes)
        for kind in ("anna", "ghost"):
            await cloud.client("ResendConfirmationCode", ClientId=app, Username=f"{kind}{n}")
    calls: dict[str, Callable[[str], Awaitable[Any]]] = {
        "ConfirmSignUp": lambda name: cloud.client(
            "ConfirmSignUp", ClientId=app, Username=name, ConfirmationCode="no-code"
        ),
        "ResendConfirmationCode": lambda name: cloud.client("ResendConfirmationCode", ClientId=app, Username=name),
        "InitiateAuth": lambda name: cloud.client(
            "InitiateAuth", ClientId=app, AuthFlow="USER_SRP_AUTH",
            AuthParameters={"USERNAME": name, "SRP_A": f"{srp.power(srp.G, 12345678901):x}"},
        ),
    }  # fmt: skip
    for operation, call in calls.items():
        taken: dict[str, list[float]] = {"anna": [], "ghost": []}
        for _ in range(4):
            for n in range(8):
                for kind, times in taken.items():
                    started = time.perf_counter()
                    with contextlib.suppress(ServiceError):
                        await call(f"{kind}{n}")
                    times.append(time.perf_counter() - started)
        somebody, nobody = (statistics.mean(sorted(times)[:10]) for times in taken.values())
        assert abs(somebody - nobody) < 0.3 * max(somebody, nobody) + 0.0005, operation


async def test_existence_does_not_show_in_the_time_of_a_challenge(cloud: Cloud) -> None:
    """A code that is asked for, a wrong code, a wrong password and a wrong proof of SRP, compared as above."""
    pool = await cloud.pool(
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
    )
    app = await cloud.app(pool, "USER_AUTH", "USER_SRP_AUTH", PreventUserExistenceErrors="ENABLED")
    for n in range(8):
        await cloud.user(pool, f"anna{n}@example.com", email=f"anna{n}@example.com", email_verified="true")
    public = f"{srp.power(srp.G, 12345678901):x}"

    async def ask(name: str, flow: str = "USER_AUTH", **parameters: str) -> dict[str, Any]:
        return await cloud.client(
            "InitiateAuth", ClientId=app, AuthFlow=flow, AuthParameters={"USERNAME": name, **parameters}
        )

    async def answer(name: str, asked: dict[str, Any], **responses: str) -> dict[str, Any]:
        session = {"Session": asked["Session"]} if "Session" in asked else {}
        responses = {"USERNAME": name, **responses}
        call = {"ClientId": app, "ChallengeName": asked["ChallengeName"], "ChallengeResponses": responses}
        return await cloud.client("RespondToAuthChallenge", **call, **session)

    def proof(asked: dict[str, Any]) -> dict[str, str]:
        return {
            "PASSWORD_CLAIM_SECRET_BLOCK": asked["ChallengeParameters"]["SECRET_BLOCK"],
            "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(b"x" * 32).decode(),
            "TIMESTAMP": "Tue Mar 4 09:05:06 UTC 2025",
        }

    async def nothing(name: str) -> dict[str, Any]:
        return {}

    # What comes before, and what is measured.
    calls: dict[str, tuple[Callable[[str], Awaitable[Any]], Callable[[str, Any], Awaitable[Any]]]] = {
        "a code": (nothing, lambda name, _: ask(name, PREFERRED_CHALLENGE="EMAIL_OTP")),
        "EMAIL_OTP": (
            lambda name: ask(name, PREFERRED_CHALLENGE="EMAIL_OTP"),
            lambda name, asked: answer(name, asked, EMAIL_OTP_CODE="no-code"),
        ),
        "SELECT_CHALLENGE": (
            ask,
            lambda name, asked: answer(name, asked, ANSWER="PASSWORD", PASSWORD="Wrong-one-1"),
        ),
        "PASSWORD_VERIFIER": (
            lambda name: ask(name, "USER_SRP_AUTH", SRP_A=public),
            lambda name, asked: answer(name, asked, **proof(asked)),
        ),
    }
    for challenge, (before, measured) in calls.items():
        taken: dict[str, list[float]] = {"anna": [], "ghost": []}
        told: dict[str, set[str]] = {"anna": set(), "ghost": set()}
        for _ in range(3):
            # The lock-out and the limit of messages are the same for both, and not what is measured.
            cloud.clock.advance(4000)
            for n in range(8):
                for kind, times in taken.items():
                    asked = await before(f"{kind}{n}@example.com")
                    started = time.process_time()
                    try:
                        answered = await measured(f"{kind}{n}@example.com", asked)
                        told[kind].add(str(sorted(answered)))
                    except ServiceError as error:
                        told[kind].add(str(error))
                    times.append(time.process_time() - started)
        assert told["anna"] == told["ghost"], challenge
        somebody, nobody = (statistics.mean(sorted(times)[:8]) for times in taken.values())
        assert abs(somebody - nobody) < 0.3 * max(somebody, nobody) + 0.0005, challenge


async def test_old_passwords_are_no_oracle(cloud: Cloud) -> None:
    """Without the code nobody learns whether a password was used before."""
    pool = await cloud.pool(Policies={"PasswordPolicy": {"MinimumLength": 8, "PasswordHistorySize": 5}})
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    await cloud.client("ForgotPassword", ClientId=app, Username="anna")
    confirm = {"ClientId": app, "Username": "anna", "Password": PASSWORD}
    with raises("CodeMismatchException"):
        await cloud.client("ConfirmForgotPassword", ConfirmationCode="no-code", **confirm)
    code = cloud.code_for("anna@example.com")
    with raises("PasswordHistoryPolicyViolationException"):
        await cloud.client("ConfirmForgotPassword", ConfirmationCode=code, **confirm)
    await cloud.client("ConfirmForgotPassword", ConfirmationCode=code, **{**confirm, "Password": "Another-one-2"})


async def test_recovery_tells_nothing(cloud: Cloud) -> None:
    """Codes for somebody and for nobody: the same answers, the same limits."""
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    await cloud.user(pool, email="anna@example.com", email_verified="true")

    async def answers(name: str) -> list[str]:
        async def told(operation: str, **params: Any) -> str:
            try:
                return ",".join(await cloud.client(operation, ClientId=app, Username=name, **params))
            except ServiceError as error:
                return str(error)

        confirm = {"ConfirmationCode": "000000", "Password": "Another-one-2"}
        seen = [await told("ConfirmForgotPassword", **confirm)]
        seen += [await told("ForgotPassword") for _ in range(11)]
        seen += [await told("ConfirmForgotPassword", **confirm) for _ in range(7)]
        seen += [await told("ResendConfirmationCode") for _ in range(11)]
        return seen

    somebody, nobody = await answers("anna"), await answers("ghost")
    assert somebody == nobody
    assert any(answer.startswith("LimitExceededException") for answer in nobody)


@pytest.mark.parametrize("verified", [["email"], ["phone_number"], []], ids=["mail", "text", "nothing"])
async def test_where_a_code_goes_tells_nothing(cloud: Cloud, verified: list[str]) -> None:
    """A pool that writes text messages pretends to write text messages."""
    recovery = [{"Name": f"verified_{name}", "Priority": n + 1} for n, name in enumerate(verified)]
    sms = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}
    setting = {"AccountRecoverySetting": {"RecoveryMechanisms": recovery}} if recovery else {}
    pool = await cloud.pool(AutoVerifiedAttributes=verified, SmsConfiguration=sms, **setting)
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", PreventUserExistenceErrors="ENABLED")
    addresses = {"email": "anna@example.com", "phone_number": "+15555550100"}
    attributes = [{"Name": name, "Value": value} for name, value in addresses.items()]
    await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    await cloud.user(pool, "carla", **addresses, email_verified="true", phone_number_verified="true")

    async def told(operation: str, name: str) -> str:
        try:
            details = (await cloud.client(operation, ClientId=app, Username=name))["CodeDeliveryDetails"]
            return f"{details['DeliveryMedium']} {details['AttributeName']} {len(details['Destination'])}"
        except ServiceError as error:
            return str(error)

    assert len({await told("ResendConfirmationCode", name) for name in ("anna", "carla", "ghost")}) == 1
    assert len({await told("ForgotPassword", name) for name in ("carla", "ghost")}) == 1


async def test_the_factors_of_nobody_vary(cloud: Cloud) -> None:
    pool = await cloud.pool(Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}})
    app = await cloud.app(pool, "USER_AUTH", PreventUserExistenceErrors="ENABLED")

    async def offered(name: str) -> tuple[str, ...]:
        call = {"ClientId": app, "AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": name}}
        return tuple((await cloud.client("InitiateAuth", **call))["AvailableChallenges"])

    names = [f"ghost{n}" for n in range(40)]
    first = [await offered(name) for name in names]
    assert set(first) == {("PASSWORD", "PASSWORD_SRP"), ("PASSWORD", "PASSWORD_SRP", "EMAIL_OTP")}
    assert first == [await offered(name) for name in names]


async def test_one_time_codes_do_not_flood(cloud: Cloud) -> None:
    pool = await cloud.pool(Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}})
    app = await cloud.app(pool, "USER_AUTH")
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    call = {"USERNAME": "anna", "PREFERRED_CHALLENGE": "EMAIL_OTP"}
    for _ in range(30):
        await cloud.client("InitiateAuth", ClientId=app, AuthFlow="USER_AUTH", AuthParameters=call)
    with raises("TooManyRequestsException"):
        await cloud.client("InitiateAuth", ClientId=app, AuthFlow="USER_AUTH", AuthParameters=call)


async def test_srp_shows_nobody_like_somebody(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_SRP_AUTH", PreventUserExistenceErrors="ENABLED")
    await cloud.user(pool)

    async def start(name: str) -> dict[str, str]:
        asked = await cloud.client(
            "InitiateAuth",
            ClientId=app,
            AuthFlow="USER_SRP_AUTH",
            AuthParameters={"USERNAME": name, "SRP_A": "abcdef12"},
        )
        parameters: dict[str, str] = asked["ChallengeParameters"]
        return parameters

    somebody, nobody, again = await start("anna"), await start("ghost"), await start("ghost")
    assert somebody.keys() == nobody.keys()
    assert nobody["SALT"] == again["SALT"]
    assert nobody["SRP_B"] != again["SRP_B"]
    assert nobody["USER_ID_FOR_SRP"] == "ghost"
    assert abs(len(somebody["SECRET_BLOCK"]) - len(nobody["SECRET_BLOCK"])) <= 16
    for public in ("0", "1"):
        with raises("InvalidParameterException", "Invalid SRP_A"):
            await cloud.client(
                "InitiateAuth",
                ClientId=app,
                AuthFlow="USER_SRP_AUTH",
                AuthParameters={"USERNAME": "anna", "SRP_A": public},
            )


async def test_a_refresh_token_is_bound_to_its_client(cloud: Cloud) -> None:
    pool, _, result = await signed_in(cloud)
    other = await cloud.app(pool, "USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")
    with raises("NotAuthorizedException", "Invalid Refresh Token"):
        await cloud.client(
            "InitiateAuth",
            ClientId=other,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": result["RefreshToken"]},
        )


async def test_a_client_writes_only_what_it_may(cloud: Cloud) -> None:
    pool = await cloud.pool(Schema=[{"Name": "tenant", "AttributeDataType": "String", "Mutable": False}])
    app = await cloud.app(pool, "USER_PASSWORD_AUTH", WriteAttributes=["email", "name"])
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]
    for name, value in (("custom:tenant", "a"), ("email_verified", "true"), ("nickname", "x")):
        with raises("NotAuthorizedException", "A client attempted to write unauthorized attribute"):
            await cloud.client(
                "UpdateUserAttributes", AccessToken=token, UserAttributes=[{"Name": name, "Value": value}]
            )
    with raises("NotAuthorizedException", "A client attempted to write unauthorized attribute"):
        await cloud.client(
            "SignUp",
            ClientId=app,
            Username="eve",
            Password=PASSWORD,
            UserAttributes=[{"Name": "email_verified", "Value": "true"}],
        )


async def test_nothing_secret_is_stored_in_clear(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    pool = await cloud.pool()
    made = await cloud(
        "CreateUserPoolClient",
        UserPoolId=pool,
        ClientName="app",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"],
    )
    app, secret = made["UserPoolClient"]["ClientId"], made["UserPoolClient"]["ClientSecret"]
    await cloud.user(pool, email="anna@example.com", email_verified="true")
    digest = secret_hash.compute(secret, "anna", app)
    result = (await cloud.sign_in(app, SECRET_HASH=digest))["AuthenticationResult"]
    await cloud.client("ForgotPassword", ClientId=app, Username="anna", SecretHash=digest)
    from forecourt.services.cognito.model import OF_A_POOL, Client, Pool

    kept = b""
    for kind in (*OF_A_POOL, Client):
        for document in await cloud.store.list(kind, pool):
            kept += msgspec.msgpack.encode(document)
    kept += msgspec.msgpack.encode(await cloud.store.list(Pool))
    assert b"argon2id" in kept
    code = cloud.code_for("anna@example.com")
    for hidden in (PASSWORD, secret, result["RefreshToken"], code):
        assert hidden.encode() not in kept
        assert hidden not in caplog.text
    assert hashlib.sha256(code.encode()).digest() not in kept


class Site:
    """The pool's domain, asked over ASGI."""

    def __init__(self, cloud: Cloud, domain: str) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await cloud.pools.serve(domain, scope["raw_path"], scope, receive, send)

        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site")


async def hosted(cloud: Cloud, **settings: Any) -> tuple[Site, str, str]:
    pool = await cloud.pool()
    await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain="pets")
    defaults = {
        "CallbackURLs": [CALLBACK],
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid"],
        "AllowedOAuthFlowsUserPoolClient": True,
    }
    app = await cloud.app(pool, **(defaults | settings))
    await cloud.user(pool)
    return Site(cloud, "pets"), app, pool


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example.com",
        CALLBACK + "/",
        CALLBACK + "?x=1",
        CALLBACK + "/../evil",
        CALLBACK.upper(),
        CALLBACK + "#",
        CALLBACK.replace("https", "http"),
        CALLBACK.replace("app.", "app.example.com@evil."),
        CALLBACK + "%0d%0aSet-Cookie:%20a=b",
        "//evil.example.com",
        "javascript:alert(1)",
    ],
)
async def test_redirects_elsewhere(cloud: Cloud, redirect: str) -> None:
    site, app, _ = await hosted(cloud)
    for path in ("oauth2/authorize", "login"):
        answer = await site.http.get(
            f"/{path}", params={"client_id": app, "response_type": "code", "redirect_uri": redirect}
        )
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "redirect_mismatch" in answer.text


async def test_header_injection_by_state(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    answer = await site.http.get(
        "/oauth2/authorize",
        params={
            "client_id": app,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "state": "x\r\nSet-Cookie: a=b",
            "prompt": "none",
        },
    )
    assert answer.headers["location"].startswith(CALLBACK + "?error=login_required&state=x%0D%0A")
    assert "set-cookie" not in answer.headers


async def test_login_csrf(cloud: Cloud) -> None:
    """An attacker's form signs the victim's browser in as the attacker: it has no cookie of ours, or no token."""
    site, app, _ = await hosted(cloud)
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    credentials = {"username": "anna", "password": PASSWORD}
    blind = await site.http.post("/login", params=params, data=credentials)
    assert (blind.status_code, "location" in blind.headers) == (400, False)
    page = await site.http.get("/login", params=params)
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    assert "HttpOnly; SameSite=Lax" in page.headers["set-cookie"]
    for header in ("frame-ancestors 'none'", "script-src 'none'", "form-action 'self' https://app.example.com"):
        assert header in page.headers["content-security-policy"]
    site.http.cookies.clear()
    stolen = await site.http.post("/login", params=params, data={**credentials, "csrf": token})
    assert (stolen.status_code, "location" in stolen.headers) == (400, False)
    await site.http.get("/login", params=params)
    other = await site.http.post("/login", params=params, data={**credentials, "csrf": token})
    assert (other.status_code, "location" in other.headers) == (400, False)


async def authorization_code(site: Site, app: str, **more: str) -> str:
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK, **more}
    page = await site.http.get("/login", params=params)
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    data = {"username": "anna", "password": PASSWORD, "csrf": token}
    back = await site.http.post("/login", params=params, data=data)
    return back.headers["location"].split("code=")[1].split("&")[0]


async def test_a_stolen_authorization_code(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud, CallbackURLs=[CALLBACK, f"{CALLBACK}/other"])
    other = await cloud.app(
        pool,
        CallbackURLs=[CALLBACK],
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        AllowedOAuthFlowsUserPoolClient=True,
    )
    verifier = "v" * 43
    challenge = b64(hashlib.sha256(verifier.encode()).digest())
    code = await authorization_code(site, app, code_challenge=challenge, code_challenge_method="S256")
    good = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": app,
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    attacks: list[dict[str, str]] = [
        {"client_id": other},
        {"redirect_uri": f"{CALLBACK}/other"},
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": challenge},
        {"code": code[:-1] + ("0" if code[-1] != "0" else "1")},
    ]
    for attack in attacks:
        refused = await site.http.post("/oauth2/token", data={**good, **attack})
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"}), attack
    elsewhere = await site.http.post("/oauth2/token", data={**good, "redirect_uri": "https://evil.example.com"})
    assert (elsewhere.status_code, elsewhere.json()) == (400, {"error": "unauthorized_client"})
    assert (await site.http.post("/oauth2/token", data=good)).status_code == 200
    late = await authorization_code(site, app)
    cloud.clock.advance(301)
    expired = {name: value for name, value in good.items() if name != "code_verifier"}
    assert (await site.http.post("/oauth2/token", data={**expired, "code": late})).json() == {"error": "invalid_grant"}


async def test_parameters_given_twice(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    query = f"client_id={app}&response_type=code&redirect_uri={CALLBACK}&redirect_uri=https://evil.example.com"
    assert (await site.http.get(f"/oauth2/authorize?{query}")).status_code == 400
    twice = "grant_type=authorization_code&grant_type=client_credentials"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await site.http.post("/oauth2/token", content=twice, headers=headers)).json() == {
        "error": "invalid_request"
    }


async def test_a_plain_challenge_is_refused(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK, "code_challenge": "v" * 43}
    for method in ("plain", ""):
        answer = await site.http.get("/oauth2/authorize", params={**params, "code_challenge_method": method})
        assert answer.headers["location"].startswith(CALLBACK + "?error=invalid_request")


async def test_what_a_user_types_is_escaped(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    evil = '"><script>alert(1)</script>'
    answer = await site.http.get(
        "/login",
        params={"client_id": app, "response_type": "code", "redirect_uri": CALLBACK, "login_hint": evil, "state": evil},
    )
    assert "<script" not in answer.text
