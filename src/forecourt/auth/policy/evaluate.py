"""AWS's order of evaluation over all policies that bear on a request.

    1. an explicit deny in any of them denies
    2. the resource's policy may let the caller in by itself, inside one account
    3. otherwise an identity policy must allow
    4. a permissions boundary, where there is one, must allow too
    5. session policies, where there are any, must allow too
    6. a caller of another account needs both: an identity policy there and the resource's policy here
    7. a role is assumed only where its trust policy allows, and a KMS key used only where its key policy does, whatever
       else does

What a resource's policy grants inside the account depends on whom it names (`Capacity`): the user or session itself is
not held back by boundaries or session policies, a role or everyone is, and an account must still allow by its own
identity policies. The account's root needs no identity policy.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from forecourt.auth.policy.policy import Effect, Policy, Verdict
from forecourt.auth.policy.principals import Capacity
from forecourt.auth.policy.request import Request
from forecourt.auth.policy.statement import Statement
from forecourt.base.principal import Principal

IDENTITY = "identity-based policy"
RESOURCE = "resource-based policy"
BOUNDARY = "permissions boundary"
SESSION = "session policy"
TRUST = "role trust policy"
_ARTICLE = {IDENTITY: "an", RESOURCE: "a", BOUNDARY: "a", SESSION: "a", TRUST: "the"}


class PolicySet(NamedTuple):
    """All that bears on a request. None means that there is no such policy, which is not the same as an empty one."""

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    # What the session may do at most: any one of them may allow it.
    session: Sequence[Policy] | None = None
    resource: Policy | None = None
    # The resource's policy is a role's trust policy.
    trust: bool = False
    # Nobody comes in without the resource's policy, not even in the account: so with KMS keys.
    required: bool = False
    # The account that the resource belongs to; empty where it is the caller's.
    resource_account: str = ""
    # Somebody else had the caller's name when the resource's policy was written, and is who it means.
    namesake: bool = False


class Decision(NamedTuple):
    """`statement` and `policy` decided; both None where nothing allowed, and `layer` says where that was missing."""

    effect: Effect
    layer: str
    statement: Statement | None = None
    policy: Policy | None = None

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW

    def because(self, action: str) -> str:
        """The end of AWS's message: `because no identity-based policy allows the s3:GetObject action`."""
        if self.effect is Effect.EXPLICIT_DENY:
            return f"with an explicit deny in {_ARTICLE[self.layer]} {self.layer}"
        return f"because no {self.layer} allows the {action} action"

    @property
    def reason(self) -> str:
        """One line for people: what decided."""
        if self.statement is not None:
            name = f" {self.policy.name}" if self.policy is not None and self.policy.name else ""
            verb = "allows" if self.allowed else "explicitly denies"
            return f"{self.statement.name} of the {self.layer}{name} {verb} it"
        return "the account's root may do it" if self.allowed else f"no {self.layer} allows it"


def evaluate(request: Request, policies: PolicySet) -> Decision:
    cross_account = bool(policies.resource_account) and policies.resource_account != request.principal.account
    resource_layer = TRUST if policies.trust else RESOURCE
    own, denied = _own_policies(request, policies)
    if denied is not None:
        return denied
    asked = request._replace(principal=_nameless(request.principal)) if policies.namesake else request
    grant = policies.resource.evaluate(asked) if policies.resource is not None else None
    if grant is not None and grant.effect is Effect.EXPLICIT_DENY:
        return _decision(grant, resource_layer)
    capacity = grant.capacity if grant is not None and grant.allowed else Capacity.NONE
    if (cross_account or policies.trust or policies.required) and capacity is Capacity.NONE:
        return Decision(Effect.IMPLICIT_DENY, resource_layer)
    if request.federated or request.principal.kind in ("service", "anonymous"):
        # Neither has identity policies: what the resource's policy says is all.
        return _decision(grant, resource_layer) if grant and capacity else Decision(Effect.IMPLICIT_DENY, RESOURCE)
    if not cross_account and capacity is Capacity.ITSELF and grant is not None:
        return _decision(grant, resource_layer)
    granted = grant if capacity is Capacity.ROLE and not cross_account else None
    identity = None if granted else own.identity
    for layer, verdict in ((IDENTITY, identity), (BOUNDARY, own.boundary), (SESSION, own.session)):
        if verdict is not None and not verdict.allowed:
            return Decision(Effect.IMPLICIT_DENY, layer)
    if granted is not None:
        return _decision(granted, resource_layer)
    return Decision(Effect.ALLOW, IDENTITY) if identity is None else _decision(identity, IDENTITY)


def depends_on_circumstances(request: Request, policies: PolicySet) -> bool:
    """Whether the decision may be another one for the same caller, action and resource: some statement about them has a
    condition, a variable or a principal."""
    return any(statement.depends_on_circumstances for statement in _concerned(request, policies))


def keys_asked(request: Request, policies: PolicySet) -> set[str]:
    """The context keys, in lower case, that the decision may depend on."""
    return {key for statement in _concerned(request, policies) for key in statement.keys}


def _concerned(request: Request, policies: PolicySet) -> Iterator[Statement]:
    group = [*policies.identity, *(policies.session or ())]
    group += [policy for policy in (policies.boundary, policies.resource) if policy is not None]
    for policy in group:
        yield from policy.concerned(request.action, request.resource)


def _nameless(principal: Principal) -> Principal:
    """Known by the unique id alone, as AWS keeps principals: https://docs.aws.amazon.com/IAM/latest/UserGuide/
    reference_policies_elements_principal.html#principal-roles"""
    return msgspec.structs.replace(principal, arn="", role_arn="")


class _Own(NamedTuple):
    """What the caller's own policies say; None where there is no such layer (or, for the root, no need of one)."""

    identity: Verdict | None
    boundary: Verdict | None
    session: Verdict | None


def _own_policies(request: Request, policies: PolicySet) -> tuple[_Own, Decision | None]:
    is_root = request.principal.kind == "root"
    layers = (
        (IDENTITY, None if is_root else policies.identity),
        (BOUNDARY, None if policies.boundary is None else (policies.boundary,)),
        (SESSION, policies.session),
    )
    verdicts = []
    for layer, group in layers:
        verdict = None if group is None else _any_of(request, group)
        if verdict is not None and verdict.effect is Effect.EXPLICIT_DENY:
            return _Own(None, None, None), _decision(verdict, layer)
        verdicts.append(verdict)
    return _Own(*verdicts), None


_NO_POLICY = Policy(())
_NOTHING = Verdict(Effect.IMPLICIT_DENY, None, Capacity.NONE, _NO_POLICY)


def _any_of(request: Request, group: Sequence[Policy]) -> Verdict:
    """The union of a layer's policies: a deny in one of them denies, an allow in one of them allows."""
    found = _NOTHING
    for policy in group:
        if not policy.concerned(request.action, request.resource):
            continue
        verdict = policy.evaluate(request)
        if verdict.effect is Effect.EXPLICIT_DENY:
            return verdict
        if verdict.allowed and not found.allowed:
            found = verdict
    return found


def _decision(verdict: Verdict, layer: str) -> Decision:
    return Decision(verdict.effect, layer, verdict.statement, verdict.policy)
