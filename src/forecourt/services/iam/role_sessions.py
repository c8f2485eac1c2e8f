"""Sessions of roles: the trust policy is asked, then a `Principal` is sealed into credentials.

The same for a caller of AssumeRole, for a service that acts as an execution role, and for an identity that a provider
vouches for. Outside enforcement a role that does not exist is made up on the spot, so that developers may write any
role ARN: such a session is marked, and may do everything until enforcement is on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from forecourt.auth.callers import principal_keys, session_policies
from forecourt.auth.policy import Decision, PolicySet, Request, context_of, evaluate
from forecourt.auth.sessions import SessionCredentials, Sessions
from forecourt.auth.supplies import MADE_UP_ROLE, Mode
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied
from forecourt.base.principal import ANONYMOUS, Principal, service
from forecourt.services.iam.grants import CallerPolicies, readable
from forecourt.services.iam.model import Role
from forecourt.services.iam.store import Directory

_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role(/|/[!-~]+/)([\w+=,.@-]{1,64})\Z")
_TRANSITIVE = "forecourt:TransitiveTagKeys"


class RoleSessions:
    """Implements `base.ports.RoleSessions` and `base.ports.WebIdentitySessions`."""

    def __init__(
        self, *, directory: Directory, policies: CallerPolicies, sessions: Sessions, clock: Clock, mode: Mode
    ) -> None:
        self._directory = directory
        self._policies = policies
        self._sessions = sessions
        self._clock = clock
        self._mode = mode

    # --- A service acts as a role ---

    async def assume(
        self,
        role_arn: str,
        session_name: str,
        service_principal: str,
        conditions: Mapping[str, str],
        duration_seconds: int = 3600,
    ) -> SessionCredentials:
        principal = await self.principal(role_arn, session_name, service_principal, conditions)
        return self.issue(principal, duration_seconds)

    async def principal(
        self, role_arn: str, session_name: str, service_principal: str, conditions: Mapping[str, str]
    ) -> Principal:
        role = await self.find(role_arn)
        if role is None:
            return self.made_up(role_arn, session_name, f"User: {service_principal}")
        caller = service(service_principal, role.account)
        decision = await self.judge(caller, role, "sts:AssumeRole", conditions)
        if not decision.allowed and self._mode != "audit":
            raise AccessDenied(
                f"User: {service_principal} is not authorized to perform: sts:AssumeRole on resource: {role_arn} "
                f"{decision.because('sts:AssumeRole')}"
            )
        return self.session_of(role, session_name)

    # --- A provider vouches for an identity ---

    async def assume_with_web_identity(
        self,
        role_arn: str,
        session_name: str,
        provider: str,
        conditions: Mapping[str, Any],
        tags: Mapping[str, str],
        duration_seconds: int,
        session_policies: tuple[str, ...] = (),
        transitive: Sequence[str] = (),
        source_identity: str = "",
    ) -> SessionCredentials:
        action = "sts:AssumeRoleWithWebIdentity"
        role = await self.find(role_arn)
        context = {**conditions, "aws:FederatedProvider": provider}
        if role is None:
            found = self.made_up(role_arn, session_name, "User: anonymous", action)
            return self.issue(_with(found, context), duration_seconds)
        asked = {**conditions, **{f"aws:RequestTag/{key}": value for key, value in tags.items()}}
        actions = [action, *(["sts:TagSession"] if tags else ())]
        if source_identity:
            asked["sts:SourceIdentity"] = context["aws:SourceIdentity"] = source_identity
            actions.append("sts:SetSourceIdentity")
        for wanted in actions:
            decision = await self.judge(ANONYMOUS, role, wanted, asked, federated=provider)
            if not decision.allowed and self._mode != "audit":
                raise AccessDenied(f"Not authorized to perform {wanted}")
        principal = self.session_of(
            role, session_name, tags=tags, transitive=transitive, session_policies=session_policies
        )
        return self.issue(_with(principal, context), duration_seconds)

    # --- The parts ---

    async def find(self, role_arn: str) -> Role | None:
        """The role, or None where there is none of exactly this ARN."""
        found = _ROLE_ARN.match(role_arn)
        if found is None:
            return None
        role = await self._directory.store.get(Role, found[1], found[3].lower())
        return role if role is not None and role.arn == role_arn else None

    async def judge(
        self, caller: Principal, role: Role, action: str, conditions: Mapping[str, Any], federated: str = ""
    ) -> Decision:
        """Whether the role's trust policy, and where it matters the caller's own policies, allow `action`."""
        grants = await self._policies.grants(caller)
        now = self._clock.now()
        tags = {f"aws:PrincipalTag/{key}": value for key, value in grants.tags.items()}
        role_tags = {f"{of}:ResourceTag/{key}": value for key, value in role.tags.items() for of in ("aws", "iam")}
        iso = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        times = {"aws:CurrentTime": iso, "aws:EpochTime": str(int(now))}
        context = context_of({**times, **role_tags, **tags, **principal_keys(caller), **conditions})
        request = Request(action, role.arn, context, caller, federated)
        policies = PolicySet(
            identity=grants.identity,
            boundary=grants.boundary,
            session=session_policies(caller),
            resource=readable(role.trust, "", "trust"),
            trust=True,
            resource_account="" if federated or caller.kind == "service" else role.account,
            namesake=grants.since > role.trusted_at,
        )
        return evaluate(request, policies)

    def session_of(
        self,
        role: Role,
        session_name: str,
        *,
        tags: Mapping[str, str] = {},
        transitive: Sequence[str] = (),
        session_policies: tuple[str, ...] = (),
        conditions: Mapping[str, Any] = {},
    ) -> Principal:
        context: dict[str, Any] = {f"aws:PrincipalTag/{key}": value for key, value in tags.items()}
        if transitive:
            context[_TRANSITIVE] = tuple(transitive)
        return Principal(
            kind="assumed-role",
            account=role.account,
            arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session_name}",
            user_id=f"{role.id}:{session_name}",
            name=session_name,
            role_arn=role.arn,
            context={**context, **conditions, "aws:TokenIssueTime": self._issue_time()},
            session_policies=session_policies,
        )

    def made_up(self, role_arn: str, session_name: str, who: str, action: str = "sts:AssumeRole") -> Principal:
        """A session of a role that does not exist. Raises `AccessDenied` under enforcement."""
        found = _ROLE_ARN.match(role_arn)
        if self._mode == "enforce" or found is None:
            raise AccessDenied(f"{who} is not authorized to perform: {action} on resource: {role_arn}")
        account, name = found[1], found[3]
        return Principal(
            kind="assumed-role",
            account=account,
            arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
            user_id=f"AROAMADEUPROLE0000000:{session_name}",
            name=session_name,
            role_arn=role_arn,
            context={MADE_UP_ROLE: "true", "aws:TokenIssueTime": self._issue_time()},
        )

    def issue(self, principal: Principal, duration_seconds: int) -> SessionCredentials:
        return self._sessions.issue(principal, float(int(self._clock.now())) + duration_seconds)

    def _issue_time(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def inherited_tags(principal: Principal) -> dict[str, str]:
    """The transitive session tags that a chained session takes over."""
    keys = principal.context.get(_TRANSITIVE, ())
    tags = {key: principal.context.get(f"aws:PrincipalTag/{key}") for key in keys}
    return {key: value for key, value in tags.items() if isinstance(value, str)}


def _with(principal: Principal, context: Mapping[str, Any]) -> Principal:
    return msgspec.structs.replace(principal, context={**principal.context, **context})
