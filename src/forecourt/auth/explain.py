"""A decision, and everything that led to it, for people: `forecourt iam explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.auth.authorize import PolicyAuthorizer, denial
from forecourt.auth.policy import Decision, Policy, PolicySet, Request, evaluate
from forecourt.auth.policy.evaluate import BOUNDARY, IDENTITY, RESOURCE, SESSION
from forecourt.base.principal import Principal


class Explanation(NamedTuple):
    """`steps` names every statement of every policy that was looked at, and whether it applies or why not."""

    allowed: bool
    summary: str
    message: str
    steps: list[str]


async def explain(
    authorizer: PolicyAuthorizer, principal: Principal, action: str, resource: str, context: Mapping[str, Any]
) -> Explanation:
    request, policies = await authorizer.gather(principal, action, resource, context)
    decision = evaluate(request, policies)
    message = "" if decision.allowed else denial(principal, action, resource, decision)
    return Explanation(decision.allowed, _summary(decision), message, list(_steps(request, policies)))


def _summary(decision: Decision) -> str:
    return f"{'Allowed' if decision.allowed else 'Denied'}: {decision.reason}"


def _steps(request: Request, policies: PolicySet) -> Iterator[str]:
    layers: list[tuple[str, Sequence[Policy]]] = [
        (IDENTITY, policies.identity),
        (BOUNDARY, [policies.boundary] if policies.boundary else []),
        (SESSION, policies.session or []),
        (RESOURCE, [policies.resource] if policies.resource else []),
    ]
    for layer, found in layers:
        for policy in found:
            for line in policy.trace(request):
                yield f"{layer}{f' {policy.name}' if policy.name else ''}: {line}"
