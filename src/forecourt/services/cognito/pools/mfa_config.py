"""SetUserPoolMfaConfig, GetUserPoolMfaConfig: which second factors a pool offers, and passkeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Pool
from forecourt.services.cognito.store import Records

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_DOCUMENTS = (
    "SmsMfaConfiguration",
    "SoftwareTokenMfaConfiguration",
    "EmailMfaConfiguration",
    "WebAuthnConfiguration",
)


class MfaConfigApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("SetUserPoolMfaConfig")
    async def set_user_pool_mfa_config(
        self, context: CallContext, request: t.SetUserPoolMfaConfigRequestTypeDef
    ) -> dict[str, Any]:
        from forecourt.services.cognito.pools.pools import change_pool

        pool = await self._records.pool(context, request["UserPoolId"])
        given: Mapping[str, Any] = request

        def change(current: Pool) -> None:
            current.mfa = {**_kept(current.mfa), **{name: given[name] for name in _DOCUMENTS if name in given}}
            settings = {**current.settings, "MfaConfiguration": given.get("MfaConfiguration", "OFF")}
            if sms := given.get("SmsMfaConfiguration", {}).get("SmsConfiguration"):
                settings["SmsConfiguration"] = sms
            current.settings = settings
            check(current)

        return shown(await change_pool(self._records, pool, change))

    @operation("GetUserPoolMfaConfig")
    async def get_user_pool_mfa_config(
        self, context: CallContext, request: t.GetUserPoolMfaConfigRequestTypeDef
    ) -> dict[str, Any]:
        return shown(await self._records.pool(context, request["UserPoolId"]))


def _kept(mfa: Mapping[str, Any]) -> dict[str, Any]:
    """Passkeys are set apart from MFA; the rest says everything each time."""
    return {name: mfa[name] for name in ("WebAuthnConfiguration",) if name in mfa}


def initial(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A pool that is made with MFA and a way to send messages offers SMS."""
    if settings["MfaConfiguration"] != "OFF" and "SmsConfiguration" in settings:
        return {"SmsMfaConfiguration": {"SmsConfiguration": settings["SmsConfiguration"]}}
    return {}


def after_update(mfa: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**initial(settings), **mfa}


def check(pool: Pool) -> None:
    """MFA needs something to be done with."""
    mfa = pool.mfa
    if pool.mfa_configuration == "OFF":
        return
    offered = (
        "SmsMfaConfiguration" in mfa
        or mfa.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")
        or "EmailMfaConfiguration" in mfa
        or "SmsConfiguration" in pool.settings
    )
    if not offered:
        raise errors.InvalidParameterException(
            "Invalid MFA configuration given, can't turn on MFA without enabling at least one factor."
        )
    policy = pool.settings.get("Policies", {}).get("SignInPolicy", {}).get("AllowedFirstAuthFactors", ["PASSWORD"])
    passwordless = set(policy) & {"EMAIL_OTP", "SMS_OTP"}
    if pool.mfa_configuration == "ON" and passwordless:
        raise errors.InvalidParameterException(
            "MFA cannot be required while one-time passwords are allowed as a first authentication factor."
        )


def shown(pool: Pool) -> dict[str, Any]:
    return {
        "MfaConfiguration": pool.mfa_configuration,
        **{name: pool.mfa[name] for name in _DOCUMENTS if name in pool.mfa},
    }
