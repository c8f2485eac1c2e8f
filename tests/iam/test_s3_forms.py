"""Uploads by a browser's form, under a signed policy; and what S3 gives to callers without a signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from botocore.config import Config
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, session, user

from forecourt.testing import Forecourt

BUCKET = "forms"


@pytest.fixture(scope="module")
def sky(enforced: Forecourt) -> dict[str, str]:
    enforced.client("s3", **ROOT).create_bucket(Bucket=BUCKET)
    own = allow(["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::{BUCKET}/sky/*")
    return user(enforced, "sky", policy(own))


def form(
    forecourt: Forecourt, keys: dict[str, str], key: str, *conditions: Any, version: str = "s3v4", **fields: str
) -> tuple[str, dict[str, str]]:
    s3 = forecourt.client("s3", config=Config(signature_version=version), **keys)
    exact = [{name: value} for name, value in fields.items()]
    made = s3.generate_presigned_post(BUCKET, key, Fields=dict(fields), Conditions=[*exact, *conditions])
    return made["url"], made["fields"]


def post(url: str, fields: dict[str, str], content: bytes = b"hello", name: str = "a b.txt") -> httpx.Response:
    return httpx.post(url, data=fields, files={"file": (name, content)})


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_form_uploads_what_its_policy_describes(enforced: Forecourt, sky: dict[str, str], version: str) -> None:
    url, fields = form(
        enforced,
        sky,
        "sky/${filename}",
        ["starts-with", "$x-amz-meta-note", ""],
        ["content-length-range", 1, 10],
        version=version,
        success_action_status="201",
        **{"Content-Type": "text/plain"},
    )
    answer = post(url, {**fields, "x-amz-meta-note": "n"})
    assert answer.status_code == 201, answer.text
    assert "<Key>sky/a b.txt</Key>" in answer.text
    kept = enforced.client("s3", **sky).get_object(Bucket=BUCKET, Key="sky/a b.txt")
    assert (kept["Body"].read(), kept["ContentType"], kept["Metadata"]) == (b"hello", "text/plain", {"note": "n"})
    assert answer.headers["etag"] == kept["ETag"]
    assert code(post(url, {**fields, "x-amz-meta-note": "n"}, b"x" * 11)) == (400, "EntityTooLarge")
    assert code(post(url, {**fields, "x-amz-meta-note": "n"}, b"")) == (400, "EntityTooSmall")
    assert code(post(url, fields)) == (201, "")
    for changed in ({"Content-Type": "text/html"}, {"key": "other/sky"}, {"acl": "public-read"}):
        assert code(post(url, {**fields, **changed})) == (403, "AccessDenied"), changed
    assert code(post(url.replace(BUCKET, "another"), fields)) == (403, "AccessDenied")
    signature = "signature" if version == "s3" else "x-amz-signature"
    assert code(post(url, {**fields, signature: "x" + fields[signature][1:]})) == (403, "SignatureDoesNotMatch")


def test_a_form_may_do_what_its_signer_may(enforced: Forecourt, sky: dict[str, str]) -> None:
    url, fields = form(enforced, sky, "elsewhere/x")
    answer = post(url, fields)
    assert code(answer) == (403, "AccessDenied")
    assert "user/sky is not authorized to perform: s3:PutObject" in answer.text
    url, fields = form(enforced, {**sky, "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "sky/x")
    assert code(post(url, fields)) == (403, "InvalidAccessKeyId")
    mine = session(enforced.client("sts", **sky).get_session_token()["Credentials"])
    url, fields = form(enforced, mine, "sky/session")
    assert post(url, fields).status_code == 204
    assert code(post(url, {**fields, "x-amz-security-token": "forged"})) == (400, "InvalidToken")


def test_where_the_browser_goes_next(enforced: Forecourt, sky: dict[str, str]) -> None:
    url, fields = form(enforced, sky, "sky/next", success_action_redirect="https://app.example.com/done?a=1")
    answer = post(url, fields)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://app.example.com/done?a=1&bucket=forms&key=sky%2Fnext&etag=")
    url, fields = form(enforced, sky, "sky/next", success_action_redirect="javascript:alert(1)")
    answer = post(url, fields)
    assert (answer.status_code, "app.example.com" in answer.headers["location"]) == (204, False)


def test_policies_that_are_none(enforced: Forecourt, sky: dict[str, str]) -> None:
    """Signed, and yet no policy; the root signs them, so nothing else holds them back."""

    def signed(document: str) -> dict[str, str]:
        text = base64.b64encode(document.encode()).decode()
        digest = hmac.new(ROOT["aws_secret_access_key"].encode(), text.encode(), hashlib.sha1).digest()
        key = {"key": "sky/none", "AWSAccessKeyId": ROOT["aws_access_key_id"]}
        return {**key, "policy": text, "signature": base64.b64encode(digest).decode()}

    late = "2099-01-01T00:00:00Z"
    matching = [["eq", "$key", "sky/none"]]
    cases = {
        "no JSON": ("{", (400, "InvalidPolicyDocument")),
        "no expiration": ('{"conditions": []}', (400, "InvalidPolicyDocument")),
        "no conditions": (json.dumps({"expiration": late}), (400, "InvalidPolicyDocument")),
        "no date": (json.dumps({"expiration": "soon", "conditions": matching}), (400, "InvalidPolicyDocument")),
        "expired": (json.dumps({"expiration": "2020-01-01T00:00:00Z", "conditions": matching}), (403, "AccessDenied")),
        "unknown operator": (
            json.dumps({"expiration": late, "conditions": [["like", "$key", "*"]]}),
            (400, "InvalidPolicyDocument"),
        ),
        "nothing about the key": (json.dumps({"expiration": late, "conditions": []}), (403, "AccessDenied")),
        "whole": (json.dumps({"expiration": late, "conditions": matching}), (204, "")),
    }
    url = f"{enforced.url}/{BUCKET}"
    assert {name: code(post(url, signed(document))) for name, (document, _) in cases.items()} == {
        name: expected for name, (_, expected) in cases.items()
    }


def test_forms_that_are_broken(enforced: Forecourt, sky: dict[str, str]) -> None:
    url, fields = form(enforced, sky, "sky/broken")
    assert code(httpx.post(url, data=fields, files={"other": b"x"})) == (400, "InvalidArgument")
    assert code(post(url, {name: value for name, value in fields.items() if name != "key"})) == (400, "InvalidArgument")
    left_out = {name: value for name, value in fields.items() if name != "x-amz-signature"}
    assert code(post(url, left_out)) == (400, "InvalidArgument")
    multipart = {"content-type": "multipart/form-data; boundary=b"}
    for body in (b"", b"--b\r\n", b"nothing", b"--b\r\n\r\n\r\n--b--"):
        status, found = code(httpx.post(url, headers=multipart, content=body))
        assert (status, found) in ((400, "MalformedPOSTRequest"), (400, "InvalidArgument")), body


def at(forecourt: Forecourt, bucket: str, method: str, path: str, content: bytes = b"") -> tuple[int, str]:
    """A request without a signature, to the bucket's own host."""
    host = {"host": f"{bucket}.s3.localhost:{forecourt.port}"}
    answer = httpx.request(method, f"{forecourt.url}{path}", headers=host, content=content)
    found = answer.text if answer.status_code == 200 else code(answer)[1]
    return answer.status_code, found


def test_without_a_signature_a_bucket_gives_what_its_policy_gives_to_everybody(enforced: Forecourt) -> None:
    s3 = enforced.client("s3", **ROOT)
    s3.create_bucket(Bucket="public")
    for key in ("open/a", "closed/a"):
        s3.put_object(Bucket="public", Key=key, Body=b"content")
    assert at(enforced, "public", "GET", "/open/a") == (403, "AccessDenied")
    everybody = allow("s3:GetObject", "arn:aws:s3:::public/open/*", Principal="*")
    s3.put_bucket_policy(Bucket="public", Policy=policy(everybody))
    assert at(enforced, "public", "GET", "/open/a") == (200, "content")
    for method, path in (("GET", "/closed/a"), ("GET", "/"), ("PUT", "/open/b"), ("DELETE", "/open/a")):
        assert at(enforced, "public", method, path) == (403, "AccessDenied"), (method, path)
    assert code(post(f"{enforced.url}/public", {"key": "open/x"})) == (403, "AccessDenied")
    drop = allow("s3:PutObject", "arn:aws:s3:::public/drop/*", Principal="*")
    s3.put_bucket_policy(Bucket="public", Policy=policy(drop))
    assert post(f"{enforced.url}/public", {"key": "drop/x"}).status_code == 204
    assert s3.get_object(Bucket="public", Key="drop/x")["Body"].read() == b"hello"


def test_access_control_lists_open_to_everybody(enforced: Forecourt) -> None:
    s3 = enforced.client("s3", **ROOT)
    s3.create_bucket(Bucket="lists")
    s3.put_object(Bucket="lists", Key="a", Body=b"content")
    assert at(enforced, "lists", "GET", "/a") == (403, "AccessDenied")
    s3.put_object_acl(Bucket="lists", Key="a", ACL="public-read")
    assert at(enforced, "lists", "GET", "/a") == (200, "content")
    assert at(enforced, "lists", "GET", "/") == (403, "AccessDenied")
    assert at(enforced, "lists", "PUT", "/a", b"x") == (403, "AccessDenied")
    s3.put_object(Bucket="lists", Key="a", Body=b"private again")
    assert at(enforced, "lists", "GET", "/a") == (403, "AccessDenied")
    everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    s3.put_bucket_acl(Bucket="lists", GrantWrite=everybody)
    assert at(enforced, "lists", "PUT", "/b", b"x") == (200, "")
    assert at(enforced, "lists", "GET", "/") == (403, "AccessDenied")
    s3.put_bucket_acl(Bucket="lists", GrantRead=everybody)
    assert at(enforced, "lists", "GET", "/")[0] == 200
    s3.put_public_access_block(
        Bucket="lists",
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": False,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": False,
        },
    )
    assert at(enforced, "lists", "GET", "/") == (403, "AccessDenied")


def test_a_signature_that_is_wrong_is_not_none(enforced: Forecourt, sky: dict[str, str]) -> None:
    s3 = enforced.client("s3", **ROOT)
    s3.create_bucket(Bucket="wrong-signature")
    s3.put_object(Bucket="wrong-signature", Key="a", Body=b"content")
    everybody = allow("s3:GetObject", "arn:aws:s3:::wrong-signature/*", Principal="*")
    s3.put_bucket_policy(Bucket="wrong-signature", Policy=policy(everybody))
    forged = enforced.client("s3", **{**sky, "aws_secret_access_key": "guess"})
    assert refusal(forged.get_object, Bucket="wrong-signature", Key="a")[0] == "SignatureDoesNotMatch"
    assert enforced.client("sts", **sky).get_caller_identity()["Account"] == HOME
