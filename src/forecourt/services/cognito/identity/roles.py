"""Which role an identity gets: the one asked for, the one that rules or the token's claims give, or the pool's default.

https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forecourt.services.cognito.identity.errors import (
    InvalidIdentityPoolConfigurationException,
    InvalidParameterException,
    NotAuthorizedException,
)
from forecourt.services.cognito.identity.logins import Login
from forecourt.services.cognito.identity.model import IdentityPool, RoleMapping, Rule

_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "Equals": lambda claim, value: claim == value,
    "Contains": lambda claim, value: value in claim,
    "StartsWith": lambda claim, value: claim.startswith(value),
    "NotEqual": lambda claim, value: claim != value,
}
# Default principal tags: https://docs.aws.amazon.com/cognito/latest/developerguide/using-afac-with-cognito-identity-pools.html
_DEFAULT_TAGS = {"username": "sub", "client": "aud"}


def role_of(pool: IdentityPool, logins: Sequence[Login], custom_role: str | None) -> str:
    """Raises `NotAuthorizedException` where nothing resolves and the pool says to deny then."""
    kind = "authenticated" if logins else "unauthenticated"
    default = pool.roles.get(kind)
    for login in logins:
        mapping = pool.role_mappings.get(login.mapping) or pool.role_mappings.get(login.provider)
        if mapping is not None:
            return _mapped(mapping, login.claims, custom_role) or _ambiguous(mapping, default)
    if custom_role is not None:
        raise InvalidParameterException("CustomRoleArn cannot be used where the identity pool has no role mapping.")
    return default or _unconfigured()


def _mapped(mapping: RoleMapping, claims: Mapping[str, Any], custom_role: str | None) -> str | None:
    if mapping.Type == "Rules":
        rules = mapping.RulesConfiguration.Rules if mapping.RulesConfiguration else []
        return next((rule.RoleARN for rule in rules if _matches(rule, claims)), None)
    roles = claims.get("cognito:roles") or []
    if custom_role is not None:
        if custom_role not in roles:
            raise NotAuthorizedException("The requested role is not among the token's roles.")
        return custom_role
    preferred = claims.get("cognito:preferred_role")
    if preferred:
        return str(preferred)
    return str(roles[0]) if len(roles) == 1 else None


def _matches(rule: Rule, claims: Mapping[str, Any]) -> bool:
    claim = claims.get(rule.Claim)
    if claim is None:
        return False
    values = [str(item) for item in claim] if isinstance(claim, list) else [_text(claim)]
    if rule.MatchType == "NotEqual":
        return all(value != rule.Value for value in values)
    return any(_MATCHES[rule.MatchType](value, rule.Value) for value in values)


def _text(claim: Any) -> str:
    return str(claim).lower() if isinstance(claim, bool) else str(claim)


def _ambiguous(mapping: RoleMapping, default: str | None) -> str:
    if mapping.AmbiguousRoleResolution == "AuthenticatedRole":
        return default or _unconfigured()
    raise NotAuthorizedException("The role for this identity is ambiguous, and the identity pool denies it then.")


def _unconfigured() -> str:
    raise InvalidIdentityPoolConfigurationException(
        "Invalid identity pool configuration. Check assigned IAM roles for this pool."
    )


def principal_tags(pool: IdentityPool, logins: Sequence[Login]) -> dict[str, str]:
    """The session tags that the pool makes of the tokens' claims."""
    tags: dict[str, str] = {}
    for login in logins:
        found = pool.principal_tags.get(login.provider)
        if found is None:
            continue
        wanted = _DEFAULT_TAGS if found.use_defaults else found.tags
        for tag, claim in wanted.items():
            value = login.claims.get(claim)
            if isinstance(value, str | int | bool) and value != "":
                tags[tag] = _text(value)
    return tags
