"""Patterns that go astray on a client's text hold nobody up, and documents are validated in bounds."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Any

import pytest
from tests.apigateway_plan.harness import FunctionFailed, function_uri, gateway, method, responses
from tests.apigateway_plan.test_steps import authorizer, grant, guarded

from forecourt.services.apigateway.patterns import whole
from forecourt.services.apigateway.plan.json_schema import compile_schema
from forecourt.services.apigateway.rest import model

ASTRAY = "(a|aa)+$"
TEXT = "a" * 60 + "b"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("4\\d{2}", "404", True),
        ("4\\d{2}", "4040", False),
        (".*Error.*", "an Error here", True),
        (".+", "two\nlines", False),
        ("(\\n|.)+", "two\nlines", True),
        ("(?<kind>Bad).*", "Bad luck", True),
        ("\\p{Punct}+", "!?", True),
        ("a++b", "aab", True),
        (ASTRAY, TEXT, False),
    ],
)
def test_java_patterns_take_the_whole_of_a_text(pattern: str, text: str, expected: bool) -> None:
    started = perf_counter()
    assert whole(pattern)(text) is expected
    assert perf_counter() - started < 2


def test_a_pattern_that_would_take_all_memory_is_none() -> None:
    with pytest.raises(ValueError, match="repeats too much"):
        whole("(?:ab|c){1000000}")


async def test_a_selection_pattern_that_goes_astray_falls_through_to_the_default() -> None:
    def fail(event: Any) -> Any:
        raise FunctionFailed(TEXT)

    async with gateway() as made:
        made.services.functions["f"] = fail
        integration = model.Integration(
            type="AWS",
            http_method="POST",
            uri=function_uri("f"),
            integration_responses=responses(_200={}, _418={"selection_pattern": ASTRAY}),
        )
        await made.deploy({"GET /": method(integration)})
        started = perf_counter()
        assert (await made.ask("/")).status == 200
        assert perf_counter() - started < 2


async def test_a_token_on_which_the_validation_goes_astray_is_none() -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant("Allow", "*")
        token = {"identity_source": "method.request.header.Authorization", "identity_validation_expression": ASTRAY}
        await made.deploy(
            {"GET /": guarded(method(model.Integration(type="MOCK")))}, authorizers=[authorizer("TOKEN", **token)]
        )
        started = perf_counter()
        assert (await made.ask("/", headers=[("Authorization", TEXT)])).status == 401
        assert perf_counter() - started < 2
        assert made.services.calls == []


def checked(schema: dict[str, Any], value: Any) -> list[str]:
    check = compile_schema(json.dumps(schema), {})
    assert check is not None
    return check(value, 0.05)


def test_a_schemas_patterns_share_one_budget() -> None:
    started = perf_counter()
    for schema, value in (
        ({"items": {"pattern": ASTRAY}}, [TEXT] * 1000),
        ({"patternProperties": {ASTRAY: {}}}, {f"{n}{TEXT}": 1 for n in range(1000)}),
        ({"patternProperties": {ASTRAY: {}}, "additionalProperties": False}, {TEXT: 1}),
    ):
        with pytest.raises(TimeoutError):
            checked(schema, value)
    assert perf_counter() - started < 3


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        checked({"pattern": "("}, "x")


SCHEMAS: dict[str, tuple[dict[str, Any], Any, int]] = {
    "all are different": ({"uniqueItems": True}, [1, 2, {"a": 1}, {"a": 2}, [1], "1", True], 0),
    "equal in another order": ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], 1),
    "many": ({"uniqueItems": True}, [{"n": n} for n in range(50_000)], 0),
    "need not be unique": ({"uniqueItems": False}, [1, 1], 0),
    "by a pattern of names": ({"patternProperties": {"^x-": {"type": "string"}}}, {"x-a": 1, "b": 1}, 1),
    "no others": ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1, "b": 1}, 1),
    "none but those of a pattern": (
        {"patternProperties": {"^x-": {}}, "properties": {"a": {}}, "additionalProperties": False},
        {"x-a": 1, "a": 1},
        0,
    ),
    "all others are text": ({"additionalProperties": {"type": "string"}}, {"b": 1, "c": "2"}, 1),
    "said once": ({"required": ["a", "b"]}, {}, 1),
    "no more than is told": ({"items": {"type": "string"}}, list(range(100_000)), 1),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_wrong(name: str) -> None:
    schema, value, wrong = SCHEMAS[name]
    started = perf_counter()
    assert len(checked(schema, value)) == wrong
    assert perf_counter() - started < 3
