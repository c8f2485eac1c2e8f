"""What a user has to do next, decided purely from the pool, the user and what he has passed.

After the first factor: a new password where the present one is temporary; then the device, where the client names one
that the user confirmed; then a second factor, unless the device stands for it; then tokens.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.services.cognito.auth.attempt import Attempt
from forecourt.services.cognito.model import Device, Pool, User

# A second factor's challenge, by which the others are also known.
SECOND_FACTORS = ("SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP")


class Step(msgspec.Struct, frozen=True):
    """`challenge` is empty where there is nothing left to do."""

    challenge: str
    choices: tuple[str, ...] = ()


DONE = Step("")


def next_step(pool: Pool, user: User, attempt: Attempt, device: Device | None) -> Step:
    if user.status == "FORCE_CHANGE_PASSWORD" and not attempt.new_password_set:
        return Step("NEW_PASSWORD_REQUIRED")
    if device is not None and device.srp_verifier and device.remembered and "DEVICE" not in attempt.passed:
        return Step("DEVICE_SRP_AUTH")
    if needs_second_factor(pool, user, attempt):
        return second_factor(pool, user)
    return DONE


def needs_second_factor(pool: Pool, user: User, attempt: Attempt) -> bool:
    passed = set(attempt.passed)
    if passed & {*SECOND_FACTORS, "MFA_SETUP"}:
        return False
    if "WEB_AUTHN" in passed and _passkey_is_two_factors(pool, user):
        return False
    if "DEVICE" in passed and device_stands_for_mfa(pool) and not attempt.mfa_demanded:
        return False
    return mfa_is_on(pool, user) or attempt.mfa_demanded


def mfa_is_on(pool: Pool, user: User) -> bool:
    if pool.mfa_configuration == "ON":
        return True
    return pool.mfa_configuration == "OPTIONAL" and bool(configured_factors(pool, user))


def device_stands_for_mfa(pool: Pool) -> bool:
    return bool(pool.settings.get("DeviceConfiguration", {}).get("ChallengeRequiredOnNewDevice"))


def second_factor(pool: Pool, user: User) -> Step:
    factors = configured_factors(pool, user) or default_factors(pool, user)
    if user.mfa.preferred in factors:
        return Step(user.mfa.preferred)
    if len(factors) == 1:
        return Step(factors[0])
    if factors:
        return Step("SELECT_MFA_TYPE", tuple(factors))
    return Step("MFA_SETUP", tuple(factors_to_set_up(pool)))


def pool_factors(pool: Pool) -> list[str]:
    """Second factors that the pool offers."""
    mfa: Mapping[str, Any] = pool.mfa
    sms = "SmsMfaConfiguration" in mfa or "SmsConfiguration" in pool.settings
    offered = {
        "SMS_MFA": sms,
        "SOFTWARE_TOKEN_MFA": bool(mfa.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")),
        "EMAIL_OTP": "EmailMfaConfiguration" in mfa,
    }
    return [factor for factor in SECOND_FACTORS if offered[factor]]


def configured_factors(pool: Pool, user: User) -> list[str]:
    """Second factors that the user turned on, that still work and that the pool still offers."""
    works = {
        "SMS_MFA": _has(user, "phone_number"),
        "SOFTWARE_TOKEN_MFA": user.totp is not None,
        "EMAIL_OTP": _has(user, "email"),
    }
    legacy = ["SMS_MFA"] if user.mfa_options else []
    enabled = {*user.mfa.enabled, *legacy}
    return [factor for factor in pool_factors(pool) if factor in enabled and works[factor]]


def default_factors(pool: Pool, user: User) -> list[str]:
    """What a user who chose nothing is asked for where the pool requires MFA: an address that he has verified."""
    verified = {"SMS_MFA": _verified(user, "phone_number"), "EMAIL_OTP": _verified(user, "email")}
    return [factor for factor in pool_factors(pool) if verified.get(factor)]


def factors_to_set_up(pool: Pool) -> list[str]:
    return [factor for factor in pool_factors(pool) if factor in ("SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP")]


def first_factors(pool: Pool, user: User | None, has_passkey: bool) -> list[str]:
    """The challenges that USER_AUTH can offer this user; for nobody, what anybody could be offered.

    One-time codes and passkeys alone are no two factors: a user with MFA is offered his password only.
    """
    policy = pool.settings.get("Policies", {}).get("SignInPolicy", {})
    allowed = policy.get("AllowedFirstAuthFactors", ["PASSWORD"])
    offered = ["PASSWORD", "PASSWORD_SRP"] if "PASSWORD" in allowed and (user is None or user.password_hash) else []
    one_factor = user is None or not mfa_is_on(pool, user)
    if "EMAIL_OTP" in allowed and one_factor and (user is None or _verified(user, "email")):
        offered.append("EMAIL_OTP")
    if "SMS_OTP" in allowed and one_factor and (user is None or _verified(user, "phone_number")):
        offered.append("SMS_OTP")
    if "WEB_AUTHN" in allowed and has_passkey and (one_factor or _passkey_is_two_factors(pool, user)):
        offered.append("WEB_AUTHN")
    return offered


def passkeys_are_two_factors(pool: Pool) -> bool:
    configuration = pool.mfa.get("WebAuthnConfiguration", {})
    return bool(configuration.get("FactorConfiguration") == "MULTI_FACTOR_WITH_USER_VERIFICATION")


def _passkey_is_two_factors(pool: Pool, user: User | None) -> bool:
    return passkeys_are_two_factors(pool) and (user is None or user.passkey_mfa is not False)


def _has(user: User, attribute: str) -> bool:
    return bool(user.attributes.get(attribute))


def _verified(user: User, attribute: str) -> bool:
    return _has(user, attribute) and user.attributes.get(f"{attribute}_verified") == "true"
