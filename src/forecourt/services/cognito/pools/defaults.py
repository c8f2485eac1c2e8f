"""What a pool or a client has where its creator said nothing, and how both are shown: AWS's documents, completed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cognito import passwords
from forecourt.services.cognito.model import Client, Domain, Pool

# Members of CreateUserPool and UpdateUserPool that are kept and shown as given.
POOL_SETTINGS = [
    "DeletionProtection",
    "LambdaConfig",
    "AutoVerifiedAttributes",
    "AliasAttributes",
    "UsernameAttributes",
    "SmsVerificationMessage",
    "EmailVerificationMessage",
    "EmailVerificationSubject",
    "SmsAuthenticationMessage",
    "UserAttributeUpdateSettings",
    "DeviceConfiguration",
    "SmsConfiguration",
    "UserPoolTags",
    "UserPoolAddOns",
    "UsernameConfiguration",
    "AccountRecoverySetting",
    "MfaConfiguration",
    "EmailConfiguration",
    "AdminCreateUserConfig",
    "VerificationMessageTemplate",
    "UserPoolTier",
    "Policies",
    "KeyConfiguration",
    "IssuerConfiguration",
]
# Fixed when the pool is made.
_FIXED = ("AliasAttributes", "UsernameAttributes", "UsernameConfiguration")


def pool_settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """A new pool's settings from CreateUserPool."""
    return _completed({name: request[name] for name in POOL_SETTINGS if name in request})


def updated_pool_settings(current: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateUserPool replaces everything it may: what is not given goes back to its default."""
    given = {name: request[name] for name in POOL_SETTINGS if name in request and name not in _FIXED}
    fixed = {name: current[name] for name in (*_FIXED, "UserPoolTags", "UserPoolTier") if name in current}
    return _completed({**fixed, **given})


def _completed(given: dict[str, Any]) -> dict[str, Any]:
    policies = given.get("Policies", {})
    policy = {**passwords.DEFAULT_POLICY, **_switched_off(policies), **policies.get("PasswordPolicy", {})}
    sign_in = policies.get("SignInPolicy", {"AllowedFirstAuthFactors": ["PASSWORD"]})
    template = {"DefaultEmailOption": "CONFIRM_WITH_CODE", **given.get("VerificationMessageTemplate", {})}
    # The two places for one text show the same.
    for name, inner in _TWINS.items():
        if name in given:
            template.setdefault(inner, given[name])
        elif inner in template:
            given[name] = template[inner]
    invitation = {"AllowAdminCreateUserOnly": False, **given.get("AdminCreateUserConfig", {})}
    days = invitation.setdefault("UnusedAccountValidityDays", policy["TemporaryPasswordValidityDays"])
    if "TemporaryPasswordValidityDays" not in policies.get("PasswordPolicy", {}):
        policy["TemporaryPasswordValidityDays"] = days
    return {
        "DeletionProtection": "INACTIVE",
        "LambdaConfig": {},
        "MfaConfiguration": "OFF",
        "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
        "UserPoolTags": {},
        "UserPoolTier": "ESSENTIALS",
        **given,
        **({"LambdaConfig": _functions(given["LambdaConfig"])} if "LambdaConfig" in given else {}),
        "Policies": {"PasswordPolicy": policy, "SignInPolicy": sign_in},
        "VerificationMessageTemplate": template,
        "AdminCreateUserConfig": invitation,
    }


def _functions(given: Mapping[str, Any]) -> dict[str, Any]:
    """The two settings of the pre token generation trigger name one function, whichever was given."""
    old, new = given.get("PreTokenGeneration"), given.get("PreTokenGenerationConfig")
    if new:
        return {**given, "PreTokenGeneration": old or new["LambdaArn"]}
    if old:
        return {**given, "PreTokenGenerationConfig": {"LambdaVersion": "V1_0", "LambdaArn": old}}
    return dict(given)


_TWINS = {
    "SmsVerificationMessage": "SmsMessage",
    "EmailVerificationMessage": "EmailMessage",
    "EmailVerificationSubject": "EmailSubject",
}


def _switched_off(policies: Mapping[str, Any]) -> dict[str, Any]:
    """A policy that is given but silent on a rule does not have the rule."""
    if "PasswordPolicy" not in policies:
        return {}
    rules = ("RequireUppercase", "RequireLowercase", "RequireNumbers", "RequireSymbols")
    return dict.fromkeys(rules, False) | {"MinimumLength": 8}


def shown_pool(pool: Pool, users: int, domains: list[Domain]) -> dict[str, Any]:
    """AWS's UserPoolType."""
    prefix = next((domain.name for domain in domains if not domain.custom), None)
    custom = next((domain.name for domain in domains if domain.custom), None)
    return {
        "Id": pool.id,
        "Name": pool.name,
        "Arn": pool.arn,
        "CreationDate": pool.created_at,
        "LastModifiedDate": pool.modified_at,
        "SchemaAttributes": pool.schema,
        "EstimatedNumberOfUsers": users,
        **pool.settings,
        **({"Domain": prefix} if prefix else {}),
        **({"CustomDomain": custom} if custom else {}),
    }


CLIENT_SETTINGS = [
    "RefreshTokenValidity",
    "AccessTokenValidity",
    "IdTokenValidity",
    "TokenValidityUnits",
    "ReadAttributes",
    "WriteAttributes",
    "ExplicitAuthFlows",
    "SupportedIdentityProviders",
    "CallbackURLs",
    "LogoutURLs",
    "DefaultRedirectURI",
    "AllowedOAuthFlows",
    "AllowedOAuthScopes",
    "AllowedOAuthFlowsUserPoolClient",
    "AnalyticsConfiguration",
    "PreventUserExistenceErrors",
    "EnableTokenRevocation",
    "EnablePropagateAdditionalUserContextData",
    "AuthSessionValidity",
    "RefreshTokenRotation",
]
_CLIENT_DEFAULTS: dict[str, Any] = {
    "RefreshTokenValidity": 30,
    "TokenValidityUnits": {},
    "EnableTokenRevocation": True,
    "EnablePropagateAdditionalUserContextData": False,
    "AllowedOAuthFlowsUserPoolClient": False,
    "AuthSessionValidity": 3,
}


def client_settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """From CreateUserPoolClient or UpdateUserPoolClient: both say everything."""
    settings = {**_CLIENT_DEFAULTS, **{name: request[name] for name in CLIENT_SETTINGS if name in request}}
    # AWS reads a refresh validity of zero as its default.
    settings["RefreshTokenValidity"] = settings["RefreshTokenValidity"] or 30
    return settings


def shown_client(client: Client, secret: str | None) -> dict[str, Any]:
    """AWS's UserPoolClientType."""
    return {
        "UserPoolId": client.pool_id,
        "ClientName": client.name,
        "ClientId": client.id,
        **({"ClientSecret": secret} if secret else {}),
        "CreationDate": client.created_at,
        "LastModifiedDate": client.modified_at,
        "ClientType": "REGULAR",
        **client.settings,
    }
