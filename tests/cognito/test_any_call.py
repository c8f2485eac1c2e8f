"""A law: whatever is called, in whatever order, with whatever the model allows, answers or refuses; nothing fails.

`Cloud` sees to it that a refusal is one that AWS's model names for the operation.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from tests.cognito.conftest import PASSWORD, Cloud

from forecourt.base.call import operations
from forecourt.base.errors import ServiceError

MODEL = ServiceModel(Loader().load_service_model("cognito-idp", "service-2"))
# The pool and the client that the calls are about stay; the models of the last two forget that there may be no user.
LEFT_OUT = {"DeleteUserPool", "DeleteUserPoolClient", "AdminListDevices", "AdminGetDevice"}
FLOWS = [
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_USER_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
]
TEXTS = ["x", "ab", "a b", "é", "{####}", "Hello {####}", "1", "<b>", "A" * 30, "http://[::1", "https://a.b/c"]
PARAMETERS: dict[str, list[str]] = {
    "USERNAME": ["anna", "ghost"],
    "PASSWORD": [PASSWORD, "x"],
    "SRP_A": ["1" * 600, "zz", "0"],
    "ANSWER": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"],
    "PREFERRED_CHALLENGE": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN", "PASSWORD_SRP"],
    "CREDENTIAL": ["{}", "x", '{"id":1}', '{"id":"x","response":{"clientDataJSON":"é"}}', "[]"],
    "PASSWORD_CLAIM_SECRET_BLOCK": ["x", "eA==", "é"],
    "PASSWORD_CLAIM_SIGNATURE": ["x", "é"],
    "TIMESTAMP": ["x", "Tue Mar 4 09:05:06 UTC 2025"],
    "EMAIL_OTP_CODE": ["123456", "é"],
    "SOFTWARE_TOKEN_MFA_CODE": ["123456", "é"],
    "NEW_PASSWORD": ["Another-one-2", "x"],
    "DEVICE_KEY": ["us-east-1_11111111-2222-3333-4444-555555555555"],
    "REFRESH_TOKEN": ["x"],
    "SECRET_HASH": ["x"],
    "userAttributes.email": ["a@example.com", "x"],
}


class Caller:
    def __init__(self, seed: int, pool: str, app: str) -> None:
        self.random = random.Random(seed)
        self.session, self.tokens = "x" * 40, {"AccessToken": "a.b.c", "RefreshToken": "x"}
        self.known: dict[str, list[str]] = {
            "userpoolid": [pool] * 9 + ["us-east-1_zzzzzzzzz"],
            "clientid": [app] * 9 + ["x" * 26],
            "username": ["anna"] * 4 + ["ghost", "é"],
            "password": [PASSWORD, "x", "Päss-wörd1"],
            "name": ["email", "name", "custom:a", "sub", "phone_number", "birthdate", "nope"],
            "value": ["a@example.com", "", "true", "2000-01-01", "é"],
            "filter": ['email = "a"', 'username ^= "u"', "x", 'sub = "é"'],
            "confirmationcode": ["123456"],
            "domain": ["pets", "auth.example.com"],
        }

    def value(self, name: str, shape: Shape) -> Any:
        pick, kind = self.random.choice, shape.type_name
        if isinstance(shape, StructureShape):
            members = [
                (key, member)
                for key, member in shape.members.items()
                if key in shape.required_members or self.random.random() < 0.25
            ]
            return {key: self.value(key, member) for key, member in members}
        if isinstance(shape, ListShape):
            return [self.value(name.rstrip("s"), shape.member) for _ in range(pick([0, 1, 1, 2]))]
        if isinstance(shape, MapShape):
            keys = self.random.sample(list(PARAMETERS), 6)
            return {key: pick(PARAMETERS[key]) for key in keys} if shape.value.type_name == "string" else {}
        if kind == "string":
            return self.text(name, shape)
        simple = {"boolean": [True, False], "integer": [0, 1, 5, 60], "long": [0, 1], "blob": [b"x"]}
        return pick(simple.get(kind, [1_700_000_000]))

    def text(self, name: str, shape: Shape) -> str:
        if name == "Session":
            return self.session
        if name in self.tokens or name == "Token":
            return self.tokens.get(name, self.tokens["RefreshToken"])
        choices = list(getattr(shape, "enum", ())) or self.known.get(name.lower()) or TEXTS
        return str(self.random.choice(choices))


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_that_is_called_fails(cloud: Cloud, seed: int) -> None:
    pool = await cloud.pool(
        AliasAttributes=["email"],
        AutoVerifiedAttributes=["email"],
        DeviceConfiguration={"ChallengeRequiredOnNewDevice": True},
        Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"]}},
    )
    app = await cloud.app(pool, ExplicitAuthFlows=FLOWS)
    caller = Caller(seed, pool, app)
    names = sorted(set(operations(*cloud.pools.apis)) - LEFT_OUT)
    flows = ["InitiateAuth", "RespondToAuthChallenge", "AdminInitiateAuth", "AdminRespondToAuthChallenge"]
    answered = 0
    for n in range(250):
        if n % 50 == 0:
            await another_user(cloud, caller, pool, app, f"user{n}")
        name = caller.random.choice([*names, *flows * 8])
        params = caller.value("", MODEL.operation_model(name).input_shape)
        try:
            answer = await cloud(name, **params)
        except ServiceError:
            continue
        answered += 1
        caller.session = answer.get("Session") or caller.session
    assert answered > 10


async def another_user(cloud: Cloud, caller: Caller, pool: str, app: str, name: str) -> None:
    """Signed in, where what was called before allows that."""
    given = {"USERNAME": name, "PASSWORD": PASSWORD}
    call = {"AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": given}
    with contextlib.suppress(ServiceError):
        await cloud.user(pool, name, email=f"{name}@example.com", email_verified="true")
        signed_in = await cloud("AdminInitiateAuth", UserPoolId=pool, ClientId=app, **call)
        caller.tokens = signed_in.get("AuthenticationResult", caller.tokens)
    caller.known["username"][:3] = [name] * 3
