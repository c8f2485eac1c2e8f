"""From a user who has proven who he is to tokens: groups and roles, claims, signatures.

A sign-in is a `Grant`; its id is the `origin_jti` of every token that comes of it, and deleting it revokes them.
What is to be signed is settled first (`prepare`: the pool's function may have its say, and may refuse). Signing then
needs nobody any more, so that a sign-in can be written to the disk meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cognito import pre_token_generation, schema, tokens
from forecourt.services.cognito.model import Client, Grant, Group, Membership, Pool, User
from forecourt.services.cognito.pre_token_generation import PROTECTED_ACCESS, PROTECTED_ID, Change, Roles
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.tokens import Times, validity_seconds
from forecourt.services.cognito.triggers import Occasion, Triggers
from forecourt.services.cognito.turns import Turns

_AMAZON = "https://cognito-idp.{region}.amazonaws.com/{pool}"


class Minted(msgspec.Struct, frozen=True):
    access: str
    id: str
    expires_in: int


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

    def new_grant(self, client: Client, user: User, *, auth_time: int, scopes: Sequence[str]) -> Grant:
        now = self._clock.now()
        return Grant(
            pool_id=user.pool_id,
            user_key=user.key,
            id=self._ids.uuid(),
            client_id=client.id,
            created_at=now,
            used_at=now,
            expires_at=now + validity_seconds(client.settings, "RefreshToken"),
            auth_time=auth_time,
            scopes=list(scopes),
            event_id=self._ids.uuid(),
        )

    async def mint(
        self, occasion: Occasion, client: Client, user: User, grant: Grant, source: str, nonce: str = ""
    ) -> Minted:
        """Access and ID token of a grant. `source` is the trigger's (`TokenGeneration_Authentication`, …)."""
        return await self.sign(await self.prepare(occasion, client, user, grant, source, nonce))

    async def prepare(
        self, occasion: Occasion, client: Client, user: User, grant: Grant, source: str, nonce: str = ""
    ) -> Callable[[], Minted]:
        """As `mint`, all but the signatures."""
        roles = await self.roles(user)
        change = await pre_token_generation.for_user(self._triggers, occasion, user, grant, roles, source)
        key = (await self._records.keys(occasion.pool.id))[0]
        return partial(self._minted, key, occasion.pool, client, user, grant, change, nonce)

    async def sign(self, prepared: Callable[[], Minted]) -> Minted:
        return await self._turns.take(prepared)

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
        access = tokens.access_claims(
            **shared,
            scopes=change.scopes(grant.scopes),
            groups=roles.groups,
            jti=self._ids.uuid(),
            device_key=grant.device_key,
            hosted=grant.hosted,
            resource=grant.resource,
        )
        access_token = tokens.sign(key, change.access.apply(access, PROTECTED_ACCESS))
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
        id_token = tokens.sign(key, change.identity.apply(identity, PROTECTED_ID))
        return Minted(access_token, id_token, times.access_expires_at - times.issued_at)

    async def mint_for_client(self, occasion: Occasion, client: Client, scopes: Sequence[str]) -> Minted:
        now = int(self._clock.now())
        lifetime = validity_seconds(client.settings, "AccessToken")
        change = await pre_token_generation.for_client(self._triggers, occasion, client, scopes)
        claims = tokens.client_claims(
            issuer=self.issuer(occasion.pool),
            client_id=client.id,
            scopes=change.scopes(scopes),
            issued_at=now,
            expires_at=now + lifetime,
            jti=self._ids.uuid(),
        )
        key = (await self._records.keys(occasion.pool.id))[0]
        signed = await self._turns.take(partial(tokens.sign, key, change.access.apply(claims, PROTECTED_ACCESS)))
        return Minted(signed, "", lifetime)

    async def roles(self, user: User) -> Roles:
        """The user's groups by precedence, their roles, and the one of the first group where that is unambiguous."""
        if not await self._records.has_groups(user.pool_id):
            return Roles()
        store = self._records.store
        memberships = await store.find(Membership, "by_user", user.pool_id, user.key)
        if not memberships:
            return Roles()
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
