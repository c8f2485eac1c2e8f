"""What every operation needs: generated from the models, none left out; and by hand where it is more than an ARN."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
import yaml

from forecourt.auth.actions import SERVICES, Demand, describe, partiql
from forecourt.auth.actions.dynamodb import ACCESS, UNKNOWN_KEY, leading_keys
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.policy import compile_policy
from forecourt.auth.supplies import UNMAPPED, Grants
from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied
from forecourt.base.principal import Principal

ANN = Principal(kind="user", account="111122223333", arn="arn:aws:iam::111122223333:user/ann", user_id="A", name="ann")
CONTEXT = CallContext(principal=ANN, region="eu-west-1", request_id="r", user_agent="test")
OURS = [
    "apigateway",
    "apigatewayv2",
    "apigatewaymanagementapi",
    "cognito-idp",
    "cognito-identity",
    "stepfunctions",
    "lambda",
    "iam",
    "sts",
    "logs",
    "cloudwatch",
    "pinpoint",
]
EXAMPLES = {
    "RoleArn": "arn:aws:iam::111122223333:role/x",
    "roleArn": "arn:aws:iam::111122223333:role/x",
    "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:m",
    "stateMachineVersionArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:m:1",
}
# Their caller is known by a token in the parameters, or anybody may call them.
FREE = {
    "cognito-idp": {"GetClientToken", "GetDerivedToken"},
    "sts": {"AssumeRole", "GetCallerIdentity", "GetSessionToken"},
}


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def example(shape: Any, name: str = "", depth: int = 0) -> Any:
    """A value of the shape with every required member."""
    if name in EXAMPLES:
        return EXAMPLES[name]
    if shape.type_name == "structure":
        every = shape.members if depth == 0 and len(shape.members) < 8 else shape.required_members
        return {member: example(shape.members[member], member, depth + 1) for member in every if depth < 5}
    if shape.type_name == "list":
        return [example(shape.member, "", depth + 1)]
    if shape.type_name == "map":
        return {"k": example(shape.value, "", depth + 1)}
    if name.lower().endswith("arn"):
        return f"arn:aws:service:eu-west-1:111122223333:{name}/x"
    return {"string": "x1", "integer": 1, "long": 1, "boolean": True, "timestamp": 0, "blob": b"x"}.get(
        shape.type_name, 1
    )


def demands(service: str, operation: str) -> list[Demand]:
    shape = model(service).operation_model(operation).input_shape
    return list(describe(service, operation, example(shape) if shape else {}, CONTEXT))


ALL = [(service, operation) for service in OURS for operation in model(service).operation_names]


def test_every_operation_of_ours_needs_something_whole_or_nothing_on_purpose() -> None:
    for service, operation in ALL:
        found = demands(service, operation)
        unsigned = model(service).operation_model(operation).auth_type == "none"
        assert bool(found) != (unsigned or operation in FREE.get(service, ())), (service, operation)
        for demand in found:
            assert re.fullmatch(r"[a-z-]+:[A-Za-z0-9]+", demand.action), demand
            assert demand.resource == "*" or re.fullmatch(r"arn:aws:[a-z-]+:[a-z0-9-]*:\d*:[^{}<>]+", demand.resource)
            assert demand.action != UNMAPPED
            assert demand.conditions["aws:RequestedRegion"] == "eu-west-1"


class Policies:
    def __init__(self, *granted: Demand) -> None:
        statements = [{"Effect": "Allow", "Action": d.action, "Resource": d.resource} for d in granted]
        self.policy = compile_policy({"Version": "2012-10-17", "Statement": statements})

    def remembered(self, principal: Principal) -> None:
        return None

    async def grants(self, principal: Principal) -> Grants:
        return Grants(identity=(self.policy,))


async def denied(service: str, operation: str, needed: list[Demand], granted: list[Demand]) -> list[str]:
    authorizer = PolicyAuthorizer(identities=Policies(*granted), clock=Clock(), mode="enforce")
    messages = []
    for demand in needed:
        try:
            await authorizer.authorize(ANN, demand.action, demand.resource, demand.conditions)
        except AccessDenied as error:
            messages.append(error.message)
    return messages


@pytest.mark.parametrize("service", OURS)
async def test_every_operation_is_denied_without_and_allowed_with_exactly_its_permission(service: str) -> None:
    for operation in model(service).operation_names:
        needed = demands(service, operation)
        if not needed:
            continue
        messages = await denied(service, operation, needed, [])
        assert messages == [
            f"User: {ANN.arn} is not authorized to perform: {d.action} on resource: {d.resource} because no "
            f"identity-based policy allows the {d.action} action"
            for d in needed
        ], operation
        assert await denied(service, operation, needed, needed) == [], operation


async def test_what_is_not_mapped_is_denied_even_to_who_may_do_everything() -> None:
    (demand,) = describe("glacier", "DeleteVault", {}, CONTEXT)
    everything = Demand("*", "*", {})
    assert await denied("glacier", "DeleteVault", [demand], [everything]) == [
        f"User: {ANN.arn} is not authorized to perform: glacier:DeleteVault "
        "because Forecourt does not know what it needs"
    ]


def shown(service: str, operation: str, **params: Any) -> list[str]:
    own = {"aws:RequestedRegion", "aws:SecureTransport", "aws:ViaAWSService", "aws:SourceIp", "aws:UserAgent", ACCESS}
    lines = []
    for demand in describe(service, operation, params, CONTEXT):
        extra = [f"{key}={value}" for key, value in demand.conditions.items() if key not in own]
        lines.append(" ".join([demand.action, demand.resource, *extra]))
    return lines


HERE = "eu-west-1:111122223333"


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        (
            "lambda",
            "Invoke",
            {"FunctionName": f"arn:aws:lambda:{HERE}:function:f:live"},
            [f"lambda:InvokeFunction arn:aws:lambda:{HERE}:function:f:live"],
        ),
        *(
            ("lambda", "Invoke", {"FunctionName": name, **more}, [f"lambda:InvokeFunction arn:aws:lambda:{arn}"])
            for name, more, arn in (
                ("f", {}, f"{HERE}:function:f"),
                ("f", {"Qualifier": "live"}, f"{HERE}:function:f:live"),
                ("f:live", {"Qualifier": "live"}, f"{HERE}:function:f:live"),
                ("999988887777:function:f", {}, "eu-west-1:999988887777:function:f"),
                ("999988887777:f", {}, "eu-west-1:999988887777:function:f"),
                ("999988887777:f:live", {}, "eu-west-1:999988887777:function:f:live"),
                ("arn:aws-cn:lambda:eu-west-1:999988887777:function:f", {}, "eu-west-1:999988887777:function:f"),
                ("arn:aws:lambda:eu-west-1:999988887777:f", {}, "eu-west-1:999988887777:function:f"),
            )
        ),
        (
            "lambda",
            "CreateEventSourceMapping",
            {"FunctionName": "999988887777:function:f"},
            [
                "lambda:CreateEventSourceMapping * lambda:FunctionArn=999988887777:function:f",
                "lambda:CreateEventSourceMapping arn:aws:lambda:eu-west-1:999988887777:function:f",
            ],
        ),
        (
            "lambda",
            "GetLayerVersion",
            {"LayerName": "arn:aws:lambda:eu-west-1:999988887777:layer:l", "VersionNumber": 2},
            ["lambda:GetLayerVersion arn:aws:lambda:eu-west-1:999988887777:layer:l:2"],
        ),
        (
            "ssm",
            "GetParameters",
            {"Names": ["a", "/b/c", f"arn:aws:ssm:{HERE}:parameter/d"]},
            [f"ssm:GetParameters arn:aws:ssm:{HERE}:parameter/{name}" for name in ("a", "b/c", "d")],
        ),
        (
            "secretsmanager",
            "BatchGetSecretValue",
            {"SecretIdList": ["a", f"arn:aws:secretsmanager:{HERE}:secret:b-abcdef"]},
            [
                "secretsmanager:BatchGetSecretValue *",
                f"secretsmanager:GetSecretValue arn:aws:secretsmanager:{HERE}:secret:a secretsmanager:SecretId=a",
                f"secretsmanager:GetSecretValue arn:aws:secretsmanager:{HERE}:secret:b-abcdef "
                f"secretsmanager:SecretId=arn:aws:secretsmanager:{HERE}:secret:b-abcdef",
            ],
        ),
        (
            "lambda",
            "CreateFunction",
            {"FunctionName": "f", "Role": "arn:aws:iam::111122223333:role/r", "Tags": {"a": "b"}},
            [
                f"lambda:CreateFunction arn:aws:lambda:{HERE}:function:f aws:RequestTag/a=b aws:TagKeys=('a',)",
                "iam:PassRole arn:aws:iam::111122223333:role/r aws:RequestTag/a=b aws:TagKeys=('a',) "
                "iam:PassedToService=lambda.amazonaws.com",
            ],
        ),
        (
            "apigateway",
            "PutIntegration",
            {
                "restApiId": "a",
                "resourceId": "r",
                "httpMethod": "GET",
                "type": "AWS",
                "credentials": "arn:aws:iam::111122223333:role/r",
            },
            [
                "apigateway:PUT arn:aws:apigateway:eu-west-1::/restapis/a/resources/r/methods/GET/integration",
                "iam:PassRole arn:aws:iam::111122223333:role/r iam:PassedToService=apigateway.amazonaws.com",
            ],
        ),
        ("apigatewayv2", "GetRoutes", {"ApiId": "a"}, ["apigateway:GET arn:aws:apigateway:eu-west-1::/apis/a/routes"]),
        (
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": f"arn:aws:states:{HERE}:stateMachine:m"},
            [f"states:StartExecution arn:aws:states:{HERE}:stateMachine:m"],
        ),
        (
            "cognito-identity",
            "SetIdentityPoolRoles",
            {
                "IdentityPoolId": "p",
                "Roles": {
                    "authenticated": "arn:aws:iam::111122223333:role/a",
                    "unauthenticated": "arn:aws:iam::111122223333:role/b",
                },
            },
            [
                f"cognito-identity:SetIdentityPoolRoles arn:aws:cognito-identity:{HERE}:identitypool/p",
                "iam:PassRole arn:aws:iam::111122223333:role/a iam:PassedToService=cognito-identity.amazonaws.com",
                "iam:PassRole arn:aws:iam::111122223333:role/b iam:PassedToService=cognito-identity.amazonaws.com",
            ],
        ),
        ("iam", "ListAccessKeys", {}, ["iam:ListAccessKeys arn:aws:iam::111122223333:user/ann"]),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "http://localhost:4566/111122223333/q", "Entries": []},
            [f"sqs:SendMessage arn:aws:sqs:{HERE}:q"],
        ),
        (
            "events",
            "PutEvents",
            {"Entries": [{"Source": "s", "EventBusName": "b"}, {"Source": "t"}]},
            [
                f"events:PutEvents arn:aws:events:{HERE}:event-bus/b events:source=s events:detail-type=None",
                f"events:PutEvents arn:aws:events:{HERE}:event-bus/default events:source=t events:detail-type=None",
            ],
        ),
        ("events", "PutRule", {"Name": "r", "EventBusName": "b"}, [f"events:PutRule arn:aws:events:{HERE}:rule/b/r"]),
        (
            "s3",
            "ListObjectsV2",
            {"Bucket": "b", "Prefix": "home/", "MaxKeys": 10},
            ["s3:ListBucket arn:aws:s3:::b s3:prefix=home/ s3:max-keys=10"],
        ),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "a/b"}, ["s3:GetObject arn:aws:s3:::b/a/b"]),
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "k", "VersionId": "v"},
            ["s3:GetObjectVersion arn:aws:s3:::b/k s3:VersionId=v"],
        ),
        (
            "s3",
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "/c/x%20y"},
            ["s3:PutObject arn:aws:s3:::b/k s3:x-amz-copy-source=/c/x%20y", "s3:GetObject arn:aws:s3:::c/x y"],
        ),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y", "VersionId": "1"}]}},
            ["s3:DeleteObject arn:aws:s3:::b/x", "s3:DeleteObjectVersion arn:aws:s3:::b/y s3:VersionId=1"],
        ),
        ("s3", "ListBuckets", {}, ["s3:ListAllMyBuckets *"]),
        ("s3", "ListBucketMetricsConfigurations", {"Bucket": "b"}, ["s3:GetMetricsConfiguration arn:aws:s3:::b"]),
        (
            "dynamodb",
            "Query",
            {
                "TableName": "t",
                "IndexName": "i",
                "ProjectionExpression": "#n, b.c",
                "ExpressionAttributeNames": {"#n": "name"},
                "KeyConditionExpression": "pk = :p",
            },
            [f"dynamodb:Query arn:aws:dynamodb:{HERE}:table/t/index/i dynamodb:Attributes=('b', 'name', 'pk')"],
        ),
        (
            "dynamodb",
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [{"pk": {"S": "1"}}]}, "u": {"Keys": []}}},
            [
                f"dynamodb:BatchGetItem arn:aws:dynamodb:{HERE}:table/t dynamodb:Attributes=('pk',)",
                f"dynamodb:BatchGetItem arn:aws:dynamodb:{HERE}:table/u",
            ],
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "t", "Item": {"pk": {"S": "1"}}}},
                    {"Delete": {"TableName": "u", "Key": {"k": {"S": "1"}}}},
                ]
            },
            [
                f"dynamodb:PutItem arn:aws:dynamodb:{HERE}:table/t dynamodb:Attributes=('pk',) "
                "dynamodb:EnclosingOperation=TransactWriteItems",
                f"dynamodb:DeleteItem arn:aws:dynamodb:{HERE}:table/u dynamodb:Attributes=('k',) "
                "dynamodb:EnclosingOperation=TransactWriteItems",
            ],
        ),
        (
            "dynamodb",
            "ExecuteStatement",
            {"Statement": 'SELECT * FROM "t" WHERE pk = 1'},
            [
                f"dynamodb:PartiQLSelect arn:aws:dynamodb:{HERE}:table/t dynamodb:Attributes=('pk',) "
                "dynamodb:Select=ALL_ATTRIBUTES"
            ],
        ),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            [f"logs:PutLogEvents arn:aws:logs:{HERE}:log-group:g:log-stream:s"],
        ),
        (
            "logs",
            "GetLogEvents",
            {"logGroupIdentifier": "arn:aws:logs:eu-west-2:444455556666:log-group:g:*", "logStreamName": "s"},
            ["logs:GetLogEvents arn:aws:logs:eu-west-2:444455556666:log-group:g:log-stream:s"],
        ),
        (
            "logs",
            "FilterLogEvents",
            {"logGroupIdentifier": "arn:aws:logs:eu-west-2:444455556666:log-group:g"},
            ["logs:FilterLogEvents arn:aws:logs:eu-west-2:444455556666:log-group:g:log-stream:"],
        ),
        (
            "logs",
            "StartQuery",
            {"logGroupNames": ["a", "b"]},
            [f"logs:StartQuery arn:aws:logs:{HERE}:log-group:{name}:log-stream:" for name in "ab"],
        ),
        (
            "kinesis",
            "GetRecords",
            {"ShardIterator": base64.b64encode(b"theirs:shardId-0:1").decode()},
            [f"kinesis:GetRecords arn:aws:kinesis:{HERE}:stream/theirs"],
        ),
        (
            "kinesis",
            "GetRecords",
            {
                "ShardIterator": base64.b64encode(b"theirs:shardId-0:1").decode(),
                "StreamARN": f"arn:aws:kinesis:{HERE}:stream/mine",
            },
            [f"kinesis:GetRecords arn:aws:kinesis:{HERE}:stream/{name}" for name in ("theirs", "mine")],
        ),
        (
            "dynamodbstreams",
            "GetRecords",
            {"ShardIterator": f"arn:aws:dynamodb:{HERE}:table/t/stream/2026|1|AAAA"},
            [f"dynamodb:GetRecords arn:aws:dynamodb:{HERE}:table/t/stream/2026"],
        ),
        ("cloudwatch", "PutMetricData", {"Namespace": "App"}, ["cloudwatch:PutMetricData * cloudwatch:namespace=App"]),
        (
            "cloudwatch",
            "DeleteAlarms",
            {"AlarmNames": ["a", "b"]},
            [
                f"cloudwatch:DeleteAlarms arn:aws:cloudwatch:{HERE}:alarm:a",
                f"cloudwatch:DeleteAlarms arn:aws:cloudwatch:{HERE}:alarm:b",
            ],
        ),
        (
            "sns",
            "Subscribe",
            {"TopicArn": f"arn:aws:sns:{HERE}:t", "Protocol": "sqs", "Endpoint": "e"},
            [f"sns:Subscribe arn:aws:sns:{HERE}:t sns:Protocol=sqs sns:Endpoint=e"],
        ),
        ("ssm", "GetParameter", {"Name": "a/b"}, [f"ssm:GetParameter arn:aws:ssm:{HERE}:parameter/a/b"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_an_operation_needs(service: str, operation: str, params: Any, expected: list[str]) -> None:
    assert shown(service, operation, **params) == expected


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("GetItem", {"Key": {"pk": {"S": "me"}, "sk": {"S": "1"}}}, ("me",)),
        ("PutItem", {"Item": {"pk": {"N": "7"}}}, ("7",)),
        ("GetItem", {"Key": {"other": {"S": "me"}}}, (UNKNOWN_KEY,)),
        (
            "Query",
            {
                "KeyConditionExpression": "sk > :s AND #p = :p",
                "ExpressionAttributeNames": {"#p": "pk"},
                "ExpressionAttributeValues": {":p": {"S": "me"}, ":s": {"S": "1"}},
            },
            ("me",),
        ),
        (
            "Query",
            {"KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "me"}]}}},
            ("me",),
        ),
        (
            "Query",
            {"KeyConditionExpression": "sk = :s", "ExpressionAttributeValues": {":s": {"S": "me"}}},
            (UNKNOWN_KEY,),
        ),
        ("Query", {}, (UNKNOWN_KEY,)),
        (
            "Query",
            {
                "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "me"}]}},
                "KeyConditionExpression": "pk = :p",
                "ExpressionAttributeValues": {":p": {"S": "you"}},
            },
            (UNKNOWN_KEY,),
        ),
        *(
            (
                "Query",
                {
                    "KeyConditionExpression": expression,
                    "ExpressionAttributeValues": {":p": {"S": "me"}, ":q": {"S": "you"}},
                },
                (UNKNOWN_KEY,),
            )
            for expression in ("pk = :p OR pk = :q", "NOT pk = :p", "pk = :p AND pk = :q", "pk <= :p", "pk >= :p")
        ),
        ("BatchGetItem", {"Requests": {"Keys": [{"pk": {"S": "a"}}, {"pk": {"S": "b"}}]}}, ("a", "b")),
        (
            "BatchWriteItem",
            {
                "Requests": [
                    {"PutRequest": {"Item": {"pk": {"S": "a"}}}},
                    {"DeleteRequest": {"Key": {"pk": {"S": "b"}}}},
                ]
            },
            ("a", "b"),
        ),
    ],
)
def test_leading_keys(operation: str, params: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert leading_keys({"operation": operation, **params}, "pk") == expected


@pytest.mark.parametrize(
    ("text", "parameters", "action", "tables", "expected"),
    [
        ("SELECT * FROM notes WHERE pk = 'me'", [], "PartiQLSelect", ["notes"], ("me",)),
        ('SELECT a FROM "notes"."by-date" WHERE pk=?', [{"S": "me"}], "PartiQLSelect", ["notes/by-date"], ("me",)),
        ("select * from notes where pk in ['a', 'b'] and x = 1", [], "PartiQLSelect", ["notes"], ("a", "b")),
        ("SELECT * FROM notes WHERE x = ? AND pk = ?", [{"S": "no"}, {"N": "7"}], "PartiQLSelect", ["notes"], ("7",)),
        ("SELECT * FROM notes WHERE pk = 'it''s'", [], "PartiQLSelect", ["notes"], ("it's",)),
        ("SELECT * FROM notes WHERE pk = 'me' OR pk = 'you'", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT * FROM notes WHERE NOT pk = 'me'", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT * FROM notes WHERE pk = 'me' AND pk = 'you'", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT * FROM notes WHERE x = 'pk = me'", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT * FROM notes WHERE pk > 'me'", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT * FROM notes WHERE pk = ?", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT 'from mine' FROM notes", [], "PartiQLSelect", ["notes"], (UNKNOWN_KEY,)),
        ("SELECT * FROM mine, notes FROM notes", [], "PartiQLSelect", ["mine", "notes"], (UNKNOWN_KEY,)),
        ("INSERT INTO notes VALUE {'pk': 'me', 'a': {'pk': 'you'}}", [], "PartiQLInsert", ["notes"], ("me",)),
        ("INSERT INTO notes VALUE {'a': {'pk': 'me'}, 'pk': ?}", [{"S": "you"}], "PartiQLInsert", ["notes"], ("you",)),
        ("UPDATE notes SET pk = 'me' WHERE pk = 'you'", [], "PartiQLUpdate", ["notes"], ("you",)),
        ("DELETE\nFROM notes WHERE pk = 'me'", [], "PartiQLDelete", ["notes"], ("me",)),
        ("EXISTS(SELECT * FROM notes WHERE pk = 'me')", [], "PartiQLSelect", ["notes"], ("me",)),
    ],
)
def test_partiql(text: str, parameters: list[Any], action: str, tables: list[str], expected: tuple[str, ...]) -> None:
    statement = partiql.read(text)
    assert statement is not None
    assert (statement.action, ["/".join(filter(None, table)) for table in statement.tables]) == (action, tables)
    access = {"operation": "ExecuteStatement", "PartiQL": {"Statement": statement, "Parameters": parameters}}
    assert leading_keys(access, "pk") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DROP TABLE notes",
        "SELECT 1",
        "SELECT * FROM 'notes'",
        "SELECT * /* from mine */ FROM notes",
        "SELECT * -- from mine\nFROM notes",
        "SELECT * FROM `notes`",
        "SELECT * FROM notes WHERE pk = 'me",
    ],
)
def test_partiql_that_is_not_understood_cannot_be_granted(text: str) -> None:
    assert partiql.read(text) is None
    params = {"Statements": [{"Statement": text}]}
    (demand,) = describe("dynamodb", "BatchExecuteStatement", params, CONTEXT)
    assert demand.action == UNMAPPED


def test_every_service_with_a_table_exists() -> None:
    known = set(botocore.session.get_session().get_available_services())
    assert set(SERVICES) <= known


ADMIN = "arn:aws:iam::111122223333:role/admin"
_IMPORTED = {"paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "aws", "credentials": ADMIN}}}}}
_LARGE = {**_IMPORTED, "info": {"description": "d " * 150_000}}


def _shown_id(value: Any) -> str:
    return value if isinstance(value, str) else ""


PASSES: list[tuple[str, str, Any, str]] = [
    ("apigateway", "ImportRestApi", {"body": json.dumps(_IMPORTED).encode()}, "apigateway"),
    ("apigateway", "ImportRestApi", {"body": json.dumps(_IMPORTED).replace("arn:aws", "\\u0061rn:aws").encode()},
     "apigateway"),
    ("apigateway", "PutRestApi", {"restApiId": "a", "body": yaml.safe_dump(_IMPORTED).encode()}, "apigateway"),
    # Too large to be parsed for this
    ("apigateway", "PutRestApi", {"restApiId": "a", "body": yaml.safe_dump(_LARGE).encode()}, "apigateway"),
    ("apigateway", "ImportRestApi", {"body": json.dumps(_LARGE).replace("/", "\\/").encode()}, "apigateway"),
    ("apigateway", "ImportRestApi", {"body": json.dumps(_LARGE).replace("arn:aws", "\\u0061rn:aws").encode()},
     "apigateway"),
    ("apigateway", "ImportRestApi", {"body": json.dumps(_LARGE, indent=1).replace("role/", "role\\\n  /").encode()},
     "apigateway"),
    ("apigatewayv2", "ImportApi", {"Body": yaml.safe_dump(_IMPORTED)}, "apigateway"),
    ("apigatewayv2", "ReimportApi", {"ApiId": "a", "Body": f"components: {{x: {{authorizerCredentials: '{ADMIN}'}}}}"},
     "apigateway"),
    ("apigateway", "PutIntegration", {"credentials": ADMIN}, "apigateway"),
    ("apigateway", "UpdateAccount",
     {"patchOperations": [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ADMIN}]}, "apigateway"),
    ("cognito-identity", "SetIdentityPoolRoles", {"IdentityPoolId": "p", "Roles": {}, "RoleMappings": {
        "x": {"Type": "Rules", "RulesConfiguration": {"Rules": [{"RoleARN": ADMIN}]}}}}, "cognito-identity"),
    ("cognito-idp", "CreateUserPoolClient", {"UserPoolId": "p", "AnalyticsConfiguration": {"RoleArn": ADMIN}},
     "cognito-idp"),
    ("cognito-idp", "UpdateUserPool", {"UserPoolId": "p", "SmsConfiguration": {"EumsSms": {"CallerArn": ADMIN}}},
     "cognito-idp"),
    ("cognito-idp", "SetUserPoolMfaConfig", {"UserPoolId": "p", "SmsMfaConfiguration": {
        "SmsConfiguration": {"EumsSms": {"CallerArn": ADMIN}}}}, "cognito-idp"),
    ("pinpoint", "PutEventStream", {"ApplicationId": "a", "WriteEventStream": {"RoleArn": ADMIN}}, "pinpoint"),
    ("s3", "PutBucketReplication", {"Bucket": "b", "ReplicationConfiguration": {"Role": ADMIN}}, "s3"),
    ("ssm", "SendCommand", {"DocumentName": "d", "ServiceRoleArn": ADMIN}, "ssm"),
    ("sns", "Subscribe", {"TopicArn": "t", "Attributes": {"SubscriptionRoleArn": ADMIN}}, "sns"),
    ("sns", "SetTopicAttributes",
     {"TopicArn": "t", "AttributeName": "LambdaFailureFeedbackRoleArn", "AttributeValue": ADMIN}, "sns"),
    ("lambda", "CreateFunction", {"FunctionName": "f", "Role": ADMIN}, "lambda"),
    ("events", "PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "RoleArn": ADMIN}]}, "events"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "params", "to"), PASSES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_whoever_hands_a_role_over_needs_to_pass_it(service: str, operation: str, params: Any, to: str) -> None:
    passed = [d for d in describe(service, operation, params, CONTEXT) if d.action == "iam:PassRole"]
    assert [(d.resource, d.conditions["iam:PassedToService"]) for d in passed] == [(ADMIN, f"{to}.amazonaws.com")]


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"iam", "sts"}))
def test_no_member_that_is_a_role_is_handed_over_unasked(service: str) -> None:
    """Of every operation, every member that the model calls a role's ARN."""
    model = botocore.session.get_session().get_service_model(service)
    for operation in model.operation_names:
        if operation.startswith(("Get", "List", "Describe", "Search")):
            continue
        for params in _with_roles(model.operation_model(operation).input_shape):
            found = [d.resource for d in describe(service, operation, params, CONTEXT) if d.action == "iam:PassRole"]
            assert found == [ADMIN], (operation, params)


def _with_roles(shape: Any, inside: tuple[str, ...] = ()) -> Iterator[Any]:
    """The parameters of `shape` that hold nothing but one role."""
    if shape is None or shape.name in inside:
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if member.type_name == "string" and re.search(r"role_?arn$|^role$|credentials(arn)?$", name, re.IGNORECASE):
                yield {name: ADMIN}
            yield from ({name: value} for value in _with_roles(member, (*inside, shape.name)))
    elif shape.type_name == "list":
        yield from ([value] for value in _with_roles(shape.member, (*inside, shape.name)))
    elif shape.type_name == "map":
        yield from ({"key": value} for value in _with_roles(shape.value, (*inside, shape.name)))
