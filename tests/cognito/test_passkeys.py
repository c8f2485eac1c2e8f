"""Passkeys by the API alone: an authenticator in Python registers, signs in, and tries what it should not."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from tests.cognito.conftest import Cloud, raises
from tests.cognito.test_attacks import CALLBACK, authorization_code, hosted

from forecourt.services.cognito import totp

Document = dict[str, Any]
RP, ORIGIN = "pets.example", "https://www.pets.example"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """Web Authentication's other side: one key, ES256, no attestation."""

    def __init__(self, name: bytes = b"credential-1", flags: int = PRESENT | VERIFIED) -> None:
        self.id, self.flags, self.count = name, flags, 0
        self.key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Document, origin: str = ORIGIN, rp: str = RP) -> Document:
        public = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(rp, self.flags | ATTESTED) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"], origin)
        return self._shown(
            {"attestationObject": b64(attestation), "clientDataJSON": b64(client), "transports": ["internal"]}
        )

    def sign(self, options: Document, origin: str = ORIGIN, rp: str = RP) -> Document:
        self.count += 1
        data = self._data(rp, self.flags)
        client = self._client("webauthn.get", options["challenge"], origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._shown({"authenticatorData": b64(data), "clientDataJSON": b64(client), "signature": b64(signature)})

    def _data(self, rp: str, flags: int) -> bytes:
        return hashlib.sha256(rp.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str, origin: str) -> bytes:
        return msgspec.json.encode({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False})

    def _shown(self, response: Document) -> Document:
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


class Anna:
    def __init__(self, cloud: Cloud, pool: str, app: str, name: str = "anna") -> None:
        self.cloud, self.pool, self.app, self.name = cloud, pool, app, name
        self.token = ""

    async def options(self) -> Document:
        made = await self.cloud.client("StartWebAuthnRegistration", AccessToken=self.token)
        options: Document = made["CredentialCreationOptions"]
        return options

    async def register(self, authenticator: Authenticator, **how: str) -> None:
        credential = authenticator.create(await self.options(), **how)
        await self.cloud.client("CompleteWebAuthnRegistration", AccessToken=self.token, Credential=credential)

    async def ask(self, **parameters: str) -> Document:
        given = {"USERNAME": self.name, "PREFERRED_CHALLENGE": "WEB_AUTHN", **parameters}
        call = {"ClientId": self.app, "AuthFlow": "USER_AUTH", "AuthParameters": given}
        return await self.cloud.client("InitiateAuth", **call)

    async def answer(self, asked: Document, credential: Document) -> Document:
        return await self.cloud.client(
            "RespondToAuthChallenge",
            ClientId=self.app,
            ChallengeName="WEB_AUTHN",
            Session=asked["Session"],
            ChallengeResponses={"USERNAME": self.name, "CREDENTIAL": msgspec.json.encode(credential).decode()},
        )


def wanted(asked: Document) -> Document:
    assert asked["ChallengeName"] == "WEB_AUTHN"
    options: Document = msgspec.json.decode(asked["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    return options


async def anna_of(cloud: Cloud, **configuration: str) -> Anna:
    pool = await cloud.pool(Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}})
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, WebAuthnConfiguration={"RelyingPartyId": RP, **configuration})
    anna = Anna(cloud, pool, await cloud.app(pool, "USER_AUTH", "USER_PASSWORD_AUTH"))
    await cloud.user(pool)
    anna.token = (await cloud.sign_in(anna.app))["AuthenticationResult"]["AccessToken"]
    return anna


async def test_registering_listing_and_signing_in(cloud: Cloud) -> None:
    anna, phone = await anna_of(cloud), Authenticator()
    options = await anna.options()
    assert options["rp"]["id"] == RP
    assert options["user"]["name"] == "anna"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    await anna.register(phone)
    [listed] = (await cloud.client("ListWebAuthnCredentials", AccessToken=anna.token))["Credentials"]
    assert {name: listed[name] for name in listed if name != "CreatedAt"} == {
        "CredentialId": b64(phone.id),
        "FriendlyCredentialName": "Passkey",
        "RelyingPartyId": RP,
        "AuthenticatorAttachment": "platform",
        "AuthenticatorTransports": ["internal"],
    }
    factors = (await cloud.client("GetUserAuthFactors", AccessToken=anna.token))["ConfiguredUserAuthFactors"]
    assert factors == ["PASSWORD", "WEB_AUTHN"]
    asked = await anna.ask()
    assert wanted(asked)["rpId"] == RP
    assert [key["id"] for key in wanted(asked)["allowCredentials"]] == [b64(phone.id)]
    assert "AuthenticationResult" in await anna.answer(asked, phone.sign(wanted(asked)))
    with raises("NotAuthorizedException", "Invalid session for the user, session can only be used once."):
        await anna.answer(asked, phone.sign(wanted(asked)))
    await cloud.client("DeleteWebAuthnCredential", AccessToken=anna.token, CredentialId=b64(phone.id))
    assert (await anna.ask())["AvailableChallenges"] == ["PASSWORD", "PASSWORD_SRP"]
    with raises("ResourceNotFoundException"):
        await cloud.client("DeleteWebAuthnCredential", AccessToken=anna.token, CredentialId=b64(phone.id))


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"origin": "https://evil.example"}, "WebAuthnOriginNotAllowedException"),
        ({"origin": "http://www.pets.example"}, "WebAuthnOriginNotAllowedException"),
        ({"origin": "https://pets.example.evil.example"}, "WebAuthnOriginNotAllowedException"),
        ({"rp": "evil.example"}, "WebAuthnRelyingPartyMismatchException"),
    ],
    ids=["another origin", "plain HTTP", "a longer name", "another relying party"],
)
async def test_registrations_from_elsewhere(cloud: Cloud, how: dict[str, str], code: str) -> None:
    anna = await anna_of(cloud)
    with raises(code):
        await anna.register(Authenticator(), **how)
    assert (await cloud.client("ListWebAuthnCredentials", AccessToken=anna.token))["Credentials"] == []


async def test_a_registration_is_good_once_and_for_five_minutes(cloud: Cloud) -> None:
    anna = await anna_of(cloud)
    credential = Authenticator().create(await anna.options())
    call = {"AccessToken": anna.token, "Credential": credential}
    await cloud.client("CompleteWebAuthnRegistration", **call)
    with raises("WebAuthnChallengeNotFoundException"):
        await cloud.client("CompleteWebAuthnRegistration", **call)
    late = Authenticator(b"credential-2").create(await anna.options())
    cloud.clock.advance(301)
    with raises("WebAuthnChallengeNotFoundException"):
        await cloud.client("CompleteWebAuthnRegistration", AccessToken=anna.token, Credential=late)


async def test_a_credential_belongs_to_one_user(cloud: Cloud) -> None:
    anna, phone = await anna_of(cloud), Authenticator()
    await anna.register(phone)
    await cloud.user(anna.pool, "bob")
    bob = Anna(cloud, anna.pool, anna.app, "bob")
    bob.token = (await cloud.sign_in(anna.app, "bob"))["AuthenticationResult"]["AccessToken"]
    with raises("WebAuthnCredentialNotSupportedException"):
        await bob.register(phone)
    tablet = Authenticator(b"credential-2")
    await bob.register(tablet)
    asked = await bob.ask()
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await bob.answer(asked, phone.sign(wanted(asked)))
    forged = tablet.sign(wanted(asked))
    forged["response"]["signature"] = phone.sign(wanted(asked))["response"]["signature"]
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await bob.answer(asked, forged)
    stolen = await anna.ask()
    with raises("NotAuthorizedException", "Invalid session for the user."):
        await bob.answer(stolen, tablet.sign(wanted(stolen)))
    assert "AuthenticationResult" in await bob.answer(asked, tablet.sign(wanted(asked)))


async def test_assertions_that_prove_nothing(cloud: Cloud) -> None:
    anna, phone = await anna_of(cloud), Authenticator()
    await anna.register(phone)
    refused = raises("NotAuthorizedException", "Incorrect username or password.")
    first, second = await anna.ask(), await anna.ask()
    with refused:
        await anna.answer(first, phone.sign(wanted(second)))
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await anna.answer(first, phone.sign(wanted(first), origin="https://evil.example"))
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await anna.answer(first, phone.sign(wanted(first), rp="evil.example"))
    with raises("InvalidParameterException", "CREDENTIAL is not valid JSON."):
        await cloud.client(
            "RespondToAuthChallenge",
            ClientId=anna.app,
            ChallengeName="WEB_AUTHN",
            Session=first["Session"],
            ChallengeResponses={"USERNAME": "anna", "CREDENTIAL": "[1]"},
        )
    assert "AuthenticationResult" in await anna.answer(first, phone.sign(wanted(first)))
    # A copy of the authenticator has counted less far.
    phone.count = 0
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await anna.answer(second, phone.sign(wanted(second)))


async def test_verification_where_the_pool_requires_it(cloud: Cloud) -> None:
    anna = await anna_of(cloud, UserVerification="required")
    with raises("WebAuthnCredentialNotSupportedException"):
        await anna.register(Authenticator(flags=PRESENT))
    phone = Authenticator()
    await anna.register(phone)
    asked = await anna.ask()
    assert wanted(asked)["userVerification"] == "required"
    phone.flags = PRESENT
    with raises("NotAuthorizedException", "Incorrect username or password."):
        await anna.answer(asked, phone.sign(wanted(asked)))


async def test_a_user_has_up_to_twenty_passkeys(cloud: Cloud) -> None:
    anna = await anna_of(cloud)
    for n in range(20):
        await anna.register(Authenticator(b"credential-%02d" % n))
    with raises("LimitExceededException"):
        await anna.register(Authenticator(b"one too many"))
    page = await cloud.client("ListWebAuthnCredentials", AccessToken=anna.token, MaxResults=15)
    rest = await cloud.client("ListWebAuthnCredentials", AccessToken=anna.token, NextToken=page["NextToken"])
    assert (len(page["Credentials"]), len(rest["Credentials"])) == (15, 5)


async def test_a_passkey_that_is_two_factors(cloud: Cloud) -> None:
    """Where the pool counts it so and the user did not turn that off; another factor has to be there beside it."""
    anna, phone = await anna_of(cloud), Authenticator()
    await anna.register(phone)
    app, on = {"SoftwareTokenMfaConfiguration": {"Enabled": True}}, {"WebAuthnMfaSettings": {"Enabled": True}}

    async def offered() -> bool:
        factors = await cloud.client("GetUserAuthFactors", AccessToken=anna.token)
        return "WEB_AUTHN" in factors["ConfiguredUserAuthFactors"]

    async def count_as(factors: str, mfa: str = "OPTIONAL") -> None:
        configuration = {"RelyingPartyId": RP, "FactorConfiguration": factors, "UserVerification": "required"}
        await cloud(
            "SetUserPoolMfaConfig",
            UserPoolId=anna.pool,
            MfaConfiguration=mfa,
            WebAuthnConfiguration=configuration,
            **app,
        )

    await count_as("SINGLE_FACTOR")
    with raises("InvalidParameterException", "Passkeys are not a second factor in this user pool."):
        await cloud.client("SetUserMFAPreference", AccessToken=anna.token, **on)
    await count_as("MULTI_FACTOR_WITH_USER_VERIFICATION")
    with raises("InvalidParameterException", "Another MFA method has to be enabled beside passkeys."):
        await cloud.client("SetUserMFAPreference", AccessToken=anna.token, **on)
    secret = (await cloud.client("AssociateSoftwareToken", AccessToken=anna.token))["SecretCode"]
    seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    code = totp.code(seed, int(cloud.clock.now()) // 30)
    await cloud.client("VerifySoftwareToken", AccessToken=anna.token, UserCode=code)
    both = {"SoftwareTokenMfaSettings": {"Enabled": True}, **on}
    await cloud.client("SetUserMFAPreference", AccessToken=anna.token, **both)
    assert await offered()
    asked = await anna.ask()
    assert "AuthenticationResult" in await anna.answer(asked, phone.sign(wanted(asked)))
    off = {"WebAuthnMfaSettings": {"Enabled": False}}
    await cloud("AdminSetUserMFAPreference", UserPoolId=anna.pool, Username="anna", **off)
    assert not await offered()
    await cloud.client("SetUserMFAPreference", AccessToken=anna.token, **on)
    await count_as("SINGLE_FACTOR")
    assert not await offered()


async def test_the_page_of_a_pool_without_passkeys(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    await authorization_code(site, app)
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    page = await site.http.get("/passkeys/add", params=params)
    assert "Passkeys are not enabled for this user pool." in page.text
    assert "data-passkey" not in page.text


async def test_a_pool_without_passkeys(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, "USER_PASSWORD_AUTH")
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]
    with raises("WebAuthnNotEnabledException"):
        await cloud.client("StartWebAuthnRegistration", AccessToken=token)
