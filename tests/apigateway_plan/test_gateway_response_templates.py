"""Templates of gateway responses: simple substitution, no Velocity."""

from __future__ import annotations

import pytest
from tests.apigateway_plan.harness import API, OWNER, gateway, mock

from forecourt.services.apigateway.rest import model


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"message": $context.error.messageString}', '{"message": "Missing Authentication Token"}'),
        ("$context.error.message", "Missing Authentication Token"),
        ("$context.error.responseType at $context.stage", "MISSING_AUTHENTICATION_TOKEN at prod"),
        ("$context.identity.sourceIp.", "203.0.113.7."),
        ("[$context.error.validationErrorString]", "[]"),
        ("$stageVariables.version|$stageVariables.none", "v1|"),
        ("$method.request.header.X-Own", "mine"),
        ("$method.request.querystring.q", "1"),
        ("#if(true)yes#end $util.urlEncode('a b') $5", "#if(true)yes#end $util.urlEncode('a b') $5"),
        ("#set($a = 1)$a", "#set($a = 1)$a"),
    ],
)
async def test_variables_are_put_in_and_the_rest_is_text(template: str, expected: str) -> None:
    own = model.GatewayResponse(
        **OWNER,
        rest_api_id=API,
        response_type="MISSING_AUTHENTICATION_TOKEN",
        response_templates={"application/json": template},
    )
    async with gateway() as made:
        await made.deploy({"GET /": mock()}, gateway_responses=[own], stage={"variables": {"version": "v1"}})
        answer = await made.ask("/nowhere?q=1", headers=[("X-Own", "mine")])
        assert (answer.status, answer.body.decode()) == (403, expected)
