"""Identity pools against a real IAM: who gets an identity, which role, and what the credentials then are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.iam.world import ACCOUNT, World, check, model

from forecourt.auth.jwt import encoded
from forecourt.base.call import CallContext, operations
from forecourt.base.errors import ServiceError
from forecourt.base.ports import TokenVerifier
from forecourt.base.principal import ANONYMOUS, Principal, root
from forecourt.services.cognito.identity import IdentityPools

KEY = rsa.generate_private_key(65537, 2048)
ISSUER = "https://idp.example.com"
PROVIDER = "idp.example.com"
OIDC_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{PROVIDER}"
COGNITO = "cognito-identity.amazonaws.com"


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def fetch(url: str) -> Any:
    public = KEY.public_key().public_numbers()
    return {
        f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
        f"{ISSUER}/keys": {"keys": [{"kty": "RSA", "kid": "k1", "n": number(public.n), "e": number(public.e)}]},
    }[url]


class Everything:
    """Identity pools, the IAM that they ask, and a caller between them."""

    def __init__(self) -> None:
        verifiers: list[TokenVerifier] = []
        self.world = world = World("enforce", verifiers)
        self.pools = IdentityPools(
            store=world.store,
            sealer=world.iam._kit.sealer,
            caller=self,
            sessions=world.iam.role_sessions,
            clock=world.clock,
            ids=world.ids,
            token_verifiers=verifiers,
            fetch=fetch,
        )
        verifiers.append(self.pools.tokens)
        self._table = operations(*self.pools.apis)

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        found: dict[str, Any] = await self.world.call(service, operation, context.principal, **params)
        return found

    async def identity(self, operation: str, principal: Principal | None = None, **params: Any) -> Any:
        shape = model("cognito-identity").operation_model(operation)
        unsigned = shape.auth_type == "none"
        context = CallContext(
            principal=principal or (ANONYMOUS if unsigned else root(ACCOUNT)), region="eu-west-1", request_id="r"
        )
        check(shape.input_shape, params)
        result = await self._table[operation](context, params)
        check(shape.output_shape, result)
        return result

    async def role(self, name: str, pool: str, amr: str = "authenticated") -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": COGNITO},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": {"StringEquals": {f"{COGNITO}:aud": pool}, "ForAnyValue:StringLike": {f"{COGNITO}:amr": amr}},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": trust})
        made = await self.world.iam_call("CreateRole", RoleName=name, AssumeRolePolicyDocument=document)
        arn: str = made["Role"]["Arn"]
        return arn

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        with pytest.raises(ServiceError) as caught:
            await self.identity(operation, **params)
        return caught.value.code, caught.value.message

    def token(self, sub: str = "ann", **claims: Any) -> str:
        body = {"iss": ISSUER, "aud": "app", "sub": sub, "exp": self.world.clock.now() + 600, **claims}
        parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "k1"}, body)]
        signed = ".".join(parts)
        return f"{signed}.{encoded(KEY.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def login(self, sub: str = "ann", **claims: Any) -> dict[str, str]:
        return {PROVIDER: self.token(sub, **claims)}

    def opened(self, credentials: Mapping[str, Any]) -> Principal:
        return self.world.sessions.open(credentials["AccessKeyId"], credentials["SessionToken"]).principal


@pytest.fixture
async def all_() -> AsyncIterator[Everything]:
    made = Everything()
    await made.world.iam_call("CreateOpenIDConnectProvider", Url=ISSUER, ClientIDList=["app"])
    yield made
    await made.world.store.close()


async def new_pool(found: Everything, **more: Any) -> str:
    settings = {"AllowUnauthenticatedIdentities": True, "OpenIdConnectProviderARNs": [OIDC_ARN], **more}
    pool: str = (await found.identity("CreateIdentityPool", IdentityPoolName="p", **settings))["IdentityPoolId"]
    return pool


async def test_pools(all_: Everything) -> None:
    pool = await new_pool(all_, IdentityPoolTags={"a": "b"}, DeveloperProviderName="login.app")
    assert pool.startswith("eu-west-1:")
    arn = f"arn:aws:cognito-identity:eu-west-1:{ACCOUNT}:identitypool/{pool}"
    await all_.identity("TagResource", ResourceArn=arn, Tags={"c": "d"})
    await all_.identity("UntagResource", ResourceArn=arn, TagKeys=["a"])
    assert (await all_.identity("ListTagsForResource", ResourceArn=arn))["Tags"] == {"c": "d"}
    changed = await all_.identity(
        "UpdateIdentityPool", IdentityPoolId=pool, IdentityPoolName="q", AllowUnauthenticatedIdentities=False
    )
    assert "OpenIdConnectProviderARNs" not in changed
    assert (await all_.identity("DescribeIdentityPool", IdentityPoolId=pool)) == changed
    for _ in range(2):
        await new_pool(all_)
    first = await all_.identity("ListIdentityPools", MaxResults=2)
    rest = await all_.identity("ListIdentityPools", MaxResults=2, NextToken=first["NextToken"])
    assert (len(first["IdentityPools"]), len(rest["IdentityPools"]), "NextToken" in rest) == (2, 1, False)
    await all_.identity("DeleteIdentityPool", IdentityPoolId=pool)
    assert await all_.refused("DescribeIdentityPool", IdentityPoolId=pool) == (
        "ResourceNotFoundException",
        f"IdentityPool '{pool}' not found.",
    )


async def test_a_guest(all_: Everything) -> None:
    pool = await new_pool(all_)
    role = await all_.role("guest", pool, "unauthenticated")
    await all_.identity("SetIdentityPoolRoles", IdentityPoolId=pool, Roles={"unauthenticated": role})
    guest = (await all_.identity("GetId", IdentityPoolId=pool))["IdentityId"]
    found = await all_.identity("GetCredentialsForIdentity", IdentityId=guest)
    session = all_.opened(found["Credentials"])
    assert session.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/guest/CognitoIdentityCredentials"
    assert session.context[f"{COGNITO}:sub"] == guest
    assert session.context[f"{COGNITO}:amr"] == ("unauthenticated",)
    assert "iam:" not in session.session_policies[0]
    closed = await new_pool(all_, AllowUnauthenticatedIdentities=False)
    assert await all_.refused("GetId", IdentityPoolId=closed) == (
        "NotAuthorizedException",
        "Unauthenticated access is not supported for this identity pool.",
    )


async def test_a_login_leads_to_the_same_identity(all_: Everything) -> None:
    pool = await new_pool(all_)
    role = await all_.role("member", pool)
    await all_.identity("SetIdentityPoolRoles", IdentityPoolId=pool, Roles={"authenticated": role})
    ann = (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"]
    assert (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"] == ann
    bob = (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login("bob")))["IdentityId"]
    assert bob != ann
    assert (await all_.identity("DescribeIdentity", IdentityId=ann))["Logins"] == [PROVIDER]
    found = await all_.identity("GetCredentialsForIdentity", IdentityId=ann, Logins=all_.login())
    session = all_.opened(found["Credentials"])
    assert session.context[f"{COGNITO}:amr"] == ("authenticated", PROVIDER, f"{PROVIDER}:OIDC:ann")
    assert session.session_policies == ()
    assert await all_.refused("GetCredentialsForIdentity", IdentityId=ann) == (
        "NotAuthorizedException",
        f"Access to Identity '{ann}' is forbidden.",
    )
    assert (await all_.refused("GetCredentialsForIdentity", IdentityId=ann, Logins=all_.login("bob")))[0] == (
        "NotAuthorizedException"
    )
    listed = await all_.identity("ListIdentities", IdentityPoolId=pool, MaxResults=1)
    assert len(listed["Identities"]) == 1
    await all_.identity("UnlinkIdentity", IdentityId=ann, Logins=all_.login(), LoginsToRemove=[PROVIDER])
    assert (await all_.refused("DescribeIdentity", IdentityId=ann))[0] == "ResourceNotFoundException"
    gone = await all_.identity("DeleteIdentities", IdentityIdsToDelete=[bob, "eu-west-1:x"])
    assert gone["UnprocessedIdentityIds"] == [{"IdentityId": "eu-west-1:x", "ErrorCode": "AccessDenied"}]


async def test_a_guest_who_signs_in_keeps_the_identity(all_: Everything) -> None:
    pool = await new_pool(all_)
    role = await all_.role("member", pool)
    await all_.identity("SetIdentityPoolRoles", IdentityPoolId=pool, Roles={"authenticated": role})
    guest = (await all_.identity("GetId", IdentityPoolId=pool))["IdentityId"]
    await all_.identity("GetCredentialsForIdentity", IdentityId=guest, Logins=all_.login())
    assert (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"] == guest
    other = (await all_.identity("GetId", IdentityPoolId=pool))["IdentityId"]
    assert (await all_.refused("GetCredentialsForIdentity", IdentityId=other, Logins=all_.login()))[0] == (
        "ResourceConflictException"
    )


async def test_logins_that_prove_nothing(all_: Everything) -> None:
    pool = await new_pool(
        all_,
        CognitoIdentityProviders=[
            {"ProviderName": "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", "ClientId": "app"}
        ],
    )
    user_pool = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
    good = all_.token()
    head, _, signature = good.split(".")
    cases = [
        ({PROVIDER: "nonsense"}, "Invalid login token. Not a valid OpenId Connect identity token."),
        ({PROVIDER: f"{head}.{encoded(b'{}')}.{signature}"}, "Invalid login token. Issuer doesn't match providerName"),
        ({PROVIDER: all_.token(aud="other")}, "Invalid login token. Incorrect token audience."),
        (
            {PROVIDER: all_.token(exp=1)},
            "Invalid login token. Token expired: current date/time must be before the expiration date/time",
        ),
        ({PROVIDER: good[:-8] + "AAAAAAAA"}, "Invalid login token. Couldn't verify the signature of the token."),
        ({"other.example.com": good}, "Token is not from a supported provider of this identity pool."),
        # A stranger's issuer that ends like the user pool's.
        (
            {user_pool: all_.token(iss=f"{ISSUER}/eu-west-1_abc", token_use="id")},
            "Invalid login token. Issuer doesn't match providerName",
        ),
        (
            {f"{PROVIDER}/eu-west-1_abc": all_.token(iss=f"{ISSUER}/eu-west-1_abc", token_use="id")},
            "Invalid login token. Issuer doesn't match providerName",
        ),
    ]
    for logins, words in cases:
        assert await all_.refused("GetId", IdentityPoolId=pool, Logins=logins) == ("NotAuthorizedException", words)


@pytest.mark.parametrize(
    ("mapping", "claims", "custom", "expected"),
    [
        (
            {
                "Type": "Rules",
                "AmbiguousRoleResolution": "Deny",
                "RulesConfiguration": {
                    "Rules": [
                        {"Claim": "team", "MatchType": "Equals", "Value": "blue", "RoleARN": "A"},
                        {"Claim": "mail", "MatchType": "Contains", "Value": "@corp", "RoleARN": "B"},
                    ]
                },
            },
            {"team": "red", "mail": "ann@corp.example"},
            None,
            "B",
        ),
        (
            {
                "Type": "Rules",
                "AmbiguousRoleResolution": "AuthenticatedRole",
                "RulesConfiguration": {
                    "Rules": [{"Claim": "team", "MatchType": "StartsWith", "Value": "bl", "RoleARN": "A"}]
                },
            },
            {"team": "red"},
            None,
            "default",
        ),
        (
            {
                "Type": "Rules",
                "AmbiguousRoleResolution": "Deny",
                "RulesConfiguration": {
                    "Rules": [{"Claim": "groups", "MatchType": "NotEqual", "Value": "x", "RoleARN": "A"}]
                },
            },
            {"groups": ["x"]},
            None,
            None,
        ),
        ({"Type": "Token", "AmbiguousRoleResolution": "Deny"}, {"cognito:preferred_role": "A"}, None, "A"),
        ({"Type": "Token", "AmbiguousRoleResolution": "Deny"}, {"cognito:roles": ["B"]}, None, "B"),
        ({"Type": "Token", "AmbiguousRoleResolution": "Deny"}, {"cognito:roles": ["A", "B"]}, None, None),
        (
            {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"},
            {"cognito:roles": ["A", "B"]},
            None,
            "default",
        ),
        ({"Type": "Token", "AmbiguousRoleResolution": "Deny"}, {"cognito:roles": ["A", "B"]}, "B", "B"),
        ({"Type": "Token", "AmbiguousRoleResolution": "Deny"}, {"cognito:roles": ["A"]}, "B", None),
    ],
)
async def test_which_role(
    all_: Everything, mapping: Any, claims: dict[str, Any], custom: str | None, expected: str | None
) -> None:
    pool = await new_pool(all_)
    arns = {name: await all_.role(name, pool) for name in ("A", "B", "default")}
    text = json.dumps({"mapping": mapping, "claims": claims})
    for name in ("A", "B"):
        text = text.replace(f'"{name}"', f'"{arns[name]}"')
    given = json.loads(text)
    await all_.identity(
        "SetIdentityPoolRoles",
        IdentityPoolId=pool,
        Roles={"authenticated": arns["default"]},
        RoleMappings={PROVIDER: given["mapping"]},
    )
    logins = all_.login(**given["claims"])
    ann = (await all_.identity("GetId", IdentityPoolId=pool, Logins=logins))["IdentityId"]
    params = {"IdentityId": ann, "Logins": logins} | ({"CustomRoleArn": arns[custom]} if custom else {})
    if expected is None:
        assert (await all_.refused("GetCredentialsForIdentity", **params))[0] == "NotAuthorizedException"
    else:
        found = await all_.identity("GetCredentialsForIdentity", **params)
        assert all_.opened(found["Credentials"]).role_arn == arns[expected]


async def test_a_role_that_does_not_trust_the_pool(all_: Everything) -> None:
    pool = await new_pool(all_)
    role = await all_.role("member", "eu-west-1:another-pool")
    await all_.identity("SetIdentityPoolRoles", IdentityPoolId=pool, Roles={"authenticated": role})
    ann = (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"]
    assert await all_.refused("GetCredentialsForIdentity", IdentityId=ann, Logins=all_.login()) == (
        "InvalidIdentityPoolConfigurationException",
        "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
    )


async def test_claims_become_principal_tags(all_: Everything) -> None:
    pool = await new_pool(all_)
    role = await all_.role("member", pool)
    await all_.identity("SetIdentityPoolRoles", IdentityPoolId=pool, Roles={"authenticated": role})
    await all_.identity(
        "SetPrincipalTagAttributeMap",
        IdentityPoolId=pool,
        IdentityProviderName=PROVIDER,
        PrincipalTags={"department": "dept"},
    )
    ann = (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"]
    found = await all_.identity("GetCredentialsForIdentity", IdentityId=ann, Logins=all_.login(dept="sales"))
    assert all_.opened(found["Credentials"]).context["aws:PrincipalTag/department"] == "sales"
    await all_.identity(
        "SetPrincipalTagAttributeMap", IdentityPoolId=pool, IdentityProviderName=PROVIDER, UseDefaults=True
    )
    found = await all_.identity("GetCredentialsForIdentity", IdentityId=ann, Logins=all_.login())
    assert all_.opened(found["Credentials"]).context["aws:PrincipalTag/username"] == "ann"


async def test_the_classic_flow(all_: Everything) -> None:
    pool = await new_pool(all_, AllowClassicFlow=True)
    role = await all_.role("member", pool)
    ann = (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"]
    token = (await all_.identity("GetOpenIdToken", IdentityId=ann, Logins=all_.login()))["Token"]
    assumed = await all_.world.call(
        "sts", "AssumeRoleWithWebIdentity", ANONYMOUS, RoleArn=role, RoleSessionName="app", WebIdentityToken=token
    )
    assert (assumed["SubjectFromWebIdentityToken"], assumed["Provider"]) == (ann, COGNITO)
    all_.world.clock.advance(601)
    with pytest.raises(ServiceError) as caught:
        await all_.world.call(
            "sts", "AssumeRoleWithWebIdentity", ANONYMOUS, RoleArn=role, RoleSessionName="app", WebIdentityToken=token
        )
    assert caught.value.code == "ExpiredTokenException"
    for pool in (await new_pool(all_), await new_pool(all_, AllowClassicFlow=False)):
        other = (await all_.identity("GetId", IdentityPoolId=pool, Logins=all_.login()))["IdentityId"]
        assert await all_.refused("GetOpenIdToken", IdentityId=other, Logins=all_.login()) == (
            "InvalidParameterException",
            "Basic (classic) flow is not enabled, please use enhanced flow.",
        )


async def test_developer_identities(all_: Everything) -> None:
    pool = await new_pool(all_, DeveloperProviderName="login.app")
    role = await all_.role("member", pool)
    await all_.identity("SetIdentityPoolRoles", IdentityPoolId=pool, Roles={"authenticated": role})

    async def get(user: str, **more: Any) -> Any:
        return await all_.identity(
            "GetOpenIdTokenForDeveloperIdentity", IdentityPoolId=pool, Logins={"login.app": user}, **more
        )

    one = await get("ann", PrincipalTags={"team": "blue"})
    assert (await get("ann"))["IdentityId"] == one["IdentityId"]
    found = await all_.identity(
        "GetCredentialsForIdentity", IdentityId=one["IdentityId"], Logins={COGNITO: one["Token"]}
    )
    session = all_.opened(found["Credentials"])
    assert session.context["aws:PrincipalTag/team"] == "blue"
    assert "login.app" in session.context[f"{COGNITO}:amr"]
    two = await get("anna")
    assert (
        await all_.refused("GetCredentialsForIdentity", IdentityId=two["IdentityId"], Logins={COGNITO: one["Token"]})
    )[0] == "NotAuthorizedException"
    assert (
        await all_.refused(
            "GetOpenIdTokenForDeveloperIdentity",
            IdentityPoolId=pool,
            IdentityId=two["IdentityId"],
            Logins={"login.app": "ann"},
        )
    )[0] == "DeveloperUserAlreadyRegisteredException"
    merged = await all_.identity(
        "MergeDeveloperIdentities",
        IdentityPoolId=pool,
        DeveloperProviderName="login.app",
        SourceUserIdentifier="anna",
        DestinationUserIdentifier="ann",
    )
    assert merged["IdentityId"] == one["IdentityId"]
    looked = await all_.identity("LookupDeveloperIdentity", IdentityPoolId=pool, IdentityId=one["IdentityId"])
    assert looked["DeveloperUserIdentifierList"] == ["ann", "anna"]
    await all_.identity(
        "UnlinkDeveloperIdentity",
        IdentityPoolId=pool,
        IdentityId=one["IdentityId"],
        DeveloperProviderName="login.app",
        DeveloperUserIdentifier="anna",
    )
    assert (await all_.refused("LookupDeveloperIdentity", IdentityPoolId=pool, DeveloperUserIdentifier="anna"))[0] == (
        "ResourceNotFoundException"
    )


async def test_pools_of_other_accounts_and_regions_are_not_there(all_: Everything) -> None:
    pool = await new_pool(all_)
    with pytest.raises(ServiceError) as caught:
        await all_.identity("DescribeIdentityPool", root("999988887777"), IdentityPoolId=pool)
    assert caught.value.code == "ResourceNotFoundException"
