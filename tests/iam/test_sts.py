"""STS: who may assume what, for how long, with which limits; web identities and SAML, honest and forged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.iam.saml import Idp
from tests.iam.world import ACCOUNT, World

from forecourt.auth.jwt import encoded
from forecourt.base.errors import ServiceError
from forecourt.base.principal import ANONYMOUS, Principal
from forecourt.services.iam import totp

ALLOW_ASSUME = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}}
)


def trust(principal: Any, action: Any = "sts:AssumeRole", **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


async def role(world: World, name: str, document: str, **more: Any) -> str:
    made = await world.iam_call("CreateRole", RoleName=name, AssumeRolePolicyDocument=document, **more)
    arn: str = made["Role"]["Arn"]
    return arn


async def assume(world: World, caller: Principal, arn: str, **more: Any) -> Any:
    return await world.call("sts", "AssumeRole", caller, RoleArn=arn, RoleSessionName="s1", **more)


async def refused(world: World, operation: str, caller: Principal | None = None, **params: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await world.call("sts", operation, caller, **params)
    return caught.value.code, caught.value.message


async def test_a_user_assumes_a_role_that_trusts_the_account(world: World) -> None:
    arn = await role(world, "reader", trust({"AWS": ACCOUNT}))
    allowed, other = await world.user("ann", ALLOW_ASSUME), await world.user("bob")
    found = await assume(world, allowed, arn)
    assert found["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/s1"
    session = world.opened(found["Credentials"])
    assert (session.kind, session.role_arn) == ("assumed-role", arn)
    assert session.expires_at == pytest.approx(world.clock.now() + 3600, abs=2)
    code, message = await refused(world, "AssumeRole", other, RoleArn=arn, RoleSessionName="s1")
    assert (code, message) == (
        "AccessDeniedException",
        f"User: {other.arn} is not authorized to perform: sts:AssumeRole on resource: {arn} because no "
        "identity-based policy allows the sts:AssumeRole action",
    )
    identity = await world.call("sts", "GetCallerIdentity", session)
    assert identity == {"UserId": session.user_id, "Account": ACCOUNT, "Arn": session.arn}
    assert (await world.iam_call("GetRole", RoleName="reader"))["Role"]["RoleLastUsed"]["Region"] == "eu-west-1"


async def test_a_role_that_trusts_a_service_does_not_trust_users(world: World) -> None:
    arn = await role(world, "runner", trust({"Service": "lambda.amazonaws.com"}))
    caller = await world.user("ann", ALLOW_ASSUME)
    assert (
        "no role trust policy allows"
        in (await refused(world, "AssumeRole", caller, RoleArn=arn, RoleSessionName="s1"))[1]
    )
    roles = world.iam.role_sessions
    issued = await roles.assume(arn, "f", "lambda.amazonaws.com", {})
    assert world.sessions.open(issued.access_key_id, issued.session_token).principal.name == "f"
    with pytest.raises(ServiceError):
        await roles.assume(arn, "f", "states.amazonaws.com", {})


async def test_a_confused_deputy_is_stopped_by_the_source(world: World) -> None:
    source = f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:mine"
    arn = await role(world, "r", trust({"Service": "states.amazonaws.com"}, ArnLike={"aws:SourceArn": source}))
    roles = world.iam.role_sessions
    await roles.principal(arn, "s", "states.amazonaws.com", {"aws:SourceArn": source})
    for conditions in ({}, {"aws:SourceArn": source.replace("mine", "theirs")}):
        with pytest.raises(ServiceError):
            await roles.principal(arn, "s", "states.amazonaws.com", conditions)


async def test_external_id_tags_and_source_identity_reach_the_trust_policy(world: World) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "x1", "aws:RequestTag/team": "blue", "sts:SourceIdentity": "ann"}}
    ann = await world.user("ann")
    arn = await role(
        world,
        "r",
        trust(
            {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"},
            ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            **condition,
        ),
    )
    good = {
        "ExternalId": "x1",
        "Tags": [{"Key": "team", "Value": "blue"}],
        "SourceIdentity": "ann",
        "TransitiveTagKeys": ["team"],
    }
    found = await assume(world, ann, arn, **good)
    session = world.opened(found["Credentials"])
    assert session.context["aws:PrincipalTag/team"] == "blue"
    assert found["SourceIdentity"] == session.context["aws:SourceIdentity"] == "ann"
    for change in ({"ExternalId": "x2"}, {"Tags": [{"Key": "team", "Value": "red"}]}, {"SourceIdentity": "bob"}):
        with pytest.raises(ServiceError):
            await assume(world, ann, arn, **{**good, **change})
    onward = await role(
        world,
        "onward",
        trust(
            {"AWS": arn},
            ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            StringEquals={"aws:RequestTag/team": "blue", "sts:SourceIdentity": "ann"},
        ),
    )
    further = {"RoleArn": onward, "RoleSessionName": "s1"}
    code, message = await refused(world, "AssumeRole", session, **further, SourceIdentity="bob")
    assert (code, "sts:SetSourceIdentity" in message) == ("AccessDeniedException", True)
    careless = await role(world, "careless", trust({"AWS": arn}, ["sts:AssumeRole", "sts:TagSession"]))
    message = (await refused(world, "AssumeRole", session, RoleArn=careless, RoleSessionName="s1"))[1]
    assert message.endswith("because no role trust policy allows the sts:SetSourceIdentity action")
    chained = world.opened((await assume(world, session, onward))["Credentials"])
    assert chained.context["aws:PrincipalTag/team"] == "blue"
    assert (await refused(world, "AssumeRole", session, RoleArn=onward, RoleSessionName="s1", DurationSeconds=7200))[
        1
    ] == ("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")


async def test_session_policies_and_duration(world: World) -> None:
    arn = await role(world, "r", trust({"AWS": ACCOUNT}), MaxSessionDuration=7200)
    caller = await world.user("ann", ALLOW_ASSUME)
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
    )
    session = world.opened((await assume(world, caller, arn, Policy=document, DurationSeconds=7200))["Credentials"])
    assert session.session_policies == (document,)
    assert (await refused(world, "AssumeRole", caller, RoleArn=arn, RoleSessionName="s1", DurationSeconds=7201))[1] == (
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )
    assert (await refused(world, "AssumeRole", caller, RoleArn=arn, RoleSessionName="s1", Policy="{"))[0] == (
        "MalformedPolicyDocumentException"
    )


async def test_a_role_that_does_not_exist() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/nowhere"
    strict = World("enforce")
    code, message = await refused(strict, "AssumeRole", RoleArn=arn, RoleSessionName="s1")
    assert (code, message) == (
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )
    lenient = World("off")
    session = lenient.opened(
        (await lenient.call("sts", "AssumeRole", RoleArn=arn, RoleSessionName="s1"))["Credentials"]
    )
    assert session.role_arn == arn
    await lenient.authorizer.authorize(session, "s3:GetObject", "arn:aws:s3:::b/k", {})
    for world in (strict, lenient):
        await world.store.close()


async def test_a_users_session_is_the_user_and_ends(world: World) -> None:
    ann = await world.user("ann", ALLOW_ASSUME)
    session = world.opened((await world.call("sts", "GetSessionToken", ann, DurationSeconds=900))["Credentials"])
    assert (session.kind, session.arn, session.name) == ("user", ann.arn, "ann")
    assert (await refused(world, "GetSessionToken", session))[
        1
    ] == "Cannot call GetSessionToken with session credentials"


async def test_a_federated_user_may_do_what_user_and_session_policy_allow(world: World) -> None:
    s3 = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    read = s3.replace("s3:*", "s3:Get*")
    ann = await world.user("ann", s3)
    found = await world.call("sts", "GetFederationToken", ann, Name="guest", Policy=read)
    guest = world.opened(found["Credentials"])
    assert guest.arn == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    await world.authorizer.authorize(guest, "s3:GetObject", "arn:aws:s3:::b/k", {})
    for action in ("s3:PutObject", "sqs:SendMessage"):
        with pytest.raises(ServiceError):
            await world.authorizer.authorize(guest, action, "*", {})
    refusal = await refused(world, "AssumeRole", guest, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r", RoleSessionName="s1")
    assert refusal == ("AccessDeniedException", "Roles may not be assumed by federated users.")
    bare = world.opened((await world.call("sts", "GetFederationToken", ann, Name="guest"))["Credentials"])
    with pytest.raises(ServiceError):
        await world.authorizer.authorize(bare, "s3:GetObject", "arn:aws:s3:::b/k", {})


async def test_get_access_key_info(world: World) -> None:
    await world.iam_call("CreateUser", UserName="ann")
    key = (await world.iam_call("CreateAccessKey", UserName="ann"))["AccessKey"]["AccessKeyId"]
    assert await world.call("sts", "GetAccessKeyInfo", AccessKeyId=key) == {"Account": ACCOUNT}


# --- Web identities -----------------------------------------------------------------------------------------------

KEY = rsa.generate_private_key(65537, 2048)
ISSUER = "https://idp.example.com"


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def fetch(url: str) -> Any:
    public = KEY.public_key().public_numbers()
    documents = {
        f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
        f"{ISSUER}/keys": {"keys": [{"kty": "RSA", "kid": "k1", "n": number(public.n), "e": number(public.e)}]},
    }
    if url not in documents:
        raise OSError("unreachable")
    return documents[url]


def token(key: Any = KEY, header: dict[str, Any] | None = None, **claims: Any) -> str:
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "k1", **(header or {})}, claims)]
    signed = ".".join(parts)
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@pytest.fixture
async def web() -> Any:
    world = World("enforce", fetch=fetch)
    await world.iam_call("CreateOpenIDConnectProvider", Url=ISSUER, ClientIDList=["app"])
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com"
    arn = await role(
        world,
        "web",
        trust(
            {"Federated": provider},
            "sts:AssumeRoleWithWebIdentity",
            StringEquals={"idp.example.com:aud": "app", "idp.example.com:sub": "ann-123"},
        ),
    )
    yield world, arn
    await world.store.close()


async def test_a_web_identity_assumes_a_role(web: Any) -> None:
    world, arn = web
    jwt = token(iss=ISSUER, aud="app", sub="ann-123", exp=world.clock.now() + 60)
    found = await world.call(
        "sts", "AssumeRoleWithWebIdentity", ANONYMOUS, RoleArn=arn, RoleSessionName="s1", WebIdentityToken=jwt
    )
    assert (found["SubjectFromWebIdentityToken"], found["Audience"]) == ("ann-123", "app")
    session = world.opened(found["Credentials"])
    assert session.context["idp.example.com:sub"] == "ann-123"
    assert session.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/web/s1"


async def test_forged_and_foreign_web_identities_are_refused(web: Any) -> None:
    world, arn = web
    good = {"iss": ISSUER, "aud": "app", "sub": "ann-123", "exp": world.clock.now() + 60}
    stranger = rsa.generate_private_key(65537, 2048)
    honest = token(**good)
    head, body, signature = honest.split(".")
    none = encoded(b'{"alg":"none"}')
    forged_body = encoded(json.dumps({**good, "sub": "root"}).encode())
    cases = {
        token(stranger, **good): "InvalidIdentityTokenException",
        token(**{**good, "iss": "https://evil.example.com"}): "InvalidIdentityTokenException",
        token(**{**good, "aud": "other"}): "InvalidIdentityTokenException",
        token(**{**good, "sub": "bob"}): "AccessDeniedException",
        token(**{**good, "exp": world.clock.now() - 1}): "ExpiredTokenException",
        token(header={"kid": "k2"}, **good): "InvalidIdentityTokenException",
        token(header={"alg": "HS256"}, **good): "InvalidIdentityTokenException",
        f"{none}.{body}.": "InvalidIdentityTokenException",
        f"{head}.{forged_body}.{signature}": "InvalidIdentityTokenException",
        "nonsense": "InvalidIdentityTokenException",
    }
    for forged, code in cases.items():
        found, _ = await refused(
            world, "AssumeRoleWithWebIdentity", ANONYMOUS, RoleArn=arn, RoleSessionName="s1", WebIdentityToken=forged
        )
        assert found == code, forged


# --- SAML ---------------------------------------------------------------------------------------------------------


async def test_a_saml_response_is_believed_and_its_forgeries_are_not(world: World) -> None:
    idp = Idp()
    made = await world.iam_call("CreateSAMLProvider", Name="corp", SAMLMetadataDocument=idp.metadata())
    provider = made["SAMLProviderArn"]
    arn = await role(
        world,
        "saml",
        trust(
            {"Federated": provider},
            "sts:AssumeRoleWithSAML",
            StringEquals={"SAML:aud": "https://signin.aws.amazon.com/saml"},
        ),
    )
    now = world.clock.now()
    honest = idp.response(arn, provider, now)
    found = await world.call(
        "sts", "AssumeRoleWithSAML", ANONYMOUS, RoleArn=arn, PrincipalArn=provider, SAMLAssertion=honest
    )
    assert found["Subject"] == "ann@example.com"
    assert world.opened(found["Credentials"]).name == "ann"
    for name, forged in idp.forgeries(arn, provider, now).items():
        with pytest.raises(ServiceError) as caught:
            await world.call(
                "sts",
                "AssumeRoleWithSAML",
                ANONYMOUS,
                RoleArn=arn,
                PrincipalArn=provider,
                SAMLAssertion=base64.b64encode(forged).decode(),
            )
        assert caught.value.code in (
            "InvalidIdentityTokenException",
            "ExpiredTokenException",
            "IDPRejectedClaimException",
            "AccessDeniedException",
        ), name


async def test_what_a_saml_assertion_hands_to_the_session(world: World) -> None:
    idp = Idp()
    made = await world.iam_call("CreateSAMLProvider", Name="corp", SAMLMetadataDocument=idp.metadata())
    provider = made["SAMLProviderArn"]
    name = "https://aws.amazon.com/SAML/Attributes/SourceIdentity"
    more = f'ann</AttributeValue></Attribute><Attribute Name="{name}"><AttributeValue>ann@corp'

    async def sign_in(actions: Any, audience: str = "https://signin.aws.amazon.com/saml") -> Any:
        arn = await role(world, f"saml{len(actions)}{len(audience)}", trust({"Federated": provider}, actions))
        response = idp.response(arn, provider, world.clock.now(), session=more, audience=audience)
        params = {"RoleArn": arn, "PrincipalArn": provider, "SAMLAssertion": response}
        return await world.call("sts", "AssumeRoleWithSAML", ANONYMOUS, **params)

    both = ["sts:AssumeRoleWithSAML", "sts:SetSourceIdentity"]
    found = await sign_in(both)
    assert found["SourceIdentity"] == "ann@corp"
    assert world.opened(found["Credentials"]).context["aws:SourceIdentity"] == "ann@corp"
    with pytest.raises(ServiceError):
        await sign_in(["sts:AssumeRoleWithSAML"])
    await sign_in(both, "https://eu-west-1.signin.aws.amazon.com/saml")
    for elsewhere in ("https://signin.aws.amazon.com/samlevil", "https://signin.aws.amazon.com.evil.example/saml"):
        with pytest.raises(ServiceError) as caught:
            await sign_in(both, elsewhere)
        assert caught.value.code == "InvalidIdentityTokenException"


# --- MFA ----------------------------------------------------------------------------------------------------------


async def test_mfa_counts_only_with_a_right_code_and_each_code_once(world: World) -> None:
    ann = await world.user("ann", ALLOW_ASSUME)
    device = (await world.iam_call("CreateVirtualMFADevice", VirtualMFADeviceName="phone"))["VirtualMFADevice"]
    serial, seed = device["SerialNumber"], base64.b32decode(device["Base32StringSeed"])

    def code(ahead: int = 0) -> str:
        return totp.code(seed, int(world.clock.now()) // 30 + ahead)

    wrong = {"AuthenticationCode1": "000000", "AuthenticationCode2": "000000"}
    with pytest.raises(ServiceError) as caught:
        await world.iam_call("EnableMFADevice", UserName="ann", SerialNumber=serial, **wrong)
    assert caught.value.code == "InvalidAuthenticationCodeException"
    await world.iam_call(
        "EnableMFADevice", UserName="ann", SerialNumber=serial, AuthenticationCode1=code(-1), AuthenticationCode2=code()
    )
    assert (await world.iam_call("ListMFADevices", UserName="ann"))["MFADevices"][0]["SerialNumber"] == serial
    arn = await role(world, "safe", trust({"AWS": ACCOUNT}, Bool={"aws:MultiFactorAuthPresent": "true"}))
    with pytest.raises(ServiceError):
        await assume(world, ann, arn)
    invalid = "MultiFactorAuthentication failed with invalid MFA one time pass code."
    for given in ("123456", code()):  # a guess, and the code that enabled the device
        found = await refused(
            world, "AssumeRole", ann, RoleArn=arn, RoleSessionName="s1", SerialNumber=serial, TokenCode=given
        )
        assert found == ("AccessDeniedException", invalid)
    world.clock.advance(60)
    await assume(world, ann, arn, SerialNumber=serial, TokenCode=code())
    bob = await world.user("bob", ALLOW_ASSUME)
    world.clock.advance(60)
    assert (await refused(world, "GetSessionToken", bob, SerialNumber=serial, TokenCode=code()))[1] == invalid
    session = world.opened(
        (await world.call("sts", "GetSessionToken", ann, SerialNumber=serial, TokenCode=code()))["Credentials"]
    )
    assert session.context["aws:MultiFactorAuthPresent"] == "true"


def test_one_time_passwords_are_those_of_rfc_6238() -> None:
    seed = b"12345678901234567890"
    expected = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert {now: totp.code(seed, now // 30) for now in expected} == expected
