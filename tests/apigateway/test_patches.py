"""Patch operations of every noun, as text: see `patch_cases.txt`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from forecourt.base.errors import ServiceError
from forecourt.services.apigateway.rest import model, patch, patches
from forecourt.services.apigateway.rest.store import patched

OWN = {"account": "000000000000", "region": "us-east-1"}
IN_API = {**OWN, "rest_api_id": "a"}

# What each noun's cases start from, and its table
NOUNS: dict[str, tuple[msgspec.Struct, patch.Table]] = {
    "RestApi": (
        model.RestApi(
            **OWN,
            id="a",
            name="Pets",
            created_date=1,
            root_resource_id="r",
            description="Old",
            binary_media_types=["image/png", "image/jpeg"],
        ),
        patches.REST_API,
    ),
    "Resource": (model.Resource(**IN_API, id="r", path="/pets", parent_id="p", path_part="pets"), patches.RESOURCE),
    "Method": (
        model.Method(http_method="GET", request_parameters={"method.request.querystring.q": True}),
        patches.METHOD,
    ),
    "MethodResponse": (model.MethodResponse(status_code="200"), patches.METHOD_RESPONSE),
    "Integration": (model.Integration(type="HTTP", http_method="GET", uri="http://x"), patches.INTEGRATION),
    "IntegrationResponse": (model.IntegrationResponse(status_code="200"), patches.INTEGRATION_RESPONSE),
    "Model": (model.Model(**IN_API, id="m", name="Pet", content_type="application/json", schema="{}"), patches.MODEL),
    "RequestValidator": (model.RequestValidator(**IN_API, id="v", name="v"), patches.REQUEST_VALIDATOR),
    "Authorizer": (model.Authorizer(**IN_API, id="z", name="z", type="TOKEN"), patches.AUTHORIZER),
    "GatewayResponse": (
        model.GatewayResponse(**IN_API, response_type="THROTTLED", response_templates={"application/json": "{}"}),
        patches.GATEWAY_RESPONSE,
    ),
    "Stage": (
        model.Stage(
            **IN_API,
            stage_name="dev",
            deployment_id="d1",
            created_date=1,
            last_updated_date=1,
            variables={"size": "small"},
            method_settings={"~1pets~1{id}/GET": model.MethodSetting()},
        ),
        patches.STAGE,
    ),
    "ApiKey": (
        model.ApiKey(**OWN, id="k", value="v" * 20, name="n", enabled=True, created_date=1, last_updated_date=1),
        patches.API_KEY,
    ),
    "UsagePlan": (
        model.UsagePlan(**OWN, id="u", name="n", api_stages=[model.ApiStage(api_id="a", stage="dev")]),
        patches.USAGE_PLAN,
    ),
    "Account": (model.Account(**OWN), patches.ACCOUNT),
    "BasePathMapping": (
        model.BasePathMapping(**OWN, domain_name="d", base_path="(none)", rest_api_id="a"),
        patches.BASE_PATH_MAPPING,
    ),
    "DomainName": (model.DomainName(**OWN, domain_name="d"), patches.DOMAIN_NAME),
    "VpcLink": (model.VpcLink(**OWN, id="l", name="n", target_arns=[]), patches.VPC_LINK),
}

_OPERATION = re.compile(r"(?P<op>\w+) (?P<path>\S+)(?: = (?P<value>.*)| <- (?P<source>\S+))?")


class Case(NamedTuple):
    noun: str
    operations: str
    expected: str


def read_cases() -> list[Case]:
    text = re.sub(r"^#.*\n", "", Path(__file__).with_name("patch_cases.txt").read_text(), flags=re.MULTILINE)
    cases = []
    for section in text.split("=== ")[1:]:
        noun, _, body = section.partition("\n")
        for case in re.split(r"\n{2,}", body.strip("\n")):
            operations, _, expected = case.partition("\n----\n")
            cases.append(Case(noun.strip(), operations, expected))
    return cases


def parse_operation(line: str) -> dict[str, str]:
    match = _OPERATION.fullmatch(line)
    assert match, line
    names = {"op": "op", "path": "path", "value": "value", "source": "from"}
    return {names[name]: value for name, value in match.groupdict().items() if value is not None}


def changes(before: Any, after: Any, path: str = "") -> list[str]:
    """What differs, a line for each member."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict) and before and after:
        lines = []
        for name in sorted({*before, *after}):
            lines += changes(before.get(name), after.get(name), f"{path}.{name}" if path else name)
        return lines
    return [f"{path}: {json.dumps(after, sort_keys=True)}"]


@pytest.mark.parametrize("case", read_cases(), ids=lambda case: f"{case.noun} {case.operations.splitlines()[0]}"[:70])
def test_patch(case: Case) -> None:
    entity, table = NOUNS[case.noun]
    operations = [parse_operation(line) for line in case.operations.splitlines()]
    before = msgspec.to_builtins(entity)
    try:
        data = patch.apply(table, before, operations)
        patched(entity, table, operations)
        said = "\n".join(changes(before, data)) or "(nothing)"
    except ServiceError as error:
        said = str(error)
    assert said == case.expected
    assert msgspec.to_builtins(entity) == before


def test_there_are_enough_cases() -> None:
    assert len(read_cases()) >= 100
    assert {case.noun for case in read_cases()} == set(NOUNS)


def tables() -> dict[str, patch.Table]:
    """By noun: `USAGE_PLAN` is of the UsagePlan."""
    found = {name: value for name, value in vars(patches).items() if isinstance(value, patch.Table)}
    return {name.title().replace("_", ""): table for name, table in found.items()}


def aws_table() -> Iterator[tuple[str, str, str]]:
    """Noun, path and operation, as AWS supports them."""
    text = re.sub(r"^#.*\n", "", Path(__file__).with_name("patch_table.txt").read_text(), flags=re.MULTILINE)
    for section in text.split("=== ")[1:]:
        noun, *lines = section.strip().splitlines()
        for line in lines:
            path, *operations = line.split()
            yield from ((noun, path, op) for op in operations)


def test_every_patch_that_aws_takes_is_taken() -> None:
    known = tables()
    untaken = [
        (noun, path, op)
        for noun, path, op in aws_table()
        if not any(op in rule.ops for rule, _ in known[noun].find(patch.split(path)))
    ]
    assert untaken == []
    assert {noun for noun, _, _ in aws_table()} == set(known)


def test_a_patch_without_a_path() -> None:
    with pytest.raises(ServiceError, match="Invalid patch path null"):
        patch.apply(patches.GATEWAY_RESPONSE, {}, [{"op": "replace"}])


@pytest.mark.parametrize(
    "value", ["nan", "1e999", "9" * 400, "1_000", "", " 1", None], ids=lambda value: str(value)[:6]
)
def test_a_rate_is_a_number(value: str | None) -> None:
    change = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": value}
    with pytest.raises(ServiceError, match="Invalid rate limit specified"):
        patch.apply(patches.STAGE, {"methodSettings": {}}, [change])


@pytest.mark.parametrize(
    "value", ["1.5", "2147483648", "9" * 5000, "1_000", "", None], ids=lambda value: str(value)[:10]
)
def test_a_burst_is_an_integer(value: str | None) -> None:
    change = {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": value}
    with pytest.raises(ServiceError, match="Invalid burst limit specified"):
        patch.apply(patches.STAGE, {"methodSettings": {}}, [change])


def test_a_place_that_is_no_number_of_ours() -> None:
    change = {"op": "replace", "path": f"/endpointConfiguration/types/{'1' * 5000}", "value": "EDGE"}
    changed = patch.apply(patches.REST_API, {"endpointConfiguration": {"types": ["REGIONAL"]}}, [change])
    assert changed["endpointConfiguration"]["types"] == ["REGIONAL", "EDGE"]


@pytest.mark.parametrize("path", ["/documentation_version", "/webAclArn"])
def test_a_stage_names_every_path_it_knows(path: str) -> None:
    with pytest.raises(ServiceError) as refusal:
        patch.apply(patches.STAGE, {"methodSettings": {}}, [{"op": "replace", "path": path, "value": "x"}])
    assert str(refusal.value).startswith(
        f"BadRequestException: Invalid method setting path: {path}. Must be one of: [/deploymentId, "
    )
    assert str(refusal.value).endswith("/variables/{variable_name}, /tracingEnabled]")
