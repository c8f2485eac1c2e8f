"""ImportApi, ReimportApi, ExportApi of HTTP APIs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.apigateway.control_plane import Aws, http
from tests.apigateway.documents import evaluate
from tests.apigateway.test_http_apis import make_route
from tests.apigateway.test_import import DOCUMENTS, is_for_http_apis, load

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:pets"
INVOCATION = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "Zoo", "version": "v1", "description": "Animals"},
    "components": {
        "securitySchemes": {
            "jwt": {
                "type": "oauth2",
                "flows": {},
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["me"]},
                },
            },
            "function": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "identitySource": "$request.header.X-A,$request.querystring.b",
                    "authorizerUri": INVOCATION,
                    "authorizerPayloadFormatVersion": "2.0",
                    "authorizerResultTtlInSeconds": 60,
                    "enableSimpleResponses": True,
                },
            },
        },
        "x-amazon-apigateway-integrations": {
            "lambda": {"type": "aws_proxy", "httpMethod": "POST", "uri": FUNCTION, "payloadFormatVersion": "2.0"}
        },
    },
    "paths": {
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "security": [{"jwt": ["pets/read"]}],
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/lambda"},
            },
            "x-amazon-apigateway-any-method": {
                "security": [{"function": []}],
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "ANY",
                    "uri": "https://zoo.example/{id}",
                    "payloadFormatVersion": 1.0,
                    "requestParameters": {"overwrite:path": "$request.path"},
                    "responseParameters": {"200": {"overwrite:statuscode": "204"}},
                    "timeoutInMillis": 5000,
                },
            },
        },
        "/$default": {
            "x-amazon-apigateway-any-method": {
                "isDefaultRoute": True,
                "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/lambda"},
            }
        },
    },
    "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "allowMethods": ["GET"], "maxAge": 10},
}


@pytest.fixture
async def v2() -> AsyncIterator[Aws]:
    async with http() as (aws, _, _):
        yield aws


async def everything(v2: Aws, api: str) -> dict[str, Any]:
    """The API without its ids: routes by key, each with its integration and its authorizer's name."""
    integrations = {i.pop("IntegrationId"): i for i in (await v2("GetIntegrations", ApiId=api))["Items"]}
    authorizers = {a.pop("AuthorizerId"): a for a in (await v2("GetAuthorizers", ApiId=api))["Items"]}
    routes = {}
    for route in (await v2("GetRoutes", ApiId=api))["Items"]:
        route.pop("RouteId")
        target = route.pop("Target", "").removeprefix("integrations/")
        authorizer = authorizers.get(route.pop("AuthorizerId", ""), {})
        routes[route["RouteKey"]] = (route, integrations.get(target), authorizer.get("Name"))
    return {"routes": routes, "authorizers": sorted(authorizers.values(), key=lambda a: a["Name"])}


async def test_what_is_imported(v2: Aws) -> None:
    api = await v2("ImportApi", Body=json.dumps(DOCUMENT))
    assert (api["Name"], api["Version"], api["Description"]) == ("Zoo", "v1", "Animals")
    assert api["CorsConfiguration"] == {"AllowOrigins": ["*"], "AllowMethods": ["GET"], "MaxAge": 10}
    found = await everything(v2, api["ApiId"])
    assert set(found["routes"]) == {"GET /pets/{id}", "ANY /pets/{id}", "$default"}
    get, integration, authorizer = found["routes"]["GET /pets/{id}"]
    assert (get["AuthorizationType"], get["AuthorizationScopes"], authorizer) == ("JWT", ["pets/read"], "jwt")
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    any_method, integration, authorizer = found["routes"]["ANY /pets/{id}"]
    assert (any_method["AuthorizationType"], authorizer) == ("CUSTOM", "function")
    assert integration["ResponseParameters"] == {"200": {"overwrite:statuscode": "204"}}
    assert integration["TimeoutInMillis"] == 5000
    function = found["authorizers"][0]
    assert function["IdentitySource"] == ["$request.header.X-A", "$request.querystring.b"]
    # The two routes that refer to one integration share it.
    assert len((await v2("GetIntegrations", ApiId=api["ApiId"]))["Items"]) == 2


@pytest.mark.parametrize("output", ["JSON", "YAML"])
async def test_an_exported_api_imports_as_the_same(v2: Aws, output: str) -> None:
    api = (await v2("ImportApi", Body=json.dumps(DOCUMENT)))["ApiId"]
    await v2("CreateStage", ApiId=api, StageName="prod", AutoDeploy=True)
    for stage in ({}, {"StageName": "prod"}):
        text = (await v2("ExportApi", ApiId=api, Specification="OAS30", OutputType=output, **stage))["body"].decode()
        again = (await v2("ImportApi", Body=text))["ApiId"]
        assert await everything(v2, again) == await everything(v2, api)
    plain = await v2("ExportApi", ApiId=api, Specification="OAS30", OutputType="JSON", IncludeExtensions=False)
    assert "integration" not in plain["body"].decode()


async def test_reimport_replaces_what_there_was(v2: Aws) -> None:
    api = (await v2("ImportApi", Body=json.dumps(DOCUMENT)))["ApiId"]
    await v2("CreateStage", ApiId=api, StageName="prod", AutoDeploy=True)
    small = {**DOCUMENT, "paths": {"/new": DOCUMENT["paths"]["/$default"]}, "components": DOCUMENT["components"]}
    small.pop("x-amazon-apigateway-cors")
    after = await v2("ReimportApi", ApiId=api, Body=json.dumps(small))
    assert after["ApiId"] == api
    assert "CorsConfiguration" not in after
    assert set((await everything(v2, api))["routes"]) == {"ANY /new"}
    served = await v2("ExportApi", ApiId=api, Specification="OAS30", OutputType="JSON", StageName="prod")
    assert list(json.loads(served["body"])["paths"]) == ["/new"]


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if is_for_http_apis(load(p))], ids=lambda path: path.name)
async def test_documents_of_http_apis_import_deploy_and_export(v2: Aws, path: Path) -> None:
    document = evaluate(load(path))
    api = (await v2("ImportApi", Body=yaml.safe_dump(document)))["ApiId"]
    routes = (await v2("GetRoutes", ApiId=api))["Items"]
    assert len(routes) == sum(len(item) for item in document["paths"].values())
    await v2("CreateStage", ApiId=api, StageName="$default", AutoDeploy=True)
    text = (await v2("ExportApi", ApiId=api, Specification="OAS30", OutputType="YAML", StageName="$default"))["body"]
    assert set(yaml.safe_load(text)["paths"]) == set(document["paths"])


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("{", "BadRequestException: Invalid OpenAPI input."),
        ('{"swagger": "2.0"}', "BadRequestException: Unsupported OpenAPI version."),
        ('{"openapi": "3.0.1"}', "BadRequestException: Warnings found during import:\n\tParse issue: attribute info."),
        (
            json.dumps(
                {
                    "openapi": "3.0.1",
                    "info": {"title": "x"},
                    "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}},
                }
            ),
            "BadRequestException: Errors found during import:\n\tUnable to create integration of 'GET /a': Integration "
            "type MOCK is not supported",
        ),
    ],
)
async def test_a_document_that_is_refused(v2: Aws, body: str, refusal: str) -> None:
    assert (await v2.refused("ImportApi", Body=body)).startswith(refusal)
    assert (await v2("GetApis"))["Items"] == []


async def test_warnings(v2: Aws) -> None:
    body = json.dumps({"openapi": "3.0.1", "info": {"title": "x"}, "paths": {"/a": {"get": {}}}})
    api = await v2("ImportApi", Body=body)
    assert api["Warnings"] == ["No integration defined for GET /a. Ignoring."]
    assert (await v2.refused("ImportApi", Body=body, FailOnWarnings=True)).startswith(
        "BadRequestException: Warnings found during import"
    )


async def test_a_path_that_ends_with_a_slash_is_no_route(v2: Aws) -> None:
    operation = {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://x"}}
    operation["x-amazon-apigateway-integration"]["payloadFormatVersion"] = "1.0"
    paths = {path: {"get": operation} for path in ("/", "/a", "/a/")}
    api = await v2("ImportApi", Body=json.dumps({"openapi": "3.0.1", "info": {"title": "x"}, "paths": paths}))
    assert api["Warnings"] == ["Route 'GET /a/' ends with a slash. Ignoring."]
    routes = (await v2("GetRoutes", ApiId=api["ApiId"]))["Items"]
    assert sorted(route["RouteKey"] for route in routes) == ["GET /", "GET /a"]


async def test_an_export_declares_its_paths_parameters_and_a_version(v2: Aws) -> None:
    api = (await v2("CreateApi", Name="a", ProtocolType="HTTP"))["ApiId"]
    asked = {"ApiId": api, "Specification": "OAS30", "OutputType": "JSON"}
    refusal = "BadRequestException: Unable to deploy API because no {}routes exist in this API"
    assert await v2.refused("ExportApi", **asked) == refusal.format("")
    await v2("CreateRoute", ApiId=api, RouteKey="GET /pets")
    assert await v2.refused("ExportApi", **asked) == refusal.format("valid ")
    await make_route(v2, api, "GET /pets/{id}/{proxy+}")
    document = json.loads((await v2("ExportApi", **asked))["body"])
    assert document["info"]["version"] == "1.0"
    parameters = document["paths"]["/pets/{id}/{proxy+}"]["parameters"]
    assert [(p["name"], p["in"], p["required"]) for p in parameters] == [("id", "path", True), ("proxy", "path", True)]
    assert "parameters" not in document["paths"]["/pets"]
