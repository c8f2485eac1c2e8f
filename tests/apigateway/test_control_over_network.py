"""The control planes through boto3 and the AWS CLI over the network: what only the wire can get wrong."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.apigateway.test_http_import import DOCUMENT as HTTP_DOCUMENT
from tests.apigateway.test_import import SWAGGER, body

from forecourt.testing import Forecourt


@pytest.fixture(scope="module")
def rest(server: Forecourt) -> Any:
    return server.client("apigateway", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def v2(server: Forecourt) -> Any:
    return server.client("apigatewayv2", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def zoo(rest: Any) -> str:
    """The id of an API that was imported and deployed to `prod`."""
    api = rest.import_rest_api(body=body(SWAGGER))["id"]
    rest.create_deployment(restApiId=api, stageName="prod")
    return str(api)


def test_statuses_are_aws_own(rest: Any) -> None:
    created = rest.create_rest_api(name="net", description="d", tags={"a": "b"})
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    api, root = created["id"], created["rootResourceId"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    put = rest.put_method(**method, authorizationType="NONE")
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 201
    rest.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    assert rest.delete_integration(**method)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert rest.delete_rest_api(restApiId=api)["ResponseMetadata"]["HTTPStatusCode"] == 202
    with pytest.raises(rest.exceptions.NotFoundException) as error:
        rest.get_rest_api(restApiId=api)
    assert error.value.response["Error"]["Message"] == f"Invalid API identifier specified 000000000000:{api}"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_issuer_is_asked_when_it_is_configured(v2: Any, server: Forecourt) -> None:
    pool = server.client("cognito-idp").create_user_pool(PoolName="issuer")["UserPool"]["Id"]
    api = v2.create_api(Name="issuers", ProtocolType="HTTP")["ApiId"]
    ours = f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"

    def given(issuer: str) -> dict[str, Any]:
        return {"ApiId": api, "JwtConfiguration": {"Issuer": issuer, "Audience": ["a"]}}

    jwt = {"AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"]}
    made = v2.create_authorizer(Name="ours", **jwt, **given(ours))["AuthorizerId"]
    v2.update_authorizer(AuthorizerId=made, **given(f"{server.url}/{pool}"))
    nobody = f"{server.url}/nobody"
    for call in (
        lambda: v2.create_authorizer(Name="nobody", **jwt, **given(nobody)),
        lambda: v2.update_authorizer(AuthorizerId=made, **given(nobody)),
    ):
        with pytest.raises(v2.exceptions.BadRequestException) as refused:
            call()
        assert refused.value.response["Error"]["Message"].endswith(
            f"Invalid issuer: {nobody}. Issuer must have a valid discovery endpoint ended with "
            "'/.well-known/openid-configuration'"
        )


def test_paginators(rest: Any) -> None:
    api = rest.create_rest_api(name="pages")
    for number in range(60):
        rest.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart=f"p{number:02}")
    pages = list(rest.get_paginator("get_resources").paginate(restApiId=api["id"]))
    assert [len(page["items"]) for page in pages] == [25, 25, 11]
    paths = [item["path"] for page in pages for item in page["items"]]
    assert paths == ["/", *(f"/p{number:02}" for number in range(60))]


def test_a_template_that_is_nothing(rest: Any) -> None:
    api = rest.create_rest_api(name="templates")
    method = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    rest.put_method(**method, authorizationType="NONE")
    rest.put_integration(**method, type="MOCK")
    put = rest.put_integration_response(**method, statusCode="200", responseTemplates={"application/json": ""})
    assert put["responseTemplates"] == {"application/json": None}
    assert rest.get_integration_response(**method, statusCode="200")["responseTemplates"] == {"application/json": None}


def test_exports_and_sdks_are_bytes(rest: Any, zoo: str) -> None:
    result = rest.get_export(
        restApiId=zoo,
        stageName="prod",
        exportType="oas30",
        parameters={"extensions": "apigateway"},
        accepts="application/yaml",
    )
    assert result["contentType"] == "application/yaml"
    assert result["body"].read().startswith(b'---\nopenapi: "3.0.1"')
    sdk = rest.get_sdk(restApiId=zoo, stageName="prod", sdkType="javascript")
    assert sdk["contentDisposition"].startswith("attachment; filename=")
    with zipfile.ZipFile(io.BytesIO(sdk["body"].read())) as archive:
        assert "apiGateway-js-sdk/apigClient.js" in archive.namelist()
    with pytest.raises(ClientError, match="SDK generation is not supported"):
        rest.get_sdk(restApiId=zoo, stageName="prod", sdkType="swift", parameters={"classPrefix": "X"})


def test_tags_by_arn(rest: Any, zoo: str) -> None:
    for arn in (
        f"arn:aws:apigateway:us-east-1::/restapis/{zoo}",
        f"arn:aws:apigateway:us-east-1::/restapis/{zoo}/stages/prod",
    ):
        rest.tag_resource(resourceArn=arn, tags={"team": "zoo/keepers", "x": "y"})
        rest.untag_resource(resourceArn=arn, tagKeys=["x"])
        assert rest.get_tags(resourceArn=arn)["tags"] == {"team": "zoo/keepers"}
    assert rest.get_stage(restApiId=zoo, stageName="prod")["tags"] == {"team": "zoo/keepers"}


def test_method_settings_and_a_canary(rest: Any, zoo: str) -> None:
    updated = rest.update_stage(
        restApiId=zoo,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "12.5"},
            {"op": "replace", "path": "/~1pets~1{id}/GET/caching/enabled", "value": "true"},
            {"op": "replace", "path": "/variables/color", "value": "red"},
        ],
    )
    assert updated["methodSettings"]["*/*"]["throttlingRateLimit"] == 12.5
    assert updated["methodSettings"]["~1pets~1{id}/GET"]["cachingEnabled"] is True
    canary = rest.create_deployment(restApiId=zoo, stageName="prod", canarySettings={"percentTraffic": 20.0})
    stage = rest.get_stage(restApiId=zoo, stageName="prod")
    assert stage["canarySettings"]["deploymentId"] == canary["id"] != stage["deploymentId"]
    promoted = rest.update_stage(
        restApiId=zoo,
        stageName="prod",
        patchOperations=[
            {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
            {"op": "remove", "path": "/canarySettings"},
        ],
    )
    assert promoted["deploymentId"] == canary["id"]
    assert "canarySettings" not in promoted
    summary = rest.get_deployment(restApiId=zoo, deploymentId=canary["id"], embed=["apisummary"])["apiSummary"]
    assert summary["/pets/{id}"]["GET"] == {"authorizationType": "CUSTOM", "apiKeyRequired": True}


def test_keys_plans_and_usage(rest: Any, zoo: str) -> None:
    imported = rest.import_api_keys(
        body=b"Name,key,description,Enabled\nnet-a,abcdefghij0123456789a,first,TRUE\nnet-b,short,second,true\n",
        format="csv",
    )
    assert len(imported["ids"]) == 1
    assert imported["warnings"] == ["Unable to import API key 'net-b': API Key value should be at least 20 characters"]
    key = rest.get_api_key(apiKey=imported["ids"][0], includeValue=True)
    assert (key["name"], key["value"], key["enabled"]) == ("net-a", "abcdefghij0123456789a", True)
    assert "value" not in rest.get_api_keys(nameQuery="net-a")["items"][0]
    with pytest.raises(rest.exceptions.ConflictException, match="API Key already exists"):
        rest.create_api_key(name="again", value="abcdefghij0123456789a")

    plan = rest.create_usage_plan(
        name="net",
        apiStages=[{"apiId": zoo, "stage": "prod"}],
        quota={"limit": 10, "period": "DAY"},
        throttle={"rateLimit": 5.0, "burstLimit": 2},
    )
    subscribed = rest.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    assert subscribed["value"] == key["value"]
    assert [p["id"] for p in rest.get_usage_plans(keyId=key["id"])["items"]] == [plan["id"]]
    with pytest.raises(rest.exceptions.BadRequestException, match="Cannot delete Usage Plan"):
        rest.delete_usage_plan(usagePlanId=plan["id"])
    rest.update_usage_plan(
        usagePlanId=plan["id"], patchOperations=[{"op": "remove", "path": "/apiStages", "value": f"{zoo}:prod"}]
    )
    rest.delete_usage_plan(usagePlanId=plan["id"])
    with pytest.raises(rest.exceptions.NotFoundException, match="Invalid Usage Plan ID specified"):
        rest.get_usage_plan(usagePlanId=plan["id"])


def test_a_client_certificate(rest: Any) -> None:
    made = rest.generate_client_certificate(description="to the backend")
    assert made["pemEncodedCertificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert (made["expirationDate"] - made["createdDate"]).days == 365
    rest.delete_client_certificate(clientCertificateId=made["clientCertificateId"])


def test_the_account_and_logging(rest: Any, zoo: str) -> None:
    info = [{"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}]
    role = "arn:aws:iam::000000000000:role/logs"
    rest.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}])
    with pytest.raises(rest.exceptions.BadRequestException, match="CloudWatch Logs role ARN must be set"):
        rest.update_stage(restApiId=zoo, stageName="prod", patchOperations=info)
    account = rest.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    assert (account["cloudwatchRoleArn"], account["throttleSettings"]["burstLimit"]) == (role, 5000)
    updated = rest.update_stage(restApiId=zoo, stageName="prod", patchOperations=info)
    assert updated["methodSettings"]["*/*"]["loggingLevel"] == "INFO"


def test_domains_and_links(rest: Any, v2: Any, zoo: str) -> None:
    domain = rest.create_domain_name(
        domainName="net.example.com", regionalCertificateArn="arn:c", endpointConfiguration={"types": ["REGIONAL"]}
    )
    assert domain["regionalDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    mapping = rest.create_base_path_mapping(domainName="net.example.com", restApiId=zoo, stage="prod")
    assert mapping["basePath"] == "(none)"
    with pytest.raises(rest.exceptions.BadRequestException, match="doesn't support the slash"):
        rest.create_base_path_mapping(domainName="net.example.com", restApiId=zoo, basePath="a/b")
    # One domain, two APIs to manage it by.
    assert v2.get_domain_name(DomainName="net.example.com")["DomainNameConfigurations"][0]["CertificateArn"] == "arn:c"
    with pytest.raises(rest.exceptions.BadRequestException, match="base path mappings"):
        rest.delete_rest_api(restApiId=zoo)
    rest.delete_domain_name(domainName="net.example.com")
    link = rest.create_vpc_link(name="l", targetArns=["arn:aws:elasticloadbalancing:us-east-1:0:loadbalancer/net/x/y"])
    assert link["status"] == "PENDING"
    assert rest.get_vpc_link(vpcLinkId=link["id"])["status"] == "AVAILABLE"


def test_http_apis(v2: Any) -> None:
    imported = v2.import_api(Body=json.dumps(HTTP_DOCUMENT))
    api = imported["ApiId"]
    assert imported["CorsConfiguration"]["AllowOrigins"] == ["*"]
    stage = v2.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    assert stage["DeploymentId"]
    assert len(v2.get_routes(ApiId=api)["Items"]) == 3
    exported = v2.export_api(ApiId=api, Specification="OAS30", OutputType="YAML", StageName="$default")
    assert exported["body"].read().startswith(b'---\nopenapi: "3.0.1"')
    route = v2.create_route(ApiId=api, RouteKey="GET /more")
    updated = v2.update_route(ApiId=api, RouteId=route["RouteId"], OperationName="more")
    assert updated["OperationName"] == "more"
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api}"
    v2.tag_resource(ResourceArn=arn, Tags={"a": "b"})
    assert v2.get_tags(ResourceArn=arn)["Tags"] == {"a": "b"}
    v2.delete_api(ApiId=api)
    with pytest.raises(v2.exceptions.NotFoundException):
        v2.get_api(ApiId=api)


def test_the_aws_cli(server: Forecourt, tmp_path: Path) -> None:
    document = tmp_path / "api.json"
    document.write_bytes(body(SWAGGER))
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }

    def aws(*arguments: str) -> Any:
        command = [sys.executable, "-m", "awscli", "apigateway", *arguments]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout) if run.stdout.strip() else None

    api = aws("import-rest-api", "--body", f"fileb://{document}", "--parameters", "endpointConfigurationTypes=REGIONAL")
    assert api["endpointConfiguration"]["types"] == ["REGIONAL"]
    aws("create-deployment", "--rest-api-id", api["id"], "--stage-name", "cli")
    patch = "op=replace,path=/*/*/logging/dataTrace,value=true"
    stage = aws("update-stage", "--rest-api-id", api["id"], "--stage-name", "cli", "--patch-operations", patch)
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is True
    target = tmp_path / "export.json"
    aws("get-export", "--rest-api-id", api["id"], "--stage-name", "cli", "--export-type", "swagger", str(target))
    assert json.loads(target.read_text())["swagger"] == "2.0"
    aws("delete-rest-api", "--rest-api-id", api["id"])


def test_others_are_served_while_a_large_definition_is_imported(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(300)}}
    operation = {"responses": {"200": {"description": ""}}}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "large", "version": "1"},
        "paths": {f"/{n}": dict.fromkeys(("get", "put", "post"), operation) for n in range(200)},
        "components": {"schemas": {f"M{n}": schema for n in range(150)}},
    }
    with Forecourt(data=tmp_path) as server, ThreadPoolExecutor(1) as thread:
        importing, others = server.client("apigateway"), server.client("apigateway")
        began = asked = time.perf_counter()
        imported = thread.submit(importing.import_rest_api, body=json.dumps(document))
        longest = 0.0
        while not imported.done():
            others.get_api_keys()
            asked, before = time.perf_counter(), asked
            longest = max(longest, asked - before)
        assert imported.result()["name"] == "large"
    assert longest < (asked - began) / 2


def test_usage_plans_are_not_for_http_apis(rest: Any, v2: Any) -> None:
    api = v2.create_api(Name="planned", ProtocolType="HTTP")["ApiId"]
    plan = rest.create_usage_plan(name="planned")["id"]
    patch = [{"op": "add", "path": "/apiStages", "value": f"{api}:$default"}]
    with pytest.raises(rest.exceptions.BadRequestException, match="Usage plans are not allowed for HTTP Apis"):
        rest.update_usage_plan(usagePlanId=plan, patchOperations=patch)
