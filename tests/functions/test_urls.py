"""Function URLs: events, responses and cross-origin headers as cases; requests through the ASGI side."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.functions.harness import Lambda

from forecourt.auth.authenticate import Authenticator
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.sessions import Sessions
from forecourt.auth.supplies import Grants, Owned, Unfinished
from forecourt.base.ids import Ids
from forecourt.base.principal import Principal
from forecourt.services.functions.names import parse_function
from forecourt.services.functions.urls.cors import headers_for
from forecourt.services.functions.urls.event import UrlRequest, make_event
from forecourt.services.functions.urls.response import BadResult, from_prelude, from_result

JSON = (b"content-type", b"application/json")


def request(**more: Any) -> UrlRequest:
    values: dict[str, Any] = {
        "url_id": "abc", "domain": "abc.lambda-url.us-east-1.on.aws", "method": "GET", "raw_path": b"/", "query": b"",
        "headers": [], "body": b"", "source_ip": "127.0.0.1", "request_id": "id", "principal": None,
        "now": 1_700_000_000.0,
    }  # fmt: skip
    return UrlRequest(**{**values, **more})


def test_the_event_is_payload_format_2() -> None:
    event = make_event(
        request(
            method="POST",
            raw_path=b"/a%20b",
            query=b"x=1&x=2&y=",
            headers=[(b"X-One", b"1"), (b"x-one", b"2"), (b"cookie", b"a=1; b=2"), (b"content-type", b"text/plain")],
            body="ü".encode(),
        )
    )
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a b",
        "rawQueryString": "x=1&x=2&y=",
        "cookies": ["a=1", "b=2"],
        "headers": {"x-one": "1,2", "content-type": "text/plain"},
        "queryStringParameters": {"x": "1,2", "y": ""},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abc",
            "http": {
                "method": "POST", "path": "/a b", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "14/Nov/2023:22:13:20 +0000",
            "timeEpoch": 1_700_000_000_000,
        },
        "body": "ü",
        "isBase64Encoded": False,
    }  # fmt: skip


def test_a_binary_body_travels_as_base64() -> None:
    event = make_event(request(body=b"\x00\xff", headers=[(b"content-type", b"image/png")]))
    assert (event["isBase64Encoded"], base64.b64decode(event["body"])) == (True, b"\x00\xff")


RESULTS: list[tuple[Any, tuple[int, list[tuple[bytes, bytes]], bytes] | None]] = [
    ({"statusCode": 201, "body": "x"}, (201, [JSON], b"x")),
    ({"statusCode": "404"}, (404, [JSON], b"")),
    ({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}, (200, [JSON], b"\x00\xff")),
    ({"statusCode": 200, "body": {"a": 1}}, (200, [JSON], b'{"a": 1}')),
    (
        {"statusCode": 302, "headers": {"Location": "/x", "Content-Type": "text/html"}, "cookies": ["a=1", "b=2"]},
        (302, [(b"location", b"/x"), (b"content-type", b"text/html"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")],
         b""),
    ),
    ({"statusCode": 200, "headers": {"X-N": 5, "Content-Length": "999"}}, (200, [(b"x-n", b"5"), JSON], b"")),
    ({"message": "hi"}, (200, [JSON], b'{"message": "hi"}')),
    ("plain", (200, [JSON], b"plain")),
    (None, (200, [JSON], b"null")),
    ({"statusCode": "many"}, None),
    ({"statusCode": 99}, None),
    ({"statusCode": 200, "headers": {"x": "a\r\nb: c"}}, None),
    ({"statusCode": 200, "headers": "x"}, None),
    ({"statusCode": 200, "body": "A", "isBase64Encoded": True}, None),
]  # fmt: skip


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_what_a_result_means(result: Any, expected: Any) -> None:
    payload = json.dumps(result).encode()
    if expected is None:
        with pytest.raises(BadResult):
            from_result(payload)
    else:
        response = from_result(payload)
        assert (response.status, response.headers, response.body) == expected


def test_a_prelude_says_status_and_headers() -> None:
    assert from_prelude(b'{"statusCode": 202, "headers": {"X": "1"}}') == (202, [(b"x", b"1"), JSON])
    assert from_prelude(b"{}") == (200, [JSON])


CORS: list[tuple[dict[str, Any], str, bool, dict[bytes, bytes]]] = [
    ({"AllowOrigins": ["*"]}, "https://a", False, {b"access-control-allow-origin": b"*"}),
    ({"AllowOrigins": ["https://a"]}, "https://b", False, {}),
    ({"AllowOrigins": ["https://a"]}, "", False, {}),
    ({"AllowOrigins": ["https://a"]}, "https://a", False,
     {b"access-control-allow-origin": b"https://a", b"vary": b"Origin"}),
    ({"AllowOrigins": ["*"], "AllowCredentials": True}, "https://a", False,
     {b"access-control-allow-origin": b"https://a", b"vary": b"Origin", b"access-control-allow-credentials": b"true"}),
    ({"AllowOrigins": ["*"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x"], "MaxAge": 60}, "https://a", True,
     {b"access-control-allow-origin": b"*", b"access-control-allow-methods": b"GET,PUT",
      b"access-control-allow-headers": b"x", b"access-control-max-age": b"60"}),
]  # fmt: skip


@pytest.mark.parametrize(("cors", "origin", "preflight", "expected"), CORS)
def test_cross_origin_headers(cors: dict[str, Any], origin: str, preflight: bool, expected: dict[bytes, bytes]) -> None:
    assert dict(headers_for(cors, origin, preflight=preflight)) == expected


class NobodyAllowed:
    """No identity policies: only the function's own policy lets somebody in."""

    def remembered(self, of: object) -> None:
        return None

    async def grants(self, principal: Principal) -> Grants:
        return Grants(identity=())

    async def access_key(self, access_key_id: str) -> None:
        return None


class Site:
    """Requests to function URLs, as the edge would pass them on."""

    def __init__(self, functions: Lambda) -> None:
        self.functions = functions
        authorizer = PolicyAuthorizer(identities=NobodyAllowed(), clock=functions.clock, mode="enforce")
        authorizer.register_resource_policy("lambda", self._policy)
        authenticator = Authenticator(
            source=NobodyAllowed(), sessions=Sessions(bytes(32), Ids()), clock=functions.clock, trust_unknown=True
        )
        self.urls = functions.functions.urls(authenticator, authorizer)

    async def _policy(self, demand: Unfinished) -> Owned:
        id = parse_function(demand.resource, demand.principal.account, "us-east-1")
        policy = await self.functions.functions.permissions.policy(id)
        return Owned(None if policy is None else json.dumps(policy))

    async def make(self, handler: str, auth_type: str = "NONE", *, public: bool = True, **more: Any) -> str:
        runtime = "nodejs20.x" if handler.startswith("index.") else "python3.11"
        await self.functions.create("site", FILES, handler, Runtime=runtime, Timeout=10)
        if public:
            await self.functions.call(
                "AddPermission", FunctionName="site", StatementId="url", Action="lambda:InvokeFunctionUrl",
                Principal="*", FunctionUrlAuthType=auth_type,
            )  # fmt: skip
        made = await self.functions.call("CreateFunctionUrlConfig", FunctionName="site", AuthType=auth_type, **more)
        return str(made["FunctionUrl"])

    async def ask(
        self, url: str, method: str = "GET", path: bytes = b"/", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        sent: list[dict[str, Any]] = []
        raw = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http", "method": method, "raw_path": path, "query_string": b"", "headers": raw,
            "client": ("127.0.0.1", 1), "state": {"request_id": Ids().uuid()},
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.urls.invoke(url.rstrip("/").rpartition("/")[2], path, scope, receive, send)
        answer_headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.pieces = [message["body"] for message in sent[1:] if message["body"]]
        return sent[0]["status"], answer_headers, b"".join(self.pieces)


@pytest.fixture
def site(functions: Lambda) -> Site:
    return Site(functions)


FILES = {
    "app.py": "def echo(event, context): return {'statusCode': 200, 'body': event}\n"
    "def boom(event, context): raise ValueError('secret')\n"
    "def odd(event, context): return {'statusCode': 'odd'}\n",
    "index.js": "exports.stream = awslambda.streamifyResponse(async (event, stream) => {\n"
    "  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 207, headers: { 'X-A': 'b' } })\n"
    "  stream.write('one'); await new Promise((r) => setTimeout(r, 20)); stream.write('two'); stream.end()\n"
    "})\n",
}


async def test_a_public_url(site: Site) -> None:
    url = await site.make("app.echo")
    assert "/_aws/lambda-url/" in url
    status, headers, body = await site.ask(url, "POST", b"/x", b'{"a": 1}', content_type="application/json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert len(headers["x-amzn-requestid"]) == 36
    event = json.loads(body)
    assert (event["rawPath"], event["body"], event["requestContext"]["accountId"]) == ("/x", '{"a": 1}', "anonymous")


async def test_a_url_needs_a_permission(site: Site) -> None:
    url = await site.make("app.echo", public=False)
    status, _, body = await site.ask(url)
    assert (status, body) == (403, b'{"Message":"Forbidden"}')
    assert (await site.ask("http://x/unknown/"))[0] == 403


async def test_aws_iam_wants_a_signature(site: Site) -> None:
    url = await site.make("app.echo", "AWS_IAM")
    assert (await site.ask(url))[0] == 403
    signed = AWSRequest("GET", "http://localhost/", headers={"Host": "localhost"})
    SigV4Auth(Credentials("111122223333", "any"), "lambda", "us-east-1").add_auth(signed)
    status, _, body = await site.ask(url, **_named(signed))
    assert status == 200
    assert json.loads(body)["requestContext"]["authorizer"]["iam"]["accountId"] == "111122223333"
    elsewhere = AWSRequest("GET", "http://localhost/", headers={"Host": "localhost"})
    SigV4Auth(Credentials("111122223333", "any"), "states", "us-east-1").add_auth(elsewhere)
    assert (await site.ask(url, **_named(elsewhere)))[0] == 403


def _named(signed: AWSRequest) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in signed.headers.items()}


@pytest.mark.parametrize("handler", ["app.boom", "app.odd"])
async def test_what_goes_wrong_is_a_502_without_details(site: Site, handler: str) -> None:
    status, _, body = await site.ask(await site.make(handler))
    assert (status, body) == (502, b'{"Message":"Internal Server Error"}')


async def test_a_throttled_url(site: Site) -> None:
    url = await site.make("app.echo")
    await site.functions.call("PutFunctionConcurrency", FunctionName="site", ReservedConcurrentExecutions=0)
    assert (await site.ask(url))[0] == 429


async def test_a_preflight_does_not_invoke(site: Site) -> None:
    url = await site.make("app.echo", Cors={"AllowOrigins": ["https://a"], "AllowMethods": ["*"]})
    status, headers, _ = await site.ask(url, "OPTIONS", origin="https://a", access_control_request_method="PUT")
    assert (status, headers["access-control-allow-methods"]) == (200, "*")
    assert site.functions.records.events == []
    _, headers, _ = await site.ask(url, origin="https://a")
    assert headers["access-control-allow-origin"] == "https://a"


async def test_a_streamed_url(site: Site) -> None:
    url = await site.make("index.stream", InvokeMode="RESPONSE_STREAM")
    status, headers, body = await site.ask(url)
    assert (status, headers["x-a"], body) == (207, "b", b"onetwo")
    assert site.pieces == [b"one", b"two"]
    assert "content-length" not in headers


async def test_a_body_that_is_too_large(site: Site) -> None:
    assert (await site.ask(await site.make("app.echo"), "POST", body=b"x" * 6_291_457))[0] == 413
