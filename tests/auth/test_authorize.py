"""The authorizer: what it gathers, whom it holds to the policies in which mode, and in which words it denies."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from forecourt.auth.actions import describe
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.explain import explain
from forecourt.auth.lookups import Lookups
from forecourt.auth.policy import compile_policy
from forecourt.auth.supplies import MADE_UP_ROLE, Grants, Mode, Owned, Unfinished
from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, RemoteError
from forecourt.base.principal import ANONYMOUS, Principal, root, service

HOME = "111122223333"
ANN = Principal(kind="user", account=HOME, arn=f"arn:aws:iam::{HOME}:user/ann", user_id="AIDA1", name="ann")
ROLE = Principal(
    kind="assumed-role",
    account=HOME,
    arn=f"arn:aws:sts::{HOME}:assumed-role/reader/s",
    user_id="AROA1:s",
    name="s",
    role_arn=f"arn:aws:iam::{HOME}:role/reader",
    context={"cognito-identity.amazonaws.com:sub": "eu-west-1:me"},
)
TABLE = f"arn:aws:dynamodb:eu-west-1:{HOME}:table/notes"


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


class Identities:
    def __init__(self, *documents: str, boundary: str | None = None, tags: Mapping[str, str] = {}) -> None:
        self._grants = Grants(
            [compile_policy(document) for document in documents], compile_policy(boundary) if boundary else None, tags
        )

    def remembered(self, principal: Principal) -> Grants:
        return self._grants

    async def grants(self, principal: Principal) -> Grants:
        return self._grants


def authorizer(*documents: str, mode: Mode = "enforce", **more: Any) -> PolicyAuthorizer:
    return PolicyAuthorizer(identities=Identities(*documents, **more), clock=Clock(), mode=mode)


async def refusal(found: PolicyAuthorizer, principal: Principal, action: str, resource: str, **context: Any) -> str:
    with pytest.raises(AccessDenied) as caught:
        await found.authorize(principal, action, resource, context)
    return caught.value.message


async def test_denials_are_worded_as_aws_does() -> None:
    who = f'User: {ANN.arn} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k"'
    deny = policy({**allow("s3:*"), "Effect": "Deny"})
    cases = [
        (authorizer(), "because no identity-based policy allows the s3:GetObject action"),
        (authorizer(policy(allow("*")), deny), "with an explicit deny in an identity-based policy"),
        (
            authorizer(policy(allow("*")), boundary=policy(allow("sqs:*"))),
            "because no permissions boundary allows the s3:GetObject action",
        ),
        (authorizer(policy(allow("*")), boundary=deny), "with an explicit deny in a permissions boundary"),
    ]
    for found, words in cases:
        assert await refusal(found, ANN, "s3:GetObject", "arn:aws:s3:::b/k") == f"{who} {words}"


async def test_the_callers_keys_are_known_to_policies() -> None:
    own = allow(
        "s3:*",
        "arn:aws:s3:::b/${aws:username}/*",
        Condition={
            "StringEquals": {"aws:PrincipalTag/team": "blue", "aws:PrincipalType": "User", "aws:PrincipalAccount": HOME}
        },
    )
    found = authorizer(policy(own), tags={"team": "blue"})
    await found.authorize(ANN, "s3:GetObject", "arn:aws:s3:::b/ann/x", {})
    await refusal(found, ANN, "s3:GetObject", "arn:aws:s3:::b/bob/x")


async def test_modes(caplog: pytest.LogCaptureFixture) -> None:
    made_up = Principal(
        kind="assumed-role", account=HOME, arn="arn:x", user_id="u", role_arn="r", context={MADE_UP_ROLE: "true"}
    )
    acting = service("apigateway.amazonaws.com", HOME)
    for lenient in (made_up, acting):
        await authorizer(mode="off").authorize(lenient, "s3:GetObject", "*", {})
        await refusal(authorizer(mode="enforce"), lenient, "s3:GetObject", "*")
    await refusal(authorizer(mode="off"), ANN, "s3:GetObject", "*")
    await refusal(authorizer(mode="off"), ANONYMOUS, "s3:GetObject", "*")
    with caplog.at_level(logging.WARNING, "forecourt.iam"):
        await authorizer(mode="audit").authorize(ANN, "s3:GetObject", "*", {})
    assert "would be denied: User: arn:aws:iam::111122223333:user/ann" in caplog.text


async def test_resource_policies_let_services_in_from_their_source_only() -> None:
    function = f"arn:aws:lambda:eu-west-1:{HOME}:function:f"
    source = f"arn:aws:execute-api:eu-west-1:{HOME}:abc/*"
    document = policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": function,
            "Condition": {"ArnLike": {"AWS:SourceArn": source}},
        }
    )

    async def policy_of(demand: Unfinished) -> Owned:
        return Owned(document if demand.resource == function else None)

    found = authorizer()
    found.register_resource_policy("lambda", policy_of)
    acting = service("apigateway.amazonaws.com", HOME)
    await found.authorize(
        acting, "lambda:InvokeFunction", function, {"aws:SourceArn": source.replace("*", "prod/GET/x")}
    )
    await refusal(found, acting, "lambda:InvokeFunction", function)
    other = source.replace("abc/*", "xyz/prod/GET/x")
    assert await refusal(found, acting, "lambda:InvokeFunction", function, **{"aws:SourceArn": other}) == (
        "User: apigateway.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: "
        f"{function} because no resource-based policy allows the lambda:InvokeFunction action"
    )


def queue(document: str) -> tuple[PolicyAuthorizer, str]:
    """Ann may do everything, and the queue has this policy."""

    async def policy_of(demand: Unfinished) -> Owned:
        return Owned(document)

    found = authorizer(policy(allow("*")))
    found.register_resource_policy("sqs", policy_of)
    return found, f"arn:aws:sqs:eu-west-1:{HOME}:q"


async def test_a_broken_resource_policy_denies_all_but_the_owners_root() -> None:
    found, arn = queue('{"Statement": [{"Effect": "Deny", "Principal": "nobody", "Action": "*"}]}')
    assert (await refusal(found, ANN, "sqs:SendMessage", arn)).endswith("explicit deny in a resource-based policy")
    await refusal(found, root("999988887777"), "sqs:SendMessage", arn)
    await found.authorize(root(HOME), "sqs:SetQueueAttributes", arn, {})


async def test_root_is_bound_by_what_a_resource_denies() -> None:
    found, arn = queue(policy({"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}))
    message = await refusal(found, root(HOME), "sqs:SendMessage", arn)
    assert message.endswith("with an explicit deny in a resource-based policy")
    await found.authorize(root(HOME), "sqs:ReceiveMessage", arn, {})


async def test_root_reaches_another_account_only_by_a_policy_of_the_resource() -> None:
    other = "999988887777"
    found, arn = queue(
        policy(
            {"Effect": "Allow", "Principal": {"AWS": other}, "Action": "sqs:SendMessage", "Resource": "*"},
        )
    )
    await found.authorize(root(other), "sqs:SendMessage", arn, {})
    assert "no resource-based policy allows" in await refusal(found, root(other), "sqs:ReceiveMessage", arn)
    machine = f"arn:aws:states:eu-west-1:{HOME}:stateMachine:m"
    await refusal(found, root(other), "states:StartExecution", machine)
    await found.authorize(root(HOME), "states:StartExecution", machine, {})


async def test_no_bucket_policy_locks_its_root_out() -> None:
    async def policy_of(demand: Unfinished) -> Owned:
        return Owned(policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}))

    found = authorizer(policy(allow("*")))
    found.register_resource_policy("s3", policy_of)
    for action in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"):
        await found.authorize(root(HOME), action, "arn:aws:s3:::b", {})
        await refusal(found, ANN, action, "arn:aws:s3:::b")
    await refusal(found, root(HOME), "s3:GetObject", "arn:aws:s3:::b/k")


async def test_a_remembered_decision_follows_the_policies() -> None:
    """The same question is answered anew for other grants, another account, another session."""
    found = authorizer(policy(allow("states:*")))
    machine = f"arn:aws:states:eu-west-1:{HOME}:stateMachine:m"
    narrowed = msgspec.structs.replace(ANN, session_policies=(policy(allow("sqs:*")),))
    elsewhere = msgspec.structs.replace(ANN, account="999988887777")
    for _ in range(2):
        await found.authorize(ANN, "states:StartExecution", machine, {})
        await refusal(found, narrowed, "states:StartExecution", machine)
        await refusal(found, elsewhere, "states:StartExecution", machine)
    found._identities = Identities()
    await refusal(found, ANN, "states:StartExecution", machine)


async def test_what_depends_on_circumstances_is_asked_each_time() -> None:
    found = authorizer(policy(allow("states:*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})))
    for _ in range(2):
        await found.authorize(ANN, "states:ListActivities", "*", {"aws:SourceIp": "10.1.2.3"})
        await refusal(found, ANN, "states:ListActivities", "*", **{"aws:SourceIp": "192.0.2.1"})


class Tables:
    """Answers DescribeTable as DynamoDB would; no table has a policy."""

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        assert (context.principal.kind, context.account) == ("root", HOME)
        if operation == "GetResourcePolicy":
            raise RemoteError("PolicyNotFoundException", "no policy")
        assert operation == "DescribeTable"
        if params["TableName"] != "notes":
            raise RemoteError("ResourceNotFoundException", "no such table")
        return {
            "Table": {
                "KeySchema": [
                    {"AttributeName": "owner", "KeyType": "HASH"},
                    {"AttributeName": "id", "KeyType": "RANGE"},
                ],
                "GlobalSecondaryIndexes": [
                    {"IndexName": "by_topic", "KeySchema": [{"AttributeName": "topic", "KeyType": "HASH"}]}
                ],
            }
        }


OWN_ROWS = policy(
    {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"],
        "Resource": [TABLE, f"{TABLE}/index/*"],
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${cognito-identity.amazonaws.com:sub}"]}},
    }
)
ME, YOU = {"S": "eu-west-1:me"}, {"S": "eu-west-1:you"}


@pytest.mark.parametrize(
    ("operation", "params", "allowed"),
    [
        ("GetItem", {"Key": {"owner": ME, "id": {"S": "1"}}}, True),
        ("GetItem", {"Key": {"owner": YOU, "id": {"S": "1"}}}, False),
        ("GetItem", {"Key": {"owner": YOU, "id": ME}}, False),
        ("PutItem", {"Item": {"owner": ME, "id": {"S": "1"}}}, False),
        (
            "Query",
            {
                "KeyConditionExpression": "#o = :o",
                "ExpressionAttributeNames": {"#o": "owner"},
                "ExpressionAttributeValues": {":o": ME},
            },
            True,
        ),
        (
            "Query",
            {
                "KeyConditionExpression": "#o = :o",
                "ExpressionAttributeNames": {"#o": "owner"},
                "ExpressionAttributeValues": {":o": YOU},
            },
            False,
        ),
        (
            "Query",
            {
                "IndexName": "by_topic",
                "KeyConditionExpression": "topic = :t",
                "ExpressionAttributeValues": {":t": {"S": "news"}},
            },
            False,
        ),
        ("Query", {}, False),
        ("Scan", {}, False),
        ("BatchGetItem", {"RequestItems": {"notes": {"Keys": [{"owner": ME, "id": ME}]}}}, True),
        (
            "BatchGetItem",
            {"RequestItems": {"notes": {"Keys": [{"owner": ME, "id": ME}, {"owner": YOU, "id": ME}]}}},
            False,
        ),
        (
            "TransactGetItems",
            {"TransactItems": [{"Get": {"TableName": "notes", "Key": {"owner": ME, "id": ME}}}]},
            True,
        ),
        (
            "TransactGetItems",
            {"TransactItems": [{"Get": {"TableName": "notes", "Key": {"owner": YOU, "id": ME}}}]},
            False,
        ),
        ("ExecuteStatement", {"Statement": "SELECT * FROM notes"}, False),
    ],
)
async def test_own_rows_only(operation: str, params: dict[str, Any], allowed: bool) -> None:
    found = authorizer(OWN_ROWS)
    Lookups(Tables()).register(found)
    context = CallContext(principal=ROLE, region="eu-west-1", request_id="r")
    if "RequestItems" not in params and "TransactItems" not in params:
        params = {"TableName": "notes", **params}
    denied = 0
    for demand in describe("dynamodb", operation, params, context):
        try:
            await found.authorize(ROLE, demand.action, demand.resource, demand.conditions)
        except AccessDenied:
            denied += 1
    assert bool(denied) is not allowed


async def test_a_decision_is_explained_statement_by_statement() -> None:
    found = authorizer(
        policy(
            allow("s3:GetObject", "arn:aws:s3:::c/*"),
            allow("s3:GetObject", "arn:aws:s3:::b/*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        )
    )
    refused = await explain(found, ANN, "s3:GetObject", "arn:aws:s3:::b/k", {"aws:SecureTransport": "false"})
    assert not refused.allowed
    assert refused.summary == "Denied: no identity-based policy allows it"
    assert refused.steps == [
        "identity-based policy: statement 1 (Allow): the resource does not match",
        "identity-based policy: statement 2 (Allow): the condition Bool aws:SecureTransport true does not hold: "
        "aws:SecureTransport is 'false'",
    ]
    allowed = await explain(found, ANN, "s3:GetObject", "arn:aws:s3:::b/k", {"aws:SecureTransport": "true"})
    assert (allowed.allowed, allowed.message) == (True, "")
    assert allowed.summary == "Allowed: statement 2 of the identity-based policy allows it"
