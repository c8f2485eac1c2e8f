"""HTTP and HTTP_PROXY integrations against real backends, good and bad."""

from __future__ import annotations

import asyncio

import pytest
from tests.apigateway_plan.harness import (
    API,
    OWNER,
    Backend,
    Gateway,
    backend,
    gateway,
    http_proxy,
    method,
    mock,
    responses,
)

from forecourt.services.apigateway.rest import model
from forecourt.services.apigateway.rest.quotas import Quotas

PROXY = {"integration.request.path.proxy": "method.request.path.proxy"}


def ok(body: bytes = b"ok", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def deployed(made: Gateway, served: Backend) -> None:
    await made.deploy({"ANY /{proxy+}": http_proxy(f"{served.url}/base/{{proxy}}", request_parameters=PROXY)})


async def test_a_request_goes_through_as_it_is() -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        served.reply = ok(
            b'{"a":1}', b"Content-Type: application/json", b"X-Own: yes", b"Set-Cookie: a=1", b"Set-Cookie: b=2"
        )
        answer = await made.ask(
            "/pets/7?x=1&x=2&y=%20", "POST", [("Content-Type", "text/x"), ("X-Mine", "a"), ("X-Mine", "b")], b"hello"
        )
        assert (answer.status, answer.body) == (200, b'{"a":1}')
        assert answer.header("x-own") == "yes"
        assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
        (received,) = served.received
        assert (received.line, received.body) == ("POST /base/pets/7?x=1&x=2&y=%20 HTTP/1.1", b"hello")
        assert received.header("content-type") == "text/x"
        assert [value for name, value in received.headers if name == "x-mine"] == ["a", "b"]
        assert received.header("host") == served.url.removeprefix("http://")
        assert received.header("x-forwarded-for") == "203.0.113.7"
        assert received.header("x-forwarded-proto") == "https"
        assert received.header("x-amzn-apigateway-api-id") == "a1b2c3d4e5"
        assert (received.header("x-amzn-trace-id") or "").startswith("Root=1-")


async def test_answers_carry_ids_and_remapped_headers() -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        remapped = ("Authorization", "Connection", "Content-MD5", "Date", "Max-Forwards", "Server", "User-Agent")
        dropped = ("Expect", "Host", "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "Via")
        kept = ("Age", "Accept", "Content-Encoding", "Pragma", "Range", "Referer", "Warn")
        names = (*remapped, "WWW-Authenticate", *dropped, *kept)
        served.reply = ok(b"ok", *(f"{name}: {name}!".encode() for name in names))
        answer = await made.ask("/x")
        for name in (*remapped, "WWW-Authenticate"):
            assert answer.header(f"x-amzn-remapped-{name.lower()}") == f"{name}!"
            assert answer.header(name.lower()) is None
        for name in dropped:
            assert not [key for key, _ in answer.headers if key.endswith(f"-{name.lower()}") or key == name.lower()]
        assert [answer.header(name.lower()) for name in kept] == [f"{name}!" for name in kept]
        assert len(answer.header("x-amzn-requestid") or "") == 36
        assert len(answer.header("x-amz-apigw-id") or "") == 16


async def test_headers_of_one_hop_stop_at_the_gateway() -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        hop = [
            ("Connection", "x-secret, close"),
            ("X-Secret", "1"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Expect", "x"),
        ]
        await made.ask("/x", headers=[*hop, ("X-Forwarded-For", "10.0.0.1"), ("X-Amzn-Trace-Id", "Root=1-a-b")])
        received = served.received[0]
        for name in ("connection", "x-secret", "te", "upgrade", "expect"):
            assert received.header(name) is None, name
        assert received.header("x-forwarded-for") == "10.0.0.1, 203.0.113.7"
        assert received.header("x-amzn-trace-id") == "Root=1-a-b"


async def test_an_authorization_that_was_meant_for_the_gateway_stays_there() -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        coded = [("Content-Encoding", "br"), ("Via", "1.1 a"), ("Content-MD5", "x"), ("Max-Forwards", "1")]
        for value in ("Basic YTpi", "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/execute-api/aws4_request"):
            await made.ask("/x", headers=[("Authorization", value), *coded])
        assert [received.header("authorization") for received in served.received] == ["Basic YTpi", None]
        for name, _ in coded:
            assert served.received[0].header(name.lower()) is None, name


@pytest.mark.parametrize(
    ("size", "mode", "asked"),
    [(900_000, None, 1), (1_048_577, None, 2), (900_000, "STREAM", 2)],
    ids=["fits", "too large", "streamed"],
)
async def test_a_large_answer_is_cached_whole(size: int, mode: str | None, asked: int) -> None:
    async with backend() as served, gateway() as made:
        stage = {"cache_cluster_enabled": True, "method_settings": {"*/*": model.MethodSetting(caching_enabled=True)}}
        await made.deploy({"GET /": http_proxy(served.url, response_transfer_mode=mode)}, stage=stage)
        served.reply = ok(b"x" * size)
        assert [len((await made.ask("/")).body) for _ in range(2)] == [size, size]
        assert len(served.received) == asked


async def test_a_large_answer_that_breaks_off_before_the_cache() -> None:
    async with backend() as served, gateway() as made:
        stage = {"cache_cluster_enabled": True, "method_settings": {"*/*": model.MethodSetting(caching_enabled=True)}}
        await made.deploy({"GET /": http_proxy(served.url)}, stage=stage)
        served.reply, served.close_after_reply = ok(b"x" * 900_000)[:-10], True
        assert (await made.ask("/")).status == 504


async def test_no_mapping_frames_an_answer_anew() -> None:
    names = ("Content-Length", "Transfer-Encoding", "Date", "TE", "Via", "X-Own")
    mapped = {f"method.response.header.{name}": "'1'" for name in names}
    own = model.GatewayResponse(
        **OWNER,
        rest_api_id=API,
        response_type="MISSING_AUTHENTICATION_TOKEN",
        response_parameters={f"gatewayresponse.header.{name}": "'1'" for name in names},
    )
    target = mock(out="hello")
    assert target.method_integration is not None
    target.method_integration.integration_responses = responses(_200={"response_parameters": mapped})
    async with gateway() as made:
        await made.deploy({"GET /": target}, gateway_responses=[own])
        for path in ("/", "/nowhere"):
            answer = await made.ask(path)
            lengths = [value for name, value in answer.headers if name == "content-length"]
            assert lengths == [str(len(answer.body))]
            for name in ("transfer-encoding", "te"):
                assert answer.header(name) is None
            found = [
                answer.header(name) for name in ("x-amzn-remapped-content-length", "x-amzn-remapped-date", "x-own")
            ]
            assert found == ["1", "1", "1"]
            assert answer.header("via") == "1"


async def test_mapped_parameters() -> None:
    async with backend() as served, gateway() as made:
        parameters = {
            "integration.request.path.id": "method.request.path.pet",
            "integration.request.querystring.q": "method.request.header.X-Q",
            "integration.request.querystring.all": "method.request.multivaluequerystring.a",
            "integration.request.header.X-Const": "'fixed'",
            "integration.request.header.X-Stage": "stageVariables.colour",
            "integration.request.header.X-Who": "context.identity.sourceIp",
            "integration.request.header.X-Body": "method.request.body.owner.name",
            "integration.request.header.X-None": "method.request.header.nothing",
        }
        target = http_proxy(f"{served.url}/${{stageVariables.colour}}/{{id}}", "PUT", request_parameters=parameters)
        await made.deploy({"ANY /pets/{pet}": target}, stage={"variables": {"colour": "blue"}})
        body = b'{"owner": {"name": "Ann"}}'
        await made.ask("/pets/a%20b?a=1&a=2&keep=1", "POST", [("X-Q", "q v")], body)
        received = served.received[0]
        path, _, query = received.line.split(" ")[1].partition("?")
        assert received.line.startswith("PUT /blue/a%20b?")
        assert path == "/blue/a%20b"
        assert sorted(query.split("&")) == ["a=1", "a=2", "all=1", "all=2", "keep=1", "q=q+v"]
        assert received.header("x-const") == "fixed"
        assert received.header("x-stage") == "blue"
        assert received.header("x-who") == "203.0.113.7"
        assert received.header("x-body") == "Ann"
        assert received.header("x-none") is None
        assert received.body == body


@pytest.mark.parametrize("path", ["/../secret", "/a/..%2f..%2fsecret", "/a/%2e%2e/b", "/..", "/a\\..\\b"])
async def test_a_path_parameter_does_not_climb_out_of_the_integrations_path(path: str) -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        assert (await made.ask(path)).status == 400
        assert served.received == []


async def test_a_mapped_value_does_not_become_a_header() -> None:
    async with backend() as served, gateway() as made:
        parameters = {"integration.request.header.X-A": "method.request.querystring.a"}
        await made.deploy({"GET /x": http_proxy(served.url, request_parameters=parameters)})
        assert (await made.ask("/x?a=1%0d%0aX-Evil:%201")).status == 500
        assert served.received == []


ANSWERS = {
    "nobody listens": (None, 504, "Network error communicating with endpoint"),
    "not HTTP": (b"SSH-2.0\r\n", 504, "Network error communicating with endpoint"),
    "hangs up": (b"", 504, "Network error communicating with endpoint"),
    "stops midway": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
        504,
        "Network error communicating with endpoint",
    ),
    "bad chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        504,
        "Network error communicating with endpoint",
    ),
    "smuggles": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        504,
        "Network error communicating with endpoint",
    ),
    "announces 11 MB": (b"HTTP/1.1 200 OK\r\nContent-Length: 11534336\r\n\r\n", 500, "Internal server error"),
    "sends 11 MB": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 176,
        500,
        "Internal server error",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_backend_that_misbehaves(name: str) -> None:
    reply, status, message = ANSWERS[name]
    async with backend() as served, gateway() as made:
        if reply is None:
            await made.deploy({"GET /x": http_proxy("http://127.0.0.1:1/")})
        else:
            served.reply, served.close_after_reply = reply, True
            await made.deploy({"GET /x": http_proxy(served.url)})
        answer = await made.ask("/x")
        assert (answer.status, answer.json()) == (status, {"message": message})
        assert answer.header("x-amzn-errortype") == "InternalServerErrorException"
        assert answer.header("content-type") == "application/json"


async def test_a_backend_that_hangs_and_others_that_do_not() -> None:
    async with backend() as slow, backend() as quick, gateway() as made:
        slow.reply = None
        await made.deploy(
            {
                "GET /slow": http_proxy(slow.url, timeout_in_millis=50),
                "GET /quick": http_proxy(quick.url),
            }
        )
        answers = await asyncio.gather(*[made.ask(path) for path in ("/slow", "/quick", "/slow", "/quick")])
        assert [answer.status for answer in answers] == [504, 200, 504, 200]
        assert answers[0].json() == {"message": "Endpoint request timed out"}


async def test_a_large_body_is_streamed_both_ways() -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        served.reply = ok(b"z" * 5_000_000)
        answer = await made.ask("/x", "PUT", chunked=[b"y" * 1_000_000] * 4)
        assert answer.body == b"z" * 5_000_000
        assert served.received[0].body.count(b"y") == 4_000_000


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_larger_than_10_mb_is_refused(chunked: bool) -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        parts = [b"x" * 1_048_576] * 11
        answer = await (
            made.ask("/x", "POST", chunked=parts) if chunked else made.ask("/x", "POST", body=b"".join(parts))
        )
        assert (answer.status, answer.json()) == (413, {"message": "Request Too Long"})
        assert answer.header("x-amzn-errortype") == "RequestEntityTooLargeException"


async def test_head() -> None:
    async with backend() as served, gateway() as made:
        await deployed(made, served)
        served.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
        for _ in range(2):
            assert (await made.ask("/x", "HEAD")).status == 200


# -- HTTP, with mappings


async def test_a_custom_integration_sends_what_is_mapped_and_nothing_else() -> None:
    async with backend() as served, gateway() as made:
        integration = model.Integration(
            type="HTTP",
            http_method="POST",
            uri=f"{served.url}/v1/{{name}}",
            request_parameters={
                "integration.request.path.name": "method.request.path.name",
                "integration.request.header.X-Mapped": "method.request.header.X-In",
            },
            request_templates={"application/json": '{"wrapped": $input.json("$.a"), "stage": "$context.stage"}'},
            integration_responses=responses(
                _200={
                    "response_parameters": {
                        "method.response.header.X-Out": "integration.response.header.X-Back",
                        "method.response.header.X-Id": "integration.response.body.id",
                        "method.response.header.X-Lit": "'literal'",
                    },
                    "response_templates": {"application/json": '{"got": $input.json("$.id")}'},
                },
                _404={"selection_pattern": "4\\d{2}", "response_templates": {"application/json": '{"none": true}'}},
                _502={"selection_pattern": "5.*"},
            ),
        )
        await made.deploy({"POST /pets/{name}": method(integration)})
        served.reply = ok(b'{"id": 7}', b"Content-Type: application/json", b"X-Back: there")
        headers = [("X-In", "in"), ("X-Other", "no"), ("Content-Type", "application/json")]
        answer = await made.ask("/pets/rex?q=1", "POST", headers, b'{"a": [1]}')
        assert answer.json() == {"got": 7}
        assert (answer.header("x-out"), answer.header("x-id"), answer.header("x-lit")) == ("there", "7", "literal")
        received = served.received[0]
        assert received.line == "POST /v1/rex HTTP/1.1"
        assert received.body == b'{"wrapped": [1], "stage": "prod"}'
        assert (received.header("x-mapped"), received.header("x-other")) == ("in", None)
        assert received.header("user-agent") == "AmazonAPIGateway_a1b2c3d4e5"
        for status, expected in ((b"404 Not Found", 404), (b"418 Teapot", 404), (b"503 Busy", 502)):
            served.reply = ok(b"{}", status=status)
            assert (await made.ask("/pets/rex", "POST", headers, b"{}")).status == expected
        served.reply = ok(b"{}", status=b"302 Found")
        assert (await made.ask("/pets/rex", "POST", headers, b"{}")).status == 200


async def test_no_answer_fits_and_there_is_no_default() -> None:
    async with backend() as served, gateway() as made:
        integration = model.Integration(
            type="HTTP",
            http_method="GET",
            uri=served.url,
            integration_responses=responses(_404={"selection_pattern": "404"}),
        )
        await made.deploy({"GET /x": method(integration)})
        answer = await made.ask("/x")
        assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})


@pytest.mark.parametrize(
    ("behavior", "templates", "content_type", "expected"),
    [
        ("WHEN_NO_MATCH", {"application/json": '"made"'}, "application/json", b'"made"'),
        ("WHEN_NO_MATCH", {"application/json": '"made"'}, "application/json; charset=utf-8", b'"made"'),
        ("WHEN_NO_MATCH", {"application/json": '"made"'}, "", b'"made"'),
        ("WHEN_NO_MATCH", {"application/json": '"made"'}, "text/plain", b"as it is"),
        ("WHEN_NO_TEMPLATES", {"application/json": '"made"'}, "text/plain", 415),
        ("WHEN_NO_TEMPLATES", {}, "text/plain", b"as it is"),
        ("NEVER", {}, "text/plain", 415),
        ("NEVER", {"text/plain": "made"}, "text/plain", b"made"),
    ],
)
async def test_passthrough_behavior(
    behavior: str, templates: dict[str, str], content_type: str, expected: bytes | int
) -> None:
    async with backend() as served, gateway() as made:
        integration = model.Integration(
            type="HTTP",
            http_method="POST",
            uri=served.url,
            passthrough_behavior=behavior,
            request_templates=templates,
            integration_responses=responses(_200={}),
        )
        await made.deploy({"POST /x": method(integration)})
        headers = [("Content-Type", content_type)] if content_type else []
        answer = await made.ask("/x", "POST", headers, b"as it is")
        if isinstance(expected, int):
            assert (answer.status, answer.json()) == (415, {"message": "Unsupported Media Type"})
            assert served.received == []
        else:
            assert (answer.status, served.received[0].body) == (200, expected)


@pytest.mark.parametrize(
    ("handling", "content_type", "sent", "expected"),
    [
        (None, "image/png", b"\x89PNG", b"\x89PNG"),
        ("CONVERT_TO_TEXT", "image/png", b"\x89PNG", b"iVBORw=="),
        ("CONVERT_TO_TEXT", "text/plain", b"text", b"text"),
        ("CONVERT_TO_BINARY", "text/plain", b"iVBORw==", b"\x89PNG"),
        ("CONVERT_TO_BINARY", "text/plain", b"not base64!", 400),
    ],
)
async def test_content_handling_of_requests(
    handling: str | None, content_type: str, sent: bytes, expected: bytes | int
) -> None:
    async with backend() as served, gateway() as made:
        integration = model.Integration(
            type="HTTP",
            http_method="POST",
            uri=served.url,
            content_handling=handling,
            integration_responses=responses(_200={}),
        )
        await made.deploy({"POST /x": method(integration)}, binary_media_types=["image/*"])
        answer = await made.ask("/x", "POST", [("Content-Type", content_type)], sent)
        if isinstance(expected, int):
            assert answer.status == expected
        else:
            assert served.received[0].body == expected


async def test_overrides_from_templates() -> None:
    async with backend() as served, gateway() as made:
        integration = model.Integration(
            type="HTTP",
            http_method="POST",
            uri=f"{served.url}/{{p}}",
            request_parameters={
                "integration.request.path.p": "'mapped'",
                "integration.request.header.X-A": "'mapped'",
            },
            request_templates={
                "application/json": "#set($context.requestOverride.header.X-A = 'made')"
                "#set($context.requestOverride.header.many = ['one', 'two'])"
                "#set($context.requestOverride.querystring.q = 'v w')"
                "#set($context.requestOverride.path.p = 'made')body"
            },
            integration_responses=responses(
                _200={
                    "response_templates": {
                        "application/json": "#set($context.responseOverride.status = 418)"
                        "#set($context.responseOverride.header.X-Tea = 'pot')short and stout"
                    }
                }
            ),
        )
        await made.deploy({"POST /x": method(integration)})
        answer = await made.ask("/x", "POST", body=b"{}")
        assert served.received[0].line == "POST /made?q=v+w HTTP/1.1"
        assert served.received[0].header("x-a") == "made"
        sent = [value for name, value in served.received[0].headers if name.lower() == "many"]
        assert sent == ["one", "two"]
        assert (answer.status, answer.header("x-tea"), answer.body) == (418, "pot", b"short and stout")


async def test_a_template_that_loops_ends_and_the_others_go_on() -> None:
    async with gateway() as made:
        loop = "#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])x#end#end#end"
        from tests.apigateway_plan.harness import mock

        await made.deploy({"GET /loop": mock(loop), "GET /ok": mock(out="fine")})
        answer = await made.ask("/loop")
        assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
        assert (await made.ask("/ok")).body == b"fine"


async def test_a_streamed_answer_has_no_limit() -> None:
    async with backend() as served, gateway() as made:
        served.reply = ok(b"s" * 11_534_336)
        await made.deploy({"GET /x": http_proxy(served.url, response_transfer_mode="STREAM")})
        answer = await made.ask("/x")
        assert (answer.status, len(answer.body)) == (200, 11_534_336)


async def test_the_payload_quota_holds_for_requests_and_answers_of_every_size() -> None:
    async with backend() as origin, gateway(quotas=Quotas(payload_bytes=100)) as made:
        await made.deploy({"POST /": http_proxy(origin.url + "/")})
        for size, status in ((100, 200), (101, 413)):
            assert (await made.ask("/", "POST", body=b"x" * size)).status == status
        assert len(origin.received) == 1
        for size, status in ((100, 200), (101, 500), (300_000, 500)):
            origin.reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"y" * size)
            # Twice: the second one's head is known by then.
            assert [(await made.ask("/", "POST", body=b"{}")).status for _ in range(2)] == [status] * 2
