"""AWS::Cognito::*: user pools with what is in them, identity pools."""

from __future__ import annotations

from typing import Any

from forecourt.services.cloudformation.errors import NotTried
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, Simple, refuse_unknown
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work

_S = "cognito-idp"
_POOL = {"UserPoolId": ":UserPoolId"}
# SetUserPoolMfaConfig has them.
_FACTORS = frozenset(
    ("EnabledMfas", "MfaConfiguration", "WebAuthnRelyingPartyID", "WebAuthnUserVerification",
     "EmailAuthenticationMessage", "EmailAuthenticationSubject", "SmsAuthenticationMessage")
)  # fmt: skip
_RENAMED = {"UserPoolName": "PoolName"}
_NAME = Name("UserPoolName", 128, label=True)
# What is fixed once a pool is made
_FIXED = ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration")


class UserPool:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = _NAME.settle(work, properties)
        own = {_RENAMED.get(name, name): value for name, value in given.items() if name not in _FACTORS}
        refuse_unknown(work, _S, "CreateUserPool", own)
        made = await work.call(_S, "CreateUserPool", **shaped.parameters(_S, "CreateUserPool", own))
        pool = made["UserPool"]["Id"]
        async with work.undone(self, pool, {}):
            if _FACTORS & set(given):
                await self._factors(work, pool, given)
        return self._made(work, pool)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        for name in _FIXED:
            if old.get(name) != new.get(name):
                raise NotTried(f"Updates are not allowed for property - {name}.")
        await self._add_attributes(work, physical_id, old.get("Schema") or [], new.get("Schema") or [])
        own = {
            _RENAMED.get(name, name): value
            for name, value in _NAME.known(work, physical_id, new).items()
            if name not in _FACTORS
        }
        params = shaped.parameters(_S, "UpdateUserPool", own)
        if "UserPoolTags" in old:
            params.setdefault("UserPoolTags", {})
        await work.call(_S, "UpdateUserPool", **{**params, "UserPoolId": physical_id})
        # UpdateUserPool puts back to its default what it is not given.
        if _FACTORS & {*old, *new}:
            await self._factors(work, physical_id, new)
        return self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "DeleteUserPool", UserPoolId=physical_id)

    async def _add_attributes(self, work: Work, pool: str, old: list[Any], new: list[Any]) -> None:
        known = {attribute["Name"]: attribute for attribute in old}
        if set(known) - {attribute["Name"] for attribute in new}:
            raise NotTried("Existing schema attributes cannot be modified or deleted.")
        added = [attribute for attribute in new if attribute["Name"] not in known]
        if added:
            params = shaped.parameters(_S, "AddCustomAttributes", {"CustomAttributes": added})
            await work.call(_S, "AddCustomAttributes", UserPoolId=pool, **params)

    async def _factors(self, work: Work, pool: str, new: Properties) -> None:
        enabled = set(new.get("EnabledMfas") or ())
        wanted: dict[str, Any] = {"MfaConfiguration": new.get("MfaConfiguration", "OFF")}
        if "SOFTWARE_TOKEN_MFA" in enabled:
            wanted["SoftwareTokenMfaConfiguration"] = {"Enabled": True}
        if "SMS_MFA" in enabled or (not enabled and "SmsConfiguration" in new and wanted["MfaConfiguration"] != "OFF"):
            sms = {"SmsConfiguration": new.get("SmsConfiguration")}
            if "SmsAuthenticationMessage" in new:
                sms["SmsAuthenticationMessage"] = new["SmsAuthenticationMessage"]
            wanted["SmsMfaConfiguration"] = {name: value for name, value in sms.items() if value is not None}
        if "EMAIL_OTP" in enabled:
            mail = {"Message": new.get("EmailAuthenticationMessage"), "Subject": new.get("EmailAuthenticationSubject")}
            wanted["EmailMfaConfiguration"] = {name: value for name, value in mail.items() if value is not None}
        if "WebAuthnRelyingPartyID" in new or "WebAuthnUserVerification" in new:
            passkeys = {
                "RelyingPartyId": new.get("WebAuthnRelyingPartyID"),
                "UserVerification": new.get("WebAuthnUserVerification"),
            }
            wanted["WebAuthnConfiguration"] = {name: value for name, value in passkeys.items() if value is not None}
        params = shaped.parameters(_S, "SetUserPoolMfaConfig", wanted)
        await work.call(_S, "SetUserPoolMfaConfig", UserPoolId=pool, **params)

    def _made(self, work: Work, pool: str) -> Made:
        name = f"cognito-idp.{work.region}.amazonaws.com/{pool}"
        return Made(
            pool,
            {
                "Arn": work.arn("cognito-idp", f"userpool/{pool}"),
                "ProviderName": name,
                "ProviderURL": f"https://{name}",
                "UserPoolId": pool,
            },
        )


class GroupMember:
    async def create(self, work: Work, properties: Properties) -> Made:
        await work.call(_S, "AdminAddUserToGroup", **properties)
        return Made(f"{properties['UserPoolId']}|{properties['GroupName']}|{properties['Username']}", {})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "AdminRemoveUserFromGroup", **properties)


class Roles:
    """AWS::Cognito::IdentityPoolRoleAttachment."""

    async def create(self, work: Work, properties: Properties) -> Made:
        wanted = {
            "Roles": properties.get("Roles") or {},
            "RoleMappings": _mappings(properties.get("RoleMappings") or {}),
        }
        params = shaped.parameters("cognito-identity", "SetIdentityPoolRoles", wanted)
        pool = properties["IdentityPoolId"]
        await work.call("cognito-identity", "SetIdentityPoolRoles", IdentityPoolId=pool, **params)
        return Made(pool, {"Id": pool})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return await self.create(work, new)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("cognito-identity", "SetIdentityPoolRoles", IdentityPoolId=physical_id, Roles={})


def _mappings(given: Any) -> dict[str, Any]:
    """By provider: a template may name one apart from the key, where a function has to make the name."""
    found = {}
    for key, mapping in given.items():
        rest = {name: value for name, value in mapping.items() if name != "IdentityProvider"}
        found[mapping.get("IdentityProvider", key)] = rest
    return found


TYPES: dict[str, Handler] = {
    "AWS::Cognito::UserPool": UserPool(),
    "AWS::Cognito::UserPoolClient": Simple(
        service=_S,
        makes="CreateUserPoolClient",
        id="UserPoolClient.ClientId",
        changes="UpdateUserPoolClient",
        deletes="DeleteUserPoolClient",
        reads="DescribeUserPoolClient",
        keys={**_POOL, "ClientId": "@"},
        attributes={
            "ClientId": "@",
            "ClientSecret": "UserPoolClient.ClientSecret",
            "Name": "UserPoolClient.ClientName",
        },
        name=Name("ClientName", 128, label=True),
    ),
    "AWS::Cognito::UserPoolDomain": Simple(
        service=_S,
        makes="CreateUserPoolDomain",
        id=":Domain",
        changes="UpdateUserPoolDomain",
        deletes="DeleteUserPoolDomain",
        reads="DescribeUserPoolDomain",
        keys={**_POOL, "Domain": "@"},
        attributes={"CloudFrontDistribution": "DomainDescription.CloudFrontDistribution"},
    ),
    "AWS::Cognito::UserPoolGroup": Simple(
        service=_S,
        makes="CreateGroup",
        id=":GroupName",
        changes="UpdateGroup",
        deletes="DeleteGroup",
        keys={**_POOL, "GroupName": "@"},
        name=Name("GroupName", 128),
        defaults={"Description": ""},
    ),
    "AWS::Cognito::UserPoolResourceServer": Simple(
        service=_S,
        makes="CreateResourceServer",
        id=":Identifier",
        changes="UpdateResourceServer",
        deletes="DeleteResourceServer",
        keys={**_POOL, "Identifier": ":Identifier"},
        defaults={"Scopes": []},
    ),
    "AWS::Cognito::UserPoolUser": Simple(
        service=_S,
        makes="AdminCreateUser",
        id=":Username",
        deletes="AdminDeleteUser",
        keys={**_POOL, "Username": "@"},
        name=Name("Username", 128),
    ),
    "AWS::Cognito::UserPoolUserToGroupAttachment": GroupMember(),
    "AWS::Cognito::IdentityPool": Simple(
        service="cognito-identity",
        makes="CreateIdentityPool",
        id="IdentityPoolId",
        changes="UpdateIdentityPool",
        deletes="DeleteIdentityPool",
        keys={"IdentityPoolId": "@"},
        attributes={"Id": "@", "Name": "IdentityPoolName"},
        name=Name("IdentityPoolName", 128, joint="_", label=True),
        defaults={"CognitoIdentityProviders": [], "SupportedLoginProviders": {}, "IdentityPoolTags": {}},
    ),
    "AWS::Cognito::IdentityPoolRoleAttachment": Roles(),
}
