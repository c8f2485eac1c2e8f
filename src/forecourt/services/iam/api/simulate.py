"""SimulatePrincipalPolicy, SimulateCustomPolicy and the context keys that policies ask for: the engine that enforces,
asked what it would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forecourt.auth.policy import (
    Decision,
    Effect,
    Policy,
    PolicyInvalid,
    PolicySet,
    Request,
    compile_policy,
    context_of,
    evaluate,
)
from forecourt.auth.policy.parse import PolicyKind
from forecourt.base.call import CallContext, operation
from forecourt.base.principal import Principal
from forecourt.services.iam.api.kit import IamApi, Kit, Result
from forecourt.services.iam.api.kit import Request as Params
from forecourt.services.iam.errors import InvalidInputException, NoSuchEntityException
from forecourt.services.iam.grants import CallerPolicies, user_principal
from forecourt.services.iam.model import Group, Role, User
from forecourt.services.iam.positions import positions
from forecourt.services.iam.store import page

_DECISIONS = {Effect.ALLOW: "allowed", Effect.EXPLICIT_DENY: "explicitDeny", Effect.IMPLICIT_DENY: "implicitDeny"}
_KINDS: dict[str, type[User] | type[Group] | type[Role]] = {"user": User, "group": Group, "role": Role}


class SimulationApi(IamApi):
    def __init__(self, kit: Kit, policies: CallerPolicies) -> None:
        super().__init__(kit)
        self._policies = policies

    @operation("SimulateCustomPolicy")
    async def simulate_custom_policy(self, context: CallContext, request: Params) -> Result:
        policies = _compiled(request["PolicyInputList"], "PolicyInputList")
        caller = await self._caller(context, request.get("CallerArn"))
        return self._simulate(request, policies, None, caller)

    @operation("SimulatePrincipalPolicy")
    async def simulate_principal_policy(self, context: CallContext, request: Params) -> Result:
        subject = await self._subject(context.account, request["PolicySourceArn"])
        holders: list[User | Group | Role] = [subject]
        if isinstance(subject, User):
            holders += [await self.directory.get(Group, context.account, name) for name in subject.groups]
        found = [policy for holder in holders for policy in await self._policies.policies_of(context.account, holder)]
        policies = [*found, *_compiled(request.get("PolicyInputList") or (), "PolicyInputList")]
        boundary = await self._policies.managed(context.account, subject.boundary) if subject.boundary else None
        caller = await self._caller(context, request.get("CallerArn")) if request.get("CallerArn") else _as(subject)
        return self._simulate(request, policies, boundary, caller)

    @operation("GetContextKeysForCustomPolicy")
    async def keys_for_custom_policy(self, context: CallContext, request: Params) -> Result:
        return {"ContextKeyNames": _keys(_compiled(request["PolicyInputList"], "PolicyInputList"))}

    @operation("GetContextKeysForPrincipalPolicy")
    async def keys_for_principal_policy(self, context: CallContext, request: Params) -> Result:
        subject = await self._subject(context.account, request["PolicySourceArn"])
        policies = await self._policies.policies_of(context.account, subject)
        return {
            "ContextKeyNames": _keys([*policies, *_compiled(request.get("PolicyInputList") or (), "PolicyInputList")])
        }

    def _simulate(
        self, request: Params, policies: Sequence[Policy], boundary: Policy | None, caller: Principal
    ) -> Result:
        given = _compiled(request.get("PermissionsBoundaryPolicyInputList") or (), "PermissionsBoundaryPolicyInputList")
        resource_policy = request.get("ResourcePolicy")
        layers = PolicySet(
            identity=policies,
            boundary=given[0] if given else boundary,
            resource=_compiled([resource_policy], "ResourcePolicy", "resource")[0] if resource_policy else None,
            resource_account=_account(request.get("ResourceOwner")),
        )
        for action in request["ActionNames"]:
            if not all(action.partition(":")[::2]):
                raise InvalidInputException(f"Invalid Action Name: {action}")
        values = {
            entry["ContextKeyName"]: entry.get("ContextKeyValues") or ()
            for entry in request.get("ContextEntries") or ()
        }
        context = context_of({key: _one_or_all(found) for key, found in values.items()})
        asked = [
            Request(action, resource, context, caller)
            for action in request["ActionNames"]
            for resource in request.get("ResourceArns") or ["*"]
        ]
        results = [_result(found, layers) for found in asked]
        chosen, more = page(results, request, lambda result: f"{result['EvalActionName']} {result['EvalResourceName']}")
        return {"EvaluationResults": chosen, **more}

    async def _caller(self, context: CallContext, arn: str | None) -> Principal:
        if arn is None:
            # Nobody in particular: were it the root, no policy would matter.
            return Principal(kind="user", account=context.account, arn="", user_id="")
        account = _account(arn)
        user = await self.store.get(User, account, arn.rpartition("/")[2].lower())
        if user is None or user.arn != arn:
            raise InvalidInputException(f"Invalid caller ARN: {arn}")
        return user_principal(user)

    async def _subject(self, account: str, arn: str) -> User | Group | Role:
        noun, _, name = arn.partition(f":{account}:")[2].partition("/")
        if noun not in _KINDS:
            raise InvalidInputException(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        found = await self.directory.get(_KINDS[noun], account, name.rpartition("/")[2])
        if found.arn != arn:
            raise NoSuchEntityException(f"ARN {arn} cannot be found.")
        return found


def _one_or_all(values: Sequence[str]) -> str | Sequence[str]:
    return next(iter(values)) if len(values) == 1 else values


def _as(subject: User | Group | Role) -> Principal:
    if isinstance(subject, User):
        return user_principal(subject)
    return Principal(
        kind="assumed-role" if isinstance(subject, Role) else "user",
        account=subject.account,
        arn=subject.arn,
        user_id=subject.id,
        name=subject.name,
        role_arn=subject.arn if isinstance(subject, Role) else "",
    )


def _compiled(documents: Sequence[str], member: str, kind: PolicyKind = "identity") -> list[Policy]:
    try:
        return [compile_policy(text, kind, f"{member}.{index}") for index, text in enumerate(documents, 1)]
    except PolicyInvalid as refused:
        raise InvalidInputException(f"Invalid policy in {member}: {refused}") from None


def _account(text: str | None) -> str:
    """Of an ARN (`ResourceOwner` is `arn:aws:iam::123456789012:root`)."""
    parts = (text or "").split(":")
    return parts[4] if len(parts) > 5 else ""


def _result(request: Request, layers: PolicySet) -> Result:
    decision = evaluate(request, layers)
    result: Result = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": _DECISIONS[decision.effect],
        "MatchedStatements": _matched(request, layers, decision),
        "MissingContextValues": _missing(request, layers),
    }
    if layers.boundary is not None:
        allowed = layers.boundary.evaluate(request).allowed
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return result


def _matched(request: Request, layers: PolicySet, decision: Decision) -> list[dict[str, Any]]:
    """The statements that determine the result: all that deny, or all that allow."""
    if decision.statement is None:
        return []
    kinds = [(policy, "IAM Policy") for policy in layers.identity]
    kinds += [(policy, "PermissionsBoundary") for policy in (layers.boundary,) if policy and not decision.allowed]
    kinds += [(policy, "Resource Policy") for policy in (layers.resource,) if policy]
    effect = "Allow" if decision.allowed else "Deny"
    return [
        _statement(policy, kind, statement.index)
        for policy, kind in kinds
        for statement in policy.concerned(request.action, request.resource)
        if statement.effect == effect and statement.reach(request)
    ]


def _statement(policy: Policy, kind: str, index: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"SourcePolicyId": policy.name or "ResourcePolicy", "SourcePolicyType": kind}
    found = positions(policy.text)[index - 1 : index]
    return shown | ({"StartPosition": found[0][0], "EndPosition": found[0][1]} if found else {})


def _missing(request: Request, layers: PolicySet) -> list[str]:
    """Keys that the statements about this action and resource ask for, and that were not given."""
    found = [*layers.identity, *([layers.boundary] if layers.boundary else [])]
    keys = {
        condition.key
        for policy in found
        for statement in policy.concerned(request.action, request.resource)
        for condition in statement.conditions
    }
    return sorted(key for key in keys if key.lower() not in request.context)


def _keys(policies: Sequence[Policy]) -> list[str]:
    found = {
        condition.key for policy in policies for statement in policy.statements for condition in statement.conditions
    }
    variables = {name for policy in policies for statement in policy.statements for name in statement.variables}
    return sorted({name.lower(): name for name in sorted(found | variables)}.values())
