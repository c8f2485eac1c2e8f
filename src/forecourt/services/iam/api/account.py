"""The account: alias, password policy, what is in it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.iam import aws_managed, views
from forecourt.services.iam.api.kit import MAX_ATTACHED, IamApi, Request, Result
from forecourt.services.iam.errors import (
    CredentialReportNotPresentException,
    EntityAlreadyExistsException,
    NoSuchEntityException,
)
from forecourt.services.iam.model import (
    AccessKey,
    Account,
    Group,
    InstanceProfile,
    ManagedPolicy,
    OidcProvider,
    PasswordPolicy,
    PolicyVersion,
    Role,
    SamlProvider,
    ServerCertificate,
    User,
    VirtualMfa,
)
from forecourt.services.iam.store import page

_QUOTAS = {
    "AccessKeysPerUserQuota": 2,
    "AssumeRolePolicySizeQuota": 2048,
    "AttachedPoliciesPerGroupQuota": MAX_ATTACHED,
    "AttachedPoliciesPerRoleQuota": MAX_ATTACHED,
    "AttachedPoliciesPerUserQuota": MAX_ATTACHED,
    "GlobalEndpointTokenVersion": 1,
    "GroupPolicySizeQuota": 5120,
    "GroupsPerUserQuota": 10,
    "GroupsQuota": 300,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUseQuota": 10_000,
    "RolePolicySizeQuota": 10_240,
    "RolesQuota": 1000,
    "ServerCertificatesQuota": 20,
    "SigningCertificatesPerUserQuota": 2,
    "UserPolicySizeQuota": 2048,
    "UsersQuota": 5000,
    "VersionsPerPolicyQuota": 5,
}
_REPORT_COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)


class AccountApi(IamApi):
    @operation("CreateAccountAlias")
    async def create_account_alias(self, context: CallContext, request: Request) -> Result:
        alias = request["AccountAlias"]
        for other in await self.store.list(Account):
            if other.alias == alias and other.account != context.account:
                raise EntityAlreadyExistsException(f"The account alias {alias} already exists.")

        def change(account: Account) -> None:
            account.alias = alias

        await self.directory.change_account(context.account, change)
        return {}

    @operation("ListAccountAliases")
    async def list_account_aliases(self, context: CallContext, request: Request) -> Result:
        alias = (await self.directory.account(context.account)).alias
        return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}

    @operation("DeleteAccountAlias")
    async def delete_account_alias(self, context: CallContext, request: Request) -> Result:
        def change(account: Account) -> None:
            if account.alias != request["AccountAlias"]:
                raise NoSuchEntityException(f"The account alias {request['AccountAlias']} cannot be found.")
            account.alias = ""

        await self.directory.change_account(context.account, change)
        return {}

    @operation("UpdateAccountPasswordPolicy")
    async def update_account_password_policy(self, context: CallContext, request: Request) -> Result:
        policy = msgspec.convert(dict(request), PasswordPolicy)

        def change(account: Account) -> None:
            account.password_policy = policy

        await self.directory.change_account(context.account, change)
        return {}

    @operation("GetAccountPasswordPolicy")
    async def get_account_password_policy(self, context: CallContext, request: Request) -> Result:
        policy = (await self.directory.account(context.account)).password_policy
        if policy is None:
            raise _no_password_policy(context)
        shown = {name: value for name, value in msgspec.structs.asdict(policy).items() if value is not None}
        return {"PasswordPolicy": shown | {"ExpirePasswords": bool(policy.MaxPasswordAge)}}

    @operation("DeleteAccountPasswordPolicy")
    async def delete_account_password_policy(self, context: CallContext, request: Request) -> Result:
        def change(account: Account) -> None:
            if account.password_policy is None:
                raise _no_password_policy(context)
            account.password_policy = None

        await self.directory.change_account(context.account, change)
        return {}

    @operation("SetSecurityTokenServicePreferences")
    async def set_sts_preferences(self, context: CallContext, request: Request) -> Result:
        def change(account: Account) -> None:
            account.sts_token_version = request["GlobalEndpointTokenVersion"]

        await self.directory.change_account(context.account, change)
        return {}

    @operation("GetAccountSummary")
    async def get_account_summary(self, context: CallContext, request: Request) -> Result:
        account = context.account
        users = await self.store.list(User, account)
        policies = await self.store.list(ManagedPolicy, account)
        root_keys = await self.store.find(AccessKey, "by_user", account, "")
        mfa = await self.store.list(VirtualMfa, account)
        counts = {
            "AccountAccessKeysPresent": int(bool(root_keys)),
            "AccountMFAEnabled": 0,
            "AccountPasswordPresent": 0,
            "AccountSigningCertificatesPresent": 0,
            "Users": len(users),
            "Groups": await self.store.count(Group, account),
            "Roles": await self.store.count(Role, account),
            "Policies": len(policies),
            "PolicyVersionsInUse": sum(len(policy.versions) for policy in policies),
            "InstanceProfiles": await self.store.count(InstanceProfile, account),
            "Providers": await self.store.count(OidcProvider, account) + await self.store.count(SamlProvider, account),
            "ServerCertificates": await self.store.count(ServerCertificate, account),
            "MFADevices": len(mfa),
            "MFADevicesInUse": sum(device.user is not None for device in mfa),
        }
        return {"SummaryMap": counts | _QUOTAS}

    @operation("GetAccountAuthorizationDetails")
    async def get_account_authorization_details(self, context: CallContext, request: Request) -> Result:
        account, wanted = context.account, request.get("Filter") or []
        found: list[Any] = []
        for label, kind in (("User", User), ("Group", Group), ("Role", Role), ("LocalManagedPolicy", ManagedPolicy)):
            if not wanted or label in wanted:
                found += await self.store.list(kind, account)
        if not wanted or "AWSManagedPolicy" in wanted:
            found += await self._aws_policies_in_use(account)
        chosen, more = page(found, request, lambda entity: f"{type(entity).__name__}/{entity.name}")
        profiles = await self.store.list(InstanceProfile, account)
        return {
            "UserDetailList": [_user_detail(entity) for entity in chosen if isinstance(entity, User)],
            "GroupDetailList": [_group_detail(entity) for entity in chosen if isinstance(entity, Group)],
            "RoleDetailList": [_role_detail(entity, profiles) for entity in chosen if isinstance(entity, Role)],
            "Policies": [
                await self._policy_detail(account, entity)
                for entity in chosen
                if isinstance(entity, ManagedPolicy | aws_managed.AwsManagedPolicy)
            ],
            **more,
        }

    async def _aws_policies_in_use(self, account: str) -> list[aws_managed.AwsManagedPolicy]:
        used: set[str] = set()
        for kind in (User, Group, Role):
            for subject in await self.store.list(kind, account):
                used |= {*subject.attached, subject.boundary or ""}
        return [policy for arn in sorted(used) if (policy := await aws_managed.find(arn)) is not None]

    async def _policy_detail(self, account: str, policy: ManagedPolicy | aws_managed.AwsManagedPolicy) -> Result:
        attached = bounding = 0
        for kind in (User, Group, Role):
            attached += len(await self.store.find(kind, "by_policy", account, policy.arn))
            bounding += len(await self.store.find(kind, "by_boundary", account, policy.arn))
        if isinstance(policy, aws_managed.AwsManagedPolicy):
            only = PolicyVersion(policy.version, policy.document, policy.updated_at)
            shown = views.version(only, only.id) | {"Document": views.document(policy.document)}
            return views.aws_policy(policy, attached, bounding) | {"PolicyVersionList": [shown]}
        versions = [
            views.version(version, policy.default_version) | {"Document": views.document(version.document)}
            for version in policy.versions
        ]
        return views.policy(policy, attached, bounding) | {"PolicyVersionList": versions}

    # --- The credential report ---

    @operation("GenerateCredentialReport")
    async def generate_credential_report(self, context: CallContext, request: Request) -> Result:
        now = self.kit.clock.now()

        def change(account: Account) -> bool:
            first = account.report_at is None
            account.report_at = now
            return first

        first = await self.directory.change_account(context.account, change)
        described = {"Description": "No report exists. Starting a new report generation task"} if first else {}
        return {"State": "STARTED" if first else "COMPLETE", **described}

    @operation("GetCredentialReport")
    async def get_credential_report(self, context: CallContext, request: Request) -> Result:
        generated_at = (await self.directory.account(context.account)).report_at
        if generated_at is None:
            raise CredentialReportNotPresentException("Report not generated")
        await self.kit.uses.write()
        text = io.StringIO()
        rows = csv.DictWriter(text, _REPORT_COLUMNS, restval="N/A", lineterminator="\n")
        rows.writeheader()
        for user in await self.store.list(User, context.account):
            rows.writerow(_report_row(user, await self.store.find(AccessKey, "by_user", user.account, user.name)))
        return {"Content": text.getvalue().encode(), "ReportFormat": "text/csv", "GeneratedTime": generated_at}


def _no_password_policy(context: CallContext) -> NoSuchEntityException:
    return NoSuchEntityException(f"The Password Policy with domain name {context.account} cannot be found.")


def _inline(entity: User | Group | Role) -> list[Result]:
    return [{"PolicyName": name, "PolicyDocument": views.document(text)} for name, text in entity.inline.items()]


def _user_detail(user: User) -> Result:
    return views.whole_user(user) | {
        "UserPolicyList": _inline(user),
        "GroupList": user.groups,
        "AttachedManagedPolicies": views.attached_policies(user.attached),
    }


def _group_detail(group: Group) -> Result:
    return views.group(group) | {
        "GroupPolicyList": _inline(group),
        "AttachedManagedPolicies": views.attached_policies(group.attached),
    }


def _role_detail(role: Role, profiles: list[InstanceProfile]) -> Result:
    detail = views.whole_role(role) | {
        "InstanceProfileList": [views.instance_profile(p, role) for p in profiles if p.role == role.key],
        "RolePolicyList": _inline(role),
        "AttachedManagedPolicies": views.attached_policies(role.attached),
    }
    return {name: value for name, value in detail.items() if name not in ("Description", "MaxSessionDuration")}


def _report_row(user: User, keys: list[AccessKey]) -> dict[str, str]:
    row = {
        "user": user.name,
        "arn": user.arn,
        "user_creation_time": _iso(user.created_at),
        "password_enabled": str(user.login is not None).lower(),
        "mfa_active": str(bool(user.mfa)).lower(),
        "cert_1_active": str(any(c.status == "Active" for c in user.signing_certificates[:1])).lower(),
        "cert_2_active": str(any(c.status == "Active" for c in user.signing_certificates[1:2])).lower(),
        "access_key_1_active": "false",
        "access_key_2_active": "false",
    }
    for number, key in enumerate(keys[:2], 1):
        row[f"access_key_{number}_active"] = str(key.status == "Active").lower()
        row[f"access_key_{number}_last_rotated"] = _iso(key.created_at)
        if key.last_used_at is not None:
            row[f"access_key_{number}_last_used_date"] = _iso(key.last_used_at)
            row[f"access_key_{number}_last_used_region"] = key.last_used_region
            row[f"access_key_{number}_last_used_service"] = key.last_used_service
    return row


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
