"""HTTP APIs: the control plane of apigatewayv2."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.apigateway.control_plane import START, Aws, http

from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.model import HttpSnapshot
from forecourt.store import Store

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:pets"
ROLE = "arn:aws:iam::000000000000:role/r"


@pytest.fixture
async def v2() -> AsyncIterator[Aws]:
    async with http() as (aws, _, _):
        yield aws


async def make_api(v2: Aws, **members: Any) -> str:
    return str((await v2("CreateApi", Name="pets", ProtocolType="HTTP", **members))["ApiId"])


async def make_route(v2: Aws, api: str, key: str = "GET /pets") -> dict[str, Any]:
    integration = await v2(
        "CreateIntegration",
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri="http://x/",
    )
    return await v2("CreateRoute", ApiId=api, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")


async def test_a_new_api(v2: Aws) -> None:
    api = await v2("CreateApi", Name="pets", ProtocolType="HTTP", Description="All", Tags={"a": "b"})
    assert api == {
        "ApiId": api["ApiId"],
        "ApiEndpoint": f"http://{api['ApiId']}.execute-api.localhost:4566",
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CreatedDate": START,
        "Description": "All",
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "Name": "pets",
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": "$request.method $request.path",
        "Tags": {"a": "b"},
    }
    assert await v2("GetApi", ApiId=api["ApiId"]) == api
    assert await v2("GetApis") == {"Items": [api]}


async def test_quick_create_serves_everything_at_once() -> None:
    async with http() as (v2, store, _):
        api = await make_api(v2, Target=FUNCTION)
        (route,) = (await v2("GetRoutes", ApiId=api))["Items"]
        assert (route["RouteKey"], route["ApiGatewayManaged"]) == ("$default", True)
        (integration,) = (await v2("GetIntegrations", ApiId=api))["Items"]
        assert integration["IntegrationType"] == "AWS_PROXY"
        assert integration["PayloadFormatVersion"] == "2.0"
        assert integration["IntegrationUri"] == FUNCTION
        (stage,) = (await v2("GetStages", ApiId=api))["Items"]
        assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
        snapshot = await served(store, api, stage)
        assert [route.route_key for route in snapshot.routes] == ["$default"]
        assert [i.integration_uri for i in snapshot.integrations] == [FUNCTION]


async def served(store: Store, api: str, stage: dict[str, Any]) -> HttpSnapshot:
    snapshot = await store.get(HttpSnapshot, "000000000000", "us-east-1", api, stage["DeploymentId"])
    assert snapshot is not None
    return snapshot


async def test_a_stage_that_deploys_by_itself_follows_every_change() -> None:
    async with http() as (v2, store, _):
        api = await make_api(v2)
        empty = await v2("CreateStage", ApiId=api, StageName="live", AutoDeploy=True)
        assert "DeploymentId" not in empty
        failed = "Deployment attempt failed: Unable to deploy API because no {}routes exist in this API"
        assert empty["LastDeploymentStatusMessage"] == failed.format("")
        await v2("DeleteRoute", ApiId=api, RouteId=(await v2("CreateRoute", ApiId=api, RouteKey="GET /a"))["RouteId"])
        await v2("CreateRoute", ApiId=api, RouteKey="GET /0")
        invalid = await v2("GetStage", ApiId=api, StageName="live")
        assert invalid["LastDeploymentStatusMessage"] == failed.format("valid ")
        await v2("DeleteRoute", ApiId=api, RouteId=(await v2("GetRoutes", ApiId=api))["Items"][0]["RouteId"])

        for number in range(4):
            await make_route(v2, api, f"GET /{number}")
            stage = await v2("GetStage", ApiId=api, StageName="live")
            keys = [route.route_key for route in (await served(store, api, stage)).routes]
            assert sorted(keys) == [f"GET /{n}" for n in range(number + 1)]
        # One per change would grow without bound.
        assert len((await v2("GetDeployments", ApiId=api))["Items"]) == 1


async def test_a_deployed_stage_does_not_follow() -> None:
    async with http() as (v2, store, _):
        api = await make_api(v2)
        assert await v2.refused("CreateDeployment", ApiId=api) == (
            "BadRequestException: At least one route is required before deploying the Api."
        )
        await make_route(v2, api, "GET /a")
        await v2("CreateStage", ApiId=api, StageName="prod")
        deployment = await v2("CreateDeployment", ApiId=api, StageName="prod")
        await make_route(v2, api, "GET /b")
        stage = await v2("GetStage", ApiId=api, StageName="prod")
        assert stage["DeploymentId"] == deployment["DeploymentId"]
        assert [route.route_key for route in (await served(store, api, stage)).routes] == ["GET /a"]
        refusal = await v2.refused("DeleteDeployment", ApiId=api, DeploymentId=deployment["DeploymentId"])
        assert refusal == "BadRequestException: Active stages pointing to this deployment must be moved or deleted"


@pytest.mark.parametrize(
    "key",
    ["FETCH /x", "GET x", "GET /{a+}/b", "/x", "GET /{a", "$other", "GET /a/", "GET /a//b", "GET /{a}/{a}", "GET /a?b"],
)
async def test_a_route_key_that_is_refused(v2: Aws, key: str) -> None:
    api = await make_api(v2)
    assert await v2.refused("CreateRoute", ApiId=api, RouteKey=key) == (
        "BadRequestException: The provided route key is not formatted properly for HTTP protocol. Format should be "
        '"<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
    )


@pytest.mark.parametrize("key", ["GET /", "ANY /{proxy+}", "POST /pets/{id}/photos", "$default", "GET /a/b.c-d_e"])
async def test_a_route_key_that_is_taken(v2: Aws, key: str) -> None:
    api = await make_api(v2)
    route = await v2("CreateRoute", ApiId=api, RouteKey=key)
    assert route == {
        "RouteId": route["RouteId"],
        "RouteKey": key,
        "ApiKeyRequired": False,
        "AuthorizationType": "NONE",
    }
    again = await v2.refused("CreateRoute", ApiId=api, RouteKey=key)
    assert again == f"ConflictException: Route with key {key} already exists for this API"


INTEGRATIONS = [
    ({"IntegrationType": "MOCK"}, "Integration type MOCK is not supported: HTTP APIs have AWS_PROXY and HTTP_PROXY"),
    ({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "http://x"}, "HTTP_PROXY integrations require a valid "),
    (
        {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "x", "IntegrationMethod": "GET"},
        "Invalid HTTP endpoint specified for URI: x",
    ),
    ({"IntegrationType": "AWS_PROXY", "IntegrationUri": "x"}, "Invalid function ARN or invalid uri: x"),
    (
        {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "3.0"},
        "Unsupported PayloadFormatVersion",
    ),
    (
        {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-Sing", "CredentialsArn": ROLE},
        "Unsupported integration subtype: SQS-Sing",
    ),
    (
        {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage", "CredentialsArn": ROLE},
        "Required request parameter(s) missing: QueueUrl, MessageBody",
    ),
    (
        {
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": FUNCTION,
            "RequestParameters": {"set:header.x": "y"},
        },
        "Invalid mapping expression specified: set:header.x",
    ),
]


@pytest.mark.parametrize(("members", "refusal"), INTEGRATIONS)
async def test_an_integration_that_is_refused(v2: Aws, members: dict[str, Any], refusal: str) -> None:
    api = await make_api(v2)
    assert (await v2.refused("CreateIntegration", ApiId=api, **members)).startswith(f"BadRequestException: {refusal}")


async def test_an_integration_as_aws_shows_it(v2: Aws) -> None:
    api = await make_api(v2)
    integration = await v2(
        "CreateIntegration",
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=FUNCTION,
        PayloadFormatVersion="2.0",
        RequestParameters={"overwrite:header.a": "$request.header.b"},
    )
    assert integration == {
        "ConnectionType": "INTERNET",
        "IntegrationId": integration["IntegrationId"],
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": FUNCTION,
        "PayloadFormatVersion": "2.0",
        "RequestParameters": {"overwrite:header.a": "$request.header.b"},
        "TimeoutInMillis": 30000,
    }
    # An update merges a map's entries; an empty string takes one away.
    updated = await v2(
        "UpdateIntegration",
        ApiId=api,
        IntegrationId=integration["IntegrationId"],
        RequestParameters={"overwrite:header.a": "", "append:querystring.q": "1"},
        TimeoutInMillis=1000,
    )
    assert updated["RequestParameters"] == {"append:querystring.q": "1"}
    assert updated["TimeoutInMillis"] == 1000
    assert updated["IntegrationUri"] == FUNCTION


async def test_what_is_in_use_is_not_deleted(v2: Aws) -> None:
    api = await make_api(v2)
    route = await make_route(v2, api)
    integration = route["Target"].removeprefix("integrations/")
    refusal = await v2.refused("DeleteIntegration", ApiId=api, IntegrationId=integration)
    assert refusal.startswith("ConflictException: Cannot delete Integration")
    await v2("DeleteRoute", ApiId=api, RouteId=route["RouteId"])
    await v2("DeleteIntegration", ApiId=api, IntegrationId=integration)
    assert (await v2("GetIntegrations", ApiId=api))["Items"] == []


async def test_jwt_and_lambda_authorizers(v2: Aws) -> None:
    api = await make_api(v2)
    jwt = await v2(
        "CreateAuthorizer",
        ApiId=api,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Audience": ["me"], "Issuer": "https://issuer.example"},
    )
    assert jwt == {
        "AuthorizerId": jwt["AuthorizerId"],
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Audience": ["me"], "Issuer": "https://issuer.example"},
        "Name": "jwt",
    }
    route = await v2(
        "CreateRoute",
        ApiId=api,
        RouteKey="GET /",
        AuthorizationType="JWT",
        AuthorizerId=jwt["AuthorizerId"],
        AuthorizationScopes=["a", "b"],
    )
    assert route["AuthorizationScopes"] == ["a", "b"]
    refusal = await v2.refused("DeleteAuthorizer", ApiId=api, AuthorizerId=jwt["AuthorizerId"])
    assert refusal.startswith("ConflictException: Cannot delete Authorizer")
    for members, said in (
        ({"AuthorizationType": "CUSTOM", "AuthorizerId": jwt["AuthorizerId"]}, "Invalid authorizer ID specified. Set"),
        ({"AuthorizationType": "JWT"}, "Invalid authorizer ID specified. Set"),
        ({"AuthorizationScopes": ["a"]}, "Invalid Route authorization type specified. Authorization Scopes"),
    ):
        refusal = await v2.refused("CreateRoute", ApiId=api, RouteKey="POST /", **members)
        assert refusal.startswith(f"BadRequestException: {said}")
    without_version = await v2.refused(
        "CreateAuthorizer", ApiId=api, Name="l", AuthorizerType="REQUEST", IdentitySource=[], AuthorizerUri="arn:x"
    )
    assert "AuthorizerPayloadFormatVersion is a required parameter" in without_version


async def test_cors(v2: Aws) -> None:
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60}
    api = await make_api(v2, CorsConfiguration=cors)
    assert (await v2("GetApi", ApiId=api))["CorsConfiguration"] == cors
    replaced = await v2("UpdateApi", ApiId=api, CorsConfiguration={"AllowOrigins": ["*"]})
    assert replaced["CorsConfiguration"] == {"AllowOrigins": ["*"]}
    await v2("DeleteCorsConfiguration", ApiId=api)
    assert "CorsConfiguration" not in await v2("GetApi", ApiId=api)
    refusal = await v2.refused(
        "UpdateApi", ApiId=api, CorsConfiguration={"AllowOrigins": ["*"], "AllowCredentials": True}
    )
    assert refusal == "BadRequestException: allow-credentials is not supported with the wildcard origin *"


async def test_stage_settings(v2: Aws) -> None:
    api = await make_api(v2)
    await make_route(v2, api, "GET /")
    stage = await v2("CreateStage", ApiId=api, StageName="dev", StageVariables={"a": "1", "b": "2"})
    assert stage["DefaultRouteSettings"] == {"DetailedMetricsEnabled": False}
    updated = await v2(
        "UpdateStage",
        ApiId=api,
        StageName="dev",
        StageVariables={"a": "", "c": "3"},
        RouteSettings={"GET /": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 2.0}},
        AccessLogSettings={"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:g", "Format": "x"},
    )
    assert updated["StageVariables"] == {"b": "2", "c": "3"}
    assert updated["RouteSettings"] == {"GET /": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 2.0}}
    await v2("DeleteRouteSettings", ApiId=api, StageName="dev", RouteKey="GET /")
    await v2("DeleteAccessLogSettings", ApiId=api, StageName="dev")
    after = await v2("GetStage", ApiId=api, StageName="dev")
    assert after["RouteSettings"] == {}
    assert "AccessLogSettings" not in after
    assert (await v2.refused("CreateStage", ApiId=api, StageName="a b")).startswith("BadRequestException: Stage name")
    assert (await v2.refused("CreateStage", ApiId=api, StageName="dev")).startswith("ConflictException")


async def test_domains_mappings_and_rules(v2: Aws) -> None:
    api = await make_api(v2, Target="https://zoo.example")
    domain = await v2(
        "CreateDomainName", DomainName="api.example.com", DomainNameConfigurations=[{"CertificateArn": "arn:c"}]
    )
    (configuration,) = domain["DomainNameConfigurations"]
    assert (configuration["EndpointType"], configuration["DomainNameStatus"]) == ("REGIONAL", "AVAILABLE")
    mapping = await v2(
        "CreateApiMapping", DomainName="api.example.com", ApiId=api, Stage="$default", ApiMappingKey="v1/pets"
    )
    assert (await v2("GetApiMappings", DomainName="api.example.com"))["Items"] == [mapping]
    again = await v2.refused(
        "CreateApiMapping", DomainName="api.example.com", ApiId=api, Stage="$default", ApiMappingKey="v1/pets"
    )
    assert again == "ConflictException: ApiMapping key already exists for this domain name"
    assert (await v2.refused("DeleteApi", ApiId=api)).startswith("BadRequestException: Please remove all API mappings")
    await v2("DeleteDomainName", DomainName="api.example.com")
    await v2("DeleteApi", ApiId=api)
    assert (await v2.refused("GetApi", ApiId=api)) == (
        f"NotFoundException: Invalid API identifier specified 000000000000:{api}"
    )


async def test_pages_and_tags(v2: Aws) -> None:
    apis = [await make_api(v2) for _ in range(5)]
    first = await v2("GetApis", MaxResults="3")
    rest = await v2("GetApis", MaxResults="3", NextToken=first["NextToken"])
    assert {item["ApiId"] for item in first["Items"] + rest["Items"]} == set(apis)
    arn = f"arn:aws:apigateway:us-east-1::/apis/{apis[0]}"
    await v2("TagResource", ResourceArn=arn, Tags={"a": "1", "b": "2"})
    await v2("UntagResource", ResourceArn=arn, TagKeys=["a"])
    assert await v2("GetTags", ResourceArn=arn) == {"Tags": {"b": "2"}}


async def test_a_websocket_api_is_refused_clearly(v2: Aws) -> None:
    refusal = await v2.refused("CreateApi", Name="ws", ProtocolType="WEBSOCKET")
    assert refusal == "NotImplementedException: WebSocket APIs are not supported yet"


@pytest.mark.parametrize(
    "name",
    [
        "access-control-allow-origin",
        "apigw-requestid",
        "Authorization",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Location",
        "Forwarded",
        "Keep-Alive",
        "Origin",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "x-amz-date",
        "x-amzn-trace-id",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Via",
    ],
)
async def test_reserved_headers_are_not_mapped(v2: Aws, name: str) -> None:
    api = await make_api(v2)
    common = {
        "ApiId": api,
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "GET",
        "IntegrationUri": "http://x/",
    }
    for verb in ("append", "overwrite", "remove"):
        target = f"{verb}:header.{name}"
        for parameters in ({"RequestParameters": {target: "a"}}, {"ResponseParameters": {"200": {target: "a"}}}):
            with pytest.raises(BadRequestException, match="restricted"):
                await v2("CreateIntegration", **common, **parameters)
    await v2("CreateIntegration", **common, RequestParameters={f"append:header.my-{name}": "a"})


async def test_ten_scopes_a_route_and_fifty_audiences_an_authorizer(v2: Aws) -> None:
    api = await make_api(v2)

    async def authorizer(audiences: int) -> str:
        configuration = {"Issuer": "https://issuer.example", "Audience": [f"a{n}" for n in range(audiences)]}
        made = await v2(
            "CreateAuthorizer",
            ApiId=api,
            Name="jwt",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration=configuration,
        )
        return str(made["AuthorizerId"])

    with pytest.raises(BadRequestException, match="audiences"):
        await authorizer(51)
    route = {"ApiId": api, "RouteKey": "GET /a", "AuthorizationType": "JWT", "AuthorizerId": await authorizer(50)}
    with pytest.raises(BadRequestException, match="scopes"):
        await v2("CreateRoute", **route, AuthorizationScopes=[f"s{n}" for n in range(11)])
    await v2("CreateRoute", **route, AuthorizationScopes=[f"s{n}" for n in range(10)])


@pytest.mark.parametrize("size", ["²", "0", "-1", "x", ""])
async def test_a_page_size_that_is_no_number_is_refused(v2: Aws, size: str) -> None:
    with pytest.raises(BadRequestException, match="MaxResults must be a number"):
        await v2("GetVpcLinks", MaxResults=size)


@pytest.mark.parametrize(
    "source", ["$request.body..id", "$request.body.items[?(@.a)]", "${request.body.a..b}", "$request.cookie.a"]
)
async def test_sources_that_are_refused(v2: Aws, source: str) -> None:
    api = await make_api(v2)
    common = {
        "ApiId": api,
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "GET",
        "IntegrationUri": "http://x/",
        "PayloadFormatVersion": "1.0",
    }
    refusal = await v2.refused("CreateIntegration", **common, RequestParameters={"append:header.a": source})
    assert refusal == f"BadRequestException: Invalid mapping expression specified: {source}"
    await v2("CreateIntegration", **common, RequestParameters={"append:header.a": "$request.body.items[0].id"})


STAGES = [
    (
        {"RouteSettings": {"GET /none": {"ThrottlingRateLimit": 1}}},
        "NotFoundException: Unable to find Route by key GET ",
    ),
    ({"DefaultRouteSettings": {"LoggingLevel": "INFO"}}, "BadRequestException: Execution logs are not supported on "),
    ({"DefaultRouteSettings": {"DataTraceEnabled": True}}, "BadRequestException: Execution logs are not supported on "),
    ({"AccessLogSettings": {"DestinationArn": "x", "Format": "y"}}, "BadRequestException: Invalid log group ARN"),
    ({"AccessLogSettings": {"Format": "a\nb"}}, "BadRequestException: Access Log format must be single line"),
    ({"AccessLogSettings": {"Format": "a" * 3073}}, "BadRequestException: Access log format exceeds"),
]


@pytest.mark.parametrize(("members", "refusal"), STAGES)
async def test_stage_settings_that_are_refused(v2: Aws, members: dict[str, Any], refusal: str) -> None:
    api = await make_api(v2)
    await make_route(v2, api, "GET /a")
    assert (await v2.refused("CreateStage", ApiId=api, StageName="s", **members)).startswith(refusal)
    await v2("CreateStage", ApiId=api, StageName="s", RouteSettings={"GET /a": {"ThrottlingRateLimit": 1}})
    assert (await v2.refused("UpdateStage", ApiId=api, StageName="s", **members)).startswith(refusal)


async def test_methods_of_cors(v2: Aws) -> None:
    wrong = {"AllowMethods": ["GET", "FETCH"]}
    refusal = await v2.refused("CreateApi", Name="a", ProtocolType="HTTP", CorsConfiguration=wrong)
    assert refusal == "BadRequestException: Invalid method specified in allowMethods: FETCH"
    await v2("CreateApi", Name="a", ProtocolType="HTTP", CorsConfiguration={"AllowMethods": ["GET", "*"]})


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        ({"QueueUrl": "q"}, "Required request parameter(s) missing: MessageBody"),
        ({"QueueUrl": "q", "MessageBody": "b", "Colour": "x"}, "Unsupported request parameter(s) specified: Colour"),
        (
            {"QueueUrl": "q", "MessageBody": "$request.body..x"},
            "Invalid mapping expression specified: $request.body..x",
        ),
        (
            {"QueueUrl": "q", "MessageBody": "a ${request.body.x[} b"},
            "Invalid mapping expression specified: a ${request.body.x[} b",
        ),
    ],
)
async def test_parameters_of_a_subtype(v2: Aws, parameters: dict[str, str], refusal: str) -> None:
    api = await make_api(v2)
    common = {
        "ApiId": api,
        "IntegrationType": "AWS_PROXY",
        "IntegrationSubtype": "SQS-SendMessage",
        "CredentialsArn": "arn:aws:iam::000000000000:role/r",
    }
    refused = await v2.refused("CreateIntegration", **common, RequestParameters=parameters)
    assert refused.startswith(f"BadRequestException: {refusal}")
    allowed = {"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": "1", "Region": "eu-west-1"}
    await v2("CreateIntegration", **common, RequestParameters=allowed)


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"IdentitySource": ["Authorization"]}, "Invalid identity source specified: Authorization"),
        ({"IdentitySource": []}, "JWT authorizers require exactly one identity source"),
        (
            {"AuthorizerPayloadFormatVersion": "2.0"},
            "AuthorizerPayloadFormatVersion can only be set for REQUEST authorizer.",
        ),
        ({"JwtConfiguration": {"Issuer": "x", "Audience": ["a"]}}, "Invalid issuer: x. Issuer must have a valid URL"),
    ],
)
async def test_an_authorizer_that_is_refused(v2: Aws, members: dict[str, Any], refusal: str) -> None:
    api = await make_api(v2)
    good = {
        "Name": "jwt",
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": "https://x", "Audience": ["a"]},
    }
    refused = await v2.refused("CreateAuthorizer", ApiId=api, **{**good, **members})
    assert refused == f"BadRequestException: {refusal}"


@pytest.mark.parametrize(
    ("mapping", "refusal"),
    [
        ({"append:header.a": "$request.header.b"}, "Invalid mapping expression specified: $request.header.b"),
        ({"overwrite:statuscode": "ok"}, "Invalid status code specified for response parameters: ok"),
        ({"append:querystring.a": "b"}, "Invalid mapping expression specified: append:querystring.a"),
    ],
)
async def test_response_parameters_that_are_refused(v2: Aws, mapping: dict[str, str], refusal: str) -> None:
    api = await make_api(v2)
    common = {"ApiId": api, "IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION}
    refused = await v2.refused("CreateIntegration", **common, ResponseParameters={"200": mapping})
    assert refused == f"BadRequestException: {refusal}"
    good = {"overwrite:statuscode": "$response.body.status", "append:header.a": "$response.header.b"}
    await v2("CreateIntegration", **common, ResponseParameters={"200": good})


async def test_routes_are_selected_by_method_and_path(v2: Aws) -> None:
    common = {"Name": "a", "ProtocolType": "HTTP"}
    await v2("CreateApi", **common, RouteSelectionExpression="${request.method} ${request.path}")
    refused = await v2.refused("CreateApi", **common, RouteSelectionExpression="$request.body.action")
    assert refused.startswith("BadRequestException: Invalid route selection expression")


async def test_ten_vpc_links_an_account_and_ten_subnets_a_link(v2: Aws) -> None:
    refused = await v2.refused("CreateVpcLink", Name="v", SubnetIds=[f"subnet-{n}" for n in range(11)])
    assert refused == "BadRequestException: A VPC link can have at most 10 subnets"
    for _ in range(10):
        await v2("CreateVpcLink", Name="v", SubnetIds=[f"subnet-{n}" for n in range(10)])
    refused = await v2.refused("CreateVpcLink", Name="v", SubnetIds=["subnet-1"])
    assert refused.startswith("LimitExceededException: Maximum number of VPC links for this account has been reached.")


async def test_an_update_of_settings_keeps_what_it_does_not_name(v2: Aws) -> None:
    api = await make_api(v2)
    await make_route(v2, api, "GET /a")
    await v2("CreateStage", ApiId=api, StageName="s", DefaultRouteSettings={"ThrottlingBurstLimit": 5})
    updates: list[dict[str, Any]] = [
        {"DefaultRouteSettings": {"ThrottlingRateLimit": 2.0}},
        {"RouteSettings": {"GET /a": {"ThrottlingBurstLimit": 1}}},
        {"RouteSettings": {"GET /a": {"DetailedMetricsEnabled": True}}},
        {"AccessLogSettings": {"DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:g", "Format": "x"}},
        {"AccessLogSettings": {"Format": "$context.requestId"}},
    ]
    for update in updates:
        stage = await v2("UpdateStage", ApiId=api, StageName="s", **update)
    default = {"DetailedMetricsEnabled": False, "ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.0}
    assert stage["DefaultRouteSettings"] == default
    assert stage["RouteSettings"] == {"GET /a": {"ThrottlingBurstLimit": 1, "DetailedMetricsEnabled": True}}
    assert stage["AccessLogSettings"]["Format"] == "$context.requestId"
    assert stage["AccessLogSettings"]["DestinationArn"].endswith(":g")


@pytest.mark.parametrize("source", ["$request.body.a" * 20_000, "${request.body.a" * 20_000], ids=["plain", "embedded"])
async def test_a_long_source_is_read_once(v2: Aws, source: str) -> None:
    api = await make_api(v2)
    started = time.process_time()
    await v2(
        "CreateIntegration",
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri="http://x/",
        RequestParameters={"overwrite:header.a": f"x{source}"},
    )
    assert time.process_time() - started < 2
