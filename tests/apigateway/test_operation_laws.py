"""A law of all operations: parameters that AWS's model allows are answered or refused, never a bug of ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import botocore.model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.apigateway.control_plane import Aws, http, rest
from tests.apigateway.test_http_import import DOCUMENT as HTTP_DOCUMENT
from tests.apigateway.test_import import SWAGGER, body

from forecourt.base.errors import NotImplementedYet, ServiceError
from forecourt.services.apigateway.rest import patch, patches

LAWS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
CALLS = 25

ODD_TEXT = [
    "",
    " ",
    "/",
    "a",
    "{}",
    "[]",
    "null",
    '{"type": "object"}',
    "é",
    "a" * 300,
    "-1",
    "1e400",
    "nan",
    "*",
    "a:b",
    "%",
]
TEXT = st.sampled_from(ODD_TEXT) | st.text(max_size=8)
PATHS = [
    rule.path.replace("{", "").replace("+}", "").replace("}", "")
    for table in vars(patches).values()
    if isinstance(table, patch.Table)
    for rule in table.rules
]
PATCH = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "copy", "move", "test"])},
    optional={"path": st.sampled_from(PATHS) | TEXT, "value": TEXT, "from": st.sampled_from(PATHS) | TEXT},
)


def values(shape: botocore.model.Shape, known: dict[str, list[str]], name: str = "") -> st.SearchStrategy[Any]:
    """What the wire would let through: of the model's type, within its enums, patterns and bounds."""
    if name == "patchOperations":
        return st.lists(PATCH, max_size=3)
    if isinstance(shape, botocore.model.StructureShape):
        required = {n: values(s, known, n) for n, s in shape.members.items() if n in shape.required_members}
        optional = {n: values(s, known, n) for n, s in shape.members.items() if n not in shape.required_members}
        return st.fixed_dictionaries(required, optional=optional)
    if isinstance(shape, botocore.model.ListShape):
        return st.lists(values(shape.member, known, name), max_size=3)
    if isinstance(shape, botocore.model.MapShape):
        return st.dictionaries(TEXT, values(shape.value, known), max_size=3)
    scalar = _scalar(shape)
    return st.sampled_from(known[name]) | scalar if name in known else scalar


def _scalar(shape: botocore.model.Shape) -> st.SearchStrategy[Any]:
    kind = shape.type_name
    if kind == "string":
        if getattr(shape, "enum", None):
            return st.sampled_from(list(shape.enum))
        if "pattern" in shape.metadata:
            return st.from_regex(shape.metadata["pattern"], fullmatch=True)
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 400)
        return TEXT.filter(lambda text: low <= len(text) <= high)
    if kind in ("integer", "long"):
        return st.integers(shape.metadata.get("min", -(2**31)), shape.metadata.get("max", 2**31 - 1))
    if kind in ("double", "float"):
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "blob":
        return st.sampled_from([body(SWAGGER), b"name,key\na,b\n", b"", b"{", b"\xff"])
    if kind == "timestamp":
        return st.integers(0, 2**31)
    raise AssertionError(kind)


async def all_of(aws: Aws, operation: str, **members: Any) -> list[dict[str, Any]]:
    result = await aws(operation, **members)
    found = result.get("items") or result.get("Items") or []
    assert isinstance(found, list)
    return found


@asynccontextmanager
async def rest_world() -> AsyncIterator[tuple[Aws, dict[str, list[str]]]]:
    async with rest() as (aws, _, _):
        api = (await aws("ImportRestApi", body=body(SWAGGER)))["id"]
        deployment = (await aws("CreateDeployment", restApiId=api, stageName="prod"))["id"]
        plan = (await aws("CreateUsagePlan", name="p", apiStages=[{"apiId": api, "stage": "prod"}]))["id"]
        key = (await aws("CreateApiKey", name="k"))["id"]
        link = (await aws("CreateVpcLink", name="l", targetArns=[]))["id"]
        await aws("CreateDomainName", domainName="zoo.example.com")
        resources = [item["id"] for item in await all_of(aws, "GetResources", restApiId=api)]
        authorizers = [item["id"] for item in await all_of(aws, "GetAuthorizers", restApiId=api)]
        validators = [item["id"] for item in await all_of(aws, "GetRequestValidators", restApiId=api)]
        yield (
            aws,
            {
                "restApiId": [api],
                "cloneFrom": [api],
                "resourceId": resources,
                "parentId": resources,
                "httpMethod": ["GET", "PUT", "ANY"],
                "integrationHttpMethod": ["GET"],
                "statusCode": ["200"],
                "deploymentId": [deployment],
                "stageName": ["prod"],
                "authorizerId": authorizers,
                "requestValidatorId": validators,
                "modelName": ["Pet"],
                "usagePlanId": [plan],
                "apiKey": [key],
                "keyId": [key],
                "vpcLinkId": [link],
                "domainName": ["zoo.example.com"],
                "basePath": ["(none)"],
                "exportType": ["oas30"],
                "sdkType": ["python", "javascript"],
                "uri": ["http://x/", "arn:aws:apigateway:us-east-1:lambda:path/x"],
                "resourceArn": [f"arn:aws:apigateway:us-east-1::/restapis/{api}"],
                "startDate": ["2024-01-01"],
                "endDate": ["2024-01-02"],
            },
        )


@asynccontextmanager
async def http_world() -> AsyncIterator[tuple[Aws, dict[str, list[str]]]]:
    async with http() as (v2, _, _):
        api = (await v2("ImportApi", Body=json.dumps(HTTP_DOCUMENT)))["ApiId"]
        await v2("CreateStage", ApiId=api, StageName="live", AutoDeploy=True)
        await v2("CreateDomainName", DomainName="zoo.example.com")
        integrations = [item["IntegrationId"] for item in await all_of(v2, "GetIntegrations", ApiId=api)]
        yield (
            v2,
            {
                "ApiId": [api],
                "RouteId": [item["RouteId"] for item in await all_of(v2, "GetRoutes", ApiId=api)],
                "IntegrationId": integrations,
                "Target": [f"integrations/{integrations[0]}", "http://x/"],
                "AuthorizerId": [item["AuthorizerId"] for item in await all_of(v2, "GetAuthorizers", ApiId=api)],
                "RouteKey": ["GET /x", "$default"],
                "StageName": ["live", "$default"],
                "DomainName": ["zoo.example.com"],
                "Body": [json.dumps(HTTP_DOCUMENT)],
                "ProtocolType": ["HTTP"],
                "Specification": ["OAS30"],
                "OutputType": ["JSON", "YAML"],
                "IntegrationType": ["HTTP_PROXY", "AWS_PROXY"],
                "IntegrationUri": ["http://x/"],
                "ResourceArn": [f"arn:aws:apigateway:us-east-1::/apis/{api}"],
            },
        )


async def call_all(aws: Aws, known: dict[str, list[str]], data: st.DataObject) -> None:
    names = sorted(aws.handlers)
    for _ in range(CALLS):
        operation = data.draw(st.sampled_from(names))
        shape = aws.model.operation_model(operation).input_shape
        params = data.draw(values(shape, known)) if shape else {}
        try:
            await aws(operation, **params)
        except NotImplementedYet:
            continue
        except ServiceError as error:
            refusal = error
        else:
            continue
        assert refusal.status < 500, refusal
        assert refusal.message, operation


@LAWS
@given(data=st.data())
async def test_every_operation_of_rest_apis(data: st.DataObject) -> None:
    async with rest_world() as (aws, known):
        await call_all(aws, known, data)


@LAWS
@given(data=st.data())
async def test_every_operation_of_http_apis(data: st.DataObject) -> None:
    async with http_world() as (v2, known):
        await call_all(v2, known, data)
