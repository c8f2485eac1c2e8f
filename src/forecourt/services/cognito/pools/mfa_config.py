"""SetUserPoolMfaConfig, GetUserPoolMfaConfig: which second factors a pool offers, and passkeys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Pool
from forecourt.services.cognito.pools.pool_rules import first_factors, require_feature
from forecourt.services.cognito.store import Records

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_DOCUMENTS = (
    "SmsMfaConfiguration",
    "SoftwareTokenMfaConfiguration",
    "EmailMfaConfiguration",
    "WebAuthnConfiguration",
)
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


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
        _check_request(pool, given)

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


def _check_request(pool: Pool, given: Mapping[str, Any]) -> None:
    relying_party = given.get("WebAuthnConfiguration", {}).get("RelyingPartyId")
    if relying_party and not _HOST.fullmatch(relying_party):
        raise errors.InvalidParameterException(
            f"{relying_party} is not a valid relying party ID: it is a domain name, without a scheme, port or path."
        )
    factors = _switched_on(given)
    if given.get("MfaConfiguration", "OFF") == "OFF" and factors:
        raise errors.InvalidParameterException(
            "Invalid MFA configuration given, can't turn off MFA and configure an MFA together."
        )
    if given.get("MfaConfiguration", "OFF") != "OFF" and not factors:
        raise errors.InvalidParameterException(
            "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration."
        )
    if factors and "SMS_MFA" not in factors and "SmsConfiguration" in pool.settings:
        raise errors.InvalidParameterException("Can't turn off SMS_MFA when SMS configuration is set for the user pool")
    if "EmailMfaConfiguration" in given:
        require_feature(pool.settings["UserPoolTier"], ("ESSENTIALS", "PLUS"), "Email MFA")
        if pool.settings["EmailConfiguration"].get("EmailSendingAccount", "COGNITO_DEFAULT") == "COGNITO_DEFAULT":
            raise errors.InvalidParameterException(
                "Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an "
                "EmailSendingAccount of COGNITO_DEFAULT."
            )


def _switched_on(mfa: Mapping[str, Any]) -> list[str]:
    """Second factors that the documents offer."""
    on = {
        "SMS_MFA": "SmsMfaConfiguration" in mfa,
        "SOFTWARE_TOKEN_MFA": bool(mfa.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")),
        "EMAIL_OTP": "EmailMfaConfiguration" in mfa,
    }
    return [factor for factor in on if on[factor]]


def check(pool: Pool) -> None:
    """MFA needs something to be done with."""
    if pool.mfa_configuration == "OFF":
        return
    if not _switched_on(pool.mfa) and "SmsConfiguration" not in pool.settings:
        raise errors.InvalidParameterException(
            "SMS configuration and Auto verification for phone_number are required when MFA is required/optional"
        )
    passwordless = set(first_factors(pool.settings)) & {"EMAIL_OTP", "SMS_OTP"}
    if pool.mfa_configuration == "ON" and passwordless:
        raise errors.InvalidParameterException(
            "MFA cannot be required while one-time passwords are allowed as a first authentication factor."
        )


def shown(pool: Pool) -> dict[str, Any]:
    return {
        "MfaConfiguration": pool.mfa_configuration,
        **{name: pool.mfa[name] for name in _DOCUMENTS if name in pool.mfa},
    }
