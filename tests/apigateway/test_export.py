"""GetExport, and the round trip: what is exported and imported again is the same API."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate
from tests.apigateway.control_plane import Aws
from tests.apigateway.test_import import SWAGGER, body, methods, openapi


async def exported(aws: Aws, api: str, kind: str, extensions: str | None = None, **members: Any) -> dict[str, Any]:
    parameters = {"extensions": extensions} if extensions else {}
    return await aws("GetExport", restApiId=api, stageName="prod", exportType=kind, parameters=parameters, **members)


async def deployed(aws: Aws, document: bytes) -> str:
    api = (await aws("ImportRestApi", body=document))["id"]
    await aws("CreateDeployment", restApiId=api, stageName="prod")
    return str(api)


def without_ids(value: Any) -> Any:
    """What does not survive a round trip: ids, and a cache namespace, which defaults to one."""
    if isinstance(value, list):
        return [without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = ("id", "authorizerId", "requestValidatorId", "cacheNamespace")
    return {name: without_ids(item) for name, item in value.items() if name not in dropped}


async def everything(aws: Aws, api: str) -> dict[str, Any]:
    models = (await aws("GetModels", restApiId=api))["items"]
    return {
        "methods": without_ids(await methods(aws, api)),
        "models": {m["name"]: json.loads(m["schema"].replace(api, "api")) for m in models},
        "authorizers": without_ids((await aws("GetAuthorizers", restApiId=api))["items"]),
        "validators": without_ids((await aws("GetRequestValidators", restApiId=api))["items"]),
        "responses": (await aws("GetGatewayResponses", restApiId=api))["items"],
    }


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
@pytest.mark.parametrize("accepts", ["application/json", "application/yaml"])
async def test_an_exported_api_imports_as_the_same(aws: Aws, kind: str, accepts: str) -> None:
    api = await deployed(aws, body(SWAGGER))
    result = await exported(aws, api, kind, "apigateway", accepts=accepts)
    assert result["contentType"] == accepts
    again = await aws("ImportRestApi", body=result["body"])
    for name in ("name", "version", "description", "apiKeySource", "binaryMediaTypes", "minimumCompressionSize"):
        assert again[name] == (await aws("GetRestApi", restApiId=api))[name]
    before, after = await everything(aws, api), await everything(aws, again["id"])
    for part in ("authorizers", "validators"):
        before[part].sort(key=lambda item: item["name"])
        after[part].sort(key=lambda item: item["name"])
    assert after == before


async def test_a_template_that_is_nothing_survives(aws: Aws) -> None:
    integration = {"type": "mock", "requestTemplates": {"application/json": None, "text/plain": "x"}}
    api = await deployed(aws, openapi({"/a": {"get": {"x-amazon-apigateway-integration": integration}}}))
    again = await aws("ImportRestApi", body=(await exported(aws, api, "oas30", "apigateway"))["body"])
    for found in (api, again["id"]):
        method = (await methods(aws, found))["GET /a"]
        assert method["methodIntegration"]["requestTemplates"] == {"application/json": None, "text/plain": "x"}


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
async def test_an_export_is_a_valid_document(aws: Aws, kind: str) -> None:
    document = json.loads((await exported(aws, await deployed(aws, body(SWAGGER)), kind))["body"])
    for item in document["paths"].values():
        for operation in item.values():
            # OpenAPI demands a response of each operation; API Gateway does not.
            operation["responses"] = operation.get("responses") or {"200": {"description": "ok"}}
    validate(document)
    assert "x-amazon-apigateway" not in json.dumps(document["paths"]["/pets/{id}"]["get"])


async def test_the_form_of_an_export(aws: Aws) -> None:
    api = await deployed(aws, body(SWAGGER))
    document = json.loads((await exported(aws, api, "oas30", "integrations"))["body"])
    assert document["servers"] == [
        {
            "url": f"https://{api}.execute-api.us-east-1.amazonaws.com/{{basePath}}",
            "variables": {"basePath": {"default": "prod"}},
        }
    ]
    get = document["paths"]["/pets/{id}"]["get"]
    assert get["security"] == [{"lambda": [], "api_key": []}]
    assert get["x-amazon-apigateway-integration"]["type"] == "http"
    assert set(get["x-amazon-apigateway-integration"]["responses"]) == {"default", "5\\d\\d"}
    assert document["components"]["schemas"]["Pet"]["properties"]["kind"] == {"$ref": "#/components/schemas/Kind"}
    assert "x-amazon-apigateway-gateway-responses" not in document

    swagger = yaml.safe_load((await exported(aws, api, "swagger", accepts="application/yaml"))["body"])
    assert (swagger["host"], swagger["basePath"]) == (f"{api}.execute-api.us-east-1.amazonaws.com", "/prod")
    assert swagger["definitions"]["Pet"]["properties"]["kind"] == {"$ref": "#/definitions/Kind"}


async def test_an_export_is_of_what_is_deployed(aws: Aws) -> None:
    mock = {"x-amazon-apigateway-integration": {"type": "mock"}}
    api = await deployed(aws, openapi({"/a": {"get": mock}}))
    await aws("PutRestApi", restApiId=api, mode="merge", body=openapi({"/b": {"get": mock}}))
    assert set(json.loads((await exported(aws, api, "oas30"))["body"])["paths"]) == {"/a"}


async def test_documentation_is_exported_with_the_stages_version(aws: Aws) -> None:
    mock = {"x-amazon-apigateway-integration": {"type": "mock"}}
    api = await deployed(aws, openapi({"/a": {"get": mock}}))
    await aws(
        "CreateDocumentationPart",
        restApiId=api,
        location={"type": "METHOD", "path": "/a", "method": "GET"},
        properties='{"summary": "A"}',
    )
    await aws("CreateDocumentationVersion", restApiId=api, documentationVersion="v1", stageName="prod")
    document = json.loads((await exported(aws, api, "oas30", "documentation"))["body"])
    assert document["x-amazon-apigateway-documentation"] == {
        "version": "v1",
        "documentationParts": [
            {"location": {"type": "METHOD", "path": "/a", "method": "GET"}, "properties": {"summary": "A"}}
        ],
    }


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"exportType": "raml"}, "BadRequestException: Export type 'raml' is not supported."),
        ({"stageName": "nope"}, "NotFoundException: Invalid stage identifier specified"),
        ({"accepts": "text/html"}, "BadRequestException: Invalid Accept header specified."),
        ({"parameters": {"extensions": "magic"}}, "BadRequestException: Invalid extensions specified: magic"),
    ],
)
async def test_an_export_that_is_refused(aws: Aws, members: dict[str, Any], refusal: str) -> None:
    api = await deployed(aws, body(SWAGGER))
    given = {"restApiId": api, "stageName": "prod", "exportType": "oas30", **members}
    assert (await aws.refused("GetExport", **given)).startswith(refusal)


async def test_postman_learns_how_to_sign(aws: Aws) -> None:
    signed = {"get": {"security": [{"sigv4": []}], "responses": {}}, "post": {"responses": {}}}
    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
    document = {
        "swagger": "2.0",
        "info": {"title": "signed", "version": "1"},
        "securityDefinitions": {"sigv4": scheme},
        "paths": {"/": signed},
    }
    for operation in signed.values():
        operation["x-amazon-apigateway-integration"] = {"type": "mock"}
    api = await deployed(aws, json.dumps(document).encode())
    for kind in ("oas30", "swagger"):
        found = json.loads((await exported(aws, api, kind, "postman"))["body"])["paths"]["/"]
        assert found["get"]["x-postman-meta"]["currentHelper"] == "awsSigV4"
        assert found["get"]["x-postman-meta"]["helperAttributes"]["region"] == "us-east-1"
        assert "x-postman-meta" not in found["post"]
        plain = json.loads((await exported(aws, api, kind))["body"])["paths"]["/"]
        assert "x-postman-meta" not in plain["get"]


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
async def test_what_is_said_of_the_endpoint_survives(aws: Aws, kind: str) -> None:
    endpoint = {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"], "disableExecuteApiEndpoint": True}
    document = json.loads(openapi({"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}))
    document["servers"] = [{"url": "https://a/b", "x-amazon-apigateway-endpoint-configuration": endpoint}]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    document["x-amazon-apigateway-policy"] = {"Version": "2012-10-17", "Statement": [allow]}
    document["x-amazon-apigateway-security-policy"] = "SecurityPolicy_TLS13_1_3_2025_09"
    document["x-amazon-apigateway-endpoint-access-mode"] = "STRICT"
    api = await deployed(aws, json.dumps(document).encode())
    again = await aws("ImportRestApi", body=(await exported(aws, api, kind, "apigateway"))["body"])
    for found in (await aws("GetRestApi", restApiId=api), again):
        assert found["endpointConfiguration"] == {
            "types": ["PRIVATE"],
            "ipAddressType": "dualstack",
            "vpcEndpointIds": ["vpce-1"],
        }
        assert found["disableExecuteApiEndpoint"]
        assert (found["securityPolicy"], found["endpointAccessMode"]) == ("SecurityPolicy_TLS13_1_3_2025_09", "STRICT")
