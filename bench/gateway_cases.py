"""What a gateway does besides forwarding, each case beside the same floor in the same run: nginx.

    all different     HTTP_PROXY, and no request has the target or the headers of another: connections learn nothing
    guarded           HTTP_PROXY with an API key, a usage plan (throttle, quota), the method's throttle and metrics
    JWT               HTTP_PROXY of an HTTP API behind a JWT authorizer; the token was seen before
    cache hit         a stage's cache, beside nginx serving its own `proxy_cache` hit
    templates         `HTTP` with a request and a response template of 1 KB each, beside `HTTP` without any
    thousand routes   HTTP_PROXY, the last of a thousand resources, beside the last of ten

All of Forecourt's are APIs of one process. The turns are interleaved and the best of each is kept.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.gateway import UNLIMITED, Contender, backend, floor, in_turns
from bench.support import BUILD, SERVER_CORE, PinnedForecourt, nginx, report
from forecourt.testing import Forecourt, free_port

_ROUNDS = 3
_SECONDS = 3
_PLENTY = 1_000_000
_PASSWORD = "Correct-horse-1"
_JSON = "application/json"
_ALL_DIFFERENT = """
local asked = 0
request = function()
    asked = asked + 1
    wrk.headers["traceparent"] = string.format("00-%032x-%016x-01", asked, asked)
    return wrk.format(nil, wrk.path .. "?asked=" .. asked)
end
"""


class Case(NamedTuple):
    """A row of the table: what is asked, what it stands beside, and the share of it that is aimed at."""

    name: str
    contender: Contender
    beside: str
    aim: str


def main() -> None:
    with ExitStack() as servers:
        port, _ = servers.enter_context(backend())
        floor_port, floor_pid = servers.enter_context(floor(port))
        cache_port, cache_pid = servers.enter_context(_caching_floor(port))
        forecourt = servers.enter_context(PinnedForecourt(*UNLIMITED, "--quotas", "apigateway.resources=1100"))
        cases = [
            Case("nginx", Contender(f"http://127.0.0.1:{floor_port}/pets/7", floor_pid), "nginx", ""),
            Case(
                "nginx, all different",
                Contender(f"http://127.0.0.1:{floor_port}/pets/7", floor_pid, _all_different()),
                "nginx",
                "",
            ),
            Case("nginx, cache hit", Contender(f"http://127.0.0.1:{cache_port}/pets/7", cache_pid), "nginx", ""),
            *_ours(forecourt, port),
        ]
        best = in_turns({case.name: case.contender for case in cases}, _ROUNDS, _SECONDS)
    rows = []
    for case in cases:
        load, cpu = best[case.name]
        beside, beside_cpu = best[case.beside]
        share, by_cpu = load.per_second / beside.per_second, beside_cpu / cpu
        added = (cpu - beside_cpu) * 1e6
        rows.append(
            (
                case.name,
                load.per_second,
                cpu * 1e6,
                case.beside,
                share,
                by_cpu,
                added,
                case.aim,
                load.p99_ms,
                load.errors,
            )
        )
    columns = ("case", "req/s", "CPU us", "beside", "of it", "by CPU", "added us", "aim", "p99 ms", "errors")
    title = f"What a gateway does besides, one core, 32 connections; load average {os.getloadavg()[0]:.1f}"
    report("gateway_cases", title, columns, rows)


def _ours(forecourt: Forecourt, port: int) -> Iterator[Case]:
    apis = forecourt.client("apigateway")

    def contender(api: str, path: str, script: Path | None = None) -> Contender:
        return Contender(f"{forecourt.url}/_aws/execute-api/{api}/dev{path}", forecourt.pid, script)

    ten = _routes(apis, port, 10)
    yield Case("plain", contender(ten, "/r9"), "nginx", "0.45")
    yield Case("all different", contender(ten, "/r9", _all_different()), "nginx, all different", "")
    api, key = _guarded(apis, port)
    yield Case("guarded", contender(api, "/pets", _script("guarded", {"x-api-key": key})), "nginx", "0.35")
    api, token = _with_jwt(forecourt, port)
    bearer = _script("jwt", {"authorization": f"Bearer {token}"})
    yield Case("JWT, seen before", contender(api, "/pets/7", bearer), "nginx", "0.35")
    yield Case("cache hit", contender(_cached(apis, port), "/pets"), "nginx, cache hit", "0.6")
    post = _script("post", {"content-type": _JSON}, _ORDER)
    yield Case("HTTP, no template", contender(_mapped(apis, port, {}, {}), "/pets", post), "nginx", "")
    templates = ({_JSON: _REQUEST_TEMPLATE}, {_JSON: _RESPONSE_TEMPLATE})
    yield Case(
        "HTTP, 2 x 1 KB", contender(_mapped(apis, port, *templates), "/pets", post), "HTTP, no template", "+100 us"
    )
    yield Case("a thousand routes", contender(_routes(apis, port, 1000), "/r999"), "plain", "1.0")


def _script(name: str, headers: Mapping[str, str], body: str = "") -> Path:
    """wrk's script: a GET, or a POST where there is a body."""
    lines = [f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}" for key, value in headers.items()]
    if body:
        lines += ['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}"]
    path = BUILD / f"{name}.lua"
    path.write_text("\n".join(lines))
    return path


def _all_different() -> Path:
    path = BUILD / "all-different.lua"
    path.write_text(_ALL_DIFFERENT)
    return path


@contextmanager
def _caching_floor(port: int) -> Iterator[tuple[int, int]]:
    folder = BUILD / "nginx-cache"
    cache = f"proxy_cache_path {folder} keys_zone=hits:1m;"
    serve = f"location / {{ proxy_pass http://127.0.0.1:{port}; proxy_cache hits; proxy_cache_valid 200 300s; }}"
    with nginx(BUILD, "caching", SERVER_CORE, free_port(), serve, cache) as server:
        yield server


# -- the APIs


def _deployed(apis: Any, paths: Mapping[str, Any], **stage: Any) -> str:
    """A REST API of an OpenAPI document, on stage `dev`."""
    document = {"openapi": "3.0.1", "info": {"title": "bench", "version": "1"}, "paths": paths}
    api: str = apis.import_rest_api(body=json.dumps(document).encode())["id"]
    apis.create_deployment(restApiId=api, stageName="dev", **stage)
    return api


def _forwarding(port: int, path: str = "/pets/7") -> dict[str, Any]:
    uri = f"http://127.0.0.1:{port}{path}"
    return {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": uri}}


def _routes(apis: Any, port: int, count: int) -> str:
    return _deployed(apis, {f"/r{number}": {"get": _forwarding(port)} for number in range(count)})


def _guarded(apis: Any, port: int) -> tuple[str, str]:
    """Every limit is there and is counted; none is reached."""
    secured = {**_forwarding(port), "security": [{"api_key": []}]}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "guarded", "version": "1"},
        "paths": {"/pets": {"get": secured}},
        "components": {"securitySchemes": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
    }
    api: str = apis.import_rest_api(body=json.dumps(document).encode())["id"]
    apis.create_deployment(restApiId=api, stageName="dev")
    _set(
        apis,
        api,
        {"throttling/rateLimit": str(_PLENTY), "throttling/burstLimit": str(_PLENTY), "metrics/enabled": "true"},
    )
    key = apis.create_api_key(name="bench", enabled=True)
    plan = apis.create_usage_plan(
        name="bench",
        apiStages=[{"apiId": api, "stage": "dev"}],
        throttle={"rateLimit": float(_PLENTY), "burstLimit": _PLENTY},
        quota={"limit": 1_000_000_000, "period": "MONTH"},
    )["id"]
    apis.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return api, key["value"]


def _set(apis: Any, api: str, settings: Mapping[str, str]) -> None:
    operations = [{"op": "replace", "path": f"/*/*/{name}", "value": value} for name, value in settings.items()]
    apis.update_stage(restApiId=api, stageName="dev", patchOperations=operations)


def _cached(apis: Any, port: int) -> str:
    api = _deployed(apis, {"/pets": {"get": _forwarding(port)}}, cacheClusterEnabled=True, cacheClusterSize="0.5")
    _set(apis, api, {"caching/enabled": "true"})
    return api


def _with_jwt(forecourt: Forecourt, port: int) -> tuple[str, str]:
    """An HTTP API whose issuer is a user pool of the same process, and an access token of a user there."""
    token, claims = _signed_in(forecourt.client("cognito-idp"))
    apis = forecourt.client("apigatewayv2")
    api: str = apis.create_api(Name="jwt", ProtocolType="HTTP")["ApiId"]
    authorizer = apis.create_authorizer(
        ApiId=api,
        Name="pool",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": claims["iss"], "Audience": [claims["client_id"]]},
    )["AuthorizerId"]
    integration = apis.create_integration(
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="ANY",
        IntegrationUri=f"http://127.0.0.1:{port}/{{proxy}}",
        PayloadFormatVersion="1.0",
    )["IntegrationId"]
    apis.create_route(
        ApiId=api,
        RouteKey="ANY /{proxy+}",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
    )
    apis.create_stage(ApiId=api, StageName="dev", AutoDeploy=True)
    return api, token


def _signed_in(pools: Any) -> tuple[str, dict[str, Any]]:
    pool = pools.create_user_pool(PoolName="bench")["UserPool"]["Id"]
    client = pools.create_user_pool_client(
        UserPoolId=pool, ClientName="bench", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )["UserPoolClient"]["ClientId"]
    pools.admin_create_user(UserPoolId=pool, Username="rex", MessageAction="SUPPRESS")
    pools.admin_set_user_password(UserPoolId=pool, Username="rex", Password=_PASSWORD, Permanent=True)
    given = {"USERNAME": "rex", "PASSWORD": _PASSWORD}
    result = pools.initiate_auth(ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=given)
    token: str = result["AuthenticationResult"]["AccessToken"]
    middle = token.split(".")[1]
    return token, json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


# -- mapping

_FIELDS = tuple(f"field{number:02}" for number in range(18))
_ORDER = json.dumps({name: f"value of {name}" for name in _FIELDS})
_REQUEST_TEMPLATE = (
    "#set($root = $input.path('$'))\n{"
    + ",\n".join(f'  "{name}": "$util.escapeJavaScript($root.{name})"' for name in _FIELDS)
    + ',\n  "stage": "$context.stage"\n}'
)
_RESPONSE_TEMPLATE = (
    "#set($pet = $input.path('$'))\n{"
    + ",\n".join(f'  "line{number:02}": "$pet.id $pet.name is a $pet.kind"' for number in range(19))
    + ',\n  "request": "$context.requestId"\n}'
)


def _mapped(apis: Any, port: int, request: Mapping[str, str], response: Mapping[str, str]) -> str:
    """`POST /pets` through an `HTTP` integration."""
    integration = {
        "type": "http",
        "httpMethod": "POST",
        "uri": f"http://127.0.0.1:{port}/pets",
        "requestTemplates": dict(request),
        "responses": {"default": {"statusCode": "200", "responseTemplates": dict(response)}},
    }
    method = {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": integration}
    return _deployed(apis, {"/pets": {"post": method}})
