"""JWT authorizers of REST APIs, with an issuer that is not ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.apigateway_plan.harness import API, OWNER, Gateway, gateway, mock
from tests.apigateway_plan.test_http_apis import Issuer, issuer

from forecourt.base.ports import TokenRejected
from forecourt.services.apigateway.rest import model

__all__ = ["issuer"]


SAID = "$context.authorizer.claims.sub $context.authorizer.claims.tenant"


async def guarded(made: Gateway, issuer_url: str, scopes: list[str] | None = None, out: str = SAID) -> None:
    claims = [
        model.JwtAdditionalClaim(
            claim_name="tenant", format="SINGLE_STRING", required=True, expected_values=["a", "b"]
        ),
        model.JwtAdditionalClaim(claim_name="kind", format="SINGLE_STRING", expected_values=["x"]),
    ]
    trusted = [
        model.JwtIssuer(issuer="https://other.example", audiences=["other"]),
        model.JwtIssuer(issuer=issuer_url, audiences=["app", "web"], additional_claims=claims),
    ]
    authorizer = model.Authorizer(
        **OWNER,
        rest_api_id=API,
        id="z",
        name="z",
        type="JWT",
        identity_source="method.request.header.Authorization",
        jwt_configuration=model.JwtConfiguration(issuers=trusted, default_algorithms=["RS256"]),
    )
    target = mock(out=out)
    target.authorization_type, target.authorizer_id, target.authorization_scopes = "JWT", "z", scopes
    await made.deploy({"GET /": target}, authorizers=[authorizer])


CASES: dict[str, tuple[dict[str, Any], int]] = {
    "good": ({"tenant": "a"}, 200),
    "another audience of several": ({"tenant": "b", "aud": ["x", "web"]}, 200),
    "an optional claim": ({"tenant": "a", "kind": "x"}, 200),
    "no audience of ours": ({"tenant": "a", "aud": "nobody"}, 401),
    "the audience of the other issuer": ({"tenant": "a", "aud": "other"}, 401),
    "a claim is missing": ({}, 401),
    "a claim has another value": ({"tenant": "c"}, 401),
    "a claim is no string": ({"tenant": ["a"]}, 401),
    "an optional claim has another value": ({"tenant": "a", "kind": "y"}, 401),
    "expired": ({"tenant": "a", "exp": 1}, 401),
    "an issuer nobody trusts": ({"tenant": "a", "iss": "https://evil.example"}, 401),
    "an algorithm that is not taken": ({"tenant": "a", "alg": "RS512"}, 401),
    "no signature": ({"tenant": "a", "alg": "none"}, 401),
    "a stranger's signature": ({"tenant": "a", "key": rsa.generate_private_key(65537, 2048)}, 401),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_token(issuer: Issuer, name: str) -> None:
    claims, status = CASES[name]
    async with gateway() as made:
        await guarded(made, issuer.url)
        answer = await made.ask("/", headers=[("Authorization", f"Bearer {issuer.token(**claims)}")])
        assert answer.status == status
        if status == 200:
            assert answer.body == f"s {claims['tenant']}".encode()
        else:
            assert answer.json() == {"message": "Unauthorized"}


async def test_without_a_token_nobody_comes_in(issuer: Issuer) -> None:
    async with gateway() as made:
        await guarded(made, issuer.url)
        for headers in ([], [("Authorization", "x")], [("Authorization", "a.b.c")]):
            assert (await made.ask("/", headers=headers)).status == 401


async def test_scopes(issuer: Issuer) -> None:
    async with gateway() as made:
        await guarded(made, issuer.url, ["pets/read", "pets/write"])
        for scope, status in (("pets/read more", 200), ("more", 403), ("", 403)):
            token = issuer.token(tenant="a", scope=scope)
            assert (await made.ask("/", headers=[("Authorization", token)])).status == status


async def test_an_authorizer_that_is_not_there_opens_nothing() -> None:
    async with gateway() as made:
        for kind in ("JWT", "CUSTOM", "COGNITO_USER_POOLS", "SOMETHING_NEW"):
            target = mock()
            target.authorization_type = kind
            await made.deploy({"GET /": target})
            assert (await made.ask("/")).status == 500


class Pools:
    """Verifies a pool's tokens by either of the pool's names. Tokens are `header.{claims}.good`."""

    def owns(self, issuer: str) -> bool:
        return "us-east-1_" in issuer and "evil" not in issuer

    async def verify(self, token: str, issuer: str) -> dict[str, Any]:
        _, payload, signature = token.split(".")
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        if signature != encoded(b"good") or claims["iss"].rpartition("/")[2] != issuer.rpartition("/")[2]:
            raise TokenRejected("wrong")
        return claims


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


OURS, AMAZON = "http://localhost:4566/us-east-1_Abc", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Abc"


@pytest.mark.parametrize(
    ("configured", "said", "signature", "status"),
    [
        (AMAZON, OURS, b"good", 200),
        (OURS, AMAZON, b"good", 200),
        (OURS, OURS, b"good", 200),
        (AMAZON, OURS, b"bad", 401),
        (AMAZON, "http://localhost:4566/us-east-1_Other", b"good", 401),
        (f"{AMAZON}/", "http://localhost:4566/", b"good", 401),
        ("https://evil.example/us-east-1_Abc", OURS, b"good", 401),
    ],
)
async def test_a_pool_is_trusted_by_either_name(configured: str, said: str, signature: bytes, status: int) -> None:
    claims = {"iss": said, "aud": "app", "exp": 2**40, "sub": "s", "tenant": "a"}
    parts = [b'{"alg":"RS256","kid":"k"}', json.dumps(claims).encode(), signature]
    async with gateway(tokens=Pools()) as made:
        await guarded(made, configured)
        answer = await made.ask("/", headers=[("Authorization", ".".join(map(encoded, parts)))])
        assert answer.status == status


@pytest.mark.parametrize("part", [0, 1])
async def test_a_token_without_a_floor(part: int) -> None:
    """JSON that is nested too deeply to be read."""
    parts = [b'{"alg":"RS256","kid":"k"}', json.dumps({"iss": OURS}).encode(), b"good"]
    parts[part] = b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"
    async with gateway(tokens=Pools()) as made:
        await guarded(made, OURS)
        assert (await made.ask("/", headers=[("Authorization", ".".join(map(encoded, parts)))])).status == 401


CHANGED = '$context.authorizer.claims.put("sub", "evil") now $context.authorizer.claims.sub'


async def test_a_template_changes_its_own_copy_of_the_claims(issuer: Issuer) -> None:
    """What is remembered of a token is for the next request, too."""
    token = issuer.token(tenant="a")
    async with gateway() as made:
        await guarded(made, issuer.url, out=CHANGED)
        for _ in range(2):
            assert (await made.ask("/", headers=[("Authorization", token)])).body == b"s now evil"
