"""Developer-authenticated identities: the application's own backend vouches for its users.

https://docs.aws.amazon.com/cognito/latest/developerguide/developer-authenticated-identities.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cognito.identity.api.pools import Request, Result
from forecourt.services.cognito.identity.errors import (
    DeveloperUserAlreadyRegisteredException,
    InvalidParameterException,
    NotAuthorizedException,
    ResourceConflictException,
    ResourceNotFoundException,
    identity_not_found,
)
from forecourt.services.cognito.identity.logins import Login, Logins
from forecourt.services.cognito.identity.model import Identity, IdentityPool
from forecourt.services.cognito.identity.records import Records
from forecourt.services.cognito.identity.tokens import OpenIdTokens
from forecourt.store import Tx

_DEFAULT_SECONDS = 900
_LONGEST_SECONDS = 86_400
_PAGE = 60


class DevelopersApi:
    def __init__(self, records: Records, logins: Logins, tokens: OpenIdTokens, clock: Clock, ids: Ids) -> None:
        self._records = records
        self._logins = logins
        self._tokens = tokens
        self._clock = clock
        self._ids = ids

    @operation("GetOpenIdTokenForDeveloperIdentity")
    async def get_token(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)
        given = dict(request["Logins"])
        user = given.pop(pool.developer_provider or "", None)
        if user is None:
            raise NotAuthorizedException("Please provide a valid public or developer provider and identifier.")
        seconds = request.get("TokenDuration") or _DEFAULT_SECONDS
        if not 1 <= seconds <= _LONGEST_SECONDS:
            raise InvalidParameterException("Please provide a valid TokenDuration: up to 24 hours.")
        logins = await self._logins.verify(pool, given)
        identity = await self._linked(pool, request.get("IdentityId"), user, logins)
        provider = str(pool.developer_provider)
        amr = [
            "authenticated",
            provider,
            f"{provider}:{pool.id}:{user}",
            *(entry for login in logins for entry in login.amr),
        ]
        token = await self._tokens.issue(pool, identity.id, amr, request.get("PrincipalTags") or {}, seconds)
        return {"IdentityId": identity.id, "Token": token}

    async def _linked(self, pool: IdentityPool, wanted: str | None, user: str, logins: list[Login]) -> Identity:
        now, provider = self._clock.now(), str(pool.developer_provider)
        fresh = Identity(id=f"{pool.region}:{self._ids.uuid()}", pool=pool.id, created_at=now, modified_at=now)

        def change(tx: Tx) -> Identity:
            keys = [(provider, user), *((login.provider, login.subject) for login in logins)]
            found = {identity.id: identity for key in keys for identity in tx.find(Identity, "by_login", pool.id, *key)}
            if wanted is not None and wanted not in found:
                if tx.find(Identity, "by_login", pool.id, provider, user, limit=1):
                    raise DeveloperUserAlreadyRegisteredException(
                        "The provided developer user identifier is already registered with Cognito under a different "
                        "identity ID."
                    )
                found[wanted] = _existing(tx, pool, wanted)
            if len(found) > 1:
                raise ResourceConflictException("Logins belong to more than one identity.")
            identity = next(iter(found.values()), fresh)
            users = identity.developer.setdefault(provider, [])
            if user not in users:
                users.append(user)
            for login in logins:
                identity.logins[login.provider] = login.subject
            identity.modified_at = now
            tx.put(identity)
            return identity

        return await self._records.store.write(change)

    @operation("LookupDeveloperIdentity")
    async def lookup(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)
        wanted, user = request.get("IdentityId"), request.get("DeveloperUserIdentifier")
        if wanted is None and user is None:
            raise InvalidParameterException("Either IdentityId or DeveloperUserIdentifier must be given.")
        provider = pool.developer_provider or ""
        by_user = await self._records.by_login(pool.id, provider, user) if user is not None else None
        identity = by_user if wanted is None else await self._records.store.get(Identity, wanted)
        if identity is None or identity.pool != pool.id:
            raise ResourceNotFoundException("Developer user identifier or identity not found.")
        if user is not None and by_user is not None and by_user.id != identity.id:
            raise ResourceConflictException("The developer user identifier belongs to another identity.")
        users = identity.developer.get(provider, [])
        return {"IdentityId": identity.id, "DeveloperUserIdentifierList": users[: request.get("MaxResults") or _PAGE]}

    @operation("MergeDeveloperIdentities")
    async def merge(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)
        provider, now = self._provider(pool, request), self._clock.now()

        def change(tx: Tx) -> str:
            source = _by_user(tx, pool, provider, request["SourceUserIdentifier"])
            target = _by_user(tx, pool, provider, request["DestinationUserIdentifier"])
            if source.id == target.id:
                return target.id
            if clash := {p for p in source.logins if target.logins.get(p, source.logins[p]) != source.logins[p]}:
                raise ResourceConflictException(f"Both identities have a login of {sorted(clash)[0]}.")
            moved_logins, moved_users = dict(source.logins), dict(source.developer)
            source.logins, source.developer, source.disabled, source.modified_at = {}, {}, True, now
            tx.put(source)
            _absorb(target, moved_logins, moved_users)
            target.modified_at = now
            tx.put(target)
            return target.id

        return {"IdentityId": await self._records.store.write(change)}

    @operation("UnlinkDeveloperIdentity")
    async def unlink(self, context: CallContext, request: Request) -> Result:
        pool = await self._pool(context, request)
        provider, now = self._provider(pool, request), self._clock.now()

        def change(tx: Tx) -> None:
            identity = _existing(tx, pool, request["IdentityId"])
            users = identity.developer.get(provider, [])
            if request["DeveloperUserIdentifier"] not in users:
                raise ResourceNotFoundException("Developer user identifier not found for this identity.")
            users.remove(request["DeveloperUserIdentifier"])
            if not users:
                identity.developer.pop(provider)
            identity.modified_at = now
            identity.disabled = not identity.is_authenticated
            tx.put(identity)

        await self._records.store.write(change)
        return {}

    async def _pool(self, context: CallContext, request: Request) -> IdentityPool:
        return await self._records.pool(context.account, context.region, request["IdentityPoolId"])

    def _provider(self, pool: IdentityPool, request: Request) -> str:
        provider: str = request["DeveloperProviderName"]
        if provider != pool.developer_provider:
            raise InvalidParameterException(f"{provider} is not the developer provider of this identity pool.")
        return provider


def _existing(tx: Tx, pool: IdentityPool, id: str) -> Identity:
    identity = tx.get(Identity, id)
    if identity is None or identity.pool != pool.id or identity.disabled:
        raise identity_not_found(id)
    return identity


def _by_user(tx: Tx, pool: IdentityPool, provider: str, user: str) -> Identity:
    found = tx.find(Identity, "by_login", pool.id, provider, user, limit=1)
    if not found:
        raise ResourceNotFoundException(f"Developer user identifier '{user}' not found.")
    return found[0]


def _absorb(target: Identity, logins: Mapping[str, str], developer: Mapping[str, list[str]]) -> None:
    target.logins.update(logins)
    for provider, users in developer.items():
        held = target.developer.setdefault(provider, [])
        held.extend(user for user in users if user not in held)
