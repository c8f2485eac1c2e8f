"""Laws of import and export: a document is taken or refused, never a bug; an export imports as what it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.apigateway.control_plane import Aws, http, rest
from tests.apigateway.test_export import everything
from tests.apigateway.test_http_import import DOCUMENT as HTTP_DOCUMENT
from tests.apigateway.test_import import MOCK, SWAGGER, body

from forecourt.base.errors import ServiceError

ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    "",
    "x",
    "é/~{}",
    "$ref",
    [],
    ["a"],
    [None],
    {},
    {"$ref": "#/x"},
    {"a": []},
]
LAWS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something could stand that should not."""
    yield path
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from places(value, (*path, key))


def broken(document: dict[str, Any], path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    result = copy.deepcopy(document)
    node: Any = result
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = odd
    return result


OPENAPI = json.loads(
    json.dumps(
        {
            "openapi": "3.0.1",
            "info": {"title": "t", "version": "1"},
            "servers": [
                {
                    "url": "https://a.example/{basePath}",
                    "variables": {"basePath": {"default": "v1"}},
                    "x-amazon-apigateway-endpoint-configuration": {"vpcEndpointIds": ["a"], "types": ["REGIONAL"]},
                }
            ],
            "components": {
                "schemas": {"Pet": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Pet"}}}},
                "securitySchemes": SWAGGER["securityDefinitions"],
            },
            "x-amazon-apigateway-policy": {"Statement": [{"Effect": "Allow"}]},
            "x-amazon-apigateway-documentation": {
                "documentationParts": [{"location": {"type": "API"}, "properties": {"a": "b"}}]
            },
            "paths": {
                "/{id}": {
                    "post": {
                        "parameters": [{"name": "id", "in": "path", "required": True}, {"name": "c", "in": "cookie"}],
                        "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                        "responses": {
                            "200": {
                                "headers": {"x": {}},
                                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                            }
                        },
                        "security": [{"lambda": []}],
                        "x-amazon-apigateway-auth": {"type": "NONE"},
                        "x-amazon-apigateway-integration": {
                            "type": "http",
                            "httpMethod": "POST",
                            "uri": "https://zoo.example/",
                            "timeoutInMillis": 100,
                            "cacheKeyParameters": ["method.request.path.id"],
                            "tlsConfig": {"insecureSkipVerification": True},
                            "requestTemplates": {"application/json": "{}"},
                            "requestParameters": {"integration.request.header.a": "'b'"},
                            "responses": {
                                "default": {
                                    "statusCode": 200,
                                    "responseParameters": {"method.response.header.x": "'y'"},
                                    "responseTemplates": {"application/json": "{}"},
                                }
                            },
                        },
                    }
                }
            },
        }
    )
)


async def taken_or_refused(aws: Aws, operation: str, **members: Any) -> bool:
    """Anything but a `ServiceError` is a bug of ours, and would be a 500."""
    try:
        await aws(operation, **members)
    except ServiceError as error:
        refusal = error
    else:
        return True
    assert refusal.status < 500
    assert refusal.message
    return False


@LAWS
@given(data=st.data())
async def test_a_broken_document_of_a_rest_api(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from([SWAGGER, OPENAPI]))
    path = data.draw(st.sampled_from(list(places(document))))
    given_body = body(broken(document, path, data.draw(st.sampled_from(ODD))))
    async with rest() as (aws, _, _):
        if await taken_or_refused(aws, "ImportRestApi", body=given_body):
            api = (await aws("GetRestApis"))["items"][0]["id"]
            assert await taken_or_refused(aws, "PutRestApi", restApiId=api, mode="merge", body=given_body)
            if await taken_or_refused(aws, "CreateDeployment", restApiId=api, stageName="prod"):
                for kind in ("oas30", "swagger"):
                    key = {"restApiId": api, "stageName": "prod"}
                    parameters = {"extensions": "apigateway"}
                    assert await taken_or_refused(aws, "GetExport", **key, exportType=kind, parameters=parameters)
                for kind in ("javascript", "python"):
                    assert await taken_or_refused(aws, "GetSdk", **key, sdkType=kind)
        else:
            assert (await aws("GetRestApis"))["items"] == []


@LAWS
@given(data=st.data())
async def test_a_broken_document_of_an_http_api(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(places(HTTP_DOCUMENT))))
    text = json.dumps(broken(HTTP_DOCUMENT, path, data.draw(st.sampled_from(ODD))))
    async with http() as (v2, _, _):
        if await taken_or_refused(v2, "ImportApi", Body=text):
            api = (await v2("GetApis"))["Items"][0]["ApiId"]
            await v2("CreateStage", ApiId=api, StageName="$default", AutoDeploy=True)
            is_served = any("Target" in route for route in (await v2("GetRoutes", ApiId=api))["Items"])
            asked = {"ApiId": api, "Specification": "OAS30", "OutputType": "JSON"}
            assert await taken_or_refused(v2, "ExportApi", **asked) == is_served
        else:
            assert (await v2("GetApis"))["Items"] == []


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
async def test_no_bytes_are_a_bug(given_body: bytes) -> None:
    async with rest() as (aws, _, _):
        await taken_or_refused(aws, "ImportRestApi", body=given_body)
        await taken_or_refused(aws, "ImportApiKeys", body=given_body, format="csv")


NAMES = st.text("abcxyz", min_size=1, max_size=3)
METHODS = st.sampled_from(["get", "post", "put", "delete", "patch", "head", "x-amazon-apigateway-any-method"])


@st.composite
def methods_of(draw: st.DrawFn) -> dict[str, Any]:
    operation: dict[str, Any] = copy.deepcopy(MOCK)
    operation["x-amazon-apigateway-integration"]["requestTemplates"] = {"application/json": draw(NAMES)}
    operation["parameters"] = [
        {"name": name, "in": place, "required": draw(st.booleans())}
        for name, place in draw(st.dictionaries(NAMES, st.sampled_from(["query", "header"]), max_size=3)).items()
    ]
    operation["responses"] = {
        code: {"headers": {name: {} for name in draw(st.sets(NAMES, max_size=2))}}
        for code in draw(st.sets(st.sampled_from(["200", "404", "500"]), max_size=2))
    }
    security = draw(st.sampled_from([None, "key", "sigv4", "lambda", "pool"]))
    if security:
        operation["security"] = [{security: ["a/b"] if security == "pool" else []}]
    if draw(st.booleans()):
        operation["requestBody"] = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
    if draw(st.booleans()):
        operation["x-amazon-apigateway-request-validator"] = "all"
    return operation


PATHS = st.lists(NAMES | st.just("{v}"), max_size=3).map(lambda parts: "/" + "/".join(parts))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    paths=st.dictionaries(
        PATHS, st.dictionaries(METHODS, methods_of(), min_size=1, max_size=3), min_size=1, max_size=4
    ),
    kind=st.sampled_from(["oas30", "swagger"]),
)
async def test_what_is_exported_is_what_was_imported(paths: dict[str, Any], kind: str) -> None:
    document = {
        "openapi": "3.0.1",
        "info": {"title": "t"},
        "components": {
            "schemas": {"Pet": {"type": "object", "title": "p"}},
            "securitySchemes": SWAGGER["securityDefinitions"],
        },
        "x-amazon-apigateway-request-validators": SWAGGER["x-amazon-apigateway-request-validators"],
        "paths": paths,
    }
    async with rest() as (aws, _, _):
        try:
            api = (await aws("ImportRestApi", body=body(document)))["id"]
        except ServiceError:
            return
        # OpenAPI declares every variable of a path, so an export does too: compare from the second round on.
        api = await round_trip(aws, api, kind)
        again = await round_trip(aws, api, kind)
        before, after = await everything(aws, api), await everything(aws, again)
        for part in ("authorizers", "validators"):
            before[part].sort(key=lambda item: item["name"])
            after[part].sort(key=lambda item: item["name"])
        assert after == before


async def round_trip(aws: Aws, api: str, kind: str) -> str:
    await aws("CreateDeployment", restApiId=api, stageName="prod")
    result = await aws(
        "GetExport",
        restApiId=api,
        stageName="prod",
        exportType=kind,
        accepts="application/yaml",
        parameters={"extensions": "apigateway"},
    )
    assert isinstance(yaml.safe_load(result["body"]), dict)
    return str((await aws("ImportRestApi", body=result["body"]))["id"])
