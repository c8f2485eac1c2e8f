"""TestInvokeAuthorizer: what it tells of an authorizer of each kind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.apigateway_plan.harness import API, OWNER, FunctionFailed, Gateway, gateway
from tests.apigateway_plan.test_steps import POOL, TOKEN, Pools, authorizer, grant, token

from forecourt.base.call import CallContext
from forecourt.base.principal import root
from forecourt.services.apigateway.rest import model
from forecourt.services.apigateway.snapshot import Snapshot

CONTEXT = CallContext(principal=root(), region="us-east-1", request_id="c2f3-req")


async def invoked(made: Gateway, of: model.Authorizer, **request: Any) -> dict[str, Any]:
    snapshot = Snapshot(
        **OWNER,
        rest_api_id=API,
        deployment_id="test-invoke",
        name="tested",
        endpoint_configuration=model.EndpointConfiguration(),
        authorizers=[of],
    )
    return await made.gateway.tester.test_authorizer(CONTEXT, snapshot, of.id, request)


async def test_a_function_that_lets_in() -> None:
    async with gateway() as made:
        made.services.functions["auth"] = lambda event: grant("Allow", event["methodArn"])
        found = await invoked(made, authorizer("TOKEN", **TOKEN), headers={"Authorization": "let me in"})
        assert (found["clientStatus"], found["principalId"]) == (0, "ann")
        arn = f"arn:aws:execute-api:us-east-1:000000000000:{API}/test-invoke-stage/GET/"
        assert msgspec.json.decode(found["policy"])["Statement"][0]["Resource"] == arn
        lines = [line.partition(" UTC 20")[2][5:] for line in found["log"].splitlines()[1:]]
        assert lines[0] == "Starting authorizer: au for request: c2f3-req"
        assert lines[1] == "Incoming identity: *** me in"
        assert lines[2].startswith("Endpoint request URI: https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/")
        assert any(line.startswith("Authorizer result body before parsing: {") for line in lines)
        assert lines[-2:] == [
            "Using valid authorizer policy for principal: ***",
            "Successfully completed authorizer execution",
        ]


def _fail(event: Any) -> Any:
    raise FunctionFailed("boom")


REFUSALS: dict[str, tuple[Any, dict[str, str], int, str]] = {
    "no token": (grant("Allow", "*"), {}, 401, "Unauthorized request: c2f3-req\n{at} : Unauthorized"),
    "no policy": ({"principalId": "x"}, {"Authorization": "t"}, 500, "AuthorizerConfigurationException"),
    "a member too many": (
        {**grant("Allow", "*"), "more": 1},
        {"Authorization": "t"},
        500,
        "AuthorizerConfigurationException",
    ),
    "a failure": (_fail, {"Authorization": "t"}, 500, "AuthorizerConfigurationException"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_one_that_does_not(name: str) -> None:
    answer, headers, status, said = REFUSALS[name]
    async with gateway() as made:
        made.services.functions["auth"] = answer if callable(answer) else lambda event: answer
        found = await invoked(made, authorizer("TOKEN", **TOKEN), headers=headers)
        assert found["clientStatus"] == status
        at = found["log"].splitlines()[-1].partition(" : ")[0]
        assert found["log"].rstrip().endswith(said.format(at=at))
        assert "policy" not in found


async def test_a_user_pool_tells_the_claims() -> None:
    async with gateway(tokens=Pools()) as made:
        pool = authorizer("COGNITO_USER_POOLS", provider_arns=[POOL])
        good = await invoked(made, pool, headers={"Authorization": token()})
        assert (good["clientStatus"], good["claims"]["sub"]) == (0, "s")
        assert (await invoked(made, pool, headers={"Authorization": token("bad")}))["clientStatus"] == 401
