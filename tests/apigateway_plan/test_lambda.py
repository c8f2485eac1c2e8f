"""Lambda integrations: the event, the answer, and what is malformed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.apigateway_plan.harness import FunctionFailed, function_uri, gateway, method, proxy, responses

from forecourt.services.apigateway.rest import model


async def event_of(path: str, resource: str = "GET /pets/{id}", **request: Any) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []
    async with gateway() as made:
        made.services.functions["f"] = lambda event: seen.append(event) or {"statusCode": 200}
        await made.deploy({resource: proxy("f")}, stage={"variables": {"v": "1"}}, binary_media_types=["image/*"])
        assert (await made.ask(path, **request)).status == 200
    return seen[0]


async def test_the_event_in_full() -> None:
    headers = [("X-Custom", "a"), ("x-custom", "b"), ("User-Agent", "tests"), ("Accept", "*/*")]
    event = await event_of("/pets/a%20b?x=1&x=2&y=&z=%C3%A9", headers=headers)
    assert event["resource"] == "/pets/{id}"
    assert event["path"] == "/pets/a b"
    assert event["httpMethod"] == "GET"
    assert event["headers"]["User-Agent"] == "tests"
    assert event["headers"]["X-Custom"] == "b"
    assert event["multiValueHeaders"]["X-Custom"] == ["a", "b"]
    assert event["headers"]["Host"] == "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
    assert event["headers"]["X-Forwarded-For"] == "203.0.113.7"
    assert event["headers"]["X-Forwarded-Port"] == "443"
    assert event["headers"]["X-Forwarded-Proto"] == "https"
    assert event["queryStringParameters"] == {"x": "2", "y": "", "z": "é"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""], "z": ["é"]}
    assert event["pathParameters"] == {"id": "a b"}
    assert event["stageVariables"] == {"v": "1"}
    assert (event["body"], event["isBase64Encoded"]) == (None, False)
    context = event["requestContext"]
    assert context["resourcePath"] == "/pets/{id}"
    assert context["path"] == "/prod/pets/a%20b"
    assert context["httpMethod"] == "GET"
    assert context["stage"] == "prod"
    assert context["accountId"] == "000000000000"
    assert context["apiId"] == "a1b2c3d4e5"
    assert context["protocol"] == "HTTP/1.1"
    assert context["domainName"] == "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
    assert context["domainPrefix"] == "a1b2c3d4e5"
    assert len(context["requestId"]) == 36
    assert len(context["extendedRequestId"]) == 16
    assert isinstance(context["requestTimeEpoch"], int)
    assert context["requestTime"].endswith("+0000")
    assert context["identity"]["sourceIp"] == "203.0.113.7"
    assert context["identity"]["userAgent"] == "tests"
    assert context["identity"]["cognitoIdentityId"] is None
    assert "authorizer" not in context


@pytest.mark.parametrize(
    ("value", "seen"), [("Bearer x", "Bearer x"), ("AWS4-HMAC-SHA256 Credential=AKIA/x", None)], ids=["bearer", "sigv4"]
)
async def test_a_signature_is_not_in_the_event(value: str, seen: str | None) -> None:
    event = await event_of("/pets/1", headers=[("Authorization", value), ("Via", "1.1 a")])
    assert event["headers"].get("Authorization") == seen
    assert event["headers"]["Via"] == "1.1 a"


async def test_what_is_not_there_is_null() -> None:
    event = await event_of("/", "GET /")
    for name in ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body"):
        assert event[name] is None


@pytest.mark.parametrize(
    ("content_type", "sent", "body", "is_base64"),
    [
        ("application/json", b'{"a":1}', '{"a":1}', False),
        ("text/plain", "é".encode(), "é", False),
        ("image/png", b"\x89PNG", "iVBORw==", True),
        ("IMAGE/JPEG; q=1", b"\xff", "/w==", True),
    ],
)
async def test_the_body(content_type: str, sent: bytes, body: str, is_base64: bool) -> None:
    event = await event_of(
        "/pets/1", "POST /pets/{id}", method="POST", headers=[("Content-Type", content_type)], body=sent
    )
    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


async def test_the_call_is_the_gateways_own_and_names_its_source() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: {"statusCode": 200}
        await made.deploy({"ANY /pets/{id}": proxy("f")})
        await made.ask("/pets/1", "DELETE")
        (context, service, operation, params) = made.services.calls[0]
        assert (service, operation, params["InvocationType"]) == ("lambda", "Invoke", "RequestResponse")
        assert params["FunctionName"] == "arn:aws:lambda:us-east-1:000000000000:function:f"
        assert (context.principal.kind, context.principal.name) == ("service", "apigateway.amazonaws.com")
        source = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/prod/DELETE/pets/{id}"
        assert context.conditions["aws:SourceArn"] == source


async def test_a_role_calls_where_the_integration_has_credentials() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: {"statusCode": 200}
        integration = model.Integration(
            type="AWS_PROXY", http_method="POST", uri=function_uri("f"), credentials="arn:aws:iam::000000000000:role/r"
        )
        await made.deploy({"GET /": method(integration)})
        assert (await made.ask("/")).status == 200
        assert made.services.calls[0][0].principal.role_arn == "arn:aws:iam::000000000000:role/r"


async def test_the_function_may_be_named_by_a_stage_variable() -> None:
    async with gateway() as made:
        made.services.functions["blue"] = lambda event: {"statusCode": 200, "body": "blue"}
        await made.deploy({"GET /": proxy("${stageVariables.fn}")}, stage={"variables": {"fn": "blue"}})
        assert (await made.ask("/")).body == b"blue"


ANSWERS: dict[str, tuple[Any, int, dict[str, str | list[str] | None], bytes]] = {
    "all of it": (
        {"statusCode": 201, "headers": {"X-A": "1"}, "body": "hi", "isBase64Encoded": False},
        201,
        {"x-a": "1", "content-type": "application/json"},
        b"hi",
    ),
    "a status as text": ({"statusCode": "404"}, 404, {}, b""),
    "no status": ({"body": "x"}, 200, {}, b"x"),
    "nothing at all": ({}, 200, {}, b""),
    "a content type": (
        {"statusCode": 200, "headers": {"Content-Type": "text/html"}},
        200,
        {"content-type": "text/html"},
        b"",
    ),
    "numbers and booleans": (
        {"headers": {"X-N": 1, "X-B": True, "X-0": None}},
        200,
        {"x-n": "1", "x-b": "true", "x-0": None},
        b"",
    ),
    "multiple values": (
        {"multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"set-cookie": "c=3", "X": "y"}},
        200,
        {"set-cookie": ["a=1", "b=2"], "x": "y"},
        b"",
    ),
    "remapped": (
        {"headers": {"Content-Length": "99", "Server": "s", "Transfer-Encoding": "chunked"}, "body": "ab"},
        200,
        {"x-amzn-remapped-content-length": "99", "x-amzn-remapped-server": "s", "content-length": "2"},
        b"ab",
    ),
    "a null body": ({"statusCode": 204, "body": None}, 204, {}, b""),
    "text that says it is base64, which the API does not take": (
        {"body": "aGk=", "isBase64Encoded": True},
        200,
        {},
        b"aGk=",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_answer(name: str) -> None:
    returned, status, headers, body = ANSWERS[name]
    async with gateway() as made:
        made.services.functions["f"] = lambda event: returned
        await made.deploy({"GET /": proxy("f")})
        answer = await made.ask("/")
        assert (answer.status, answer.body) == (status, body)
        for key, value in headers.items():
            found = [v for k, v in answer.headers if k == key]
            assert found == (value if isinstance(value, list) else [] if value is None else [value])


MALFORMED: dict[str, Any] = {
    "a string": "hello",
    "null": None,
    "a list": [1],
    "an unknown member": {"statusCode": 200, "wrong": 1},
    "a body that is an object": {"statusCode": 200, "body": {"a": 1}},
    "a body that is a number": {"statusCode": 200, "body": 7},
    "a status that is none": {"statusCode": "abc"},
    "a status out of range": {"statusCode": 42},
    "a boolean status": {"statusCode": True},
    "a status that is no answer": {"statusCode": 101, "body": "HTTP/1.1 200 OK"},
    "a status that nobody knows": {"statusCode": 600},
    "a header's name with a line break": {"statusCode": 200, "headers": {"a\r\nX-Evil: 1": "b"}},
    "a header's name with a space": {"statusCode": 200, "multiValueHeaders": {"a b": ["c"]}},
    "a header without a name": {"statusCode": 200, "headers": {"": "c"}},
    "an answer without a floor": b'{"statusCode": 200, "body": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "headers that are a list": {"headers": ["a"]},
    "a header that is an object": {"headers": {"a": {"b": 1}}},
    "a header with a line break": {"headers": {"a": "b\r\nc: d"}},
    "not JSON": b"<html>",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_answer_is_502(name: str) -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: MALFORMED[name]
        await made.deploy({"GET /": proxy("f")})
        answer = await made.ask("/")
        assert (answer.status, answer.json()) == (502, {"message": "Internal server error"})
        assert answer.header("x-amzn-errortype") == "InternalServerErrorException"


async def test_a_function_that_fails_is_502_one_that_is_missing_500_one_that_is_slow_504() -> None:
    async with gateway() as made:

        def fail(event: Any) -> None:
            raise FunctionFailed("boom")

        async def slow(event: Any) -> None:
            import asyncio

            await asyncio.sleep(5)

        made.services.functions |= {"fails": fail, "slow": slow}
        hurried = model.Integration(
            type="AWS_PROXY", http_method="POST", uri=function_uri("slow"), timeout_in_millis=50
        )
        await made.deploy({"GET /f": proxy("fails"), "GET /m": proxy("missing"), "GET /s": method(hurried)})
        assert [(await made.ask(path)).status for path in ("/f", "/m", "/s")] == [502, 500, 504]


@pytest.mark.parametrize(
    ("accept", "expected"), [("image/png", b"\x89PNG"), ("text/html,image/png", b"iVBORw=="), ("", b"iVBORw==")]
)
async def test_binary_answers_follow_the_first_type_accepted(accept: str, expected: bytes) -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: {"body": "iVBORw==", "isBase64Encoded": True}
        await made.deploy({"GET /": proxy("f")}, binary_media_types=["image/png"])
        answer = await made.ask("/", headers=[("Accept", accept)] if accept else [])
        assert answer.body == expected


# -- without the proxy format


def custom(name: str, **settings: Any) -> model.Method:
    settings.setdefault("integration_responses", responses(_200={}))
    return method(model.Integration(type="AWS", http_method="POST", uri=function_uri(name), **settings))


async def test_a_custom_integration_maps_both_ways_and_selects_by_error_message() -> None:
    async with gateway() as made:

        def function(event: dict[str, Any]) -> dict[str, Any]:
            if event["fail"]:
                raise FunctionFailed(event["fail"])
            return {"name": event["name"].upper()}

        made.services.functions["f"] = function
        target = custom(
            "f",
            request_templates={"application/json": '{"name": "$input.params("n")", "fail": "$!input.params("fail")"}'},
            integration_responses=responses(
                _200={"response_templates": {"application/json": "<$input.path('$.name')>"}},
                _404={
                    "selection_pattern": "Not found.*",
                    "response_templates": {"application/json": '{"why": "$input.path(\'$.errorMessage\')"}'},
                },
            ),
        )
        await made.deploy({"GET /": target})
        assert (await made.ask("/?n=rex")).body == b"<REX>"
        missing = await made.ask("/?fail=Not%20found:%20rex")
        assert (missing.status, missing.json()) == (404, {"why": "Not found: rex"})
        assert (await made.ask("/?fail=Other")).status == 200


async def test_an_asynchronous_call() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: None
        target = custom("f", request_parameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"})
        await made.deploy({"POST /": target})
        assert (await made.ask("/", "POST", body=b"{}")).status == 200
        assert made.services.calls[0][3]["InvocationType"] == "Event"
