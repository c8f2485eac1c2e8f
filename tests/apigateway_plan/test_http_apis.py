"""HTTP APIs: routes, payload formats, parameter mapping, JWTs of a foreign issuer, Lambda authorizers, CORS."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.apigateway_plan.harness import API, OWNER, FunctionFailed, Gateway, backend, function_uri, gateway

from forecourt.services.apigateway.http import model
from forecourt.telemetry.metrics import MetricId

IN_API = {**OWNER, "api_id": API}


def function(name: str, version: str = "2.0", **settings: Any) -> model.Integration:
    return model.Integration(
        **IN_API,
        integration_id=name,
        integration_type="AWS_PROXY",
        integration_uri=function_uri(name),
        payload_format_version=version,
        **settings,
    )


def http(url: str, name: str = "h", **settings: Any) -> model.Integration:
    return model.Integration(
        **IN_API,
        integration_id=name,
        integration_type="HTTP_PROXY",
        integration_uri=url,
        integration_method="ANY",
        **settings,
    )


async def deploy(
    made: Gateway,
    routes: Mapping[str, model.Integration],
    *,
    stage: str = "$default",
    settings: Mapping[str, Any] | None = None,
    route: Mapping[str, Any] | None = None,
    **snapshot: Any,
) -> None:
    frozen = model.HttpSnapshot(
        **IN_API,
        deployment_id="d",
        name="http",
        routes=[
            model.Route(
                **IN_API, route_id=f"r{n}", route_key=key, target=f"integrations/{item.integration_id}", **(route or {})
            )
            for n, (key, item) in enumerate(routes.items())
        ],
        integrations=list(routes.values()),
        **snapshot,
    )
    staged = model.Stage(
        **IN_API, stage_name=stage, created_date=0, last_updated_date=0, deployment_id="d", **(settings or {})
    )
    await made.put(frozen, staged)


async def test_routes_and_the_default() -> None:
    async with gateway() as made:
        for name in ("exact", "param", "greedy", "any", "rest"):
            made.services.functions[name] = lambda event: event["routeKey"]
        await deploy(
            made,
            {
                "GET /pets/dog": function("exact"),
                "GET /pets/{id}": function("param"),
                "GET /pets/{proxy+}": function("greedy"),
                "ANY /{proxy+}": function("any"),
                "$default": function("rest"),
            },
        )
        for request, route in (
            ("GET /pets/dog", "GET /pets/dog"),
            ("GET /pets/7", "GET /pets/{id}"),
            ("GET /pets/7/toys", "GET /pets/{proxy+}"),
            ("POST /pets/dog", "ANY /{proxy+}"),
            ("GET /", "$default"),
        ):
            method, _, path = request.partition(" ")
            answer = await made.ask(path, method, stage="")
            assert answer.body.decode() == route, request


async def test_not_found_and_the_request_id() -> None:
    async with gateway() as made:
        await deploy(made, {"GET /a": function("f")}, stage="prod")
        answer = await made.ask("/b")
        assert (answer.status, answer.json()) == (404, {"message": "Not Found"})
        assert len(answer.header("apigw-requestid") or "") == 16
        assert answer.header("x-amzn-requestid") is None


async def test_a_stage_by_its_name() -> None:
    """`/prod/` is the stage's root; `/prod` is none of its paths, and nobody reaches `$default` by its name."""
    async with gateway() as made:
        made.services.functions["f"] = lambda event: f"{event['requestContext']['stage']} {event['rawPath']}"
        await made.put(model.Api(**IN_API, name="a", protocol_type="HTTP", created_date=0))
        await deploy(made, {"GET /": function("f")}, stage="prod")
        assert (await made.ask("/", stage="prod")).body == b"prod /prod/"
        assert (await made.ask("", stage="prod")).status == 404
        await deploy(made, {"$default": function("f")})
        assert (await made.ask("", stage="prod")).body == b"$default /prod"
        assert (await made.ask("/pets", stage="$default")).body == b"$default /$default/pets"


async def test_the_event_2_0_in_full() -> None:
    seen: list[dict[str, Any]] = []
    async with gateway() as made:
        made.services.functions["f"] = lambda event: seen.append(event) or "ok"
        await deploy(made, {"POST /pets/{id}": function("f")}, stage="prod", settings={"stage_variables": {"v": "1"}})
        headers = [
            ("X-A", "1"),
            ("X-A", "2"),
            ("Cookie", "a=1; b=2"),
            ("Content-Type", "application/json"),
            ("User-Agent", "t"),
        ]
        answer = await made.ask("/pets/a%20b?x=1&x=2&y=", "POST", headers, b'{"a":1}')
        assert (answer.status, answer.body, answer.header("content-type")) == (200, b"ok", "application/json")
    event = seen[0]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /pets/{id}"
    assert event["rawPath"] == "/prod/pets/a b"
    assert event["rawQueryString"] == "x=1&x=2&y="
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-a"] == "1,2"
    assert "cookie" not in event["headers"]
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert event["pathParameters"] == {"id": "a b"}
    assert event["stageVariables"] == {"v": "1"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"a":1}', False)
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/prod/pets/a b",
        "protocol": "HTTP/1.1",
        "sourceIp": "203.0.113.7",
        "userAgent": "t",
    }
    assert (context["stage"], context["routeKey"], context["apiId"]) == ("prod", "POST /pets/{id}", API)


async def test_what_is_absent_is_left_out_and_binary_bodies_are_base64() -> None:
    seen: list[dict[str, Any]] = []
    async with gateway() as made:
        made.services.functions["f"] = lambda event: seen.append(event) or {}
        await deploy(made, {"$default": function("f")})
        await made.ask("/", stage="")
        await made.ask("/", "POST", [("Content-Type", "image/png")], b"\x89P", stage="")
    assert not {"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"} & set(seen[0])
    assert (seen[1]["body"], seen[1]["isBase64Encoded"]) == ("iVA=", True)


ANSWERS: dict[str, tuple[Any, int, dict[str, str], bytes]] = {
    "a plain object": ({"message": "hi"}, 200, {"content-type": "application/json"}, b'{"message":"hi"}'),
    "a string": ("hi", 200, {"content-type": "application/json"}, b"hi"),
    "the whole format": (
        {"statusCode": 201, "headers": {"X-A": "1", "Content-Type": "text/x"}, "cookies": ["a=1"], "body": "b"},
        201,
        {"x-a": "1", "content-type": "text/x", "set-cookie": "a=1"},
        b"b",
    ),
    "base64": ({"statusCode": 200, "body": "iVA=", "isBase64Encoded": True}, 200, {}, b"\x89P"),
    "bad base64": (
        {"statusCode": 200, "body": "?", "isBase64Encoded": True},
        500,
        {},
        b'{"message":"Internal Server Error"}',
    ),
    "a bad status": ({"statusCode": "x"}, 500, {}, b'{"message":"Internal Server Error"}'),
    "a failure": (FunctionFailed("boom"), 500, {}, b'{"message":"Internal Server Error"}'),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_answer_2_0(name: str) -> None:
    returned, status, headers, body = ANSWERS[name]

    def answering(event: Any) -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    async with gateway() as made:
        made.services.functions["f"] = answering
        await deploy(made, {"$default": function("f")})
        answer = await made.ask("/", stage="")
        assert (answer.status, answer.body) == (status, body)
        for key, value in headers.items():
            assert answer.header(key) == value


async def test_payload_1_0() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: {"statusCode": 200, "body": event["version"] + event["resource"]}
        await deploy(made, {"GET /a": function("f", "1.0")})
        assert (await made.ask("/a", stage="")).body == b"1.0/a"


async def test_http_with_parameter_mapping_both_ways() -> None:
    async with backend() as served, gateway() as made:
        served.reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Back: b\r\nX-Drop: d\r\n\r\nno"
        integration = http(
            f"{served.url}/base/{{proxy}}",
            request_parameters={
                "append:header.x-ip": "$context.identity.sourceIp",
                "overwrite:header.x-a": "$request.querystring.a",
                "remove:header.x-secret": "''",
                "overwrite:querystring.b": "v-${request.path.proxy}-${stageVariables.v}",
                "append:querystring.c": "$request.body.deep.c",
            },
            response_parameters={
                "404": {
                    "overwrite:statuscode": "202",
                    "append:header.x-copy": "$response.header.X-Back",
                    "remove:header.x-drop": "''",
                }
            },
        )
        await deploy(made, {"ANY /{proxy+}": integration}, settings={"stage_variables": {"v": "1"}})
        headers = [("X-A", "old"), ("X-Secret", "s"), ("X-Keep", "k")]
        answer = await made.ask("/p/q?a=1&b=2", "POST", headers, b'{"deep": {"c": 3}}', stage="")
        assert (answer.status, answer.header("x-copy"), answer.header("x-drop")) == (202, "b", None)
        received = served.received[0]
        path, _, query = received.line.split(" ")[1].partition("?")
        assert path == "/base/p/q"
        assert sorted(query.split("&")) == ["a=1", "b=v-p%2Fq-1", "c=3"]
        assert (received.header("x-ip"), received.header("x-a")) == ("203.0.113.7", "1")
        assert (received.header("x-secret"), received.header("x-keep")) == (None, "k")
        assert (received.header("forwarded") or "").startswith("for=203.0.113.7;host=")


async def test_a_backend_that_is_down_is_503() -> None:
    async with gateway() as made:
        await deploy(made, {"$default": http("http://127.0.0.1:1/")})
        answer = await made.ask("/", stage="")
        assert (answer.status, answer.json()) == (503, {"message": "Service Unavailable"})


async def test_cors_is_answered_by_the_gateway() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: {
            "statusCode": 200,
            "headers": {"Access-Control-Allow-Origin": "backend"},
        }
        cors = model.Cors(
            allow_origins=["https://*.example.com"], allow_methods=["GET", "PUT"], allow_headers=["x-a"], max_age=300
        )
        await deploy(made, {"$default": function("f")}, cors_configuration=cors)
        origin = ("Origin", "https://app.example.com")
        preflight = await made.ask("/", "OPTIONS", [origin, ("Access-Control-Request-Method", "PUT")], stage="")
        assert preflight.status == 204
        assert preflight.header("access-control-allow-origin") == origin[1]
        assert preflight.header("access-control-allow-methods") == "GET,PUT"
        assert preflight.header("access-control-max-age") == "300"
        assert made.services.calls == []
        assert (await made.ask("/", headers=[origin], stage="")).header("access-control-allow-origin") == origin[1]
        evil = await made.ask("/", headers=[("Origin", "https://app.example.com.evil.org")], stage="")
        assert evil.header("access-control-allow-origin") is None


async def test_route_throttling() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: "ok"
        own = model.RouteSettings(throttling_burst_limit=2, throttling_rate_limit=1.0)
        await deploy(made, {"GET /a": function("f")}, settings={"route_settings": {"GET /a": own}})
        answers = [await made.ask("/a", stage="") for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].json() == {"message": "Too Many Requests"}


# -- JWT


class Issuer:
    """An OpenID Connect issuer that is not ours."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.key_id = "k1"
        self.url = ""
        self.asked = 0

    def documents(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "kid": self.key_id,
            "alg": "RS256",
            "n": encoded(number(numbers.n)),
            "e": encoded(number(numbers.e)),
        }
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [key]},
        }

    def token(self, key: rsa.RSAPrivateKey | None = None, kid: str = "k1", alg: str = "RS256", **claims: Any) -> str:
        content = {"iss": self.url, "aud": "app", "exp": 2**33, "sub": "s", **claims}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": alg, "kid": kid}, content))
        signature = (key or self.key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


@pytest.fixture(scope="module")
def issuer() -> Any:
    """Serves its documents from a thread."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    made = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            body = json.dumps(made.documents().get(self.path, {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


async def with_jwt(
    made: Gateway,
    issuer_url: str,
    scopes: list[str] | None = None,
    *,
    audience: str = "app",
    keys: Sequence[str] = ("$default",),
) -> None:
    made.services.functions["f"] = lambda event: event["requestContext"]["authorizer"]
    authorizer = model.Authorizer(
        **IN_API,
        authorizer_id="au",
        name="au",
        authorizer_type="JWT",
        identity_source=["$request.header.Authorization"],
        jwt_configuration=model.JwtConfiguration(audience=[audience], issuer=issuer_url),
    )
    route = {"authorization_type": "JWT", "authorizer_id": "au", "authorization_scopes": scopes}
    await deploy(made, {key: function("f") for key in keys}, route=route, authorizers=[authorizer])


async def bearer(made: Gateway, token: str) -> Any:
    return await made.ask("/", headers=[("Authorization", f"Bearer {token}")] if token else [], stage="")


async def test_a_token_of_a_foreign_issuer_is_verified_once(issuer: Issuer) -> None:
    async with gateway() as made:
        await with_jwt(made, issuer.url)
        token = issuer.token(scope="a b")
        issuer.asked = 0
        for _ in range(3):
            answer = await bearer(made, token)
            assert answer.status == 200
        assert answer.json()["jwt"]["claims"]["sub"] == "s"
        assert issuer.asked == 2
        assert (await bearer(made, issuer.token(client_id="app", aud=["other", "app"]))).status == 200


async def test_tokens_that_are_not_good(issuer: Issuer) -> None:
    async with gateway() as made:
        await with_jwt(made, issuer.url)
        other = rsa.generate_private_key(65537, 2048)
        none = ".".join([encoded(b'{"alg":"none","kid":"k1"}'), issuer.token().split(".")[1], ""])
        bad = {
            "x.y": "token contains an invalid number of segments",
            "x.y.z": "the token cannot be decoded",
            issuer.token(other): "the token's signature is invalid",
            issuer.token(kid="k2"): "the key that signed the token is not known",
            issuer.token(iss="https://evil"): "the token does not have a valid issuer",
            issuer.token(aud="other"): "the token does not have a valid audience",
            issuer.token(aud=["other"], client_id="app"): "the token does not have a valid audience",
            issuer.token(exp=1): "the token has expired",
            issuer.token(exp=None): "the token has expired",
            issuer.token(nbf=2**33): "the token is not valid yet",
            none: "signing method none is invalid",
            issuer.token(alg="HS256"): "signing method HS256 is invalid",
            issuer.token(alg='"\r\nx: y'): "signing method given is invalid",
        }
        for token, description in bad.items():
            answer = await bearer(made, token)
            assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
            challenge = f'Bearer scope="" error="invalid_token" error_description="{description}"'
            assert answer.header("www-authenticate") == challenge
        nothing = await bearer(made, "")
        assert (nothing.status, nothing.header("www-authenticate")) == (401, "Bearer")


async def test_who_comes_while_the_keys_are_fetched_waits_for_them(issuer: Issuer) -> None:
    async with gateway() as made:
        await with_jwt(made, issuer.url)
        issuer.asked = 0
        tokens = [issuer.token(n=n) for n in range(10)]
        answers = await asyncio.gather(*(bearer(made, token) for token in tokens))
        assert ([answer.status for answer in answers], issuer.asked) == ([200] * 10, 2)


async def test_keys_are_fetched_once_for_all_routes_and_deployments(issuer: Issuer) -> None:
    async with gateway() as made:
        issuer.asked = 0
        for n in range(2):
            await with_jwt(made, issuer.url, keys=["GET /a", "GET /b"])
            for path in ("/a", "/b"):
                token = issuer.token(n=n, path=path)
                headers = [("Authorization", f"Bearer {token}")]
                assert (await made.ask(path, headers=headers, stage="")).status == 200
        assert issuer.asked == 2


async def test_what_was_remembered_ends_with_the_authorizers_form(issuer: Issuer) -> None:
    """A token that an audience let in is looked at anew when the audience has changed."""
    async with gateway() as made:
        token = issuer.token()
        for audience, status in (("app", 200), ("other", 401), ("app", 200)):
            await with_jwt(made, issuer.url, audience=audience)
            assert (await bearer(made, token)).status == status


async def test_the_issuers_keys_change(issuer: Issuer) -> None:
    """A key that is not known is looked for again, at most once a minute."""
    async with gateway() as made:
        await with_jwt(made, issuer.url)
        assert (await bearer(made, issuer.token(n=1))).status == 200
        before, issuer.key, issuer.key_id = issuer.key, rsa.generate_private_key(65537, 2048), "k2"
        try:
            assert (await bearer(made, issuer.token(kid="k2"))).status == 401
            made.clock.advance(61)
            assert (await bearer(made, issuer.token(kid="k2"))).status == 200
            assert (await bearer(made, issuer.token(before, n=2))).status == 401
        finally:
            issuer.key, issuer.key_id = before, "k1"


async def test_after_a_reset_an_issuer_is_unknown(issuer: Issuer) -> None:
    async with gateway() as made:
        await with_jwt(made, issuer.url)
        assert (await bearer(made, issuer.token())).status == 200
        await made.gateway.reset()
        before, issuer.key, issuer.key_id = issuer.key, rsa.generate_private_key(65537, 2048), "k2"
        try:
            await with_jwt(made, issuer.url)
            assert (await bearer(made, issuer.token(kid="k2"))).status == 200
        finally:
            issuer.key, issuer.key_id = before, "k1"


async def test_scopes(issuer: Issuer) -> None:
    async with gateway() as made:
        await with_jwt(made, issuer.url, ["write"])
        assert (await bearer(made, issuer.token(scope="read write"))).status == 200
        assert (await bearer(made, issuer.token(scp=["write"]))).status == 200
        assert (await bearer(made, issuer.token(scope=None, scp=["write"]))).status == 200
        assert (await bearer(made, issuer.token(scope="write", aud=None, client_id="app"))).status == 200
        refused = await bearer(made, issuer.token(scope="read"))
        assert (refused.status, refused.json()) == (403, {"message": "Forbidden"})
        assert refused.header("www-authenticate") == (
            'Bearer scope="write" error="insufficient_scope" error_description="expected scopes: [write]"'
        )


@pytest.mark.parametrize("reply", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000])
async def test_an_issuer_that_is_slow_or_huge(issuer: Issuer, reply: bytes | None) -> None:
    async with backend() as served, gateway() as made:
        served.reply = reply
        await with_jwt(made, served.url)
        token = issuer.token(iss=served.url)
        answer = await bearer(made, token)
        assert answer.status == 401
        assert "OIDC discovery endpoint communication error" in (answer.header("www-authenticate") or "")
        asked = len(served.received)
        assert (await bearer(made, token)).status == 401
        assert len(served.received) == asked


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": 101, "body": "HTTP/1.1 200 OK"},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": 200, "headers": {"a\r\nX-Evil: 1": "b"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "b\r\nX-Evil: 1"}},
        b'{"statusCode": 200, "body": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=["101", "600", "a boolean", "a name with a line break", "a name with a space", "a line break", "no floor"],
)
async def test_a_malformed_answer(version: str, answer: Any) -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: answer
        await deploy(made, {"GET /": function("f", version)}, stage="prod")
        refused = await made.ask("/")
        assert (refused.status, refused.json()) == (500, {"message": "Internal Server Error"})


async def test_what_is_an_issuer(issuer: Issuer) -> None:
    async with backend() as served, gateway() as made:
        assert await made.gateway.is_issuer(issuer.url)
        assert await made.gateway.is_issuer(issuer.url + "/")
        served.reply = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"issuer":"x"}'
        for none in (served.url, issuer.url + "/else", "http://127.0.0.1:1", "nothing"):
            assert not await made.gateway.is_issuer(none)


async def test_an_issuer_that_comes_up_late(issuer: Issuer) -> None:
    async with backend() as served, gateway() as made:
        served.reply = b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n"
        await with_jwt(made, served.url)
        token = issuer.token(iss=served.url)
        refused = await bearer(made, token)
        assert "OIDC discovery endpoint communication error" in (refused.header("www-authenticate") or "")
        found = json.dumps({"jwks_uri": f"{issuer.url}/keys"}).encode()
        served.reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(found), found)
        made.clock.advance(6)
        assert (await bearer(made, token)).status == 200


# -- Lambda authorizers


@pytest.mark.parametrize(
    ("returned", "status"),
    [({"isAuthorized": True, "context": {"n": 1}}, 200), ({"isAuthorized": False}, 403), ({}, 500), ("no", 500)],
)
async def test_simple_answers_are_cached_by_identity(returned: Any, status: int) -> None:
    async with gateway() as made:
        events: list[dict[str, Any]] = []
        made.services.functions |= {
            "auth": lambda event: events.append(event) or returned,
            "f": lambda event: event["requestContext"]["authorizer"]["lambda"],
        }
        authorizer = model.Authorizer(
            **IN_API,
            authorizer_id="au",
            name="au",
            authorizer_type="REQUEST",
            authorizer_uri=function_uri("auth"),
            authorizer_payload_format_version="2.0",
            enable_simple_responses=True,
            identity_source=["$request.header.X-Id", "$request.querystring.t"],
            authorizer_result_ttl_in_seconds=60,
        )
        route = {"authorization_type": "CUSTOM", "authorizer_id": "au"}
        await deploy(made, {"GET /a": function("f")}, route=route, authorizers=[authorizer])
        assert (await made.ask("/a", headers=[("X-Id", "i")], stage="")).status == 401
        for _ in range(2):
            answer = await made.ask("/a?t=1", headers=[("X-Id", "i")], stage="")
            assert answer.status == status
        if status == 200:
            assert answer.json() == {"n": 1}
        assert len(events) == (1 if status in (200, 403) else 2)
        event = events[0]
        assert (event["type"], event["identitySource"]) == ("REQUEST", ["i", "1"])
        assert event["routeArn"].endswith("/$default/GET/a")


# -- metrics


async def test_metrics_by_api_and_stage_and_where_asked_by_route() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: "four"
        detailed = {"GET /pets/{id}": model.RouteSettings(detailed_metrics_enabled=True)}
        await deploy(
            made,
            {"GET /pets/{id}": function("f"), "POST /pets": function("f"), "GET /down": function("missing")},
            stage="prod",
            settings={"route_settings": detailed},
        )
        for verb, path, body in (
            ("GET", "/pets/1", b""),
            ("GET", "/pets/2", b""),
            ("POST", "/pets", b"sixsix"),
            ("GET", "/nowhere", b""),
            ("GET", "/down", b""),
        ):
            await made.ask(path, verb, body=body)
        await made.gateway.stop()

        def total(name: str, *dimensions: tuple[str, str]) -> tuple[float, float] | None:
            series = made.metrics.get(MetricId("000000000000", "us-east-1", "AWS/ApiGateway", name, dimensions))
            return None if series is None else (series.total_count, series.total_sum)

        api = ("ApiId", API)
        stage = (api, ("Stage", "prod"))
        assert total("Count", api) == total("Count", *stage) == (5, 5)
        assert total("4xx", api) == (5, 1)
        assert total("5xx", *stage) == (5, 1)
        assert total("Latency", api) is not None
        refusals = len('{"message":"Not Found"}') + len('{"message":"Internal Server Error"}')
        assert total("DataProcessed", api) == (5, 4 + 4 + 6 + 4 + refusals)
        route = (*stage, ("Resource", "/pets/{id}"), ("Method", "GET"))
        assert total("Count", *route) == (2, 2)
        assert total("DataProcessed", *route) == (2, 8)
        assert total("Count", *stage, ("Resource", "/pets"), ("Method", "POST")) is None


# -- what AWS's pages tell of stages and of the route for all that is left


async def test_the_default_route_sends_the_whole_path_on() -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html"""
    async with gateway() as made, backend() as behind:
        for base, path, expected in (
            ("", "/store/checkout?a=1", "/store/checkout?a=1"),
            ("/v1/", "/store/a%20b", "/v1/store/a%20b"),
            ("/v1?key=k", "/x?a=1", "/v1/x?key=k&a=1"),
            ("/v1", "/", "/v1"),
        ):
            await deploy(made, {"$default": http(behind.url + base), "GET /own": http(behind.url + "/own", "own")})
            await made.ask(path, stage="")
            assert behind.received[-1].line == f"GET {expected} HTTP/1.1"
        await made.ask("/own", stage="")
        assert behind.received[-1].line == "GET /own HTTP/1.1"
        asked = len(behind.received)
        assert (await made.ask("/a/../../x", stage="")).status == 400
        assert len(behind.received) == asked


async def test_an_http_api_without_a_stage_for_the_request_does_not_find_it() -> None:
    async with gateway() as made:
        await made.put(model.Api(**IN_API, name="a", protocol_type="HTTP", created_date=0))
        for _ in range(2):
            answer = await made.ask("/x", stage="none")
            assert (answer.status, answer.json()) == (404, {"message": "Not Found"})
            assert answer.header("apigw-requestid") is not None
            await deploy(made, {"GET /x": function("f")}, stage="prod")
