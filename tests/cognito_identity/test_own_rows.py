"""A signed-in user of a user pool reads their own rows of a DynamoDB table, and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
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


class App(NamedTuple):
    forecourt: Forecourt
    table: str
    user_pool: str
    client_id: str
    identity_pool: str
    provider: str

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
    role = make_role(own, pool, table)
    own.client("cognito-identity").set_identity_pool_roles(IdentityPoolId=pool, Roles={"authenticated": role})
    return App(own, table, user_pool, client_id, pool, provider)


def make_role(forecourt: Forecourt, pool: str, table: str) -> str:
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
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name, PolicyName="own-rows", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": rows})
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


def test_credentials_end(app: App) -> None:
    ann, keys = app.credentials(app.sign_in("ann"))
    app.forecourt.advance_clock(3601)
    rows = app.forecourt.client("dynamodb", **keys)
    with pytest.raises(ClientError) as caught:
        rows.get_item(TableName=app.table, Key={"owner": {"S": ann}, "id": {"S": "1"}})
    assert caught.value.response["Error"]["Code"] == "ExpiredTokenException"
