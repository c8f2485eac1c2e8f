"""Deployed by boto3 over the network, and called: integrations with other AWS services, IAM, a test invocation."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from forecourt.testing import Forecourt

OK = {"default": {"statusCode": "200"}}
RESPONSES = {"200": {"description": "fine"}, "400": {"description": "not"}}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def deploy(server: Forecourt, paths: Mapping[str, Any], **document: Any) -> str:
    """Imports an OpenAPI document and deploys it. Returns the URL of its stage."""
    body = {"swagger": "2.0", "info": {"title": unique("e2e"), "version": "1"}, "paths": paths, **document}
    apis = server.client("apigateway")
    api = apis.import_rest_api(body=json.dumps(body))["id"]
    apis.create_deployment(restApiId=api, stageName="prod")
    return f"{server.url}/_aws/execute-api/{api}/prod"


def service(uri: str, **settings: Any) -> dict[str, Any]:
    integration = {
        "type": "aws",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:us-east-1:{uri}",
        "credentials": "arn:aws:iam::000000000000:role/integration",
        "responses": OK,
        "passthroughBehavior": "when_no_match",
        **settings,
    }
    return {"x-amazon-apigateway-integration": integration, "responses": RESPONSES}


def templated(template: str) -> dict[str, Any]:
    return {"requestTemplates": {"application/json": template}}


FORM = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}


def test_dynamodb(server: Forecourt) -> None:
    table = unique("pets")
    server.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    put = json.dumps(
        {"TableName": table, "Item": {"id": {"S": "$input.path('$.id')"}, "n": {"S": "$input.path('$.n')"}}}
    )
    get = json.dumps({"TableName": table, "Key": {"id": {"S": "$input.params('id')"}}})
    found = {"default": {"statusCode": "200", "responseTemplates": {"application/json": "$input.path('$.Item.n.S')"}}}
    refused = {"4\\d\\d": {"statusCode": "400"}, **OK}
    url = deploy(
        server,
        {
            "/pets": {"post": service("dynamodb:action/PutItem", **templated(put))},
            "/pets/{id}": {"get": service("dynamodb:action/GetItem", **templated(get), responses=found)},
            "/none": {
                "get": service("dynamodb:action/GetItem", **templated('{"TableName": "none"}'), responses=refused)
            },
        },
    )
    assert requests.post(f"{url}/pets", json={"id": "7", "n": "Rex"}).status_code == 200
    assert requests.get(f"{url}/pets/7").text == "Rex"
    missing = requests.get(f"{url}/none")
    assert missing.status_code == 400
    assert "__type" in missing.json()


def test_sqs_by_path_and_by_action(server: Forecourt) -> None:
    queues = server.client("sqs")
    name = unique("q")
    queue = queues.create_queue(QueueName=name)["QueueUrl"]
    by_path = templated("Action=SendMessage&MessageBody=$util.urlEncode($input.body)") | {"requestParameters": FORM}
    by_action = {
        "requestParameters": {
            "integration.request.querystring.QueueUrl": f"'{queue}'",
            "integration.request.querystring.MessageBody": "method.request.body.text",
        }
    }
    url = deploy(
        server,
        {
            "/path": {"post": service(f"sqs:path/000000000000/{name}", **by_path)},
            "/action": {"post": service("sqs:action/SendMessage", **by_action)},
        },
    )
    sent = requests.post(f"{url}/path", json={"text": "one"})
    assert sent.status_code == 200, sent.text
    assert "SendMessageResponse" in sent.json(), sent.text
    assert sent.json()["SendMessageResponse"]["SendMessageResult"]["MessageId"], sent.text
    sent = requests.post(f"{url}/action", json={"text": "two"})
    assert sent.status_code == 200, sent.text
    bodies = set()
    for _ in range(4):
        for message in queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            bodies.add(message["Body"])
    assert bodies == {'{"text": "one"}', "two"}


def test_sns(server: Forecourt) -> None:
    topic = server.client("sns").create_topic(Name=unique("t"))["TopicArn"]
    template = f"Action=Publish&TopicArn=$util.urlEncode('{topic}')&Message=$util.urlEncode($input.body)"
    url = deploy(server, {"/": {"post": service("sns:path//", **templated(template), requestParameters=FORM)}})
    answer = requests.post(url + "/", json={"a": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["PublishResponse"]["PublishResult"]["MessageId"]


def test_kinesis(server: Forecourt) -> None:
    stream = unique("s")
    server.client("kinesis").create_stream(StreamName=stream, ShardCount=1)
    data = "$util.base64Encode($input.json('$'))"
    template = f'{{"StreamName": "{stream}", "Data": "{data}", "PartitionKey": "$context.requestId"}}'
    url = deploy(server, {"/": {"put": service("kinesis:action/PutRecord", **templated(template))}})
    answer = requests.put(url + "/", json={"a": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["SequenceNumber"]


def test_s3_objects(server: Forecourt) -> None:
    bucket = unique("b")
    server.client("s3").create_bucket(Bucket=bucket)
    names = {
        "integration.request.path.bucket": f"'{bucket}'",
        "integration.request.path.key": "method.request.path.key",
        "integration.request.header.Content-Type": "method.request.header.Content-Type",
    }
    put = service("s3:path/{bucket}/{key}", httpMethod="PUT", requestParameters=names)
    get = service("s3:path/{bucket}/{key}", httpMethod="GET", requestParameters=names)
    declared = [
        {"name": "key", "in": "path", "required": True, "type": "string"},
        {"name": "Content-Type", "in": "header", "type": "string"},
    ]
    url = deploy(server, {"/{key}": {"put": {**put, "parameters": declared}, "get": {**get, "parameters": declared}}})
    answer = requests.put(f"{url}/pet.txt", data="Rex", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 200, answer.text
    assert requests.get(f"{url}/pet.txt").text == "Rex"
    assert server.client("s3").get_object(Bucket=bucket, Key="pet.txt")["Body"].read() == b"Rex"


def test_eventbridge(server: Forecourt) -> None:
    template = (
        '{"Entries": [{"Source": "tests", "DetailType": "pet", '
        '"Detail": "$util.escapeJavaScript($input.json("$"))", "EventBusName": "default"}]}'
    )
    url = deploy(server, {"/": {"post": service("events:action/PutEvents", **templated(template))}})
    answer = requests.post(url + "/", json={"a": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json()["FailedEntryCount"] == 0


def test_step_functions(server: Forecourt) -> None:
    machines = server.client("stepfunctions")
    definition = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    machine = machines.create_state_machine(
        name=unique("m"), definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/states"
    )["stateMachineArn"]
    template = f'{{"stateMachineArn": "{machine}", "input": "$util.escapeJavaScript($input.json("$"))"}}'
    url = deploy(server, {"/": {"post": service("states:action/StartExecution", **templated(template))}})
    answer = requests.post(url + "/", json={"a": 1})
    assert answer.status_code == 200, answer.text
    execution = machines.describe_execution(executionArn=answer.json()["executionArn"])
    assert json.loads(execution["input"]) == {"a": 1}


def signed(url: str, key: str, secret: str, service: str = "execute-api") -> dict[str, str]:
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return dict(request.headers)


def test_aws_iam(server: Forecourt) -> None:
    iam = server.client("iam")
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {
            "default": {"statusCode": "200", "responseTemplates": {"application/json": "$context.identity.userArn"}}
        },
    }
    method = {"x-amazon-apigateway-integration": mock, "responses": RESPONSES, "security": [{"sigv4": []}]}
    scheme = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
    url = deploy(server, {"/a": {"get": method}, "/b": {"get": method}}, securityDefinitions={"sigv4": scheme})
    unsigned = requests.get(f"{url}/a")
    assert (unsigned.status_code, unsigned.json()) == (403, {"message": "Missing Authentication Token"})
    user = unique("caller")
    arn = iam.create_user(UserName=user)["User"]["Arn"]
    keys = iam.create_access_key(UserName=user)["AccessKey"]
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*/prod/GET/a"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy)
    key, secret = keys["AccessKeyId"], keys["SecretAccessKey"]
    allowed = requests.get(f"{url}/a", headers=signed(f"{url}/a", key, secret))
    assert (allowed.status_code, allowed.text) == (200, arn)
    denied = requests.get(f"{url}/b", headers=signed(f"{url}/b", key, secret))
    assert denied.status_code == 403
    assert denied.json()["Message"].startswith(f"User: {arn} is not authorized to perform: execute-api:Invoke")
    forged = requests.get(f"{url}/a", headers=signed(f"{url}/a", key, "wrong"))
    assert forged.status_code == 403
    assert forged.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert requests.get(f"{url}/a", headers=signed(f"{url}/a", key, secret, "states")).status_code == 403
    assert requests.get(f"{url}/a", headers=signed(f"{url}/a", key, secret)).text == arn
    iam.delete_user_policy(UserName=user, PolicyName="p")
    assert requests.get(f"{url}/a", headers=signed(f"{url}/a", key, secret)).status_code == 403
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy)
    assert requests.get(f"{url}/a", headers=signed(f"{url}/a", key, secret)).text == arn
    iam.update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")
    assert requests.get(f"{url}/a", headers=signed(f"{url}/a", key, secret)).status_code == 403


def test_a_test_invocation_tells_what_happened(server: Forecourt) -> None:
    apis = server.client("apigateway")
    api = apis.create_rest_api(name=unique("tested"))["id"]
    root = apis.get_resources(restApiId=api)["items"][0]["id"]
    here = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    apis.put_method(**here, authorizationType="NONE")
    apis.put_integration(**here, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    apis.put_method_response(**here, statusCode="200")
    apis.put_integration_response(
        **here, statusCode="200", responseTemplates={"application/json": "$input.params('q') $stageVariables.v"}
    )
    tested = apis.test_invoke_method(**here, pathWithQueryString="/?q=1", stageVariables={"v": "x"})
    assert (tested["status"], tested["body"]) == (200, "1 x")
    assert "Method completed with status: 200" in tested["log"]


@pytest.mark.parametrize("host", [False, True])
def test_by_host_and_by_path(server: Forecourt, host: bool) -> None:
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {
            "default": {"statusCode": "200", "responseTemplates": {"application/json": "$context.domainName"}}
        },
    }
    url = deploy(server, {"/x": {"get": {"x-amazon-apigateway-integration": mock, "responses": RESPONSES}}})
    api = url.split("/")[-2]
    name = f"{api}.execute-api.us-east-1.amazonaws.com"
    answer = (
        requests.get(f"{server.url}/prod/x", headers={"Host": f"{api}.execute-api.localhost"})
        if host
        else requests.get(f"{url}/x")
    )
    assert (answer.status_code, answer.text) == (200, f"{api}.execute-api.localhost" if host else name)


def test_an_http_api_made_in_one_call(server: Forecourt) -> None:
    """Quick create: a `$default` route and a `$default` stage that deploys by itself, in front of Forecourt itself."""
    apis = server.client("apigatewayv2")
    api = apis.create_api(Name=unique("quick"), ProtocolType="HTTP", Target=f"{server.url}/_forecourt/health")["ApiId"]
    base = f"{server.url}/_aws/execute-api/{api}"
    answer = requests.get(f"{base}/")
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    integration = apis.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationSubtype="EventBridge-PutEvents",
        PayloadFormatVersion="1.0",
        CredentialsArn="arn:aws:iam::000000000000:role/events",
        RequestParameters={"Detail": "$request.body", "DetailType": "pet", "Source": "${context.stage}"},
    )["IntegrationId"]
    apis.create_route(ApiId=api, RouteKey="POST /events", Target=f"integrations/{integration}")
    sent = requests.post(f"{base}/events", json={"a": 1})
    assert (sent.status_code, sent.json()["FailedEntryCount"]) == (200, 0), sent.text


def test_access_logs_name_the_functions_request(server: Forecourt) -> None:
    """`$context.integration.requestId` is what the function itself, and its log, call the request."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return {'body': context.aws_request_id}\n")
    name = unique("echo-id")
    functions, logs = server.client("lambda"), server.client("logs")
    arn = functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    functions.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    group = unique("access")
    logs.create_log_group(logGroupName=group)
    uri = f"lambda:path/2015-03-31/functions/{arn}/invocations"
    custom = {"responses": {"default": {"statusCode": "200"}}}
    paths = {"/proxy": {"get": service(uri, type="aws_proxy")}, "/custom": {"get": service(uri, **custom)}}
    for path in paths.values():
        del path["get"]["x-amazon-apigateway-integration"]["credentials"]
    url = deploy(server, paths)
    api = url.rsplit("/", 2)[1]
    destination = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    settings = {"destinationArn": destination, "format": "$context.requestId $context.integration.requestId"}
    operations = [{"op": "replace", "path": f"/accessLogSettings/{name}", "value": settings[name]} for name in settings]
    server.client("apigateway").update_stage(restApiId=api, stageName="prod", patchOperations=operations)
    told = [requests.get(f"{url}/proxy").text, requests.get(f"{url}/custom").json()["body"]]
    events = eventually(lambda: logs.filter_log_events(logGroupName=group)["events"], count=2)
    logged = [event["message"].split(" ") for event in events]
    assert [integration for _, integration in logged] == told
    assert all(own != integration for own, integration in logged)


def eventually(look: Callable[[], list[Any]], count: int) -> list[Any]:
    """Logs are written behind the answers."""
    for _ in range(200):
        found = look()
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{len(found)} of {count}")
