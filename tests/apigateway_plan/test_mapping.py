"""Parameter mappings, seen at the backend and at the client: `mapping_cases.txt`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.apigateway_plan.harness import API, Gateway, backend, gateway, method
from tests.apigateway_plan.test_http_apis import deploy as deploy_http
from tests.apigateway_plan.test_http_apis import function, http

from forecourt.services.apigateway.rest import model

REPLY = {"id": 7, "name": "Rex", "tags": ["a", "b"], "owner": {"name": "Ann"}, "ok": True, "none": None}
VARIABLES = {"colour": "blue", "n": "4"}
# What the gateway itself adds
OWN = ("x-amzn-", "x-forwarded-", "x-amz-")


def read_cases() -> dict[str, tuple[str, str]]:
    text = re.sub(r"(?m)^# .*\n", "", Path(__file__).with_name("mapping_cases.txt").read_text())
    cases = {}
    for section in re.split(r"(?m)^## ", text)[1:]:
        title, _, case = section.partition("\n")
        given, _, expected = case.strip().partition("\n----\n")
        cases[title] = (given, expected)
    return cases


CASES = read_cases()


class Request:
    """`METHOD /path`, headers, an empty line, a body; before it the mappings, one a line."""

    def __init__(self, text: str) -> None:
        mappings, found, rest = re.split(r"(?m)^(?=(?:GET|POST|PUT) /)()", text, maxsplit=1)
        assert found == ""
        self.mappings = dict(line.split(" = ", 1) for line in mappings.splitlines())
        head, _, body = rest.partition("\n\n")
        line, *fields = head.splitlines()
        self.verb, _, self.path = line.partition(" ")
        self.headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
        self.body = body.encode()

    async def to(self, made: Gateway, stage: str) -> Any:
        return await made.ask(self.path, self.verb, self.headers, self.body, stage=stage)


def own_headers(headers: Any) -> list[str]:
    named = [(name.lower(), value) for name, value in headers]
    return [f"{name}: {value}" for name, value in named if name.startswith("x-") and not name.startswith(OWN)]


def without_id(text: str, made: Gateway) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{uuid}", text.replace(API, "{api}"))


async def rest_request(made: Gateway, asked: Request, url: str) -> None:
    integration = model.Integration(
        type="HTTP", http_method="ANY", uri=f"{url}/b/{{item}}", request_parameters=asked.mappings
    )
    await made.deploy(
        {
            f"{asked.verb} /pets/{{id}}/{{proxy+}}": method(integration),
            f"{asked.verb} /pets/{{id}}": method(integration),
        },
        stage={"variables": VARIABLES},
    )
    await asked.to(made, "prod")


async def rest_response(made: Gateway, asked: Request, url: str) -> list[str]:
    responses = {"200": model.IntegrationResponse(status_code="200", response_parameters=asked.mappings)}
    integration = model.Integration(type="HTTP", http_method="ANY", uri=url, integration_responses=responses)
    await made.deploy({f"{asked.verb} /pets/{{id}}": method(integration)}, stage={"variables": VARIABLES})
    answer = await asked.to(made, "prod")
    return [str(answer.status), *own_headers(answer.headers)]


async def http_request(made: Gateway, asked: Request, url: str) -> None:
    await deploy_http(
        made,
        {f"{asked.verb} /pets/{{id}}": http(f"{url}/b", request_parameters=asked.mappings)},
        settings={"stage_variables": VARIABLES},
    )
    await asked.to(made, "")


async def http_response(made: Gateway, asked: Request, url: str) -> list[str]:
    by_status: dict[str, dict[str, str]] = {}
    for target, source in asked.mappings.items():
        status, _, rest = target.partition(" ")
        by_status.setdefault(status, {})[rest] = source
    routes = {f"{asked.verb} /pets/{{id}}": http(url, response_parameters=by_status)}
    await deploy_http(made, routes, settings={"stage_variables": VARIABLES})
    answer = await asked.to(made, "")
    return [str(answer.status), *own_headers(answer.headers)]


async def http_event(made: Gateway, asked: Request, url: str) -> list[str]:
    events: list[Mapping[str, Any]] = []
    made.services.functions["f"] = lambda event: events.append(event) or "ok"  # type: ignore[func-returns-value]
    routes = {f"{asked.verb} /pets/{{id}}": function("f", request_parameters=asked.mappings)}
    await deploy_http(made, routes, settings={"stage_variables": VARIABLES})
    await asked.to(made, "")
    event = events[0]
    return [f"{event['rawPath']}?{event['rawQueryString']}", *own_headers(event["headers"].items())]


KINDS = {
    "rest request": rest_request,
    "rest response": rest_response,
    "http request": http_request,
    "http response": http_response,
    "http event": http_event,
}


@pytest.mark.parametrize("name", CASES)
async def test_case(name: str) -> None:
    given, expected = CASES[name]
    async with gateway() as made, backend() as behind:
        body = json.dumps(REPLY).encode()
        fields = b"X-One: 1\r\nX-Many: a\r\nX-Many: b\r\nX-Rest: r"
        behind.reply = b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (fields, len(body), body)
        lines = await KINDS[name.partition(":")[0]](made, Request(given), behind.url)
        if lines is None:
            received = behind.received[0]
            lines = [received.line.removesuffix(" HTTP/1.1"), *own_headers(received.headers)]
        assert without_id("\n".join(lines), made) == expected


@pytest.mark.parametrize("body", [b"no json", b"[" * 100_000, b"\xff"], ids=["text", "nested", "binary"])
async def test_a_body_that_cannot_be_read_has_no_paths(body: bytes) -> None:
    async with gateway() as made, backend() as behind:
        mapping = {"overwrite:header.x-a": "$request.body.a"}
        await deploy_http(made, {"POST /": http(behind.url, request_parameters=mapping)})
        assert (await made.ask("/", "POST", [("X-A", "own")], body, stage="")).status == 200
        assert behind.received[0].header("x-a") == "own"


async def test_a_response_that_is_passed_on_as_it_comes_is_looked_into() -> None:
    async with gateway() as made, backend() as behind:
        body = json.dumps({"id": 7, "padding": "x" * 80_000}).encode()
        behind.reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        mapping = {"200": {"overwrite:header.x-id": "$response.body.id"}}
        await deploy_http(made, {"GET /": http(behind.url, response_parameters=mapping)})
        answer = await made.ask("/", stage="")
        assert (answer.header("x-id"), answer.body) == ("7", body)
        behind.reply, behind.close_after_reply = behind.reply[:70_000], True
        assert (await made.ask("/", stage="")).status == 503
