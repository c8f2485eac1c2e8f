"""What stands before and around an integration is seen to happen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.apigateway_plan.harness import (
    API,
    OWNER,
    FunctionFailed,
    Gateway,
    function_uri,
    gateway,
    method,
    mock,
    proxy,
)

from forecourt.base.ports import TokenRejected
from forecourt.services.apigateway.limits import Limit
from forecourt.services.apigateway.rest import model
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.telemetry.metrics import MetricId

# -- stages and deployments


async def test_a_stage_serves_its_deployment_until_it_is_moved() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": mock(out="one")})
        assert (await made.ask("/")).body == b"one"
        await made.deploy({"GET /": mock(out="two")}, deployment="d2")
        assert (await made.ask("/")).body == b"two"
        await made.deploy({"GET /": mock(out="one")}, deployment="d1")
        assert (await made.ask("/")).body == b"one"


async def test_an_unknown_api_or_stage_is_forbidden_an_unknown_route_has_no_token() -> None:
    async with gateway() as made:
        assert ((await made.ask("/")).status, (await made.ask("/")).json()) == (403, {"message": "Forbidden"})
        await made.deploy({"GET /": mock()})
        assert (await made.ask("/", stage="other")).json() == {"message": "Forbidden"}
        answer = await made.ask("/nowhere")
        assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})
        assert answer.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
        assert (await made.ask("/", "PUT")).json() == {"message": "Missing Authentication Token"}


async def test_a_deleted_stage_is_gone() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": mock()})
        await made.store.write(lambda tx: tx.delete(model.Stage, "000000000000", "us-east-1", API, "prod"))
        assert (await made.ask("/")).status == 403


async def test_a_request_under_way_keeps_its_plan() -> None:
    go_on = asyncio.Event()
    async with gateway() as made:

        async def slow(event: Any) -> dict[str, Any]:
            await go_on.wait()
            return {"body": "old"}

        made.services.functions["slow"] = slow
        await made.deploy({"GET /": proxy("slow")})
        asked = asyncio.create_task(made.ask("/"))
        while not made.services.calls:
            await asyncio.sleep(0)
        await made.deploy({"GET /": mock(out="new")}, deployment="d2")
        assert (await made.ask("/")).body == b"new"
        go_on.set()
        assert (await asked).body == b"old"


async def test_a_canary_gets_its_share_and_its_variables() -> None:
    async with gateway() as made:
        out = "$stageVariables.v $context.isCanaryRequest"
        await made.deploy({"GET /": mock(out=f"new {out}")}, deployment="d2")
        canary = model.CanarySettings(
            percent_traffic=30.0, deployment_id="d2", stage_variable_overrides={"v": "canary"}
        )
        await made.deploy(
            {"GET /": mock(out=f"old {out}")}, stage={"canary_settings": canary, "variables": {"v": "base"}}
        )
        bodies = [(await made.ask("/")).body for _ in range(300)]
        assert set(bodies) == {b"old base false", b"new canary true"}
        assert 45 < bodies.count(b"new canary true") < 140


@pytest.mark.parametrize(
    ("uses", "deployment", "calls"), [(True, "d2", 2), (True, "d1", 1), (False, "d2", 13)], ids=["own", "same", "none"]
)
async def test_a_canary_uses_the_stages_cache_where_it_is_let(uses: bool, deployment: str, calls: int) -> None:
    """Of another version it has entries of its own, of the same one the stage's."""
    async with gateway() as made:
        for name in ("old", "new"):
            made.services.functions[name] = lambda event, name=name: {"body": name}
        setting = model.MethodSetting(caching_enabled=True)
        stage = {"cache_cluster_enabled": True, "method_settings": {"*/*": setting}}
        await made.deploy({"GET /": proxy("new")}, deployment="d2")
        for percent, asked in ((0.0, 1), (100.0, 12)):
            canary = model.CanarySettings(percent_traffic=percent, deployment_id=deployment, use_stage_cache=uses)
            await made.deploy({"GET /": proxy("old")}, stage={**stage, "canary_settings": canary})
            bodies = {(await made.ask("/")).body for _ in range(asked)}
            assert bodies == {b"new" if percent and deployment == "d2" else b"old"}
        assert len(made.services.calls) == calls


async def test_a_canarys_requests_are_seen_twice() -> None:
    async with gateway() as made:
        access = model.AccessLogSettings(
            destination_arn="arn:aws:logs:us-east-1:000000000000:log-group:access:*", format="$context.requestId"
        )
        canary = model.CanarySettings(percent_traffic=100.0, deployment_id="d1")
        setting = model.MethodSetting(logging_level="INFO")
        stage = {"canary_settings": canary, "access_log_settings": access, "method_settings": {"*/*": setting}}
        await made.deploy({"GET /": mock()}, stage=stage)
        await made.ask("/")
        execution = f"API-Gateway-Execution-Logs_{API}/prod"
        by_group = {group: [line for name, line in made.logs.lines if name == group] for group, _ in made.logs.lines}
        assert set(by_group) == {"access", "access/Canary", execution, f"{execution}/Canary"}
        assert by_group["access"] == by_group["access/Canary"]
        assert by_group[execution] == by_group[f"{execution}/Canary"]


# -- validation

PET = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 2}, "age": {"type": "integer", "minimum": 0}},
}


async def validated(made: Gateway, schema: dict[str, Any], *more: model.Model, **validates: bool) -> None:
    pet = model.Model(
        **OWNER, rest_api_id=API, id="m", name="Pet", content_type="application/json", schema=json.dumps(schema)
    )
    validator = model.RequestValidator(**OWNER, rest_api_id=API, id="v", **validates)
    target = mock(out="fine")
    target.request_validator_id = "v"
    target.request_models = {"application/json": "Pet"}
    target.request_parameters = {
        "method.request.querystring.q": True,
        "method.request.header.X-H": True,
        "method.request.querystring.optional": False,
    }
    text = model.GatewayResponse(
        **OWNER,
        rest_api_id=API,
        response_type="BAD_REQUEST_BODY",
        response_templates={"application/json": "$context.error.validationErrorString"},
    )
    await made.deploy(
        {"POST /": target},
        models=[pet, *more],
        request_validators=[validator],
        gateway_responses=[text] if validates.get("validate_request_body") else [],
    )


@pytest.mark.parametrize(
    ("query", "headers", "missing"),
    [
        ("?q=1", [("X-H", "1")], None),
        ("", [("X-H", "1")], "[q]"),
        ("?q=1", [], "[X-H]"),
        ("", [], "[q, X-H]"),
        ("?q=", [("X-H", "1")], "[q]"),
        ("?q=&q=2", [("x-h", "1")], None),
    ],
)
async def test_required_parameters(query: str, headers: list[tuple[str, str]], missing: str | None) -> None:
    async with gateway() as made:
        await validated(made, PET, validate_request_parameters=True)
        answer = await made.ask(f"/{query}", "POST", headers, b"not looked at")
        if missing is None:
            assert answer.body == b"fine"
        else:
            assert answer.status == 400
            assert answer.json() == {"message": f"Missing required request parameters: {missing}"}
            assert answer.header("x-amzn-errortype") == "BadRequestException"


SCHEMA_MESSAGES = {
    '{"name": "Rex", "age": 3}': None,
    '{"name": "Rex", "extra": 1}': None,
    "{}": 'object has missing required properties (["name"])',
    "": 'object has missing required properties (["name"])',
    "[]": 'instance type (array) does not match any allowed primitive type (allowed: ["object"])',
    '{"name": 1}': 'instance type (integer) does not match any allowed primitive type (allowed: ["string"])',
    '{"name": "R"}': 'string "R" is too short (length: 1, required minimum: 2)',
    '{"name": "Rex", "age": -1}': "numeric instance is lower than the required minimum (minimum: 0, found: -1)",
    "{broken": "failed to parse body",
}


@pytest.mark.parametrize("body", SCHEMA_MESSAGES)
async def test_the_body_against_its_model(body: str) -> None:
    expected = SCHEMA_MESSAGES[body]
    async with gateway() as made:
        await validated(made, PET, validate_request_body=True)
        answer = await made.ask("/", "POST", body=body.encode())
        assert (answer.status, answer.body.decode()) == ((200, "fine") if expected is None else (400, f"[{expected}]"))


async def test_the_message_that_aws_gives_and_a_reference_to_another_model() -> None:
    reference = f"https://apigateway.amazonaws.com/restapis/{API}/models/Toy"
    toy = model.Model(
        **OWNER, rest_api_id=API, id="t", name="Toy", content_type="application/json", schema='{"type": "string"}'
    )
    async with gateway() as made:
        validator = model.RequestValidator(**OWNER, rest_api_id=API, id="v", validate_request_body=True)
        pet = model.Model(
            **OWNER,
            rest_api_id=API,
            id="m",
            name="Pet",
            content_type="application/json",
            schema=json.dumps({"type": "array", "items": {"$ref": reference}}),
        )
        target = mock(out="fine")
        assert target.method_integration is not None
        target.method_integration.request_templates = dict.fromkeys(
            ("application/json", "text/plain"), '{"statusCode": 200}'
        )
        target.request_validator_id, target.request_models = "v", {"application/json": "Pet"}
        await made.deploy({"POST /": target}, models=[pet, toy], request_validators=[validator])
        assert (await made.ask("/", "POST", body=b'["ball"]')).status == 200
        answer = await made.ask("/", "POST", body=b"[1]")
        assert (answer.status, answer.json()) == (400, {"message": "Invalid request body"})
        other = await made.ask("/", "POST", [("Content-Type", "text/plain")], b"anything")
        assert other.status == 200


# -- gateway responses


async def test_customised_gateway_responses() -> None:
    own = model.GatewayResponse(
        **OWNER,
        rest_api_id=API,
        response_type="MISSING_AUTHENTICATION_TOKEN",
        status_code="404",
        response_parameters={
            "gatewayresponse.header.X-Path": "context.path",
            "gatewayresponse.header.X-Lit": "'x'",
            "gatewayresponse.header.X-In": "method.request.header.X-In",
        },
        response_templates={
            "application/json": '{"m": $context.error.messageString, "t": "$context.error.responseType"}',
            "text/plain": "plain $context.error.message",
        },
    )
    every = model.GatewayResponse(
        **OWNER, rest_api_id=API, response_type="DEFAULT_5XX", response_parameters={"gatewayresponse.header.X-5": "'5'"}
    )
    async with gateway() as made:
        await made.deploy({"GET /": proxy("missing")}, gateway_responses=[own, every])
        answer = await made.ask("/nowhere", headers=[("X-In", "in")])
        assert answer.status == 404
        assert answer.json() == {"m": "Missing Authentication Token", "t": "MISSING_AUTHENTICATION_TOKEN"}
        assert [answer.header(name) for name in ("x-path", "x-lit", "x-in")] == ["/prod/nowhere", "x", "in"]
        plain = await made.ask("/nowhere", headers=[("Accept", "text/plain")])
        assert (plain.body, plain.header("content-type")) == (b"plain Missing Authentication Token", "text/plain")
        failed = await made.ask("/")
        assert (failed.status, failed.header("x-5"), failed.json()) == (500, "5", {"message": "Internal server error"})


# -- throttles, keys and quotas


async def test_the_sixth_request_of_a_burst_of_five() -> None:
    async with gateway() as made:
        setting = model.MethodSetting(throttling_burst_limit=5, throttling_rate_limit=1.0)
        await made.deploy({"GET /a": mock(), "GET /b": mock()}, stage={"method_settings": {"*/*": setting}})
        assert [(await made.ask("/a")).status for _ in range(6)] == [200] * 5 + [429]
        refused = await made.ask("/a")
        assert (refused.json(), refused.header("x-amzn-errortype")) == (
            {"message": "Too Many Requests"},
            "TooManyRequestsException",
        )
        assert (await made.ask("/b")).status == 200
        made.clock.advance(2)
        assert [(await made.ask("/a")).status for _ in range(3)] == [200, 200, 429]


async def test_the_accounts_limit_holds_for_all_methods_together() -> None:
    async with gateway(account_limit=Limit(1.0, 3)) as made:
        await made.deploy({"GET /a": mock(), "GET /b": mock()})
        assert [(await made.ask(path)).status for path in ("/a", "/b", "/a", "/b")] == [200, 200, 200, 429]


def keyed(target: model.Method) -> model.Method:
    target.api_key_required = True
    return target


async def with_plan(made: Gateway, **plan: Any) -> None:
    await made.put(
        model.ApiKey(
            **OWNER, id="k", value="secret-key-of-20-chars", enabled=True, created_date=0, last_updated_date=0
        ),
        model.UsagePlan(
            **OWNER, id="p", name="p", **{"api_stages": [model.ApiStage(api_id=API, stage="prod")], **plan}
        ),
        model.UsagePlanKey(**OWNER, usage_plan_id="p", id="k"),
    )


KEY = [("X-Api-Key", "secret-key-of-20-chars")]


async def test_an_api_key() -> None:
    async with gateway() as made:
        target = keyed(mock(out="$context.identity.apiKeyId"))
        await made.deploy({"GET /": target, "GET /free": mock()})
        assert (await made.ask("/free")).status == 200
        await with_plan(made)
        for headers in ([], [("X-Api-Key", "wrong")]):
            refused = await made.ask("/", headers=headers)
            assert (refused.status, refused.json()) == (403, {"message": "Forbidden"})
            assert refused.header("x-amzn-errortype") == "ForbiddenException"
        assert (await made.ask("/", headers=KEY)).body == b"k"
        key = await made.store.get(model.ApiKey, "000000000000", "us-east-1", "k")
        assert key is not None
        key.enabled = False
        await made.put(key)
        assert (await made.ask("/", headers=KEY)).status == 403


async def test_a_key_without_a_plan_for_the_stage_is_forbidden() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": keyed(mock())})
        await with_plan(made, api_stages=[model.ApiStage(api_id=API, stage="other")])
        assert (await made.ask("/", headers=KEY)).status == 403


async def test_a_usage_plan_throttles_its_client_and_a_methods_own_limit_replaces_it() -> None:
    async with gateway() as made:
        await made.deploy({"GET /a": keyed(mock()), "GET /b": keyed(mock())})
        stage = model.ApiStage(
            api_id=API, stage="prod", throttle={"/b/GET": model.ThrottleSettings(burst_limit=1, rate_limit=1.0)}
        )
        await with_plan(made, api_stages=[stage], throttle=model.ThrottleSettings(burst_limit=2, rate_limit=1.0))
        assert [(await made.ask("/a", headers=KEY)).status for _ in range(3)] == [200, 200, 429]
        assert [(await made.ask("/b", headers=KEY)).status for _ in range(2)] == [200, 429]


async def test_a_quota_is_another_429_and_returns_the_next_day() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": keyed(mock())})
        await with_plan(made, quota=model.QuotaSettings(limit=2, period="DAY"))
        assert [(await made.ask("/", headers=KEY)).status for _ in range(3)] == [200, 200, 429]
        refused = await made.ask("/", headers=KEY)
        assert (refused.json(), refused.header("x-amzn-errortype")) == (
            {"message": "Limit Exceeded"},
            "LimitExceededException",
        )
        made.clock.advance(86_400)
        assert (await made.ask("/", headers=KEY)).status == 200


async def test_a_quotas_offset_is_taken_off_its_first_period() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": keyed(mock())})
        quota = model.QuotaSettings(limit=5, period="WEEK", offset=3)
        await with_plan(made, quota=quota, quota_began_at=int(made.clock.now()))
        assert [(await made.ask("/", headers=KEY)).status for _ in range(3)] == [200, 200, 429]
        made.clock.advance(7 * 86_400)
        assert [(await made.ask("/", headers=KEY)).status for _ in range(6)] == [200] * 5 + [429]


# -- caching


async def test_a_cache_hit_does_not_call_the_backend() -> None:
    async with gateway() as made:
        made.services.functions["f"] = lambda event: {"body": str(len(made.services.calls)), "headers": {"X-A": "1"}}
        target = proxy("f")
        assert target.method_integration is not None
        target.method_integration.cache_key_parameters = ["method.request.querystring.q"]
        setting = model.MethodSetting(
            caching_enabled=True, cache_ttl_in_seconds=60, require_authorization_for_cache_control=False
        )
        stage = {"cache_cluster_enabled": True, "cache_cluster_size": "0.5", "method_settings": {"*/*": setting}}
        await made.deploy({"GET /": target, "POST /": target}, stage=stage)
        assert [(await made.ask("/?q=1")).body for _ in range(3)] == [b"1"] * 3
        assert (await made.ask("/?q=1")).header("x-a") == "1"
        assert (await made.ask("/?q=2")).body == b"2"
        assert (await made.ask("/?q=1&other=3")).body == b"1"
        assert [(await made.ask("/?q=1", "POST")).body for _ in range(2)] == [b"3", b"4"]
        for other in ("no-cache", "max-age=05", "s-maxage=0", "max-age=10"):
            assert (await made.ask("/?q=1", headers=[("Cache-Control", other)])).body == b"1"
        assert (await made.ask("/?q=1", headers=[("Cache-Control", "no-store, Max-Age=0")])).body == b"5"
        assert (await made.ask("/?q=1")).body == b"5"
        made.clock.advance(61)
        assert (await made.ask("/?q=1")).body == b"6"
        await made.gateway.flush_stage("000000000000", "us-east-1", API, "prod")
        assert (await made.ask("/?q=1")).body == b"7"


@pytest.mark.parametrize(
    ("strategy", "status", "warned"),
    [
        ("FAIL_WITH_403", 403, False),
        ("SUCCEED_WITH_RESPONSE_HEADER", 200, True),
        ("SUCCEED_WITHOUT_RESPONSE_HEADER", 200, False),
    ],
)
async def test_who_may_not_invalidate(strategy: str, status: int, warned: bool) -> None:
    async with gateway() as made:
        setting = model.MethodSetting(caching_enabled=True, unauthorized_cache_control_header_strategy=strategy)
        made.services.functions["f"] = lambda event: {"body": str(len(made.services.calls))}
        stage = {"cache_cluster_enabled": True, "method_settings": {"*/*": setting}}
        await made.deploy({"GET /": proxy("f")}, stage=stage)
        await made.ask("/")
        answer = await made.ask("/", headers=[("Cache-Control", "max-age=0")])
        assert (answer.status, answer.header("warning") is not None) == (status, warned)
        assert len(made.services.calls) == 1


# -- Lambda authorizers


def grant(effect: str, resource: str, **more: Any) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **more}


def authorizer(kind: str, **settings: Any) -> model.Authorizer:
    return model.Authorizer(
        **OWNER, rest_api_id=API, id="au", name="au", type=kind, authorizer_uri=function_uri("auth"), **settings
    )


def guarded(target: model.Method, kind: str = "CUSTOM", **settings: Any) -> model.Method:
    target.authorization_type, target.authorizer_id = kind, "au"
    for name, value in settings.items():
        setattr(target, name, value)
    return target


TOKEN = {"identity_source": "method.request.header.Authorization"}


async def test_a_token_authorizer_lets_in_and_tells() -> None:
    async with gateway() as made:
        events: list[dict[str, Any]] = []

        def auth(event: dict[str, Any]) -> dict[str, Any]:
            events.append(event)
            return grant("Allow", event["methodArn"], context={"n": 1, "b": True, "s": "x"})

        made.services.functions |= {
            "auth": auth,
            "f": lambda e: {"body": json.dumps(e["requestContext"]["authorizer"])},
        }
        await made.deploy({"GET /pets/{id}": guarded(proxy("f"))}, authorizers=[authorizer("TOKEN", **TOKEN)])
        answer = await made.ask("/pets/1", headers=[("Authorization", "let me in")])
        told = answer.json()
        assert {name: told[name] for name in ("principalId", "n", "b", "s")} == {
            "principalId": "ann",
            "n": "1",
            "b": "true",
            "s": "x",
        }
        assert events == [
            {
                "type": "TOKEN",
                "methodArn": f"arn:aws:execute-api:us-east-1:000000000000:{API}/prod/GET/pets/1",
                "authorizationToken": "let me in",
            }
        ]


async def test_a_cached_allow_for_get_does_not_open_delete() -> None:
    async with gateway() as made:
        asked: list[str] = []

        def auth(event: dict[str, Any]) -> dict[str, Any]:
            asked.append(event["authorizationToken"])
            return grant("Allow", f"arn:aws:execute-api:us-east-1:000000000000:{API}/prod/GET/*")

        made.services.functions["auth"] = auth
        methods = {"GET /pets": guarded(mock()), "DELETE /pets": guarded(mock())}
        await made.deploy(methods, authorizers=[authorizer("TOKEN", **TOKEN)])
        headers = [("Authorization", "t")]
        assert (await made.ask("/pets", headers=headers)).status == 200
        refused = await made.ask("/pets", "DELETE", headers)
        assert (refused.status, refused.json()) == (
            403,
            {
                "Message": "User is not authorized to access this resource because no identity-based policy allows the "
                "execute-api:Invoke action"
            },
        )
        assert asked == ["t"]
        made.clock.advance(301)
        await made.ask("/pets", headers=headers)
        assert asked == ["t", "t"]
        await made.gateway.flush_authorizers("000000000000", "us-east-1", API, "prod")
        await made.ask("/pets", headers=headers)
        assert len(asked) == 3
        traces = {context.trace_id.partition("=")[0] for context, *_ in made.services.calls}
        assert traces == {"Root"}


REFUSALS: dict[str, tuple[Any, int, Any]] = {
    "an explicit deny": (
        grant("Deny", "*"),
        403,
        "User is not authorized to access this resource with an explicit deny in an identity-based policy",
    ),
    "Unauthorized": ("raise Unauthorized", 401, "Unauthorized"),
    "any other failure": ("raise boom", 500, None),
    "no policy": ({"principalId": "x"}, 500, None),
    "no principal": ({"policyDocument": grant("Allow", "*")["policyDocument"]}, 500, None),
    "a broken policy": ({"principalId": "x", "policyDocument": {"Statement": "?"}}, 500, None),
    "objects in the context": (grant("Allow", "*", context={"a": {"b": 1}}), 500, None),
    "no object at all": ("text", 500, None),
    "a member that nobody knows": ({**grant("Allow", "*"), "more": 1}, 500, None),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_an_authorizer_refuses_or_gets_wrong(name: str) -> None:
    returned, status, message = REFUSALS[name]
    async with gateway() as made:

        def auth(event: Any) -> Any:
            if isinstance(returned, str) and returned.startswith("raise "):
                raise FunctionFailed(returned.removeprefix("raise "))
            return returned

        made.services.functions["auth"] = auth
        await made.deploy({"GET /": guarded(mock())}, authorizers=[authorizer("TOKEN", **TOKEN)])
        answer = await made.ask("/", headers=[("Authorization", "t")])
        member = "Message" if status == 403 else "message"
        assert (answer.status, answer.json()) == (status, {member: message})


async def test_a_context_that_is_null_is_none() -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant("Allow", "*", context=None, usageIdentifierKey=None)
        await made.deploy({"GET /": guarded(mock())}, authorizers=[authorizer("TOKEN", **TOKEN)])
        assert (await made.ask("/", headers=[("Authorization", "t")])).status == 200


async def test_no_token_or_one_of_the_wrong_form_is_401_and_nobody_is_asked() -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant("Allow", "*")
        checks = authorizer("TOKEN", **TOKEN, identity_validation_expression="Bearer [a-z]+")
        await made.deploy({"GET /": guarded(mock())}, authorizers=[checks])
        for headers in ([], [("Authorization", "Basic x")], [("Authorization", "Bearer a!")]):
            answer = await made.ask("/", headers=headers)
            assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
        assert made.services.calls == []
        assert (await made.ask("/", headers=[("Authorization", "Bearer abc")])).status == 200


async def test_a_request_authorizer_sees_the_request_and_needs_its_identity_sources() -> None:
    async with gateway() as made:
        events: list[dict[str, Any]] = []

        def auth(event: dict[str, Any]) -> dict[str, Any]:
            events.append(event)
            return grant("Allow", "*")

        made.services.functions["auth"] = auth
        sources = "method.request.header.X-Id, method.request.querystring.t, stageVariables.v, context.httpMethod"
        await made.deploy(
            {"GET /pets/{id}": guarded(mock())},
            authorizers=[authorizer("REQUEST", identity_source=sources)],
            stage={"variables": {"v": "1"}},
        )
        assert (await made.ask("/pets/1?t=2")).status == 401
        assert (await made.ask("/pets/1", headers=[("X-Id", "a")])).status == 401
        for path, asked in (("/pets/1?t=2", 1), ("/pets/2?t=2", 1), ("/pets/1?t=3", 2)):
            assert (await made.ask(path, headers=[("X-Id", "a")])).status == 200
            assert len(events) == asked
        event = events[0]
        assert (event["type"], event["pathParameters"], event["queryStringParameters"]) == (
            "REQUEST",
            {"id": "1"},
            {"t": "2"},
        )
        assert event["methodArn"].endswith("/prod/GET/pets/1")


@pytest.mark.parametrize("sources", [None, "", " , "], ids=["none", "empty", "a comma"])
async def test_without_identity_sources_no_grant_is_kept_for_the_next_caller(sources: str | None) -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant("Allow" if "X-Good" in event["headers"] else "Deny", "*")
        await made.deploy({"GET /": guarded(mock())}, authorizers=[authorizer("REQUEST", identity_source=sources)])
        assert (await made.ask("/", headers=[("X-Good", "1")])).status == 200
        assert (await made.ask("/")).status == 403


async def test_the_authorizer_may_say_whose_api_key_counts() -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant(
            "Allow", "*", usageIdentifierKey=event["authorizationToken"]
        )
        await made.deploy(
            {"GET /": guarded(keyed(mock()))}, authorizers=[authorizer("TOKEN", **TOKEN)], api_key_source="AUTHORIZER"
        )
        await with_plan(made)
        assert (await made.ask("/", headers=[("Authorization", KEY[0][1])])).status == 200
        assert (await made.ask("/", headers=[("Authorization", "other"), *KEY])).status == 403


# -- user pools


class Pools:
    """A verifier for tokens that are `header.{claims}.signature` where the signature says `good`."""

    def owns(self, issuer: str) -> bool:
        return "us-east-1_" in issuer

    async def verify(self, token: str, issuer: str) -> dict[str, Any]:
        import base64

        _, payload, signature = token.split(".")
        if signature == "expired":
            raise TokenRejected("expired", expired=True)
        if signature != "good":
            raise TokenRejected("wrong signature")
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        return claims


def token(signature: str = "good", pool: str = "us-east-1_Abc", **claims: Any) -> str:
    import base64

    issuer = f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"
    payload = json.dumps({"iss": issuer, "exp": 2**40, "token_use": "id", "sub": "s", **claims}).encode()
    return f"h.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.{signature}"


POOL = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_Abc"
TOKENS = {
    "an identity token": (token(), (), 200),
    "with Bearer": (f"Bearer {token()}", (), 200),
    "nothing": ("", (), 401),
    "no token": ("x", (), 401),
    "a wrong signature": (token("bad"), (), 401),
    "another pool": (token(pool="us-east-1_Other"), (), 401),
    "an access token without scopes": (token(token_use="access"), (), 401),
    "an access token with the scope": (token(token_use="access", scope="a/read a/write"), ("a/write",), 200),
    "an access token without the scope": (token(token_use="access", scope="a/read"), ("a/write",), 401),
    "an identity token where scopes are needed": (token(), ("a/write",), 401),
}


@pytest.mark.parametrize("name", TOKENS)
async def test_user_pools(name: str) -> None:
    value, scopes, status = TOKENS[name]
    async with gateway(tokens=Pools()) as made:
        pool = authorizer("COGNITO_USER_POOLS", provider_arns=[POOL])
        target = guarded(
            mock(out="$context.authorizer.claims.sub"), "COGNITO_USER_POOLS", authorization_scopes=list(scopes)
        )
        await made.deploy({"GET /": target}, authorizers=[pool])
        for _ in range(2):
            answer = await made.ask("/", headers=[("Authorization", value)] if value else [])
            assert answer.status == status
        if status == 200:
            assert answer.body == b"s"
        else:
            assert answer.json() == {"message": "Unauthorized"}


async def test_an_expired_token_says_so() -> None:
    async with gateway(tokens=Pools()) as made:
        pool = authorizer("COGNITO_USER_POOLS", provider_arns=[POOL])
        await made.deploy({"GET /": guarded(mock(), "COGNITO_USER_POOLS")}, authorizers=[pool])
        answer = await made.ask("/", headers=[("Authorization", token("expired"))])
        assert (answer.status, answer.json()) == (401, {"message": "The incoming token has expired"})


# -- resource policies


@pytest.mark.parametrize(
    ("client", "status", "message"),
    [
        ("203.0.113.7", 200, None),
        ("203.0.113.66", 403, "with an explicit deny in a resource-based policy"),
        ("198.51.100.1", 403, "because no resource-based policy allows the execute-api:Invoke action"),
    ],
)
async def test_a_resource_policy_by_address(client: str, status: int, message: str | None) -> None:
    def statement(effect: str, address: str) -> dict[str, Any]:
        return {
            "Effect": effect,
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/prod/GET/*",
            "Condition": {"IpAddress": {"aws:SourceIp": address}},
        }

    policy = {
        "Version": "2012-10-17",
        "Statement": [statement("Allow", "203.0.113.0/24"), statement("Deny", "203.0.113.66/32")],
    }
    async with gateway() as made:
        await made.deploy({"GET /a": mock()}, policy=json.dumps(policy))
        answer = await made.ask("/a", client=client)
        assert answer.status == status
        if message is not None:
            resource = f"arn:aws:execute-api:us-east-1:********0000:{API}/prod/GET/a"
            said = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {resource} {message}"
            assert answer.json() == {"Message": said}


@pytest.mark.parametrize(
    ("guard", "length", "status"),
    [
        ("policy", 1500, 200),
        ("policy", 1600, 414),
        ("CUSTOM", 1500, 200),
        ("CUSTOM", 1600, 414),
        ("AWS_IAM", 1600, 414),
        ("NONE", 1600, 200),
    ],
)
async def test_a_method_arn_of_more_than_1600_bytes(guard: str, length: int, status: int) -> None:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant("Allow", "*")
        target = guarded(mock()) if guard == "CUSTOM" else mock()
        if guard == "AWS_IAM":
            target.authorization_type = guard
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]}) if guard == "policy" else None
        # Whatever else is customised, this is not.
        own = model.GatewayResponse(**OWNER, rest_api_id=API, response_type="DEFAULT_4XX", status_code="418")
        await made.deploy(
            {"GET /{p}": target}, policy=policy, authorizers=[authorizer("TOKEN", **TOKEN)], gateway_responses=[own]
        )
        answer = await made.ask("/" + "%C3%A9" * (length // 2), headers=[("Authorization", "t")])
        assert answer.status == status
        if status == 414:
            assert answer.json() == {"message": "Request-URI too long"}


async def test_a_url_at_the_edge_and_quotas_of_calls() -> None:
    async with gateway(quotas=Quotas(edge_url_bytes=100, method_arn_bytes=80)) as made:
        edge, regional = (model.EndpointConfiguration(types=[kind]) for kind in ("EDGE", "REGIONAL"))
        for endpoint, status in ((edge, 413), (regional, 200)):
            await made.deploy({"GET /{p}": mock()}, endpoint=endpoint)
            assert (await made.ask("/a?" + "x" * 93)).status == 200
            assert (await made.ask("/a?" + "x" * 94)).status == status
        made.services.functions["auth"] = lambda event: grant("Allow", "*")
        await made.deploy({"GET /{p}": guarded(mock())}, authorizers=[authorizer("TOKEN", **TOKEN)])
        assert (await made.ask("/" + "a" * 50, headers=[("Authorization", "t")])).status == 414


# -- what is seen of it


async def test_metrics() -> None:
    async with gateway() as made:
        setting = model.MethodSetting(metrics_enabled=True)
        await made.deploy({"GET /": mock(), "GET /f": proxy("missing")}, stage={"method_settings": {"*/*": setting}})
        for path in ("/", "/", "/nowhere", "/f"):
            await made.ask(path)
        await made.gateway.stop()

        def total(name: str, *dimensions: tuple[str, str]) -> tuple[float, float]:
            series = made.metrics.get(MetricId("000000000000", "us-east-1", "AWS/ApiGateway", name, dimensions))
            assert series is not None, name
            return series.total_count, series.total_sum

        api = ("ApiName", "tested")
        assert total("Count", api) == (4, 4)
        assert total("4XXError", api, ("Stage", "prod")) == (4, 1)
        assert total("5XXError", api) == (4, 1)
        assert total("Latency", api)[0] == 4
        assert total("Count", api, ("Stage", "prod"), ("Resource", "/"), ("Method", "GET")) == (2, 2)


async def test_access_logs_in_the_stages_own_format() -> None:
    async with gateway() as made:
        log = model.AccessLogSettings(
            destination_arn="arn:aws:logs:us-east-1:000000000000:log-group:access",
            format="$context.httpMethod $context.path $context.status $context.responseLength "
            "$context.identity.sourceIp $context.authorizer.sub $context.error.message",
        )
        await made.deploy({"GET /": mock(out="four")}, stage={"access_log_settings": log})
        await made.ask("/")
        await made.ask("/nowhere")
        assert made.logs.lines == [
            ("access", "GET /prod/ 200 4 203.0.113.7 - -"),
            ("access", "GET /prod/nowhere 403 42 203.0.113.7 - Missing Authentication Token"),
        ]


@pytest.mark.parametrize(("level", "expected"), [("INFO", True), ("ERROR", False), ("OFF", False)])
async def test_execution_logs(level: str, expected: bool) -> None:
    async with gateway() as made:
        setting = model.MethodSetting(logging_level=level)
        await made.deploy({"GET /": mock(), "GET /f": proxy("missing")}, stage={"method_settings": {"*/*": setting}})
        await made.ask("/")
        assert any("Method completed with status: 200" in line for _, line in made.logs.lines) is expected
        await made.ask("/f")
        assert any("Function not found" in line for _, line in made.logs.lines) is (level != "OFF")
        assert {group for group, _ in made.logs.lines} <= {f"API-Gateway-Execution-Logs_{API}/prod"}


# -- mocks


async def test_cors_as_the_console_makes_it() -> None:
    integration = model.Integration(
        type="MOCK",
        request_templates={"application/json": '{"statusCode": 200}'},
        integration_responses={
            "200": model.IntegrationResponse(
                status_code="200",
                response_parameters={
                    "method.response.header.Access-Control-Allow-Origin": "'*'",
                    "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
                },
            )
        },
    )
    async with gateway() as made:
        await made.deploy({"OPTIONS /": method(integration)})
        answer = await made.ask("/", "OPTIONS", [("Origin", "https://a"), ("Access-Control-Request-Method", "GET")])
        assert (answer.status, answer.body) == (200, b"")
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("access-control-allow-methods") == "GET,OPTIONS"


@pytest.mark.parametrize(
    ("template", "status"),
    [('{"statusCode": 201}', 201), ("{statusCode: 201}", 201), ("{'statusCode': 201}", 201), ("{}", 500), ("", 500)],
)
async def test_the_status_of_a_mock(template: str, status: int) -> None:
    integration = model.Integration(
        type="MOCK",
        request_templates={"application/json": template},
        integration_responses={"201": model.IntegrationResponse(status_code="201")},
    )
    async with gateway() as made:
        await made.deploy({"GET /": method(integration)})
        assert (await made.ask("/")).status == status


@pytest.mark.parametrize(("asked", "body"), [(404, b"404"), (403, b"400"), (418, b"400"), (500, b"200")])
async def test_of_several_patterns_that_match_the_status_own_entry_is_meant(asked: int, body: bytes) -> None:
    patterns = {"400": "4\\d{2}", "404": "40[34]", "200": None}
    integration = model.Integration(
        type="MOCK",
        request_templates={"application/json": f'{{"statusCode": {asked}}}'},
        integration_responses={
            code: model.IntegrationResponse(
                status_code=code, selection_pattern=pattern, response_templates={"application/json": code}
            )
            for code, pattern in patterns.items()
        },
    )
    async with gateway() as made:
        await made.deploy({"GET /": method(integration)})
        assert (await made.ask("/")).body == body


# -- the default endpoint


async def test_an_api_whose_default_endpoint_is_disabled_does_not_answer_there() -> None:
    async with gateway() as made:
        await made.deploy({"GET /": mock()})
        assert (await made.ask("/")).status == 200
        await made.deploy({"GET /": mock()}, deployment="d2", disable_execute_api_endpoint=True)
        answer = await made.ask("/")
        assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})
