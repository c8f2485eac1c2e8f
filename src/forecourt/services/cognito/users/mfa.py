"""MFA preferences: which second factors a user has turned on, and which he prefers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cognito import errors
from forecourt.services.cognito.auth import steps
from forecourt.services.cognito.model import MfaPreference, Passkey, Pool, User
from forecourt.services.cognito.store import Records
from forecourt.store import Tx

_SETTINGS = {
    "SMSMfaSettings": "SMS_MFA",
    "SoftwareTokenMfaSettings": "SOFTWARE_TOKEN_MFA",
    "EmailMfaSettings": "EMAIL_OTP",
}
_NO_DELIVERY = "User does not have delivery config set to turn on {}"
NOT_VERIFIED = "User has not verified software token mfa"


async def set_preference(
    records: Records, pool: Pool, user: User, request: Mapping[str, Any], no_app: str = _NO_DELIVERY
) -> None:
    """`no_app`: what is said where there is no authenticator app to turn on."""
    given = {_SETTINGS[name]: request[name] for name in _SETTINGS if name in request}
    if sum(bool(setting.get("PreferredMfa")) for setting in given.values()) > 1:
        raise errors.InvalidParameterException("Cannot set multiple preferred MFA types.")

    def put(tx: Tx, current: User) -> None:
        for factor, setting in given.items():
            if setting.get("Enabled"):
                _check_usable(pool, current, factor, no_app)
        current.mfa = merged(current.mfa, given)
        if "WebAuthnMfaSettings" in request:
            current.passkey_mfa = bool(request["WebAuthnMfaSettings"].get("Enabled"))
            _check_passkey(pool, current)

    await records.change_user(user, put)


def merged(before: MfaPreference, given: Mapping[str, Mapping[str, Any]]) -> MfaPreference:
    """Factors that are not mentioned stay as they are."""
    enabled = [factor for factor in before.enabled if given.get(factor, {}).get("Enabled", True)]
    enabled += [f for f, setting in given.items() if setting.get("Enabled") and f not in enabled]
    preferred = before.preferred
    for factor, setting in given.items():
        if setting.get("PreferredMfa"):
            preferred = factor
        elif preferred == factor and "PreferredMfa" in setting:
            preferred = ""
    return MfaPreference(enabled, preferred if preferred in enabled else "")


def _check_usable(pool: Pool, user: User, factor: str, no_app: str) -> None:
    if factor == "SOFTWARE_TOKEN_MFA" and user.totp is None:
        raise errors.InvalidParameterException(no_app.format(factor))
    attribute = {"SMS_MFA": "phone_number", "EMAIL_OTP": "email"}.get(factor)
    if attribute and not user.attributes.get(attribute):
        raise errors.InvalidParameterException(_NO_DELIVERY.format(factor))
    if factor not in steps.pool_factors(pool):
        raise errors.InvalidParameterException(f"{factor} is not enabled for the user pool.")


def _check_passkey(pool: Pool, user: User) -> None:
    """A passkey that stands for two factors is not the only way in."""
    if user.passkey_mfa and not steps.passkeys_are_two_factors(pool):
        raise errors.InvalidParameterException("Passkeys are not a second factor in this user pool.")
    if user.passkey_mfa and not user.mfa.enabled:
        raise errors.InvalidParameterException("Another MFA method has to be enabled beside passkeys.")


async def auth_factors(records: Records, pool: Pool, user: User) -> dict[str, Any]:
    """GetUserAuthFactors' answer."""
    passkeys = await records.store.list(Passkey, pool.id, user.key, limit=1)
    offered = steps.first_factors(pool, user, bool(passkeys))
    return {
        "Username": user.username,
        **({"PreferredMfaSetting": user.mfa.preferred} if user.mfa.preferred else {}),
        **({"UserMFASettingList": user.mfa.enabled} if user.mfa.enabled else {}),
        "ConfiguredUserAuthFactors": [factor for factor in offered if factor != "PASSWORD_SRP"],
    }
