"""ImportRestApi and PutRestApi."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import corpus
from tests.apigateway.control_plane import Aws, rest
from tests.apigateway.documents import evaluate

from forecourt.services.apigateway.rest.quotas import Quotas

DOCUMENTS = corpus.files("openapi", "*")

# What AWS says of those that are no REST API's, or that CloudFormation has to fill in first
HTTP_ONLY = "Enumeration value for HttpMethod must be non-empty"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


async def test_an_endpoint_type_that_is_none(aws: Aws) -> None:
    body = b'{"swagger": "2.0", "info": {"title": "a", "version": "1"}, "paths": {}}'
    refused = await aws.refused("ImportRestApi", body=body, parameters={"endpointConfigurationTypes": "NOPE"})
    assert refused == ("BadRequestException: Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")


def is_for_http_apis(document: Any) -> bool:
    return "integrationSubtype" in json.dumps(document, default=str)


@corpus.needed
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
async def test_every_document_imports_or_is_refused_with_a_reason(aws: Aws, path: Path) -> None:
    document = evaluate(load(path))
    body = json.dumps(document, default=str).encode()
    if is_for_http_apis(document):
        refusal = await aws.refused("ImportRestApi", body=body)
        assert refusal.startswith("BadRequestException: Errors found during import:\n\tUnable to put integration on '")
        assert HTTP_ONLY in refusal
        assert (await aws("GetRestApis"))["items"] == []
        return
    api = await aws("ImportRestApi", body=body)
    resources = (await aws("GetResources", restApiId=api["id"], embed=["methods"], limit=500))["items"]
    named = {resource["path"].rstrip("/") or "/" for resource in resources if "resourceMethods" in resource}
    assert named == set(document["paths"])
    if "x-amazon-apigateway-integration" in json.dumps(document, default=str):
        await aws("CreateDeployment", restApiId=api["id"], stageName="prod")


@corpus.needed
@pytest.mark.parametrize("path", [p for p in DOCUMENTS if "Fn::" in p.read_text()], ids=lambda path: path.name)
async def test_a_document_that_is_not_filled_in_changes_nothing(aws: Aws, path: Path) -> None:
    refusal = await aws.refused("ImportRestApi", body=path.read_bytes())
    assert refusal.startswith("BadRequestException: Errors found during import:\n\tUnable to put integration on '")
    assert (await aws("GetRestApis"))["items"] == []


SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Zoo", "version": "2", "description": "Animals"},
    "basePath": "/prod/v1",
    "consumes": ["application/json"],
    "produces": ["application/json"],
    "securityDefinitions": {
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "sigv4": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
        "lambda": {
            "type": "apiKey",
            "name": "X-Token",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "token",
                "authorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations",
                "authorizerResultTtlInSeconds": 60,
            },
        },
        "pool": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "cognito_user_pools",
            "x-amazon-apigateway-authorizer": {
                "type": "cognito_user_pools",
                "providerARNs": ["arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"],
            },
        },
    },
    "x-amazon-apigateway-api-key-source": "AUTHORIZER",
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-minimum-compression-size": 100,
    "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
    "x-amazon-apigateway-request-validator": "all",
    "x-amazon-apigateway-gateway-responses": {
        "DEFAULT_4XX": {
            "statusCode": 418,
            "responseParameters": {"gatewayresponse.header.x": "'y'"},
            "responseTemplates": {"application/json": "{}"},
        }
    },
    "definitions": {
        "Pet": {"type": "object", "properties": {"kind": {"$ref": "#/definitions/Kind"}}},
        "Kind": {"type": "string", "enum": ["cat", "dog"]},
    },
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
            "get": {
                "operationId": "getPet",
                "security": [{"key": [], "lambda": []}],
                "parameters": [{"name": "long", "in": "query", "type": "boolean"}],
                "responses": {
                    "200": {
                        "description": "ok",
                        "schema": {"$ref": "#/definitions/Pet"},
                        "headers": {"ETag": {"type": "string"}},
                    },
                    "default": {"description": "bad"},
                },
                "x-amazon-apigateway-integration": {
                    "type": "http",
                    "httpMethod": "get",
                    "uri": "https://zoo.example/{id}",
                    "requestParameters": {"integration.request.path.id": "method.request.path.id"},
                    "responses": {
                        "default": {
                            "statusCode": "200",
                            "responseParameters": {"method.response.header.ETag": "integration.response.header.ETag"},
                        },
                        "5\\d\\d": {"statusCode": "502"},
                    },
                },
            },
            "put": {
                "security": [{"pool": ["zoo/write"]}],
                "parameters": [{"name": "pet", "in": "body", "schema": {"$ref": "#/definitions/Pet"}}],
                "responses": {},
                "x-amazon-apigateway-integration": {"type": "mock"},
            },
            "delete": {"security": [{"sigv4": []}], "x-amazon-apigateway-integration": {"type": "mock"}},
            "x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"type": "mock"}},
        }
    },
}


def body(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


async def methods(aws: Aws, api: str) -> dict[str, dict[str, Any]]:
    resources = (await aws("GetResources", restApiId=api, embed=["methods"]))["items"]
    return {
        f"{name} {resource['path']}": method
        for resource in resources
        for name, method in resource.get("resourceMethods", {}).items()
    }


async def test_what_the_document_says_of_the_api(aws: Aws) -> None:
    api = await aws("ImportRestApi", body=body(SWAGGER), parameters={"endpointConfigurationTypes": "REGIONAL"})
    assert (api["name"], api["version"], api["description"]) == ("Zoo", "2", "Animals")
    assert api["apiKeySource"] == "AUTHORIZER"
    assert api["binaryMediaTypes"] == ["image/png"]
    assert api["minimumCompressionSize"] == 100
    assert api["endpointConfiguration"] == {"types": ["REGIONAL"], "ipAddressType": "ipv4"}
    validators = await aws("GetRequestValidators", restApiId=api["id"])
    assert [(v["name"], v["validateRequestBody"]) for v in validators["items"]] == [("all", True)]
    unauthorized = await aws("GetGatewayResponse", restApiId=api["id"], responseType="UNAUTHORIZED")
    assert (unauthorized["statusCode"], unauthorized["responseTemplates"]) == ("418", {"application/json": "{}"})


async def test_what_it_says_of_methods(aws: Aws) -> None:
    api = (await aws("ImportRestApi", body=body(SWAGGER)))["id"]
    found = await methods(aws, api)
    assert set(found) == {"GET /pets/{id}", "PUT /pets/{id}", "DELETE /pets/{id}", "ANY /pets/{id}"}
    authorizers = {a["name"]: a for a in (await aws("GetAuthorizers", restApiId=api))["items"]}
    validator = (await aws("GetRequestValidators", restApiId=api))["items"][0]["id"]

    get = found["GET /pets/{id}"]
    assert get["operationName"] == "getPet"
    assert get["apiKeyRequired"] is True
    assert (get["authorizationType"], get["authorizerId"]) == ("CUSTOM", authorizers["lambda"]["id"])
    assert get["requestValidatorId"] == validator
    assert get["requestParameters"] == {"method.request.path.id": True, "method.request.querystring.long": False}
    assert get["methodResponses"] == {
        "200": {
            "statusCode": "200",
            "responseModels": {"application/json": "Pet"},
            "responseParameters": {"method.response.header.ETag": False},
        }
    }
    integration = get["methodIntegration"]
    assert (integration["type"], integration["httpMethod"]) == ("HTTP", "GET")
    assert integration["integrationResponses"]["502"] == {"statusCode": "502", "selectionPattern": "5\\d\\d"}
    assert "selectionPattern" not in integration["integrationResponses"]["200"]

    put = found["PUT /pets/{id}"]
    assert put["requestModels"] == {"application/json": "Pet"}
    assert (put["authorizationType"], put["authorizationScopes"]) == ("COGNITO_USER_POOLS", ["zoo/write"])
    assert found["DELETE /pets/{id}"]["authorizationType"] == "AWS_IAM"
    assert found["ANY /pets/{id}"]["authorizationType"] == "NONE"
    assert authorizers["lambda"]["identitySource"] == "method.request.header.X-Token"
    assert authorizers["lambda"]["authorizerResultTtlInSeconds"] == 60


async def test_models_refer_to_one_another_by_url(aws: Aws) -> None:
    api = (await aws("ImportRestApi", body=body(SWAGGER)))["id"]
    models = {m["name"]: json.loads(m["schema"]) for m in (await aws("GetModels", restApiId=api))["items"]}
    assert set(models) == {"Pet", "Kind"}
    kind = f"https://apigateway.amazonaws.com/restapis/{api}/models/Kind"
    assert models["Pet"]["properties"]["kind"] == {"$ref": kind}
    flat = await aws("GetModel", restApiId=api, modelName="Pet", flatten=True)
    assert json.loads(flat["schema"])["properties"]["kind"] == {"type": "string", "enum": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("mode", "path"), [("ignore", "/pets/{id}"), ("prepend", "/prod/v1/pets/{id}"), ("split", "/v1/pets/{id}")]
)
async def test_the_base_path(aws: Aws, mode: str, path: str) -> None:
    api = (await aws("ImportRestApi", body=body(SWAGGER), parameters={"basepath": mode}))["id"]
    assert f"GET {path}" in await methods(aws, api)


def openapi(paths: dict[str, Any], **members: Any) -> bytes:
    return body({"openapi": "3.0.1", "info": {"title": "Zoo", "version": "1"}, "paths": paths, **members})


MOCK = {"x-amazon-apigateway-integration": {"type": "mock"}}


async def test_merge_adds_and_overwrite_replaces(aws: Aws) -> None:
    api = (await aws("ImportRestApi", body=openapi({"/a": {"get": MOCK}, "/a/b": {"get": MOCK}})))["id"]
    ids = {r["path"]: r["id"] for r in (await aws("GetResources", restApiId=api))["items"]}

    await aws("PutRestApi", restApiId=api, mode="merge", body=openapi({"/a": {"post": MOCK}, "/c": {"get": MOCK}}))
    assert set(await methods(aws, api)) == {"GET /a", "POST /a", "GET /a/b", "GET /c"}

    await aws("PutRestApi", restApiId=api, mode="overwrite", body=openapi({"/a": {"post": MOCK}}))
    assert set(await methods(aws, api)) == {"POST /a"}
    after = {r["path"]: r["id"] for r in (await aws("GetResources", restApiId=api))["items"]}
    assert after == {"/": ids["/"], "/a": ids["/a"]}


async def test_an_inline_schema_becomes_a_model(aws: Aws) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    document = openapi({"/a": {"post": {**MOCK, "requestBody": {"content": {"application/json": {"schema": schema}}}}}})
    api = (await aws("ImportRestApi", body=document))["id"]
    name = (await methods(aws, api))["POST /a"]["requestModels"]["application/json"]
    assert name.startswith("MODEL")
    assert json.loads((await aws("GetModel", restApiId=api, modelName=name))["schema"]) == schema


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        (b"{", "Unable to build importer with provided input."),
        (b"- a\n- b\n", "Unable to build importer with provided input."),
        (b"\xff\xfe", "Unable to build importer with provided input."),
        (b"title: [", "Unable to build importer with provided input."),
        (b"a: &x [1]\nb: *x\n", "Unable to build importer with provided input."),
        (b'{"info": {"title": "x"}}', "Unable to build importer with provided input."),
        (b'{"swagger": "1.2", "info": {"title": "x"}}', "Unable to build importer with provided input."),
        (
            b'{"openapi": "3.0.1", "paths": {}}',
            "Errors found during import:\n\tParse issue: attribute info.title is missing",
        ),
        (
            openapi({"/a": {"get": {"x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET"}}}}),
            "Errors found during import:\n\tUnable to put integration on 'GET' for resource at path '/a': Invalid HTTP "
            "endpoint specified for URI",
        ),
        (
            openapi({}, components={"schemas": {"body_1": {"type": "object"}}}),
            "Errors found during import:\n\tUnable to create model for 'body_1': Model name must be alphanumeric: "
            "body_1",
        ),
        (
            openapi({"/{a}": {}, "/{b}": {}}),
            "Errors found during import:\n\tUnable to create resource at path '/{b}': A sibling ({a}) of this resource "
            "already has a variable path part -- only one is allowed",
        ),
        (
            openapi(
                {
                    "/{proxy+}": {
                        "x-amazon-apigateway-any-method": {
                            "x-amazon-apigateway-integration": {
                                "type": "http_proxy",
                                "httpMethod": "ANY",
                                "uri": "http://x/{proxy}",
                                "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
                            }
                        }
                    }
                }
            ),
            "Errors found during import:\n\tUnable to put integration on 'ANY' for resource at path '/{proxy+}': "
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping "
            "expression parameter specified: method.request.path.proxy]",
        ),
    ],
)
async def test_a_document_that_is_refused(aws: Aws, document: bytes, refusal: str) -> None:
    assert await aws.refused("ImportRestApi", body=document) == f"BadRequestException: {refusal}"
    api = await aws("CreateRestApi", name="there")
    before = await aws("GetResources", restApiId=api["id"])
    assert await aws.refused("PutRestApi", restApiId=api["id"], body=document) == f"BadRequestException: {refusal}"
    assert await aws("GetResources", restApiId=api["id"]) == before
    assert await aws("GetRestApi", restApiId=api["id"]) == api


async def test_warnings_are_told_or_fail_the_import(aws: Aws) -> None:
    document = openapi({"/a": {"get": {**MOCK, "security": [{"nothere": []}]}}})
    api = await aws("ImportRestApi", body=document)
    assert api["warnings"] == ["Reference to security scheme 'nothere' not found. Ignoring."]
    refusal = await aws.refused("ImportRestApi", body=document, failOnWarnings=True)
    assert refusal == f"BadRequestException: Warnings found during import:\n\t{api['warnings'][0]}"
    assert len((await aws("GetRestApis"))["items"]) == 1


async def test_a_document_over_the_quota_of_resources() -> None:
    async with rest(Quotas(resources=3)) as (aws, _, _):
        refusal = await aws.refused("ImportRestApi", body=openapi({"/a": {}, "/b": {}, "/c": {}}))
        assert "Unable to create resource at path '/c': Maximum number of resources for this API" in refusal
        await aws("ImportRestApi", body=openapi({"/a": {}, "/b": {}}))


async def test_documentation_comes_with_the_document_unless_it_is_ignored(aws: Aws) -> None:
    document = openapi(
        {"/a": {"get": MOCK}},
        **{
            "x-amazon-apigateway-documentation": {
                "version": "1",
                "documentationParts": [
                    {"location": {"type": "API"}, "properties": {"description": "The zoo"}},
                    {"location": {"type": "METHOD", "method": "GET", "path": "/a"}, "properties": {"summary": "A"}},
                ],
            }
        },
    )
    api = (await aws("ImportRestApi", body=document))["id"]
    parts = (await aws("GetDocumentationParts", restApiId=api))["items"]
    assert sorted(part["location"]["type"] for part in parts) == ["API", "METHOD"]
    again = await aws("ImportDocumentationParts", restApiId=api, mode="merge", body=document)
    assert set(again["ids"]) == {part["id"] for part in parts}
    without = (await aws("ImportRestApi", body=document, parameters={"ignore": "documentation"}))["id"]
    assert (await aws("GetDocumentationParts", restApiId=without))["items"] == []
