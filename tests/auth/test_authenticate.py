"""Which credentials are verified, which are trusted unseen, and which are refused, and in whose words."""

from __future__ import annotations

import base64
import hmac
import re
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from forecourt.auth import sigv2
from forecourt.auth.authenticate import Authenticator, Identity
from forecourt.auth.errors import DIALECTS, AuthenticationFailed
from forecourt.auth.sessions import KeyIds, SessionCredentials, Sessions, TokenInvalid, account_of
from forecourt.auth.sigv4 import Reason, SignedRequest
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.principal import ANONYMOUS, Principal, root

MASTER = b"m" * 32
USER = Principal(
    kind="user", account="111122223333", arn="arn:aws:iam::111122223333:user/ann", user_id="AIDA1", name="ann"
)
ROLE = Principal(
    kind="assumed-role",
    account="111122223333",
    arn="arn:aws:sts::111122223333:assumed-role/reader/s1",
    user_id="AROA1:s1",
    name="s1",
    role_arn="arn:aws:iam::111122223333:role/reader",
    context={"aws:PrincipalTag/team": "blue", "aws:TagKeys": ("a", "b")},
    session_policies=('{"Statement": []}',),
)


class Keys:
    def __init__(self, keys: dict[str, tuple[str, Principal]]) -> None:
        self.keys = keys
        self.uses: list[tuple[str, str, str]] = []

    def remembered(self, access_key_id: str) -> None:
        return None

    async def access_key(self, access_key_id: str) -> tuple[str, Principal] | None:
        return self.keys.get(access_key_id)

    def used(self, access_key_id: str, service: str, region: str) -> None:
        self.uses.append((access_key_id, service, region))


class World:
    """An authenticator with one known user."""

    def __init__(self, trust_unknown: bool = True) -> None:
        self.clock = Clock()
        self.sessions = Sessions(MASTER, Ids(1))
        self.user_key = self.sessions.key_ids.make("AKIA", USER.account, Ids(2))
        self.keys = {self.user_key: ("s3cret", USER)}
        self.authenticator = Authenticator(
            source=Keys(self.keys), sessions=self.sessions, clock=self.clock, trust_unknown=trust_unknown
        )

    def session(self, seconds: float = 3600) -> SessionCredentials:
        return self.sessions.issue(ROLE, self.clock.now() + seconds)

    async def call(self, request: SignedRequest, dialect: str = "json", anonymous: bool = False) -> Identity:
        return await self.authenticator.authenticate(request, dialect, anonymous_allowed=anonymous)

    async def refused(self, request: SignedRequest, dialect: str = "json") -> AuthenticationFailed:
        with pytest.raises(AuthenticationFailed) as caught:
            await self.call(request, dialect)
        return caught.value


def signed(key: str, secret: str, token: str | None = None, signer: type = SigV4Auth) -> SignedRequest:
    request = AWSRequest("POST", "http://localhost:4566/", headers={"Host": "localhost:4566"}, data=b"{}")
    signer(Credentials(key, secret, token), "states", "eu-west-1").add_auth(request)
    headers = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    query = request.url.partition("?")[2]
    return SignedRequest("POST", b"/", query.encode(), headers, request.data or b"")


def with_session(credentials: SessionCredentials, **change: str) -> SignedRequest:
    values = {
        "key": credentials.access_key_id,
        "secret": credentials.secret_access_key,
        "token": credentials.session_token,
    } | change
    return signed(values["key"], values["secret"], values["token"])


async def test_unknown_credentials_on_loopback_are_root() -> None:
    identity = await World().call(signed("test", "test"))
    assert identity == Identity(root("000000000000", "test"), "eu-west-1", "states", b"{}")


async def test_a_twelve_digit_access_key_names_the_account() -> None:
    assert (await World().call(signed("123456789012", "x"))).principal == root("123456789012", "123456789012")


async def test_unknown_credentials_are_refused_where_strangers_are_not_trusted() -> None:
    world = World(trust_unknown=False)
    error = await world.refused(signed("test", "test"))
    assert (error.code, error.status) == ("UnrecognizedClientException", 400)
    assert error.message == "The security token included in the request is invalid."
    assert (await world.refused(signed("ASIATESTTESTTESTTEST", "x", "token"))).reason is Reason.INVALID_TOKEN


@pytest.mark.parametrize("trust", [True, False])
async def test_an_issued_key_is_always_verified(trust: bool) -> None:
    world = World(trust)
    assert (await world.call(signed(world.user_key, "s3cret"))).principal is USER
    assert (await world.refused(signed(world.user_key, "wrong"))).reason is Reason.MISMATCH


async def test_a_deleted_key_does_not_become_a_trusted_stranger() -> None:
    world = World()
    world.keys.clear()
    assert (await world.refused(signed(world.user_key, "s3cret"))).reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
async def test_a_session_comes_back_as_it_was_sealed(signer: type) -> None:
    world = World(trust_unknown=False)
    issued = world.session()
    request = signed(issued.access_key_id, issued.secret_access_key, issued.session_token, signer)
    principal = (await world.call(request)).principal
    assert principal.access_key_id == issued.access_key_id
    assert principal.expires_at == issued.expires_at
    assert (principal.context, principal.session_policies) == (ROLE.context, ROLE.session_policies)
    assert (principal.arn, principal.role_arn) == (ROLE.arn, ROLE.role_arn)


async def test_a_session_ends() -> None:
    world = World()
    issued = world.session(seconds=60)
    await world.call(with_session(issued))
    world.clock.advance(61)
    assert (await world.refused(with_session(issued))).code == "ExpiredTokenException"


def flipped(token: str, position: int) -> str:
    raw = bytearray(base64.b64decode(token))
    raw[position % len(raw)] ^= 1
    return base64.b64encode(bytes(raw)).decode()


@given(st.integers(0, 4000))
def test_a_tampered_token_does_not_open(position: int) -> None:
    sessions = Sessions(MASTER, Ids(1))
    issued = sessions.issue(ROLE, 0)
    with pytest.raises(TokenInvalid):
        sessions.open(issued.access_key_id, flipped(issued.session_token, position))


async def test_a_tampered_session_is_refused_though_strangers_are_trusted() -> None:
    world = World()
    one, other = world.session(), world.session()
    for request in (
        with_session(one, token=flipped(one.session_token, 40)),
        with_session(one, token=other.session_token),
        signed(one.access_key_id, one.secret_access_key),
    ):
        assert (await world.refused(request)).reason is Reason.INVALID_TOKEN
    assert (await world.refused(with_session(one, secret="guess"))).reason is Reason.MISMATCH


async def test_the_same_token_under_another_master_key_is_a_strangers() -> None:
    world = World(trust_unknown=False)
    foreign = Sessions(b"o" * 32, Ids(9)).issue(ROLE, world.clock.now() + 60)
    assert (await world.refused(with_session(foreign))).reason is Reason.INVALID_TOKEN


async def test_no_signature() -> None:
    world = World()
    plain = SignedRequest("POST", b"/", b"", [(b"host", b"localhost")])
    assert (await world.call(plain, anonymous=True)).principal.kind == "anonymous"
    needless = signed(world.user_key, "wrong")
    assert await world.call(needless, anonymous=True) == Identity(ANONYMOUS, "eu-west-1", "states", b"{}")
    assert {dialect: (e := await world.refused(plain, dialect)).code + f"/{e.status}" for dialect in DIALECTS} == {
        "json": "MissingAuthenticationTokenException/400",
        "rest-json": "MissingAuthenticationTokenException/403",
        "execute-api": "MissingAuthenticationTokenException/403",
        "query": "MissingAuthenticationToken/403",
        "ec2": "MissingAuthenticationToken/403",
        "rest-xml": "AccessDenied/403",
    }


def test_every_reason_has_a_name_in_every_dialect() -> None:
    assert {dialect: set(Reason) - set(table) for dialect, table in DIALECTS.items()} == {
        key: set() for key in DIALECTS
    }


@given(st.integers(0, 999_999_999_999).map("{:012d}".format), st.integers())
def test_key_ids_name_their_account_and_are_recognised(account: str, seed: int) -> None:
    ours, theirs = KeyIds(MASTER), KeyIds(b"o" * 32)
    made = ours.make("AKIA", account, Ids(seed))
    assert len(made) == 20
    assert account_of(made) == account
    assert ours.is_ours(made)
    assert not ours.is_ours("ASIA" + made[4:])
    assert account_of("test") is None
    assert not theirs.is_ours("AKIAIOSFODNN7EXAMPLE")


def presigned(key: str, secret: str, token: str | None = None, method: str = "GET", url: str = "") -> SignedRequest:
    """As boto3 presigns S3's URLs where no version of the signature was chosen."""
    request = AWSRequest(method, url or "http://localhost:4566/bucket/a%20key?versionId=7&x-id=GetObject")
    if method == "PUT":
        request.headers["Content-Type"] = "text/plain"
    HmacV1QueryAuth(Credentials(key, secret, token), 60).add_auth(request)
    parts = urlsplit(request.url)
    headers = [(b"host", parts.netloc.encode())] + ([(b"content-type", b"text/plain")] if method == "PUT" else [])
    return SignedRequest(method, parts.path.encode(), parts.query.encode(), headers)


async def test_urls_presigned_with_version_2() -> None:
    world = World()
    good = presigned(world.user_key, "s3cret")
    assert (await world.call(good, "rest-xml")).principal is USER
    assert (await world.call(presigned(world.user_key, "s3cret", method="PUT"), "rest-xml")).principal is USER
    issued = world.session()
    temporary = presigned(issued.access_key_id, issued.secret_access_key, issued.session_token)
    assert (await world.call(temporary, "rest-xml")).principal.kind == "assumed-role"
    assert (await world.call(presigned("test", "test"), "rest-xml")).principal == root("000000000000", "test")
    changes = {
        "method": good._replace(method="DELETE"),
        "path": good._replace(raw_path=b"/bucket/another"),
        "version": good._replace(query_string=good.query_string.replace(b"versionId=7", b"versionId=8")),
        "expiry": good._replace(query_string=re.sub(rb"Expires=\d+", b"Expires=9999999999", good.query_string)),
        "acl": good._replace(headers=[*good.headers, (b"x-amz-acl", b"public-read")]),
        "secret": presigned(world.user_key, "guess"),
    }
    for name, changed in changes.items():
        assert (await world.refused(changed, "rest-xml")).code == "SignatureDoesNotMatch", name
    old = good._replace(query_string=re.sub(rb"Expires=\d+", b"Expires=1000000000", good.query_string))
    expired = await world.refused(old, "rest-xml")
    assert (expired.code, expired.message) == ("AccessDenied", "Request has expired")
    half = good._replace(query_string=b"AWSAccessKeyId=x")
    assert (await world.refused(half, "rest-xml")).code == "AuthorizationQueryParametersError"


async def test_a_bucket_in_the_host() -> None:
    request = presigned("k", "s", url="http://bucket.s3.localhost:4566/key")
    found = sigv2.read_presigned(request)
    assert found is not None
    digest = hmac.digest(b"s", f"GET\n\n\n{found.expires_at}\n/bucket/key".encode(), "sha1")
    sigv2.verify(found._replace(signature=base64.b64encode(digest).decode()), request, "s", 0)
