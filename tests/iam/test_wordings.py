"""What a refused call is answered, protocol by protocol: codes, statuses and words as AWS's."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.iam.enforcing import HOME, ROOT, allow, policy, refusal, session, user

from forecourt.testing import Forecourt

JSON = {"content-type": "application/x-amz-json-1.0"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Call(NamedTuple):
    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    action: str
    resource: str = " on resource: *"


CALLS = {
    "json": Call("dynamodb", "POST", "/", {**JSON, "x-amz-target": "DynamoDB_20120810.ListTables"}, b"{}",
                 "dynamodb:ListTables"),
    "query": Call("iam", "POST", "/", FORM, b"Action=ListUsers&Version=2010-05-08", "iam:ListUsers"),
    "sns": Call("sns", "POST", "/", FORM, b"Action=ListTopics&Version=2010-03-31", "sns:ListTopics"),
    "rest-json": Call("lambda", "GET", "/2015-03-31/functions", {}, b"", "lambda:ListFunctions"),
    "rest-xml": Call("s3", "GET", "/", {}, b"", "s3:ListAllMyBuckets", ' on resource: "*"'),
}  # fmt: skip
EC2 = Call("ec2", "POST", "/", FORM, b"Action=DescribeInstances&Version=2016-11-15", "")


def send(forecourt: Forecourt, call: Call, keys: dict[str, str] | None, **changed: str) -> httpx.Response:
    request = AWSRequest(
        call.method,
        forecourt.url + call.path,
        headers={"host": f"127.0.0.1:{forecourt.port}", **call.headers},
        data=call.body,
    )
    if call.service == "s3":
        request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    if keys is not None:
        credentials = Credentials(
            keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token")
        )
        SigV4Auth(credentials, call.service, "us-east-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()} | changed
    return httpx.request(call.method, forecourt.url + call.path, headers=headers, content=call.body)


def said(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message, as the protocol's clients read them."""
    if answer.headers["content-type"].endswith("xml"):
        text = answer.text
        code, message = (text.partition(f"<{name}>")[2].partition(f"</{name}>")[0] for name in ("Code", "Message"))
        return answer.status_code, code, message.replace("&quot;", '"')
    body = answer.json()
    return answer.status_code, answer.headers.get("x-amzn-errortype") or body["__type"], body["message"]


@pytest.fixture(scope="module")
def una(enforced: Forecourt) -> dict[str, str]:
    return user(enforced, "una")


DENIED = {
    "json": (400, "AccessDeniedException"),
    "query": (403, "AccessDenied"),
    "sns": (403, "AuthorizationError"),
    "rest-json": (403, "AccessDeniedException"),
    "rest-xml": (403, "AccessDenied"),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_permission(enforced: Forecourt, una: dict[str, str], name: str) -> None:
    call = CALLS[name]
    words = (
        f"User: arn:aws:iam::{HOME}:user/una is not authorized to perform: {call.action}{call.resource} because no "
        f"identity-based policy allows the {call.action} action"
    )
    assert said(send(enforced, call, una)) == (*DENIED[name], words)


MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
INVALID = "The security token included in the request is invalid."
EXPIRED = "The security token included in the request is expired"
MISSING = "Request is missing Authentication Token"
FAULTS: dict[str, dict[str, Any]] = {
    "json": {
        "wrong secret": (400, "InvalidSignatureException", MISMATCH),
        "unknown key": (400, "UnrecognizedClientException", INVALID),
        "forged token": (400, "UnrecognizedClientException", INVALID),
        "expired token": (400, "ExpiredTokenException", EXPIRED),
        "old": (400, "InvalidSignatureException", "Signature expired: "),
        "half": (400, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter. "),
        "none": (400, "MissingAuthenticationTokenException", MISSING),
    },
    "query": {
        "wrong secret": (403, "SignatureDoesNotMatch", MISMATCH),
        "unknown key": (403, "InvalidClientTokenId", INVALID),
        "forged token": (403, "InvalidClientTokenId", INVALID),
        "expired token": (403, "ExpiredToken", EXPIRED),
        "old": (403, "SignatureDoesNotMatch", "Signature expired: "),
        "half": (400, "IncompleteSignature", "Authorization header requires 'Signature' parameter. "),
        "none": (403, "MissingAuthenticationToken", MISSING),
    },
    "rest-json": {
        "wrong secret": (403, "InvalidSignatureException", MISMATCH),
        "unknown key": (403, "UnrecognizedClientException", INVALID),
        "forged token": (403, "UnrecognizedClientException", INVALID),
        "expired token": (403, "ExpiredTokenException", EXPIRED),
        "old": (403, "InvalidSignatureException", "Signature expired: "),
        "half": (403, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter. "),
    },
    "rest-xml": {
        "wrong secret": (403, "SignatureDoesNotMatch", MISMATCH),
        "unknown key": (
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        "forged token": (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
        "expired token": (400, "ExpiredToken", "The provided token has expired."),
        "old": (
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        "half": (400, "AuthorizationHeaderMalformed", "Authorization header requires 'Signature' parameter. "),
    },
    "ec2": {
        "wrong secret": (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        "unknown key": (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        "forged token": (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        "expired token": (400, "RequestExpired", "Request has expired."),
        "old": (400, "RequestExpired", "Request has expired."),
        "half": (400, "IncompleteSignature", "Authorization header requires 'Signature' parameter. "),
        "none": (403, "MissingAuthenticationToken", MISSING),
    },
}


@pytest.mark.parametrize("name", FAULTS)
def test_credentials_that_are_wrong(enforced: Forecourt, una: dict[str, str], name: str) -> None:
    call = CALLS.get(name, EC2)
    sealed = session(enforced.client("sts", **una).get_session_token()["Credentials"])
    long_ago = enforced.client("sts", **una).get_session_token(DurationSeconds=900)["Credentials"]
    scope = f"AKIAXXXXXXXXXXXXXXXX/20200101/us-east-1/{call.service}/aws4_request"
    head = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date"
    # The server's clock may have been moved by other tests; it does not go back.
    enforced.advance_clock(901)
    answers = {
        "wrong secret": send(enforced, call, {**una, "aws_secret_access_key": "x"}),
        "unknown key": send(enforced, call, {**una, "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE"}),
        "forged token": send(enforced, call, {**sealed, "aws_session_token": "abc"}),
        "expired token": send(enforced, call, session(long_ago)),
        "old": send(
            enforced,
            call,
            None,
            authorization=f"{head}, Signature=00".replace("AKIAXXXXXXXXXXXXXXXX", una["aws_access_key_id"]),
            **{"x-amz-date": "20200101T000000Z"},
        ),
        "half": send(enforced, call, None, authorization=head, **{"x-amz-date": "20200101T000000Z"}),
    }
    if "none" in FAULTS[name]:
        answers["none"] = send(enforced, call, None)
    for fault, (status, code, words) in FAULTS[name].items():
        found = said(answers[fault])
        assert found[:2] == (status, code), (fault, found)
        assert found[2].startswith(words), (fault, found)


def test_ec2_says_what_it_denied_in_a_message_that_sts_decodes(enforced: Forecourt, una: dict[str, str]) -> None:
    code, status, message = refusal(enforced.client("ec2", **una).describe_instances)
    assert (code, status) == ("UnauthorizedOperation", 403)
    assert message.startswith(
        f"You are not authorized to perform this operation. User: arn:aws:iam::{HOME}:user/una is not authorized to "
        "perform: ec2:DescribeInstances because "
    )
    encoded = message.rpartition(" Encoded authorization failure message: ")[2]
    decode = enforced.client("sts", **ROOT).decode_authorization_message
    context = json.loads(decode(EncodedMessage=encoded)["DecodedMessage"])["context"]
    assert context["principal"]["arn"] == f"arn:aws:iam::{HOME}:user/una"
    assert context["action"] == "ec2:DescribeInstances"
    assert refusal(decode, EncodedMessage=encoded[:-8] + "AAAAAAA=")[:2] == (
        "InvalidAuthorizationMessageException",
        400,
    )


def test_a_stranger_is_told_nothing_by_s3(enforced: Forecourt) -> None:
    lia = user(enforced, "lia", policy(allow("s3:*")))
    root = enforced.client("s3", **ROOT)
    root.create_bucket(Bucket="told-nothing")
    assert refusal(enforced.client("s3", **user(enforced, "moe")).list_objects_v2, Bucket="told-nothing")[2] == (
        f"User: arn:aws:iam::{HOME}:user/moe is not authorized to perform: s3:ListBucket on resource: "
        '"arn:aws:s3:::told-nothing" because no identity-based policy allows the s3:ListBucket action'
    )
    assert enforced.client("s3", **lia).list_objects_v2(Bucket="told-nothing")["KeyCount"] == 0


def test_missing_and_invalid_parameters(enforced: Forecourt) -> None:
    """Neither SQS, EC2 nor S3 has a ValidationError."""
    sqs = Call("sqs", "POST", "/", {**JSON, "x-amz-target": "AmazonSQS.SendMessage"}, b'{"MessageBody": "x"}', "")
    assert said(send(enforced, sqs, ROOT)) == (
        400, "MissingParameter", "The request must contain the parameter QueueUrl.",
    )  # fmt: skip
    ec2 = Call("ec2", "POST", "/", FORM, b"Action=TerminateInstances&Version=2016-11-15", "")
    assert said(send(enforced, ec2, ROOT))[:2] == (400, "MissingParameter")
