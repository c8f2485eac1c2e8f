"""What logs tell: `$context` in access logs, the steps of a request in execution logs."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import msgspec
import pytest
from tests.apigateway_plan.harness import (
    API,
    FunctionFailed,
    Gateway,
    backend,
    function_uri,
    gateway,
    http_proxy,
    mock,
    proxy,
)
from tests.apigateway_plan.test_http_apis import deploy as deploy_http
from tests.apigateway_plan.test_http_apis import function, http

from forecourt.base.errors import RemoteError
from forecourt.services.apigateway.http import model as http_model
from forecourt.services.apigateway.rest import model

GROUP = "arn:aws:logs:us-east-1:000000000000:log-group:access"
ENTITY = {"account": "000000000000", "region": "us-east-1"}


def access(*names: str) -> dict[str, Any]:
    """A stage whose access log has these variables, a bar between them."""
    written = "|".join(f"$context.{name}" for name in names)
    return {"access_log_settings": model.AccessLogSettings(format=written, destination_arn=GROUP)}


def execution(level: str = "INFO", data: bool = False) -> dict[str, Any]:
    return {"method_settings": {"*/*": model.MethodSetting(logging_level=level, data_trace_enabled=data)}}


def accessed(made: Gateway) -> list[str]:
    return next(line for group, line in made.logs.lines if group == "access").split("|")


def steps(made: Gateway) -> list[str]:
    """The lines of an execution log, without the request's id before each."""
    return [line.partition(") ")[2] for group, line in made.logs.lines if group.startswith("API-Gateway-Execution")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accountId", "000000000000"),
        ("apiId", API),
        ("authorizer.claims", "-"),
        ("authorizer.principalId", "-"),
        ("deploymentId", "d1"),
        ("domainName", f"{API}.execute-api.us-east-1.amazonaws.com"),
        ("domainPrefix", API),
        ("error.message", "-"),
        ("httpMethod", "GET"),
        ("identity.apiKey", "-"),
        ("identity.sourceIp", "203.0.113.7"),
        ("identity.userAgent", "agent/1"),
        ("isCanaryRequest", "false"),
        ("path", "/prod/pets/7"),
        ("protocol", "HTTP/1.1"),
        ("resourcePath", "/pets/{id}"),
        ("stage", "prod"),
        ("status", "201"),
        ("responseLength", "2"),
        ("integration.status", "201"),
        ("integrationStatus", "200"),
        ("integration.integrationStatus", "200"),
        ("authorize.status", "-"),
        ("authorize.latency", "-"),
        ("authenticate.latency", "-"),
        ("authorizer.latency", "-"),
        ("endpointType", "EDGE"),
        ("wafResponseCode", "-"),
        ("nosuch.variable", "-"),
    ],
)
async def test_access_variables_of_a_rest_api(name: str, expected: str) -> None:
    async with gateway() as made:
        made.services.functions["pets"] = lambda event: {"statusCode": 201, "body": "ok"}
        await made.deploy({"GET /pets/{id}": proxy("pets")}, stage=access("requestId", name))
        await made.ask("/pets/7", headers=[("User-Agent", "agent/1")])
        # Lambda answers within a millisecond here: its status is told all the same.
        assert accessed(made)[1] == expected


async def test_an_integration_that_takes_no_millisecond_took_nought() -> None:
    async with gateway() as made:
        made.services.functions["pets"] = lambda event: {"statusCode": 200}
        names = ("integration.latency", "integrationLatency", "responseLatency")
        await made.deploy({"GET /": proxy("pets"), "GET /none": mock()}, stage=access(*names))
        await made.ask("/")
        assert all(value.isdecimal() for value in accessed(made))


async def test_an_entry_of_the_access_log_has_a_megabyte_at_most() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": mock()}, stage=access(*["identity.userAgent"] * 140))
        await made.ask("/", headers=[("User-Agent", "\xe9" * 8000)])
        (line,) = (line for group, line in made.logs.lines if group == "access")
        assert 1024 * 1024 - 4 <= len(line.encode()) <= 1024 * 1024


async def test_access_variables_of_a_refused_request() -> None:
    async with gateway() as made:
        names = ("error.message", "error.messageString", "error.responseType", "integration.error", "status")
        await made.deploy({"GET /": mock()}, stage=access(*names))
        await made.ask("/nowhere")
        said = "Missing Authentication Token"
        assert accessed(made) == [said, f'"{said}"', "MISSING_AUTHENTICATION_TOKEN", "-", "403"]


async def test_access_variables_of_an_authorizer() -> None:
    """How long it took, whatever it said; of a remembered answer no function's time."""
    gets = "arn:aws:execute-api:*:*:*/GET/*"
    policy = {"Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": gets}]}

    async def answer(event: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", **policy}, "context": {"team": 1}}

    names = ("latency", "integrationLatency", "status", "error", "team", "principalId", "requestId")
    async with gateway() as made:
        made.services.functions["auth"] = answer
        authorizer = model.Authorizer(
            **ENTITY, rest_api_id=API, id="au", name="au", type="TOKEN", authorizer_uri=function_uri("auth")
        )
        method = msgspec.structs.replace(mock(), authorization_type="CUSTOM", authorizer_id="au")
        await made.deploy(
            {"GET /a": method, "POST /a": method},
            stage=access(*(f"authorizer.{name}" for name in names)),
            authorizers=[authorizer],
        )
        for verb, token in (("GET", "t"), ("GET", "t"), ("POST", "u"), ("GET", "")):
            await made.ask("/a", verb, [("Authorization", token)] if token else [])
        fresh, remembered, denied, nobody = (line.split("|") for group, line in made.logs.lines if group == "access")
    assert int(fresh[0]) >= 20
    assert int(fresh[1]) >= 20
    assert fresh[2:6] == ["200", "-", "1", "ann"]
    assert uuid.UUID(fresh[6])
    assert (int(remembered[0]) < 20, remembered[1], remembered[6]) == (True, "-", "-")
    assert int(denied[0]) >= 20
    assert (denied[2], denied[3][:22]) == ("403", "User is not authorized")
    assert nobody[1:] == ["-", "401", "Unauthorized", "-", "-", "-"]


async def test_access_variables_of_an_http_api() -> None:
    async with gateway() as made:
        made.services.functions |= {
            "f": lambda event: seen.append(event) or {"statusCode": 202},  # type: ignore[func-returns-value]
            "auth": lambda event: {"isAuthorized": True, "context": {"team": "blue"}},
        }
        seen: list[dict[str, Any]] = []
        authorizer = http_model.Authorizer(
            **ENTITY,
            api_id=API,
            authorizer_id="au",
            name="au",
            authorizer_type="REQUEST",
            authorizer_uri=function_uri("auth"),
            authorizer_payload_format_version="2.0",
            enable_simple_responses=True,
            identity_source=["$request.header.key"],
        )
        names = ("requestId", "extendedRequestId", "routeKey", "authorizer.team", "path", "integrationStatus", "status")
        settings = http_model.AccessLogSettings(
            format="|".join(f"$context.{name}" for name in names), destination_arn=GROUP
        )
        await deploy_http(
            made,
            {"GET /pets": function("f", "1.0")},
            settings={"access_log_settings": settings},
            route={"authorization_type": "CUSTOM", "authorizer_id": "au"},
            authorizers=[authorizer],
        )
        answer = await made.ask("/pets", headers=[("key", "k")], stage="")
        own = answer.header("apigw-requestid")
        assert accessed(made) == [own, own, "GET /pets", "blue", "/pets", "200", "202"]
        context = seen[0]["requestContext"]
        assert (context["requestId"], context["resourceId"], context["path"]) == (own, None, "/pets")
        assert context["authorizer"] == {"team": "blue"}, "payload 1.0 has the values themselves"


async def test_a_mapping_takes_what_an_http_apis_authorizer_said() -> None:
    async with gateway() as made, backend() as behind:
        mapping = {"append:header.route": "$context.routeKey", "append:header.id": "$context.requestId"}
        await deploy_http(made, {"GET /pets": http(behind.url, request_parameters=mapping)})
        answer = await made.ask("/pets", stage="")
        received = behind.received[0]
        assert received.header("route") == "GET /pets"
        assert received.header("id") == answer.header("apigw-requestid")


async def test_an_http_api_tells_why_a_function_was_not_called() -> None:
    async with gateway() as made:

        async def refuse(*call: Any) -> dict[str, Any]:
            raise RemoteError("AccessDeniedException", "no", 403)

        made.services.call = refuse  # type: ignore[method-assign]
        settings = http_model.AccessLogSettings(
            format="$context.integrationErrorMessage|$context.authorizer.error", destination_arn=GROUP
        )
        authorizer = http_model.Authorizer(
            **ENTITY,
            api_id=API,
            authorizer_id="au",
            name="au",
            authorizer_type="REQUEST",
            authorizer_uri=function_uri("auth"),
            authorizer_payload_format_version="2.0",
        )
        for route, which in (({}, 0), ({"authorization_type": "CUSTOM", "authorizer_id": "au"}, 1)):
            made.logs.lines.clear()
            await deploy_http(
                made,
                {"GET /": function("f")},
                settings={"access_log_settings": settings},
                route=route,
                authorizers=[authorizer],
            )
            assert (await made.ask("/", stage="")).status == 500
            noun = ("integration", "authorizer")[which]
            assert accessed(made)[which].endswith(f"to call the {noun}. Check the permissions and try again.")
            assert accessed(made)[1 - which] == "-"


async def test_a_function_that_fails_is_told_in_aws_words() -> None:
    async with gateway() as made:

        def fail(event: Any) -> None:
            raise FunctionFailed("boom")

        made.services.functions["f"] = fail
        await made.deploy({"GET /": proxy("f")}, stage=execution("ERROR"))
        assert (await made.ask("/")).status == 502
        told = steps(made)[0]
        said, _, request_id = told.partition(". Lambda request id: ")
        assert said == "Lambda execution failed with status 200 due to customer function error: boom"
        assert uuid.UUID(request_id)


# -- execution logs


async def test_the_steps_of_a_request() -> None:
    async with gateway() as made:
        await made.deploy({"GET /pets/{id}": mock(out="ok")}, stage=execution())
        answer = await made.ask("/pets/7?a=1")
        request_id = answer.header("x-amzn-requestid")
        assert steps(made) == [
            f"Extended Request Id: {answer.header('x-amz-apigw-id')}",
            f"Verifying Usage Plan for request: {request_id}. API Key:  API Stage: {API}/prod",
            "API Key  authorized because method 'GET /pets/{id}' does not require API Key. "
            "Request will not contribute to throttle or quota limits",
            f"Usage Plan check succeeded for API Key  and API Stage {API}/prod",
            f"Starting execution for request: {request_id}",
            "HTTP Method: GET, Resource Path: /pets/7",
            "Method request path: {id=7}",
            "Method request query string: {a=1}",
            *([line for line in steps(made) if line.startswith("Received response")]),
            "Successfully completed execution",
            "Method completed with status: 200",
        ]


async def test_a_traced_stage_names_the_trace() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": mock()}, stage={**execution(), "tracing_enabled": True})
        trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
        await made.ask("/", headers=[("X-Amzn-Trace-Id", trace)])
        assert steps(made)[-1] == f"X-ray Tracing ID : {trace}"


async def test_the_steps_of_an_authorized_call_of_a_function() -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}]}
    answer = {"principalId": "somebody-else", "policyDocument": {"Version": "2012-10-17", **policy}}
    async with gateway() as made:
        made.services.functions |= {"auth": lambda event: answer, "pets": lambda event: {"statusCode": 201}}
        authorizer = model.Authorizer(
            **ENTITY, rest_api_id=API, id="au", name="au", type="TOKEN", authorizer_uri=function_uri("auth")
        )
        method = proxy("pets", authorization_type="CUSTOM", authorizer_id="au")
        await made.deploy({"GET /a": method}, stage=execution(), authorizers=[authorizer])
        await made.ask("/a", headers=[("Authorization", "t")])
        told = steps(made)
    assert "Using valid authorizer policy for principal: *******y-else" in told
    assert any(line.startswith("Received response. Status: 200, Integration latency: ") for line in told)
    assert told[-2] == "Method completed with status: 201"
    assert uuid.UUID(told[-1].removeprefix("AWS Integration Endpoint RequestId : "))


GRANT = {
    "principalId": "somebody-else",
    "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*/GET/a"}
        ],
    },
}
REFUSED = "The client is not authorized to perform this operation."


async def with_authorizer(
    made: Gateway, answer: Any, *, data: bool = False, kind: str = "TOKEN", source: str | None = None
) -> None:
    made.services.functions["auth"] = answer if callable(answer) else lambda event: answer
    authorizer = model.Authorizer(
        **ENTITY,
        rest_api_id=API,
        id="au",
        name="au",
        type=kind,
        authorizer_uri=function_uri("auth"),
        identity_source=source,
    )
    method = mock(authorization_type="CUSTOM", authorizer_id="au")
    await made.deploy({"GET /a": method, "GET /b": method}, stage=execution(data=data), authorizers=[authorizer])


async def authorization(made: Gateway, path: str, **headers: str) -> list[str]:
    """What the log tells of it, up to the usage plan."""
    made.logs.lines.clear()
    answer = await made.ask(path, headers=list(headers.items()))
    said = [line.replace(str(answer.header("x-amzn-requestid")), "{id}") for line in steps(made)[1:]]
    return said[: next((n for n, line in enumerate(said) if line.startswith("Verifying")), len(said))]


async def test_the_steps_of_an_authorizer() -> None:
    started = ["Starting authorizer: au for request: {id}", "Incoming identity: ***cdefgh"]
    ended = [
        "Using valid authorizer policy for principal: *******y-else",
        "Successfully completed authorizer execution",
    ]
    async with gateway() as made:
        await with_authorizer(made, GRANT)
        token = {"Authorization": "abccdefgh"}
        assert await authorization(made, "/a", **token) == [*started, *ended]
        assert await authorization(made, "/a", **token) == [*started, *ended], "remembered"
        assert await authorization(made, "/b", **token) == [
            *started,
            *ended,
            REFUSED,
            "Method completed with status: 403",
        ]
        assert await authorization(made, "/a") == [started[0], "Unauthorized request: {id}"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({**GRANT, "more": 1}, 'Invalid JSON in response: Unrecognized field "more" , not marked as ignorable'),
        (None, "Could not parse policy"),
    ],
    ids=["a member too many", "nothing"],
)
async def test_an_authorizer_that_does_not_answer_as_it_should(answer: Any, said: str) -> None:
    async with gateway() as made:
        await with_authorizer(made, answer)
        told = await authorization(made, "/a", Authorization="t")
        assert told[2:] == [f"Execution failed due to configuration error: {said}", "Method completed with status: 500"]


async def test_the_data_of_an_authorizer() -> None:
    async with gateway() as made:
        source = "method.request.header.Who, method.request.querystring.team"
        await with_authorizer(made, GRANT, data=True, kind="REQUEST", source=source)
        told = await authorization(made, "/a?team=blue", Who="somebody")
        assert (
            told[1] == "Incoming identity: {method.request.header.Who=**mebody, method.request.querystring.team=****}"
        )
        names = [line.partition(":")[0] for line in told[2:7]]
        assert names == [
            "Endpoint request URI",
            "Endpoint request headers",
            "Endpoint request body after transformations",
            "Sending request to https",
            "Authorizer result body before parsing",
        ]
        assert json.loads(told[6].partition(": ")[2]) == GRANT
        assert not any("Endpoint" in line for line in told[7:]), "the method's own backend comes after"


async def test_a_resource_policy_refuses_before_the_authorizer() -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: GRANT
        await made.deploy({"GET /a": mock()}, stage=execution(), policy='{"Statement": []}')
        assert await authorization(made, "/a") == [REFUSED, "Method completed with status: 403"]


async def test_the_data_of_a_request_and_no_credentials() -> None:
    async with gateway() as made, backend() as behind:
        behind.reply = b"HTTP/1.1 201 Created\r\nContent-Length: 6\r\nX-From: there\r\n\r\nanswer"
        await made.deploy({"POST /": http_proxy(behind.url)}, stage=execution(data=True))
        headers = [("Authorization", "Bearer abcdefghijklmnop"), ("x-api-key", "0123456789abcdef"), ("X-Own", "1")]
        await made.ask("/", "POST", headers, b"question")
        told = steps(made)
        assert not any("abcdefghij" in line or "0123456789" in line for line in told)
        request_headers = next(line for line in told if line.startswith("Method request headers"))
        assert f"Authorization={'*' * 17}klmnop" in request_headers
        assert "X-Own=1" in request_headers
        assert "Method request body before transformations: question" in told
        assert f"Endpoint request URI: {behind.url}/" in told
        assert any(line.startswith("Endpoint request headers: {") and "x-own=1" in line for line in told)
        assert "Endpoint request body after transformations: question" in told
        assert f"Sending request to {behind.url}/" in told
        assert any(line.startswith("Received response. Status: 201, Integration latency: ") for line in told)
        assert "Endpoint response body before transformations: answer" in told
        assert any(line.startswith("Endpoint response headers: {") and "X-From=there" in line for line in told)
        assert "Method response body after transformations: answer" in told
        assert told[-1] == "Method completed with status: 201"


async def test_events_are_cut_at_1024_bytes() -> None:
    async with gateway() as made, backend() as behind:
        await made.deploy({"POST /": http_proxy(behind.url)}, stage=execution(data=True))
        await made.ask("/", "POST", body="é".encode() * 3000)
        cut = [line for _, line in made.logs.lines if line.endswith(" [TRUNCATED]")]
        assert len(cut) == 2
        assert all(1000 < len(line.encode()) <= 1024 for line in cut)


async def test_binary_bodies_are_not_logged() -> None:
    async with gateway() as made, backend() as behind:
        await made.deploy({"POST /": http_proxy(behind.url)}, stage=execution(data=True))
        await made.ask("/", "POST", body=b"\xff\xfe\x00")
        assert "Method request body before transformations: [Binary Data]" in steps(made)


async def test_a_functions_call_is_traced() -> None:
    async with gateway() as made:
        made.services.functions["pets"] = lambda event: {"statusCode": 200, "body": "ok"}
        await made.deploy({"GET /": proxy("pets")}, stage=execution(data=True))
        await made.ask("/")
        told = steps(made)
        uri = next(line for line in told if line.startswith("Endpoint request URI: "))
        assert uri.startswith("Endpoint request URI: https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/arn:")
        event = next(line for line in told if line.startswith("Endpoint request body after"))
        assert '"httpMethod":"GET"' in event
        answer = next(line for line in told if line.startswith("Endpoint response body before"))
        assert json.loads(answer.partition(": ")[2])["statusCode"] == 200


async def test_without_data_trace_no_data_and_at_error_only_errors() -> None:
    async with gateway() as made, backend() as behind:
        await made.deploy({"POST /": http_proxy(behind.url)}, stage=execution("ERROR", data=True))
        await made.ask("/", "POST", body=b"question")
        assert steps(made) == []
        await made.deploy({"POST /": http_proxy(behind.url)}, stage=execution(), deployment="d2")
        await made.ask("/", "POST", body=b"question")
        assert not any("question" in line for line in steps(made))


async def test_a_key_that_is_refused() -> None:
    async with gateway() as made:
        guarded = mock(api_key_required=True)
        await made.deploy({"GET /": guarded}, stage=execution())
        await made.ask("/")
        told = steps(made)
        assert any("requires API Key and API Key is not associated with a Usage Plan" in line for line in told)
        assert not any(line.startswith("Starting execution") for line in told)
        assert told[-1] == "Method completed with status: 403"
        made.logs.lines.clear()
        await made.deploy({"GET /": guarded}, stage=execution(data=True), deployment="d2")
        await made.ask("/")
        assert "Gateway response type: INVALID_API_KEY with status code: 403" in steps(made)


async def test_a_method_that_is_throttled() -> None:
    async with gateway() as made:
        setting = model.MethodSetting(logging_level="INFO", throttling_rate_limit=0.01, throttling_burst_limit=1)
        await made.deploy({"GET /": mock()}, stage={"method_settings": {"*/*": setting}})
        assert [(await made.ask("/")).status for _ in range(2)] == [200, 429]
        assert steps(made)[-2:] == [
            f"Key throttle limit exceeded for RestApi {API}, Stage prod, Resource r0, HttpMethod GET. "
            "Limit: 0.01 Burst: 1",
            "Method completed with status: 429",
        ]
