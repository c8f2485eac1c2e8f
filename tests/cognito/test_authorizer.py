"""An API's COGNITO_USER_POOLS authorizer takes a pool's tokens, and only good ones of that pool."""

from __future__ import annotations

import httpx
from tests.cognito.test_clients import PASSWORD, make_client, make_pool, make_user

from forecourt.testing import Forecourt


def test_a_rest_api_takes_the_pools_tokens(server: Forecourt) -> None:
    idp, apis = server.client("cognito-idp"), server.client("apigateway")
    pools = [make_pool(idp) for _ in range(2)]
    tokens = []
    for pool in pools:
        make_user(idp, pool)
        client = make_client(idp, pool, ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"])["ClientId"]
        signed_in = idp.initiate_auth(
            ClientId=client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
        )
        tokens.append(signed_in["AuthenticationResult"]["IdToken"])
    api = apis.create_rest_api(name="cognito-authorizer")["id"]
    authorizer = apis.create_authorizer(
        restApiId=api,
        name="pool",
        type="COGNITO_USER_POOLS",
        providerARNs=[idp.describe_user_pool(UserPoolId=pools[0])["UserPool"]["Arn"]],
        identitySource="method.request.header.Authorization",
    )["id"]
    root = apis.get_resources(restApiId=api)["items"][0]["id"]
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    apis.put_method(**place, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer)
    apis.put_integration(**place, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    apis.put_method_response(**place, statusCode="200")
    shown = "$context.authorizer.claims['cognito:username']"
    apis.put_integration_response(**place, statusCode="200", responseTemplates={"application/json": shown})
    apis.create_deployment(restApiId=api, stageName="test")
    url = f"{server.url}/_aws/execute-api/{api}/test/"
    good = httpx.get(url, headers={"Authorization": tokens[0]})
    assert (good.status_code, good.text) == (200, "anna")
    for wrong in (tokens[1], tokens[0][:-4] + "AAAA", "nonsense", ""):
        assert httpx.get(url, headers={"Authorization": wrong}).status_code == 401
    apis.delete_rest_api(restApiId=api)


def test_an_http_api_takes_the_pools_tokens_by_either_name_of_the_issuer(server: Forecourt) -> None:
    """A template that was written for AWS names the issuer `cognito-idp.{region}.amazonaws.com`."""
    idp, apis = server.client("cognito-idp"), server.client("apigatewayv2")
    pool, other = make_pool(idp), make_pool(idp)
    tokens = []
    for each in (pool, other):
        make_user(idp, each)
        client = make_client(idp, each, ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"])["ClientId"]
        tokens.append(
            idp.initiate_auth(
                ClientId=client,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": "anna", "PASSWORD": PASSWORD},
            )["AuthenticationResult"]
            | {"client": client}
        )
    for issuer in (
        f"https://cognito-idp.us-east-1.amazonaws.com/{pool}",
        f"{server.url.replace('127.0.0.1', 'localhost')}/{pool}",
    ):
        made = apis.create_api(Name="jwt-of-pool", ProtocolType="HTTP")["ApiId"]
        authorizer = apis.create_authorizer(
            ApiId=made,
            Name="pool",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer, "Audience": [tokens[0]["client"], tokens[1]["client"]]},
        )["AuthorizerId"]
        integration = apis.create_integration(
            ApiId=made,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri=f"{server.url}/_forecourt/health",
            PayloadFormatVersion="1.0",
        )["IntegrationId"]
        apis.create_route(
            ApiId=made,
            RouteKey="$default",
            Target=f"integrations/{integration}",
            AuthorizationType="JWT",
            AuthorizerId=authorizer,
        )
        apis.create_stage(ApiId=made, StageName="$default", AutoDeploy=True)
        for token, status in (("IdToken", 200), ("AccessToken", 200)):
            for whose, expected in ((tokens[0], status), (tokens[1], 401)):
                answer = httpx.get(
                    f"{server.url}/_aws/execute-api/{made}/", headers={"Authorization": f"Bearer {whose[token]}"}
                )
                assert answer.status_code == expected, (issuer, token, answer.headers)
        apis.delete_api(ApiId=made)
