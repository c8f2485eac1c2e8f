"""Deploys the pet store with nothing but boto3: the same calls would deploy it to AWS.

    python examples/petstore/deploy.py

Run it again after a change: what is there is updated.
"""

import io
import json
import os
import string
import zipfile
from contextlib import suppress
from pathlib import Path

import boto3

HERE = Path(__file__).parent
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "http://localhost:4566").rstrip("/")
NAME, TABLE, STAGE = "petstore", "pets", "dev"

# Forecourt on a loopback address takes any credentials; without some, boto3 would not sign.
session = boto3.Session(
    aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
    aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
    aws_session_token=os.environ.get("AWS_SESSION_TOKEN"),
    region_name=os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1")),
)


def client(service):
    return session.client(service, endpoint_url=ENDPOINT)


def make_table():
    """A DynamoDB table with `id` as its key."""
    dynamodb = client("dynamodb")
    with suppress(dynamodb.exceptions.ResourceInUseException):  # from an earlier run, with its pets
        dynamodb.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE)
    return dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]


def make_role(table_arn):
    """The role that the function acts as: it may use the table and write its log."""
    iam = client("iam")
    trust = policy("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=NAME, PolicyName="pets", PolicyDocument=policy("dynamodb:*", Resource=table_arn))
    iam.attach_role_policy(RoleName=NAME, PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    return iam.get_role(RoleName=NAME)["Role"]["Arn"]


def policy(action, **members):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **members}]})


def make_function(role_arn):
    """The function from functions/pets.py, created or updated."""
    functions = client("lambda")
    code = zip_of(HERE / "functions")
    settings = {
        "FunctionName": NAME,
        "Runtime": "python3.12",
        "Handler": "pets.handler",
        "Role": role_arn,
        "Timeout": 10,
        "MemorySize": 256,
        "Environment": {"Variables": {"TABLE": TABLE}},
    }
    try:
        functions.create_function(**settings, Code={"ZipFile": code})
    except functions.exceptions.ResourceConflictException:
        functions.update_function_code(FunctionName=NAME, ZipFile=code)
        functions.get_waiter("function_updated_v2").wait(FunctionName=NAME)
        functions.update_function_configuration(**settings)
    functions.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    return functions.get_function(FunctionName=NAME)["Configuration"]["FunctionArn"]


def zip_of(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def make_api(function_arn):
    """The API from openapi.yaml, imported anew or over what is there, and deployed."""
    apis = client("apigateway")
    uri = f"arn:aws:apigateway:{session.region_name}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    document = string.Template((HERE / "openapi.yaml").read_text()).safe_substitute(pets=uri, endpoint=ENDPOINT)
    pages = apis.get_paginator("get_rest_apis").paginate()
    existing = [api["id"] for page in pages for api in page["items"] if api["name"] == NAME]
    if existing:
        api_id = existing[0]
        apis.put_rest_api(restApiId=api_id, mode="overwrite", failOnWarnings=True, body=document)
    else:
        api_id = apis.import_rest_api(failOnWarnings=True, body=document)["id"]
    allow_api_to_invoke(function_arn, api_id)
    apis.create_deployment(restApiId=api_id, stageName=STAGE)
    return api_id


def allow_api_to_invoke(function_arn, api_id):
    functions = client("lambda")
    account = function_arn.split(":")[4]
    with suppress(functions.exceptions.ResourceConflictException):  # the permission is there
        functions.add_permission(
            FunctionName=NAME,
            StatementId=f"api-{api_id}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{session.region_name}:{account}:{api_id}/*/*/*",
        )


def main():
    table_arn = make_table()
    function_arn = make_function(make_role(table_arn))
    api_id = make_api(function_arn)
    url = f"{ENDPOINT}/_aws/execute-api/{api_id}/{STAGE}"
    print(f"The pet store is at {url}")
    print(f"""
  curl -s {url}/pets -d '{{"name": "Rex", "type": "dog", "price": 249.99}}'
  curl -s {url}/pets
  curl -s {url}/hello/world
  curl -s {url}/health""")
    return url


if __name__ == "__main__":
    main()
