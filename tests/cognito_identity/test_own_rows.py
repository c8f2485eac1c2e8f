"""A signed-in user of a user pool reads their own rows of a DynamoDB table, and nothing else."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from pycognito.aws_srp import AWSSRP

from forecourt.testing import Forecourt

ACCOUNT = "000000000000"
REGION = "us-east-1"
COGNITO = "cognito-identity.amazonaws.com"
PASSWORD = "Correct-Horse-1"


@pytest.fixture(scope="module")
def own() -> Iterator[Forecourt]:
    """A server of its own: its clock is moved past the credentials' end."""
    with Forecourt() as forecourt:
        yield forecourt


NODE = Path(__file__).parents[1] / "node"


class App(NamedTuple):
    forecourt: Forecourt
    table: str
    user_pool: str
    client_id: str
    identity_pool: str
    provider: str
    api: str

    def sign_in(self, name: str) -> str:
        """The ID token, by SRP."""
        srp = AWSSRP(
            username=name,
            password=PASSWORD,
            pool_id=self.user_pool,
            client_id=self.client_id,
            client=self.forecourt.client("cognito-idp"),
        )
        token: str = srp.authenticate_user()["AuthenticationResult"]["IdToken"]
        return token

    def credentials(self, token: str) -> tuple[str, dict[str, str]]:
        """The identity's id, and what its clients sign with."""
        pools = self.forecourt.client("cognito-identity")
        logins = {self.provider: token}
        identity = pools.get_id(IdentityPoolId=self.identity_pool, Logins=logins)["IdentityId"]
        found = pools.get_credentials_for_identity(IdentityId=identity, Logins=logins)["Credentials"]
        return identity, {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretKey"],
            "aws_session_token": found["SessionToken"],
        }


@pytest.fixture(scope="module")
def app(own: Forecourt) -> App:
    table = f"notes-{uuid.uuid4().hex[:6]}"
    own.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("owner", "id")],
        BillingMode="PAY_PER_REQUEST",
    )
    users = own.client("cognito-idp")
    user_pool = users.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client = users.create_user_pool_client(
        UserPoolId=user_pool, ClientName="app", ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )
    client_id = client["UserPoolClient"]["ClientId"]
    for name in ("ann", "bob"):
        users.admin_create_user(UserPoolId=user_pool, Username=name, MessageAction="SUPPRESS")
        users.admin_set_user_password(UserPoolId=user_pool, Username=name, Password=PASSWORD, Permanent=True)
    provider = f"cognito-idp.{REGION}.amazonaws.com/{user_pool}"
    pool = own.client("cognito-identity").create_identity_pool(
        IdentityPoolName="app",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[{"ProviderName": provider, "ClientId": client_id}],
    )["IdentityPoolId"]
    api = make_api(own)
    role = make_role(own, pool, table, api)
    own.client("cognito-identity").set_identity_pool_roles(IdentityPoolId=pool, Roles={"authenticated": role})
    return App(own, table, user_pool, client_id, pool, provider, api)


def make_api(forecourt: Forecourt) -> str:
    """GET /notes and GET /secrets, both for signed requests only."""
    apis = forecourt.client("apigateway")
    api: str = apis.create_rest_api(name="notes")["id"]
    root = apis.get_resources(restApiId=api)["items"][0]["id"]
    for part in ("notes", "secrets"):
        resource = apis.create_resource(restApiId=api, parentId=root, pathPart=part)["id"]
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        apis.put_method(**method, authorizationType="AWS_IAM")
        apis.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        apis.put_method_response(**method, statusCode="200")
        apis.put_integration_response(**method, statusCode="200", responseTemplates={"application/json": f'"{part}"'})
    apis.create_deployment(restApiId=api, stageName="prod")
    return api


def make_role(forecourt: Forecourt, pool: str, table: str, api: str) -> str:
    iam, name = forecourt.client("iam"), f"member-{uuid.uuid4().hex[:6]}"
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": COGNITO},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{COGNITO}:aud": pool},
            "ForAnyValue:StringLike": {f"{COGNITO}:amr": "authenticated"},
        },
    }
    rows = {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem", "dynamodb:Query"],
        "Resource": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}",
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [f"${{{COGNITO}:sub}}"]}},
    }
    invoke = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/prod/GET/notes",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name,
        PolicyName="own-rows",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [rows, invoke]}),
    )
    return arn


def denied(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException", caught.value
    message: str = caught.value.response["Error"]["Message"]
    return message


def test_own_rows_and_nothing_else(app: App) -> None:
    ann, keys = app.credentials(app.sign_in("ann"))
    bob, _ = app.credentials(app.sign_in("bob"))
    assert ann != bob
    for identity, text in ((ann, "mine"), (bob, "theirs")):
        app.forecourt.client("dynamodb").put_item(
            TableName=app.table, Item={"owner": {"S": identity}, "id": {"S": "1"}, "text": {"S": text}}
        )
    rows = app.forecourt.client("dynamodb", **keys)
    mine = rows.get_item(TableName=app.table, Key={"owner": {"S": ann}, "id": {"S": "1"}})["Item"]
    assert mine["text"] == {"S": "mine"}
    message = denied(rows.get_item, TableName=app.table, Key={"owner": {"S": bob}, "id": {"S": "1"}})
    assert message.endswith("because no identity-based policy allows the dynamodb:GetItem action")
    found = rows.query(
        TableName=app.table,
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": ann}},
    )
    assert found["Count"] == 1
    denied(
        rows.query,
        TableName=app.table,
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": bob}},
    )
    denied(
        rows.query, TableName=app.table, KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "1"}}
    )
    denied(rows.scan, TableName=app.table)
    denied(rows.put_item, TableName=app.table, Item={"owner": {"S": ann}, "id": {"S": "2"}})
    denied(rows.delete_item, TableName=app.table, Key={"owner": {"S": ann}, "id": {"S": "1"}})
    denied(app.forecourt.client("lambda", **keys).list_functions)


def test_a_token_of_another_user_does_not_open_an_identity(app: App) -> None:
    ann, _ = app.credentials(app.sign_in("ann"))
    bobs = {app.provider: app.sign_in("bob")}
    with pytest.raises(ClientError) as caught:
        app.forecourt.client("cognito-identity").get_credentials_for_identity(IdentityId=ann, Logins=bobs)
    assert caught.value.response["Error"]["Code"] == "NotAuthorizedException"


def test_a_pool_that_asks_the_user_pool_turns_disabled_users_away(app: App) -> None:
    """A token says nothing of what happened to its user since."""
    pools, users = app.forecourt.client("cognito-identity"), app.forecourt.client("cognito-idp")
    token = app.sign_in("bob")
    asked = {}
    for checks in (False, True):
        provider = {"ProviderName": app.provider, "ClientId": app.client_id, "ServerSideTokenCheck": checks}
        asked[checks] = pools.create_identity_pool(
            IdentityPoolName="checks", AllowUnauthenticatedIdentities=False, CognitoIdentityProviders=[provider]
        )["IdentityPoolId"]
        pools.get_id(IdentityPoolId=asked[checks], Logins={app.provider: token})
    users.admin_disable_user(UserPoolId=app.user_pool, Username="bob")
    try:
        pools.get_id(IdentityPoolId=asked[False], Logins={app.provider: token})
        with pytest.raises(ClientError) as caught:
            pools.get_id(IdentityPoolId=asked[True], Logins={app.provider: token})
        assert caught.value.response["Error"]["Code"] == "NotAuthorizedException"
    finally:
        users.admin_enable_user(UserPoolId=app.user_pool, Username="bob")


def signed_get(app: App, path: str, keys: dict[str, str]) -> tuple[int, str]:
    request = AWSRequest("GET", f"{app.forecourt.url}/_aws/execute-api/{app.api}/prod{path}")
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys["aws_session_token"])
    SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
    answer = httpx.get(request.url, headers=dict(request.headers))
    return answer.status_code, answer.text


def test_an_api_that_asks_for_iam(app: App) -> None:
    _, keys = app.credentials(app.sign_in("ann"))
    assert signed_get(app, "/notes", keys) == (200, '"notes"')
    status, text = signed_get(app, "/secrets", keys)
    assert status == 403
    assert "is not authorized to perform: execute-api:Invoke on resource" in text
    status, text = signed_get(app, "/notes", {**keys, "aws_secret_access_key": "guess"})
    assert (status, "signature we calculated does not match" in text) == (403, True)


def test_the_javascript_sdk(app: App) -> None:
    token = app.sign_in("ann")
    ann, _ = app.credentials(token)
    bob, _ = app.credentials(app.sign_in("bob"))
    for identity, text in ((ann, "mine"), (bob, "theirs")):
        app.forecourt.client("dynamodb").put_item(
            TableName=app.table, Item={"owner": {"S": identity}, "id": {"S": "1"}, "text": {"S": text}}
        )
    given = {
        "endpoint": app.forecourt.url,
        "region": REGION,
        "identityPoolId": app.identity_pool,
        "provider": app.provider,
        "token": token,
        "table": app.table,
        "other": bob,
        "api": app.api,
    }
    run = subprocess.run(
        ["node", str(NODE / "own_rows.mjs"), json.dumps(given)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert (seen["identity"], seen["own"]) == (ann, "mine")
    assert (seen["other"], seen["write"]) == ("AccessDeniedException", "AccessDeniedException")
    assert seen["allowed"] == [200, '"notes"']
    assert (seen["denied"][0], seen["unsigned"][0]) == (403, 403)


def test_credentials_end(app: App) -> None:
    ann, keys = app.credentials(app.sign_in("ann"))
    app.forecourt.advance_clock(3601)
    rows = app.forecourt.client("dynamodb", **keys)
    with pytest.raises(ClientError) as caught:
        rows.get_item(TableName=app.table, Key={"owner": {"S": ann}, "id": {"S": "1"}})
    assert caught.value.response["Error"]["Code"] == "ExpiredTokenException"
