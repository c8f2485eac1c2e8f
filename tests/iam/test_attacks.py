"""Attacks on signatures, sessions and trust, over the network. Those on tokens of others are in test_sts.py, those on
PassRole and forged secrets in test_enforced.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, session, user

from forecourt.testing import Forecourt

REGION = "us-east-1"
TARGET = "AWSStepFunctions.ListActivities"


def signed(forecourt: Forecourt, keys: dict[str, str], region: str = REGION, service: str = "states") -> dict[str, str]:
    """Headers of a ListActivities."""
    headers = {
        "host": f"127.0.0.1:{forecourt.port}",
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": TARGET,
    }
    request = AWSRequest("POST", f"{forecourt.url}/", headers=headers, data=b"{}")
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token"))
    SigV4Auth(credentials, service, region).add_auth(request)
    return {name.lower(): str(value) for name, value in request.headers.items()}


def send(forecourt: Forecourt, headers: Any, body: bytes = b"{}") -> httpx.Response:
    return httpx.post(f"{forecourt.url}/", headers=headers, content=body)


@pytest.fixture(scope="module")
def max_(enforced: Forecourt) -> dict[str, str]:
    return user(enforced, "attacked-max", policy(allow("states:ListActivities"), allow("sts:AssumeRole")))


def test_a_signature_counts_for_the_request_that_was_signed_only(enforced: Forecourt, max_: dict[str, str]) -> None:
    good = signed(enforced, max_)
    assert send(enforced, good).status_code == 200
    changes: dict[str, Any] = {
        "another host": {**good, "host": f"localhost:{enforced.port}"},
        "another operation": {**good, "x-amz-target": "AWSStepFunctions.ListStateMachines"},
        "the operation twice": [*good.items(), ("x-amz-target", "AWSStepFunctions.ListStateMachines")],
        "a header that was not signed": {**good, "x-amz-security-token": "x"},
        "another date": {**good, "x-amz-date": "20200101T000000Z"},
        "a signed header folded away": {name: value for name, value in good.items() if name != "x-amz-target"},
    }
    for name, headers in changes.items():
        answer = send(enforced, headers)
        assert answer.status_code in (400, 403, 404), (name, answer.text)
        assert "activities" not in answer.text, name
    assert send(enforced, good, b'{"maxResults": 1}').json()["__type"].endswith("InvalidSignatureException")


def test_a_signature_is_worth_nothing_a_quarter_of_an_hour_later(
    enforced: Forecourt, max_: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = datetime.now(UTC) - timedelta(minutes=16)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: old, raising=True)
    answer = send(enforced, signed(enforced, max_))
    assert answer.status_code == 400
    assert answer.json()["__type"].endswith("InvalidSignatureException")
    assert "Signature expired" in answer.json()["message"]


def test_parts_of_two_sessions_make_none(enforced: Forecourt, max_: dict[str, str]) -> None:
    """Each part is genuine; the token is bound to its access key, and the secret to both."""
    sts = enforced.client("sts", **max_)
    one, two = (session(sts.get_session_token()["Credentials"]) for _ in range(2))
    assert send(enforced, signed(enforced, one)).status_code == 200
    for part in one:
        answer = send(enforced, signed(enforced, {**one, part: two[part]}))
        assert answer.status_code == 400, part
        assert answer.json()["__type"].endswith(("UnrecognizedClientException", "InvalidSignatureException")), part
    stolen = {**max_, "aws_session_token": one["aws_session_token"]}
    assert (
        send(enforced, signed(enforced, {**stolen, "aws_access_key_id": one["aws_access_key_id"]})).status_code == 400
    )
    bare = {name: one[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    assert refusal(enforced.client("sts", **bare).get_caller_identity)[:2] == ("InvalidClientTokenId", 403)


def test_an_account_in_the_key_is_not_a_key(enforced: Forecourt) -> None:
    """Twelve digits name an account where strangers are trusted; under enforcement they are nobody's key."""
    guess = {"aws_access_key_id": HOME, "aws_secret_access_key": "test"}
    assert refusal(enforced.client("sts", **guess).get_caller_identity)[:2] == ("InvalidClientTokenId", 403)
    answer = send(enforced, signed(enforced, guess))
    assert (answer.status_code, answer.json()["__type"]) == (400, "UnrecognizedClientException")
    assert answer.json()["message"] == "The security token included in the request is invalid."


def test_wildcards_name_no_users(enforced: Forecourt, max_: dict[str, str]) -> None:
    """A pattern is no principal, and everyone in a trust policy still has to meet its conditions."""
    iam = enforced.client("iam", **ROOT)
    for named in (f"arn:aws:iam::{HOME}:user/*", f"arn:aws:iam::{HOME}:*", "arn:aws:iam::*:root"):
        trust = policy({"Effect": "Allow", "Principal": {"AWS": named}, "Action": "sts:AssumeRole"})
        code = refusal(iam.create_role, RoleName="attacked-any", AssumeRolePolicyDocument=trust)[0]
        assert code == "MalformedPolicyDocument", named
    everyone = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": "999988887777"}},
    }
    arn = iam.create_role(RoleName="attacked-all", AssumeRolePolicyDocument=policy(everyone))["Role"]["Arn"]
    sts = enforced.client("sts", **max_)
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="s1")[0] == "AccessDenied"


def test_nobody_becomes_a_role_by_asking_for_its_trust(enforced: Forecourt) -> None:
    """Who may change a role's trust has the role: it takes a permission of its own, as does attaching policies."""
    eva = user(enforced, "attacked-eva", policy(allow(["iam:Get*", "iam:List*", "sts:*"])))
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    arn = enforced.client("iam", **ROOT).create_role(RoleName="attacked-admin", AssumeRolePolicyDocument=trust)["Role"][
        "Arn"
    ]
    iam = enforced.client("iam", **eva)
    everything = policy(allow("*"))
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    for call, params in (
        (enforced.client("sts", **eva).assume_role, {"RoleArn": arn, "RoleSessionName": "s1"}),
        (iam.update_assume_role_policy, {"RoleName": "attacked-admin", "PolicyDocument": trust}),
        (iam.put_user_policy, {"UserName": "attacked-eva", "PolicyName": "p0", "PolicyDocument": everything}),
        (iam.attach_user_policy, {"UserName": "attacked-eva", "PolicyArn": administrator}),
        (iam.create_access_key, {"UserName": "attacked-max"}),
        (iam.delete_user_permissions_boundary, {"UserName": "attacked-eva"}),
    ):  # fmt: skip
        assert refusal(call, **params)[0] == "AccessDenied", params
