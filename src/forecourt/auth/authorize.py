"""May they: the `Authorizer` that every call passes once.

It gathers what bears on the request (the caller's own policies from IAM's memory, the resource's policy from the
service that owns it, the circumstances as condition keys) and lets `policy.evaluate` decide. Three modes:

    off      (loopback) callers with credentials that were issued here are held to their policies; services that act by
             themselves and roles that do not exist are not, so that a developer needs no set-up
    audit    everybody passes, and what would have been denied is logged
    enforce  everybody is held to the policies, and a call that is not mapped to an action is denied

A role that does not exist is still held to what resources' policies explicitly deny, and so is an account's root; in
another account root can do what a policy of the resource allows. A resource's policy that cannot be read denies
everybody but the owner's root, who must be able to mend it.

A decision that depends on nothing but caller, action and resource (no condition, no variable, no policy of the
resource) is remembered for as long as IAM gives the same `Grants`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from forecourt.auth.callers import denial, principal_keys, session_policies
from forecourt.auth.policy import (
    Decision,
    Effect,
    Policy,
    PolicyInvalid,
    PolicySet,
    Request,
    compile_policy,
    context_of,
    depends_on_circumstances,
    evaluate,
    keys_asked,
)
from forecourt.auth.resources import account_of, holder_of, is_arn
from forecourt.auth.supplies import (
    MADE_UP_ROLE,
    UNMAPPED,
    UNREADABLE,
    EncodeDenial,
    EveryoneMay,
    Finish,
    GivenSince,
    Grants,
    IdentityPolicies,
    Mode,
    Owned,
    ResourcePolicy,
    Tags,
    Unfinished,
)
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied
from forecourt.base.principal import Principal

_log = logging.getLogger("forecourt.iam")

# What no bucket policy keeps from the owner's root: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
_ROOTS_OWN = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
_REMEMBERED = 10_000
# Within a condition key that is about the resource's tags, in lower case
_TAG_KEYS = ("resourcetag/", "existingobjecttag/")


class PolicyAuthorizer:
    def __init__(
        self,
        *,
        identities: IdentityPolicies | None = None,
        clock: Clock | None = None,
        mode: Mode = "off",
        encode: EncodeDenial | None = None,
    ) -> None:
        self._identities = identities or EveryoneMay()
        self._clock = clock or Clock()
        self._mode = mode
        self._encode = encode
        self._resource_policies: dict[str, ResourcePolicy] = {}
        self._finish: dict[str, Finish] = {}
        self._tags: Tags | None = None
        self._given_since: GivenSince | None = None
        # With the grants that they follow from, which are other ones as soon as a policy changes
        self._settled: dict[tuple[Any, ...], tuple[Grants, Decision]] = {}

    def register_resource_policy(self, service: str, source: ResourcePolicy) -> None:
        """`service` as in ARNs: `lambda`, `sqs`, …"""
        self._resource_policies[service] = source

    def register_finish(self, service: str, finish: Finish) -> None:
        """`service` as in actions: `dynamodb`, `secretsmanager`, …"""
        self._finish[service] = finish

    def register_policy_dates(self, since: GivenSince) -> None:
        self._given_since = since

    def register_tags(self, tags: Tags) -> None:
        self._tags = tags

    async def authorize(self, principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> None:
        """Raises `AccessDenied` in AWS's words."""
        if self._mode == "off" and principal.kind == "service":
            return
        decision = self._remembered(principal, action, resource)
        if decision is None:
            decision = await self.decide(principal, action, resource, context)
        if decision.allowed or (decision.effect is Effect.IMPLICIT_DENY and self._is_lenient(principal)):
            return
        message = denial(principal, action, resource, decision)
        if self._mode == "audit":
            _log.warning("would be denied: %s (%s)", message, decision.reason)
            return
        raise AccessDenied(message + self._encoded(principal, action, resource, decision))

    def remembers(self, principal: Principal, action: str, resource: str) -> bool:
        decision = self._remembered(principal, action, resource)
        return decision is not None and decision.allowed

    def _encoded(self, principal: Principal, action: str, resource: str, decision: Decision) -> str:
        """What EC2 adds to its denials, for whoever may decode it."""
        if self._encode is None or action != UNMAPPED or not resource.startswith("ec2:"):
            return ""
        details = {
            "allowed": False,
            "explicitDeny": decision.effect is Effect.EXPLICIT_DENY,
            "matchedStatements": {"items": []},
            "failures": {"items": []},
            "context": {
                "principal": {"id": principal.user_id, "arn": principal.arn},
                "action": resource,
                "resource": "*",
                "conditions": {"items": []},
            },
        }
        return f". Encoded authorization failure message: {self._encode(details)}"

    async def decide(self, principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> Decision:
        """The decision with its reason, whatever the mode."""
        if action == UNMAPPED and principal.kind != "root":
            return Decision(Effect.IMPLICIT_DENY, "mapping to an action")
        grants = await self._identities.grants(principal)
        request, policies = await self._gather(grants, principal, action, resource, context)
        decision = evaluate(request, policies)
        if self._stands_alone(action, resource) and not depends_on_circumstances(request, policies):
            if len(self._settled) >= _REMEMBERED:
                self._settled.clear()
            self._settled[_case(grants, principal, action, resource)] = (grants, decision)
        return decision

    def _remembered(self, principal: Principal, action: str, resource: str) -> Decision | None:
        grants = self._identities.remembered(principal)
        settled = None if grants is None else self._settled.get(_case(grants, principal, action, resource))
        return None if settled is None else settled[1]

    async def gather(
        self, principal: Principal, action: str, resource: str, context: Mapping[str, Any]
    ) -> tuple[Request, PolicySet]:
        """The request as policies see it, and the policies that bear on it."""
        return await self._gather(await self._identities.grants(principal), principal, action, resource, context)

    async def _gather(
        self, grants: Grants, principal: Principal, action: str, resource: str, context: Mapping[str, Any]
    ) -> tuple[Request, PolicySet]:
        demand = await self._finished(Unfinished(principal, action, resource, context))
        owned = await self._owned(demand)
        account = owned.account or account_of(demand.resource)
        about = {"aws:ResourceAccount": account or principal.account, **self._circumstances(principal, grants)}
        request = Request(action, demand.resource, context_of({**about, **demand.conditions}), principal)
        policies = PolicySet(
            identity=grants.identity,
            boundary=grants.boundary,
            session=session_policies(principal),
            resource=_resource_policy(owned.policy, request, account),
            required=owned.required,
            resource_account=account,
            namesake=await self._is_namesake(grants, demand, owned),
        )
        if self._tags is not None and _asks_for_tags(request, policies):
            tags = await self._tags(demand)
            request = request._replace(context={**context_of(tags), **request.context})
        return request, policies

    async def _finished(self, demand: Unfinished) -> Unfinished:
        finish = self._finish.get(demand.action.partition(":")[0])
        if finish is None or not is_arn(demand.resource):
            return demand
        resource, more = await finish(demand)
        return demand._replace(resource=resource, conditions={**demand.conditions, **more})

    async def _is_namesake(self, grants: Grants, demand: Unfinished, owned: Owned) -> bool:
        policy = owned.given or owned.policy
        if not grants.since or not policy or self._given_since is None:
            return False
        caller = demand.principal
        return grants.since > await self._given_since(holder_of(demand.resource), policy, caller.arn, caller.role_arn)

    def _stands_alone(self, action: str, resource: str) -> bool:
        """Nobody but IAM is asked about it."""
        return action.partition(":")[0] not in self._finish and self._source(resource) is None

    def _source(self, resource: str) -> ResourcePolicy | None:
        return self._resource_policies.get(resource.split(":", 3)[2]) if is_arn(resource) else None

    async def _owned(self, demand: Unfinished) -> Owned:
        source = self._source(demand.resource)
        return await source(demand) if source is not None else Owned()

    def _is_lenient(self, principal: Principal) -> bool:
        return self._mode == "off" and MADE_UP_ROLE in principal.context

    def _circumstances(self, principal: Principal, grants: Grants) -> dict[str, Any]:
        now = self._clock.now()
        found: dict[str, Any] = {
            "aws:CurrentTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:EpochTime": str(int(now)),
        }
        for name, value in grants.tags.items():
            found[f"aws:PrincipalTag/{name}"] = value
        return found | principal_keys(principal)


def _asks_for_tags(request: Request, policies: PolicySet) -> bool:
    return any(part in key for key in keys_asked(request, policies) for part in _TAG_KEYS)


def _case(grants: Grants, principal: Principal, action: str, resource: str) -> tuple[Any, ...]:
    """All that a decision depends on where it does not depend on circumstances."""
    return (id(grants), action, resource, principal.kind, principal.account, principal.session_policies)


def _resource_policy(document: str | None, request: Request, account: str) -> Policy | None:
    owners_root = request.principal.kind == "root" and account in ("", request.principal.account)
    if not document or (owners_root and request.action in _ROOTS_OWN):
        return None
    try:
        return compile_policy(document, "any")
    except PolicyInvalid as invalid:
        _log.warning("the policy of %s cannot be read, and so denies: %s", request.resource, invalid)
        return None if owners_root else UNREADABLE
