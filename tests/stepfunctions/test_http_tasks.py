"""HTTP tasks and API Gateway tasks over the network: connections, merging, encodings, redaction, signatures, errors."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import pytest
from botocore.config import Config

from forecourt.testing import Forecourt

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

ROLE = "arn:aws:iam::000000000000:role/states"
HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Site:
    """An HTTP server that remembers what it was asked, and answers from a list (the last answer stays)."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[tuple[int, str, bytes]] = [(200, "application/json", b'{"ok":true}')]
        site = self

        class Handler(BaseHTTPRequestHandler):
            def handle_all(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                if self.path.startswith("/token"):
                    self.token(asked)
                    return
                site.asked.append(asked)
                status, kind, data = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                self.answer(status, kind, data)

            def token(self, asked: Asked) -> None:
                site.tokens.append(asked)
                data = {"access_token": f"token-{len(site.tokens)}", "expires_in": 3600}
                self.answer(200, "application/json", json.dumps(data).encode())

            def answer(self, status: int, kind: str, data: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_HEAD = do_PATCH = do_DELETE = do_OPTIONS = handle_all

            def log_message(self, *args: Any) -> None:
                pass

        self.tokens: list[Asked] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    it = Site()
    yield it
    it.server.shutdown()
    it.server.server_close()


@pytest.fixture(scope="module")
def sfn(server: Forecourt) -> SFNClient:
    return server.client("stepfunctions", config=Config(parameter_validation=False, inject_host_prefix=False))


def connect(server: Forecourt, kind: str, **parameters: Any) -> str:
    events = server.client("events")
    name = f"c-{uuid.uuid4().hex}"
    created = events.create_connection(Name=name, AuthorizationType=kind, AuthParameters=parameters)  # type: ignore[arg-type]
    return created["ConnectionArn"]


def basic(server: Forecourt, **extra: Any) -> str:
    credentials = {"Username": "ada", "Password": "pw"}
    return connect(server, "BASIC", BasicAuthParameters=credentials, **extra)


def http(sfn: SFNClient, url: str, connection: str, inspect: bool = False, **more: Any) -> dict[str, Any]:
    parameters = {
        "ApiEndpoint": url,
        "Method": "POST",
        "Authentication": {"ConnectionArn": connection},
        **{name: value for name, value in more.items() if name != "reveal"},
    }
    state = {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": parameters, "End": True}
    level = "TRACE" if inspect else "INFO"
    return dict(
        sfn.test_state(
            definition=json.dumps(state), roleArn=ROLE, inspectionLevel=level, revealSecrets=bool(more.get("reveal"))
        )
    )


def test_a_request_and_its_result(server: Forecourt, sfn: SFNClient, site: Site) -> None:
    answer = http(
        sfn, f"{site.url}/orders?x=0", basic(server), QueryParameters={"q": ["1", "2"], "n": 5},
        Headers={"X-Mine": " y "}, RequestBody={"a": 1},
    )  # fmt: skip
    result = json.loads(answer["output"])
    assert (result["StatusCode"], result["StatusText"], result["ResponseBody"]) == (200, "OK", {"ok": True})
    assert result["Headers"]["content-type"] == ["application/json"]
    asked = site.asked[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/orders?x=0&q=1&q=2&n=5", '{"a":1}')
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"ada:pw").decode()
    assert asked.headers["x-mine"] == "y"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"] == "Amazon|StepFunctions|HttpInvoke|us-east-1"
    assert asked.headers["range"] == "bytes=0-262144"


def test_the_connection_goes_before_the_definition(server: Forecourt, sfn: SFNClient, site: Site) -> None:
    connection = basic(
        server,
        InvocationHttpParameters={
            "HeaderParameters": [{"Key": "x-both", "Value": "theirs"}],
            "QueryStringParameters": [{"Key": "both", "Value": "theirs"}],
            "BodyParameters": [{"Key": "both", "Value": "theirs"}, {"Key": "only", "Value": "theirs"}],
        },
    )
    given: dict[str, Any] = {
        "Headers": {"X-Both": "mine", "Authorization": "mine"},
        "QueryParameters": {"both": "mine", "own": "mine"},
        "RequestBody": {"both": "mine", "own": "mine"},
    }
    assert http(sfn, f"{site.url}/", connection, **given)["status"] == "SUCCEEDED"
    asked = site.asked[0]
    assert asked.headers["x-both"] == "theirs"
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.path == "/?own=mine&both=theirs"
    assert json.loads(asked.body) == {"both": "theirs", "own": "mine", "only": "theirs"}
    failed = http(sfn, f"{site.url}/", connection, RequestBody="text")
    assert (failed["status"], failed["error"]) == ("FAILED", "States.Runtime")


def test_what_a_connection_adds_is_shown_only_where_it_is_asked_for(
    server: Forecourt, sfn: SFNClient, site: Site
) -> None:
    connection = basic(
        server,
        InvocationHttpParameters={
            "QueryStringParameters": [{"Key": "key", "Value": "sesame"}],
            "BodyParameters": [{"Key": "pin", "Value": "1234"}],
        },
    )
    given: dict[str, Any] = {"Headers": {"a": "b"}, "RequestBody": {"c": "d"}}
    shown = http(sfn, f"{site.url}/x", connection, inspect=True, **given)["inspectionData"]
    request, response = shown["request"], shown["response"]
    assert (request["protocol"], request["method"]) == ("http", "POST")
    assert request["url"] == f"{site.url}/x?key={HIDDEN}"
    assert f"Authorization: {HIDDEN}" in request["headers"]
    assert "a: b" in request["headers"]
    assert request["headers"].startswith("[")
    assert json.loads(request["body"]) == {"c": "d", "pin": HIDDEN}
    assert (response["protocol"], response["statusCode"], response["statusMessage"]) == ("http", "200", "OK")
    assert "content-type: application/json" in response["headers"]
    assert response["body"] == '{"ok":true}'
    assert "1234" not in json.dumps(shown)
    shown = http(sfn, f"{site.url}/x", connection, inspect=True, reveal=True, **given)["inspectionData"]
    assert shown["request"]["url"] == f"{site.url}/x?key=sesame"
    assert json.loads(shown["request"]["body"])["pin"] == "1234"


def test_an_api_key(server: Forecourt, sfn: SFNClient, site: Site) -> None:
    connection = connect(server, "API_KEY", ApiKeyAuthParameters={"ApiKeyName": "X-Key", "ApiKeyValue": "open"})
    assert http(sfn, site.url, connection)["status"] == "SUCCEEDED"
    assert site.asked[0].headers["x-key"] == "open"


def test_oauth_tokens_are_kept_and_renewed_once_where_they_are_refused(
    server: Forecourt, sfn: SFNClient, site: Site
) -> None:
    connection = connect(
        server,
        "OAUTH_CLIENT_CREDENTIALS",
        OAuthParameters={
            "ClientParameters": {"ClientID": "id", "ClientSecret": "secret"},
            "AuthorizationEndpoint": f"{site.url}/token",
            "HttpMethod": "POST",
            "OAuthHttpParameters": {"BodyParameters": [{"Key": "scope", "Value": "all"}]},
        },
    )
    for _ in range(2):
        assert http(sfn, site.url, connection)["status"] == "SUCCEEDED"
    assert [asked.headers["authorization"] for asked in site.asked] == ["Bearer token-1"] * 2
    [token] = site.tokens
    assert token.headers["authorization"] == "Basic " + base64.b64encode(b"id:secret").decode()
    assert dict(parse_qsl(token.body)) == {"grant_type": "client_credentials", "scope": "all"}
    site.answers = [(401, "text/plain", b"too old"), (200, "text/plain", b"fine")]
    answer = http(sfn, site.url, connection)
    assert json.loads(answer["output"])["ResponseBody"] == "fine"
    assert [asked.headers["authorization"] for asked in site.asked[2:]] == ["Bearer token-1", "Bearer token-2"]
    site.answers = [(401, "text/plain", b"never")]
    assert http(sfn, site.url, connection)["error"] == "States.Http.StatusCode.401"
    assert len(site.asked) == 6


def test_an_authorization_endpoint_that_gives_no_token(server: Forecourt, sfn: SFNClient, site: Site) -> None:
    site.answers = [(500, "text/plain", b"down")]
    connection = connect(
        server,
        "OAUTH_CLIENT_CREDENTIALS",
        OAuthParameters={
            "ClientParameters": {"ClientID": "id", "ClientSecret": "secret"},
            "AuthorizationEndpoint": f"{site.url}/no-token",
            "HttpMethod": "GET",
        },
    )
    answer = http(sfn, site.url, connection)
    assert answer["error"] == "Events.ConnectionResource.InvalidConnectionState"
    assert "secret" not in answer["cause"]


@pytest.mark.parametrize(
    ("style", "body"),
    [
        (None, "a%5B0%5D=1&a%5B1%5D=x+y&o%5Bp%5D=q&n="),
        ("INDICES", "a%5B0%5D=1&a%5B1%5D=x+y&o%5Bp%5D=q&n="),
        ("BRACKETS", "a%5B%5D=1&a%5B%5D=x+y&o%5Bp%5D=q&n="),
        ("REPEAT", "a=1&a=x+y&o%5Bp%5D=q&n="),
        ("COMMAS", "a=1%2Cx+y&o%5Bp%5D=q&n="),
    ],
)
def test_forms(server: Forecourt, sfn: SFNClient, site: Site, style: str | None, body: str) -> None:
    transform: dict[str, Any] = {"RequestBodyEncoding": "URL_ENCODED"}
    if style is not None:
        transform["RequestEncodingOptions"] = {"ArrayFormat": style}
    given = {"a": [1, "x y"], "o": {"p": "q"}, "n": None}
    http(sfn, site.url, basic(server), RequestBody=given, Transform=transform)
    assert site.asked[0].body == body
    assert site.asked[0].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("answer", "error", "cause"),
    [
        ((404, "application/json", b'{"no":1}'), "States.Http.StatusCode.404", '{"no":1}'),
        ((503, "text/plain", b""), "States.Http.StatusCode.503", "Service Unavailable"),
        ((200, "image/png", b"\x89PNG"), "States.Runtime", "The response's content type 'image/png' is not supported"),
    ],
    ids=["not found", "empty", "picture"],
)
def test_replies_that_fail(
    server: Forecourt, sfn: SFNClient, site: Site, answer: tuple[int, str, bytes], error: str, cause: str
) -> None:
    site.answers = [answer]
    failed = http(sfn, site.url, basic(server))
    assert (failed["error"], failed["cause"]) == (error, cause)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"Headers": {"Host": "elsewhere"}}, "States.Runtime"),
        ({"Headers": {"X-Forwarded-For": "1.2.3.4"}}, "States.Runtime"),
        ({"Method": "TRACE"}, "States.Runtime"),
        ({"ApiEndpoint": 5}, "States.Runtime"),
        ({"ApiEndpoint": "http://127.0.0.1:1/"}, "States.Http.Socket"),
        ({"ApiEndpoint": "file:///etc/passwd"}, "States.Http.Socket"),
        (
            {"Authentication": {"ConnectionArn": "arn:aws:events:us-east-1:000000000000:connection/gone/1"}},
            "Events.ConnectionResource.ResourceNotFound",
        ),
        ({"Authentication": {}}, "States.Runtime"),
    ],
)
def test_requests_that_are_not_sent(
    server: Forecourt, sfn: SFNClient, site: Site, more: dict[str, Any], error: str
) -> None:
    assert http(sfn, site.url, basic(server), **more)["error"] == error
    assert not site.asked


# --- API Gateway ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def api(server: Forecourt) -> str:
    """A REST API that answers with what it was asked: `GET /{id}` for all, `POST /{id}` for who is signed in."""
    client = server.client("apigateway")
    api_id = client.create_rest_api(name=f"pets-{time.time_ns()}")["id"]
    parent = client.get_resources(restApiId=api_id)["items"][0]["id"]
    resource = client.create_resource(restApiId=api_id, parentId=parent, pathPart="{id}")["id"]
    echo = '{"id":"$input.params(\'id\')","q":"$input.params(\'q\')","arn":"$context.identity.userArn"}'
    for method, auth in (("GET", "NONE"), ("POST", "AWS_IAM")):
        place: dict[str, Any] = {"restApiId": api_id, "resourceId": resource, "httpMethod": method}
        client.put_method(**place, authorizationType=auth)
        templates = {"application/json": '{"statusCode": 200}'}
        client.put_integration(**place, type="MOCK", requestTemplates=templates)
        client.put_method_response(**place, statusCode="200")
        client.put_integration_response(**place, statusCode="200", responseTemplates={"application/json": echo})
    client.create_deployment(restApiId=api_id, stageName="prod")
    return f"{api_id}.execute-api.us-east-1.amazonaws.com"


def invoke(sfn: SFNClient, api: str, **more: Any) -> dict[str, Any]:
    parameters = {"ApiEndpoint": api, "Method": "GET", "Stage": "prod", "Path": "/7", **more}
    state = {"Type": "Task", "Resource": "arn:aws:states:::apigateway:invoke", "Parameters": parameters, "End": True}
    return dict(sfn.test_state(definition=json.dumps(state), roleArn=ROLE))


def test_an_api_of_ours(sfn: SFNClient, api: str) -> None:
    answer = invoke(sfn, api, QueryParameters={"q": ["a b"]})
    result = json.loads(answer["output"])
    assert (result["StatusCode"], result["StatusText"]) == (200, "OK")
    assert {name.lower() for name in result["Headers"]} >= {"content-type", "x-amzn-requestid"}
    shown = result["ResponseBody"]
    assert (shown["id"], shown["q"], shown["arn"]) == ("7", "a b", "")


@pytest.mark.parametrize("auth", ["IAM_ROLE", "RESOURCE_POLICY"])
def test_signed_as_the_role(sfn: SFNClient, api: str, auth: str) -> None:
    answer = invoke(sfn, api, Method="POST", RequestBody={"a": 1}, AuthType=auth)
    shown = json.loads(answer["output"])["ResponseBody"]
    assert shown["arn"].startswith("arn:aws:sts::000000000000:assumed-role/states/")


def test_null_values_are_sent_where_they_are_allowed(server: Forecourt, sfn: SFNClient, site: Site) -> None:
    api = server.client("apigatewayv2").create_api(Name="n", ProtocolType="HTTP", Target=site.url)["ApiId"]
    given: dict[str, Any] = {
        "Method": "PUT",
        "Stage": None,
        "Path": "x",
        "Headers": {"X-Mine": ["1", "2"]},
        "RequestBody": {"a": None, "b": [1]},
    }
    host = f"{api}.execute-api.us-east-1.amazonaws.com"
    assert invoke(sfn, host, **given)["status"] == "SUCCEEDED"
    assert invoke(sfn, host, **given, AllowNullValues=True)["status"] == "SUCCEEDED"
    assert site.asked[0].headers["x-mine"] == "1,2"
    assert [asked.body for asked in site.asked] == ['{"b":[1]}', '{"a":null,"b":[1]}']


def test_unsigned_where_a_signature_is_asked_for(sfn: SFNClient, api: str) -> None:
    failed = invoke(sfn, api, Method="POST", RequestBody={})
    assert failed["error"] == "ApiGateway.403"
    assert json.loads(failed["cause"]) == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize(
    "more",
    [{"Headers": {"X-Amz-Date": "x"}}, {"Headers": {"Host": "x"}}, {"AuthType": "MAGIC"}, {"Method": "TRACE"}],
)
def test_api_calls_that_make_no_sense(sfn: SFNClient, api: str, more: dict[str, Any]) -> None:
    assert invoke(sfn, api, **more)["error"] == "States.Runtime"
