"""Models, validators, authorizers, gateway responses, documentation, keys, plans, quotas: what AWS answers."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import Any

import pytest
from tests.apigateway.control_plane import START, Aws, rest
from tests.apigateway.test_rest_apis import LAMBDA, make_api, make_mock

from forecourt.services.apigateway.rest.quotas import Quotas

OBJECT = '{"type": "object", "title": "Pet"}'


async def make_model(aws: Aws, api: str, name: str = "Pet", schema: str = OBJECT) -> dict[str, Any]:
    return await aws("CreateModel", restApiId=api, name=name, contentType="application/json", schema=schema)


async def test_every_api_has_two_models(aws: Aws) -> None:
    api, _ = await make_api(aws)
    models = (await aws("GetModels", restApiId=api))["items"]
    assert [(model["name"], model["description"]) for model in models] == [
        ("Empty", "This is a default empty schema model"),
        ("Error", "This is a default error schema model"),
    ]
    template = await aws("GetModelTemplate", restApiId=api, modelName="Empty")
    assert template == {"value": "#set($inputRoot = $input.path('$'))\n{ }"}


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"name": ""}, "BadRequestException: Model name must be non-empty"),
        ({"name": "a_b"}, "BadRequestException: Model name must be alphanumeric: a_b"),
        ({"name": "Empty"}, "ConflictException: Model name already exists for this REST API"),
        (
            {"schema": ""},
            "BadRequestException: Model schema must have at least 1 property or array items defined",
        ),
        (
            {"schema": "{"},
            "BadRequestException: Invalid model specified: Validation Result: warnings : [], errors : [Invalid model "
            "schema specified]",
        ),
        (
            {"schema": '{"type": "object", "properties": true}'},
            "BadRequestException: Invalid model specified: Validation Result: warnings : [], errors : [Invalid model "
            "schema specified]",
        ),
        (
            {"schema": '{"properties": {"a": {"type": "string", "pattern": "("}}}'},
            "BadRequestException: Invalid model specified: Validation Result: warnings : [], errors : [Invalid model "
            "schema specified]",
        ),
        (
            {"schema": '{"$ref": "https://apigateway.amazonaws.com/restapis/x/models/Nope"}'},
            "BadRequestException: Invalid model specified: Validation Result: warnings : [], errors : [Invalid model "
            "reference specified: Nope]",
        ),
    ],
)
async def test_a_model_that_is_refused(aws: Aws, members: dict[str, str], refusal: str) -> None:
    api, _ = await make_api(aws)
    given = {"name": "Pet", "contentType": "application/json", "schema": OBJECT, **members}
    assert await aws.refused("CreateModel", restApiId=api, **given) == refusal


async def test_a_model_in_use_is_not_deleted(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_model(aws, api)
    await make_model(
        aws, api, "Pets", f'{{"items": {{"$ref": "https://apigateway.amazonaws.com/restapis/{api}/models/Pet"}}}}'
    )
    models = {"application/json": "Pet"}
    await aws(
        "PutMethod", restApiId=api, resourceId=root, httpMethod="ANY", authorizationType="NONE", requestModels=models
    )
    used = await aws.refused("DeleteModel", restApiId=api, modelName="Pet")
    assert used == "ConflictException: Cannot delete model 'Pet', is referenced in method request: //ANY"
    await aws("DeleteMethod", restApiId=api, resourceId=root, httpMethod="ANY")
    used = await aws.refused("DeleteModel", restApiId=api, modelName="Pet")
    assert used == "ConflictException: Cannot delete model 'Pet', is referenced in model: Pets"
    await aws("DeleteModel", restApiId=api, modelName="Pets")
    await aws("DeleteModel", restApiId=api, modelName="Pet")
    gone = await aws.refused("GetModel", restApiId=api, modelName="Pet")
    assert gone == "NotFoundException: Invalid model name specified: Pet"


async def test_a_sample_of_a_model(aws: Aws) -> None:
    api, _ = await make_api(aws)
    schema = {"properties": {"n": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}}
    await make_model(aws, api, schema=json.dumps(schema))
    value = (await aws("GetModelTemplate", restApiId=api, modelName="Pet"))["value"]
    assert value.splitlines() == [
        "#set($inputRoot = $input.path('$'))",
        "{",
        '  "n" : 42,',
        '  "tags" : [',
        "##TODO: Update this foreach loop to reference array from input json",
        "#foreach($elem in $inputRoot.tags)",
        '    "foo"#if($foreach.hasNext),#end',
        "",
        "#end",
        "  ]",
        "}",
    ]


async def test_validators(aws: Aws) -> None:
    api, root = await make_api(aws)
    validator = await aws("CreateRequestValidator", restApiId=api, name="v", validateRequestBody=True)
    assert validator == {
        "id": validator["id"],
        "name": "v",
        "validateRequestBody": True,
        "validateRequestParameters": False,
    }
    patch = [{"op": "replace", "path": "/name", "value": ""}]
    key = {"restApiId": api, "requestValidatorId": validator["id"]}
    refusal = await aws.refused("UpdateRequestValidator", **key, patchOperations=patch)
    assert refusal == "BadRequestException: Request Validator name cannot be blank"
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    await aws("PutMethod", **method, authorizationType="NONE", requestValidatorId=validator["id"])
    assert (await aws.refused("DeleteRequestValidator", **key)).startswith("ConflictException: Cannot delete request")
    await aws("DeleteMethod", **method)
    await aws("DeleteRequestValidator", **key)
    gone = await aws.refused("GetRequestValidator", **key)
    assert gone == "NotFoundException: Invalid Request Validator identifier specified"
    nowhere = await aws.refused("CreateRequestValidator", restApiId="nothere", name="v")
    assert nowhere == "BadRequestException: Invalid REST API identifier specified"


HEADER = "method.request.header.Authorization"


JWT_ISSUER = {"issuer": "https://id.example/", "audiences": ["app"]}


@pytest.mark.parametrize(
    ("issuers", "refusal"),
    [
        ([], "At least one issuer is required"),
        ([JWT_ISSUER, JWT_ISSUER], "Issuers must be unique"),
        ([{**JWT_ISSUER, "audiences": []}], "At least one audience is required for each issuer"),
        *(
            (
                [{**JWT_ISSUER, "issuer": issuer}],
                "An issuer must be an absolute URL without a query string or fragment",
            )
            for issuer in (
                "id.example",
                "https://id.example?a=b",
                "https://id.example/#a",
                "https://",
                "ftp://id.example",
            )
        ),
        (
            [{**JWT_ISSUER, "additionalClaims": [{"claimName": "iss", "format": "SINGLE_STRING"}]}],
            "iss cannot be an additional claim",
        ),
        (
            [{**JWT_ISSUER, "additionalClaims": [{"claimName": "a", "format": "SINGLE_STRING", "expectedValues": []}]}],
            "At least one expected value is required for a",
        ),
    ],
)
async def test_a_jwt_configuration_that_is_refused(aws: Aws, issuers: list[object], refusal: str) -> None:
    api, _ = await make_api(aws)
    told = await aws.refused(
        "CreateAuthorizer",
        restApiId=api,
        name="j",
        type="JWT",
        identitySource=HEADER,
        jwtConfiguration={"issuers": issuers, "defaultAlgorithms": ["RS256"]},
    )
    assert told == f"BadRequestException: Invalid JWT configuration specified. {refusal}"


async def test_authorizers(aws: Aws) -> None:
    api, root = await make_api(aws)
    token = await aws(
        "CreateAuthorizer", restApiId=api, name="t", type="TOKEN", authorizerUri=LAMBDA, identitySource=HEADER
    )
    assert token == {
        "id": token["id"],
        "name": "t",
        "type": "TOKEN",
        "authType": "custom",
        "authorizerUri": LAMBDA,
        "identitySource": HEADER,
        "authorizerResultTtlInSeconds": 300,
    }
    pool = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"
    cognito = await aws("CreateAuthorizer", restApiId=api, name="c", type="COGNITO_USER_POOLS", providerARNs=[pool])
    assert (cognito["authType"], cognito["identitySource"]) == ("cognito_user_pools", HEADER)
    assert "authorizerResultTtlInSeconds" not in cognito

    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    wrong = await aws.refused("PutMethod", **method, authorizationType="CUSTOM", authorizerId=cognito["id"])
    assert wrong.startswith("BadRequestException: Invalid authorizer ID specified.")
    await aws("PutMethod", **method, authorizationType="CUSTOM", authorizerId=token["id"])
    used = await aws.refused("DeleteAuthorizer", restApiId=api, authorizerId=token["id"])
    assert used == "ConflictException: Cannot delete authorizer 't', is referenced in method: //GET"
    patch = [{"op": "replace", "path": "/authorizationType", "value": "NONE"}]
    assert "authorizerId" not in await aws("UpdateMethod", **method, patchOperations=patch)
    await aws("DeleteAuthorizer", restApiId=api, authorizerId=token["id"])


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"type": "TOKEN", "authorizerUri": LAMBDA}, "Invalid token source expression: None."),
        (
            {"type": "TOKEN", "authorizerUri": LAMBDA, "identitySource": "method.request.querystring.key"},
            "Invalid token source expression: method.request.querystring.key. The source must be a method request "
            "header, matching 'method.request.header.[a-zA-Z0-9._-]+'.",
        ),
        ({"type": "TOKEN", "identitySource": HEADER}, "Invalid Authorizer URI"),
        ({"type": "REQUEST", "authorizerUri": LAMBDA}, "Identity source must be specified"),
        (
            {"type": "REQUEST", "authorizerUri": LAMBDA, "identitySource": "header.x"},
            "Invalid identity source specified",
        ),
        ({"type": "COGNITO_USER_POOLS"}, "Invalid User Pool ARN specified"),
        (
            {
                "type": "TOKEN",
                "authorizerUri": LAMBDA,
                "identitySource": HEADER,
                "authorizerResultTtlInSeconds": 3601,
            },
            "Authorizer result TTL must be between 0 and 3600",
        ),
    ],
)
async def test_an_authorizer_that_is_refused(aws: Aws, members: dict[str, Any], refusal: str) -> None:
    api, _ = await make_api(aws)
    said = await aws.refused("CreateAuthorizer", restApiId=api, name="a", **members)
    assert said.startswith(f"BadRequestException: {refusal}")


TEMPLATE = {"application/json": '{"message":$context.error.messageString}'}


async def test_gateway_responses(aws: Aws) -> None:
    api, _ = await make_api(aws)
    default = await aws("GetGatewayResponse", restApiId=api, responseType="MISSING_AUTHENTICATION_TOKEN")
    assert default == {
        "responseType": "MISSING_AUTHENTICATION_TOKEN",
        "statusCode": "403",
        "responseParameters": {},
        "responseTemplates": TEMPLATE,
        "defaultResponse": True,
    }
    key = {"restApiId": api, "responseType": "DEFAULT_5XX"}
    header = {"gatewayresponse.header.x": "'y'"}
    await aws("PutGatewayResponse", **key, statusCode="599", responseParameters=header)
    found = {r["responseType"]: r for r in (await aws("GetGatewayResponses", restApiId=api))["items"]}
    assert list(found) == sorted(found)
    assert len(found) == 21
    # A customised default speaks for the types of its class that are not customised themselves.
    assert (found["INTEGRATION_TIMEOUT"]["statusCode"], found["INTEGRATION_TIMEOUT"]["defaultResponse"]) == (
        "599",
        True,
    )
    assert found["AUTHORIZER_FAILURE"]["responseParameters"] == header
    assert found["THROTTLED"]["statusCode"] == "429"
    assert "statusCode" not in found["DEFAULT_4XX"]
    await aws("DeleteGatewayResponse", **key)
    gone = await aws.refused("DeleteGatewayResponse", **key)
    assert gone == "NotFoundException: Gateway response type not defined on api"
    patch = [{"op": "replace", "path": "/statusCode", "value": "444"}]
    updated = await aws("UpdateGatewayResponse", **key, patchOperations=patch)
    assert (updated["statusCode"], updated["responseTemplates"], updated["defaultResponse"]) == ("444", TEMPLATE, False)


async def test_documentation(aws: Aws) -> None:
    api, _ = await make_api(aws)
    part = {"restApiId": api, "location": {"type": "API"}, "properties": '{"description": "Zoo"}'}
    made = await aws("CreateDocumentationPart", **part)
    assert made == {"id": made["id"], "location": {"type": "API"}, "properties": '{"description": "Zoo"}'}
    again = await aws.refused("CreateDocumentationPart", **part)
    assert again.startswith(
        "ConflictException: Documentation part already exists for the specified location: type 'API'"
    )
    await aws("CreateDocumentationVersion", restApiId=api, documentationVersion="v1")
    version = await aws("GetDocumentationVersion", restApiId=api, documentationVersion="v1")
    assert version == {"version": "v1", "createdDate": START}
    assert (await aws("GetDocumentationParts", restApiId=api, type="METHOD"))["items"] == []
    assert (await aws("GetDocumentationParts", restApiId=api, type="API"))["items"] == [made]
    bad = await aws.refused("ImportDocumentationParts", restApiId=api, body=b"[")
    assert bad == "BadRequestException: Unable to build importer with provided input."


async def test_api_keys(aws: Aws) -> None:
    key = await aws("CreateApiKey", name="k", enabled=True)
    assert len(key["id"]) == 10
    assert len(key["value"]) == 40
    assert (await aws("GetApiKey", apiKey=key["id"], includeValue=True))["value"] == key["value"]
    assert "value" not in await aws("GetApiKey", apiKey=key["id"])
    short = await aws.refused("CreateApiKey", name="s", value="x" * 19)
    assert short == "BadRequestException: API Key value should be at least 20 characters"
    taken = await aws.refused("CreateApiKey", name="s", value=key["value"])
    assert taken == "ConflictException: API Key already exists"
    await aws("DeleteApiKey", apiKey=key["id"])
    gone = await aws.refused("GetApiKey", apiKey=key["id"])
    assert gone == "NotFoundException: Invalid API Key identifier specified"


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"apiStages": [{"apiId": "a", "stage": "s"}]}, "NotFoundException: API Stage not found: a:s"),
        ({"quota": {"limit": 0, "period": "DAY"}}, "BadRequestException: Usage Plan quota limit must be greater than"),
        (
            {"quota": {"limit": 1, "offset": 1, "period": "DAY"}},
            "BadRequestException: Usage Plan quota offset must be zero in the DAY period",
        ),
        (
            {"quota": {"limit": 1, "offset": 7, "period": "WEEK"}},
            "BadRequestException: Usage Plan quota offset must be between zero and six inclusive in the WEEK period",
        ),
        (
            {"quota": {"limit": 1, "offset": 28, "period": "MONTH"}},
            "BadRequestException: Usage Plan quota offset must be between zero and 27 inclusive in the MONTH period",
        ),
    ],
)
async def test_a_plan_that_is_refused(aws: Aws, members: dict[str, Any], refusal: str) -> None:
    assert (await aws.refused("CreateUsagePlan", name="p", **members)).startswith(refusal)


async def test_a_key_is_in_one_plan_of_a_stage(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    await aws("CreateDeployment", restApiId=api, stageName="prod")
    stages = [{"apiId": api, "stage": "prod"}]
    first = await aws("CreateUsagePlan", name="a", apiStages=stages)
    second = await aws("CreateUsagePlan", name="b", apiStages=stages)
    key = await aws("CreateApiKey", name="k")
    subscription = {"keyId": key["id"], "keyType": "API_KEY"}
    await aws("CreateUsagePlanKey", usagePlanId=first["id"], **subscription)
    for plan in (first, second):
        refusal = await aws.refused("CreateUsagePlanKey", usagePlanId=plan["id"], **subscription)
        assert refusal.startswith("ConflictException: API Key")
    listed = await aws("GetUsagePlanKeys", usagePlanId=first["id"])
    assert [item["id"] for item in listed["items"]] == [key["id"]]
    third = await aws("CreateUsagePlan", name="c")
    await aws("CreateUsagePlanKey", usagePlanId=third["id"], **subscription)
    patch = [{"op": "add", "path": "/apiStages", "value": f"{api}:prod"}]
    refusal = await aws.refused("UpdateUsagePlan", usagePlanId=third["id"], patchOperations=patch)
    assert refusal.startswith("ConflictException: API Key")
    csv = f"Name,Key,UsagePlanIds\ntwo,{'k' * 20},{first['id']};{second['id']};none\n".encode()
    imported = await aws("ImportApiKeys", body=csv, format="csv")
    assert [warning.partition("usage plan ")[2][:8] for warning in imported["warnings"]] == [
        f"'{second['id']}'",
        "'none': ",
    ]
    assert len((await aws("GetUsagePlanKeys", usagePlanId=first["id"]))["items"]) == 2
    assert (await aws.refused("DeleteUsagePlan", usagePlanId=first["id"])) == (
        f"BadRequestException: Cannot delete Usage Plan {first['id']} because there are API Stages associated with it, "
        f"including {api}:prod"
    )
    assert (await aws.refused("CreateUsagePlan", name="d", apiStages=stages * 2)).startswith("BadRequestException")


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("/statusCode", "x", "Invalid status code specified: x"),
        ("/statusCode", "600", "Invalid status code specified: 600"),
        ("/responseParameters/header.X", "'1'", "errors : [Invalid mapping expression specified: header.X]"),
        ("/responseParameters/gatewayresponse.header.X", "*", "errors : [Invalid mapping expression specified: *]"),
        (
            "/responseParameters/gatewayresponse.header.X",
            "method.request.body.a",
            "errors : [Invalid mapping expression specified: method.request.body.a]",
        ),
    ],
)
async def test_a_gateway_response_that_is_refused(aws: Aws, path: str, value: str, refusal: str) -> None:
    api, _ = await make_api(aws)
    key = {"restApiId": api, "responseType": "THROTTLED"}
    patch = [{"op": "add" if "Parameters" in path else "replace", "path": path, "value": value}]
    assert (await aws.refused("UpdateGatewayResponse", **key, patchOperations=patch)).endswith(refusal)
    assert (await aws("GetGatewayResponse", **key))["defaultResponse"]


async def test_an_api_key_file(aws: Aws) -> None:
    plans = [(await aws("CreateUsagePlan", name=name))["id"] for name in "ab"]
    file = (
        "Key,NAME,description,enabled,UsagePlanIds,other\r\n"
        f'{"k" * 30},one,"a, ""b""",FALSE,\'{plans[0]},{plans[1]}\',x\r\n'
        f"{'l' * 30},O'Neill's,,,,\r\n"
    )
    first = await aws("ImportApiKeys", body=file.encode(), format="csv")
    assert "warnings" not in first
    keys = [await aws("GetApiKey", apiKey=key, includeValue=True) for key in first["ids"]]
    assert [(k["name"], k["value"], k["enabled"]) for k in keys] == [
        ("one", "k" * 30, False),
        ("O'Neill's", "l" * 30, True),
    ]
    assert keys[0]["description"] == 'a, "b"'
    for plan in plans:
        assert [key["name"] for key in (await aws("GetUsagePlanKeys", usagePlanId=plan))["items"]] == ["one"]
    again = await aws(
        "ImportApiKeys", body=file.replace(",one,", ",renamed,").encode(), format="csv", failOnWarnings=True
    )
    assert again["ids"] == first["ids"]
    assert (await aws("GetApiKey", apiKey=first["ids"][0]))["name"] == "renamed"


async def test_a_stage_that_goes_leaves_its_plans(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    deployment = (await aws("CreateDeployment", restApiId=api, stageName="a"))["id"]
    await aws("CreateStage", restApiId=api, stageName="b", deploymentId=deployment)
    stages = [{"apiId": api, "stage": name} for name in ("a", "b")]
    plan = (await aws("CreateUsagePlan", name="p", apiStages=stages))["id"]
    await aws("DeleteStage", restApiId=api, stageName="a")
    assert (await aws("GetUsagePlan", usagePlanId=plan))["apiStages"] == stages[1:]
    await aws("DeleteRestApi", restApiId=api)
    assert (await aws("GetUsagePlan", usagePlanId=plan))["apiStages"] == []
    await aws("DeleteUsagePlan", usagePlanId=plan)


async def test_usage_is_the_counters() -> None:
    class Usage:
        def __init__(self) -> None:
            self.left = 7

        async def daily(self, plan: Any, keys: list[str], first: date, last: date) -> dict[str, list[list[int]]]:
            days = (last - first).days + 1
            return {key: [[3, self.left]] * days for key in keys}

        async def set_remaining(self, plan: Any, key: str, remaining: int) -> None:
            self.left = remaining

    async with rest(usage=Usage()) as (aws, _, _):
        plan = await aws("CreateUsagePlan", name="p", quota={"limit": 10, "period": "DAY"})
        key = await aws("CreateApiKey", name="k")
        await aws("CreateUsagePlanKey", usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        days = {"usagePlanId": plan["id"], "startDate": "2024-02-28", "endDate": "2024-03-01"}
        usage = await aws("GetUsage", **days)
        assert usage["items"] == {key["id"]: [[3, 7]] * 3}
        patch = [{"op": "replace", "path": "/remaining", "value": "50"}]
        updated = await aws("UpdateUsage", usagePlanId=plan["id"], keyId=key["id"], patchOperations=patch)
        assert updated["items"] == {key["id"]: [[3, 50]]}
        for value in ("-1", "many", "1.5"):
            patch = [{"op": "replace", "path": "/remaining", "value": value}]
            refusal = await aws.refused("UpdateUsage", usagePlanId=plan["id"], keyId=key["id"], patchOperations=patch)
            assert refusal == "BadRequestException: Invalid remaining quota specified"
        assert (await aws.refused("GetUsage", **days, keyId="none")).startswith("NotFoundException")
        for start, end, said in (
            ("yesterday", "2024-01-01", "Invalid date"),
            ("2024-01-02", "2024-01-01", "Usage start date"),
            ("2023-01-01", "2024-01-01", "Usage date range cannot exceed 90 days"),
        ):
            refusal = await aws.refused("GetUsage", usagePlanId=plan["id"], startDate=start, endDate=end)
            assert refusal.startswith(f"BadRequestException: {said}")


async def test_what_is_not_documented(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    pet = (await aws("CreateResource", restApiId=api, parentId=root, pathPart="{pet}"))["id"]
    key = {"restApiId": api, "resourceId": pet, "httpMethod": "GET"}
    declared = {"method.request.querystring.q": False, "method.request.header.X-H": True}
    await aws("PutMethod", **key, authorizationType="NONE", requestParameters=declared)
    response = {"responseParameters": {"method.response.header.X-R": False}, "responseModels": {"a/b": "Empty"}}
    await aws("PutMethodResponse", **key, statusCode="200", **response)

    async def missing(**query: Any) -> list[tuple[Any, ...]]:
        found = await aws("GetDocumentationParts", restApiId=api, locationStatus="UNDOCUMENTED", limit=500, **query)
        names = ("type", "method", "statusCode", "name")
        return [tuple(item["location"].get(name) for name in names) for item in found["items"]]

    assert await missing(path="/{pet}") == [
        ("RESOURCE", None, None, None),
        ("PATH_PARAMETER", None, None, "pet"),
        ("METHOD", "GET", None, None),
        ("REQUEST_HEADER", "GET", None, "X-H"),
        ("QUERY_PARAMETER", "GET", None, "q"),
        ("RESPONSE", "GET", "200", None),
        ("RESPONSE_HEADER", "GET", "200", "X-R"),
        ("RESPONSE_BODY", "GET", "200", None),
    ]
    assert await missing(type="MODEL") == [("MODEL", None, None, "Empty"), ("MODEL", None, None, "Error")]
    said = {"restApiId": api, "properties": '{"a": "b"}'}
    root_part = await aws("CreateDocumentationPart", **said, location={"type": "RESOURCE"})
    assert root_part["location"] == {"type": "RESOURCE", "path": "/"}
    everywhere = await aws("CreateDocumentationPart", **said, location={"type": "METHOD"})
    assert everywhere["location"] == {"type": "METHOD", "path": "/", "method": "*"}
    await aws("CreateDocumentationPart", **said, location={"type": "METHOD", "path": "/{pet}", "method": "GET"})
    assert ("METHOD", "GET", None, None) not in await missing(path="/{pet}")
    assert ("RESOURCE", None, None, None) not in await missing(path="/")


VPC_ENDPOINT = {
    "domainNameArn": "arn:aws:apigateway:us-east-1::/domainnames/a.example.com",
    "accessAssociationSourceType": "VPCE",
    "accessAssociationSource": "vpce-1",
}


async def test_quotas_are_enforced_and_adjustable() -> None:
    quotas = Quotas(
        edge_apis=1,
        resources=2,
        stages=1,
        authorizers=1,
        models=3,
        request_validators=1,
        documentation_parts=1,
        api_keys=1,
        usage_plans=1,
        method_throttles_per_api_stage=1,
        domain_name_access_associations=1,
        vpc_links=1,
        domain_names=1,
    )
    async with rest(quotas) as (aws, _, _):
        api, root = await make_api(aws)
        await make_mock(aws, api, root)
        deployment = (await aws("CreateDeployment", restApiId=api))["id"]
        pool = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_a"
        calls: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("CreateResource", {"restApiId": api, "parentId": root, "pathPart": "a"}, {"pathPart": "b"}),
            ("CreateStage", {"restApiId": api, "stageName": "a", "deploymentId": deployment}, {"stageName": "b"}),
            (
                "CreateAuthorizer",
                {"restApiId": api, "name": "a", "type": "COGNITO_USER_POOLS", "providerARNs": [pool]},
                {"name": "b"},
            ),
            (
                "CreateModel",
                {"restApiId": api, "name": "A", "contentType": "application/json", "schema": OBJECT},
                {"name": "B"},
            ),
            ("CreateRequestValidator", {"restApiId": api, "name": "a"}, {"name": "b"}),
            (
                "CreateDocumentationPart",
                {"restApiId": api, "location": {"type": "API"}, "properties": '{"a": "b"}'},
                {"location": {"type": "MODEL", "name": "A"}},
            ),
            ("CreateApiKey", {"name": "a"}, {"name": "b"}),
            ("CreateDomainNameAccessAssociation", VPC_ENDPOINT, {"accessAssociationSource": "vpce-2"}),
            ("CreateUsagePlan", {"name": "a"}, {"name": "b"}),
            ("CreateVpcLink", {"name": "a", "targetArns": []}, {"name": "b"}),
            ("CreateDomainName", {"domainName": "a.example.com"}, {"domainName": "b.example.com"}),
        ]
        for operation, first, second in calls:
            await aws(operation, **first)
            refusal = await aws.refused(operation, **{**first, **second})
            assert refusal.startswith("LimitExceededException: Maximum number of "), (operation, refusal)
        assert (await aws.refused("CreateRestApi", name="b")).startswith(
            "LimitExceededException: Maximum number of EDGE REST APIs"
        )
        regional = await aws("CreateRestApi", name="b", endpointConfiguration={"types": ["REGIONAL"]})
        to_the_edge = [{"op": "replace", "path": "/endpointConfiguration/types/REGIONAL", "value": "EDGE"}]
        assert (await aws.refused("UpdateRestApi", restApiId=regional["id"], patchOperations=to_the_edge)).startswith(
            "LimitExceededException: Maximum number of EDGE REST APIs"
        )
        plan = (await aws("GetUsagePlans"))["items"][0]["id"]
        patch = [{"op": "add", "path": "/apiStages", "value": f"{api}:a"}]
        for path in ("/a", "/b"):
            limit = f"/apiStages/{api}:a/throttle/{path}/GET/rateLimit"
            patch.append({"op": "replace", "path": limit, "value": "1"})
        assert (await aws.refused("UpdateUsagePlan", usagePlanId=plan, patchOperations=patch)).startswith(
            "LimitExceededException: Maximum number of method-level throttling settings"
        )
        await aws("UpdateUsagePlan", usagePlanId=plan, patchOperations=patch[:2])


async def test_tags(aws: Aws) -> None:
    api, _ = await make_api(aws)
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api}"
    await aws("TagResource", resourceArn=arn, tags={"a": "1", "b": "2"})
    await aws("UntagResource", resourceArn=arn, tagKeys=["a"])
    assert await aws("GetTags", resourceArn=arn) == {"tags": {"b": "2"}}
    assert (await aws.refused("GetTags", resourceArn="x")).startswith("BadRequestException: Invalid ARN")
    assert (await aws.refused("GetTags", resourceArn=f"{arn}x")).startswith("NotFoundException: Invalid API identifier")
    assert (await aws.refused("TagResource", resourceArn=arn, tags={"aws:x": "1"})).startswith("BadRequestException")


async def test_a_long_issuer_is_read_once(aws: Aws) -> None:
    api, _ = await make_api(aws)
    issuers = [{"issuer": f"https://{'a' * 200_000}?", "audiences": ["a"]}]
    started = time.process_time()
    refusal = await aws.refused(
        "CreateAuthorizer",
        restApiId=api,
        name="j",
        type="JWT",
        identitySource="method.request.header.Authorization",
        jwtConfiguration={"issuers": issuers, "defaultAlgorithms": ["RS256"]},
    )
    assert "An issuer must be an absolute URL" in refusal
    assert time.process_time() - started < 2


async def test_quotas_hold_for_documents() -> None:
    schemas = {f"M{n}": {"type": "object"} for n in range(3)}
    document = {"openapi": "3.0.1", "info": {"title": "a", "version": "1"}, "paths": {}}
    validators = {name: {"validateRequestBody": True} for name in ("a", "b")}
    async with rest(Quotas(models=2, request_validators=1)) as (aws, _, _):
        body = json.dumps({**document, "components": {"schemas": schemas}}).encode()
        assert "models for this API has been reached" in await aws.refused("ImportRestApi", body=body)
        body = json.dumps({**document, "x-amazon-apigateway-request-validators": validators}).encode()
        assert "request validators for this API has been reached" in await aws.refused("ImportRestApi", body=body)
        assert (await aws("GetRestApis"))["items"] == []
