"""The Security Token Service.

Whether a role may be assumed is decided here and not by the dispatcher: the trust policy sees the external id, the
tags and the source identity of this very request.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.auth import saml
from forecourt.auth.sessions import SessionCredentials, account_of
from forecourt.auth.supplies import FEDERATED_BY, MADE_UP_ROLE, Mode
from forecourt.base.call import CallContext, operation
from forecourt.base.errors import AccessDenied
from forecourt.base.ports import TokenRejected
from forecourt.base.principal import Principal
from forecourt.services.iam.api.kit import IamApi, Kit, Request, Result, check_policy, managed_document
from forecourt.services.iam.api.mfa import is_code_right
from forecourt.services.iam.assuming import (
    HOUR,
    account_in,
    assume_conditions,
    assumed,
    check_seconds,
    check_source_identity,
    inherited,
    iso,
    name_qualifier,
    session_seconds,
    session_tags,
    shown_credentials,
    source_identity,
)
from forecourt.services.iam.errors import (
    ExpiredTokenException,
    IDPCommunicationErrorException,
    IDPRejectedClaimException,
    InvalidAuthorizationMessageException,
    InvalidIdentityTokenException,
    PackedPolicyTooLargeException,
    ValidationError,
)
from forecourt.services.iam.model import AccessKey, Role, SamlProvider
from forecourt.services.iam.role_sessions import RoleSessions
from forecourt.services.iam.web_identity import WebIdentities, WebIdentity
from forecourt.store import Tx
from forecourt.store.sealing import SealBroken

_MAX_SESSION_POLICY = 2048
_MAX_SESSION_POLICIES = 10
_DENIAL_PURPOSE = "sts.AuthorizationMessage"


class StsApi(IamApi):
    def __init__(self, kit: Kit, roles: RoleSessions, identities: WebIdentities, mode: Mode) -> None:
        super().__init__(kit)
        self._roles = roles
        self._identities = identities
        self._mode = mode

    # --- Assuming roles ---

    @operation("AssumeRole")
    async def assume_role(self, context: CallContext, request: Request) -> Result:
        caller, arn, name = context.principal, request["RoleArn"], request["RoleSessionName"]
        if caller.kind == "federated-user":
            raise AccessDenied("Roles may not be assumed by federated users.")
        check_source_identity(caller, request)
        await self._check_mfa(caller, request)
        policies, packed = await self._session_policies(account_in(arn), request)
        tags, transitive = session_tags(request, caller)
        role = await self._roles.find(arn)
        if role is None:
            who = f"User: {caller.arn}"
            principal = self._roles.made_up(arn, name, who)
            return assumed(principal, self._issue(principal, request.get("DurationSeconds") or HOUR), packed)
        duration = session_seconds(request, role, caller)
        await self._check_trust(context, role, assume_conditions(context, request, tags, transitive), bool(tags))
        principal = self._roles.session_of(
            role,
            name,
            tags=tags,
            transitive=transitive,
            session_policies=policies,
            conditions=inherited(caller, request),
        )
        await self._used(role, context)
        return assumed(principal, self._issue(principal, duration), packed) | source_identity(principal)

    async def _check_trust(self, context: CallContext, role: Role, conditions: Mapping[str, Any], tagged: bool) -> None:
        actions = ["sts:AssumeRole"]
        actions += ["sts:TagSession"] if tagged else []
        actions += ["sts:SetSourceIdentity"] if "sts:SourceIdentity" in conditions else []
        for action in actions:
            decision = await self._roles.judge(context.principal, role, action, conditions)
            lenient = MADE_UP_ROLE in context.principal.context and self._mode == "off"
            if not decision.allowed and self._mode != "audit" and not lenient:
                raise AccessDenied(
                    f"User: {context.principal.arn} is not authorized to perform: {action} on resource: {role.arn} "
                    f"{decision.because(action)}"
                )

    @operation("AssumeRoleWithWebIdentity")
    async def assume_role_with_web_identity(self, context: CallContext, request: Request) -> Result:
        arn, name = request["RoleArn"], request["RoleSessionName"]
        account = account_in(arn)
        identity = await self._identified(request["WebIdentityToken"], account)
        policies, packed = await self._session_policies(account, request)
        role = await self._roles.find(arn)
        duration = request.get("DurationSeconds") or HOUR
        if role is not None:
            check_seconds(duration, role)
        tags, transitive = identity.tags()
        conditions = {**identity.conditions(), "sts:RoleSessionName": name, "aws:SourceIp": context.source_ip}
        credentials = await self._roles.assume_with_web_identity(
            arn, name, identity.provider, conditions, tags, duration, policies, transitive, identity.source_identity
        )
        opened = self.kit.sessions.open(credentials.access_key_id, credentials.session_token).principal
        return assumed(opened, credentials, packed) | {
            "SubjectFromWebIdentityToken": identity.subject,
            "Provider": identity.prefix if identity.provider == identity.prefix else identity.provider,
            "Audience": identity.audience,
            **source_identity(opened),
        }

    async def _identified(self, token: str, account: str) -> WebIdentity:
        try:
            return await self._identities.identify(token, account)
        except TokenRejected as rejected:
            if rejected.expired:
                raise ExpiredTokenException(rejected.message) from None
            if rejected.unreachable:
                raise IDPCommunicationErrorException(rejected.message) from None
            raise InvalidIdentityTokenException(rejected.message) from None

    @operation("AssumeRoleWithSAML")
    async def assume_role_with_saml(self, context: CallContext, request: Request) -> Result:
        arn, provider_arn = request["RoleArn"], request["PrincipalArn"]
        account = account_in(provider_arn)
        provider = await self.store.get(SamlProvider, account, provider_arn.rpartition("/")[2])
        if provider is None or provider.arn != provider_arn:
            raise InvalidIdentityTokenException("Specified provider doesn't exist")
        try:
            assertion = saml.read(request["SAMLAssertion"], provider.metadata, self.kit.clock.now())
        except saml.SamlRejected as rejected:
            if rejected.expired:
                raise ExpiredTokenException(rejected.message) from None
            raise InvalidIdentityTokenException(rejected.message) from None
        if (arn, provider_arn) not in assertion.roles:
            raise IDPRejectedClaimException("The role and provider are not among the assertion's Role attributes")
        if not assertion.session_name:
            raise InvalidIdentityTokenException("RoleSessionName is required in AuthnResponse")
        return await self._assume_with_assertion(context, request, provider, assertion)

    async def _assume_with_assertion(
        self, context: CallContext, request: Request, provider: SamlProvider, assertion: saml.Assertion
    ) -> Result:
        role = await self._roles.find(request["RoleArn"])
        policies, packed = await self._session_policies(provider.account, request)
        if role is None:
            raise AccessDenied("Not authorized to perform sts:AssumeRoleWithSAML")
        duration = request.get("DurationSeconds") or assertion.duration_seconds or HOUR
        check_seconds(duration, role)
        qualifier = name_qualifier(assertion.issuer, provider)
        conditions: dict[str, Any] = {
            "SAML:aud": assertion.audience,
            "SAML:iss": assertion.issuer,
            "SAML:sub": assertion.subject,
            "SAML:sub_type": assertion.subject_type,
            "SAML:namequalifier": qualifier,
            "sts:RoleSessionName": assertion.session_name,
            "aws:SourceIp": context.source_ip,
            "aws:FederatedProvider": provider.arn,
        }
        asked = {f"aws:RequestTag/{key}": value for key, value in assertion.tags.items()}
        actions = ["sts:AssumeRoleWithSAML", *(["sts:TagSession"] if assertion.tags else [])]
        if assertion.source_identity:
            asked["sts:SourceIdentity"] = assertion.source_identity
            conditions["aws:SourceIdentity"] = assertion.source_identity
            actions.append("sts:SetSourceIdentity")
        anonymous = Principal(kind="anonymous", account=role.account, arn="", user_id="")
        for action in actions:
            decision = await self._roles.judge(anonymous, role, action, {**conditions, **asked}, federated=provider.arn)
            if not decision.allowed and self._mode != "audit":
                raise AccessDenied(f"Not authorized to perform {action}")
        principal = self._roles.session_of(
            role, assertion.session_name, tags=assertion.tags, transitive=assertion.transitive_tags,
            session_policies=policies, conditions=conditions,
        )  # fmt: skip
        await self._used(role, context)
        return assumed(principal, self._issue(principal, duration), packed) | {
            "Subject": assertion.subject,
            "SubjectType": assertion.subject_type,
            "Issuer": assertion.issuer,
            "Audience": assertion.audience,
            "NameQualifier": qualifier,
            **source_identity(principal),
        }

    # --- Sessions of users ---

    @operation("GetSessionToken")
    async def get_session_token(self, context: CallContext, request: Request) -> Result:
        caller = context.principal
        if caller.kind not in ("user", "root"):
            raise AccessDenied("Cannot call GetSessionToken with session credentials")
        if caller.expires_at is not None:
            raise AccessDenied("Cannot call GetSessionToken with session credentials")
        await self._check_mfa(caller, request)
        longest = HOUR if caller.kind == "root" else 36 * HOUR
        duration = min(request.get("DurationSeconds") or (HOUR if caller.kind == "root" else 12 * HOUR), longest)
        mfa = {"aws:MultiFactorAuthPresent": "true" if request.get("TokenCode") else "false"}
        session = msgspec.structs.replace(caller, context={**mfa, "aws:TokenIssueTime": iso(self.kit.clock.now())})
        return {"Credentials": shown_credentials(self._issue(session, duration))}

    @operation("GetFederationToken")
    async def get_federation_token(self, context: CallContext, request: Request) -> Result:
        caller, name = context.principal, request["Name"]
        if caller.kind not in ("user", "root") or caller.expires_at is not None:
            raise AccessDenied("Cannot call GetFederationToken with session credentials")
        policies, packed = await self._session_policies(context.account, request)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
        session = Principal(
            kind="federated-user",
            account=context.account,
            arn=f"arn:aws:sts::{context.account}:federated-user/{name}",
            user_id=f"{context.account}:{name}",
            name=name,
            context={
                **{f"aws:PrincipalTag/{key}": value for key, value in tags.items()},
                FEDERATED_BY: f"{caller.name}/{caller.user_id}" if caller.name else "",
                "aws:TokenIssueTime": iso(self.kit.clock.now()),
            },
            # Without a session policy a federated user may do nothing by itself.
            session_policies=policies or ('{"Version": "2012-10-17", "Statement": []}',),
        )
        longest = HOUR if caller.kind == "root" else 36 * HOUR
        issued = self._issue(session, min(request.get("DurationSeconds") or 12 * HOUR, longest))
        return {
            "Credentials": shown_credentials(issued),
            "FederatedUser": {"FederatedUserId": session.user_id, "Arn": session.arn},
            "PackedPolicySize": packed,
        }

    # --- Questions ---

    @operation("GetCallerIdentity")
    async def get_caller_identity(self, context: CallContext, request: Request) -> Result:
        caller = context.principal
        return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}

    @operation("GetAccessKeyInfo")
    async def get_access_key_info(self, context: CallContext, request: Request) -> Result:
        key = await self.store.get(AccessKey, request["AccessKeyId"])
        account = key.account if key is not None else account_of(request["AccessKeyId"])
        if account is None:
            raise ValidationError("Invalid AccessKeyId")
        return {"Account": account}

    @operation("DecodeAuthorizationMessage")
    async def decode_authorization_message(self, context: CallContext, request: Request) -> Result:
        try:
            sealed = base64.urlsafe_b64decode(request["EncodedMessage"].encode())
            return {"DecodedMessage": self.kit.sealer.open(sealed, _DENIAL_PURPOSE).decode()}
        except (SealBroken, ValueError):
            raise InvalidAuthorizationMessageException("Message is not valid") from None

    def encode_authorization_message(self, details: Mapping[str, Any]) -> str:
        sealed = self.kit.sealer.seal(msgspec.json.encode(details), _DENIAL_PURPOSE)
        return base64.urlsafe_b64encode(sealed).decode()

    # --- The parts ---

    async def _check_mfa(self, caller: Principal, request: Request) -> None:
        """A code that is given must be right: `aws:MultiFactorAuthPresent` rests on it."""
        code, serial = request.get("TokenCode"), request.get("SerialNumber")
        if code is None:
            return
        right = caller.kind == "user" and await is_code_right(self.kit, caller.account, caller.name, serial or "", code)
        if not right:
            raise AccessDenied("MultiFactorAuthentication failed with invalid MFA one time pass code.")

    def _issue(self, principal: Principal, duration: int) -> SessionCredentials:
        return self._roles.issue(principal, duration)

    async def _session_policies(self, account: str, request: Request) -> tuple[tuple[str, ...], int]:
        """The documents, and how much of the allowed size they take, in per cent."""
        documents = []
        given = request.get("PolicyArns") or ()
        if len(given) > _MAX_SESSION_POLICIES:
            raise ValidationError(
                f"1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have "
                f"length less than or equal to {_MAX_SESSION_POLICIES}"
            )
        for policy in given:
            text = await managed_document(self.directory, account, policy["arn"])
            if text is None:
                raise ValidationError(f"Policy {policy['arn']} does not exist or is not attachable.")
            documents.append(text)
        inline = request.get("Policy")
        if inline:
            documents.append(check_policy(inline, "identity"))
        packed = len("".join((inline or "").split())) * 100 // _MAX_SESSION_POLICY
        if packed > 100:
            raise PackedPolicyTooLargeException(
                f"Packed size of session policies and tags consumes {packed}% of allotted space."
            )
        return tuple(documents), packed

    async def _used(self, role: Role, context: CallContext) -> None:
        """RoleLastUsed. To the hour: AWS says it may lag behind by four."""
        now = self.kit.clock.now()
        if role.last_used_at is not None and now - role.last_used_at < HOUR:
            return

        def change(found: Role, _: Tx) -> None:
            found.last_used_at, found.last_used_region = now, context.region

        await self.directory.change(Role, role.account, role.name, change)
