"""A decision, and everything that led to it, for people: `forecourt iam explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.callers import denial
from forecourt.auth.policy import Decision, Policy, PolicySet, Request, evaluate
from forecourt.auth.policy.evaluate import BOUNDARY, IDENTITY, RESOURCE, SESSION
from forecourt.base.arn import Arn
from forecourt.base.errors import ValidationException
from forecourt.base.principal import Principal, root


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


def principal_of(arn: str) -> Principal:
    """The principal that an ARN of IAM names: a user, a role (any session of it) or an account's root.

    Raises `ValidationException`.
    """
    try:
        parsed = Arn.parse(arn)
    except ValueError:
        parsed = Arn("", "", "", "")
    kind, _, path = parsed.resource.partition("/")
    name = path.rsplit("/", 1)[-1]
    if parsed.service == "iam" and kind == "root":
        return root(parsed.account)
    if parsed.service == "iam" and kind == "user" and name:
        return Principal(kind="user", account=parsed.account, arn=arn, user_id="", name=name)
    if parsed.service == "iam" and kind == "role" and name:
        session = f"arn:aws:sts::{parsed.account}:assumed-role/{name}/explain"
        return Principal(
            kind="assumed-role", account=parsed.account, arn=session, user_id="", name="explain", role_arn=arn
        )
    raise ValidationException(f"{arn!r} is not the ARN of a user, a role or an account's root")


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
