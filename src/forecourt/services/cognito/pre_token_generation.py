"""The pre token generation trigger: what the pool's function makes of the tokens to be, in its three versions.

V1 changes the ID token, with text only; V2 the access token and its scopes, too; V3 is asked for machines as well.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from forecourt.services.cognito.errors import InvalidLambdaResponseException
from forecourt.services.cognito.model import Client, Grant, Pool, User
from forecourt.services.cognito.triggers import Occasion, Triggers, user_attributes, with_metadata

_PROTECTED = frozenset({
    "acr", "amr", "at_hash", "auth_time", "azp", "cognito:username", "exp", "iat", "identities", "iss", "jti", "nbf",
    "nonce", "origin_jti", "sub", "token_use", "cognito:groups", "cognito:roles", "cognito:preferred_role",
})  # fmt: skip
# What a function may not touch.
PROTECTED_ACCESS = _PROTECTED | {"client_id", "username", "version", "device_key", "event_id", "scope"}
PROTECTED_ID = _PROTECTED | {"aud", "event_id"}


class Roles(msgspec.Struct, frozen=True):
    groups: Sequence[str] = ()
    roles: Sequence[str] = ()
    preferred: str = ""


class Override(msgspec.Struct, frozen=True):
    """What the function says of one token's claims."""

    add: Mapping[str, Any] = {}
    suppress: Sequence[str] = ()

    def apply(self, claims: dict[str, Any], protected: frozenset[str]) -> dict[str, Any]:
        if not self.add and not self.suppress:
            return claims
        kept = {name: value for name, value in claims.items() if name not in self.suppress or name in protected}
        return {**kept, **{name: value for name, value in self.add.items() if name not in protected}}


class Change(msgspec.Struct, frozen=True):
    roles: Roles = Roles()
    identity: Override = Override()
    access: Override = Override()
    scopes_added: Sequence[str] = ()
    scopes_suppressed: Sequence[str] = ()

    def scopes(self, asked: Sequence[str]) -> list[str]:
        kept = [scope for scope in asked if scope not in self.scopes_suppressed]
        return kept + [scope for scope in self.scopes_added if scope not in kept]


async def for_user(
    triggers: Triggers, occasion: Occasion, user: User, grant: Grant, roles: Roles, source: str
) -> Change:
    trigger, version = _trigger(occasion.pool)
    if not trigger:
        return Change(roles)
    request: dict[str, Any] = {
        "userAttributes": user_attributes(user),
        "groupConfiguration": {
            "groupsToOverride": list(roles.groups),
            "iamRolesToOverride": list(roles.roles),
            "preferredRole": roles.preferred or None,
        },
    }
    if version != "1":
        request["scopes"] = list(grant.scopes)
    answered = "claimsOverrideDetails" if version == "1" else "claimsAndScopeOverrideDetails"
    answer = await triggers.fire(
        occasion, trigger, source, user.username, with_metadata(occasion, request), {answered: None}, version
    )
    return _change(roles, answer.get(answered), version)


async def for_client(triggers: Triggers, occasion: Occasion, client: Client, scopes: Sequence[str]) -> Change:
    trigger, version = _trigger(occasion.pool)
    if version != "3":
        return Change()
    request = with_metadata(occasion, {"userAttributes": {}, "scopes": list(scopes)})
    source, answered = "TokenGeneration_ClientCredentials", "claimsAndScopeOverrideDetails"
    answer = await triggers.fire(occasion, trigger, source, client.id, request, {answered: None}, version)
    return _change(Roles(), answer.get(answered), version)


def _trigger(pool: Pool) -> tuple[str, str]:
    """The setting that holds the function, and the version of its event."""
    if configured := pool.triggers.get("PreTokenGenerationConfig"):
        return "PreTokenGenerationConfig", str(configured["LambdaVersion"])[1]
    return ("PreTokenGeneration", "1") if pool.triggers.get("PreTokenGeneration") else ("", "")


def _change(roles: Roles, details: Any, version: str) -> Change:
    if details is None:
        return Change(roles)
    if not isinstance(details, dict):
        raise InvalidLambdaResponseException("Unrecognizable lambda output")
    overridden = _roles(roles, details.get("groupOverrideDetails"))
    if version == "1":
        return Change(overridden, identity=_override(details, strings=True))
    access = details.get("accessTokenGeneration") or {}
    return Change(
        overridden,
        identity=_override(details.get("idTokenGeneration") or {}),
        access=_override(access),
        scopes_added=access.get("scopesToAdd") or (),
        scopes_suppressed=access.get("scopesToSuppress") or (),
    )


def _override(details: Mapping[str, Any], *, strings: bool = False) -> Override:
    add = details.get("claimsToAddOrOverride") or {}
    if not isinstance(add, dict) or (strings and not all(isinstance(value, str) for value in add.values())):
        raise InvalidLambdaResponseException("Unrecognizable lambda output")
    return Override(add, details.get("claimsToSuppress") or ())


def _roles(roles: Roles, details: Any) -> Roles:
    if not isinstance(details, dict):
        return roles
    return Roles(
        _or(details.get("groupsToOverride"), roles.groups),
        _or(details.get("iamRolesToOverride"), roles.roles),
        details.get("preferredRole") or roles.preferred,
    )


def _or(given: Any, default: Sequence[str]) -> Sequence[str]:
    """An empty list is an answer, null is none."""
    return default if given is None else list(given)
