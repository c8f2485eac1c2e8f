"""The one place that every call passes: authorized once, counted once, and honest about what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from forecourt import wire
from forecourt.base.call import CallContext, Demand
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, NotImplementedYet, ServiceError
from forecourt.base.principal import Principal, root
from forecourt.dispatch import Dispatcher
from forecourt.telemetry.metrics import Metrics

USER = Principal(kind="user", account="111122223333", arn="arn:aws:iam::111122223333:user/ann", user_id="AIDA")


class OnlyReads:
    """An authorizer that allows what is called List or Get, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def authorize(self, principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> None:
        self.asked.append((action, resource))
        if not action.partition(":")[2].startswith(("List", "Get")):
            raise AccessDenied(f"no {action}")

    def remembers(self, principal: Principal, action: str, resource: str) -> bool:
        return False


def demands(service: str, operation: str, params: Mapping[str, Any], context: CallContext) -> list[Demand]:
    return [Demand(f"{service}:{operation}", params.get("name", "*"), {})]


async def answer(context: CallContext, request: Any) -> Any:
    return {"account": context.account}


def dispatcher() -> tuple[Dispatcher, OnlyReads]:
    authorizer = OnlyReads()
    made = Dispatcher(authorizer, demands, wire.check, Metrics(Clock()))
    made.register("apigateway", {"GetRestApis": answer, "CreateRestApi": answer})
    return made, authorizer


def context(principal: Principal = USER) -> CallContext:
    return CallContext(principal=principal, region="us-east-1", request_id="r")


async def test_a_call_is_authorized_once() -> None:
    made, authorizer = dispatcher()
    assert await made.call(context(), "apigateway", "GetRestApis", {}) == {"account": "111122223333"}
    assert authorizer.asked == [("apigateway:GetRestApis", "*")]


async def test_a_denied_call_never_reaches_its_handler() -> None:
    made, _ = dispatcher()
    with pytest.raises(AccessDenied, match="CreateRestApi"):
        await made.call(context(), "apigateway", "CreateRestApi", {"name": "x"})


async def test_root_needs_no_policy() -> None:
    made, authorizer = dispatcher()
    await made.call(context(root("111122223333")), "apigateway", "CreateRestApi", {"name": "x"})
    assert authorizer.asked == []


async def test_what_is_not_built_says_so() -> None:
    made, _ = dispatcher()
    with pytest.raises(NotImplementedYet, match="apigateway:DeleteRestApi"):
        await made.call(context(), "apigateway", "DeleteRestApi", {"restApiId": "x"})
    with pytest.raises(NotImplementedYet, match="backing"):
        await made.call(context(), "dynamodb", "ListTables", {})


async def test_parameters_of_an_inner_call_are_checked_against_the_model() -> None:
    made, _ = dispatcher()
    with pytest.raises(ServiceError) as raised:
        await made.call(context(), "apigateway", "CreateRestApi", {})
    assert raised.value.status == 400
    assert "name" in raised.value.message
