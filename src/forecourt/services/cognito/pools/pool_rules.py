"""What a user pool can not be: combinations that the model allows and AWS refuses, in AWS's words.

Each rule looks at the completed settings and returns its complaint, or nothing; the first complaint is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parseaddr
from typing import Any

from forecourt.services.cognito import names
from forecourt.services.cognito.errors import (
    FeatureUnavailableInTierException,
    InvalidParameterException,
    TierChangeNotAllowedException,
    UserPoolTaggingException,
    not_supported,
)

Settings = Mapping[str, Any]
# Registration of clients by themselves, names for levels of assurance.
_NOT_SUPPORTED = {"DcrConfiguration", "AcrConfiguration"}
# Settings of which there is AWS's default only: no key of the customer's own, no other issuer.
_DEFAULT_ONLY = {"KeyConfiguration": {"KeyType": "AWS_OWNED_KEY"}, "IssuerConfiguration": {"Type": "ORIGINAL"}}
RESERVED_TAG = "aws: prefixed tag key names are not allowed for external use."
PASSWORD_ONLY = ("PASSWORD",)


def check_request(request: Settings) -> None:
    """What can only be seen before the defaults are filled in."""
    for name in _NOT_SUPPORTED & set(request):
        raise not_supported(name)
    for name, default in _DEFAULT_ONLY.items():
        if request.get(name, default) not in ({}, default):
            raise not_supported(f"{name} other than the default")
    if request.get("AliasAttributes") and request.get("UsernameAttributes"):
        raise InvalidParameterException(
            "Only one of the aliasAttributes or usernameAttributes can be set in a User pool."
        )
    required = {attribute.get("Name") for attribute in request.get("Schema", ()) if attribute.get("Required")}
    if "preferred_username" in required & set(request.get("AliasAttributes", ())):
        raise InvalidParameterException("preferred_username cannot be both a required attribute and an alias.")
    if any(name.lower().startswith("aws:") for name in request.get("UserPoolTags", ())):
        raise UserPoolTaggingException(RESERVED_TAG)
    days = request.get("Policies", {}).get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
    if days is not None and request.get("AdminCreateUserConfig", {}).get("UnusedAccountValidityDays"):
        raise InvalidParameterException(
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays"
        )


def check(settings: Settings, region: str, tier_before: str = "") -> None:
    """`tier_before` is the stored pool's, where there is one. Nothing is changed where this raises."""
    for rule in _RULES:
        if complaint := rule(settings):
            raise InvalidParameterException(complaint)
    if any(":lambda:" in arn and arn.split(":")[3] != region for arn in _functions(settings)):
        raise InvalidParameterException("Cross-region lambda functions are not supported")
    _check_tier(settings, tier_before)


def first_factors(settings: Settings) -> list[str]:
    return list(settings.get("Policies", {}).get("SignInPolicy", {}).get("AllowedFirstAuthFactors", PASSWORD_ONLY))


def require_feature(tier: str, available: Iterable[str], feature: str) -> None:
    """For what other operations of a pool switch on."""
    if tier not in available:
        raise FeatureUnavailableInTierException(
            f"The following feature is not available for the {tier} pricing tier configured: {feature}"
        )


def _recovery(settings: Settings) -> str:
    mechanisms = settings.get("AccountRecoverySetting", {}).get("RecoveryMechanisms", [])
    for key in ("Priority", "Name"):
        if len({mechanism[key] for mechanism in mechanisms}) != len(mechanisms):
            return "Account Recovery Setting cannot have duplicate priorities or recovery mechanisms."
    if len(mechanisms) > 1 and any(mechanism["Name"] == "admin_only" for mechanism in mechanisms):
        return "Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms."
    return ""


def _verification_before_update(settings: Settings) -> str:
    wanted = settings.get("UserAttributeUpdateSettings", {}).get("AttributesRequireVerificationBeforeUpdate", [])
    if set(wanted) <= set(settings.get("AutoVerifiedAttributes", ())):
        return ""
    return "All attributes in AttributesRequireVerificationBeforeUpdate must exist in AutoVerifiedAttributes"


def _text_messages(settings: Settings) -> str:
    if "phone_number" in settings.get("AutoVerifiedAttributes", ()) and "SmsConfiguration" not in settings:
        return "SMS configuration is required when phone_number is selected for auto verification"
    return ""


def _first_factors(settings: Settings) -> str:
    if "PASSWORD" in first_factors(settings):
        return ""
    return "Password should be configured as one of the allowed first auth factors."


def _sender_key(settings: Settings) -> str:
    config = settings.get("LambdaConfig", {})
    if {"CustomSMSSender", "CustomEmailSender"} & set(config) and not config.get("KMSKeyID"):
        return "KMSKeyId parameter is required when Custom SMS/Email Lambda trigger is used."
    return ""


def _token_functions(settings: Settings) -> str:
    config = settings.get("LambdaConfig", {})
    old, new = config.get("PreTokenGeneration"), config.get("PreTokenGenerationConfig", {}).get("LambdaArn")
    if old and new and old != new:
        return "Cannot use PreTokenGenerationLambda and PreTokenGeneration with different Lambda function ARN's"
    return ""


def _mail(settings: Settings) -> str:
    mail = settings.get("EmailConfiguration", {})
    if mail.get("EmailSendingAccount") == "DEVELOPER" and not mail.get("SourceArn"):
        return "Source ARN is required to use DEVELOPER email sending owner"
    if mail.get("From") and not names.is_email(parseaddr(mail["From"])[1]):
        return "Provided From email address is invalid"
    return ""


_RULES: tuple[Callable[[Settings], str], ...] = (
    _recovery,
    _verification_before_update,
    _text_messages,
    _first_factors,
    _sender_key,
    _token_functions,
    _mail,
)


def _functions(settings: Settings) -> Iterator[str]:
    for configured in settings.get("LambdaConfig", {}).values():
        yield configured.get("LambdaArn", "") if isinstance(configured, Mapping) else str(configured)


# Feature plans ------------------------------------------------------------------------------------------------------


def _check_tier(settings: Settings, tier_before: str) -> None:
    """https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-sign-in-feature-plans.html"""
    tier = settings["UserPoolTier"]
    features = [name for name, needs in _FEATURES if (least := needs(settings)) and _RANK[tier] < _RANK[least]]
    if not features:
        return
    wording = f"The following features need to be disabled for the {tier} pricing tier configured: "
    refusal = TierChangeNotAllowedException if tier_before not in ("", tier) else FeatureUnavailableInTierException
    raise refusal(wording + ", ".join(features))


_RANK = {"LITE": 0, "ESSENTIALS": 1, "PLUS": 2}


def _threat_protection(settings: Settings) -> str:
    return "PLUS" if settings.get("UserPoolAddOns", {}).get("AdvancedSecurityMode", "OFF") != "OFF" else ""


def _passwordless(settings: Settings) -> str:
    return "ESSENTIALS" if set(first_factors(settings)) - set(PASSWORD_ONLY) else ""


def _history(settings: Settings) -> str:
    return "ESSENTIALS" if settings["Policies"]["PasswordPolicy"].get("PasswordHistorySize") else ""


def _token_version(version: str) -> Callable[[Settings], str]:
    def needs(settings: Settings) -> str:
        config = settings.get("LambdaConfig", {}).get("PreTokenGenerationConfig", {})
        return "ESSENTIALS" if config.get("LambdaVersion") == version else ""

    return needs


# What AWS calls a feature, and the least plan that has it where the settings use it.
_FEATURES: tuple[tuple[str, Callable[[Settings], str]], ...] = (
    ("Threat Protection", _threat_protection),
    ("Passwordless Sign-In", _passwordless),
    ("Password History", _history),
    *(
        (f"Token Customization with Pre-Token Generation Lambda {version}", _token_version(version))
        for version in ("V2_0", "V3_0")
    ),
)
