"""From a user who has proven who he is to tokens: groups and roles, the pre token generation trigger, claims, keys.

A sign-in is a `Grant`; its id is the `origin_jti` of every token that comes of it, and deleting it revokes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cognito import schema, sealed, tokens
from forecourt.services.cognito.errors import InvalidLambdaResponseException
from forecourt.services.cognito.model import Client, Grant, Group, Membership, Pool, User
from forecourt.services.cognito.store import Records, token_hash
from forecourt.services.cognito.tokens import Times, validity_seconds
from forecourt.services.cognito.triggers import Occasion, Triggers, user_attributes, with_metadata
from forecourt.services.cognito.turns import Turns
from forecourt.store.sealing import SealBroken

_REFRESH_PURPOSE = "cognito.refresh-token"
_AMAZON = "https://cognito-idp.{region}.amazonaws.com/{pool}"
# What a trigger may not touch.
# https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
_PROTECTED = frozenset(
    [
        "acr",
        "amr",
        "at_hash",
        "auth_time",
        "azp",
        "cognito:username",
        "exp",
        "iat",
        "identities",
        "iss",
        "jti",
        "nbf",
        "nonce",
        "origin_jti",
        "sub",
        "token_use",
        "cognito:groups",
        "cognito:roles",
        "cognito:preferred_role",
    ]
)
_PROTECTED_ACCESS = _PROTECTED | {"client_id", "username", "version", "device_key", "event_id", "scope"}
_PROTECTED_ID = _PROTECTED | {"aud", "event_id"}


class Minted(msgspec.Struct, frozen=True):
    access: str
    id: str
    expires_in: int


class Roles(msgspec.Struct, frozen=True):
    groups: Sequence[str]
    roles: Sequence[str]
    preferred: str


class Issuer:
    def __init__(
        self,
        records: Records,
        triggers: Triggers,
        clock: Clock,
        ids: Ids,
        turns: Turns,
        public_url: str,
        issuer_form: str,
    ) -> None:
        self._records = records
        self._triggers = triggers
        self._clock = clock
        self._ids = ids
        self._turns = turns
        self.public_url = public_url
        self._issuer_form = issuer_form

    def issuer(self, pool: Pool) -> str:
        if self._issuer_form == "amazonaws":
            return _AMAZON.format(region=pool.region, pool=pool.id)
        return f"{self.public_url}/{pool.id}"

    def issuers(self, pool: Pool) -> tuple[str, str]:
        """Both forms: our own authorizers take either for a pool that is ours."""
        return f"{self.public_url}/{pool.id}", _AMAZON.format(region=pool.region, pool=pool.id)

    def new_refresh_token(self) -> str:
        """Random, and sealed: so that one which is kept no more is told from one that never was."""
        return sealed.to_text(self._records.sealer.seal(self._ids.bytes(32), _REFRESH_PURPOSE))

    def made_refresh_token(self, token: str) -> bool:
        try:
            return len(self._records.sealer.open(sealed.from_text(token), _REFRESH_PURPOSE)) > 0
        except (sealed.BrokenToken, SealBroken):
            return False

    def new_grant(
        self, pool: Pool, client: Client, user: User, refresh_token: str, *, auth_time: int, scopes: Sequence[str]
    ) -> Grant:
        now = self._clock.now()
        return Grant(
            pool_id=pool.id,
            user_key=user.key,
            id=self._ids.uuid(),
            client_id=client.id,
            refresh_hash=token_hash(refresh_token),
            created_at=now,
            used_at=now,
            expires_at=now + validity_seconds(client.settings, "RefreshToken"),
            auth_time=auth_time,
            scopes=list(scopes),
            event_id=self._ids.uuid(),
            session_id="tkn" + self._ids.lower(25),
        )

    async def mint(
        self, occasion: Occasion, client: Client, user: User, grant: Grant, source: str, nonce: str = ""
    ) -> Minted:
        """Access and ID token of a grant. `source` is the trigger's (`TokenGeneration_Authentication`, …)."""
        change = await self._ask(occasion, user, grant, await self.roles(user), source)
        key = (await self._records.keys(occasion.pool.id))[0]
        return await self._turns.take(self._minted, key, occasion.pool, client, user, grant, change, nonce)

    def _minted(
        self, key: tokens.Key, pool: Pool, client: Client, user: User, grant: Grant, change: Change, nonce: str
    ) -> Minted:
        roles, times = change.roles, self._times(client, grant)
        shared: dict[str, Any] = {
            "issuer": self.issuer(pool),
            "client_id": client.id,
            "sub": user.sub,
            "username": user.username,
            "times": times,
            "origin_jti": grant.id if client.settings.get("EnableTokenRevocation", True) else "",
            "event_id": grant.event_id,
        }
        scopes = [s for s in grant.scopes if s not in change.scopes_suppressed]
        scopes += [s for s in change.scopes_added if s not in scopes]
        access = tokens.access_claims(
            **shared,
            scopes=scopes,
            groups=roles.groups,
            jti=self._ids.uuid(),
            device_key=grant.device_key,
            hosted=grant.hosted,
            resource=grant.resource,
        )
        access_token = tokens.sign(key, change.apply(access, change.access, _PROTECTED_ACCESS))
        if grant.hosted and "openid" not in grant.scopes:
            return Minted(access_token, "", times.access_expires_at - times.issued_at)
        identity = tokens.id_claims(
            **shared,
            attributes=id_attributes(pool, client, user, grant),
            groups=roles.groups,
            roles=roles.roles,
            preferred_role=roles.preferred,
            jti=self._ids.uuid(),
            nonce=nonce,
            access_token=access_token if grant.hosted else "",
        )
        id_token = tokens.sign(key, change.apply(identity, change.identity, _PROTECTED_ID))
        return Minted(access_token, id_token, times.access_expires_at - times.issued_at)

    async def mint_for_client(self, occasion: Occasion, client: Client, scopes: Sequence[str]) -> Minted:
        now = int(self._clock.now())
        lifetime = validity_seconds(client.settings, "AccessToken")
        claims = tokens.client_claims(
            issuer=self.issuer(occasion.pool),
            client_id=client.id,
            scopes=scopes,
            issued_at=now,
            expires_at=now + lifetime,
            jti=self._ids.uuid(),
        )
        change = await self._ask_for_client(occasion, client, scopes)
        kept = [s for s in scopes if s not in change.scopes_suppressed]
        claims["scope"] = " ".join([*kept, *(s for s in change.scopes_added if s not in kept)])
        key = (await self._records.keys(occasion.pool.id))[0]
        signed = await self._turns.take(tokens.sign, key, change.apply(claims, change.access, _PROTECTED_ACCESS))
        return Minted(signed, "", lifetime)

    async def roles(self, user: User) -> Roles:
        """The user's groups by precedence, their roles, and the one of the first group where that is unambiguous."""
        if not await self._records.has_groups(user.pool_id):
            return Roles((), (), "")
        store = self._records.store
        memberships = await store.find(Membership, "by_user", user.pool_id, user.key)
        if not memberships:
            return Roles((), (), "")
        found = [await store.get(Group, user.pool_id, m.group) for m in memberships]
        groups = sorted((g for g in found if g), key=lambda g: (g.precedence is None, g.precedence or 0, g.name))
        ranked = [g for g in groups if g.role_arn and g.precedence is not None]
        first = {g.role_arn for g in ranked if g.precedence == ranked[0].precedence}
        roles = list(dict.fromkeys(g.role_arn for g in groups if g.role_arn))
        return Roles([g.name for g in groups], roles, (first.pop() or "") if len(first) == 1 else "")

    def _times(self, client: Client, grant: Grant) -> Times:
        now = int(self._clock.now())
        return Times(
            grant.auth_time,
            now,
            now + validity_seconds(client.settings, "AccessToken"),
            now + validity_seconds(client.settings, "IdToken"),
        )

    async def _ask(self, occasion: Occasion, user: User, grant: Grant, roles: Roles, source: str) -> Change:
        trigger, version = self._trigger(occasion.pool)
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
        answer = await self._triggers.fire(
            occasion, trigger, source, user.username, with_metadata(occasion, request), {answered: None}, version
        )
        return _change(roles, answer.get(answered), version)

    async def _ask_for_client(self, occasion: Occasion, client: Client, scopes: Sequence[str]) -> Change:
        trigger, version = self._trigger(occasion.pool)
        nobody = Roles((), (), "")
        if version != "3":
            return Change(nobody)
        request = with_metadata(occasion, {"userAttributes": {}, "scopes": list(scopes)})
        source, answered = "TokenGeneration_ClientCredentials", "claimsAndScopeOverrideDetails"
        answer = await self._triggers.fire(occasion, trigger, source, client.id, request, {answered: None}, version)
        return _change(nobody, answer.get(answered), version)

    def _trigger(self, pool: Pool) -> tuple[str, str]:
        """The setting that holds the function, and the version of its event."""
        if configured := pool.triggers.get("PreTokenGenerationConfig"):
            return "PreTokenGenerationConfig", str(configured["LambdaVersion"])[1]
        return ("PreTokenGeneration", "1") if pool.triggers.get("PreTokenGeneration") else ("", "")


class Override(msgspec.Struct, frozen=True):
    """What a trigger says of one token's claims."""

    add: Mapping[str, Any] = {}
    suppress: Sequence[str] = ()


class Change(msgspec.Struct, frozen=True):
    """What a trigger made of the tokens to be."""

    roles: Roles
    identity: Override = Override()
    access: Override = Override()
    scopes_added: Sequence[str] = ()
    scopes_suppressed: Sequence[str] = ()

    @staticmethod
    def apply(claims: dict[str, Any], override: Override, protected: frozenset[str]) -> dict[str, Any]:
        kept = {name: value for name, value in claims.items() if name not in override.suppress or name in protected}
        return {**kept, **{name: value for name, value in override.add.items() if name not in protected}}


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


# What each scope lets an ID token and userInfo show of the user; `profile` shows everything that the client may read.
_SCOPE_CLAIMS = {
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
}


def id_attributes(pool: Pool, client: Client, user: User, grant: Grant) -> dict[str, Any]:
    return visible_attributes(pool, client, user, grant.scopes if grant.hosted else ())


def visible_attributes(pool: Pool, client: Client, user: User, scopes: Sequence[str]) -> dict[str, Any]:
    """Claims of the user that the client may read, and that the scopes ask for.

    `openid` alone brings everything readable, and so does `profile`; with `email` or `phone` instead only theirs.
    """
    allowed = schema.readable(pool.schema, client.settings)
    wanted = {claim for scope in scopes for claim in _SCOPE_CLAIMS.get(scope, ())}
    if wanted and "profile" not in scopes:
        allowed = allowed & wanted
    return {name: schema.claim(name, value) for name, value in user.attributes.items() if name in allowed}
