"""What an app client can not be: combinations that the model allows and AWS refuses, in AWS's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from forecourt.services.cognito import tokens
from forecourt.services.cognito.errors import (
    InvalidOAuthFlowException,
    InvalidParameterException,
    ScopeDoesNotExistException,
)
from forecourt.services.cognito.model import Pool
from forecourt.services.cognito.pools.pool_rules import require_feature

Settings = Mapping[str, Any]
_STANDARD_SCOPES = {"openid", "email", "phone", "profile", tokens.SIGN_IN_SCOPE}
_OLD_FLOWS = {"ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"}
# No client may write these, whatever its list says.
_NEVER_WRITTEN = {"sub", "email_verified", "phone_number_verified"}
_SCRIPTS = ("javascript", "data", "vbscript")
_DAY = 86400
# https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-with-identity-providers.html
_VALIDITY_LIMITS = {"AccessToken": (300, _DAY), "IdToken": (300, _DAY), "RefreshToken": (3600, 3650 * _DAY)}


def check(pool: Pool, settings: Settings, *, secret: bool, custom_scopes: set[str]) -> None:
    """`secret`: whether the client has one; `custom_scopes`: those of the pool's resource servers."""
    check_validity(settings)
    _check_flows(pool, settings)
    _check_urls([*settings.get("CallbackURLs", ()), *settings.get("LogoutURLs", ())])
    _check_default_redirect(settings)
    _check_attributes(pool, settings)
    _check_providers(pool, settings)
    _check_scopes(settings, custom_scopes)
    _check_oauth(settings, secret=secret)
    if settings.get("EnablePropagateAdditionalUserContextData") and not secret:
        raise InvalidParameterException(
            "Client Secret is required to set EnablePropagateAdditionalUserContextData as true"
        )
    _check_analytics(settings.get("AnalyticsConfiguration", {}))


def check_validity(settings: Settings) -> None:
    for token, (shortest, longest) in _VALIDITY_LIMITS.items():
        if not shortest <= tokens.validity_seconds(settings, token) <= longest:
            raise InvalidParameterException("Invalid range for token validity.")
    refresh = tokens.validity_seconds(settings, "RefreshToken")
    if any(tokens.validity_seconds(settings, token) > refresh for token in ("AccessToken", "IdToken")):
        raise InvalidParameterException(
            "Access and Id Token expiration times must be less than or equal to refresh token expiration times."
        )


def _check_flows(pool: Pool, settings: Settings) -> None:
    flows = set(settings.get("ExplicitAuthFlows", ()))
    if flows & _OLD_FLOWS and flows - _OLD_FLOWS:
        raise InvalidParameterException(
            "Auth flow name with prefix 'ALLOW' cannot be used with legacy auth flow names."
        )
    if settings.get("RefreshTokenRotation", {}).get("Feature") == "ENABLED":
        require_feature(pool.settings["UserPoolTier"], ("ESSENTIALS", "PLUS"), "Refresh Token Rotation")
        if "ALLOW_REFRESH_TOKEN_AUTH" in flows:
            raise InvalidParameterException(
                "Refresh token rotation cannot be enabled along with ALLOW_REFRESH_TOKEN_AUTH."
            )


def _check_urls(urls: Iterable[str]) -> None:
    """HTTPS, an app's own scheme, or plain HTTP to this machine; never a fragment (RFC 6749, 3.1.2)."""
    for url in urls:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            raise InvalidParameterException(f"{url} is not a valid URL.") from None
        if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
            raise InvalidParameterException(f"{url} cannot use the HTTP protocol.")
        if "#" in url:
            raise InvalidParameterException(f"{url} cannot use fragment")
        if not parts.scheme or parts.scheme.lower() in _SCRIPTS:
            raise InvalidParameterException(f"{url} is not a valid URL.")


def _check_default_redirect(settings: Settings) -> None:
    default = settings.get("DefaultRedirectURI")
    if default and default not in settings.get("CallbackURLs", ()):
        raise InvalidParameterException(f"The default redirect URI {default} is not in the callback URIs list.")


def _check_attributes(pool: Pool, settings: Settings) -> None:
    known = {attribute["Name"] for attribute in pool.schema}
    required = {a["Name"] for a in pool.schema if a["Required"] and a["Name"] != "sub"}
    if set(settings.get("ReadAttributes", ())) - known:
        raise InvalidParameterException("Invalid read attributes specified while creating a client")
    written = set(settings.get("WriteAttributes", ()))
    if written - known or written & _NEVER_WRITTEN or (written and required - written):
        raise InvalidParameterException("Invalid write attributes specified while creating a client")


def _check_providers(pool: Pool, settings: Settings) -> None:
    for provider in settings.get("SupportedIdentityProviders", ()):
        if provider != "COGNITO":
            raise InvalidParameterException(f"The provider {provider} does not exist for User Pool {pool.id}")


def _check_scopes(settings: Settings, custom_scopes: set[str]) -> None:
    for scope in settings.get("AllowedOAuthScopes", ()):
        if scope not in _STANDARD_SCOPES | custom_scopes:
            raise ScopeDoesNotExistException(f"Invalid scope requested: {scope}")


def _check_oauth(settings: Settings, *, secret: bool) -> None:
    grants, scopes = set(settings.get("AllowedOAuthFlows", ())), set(settings.get("AllowedOAuthScopes", ()))
    if "client_credentials" in grants:
        if len(grants) > 1:
            raise InvalidOAuthFlowException(
                "client_credentials flow can not be selected along with code flow or implicit flow."
            )
        if not secret:
            raise InvalidOAuthFlowException(
                "client_credentials flow can not be selected if client does not have a client secret."
            )
        if standard := sorted(scopes & _STANDARD_SCOPES):
            raise InvalidOAuthFlowException(f"{standard[0]} is not supported with client_credentials flow")
    if not settings.get("AllowedOAuthFlowsUserPoolClient"):
        return
    if not grants or not scopes:
        raise InvalidOAuthFlowException(
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows."
        )
    if grants & {"code", "implicit"} and not settings.get("CallbackURLs"):
        raise InvalidOAuthFlowException("CallbackUrls can not be empty when code flow or implicit flow is selected")


def _check_analytics(analytics: Settings) -> None:
    by_id = {"ApplicationId", "RoleArn", "ExternalId"}
    given = set(analytics) - {"UserDataShared"}
    if given and given != {"ApplicationArn"} and given != by_id:
        raise InvalidParameterException(
            "Invalid analytics configuration given, either <application arn> or <application id, role arn, "
            "external id> are valid"
        )
