"""What a user pool keeps and how it is found again.

Pools, clients, domains and keys are read on every call and change seldom: they are cached, and dropped from the cache
by the store's change notices. So are the users who were asked for last, since a sign-in takes several calls; that
somebody does not exist is kept as well, or the second question would take longer for nobody than for somebody. What
belongs to users always comes from the store.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cognito import errors, names, tokens
from forecourt.services.cognito.model import (
    OF_A_POOL,
    OF_A_USER,
    BrowserSession,
    Client,
    Domain,
    Group,
    Membership,
    Pool,
    SigningKey,
    Spent,
    User,
    moment,
)
from forecourt.services.cognito.resource_quotas import ResourceQuotas
from forecourt.store import AlreadyExists, Store, Tx
from forecourt.store.changes import Change
from forecourt.store.document import encode
from forecourt.store.sealing import Sealer

_K = TypeVar("_K")
_T = TypeVar("_T")
_decode_user = msgspec.msgpack.Decoder(User).decode
CACHE_SIZE = 4096
_MOST_TOUCHED = 50_000


class Records:
    def __init__(
        self, store: Store, sealer: Sealer, clock: Clock, ids: Ids, quotas: ResourceQuotas | None = None
    ) -> None:
        self.store = store
        self.sealer = sealer
        self.clock = clock
        self.ids = ids
        self.quotas = quotas or ResourceQuotas()
        self._pools: dict[str, Pool] = {}
        self._clients: dict[str, Client] = {}
        self._keys: dict[str, list[tokens.Key]] = {}
        self._with_groups: dict[str, bool] = {}
        # As they are stored: every reader gets a user of his own. Empty where there is none.
        self._users: dict[tuple[str, ...], bytes] = {}
        # Who made a sealed token: this process, or one before it.
        self.maker = ids.lower(12)
        self._touched: dict[str, None] = {}
        # Whole host names; a prefix has no dot.
        self.custom_domains: set[str] = set()
        store.changes.subscribe(Pool, lambda _: self._pools.clear())
        store.changes.subscribe(Client, lambda _: self._clients.clear())
        store.changes.subscribe(SigningKey, lambda _: self._keys.clear())
        store.changes.subscribe(Group, lambda _: self._with_groups.clear())
        store.changes.subscribe(Domain, self._note_domains)
        store.changes.subscribe(User, self._forget_users)
        store.changes.subscribe(Spent, self._note_touched)

    def forget(self) -> None:
        for cache in (self._pools, self._clients, self._keys, self._with_groups, self._users, self._touched):
            cache.clear()
        self.custom_domains.clear()

    async def load_domains(self) -> None:
        self.custom_domains.update(domain.name for domain in await self.store.list(Domain) if "." in domain.name)

    def _note_domains(self, changed: Iterable[Change]) -> None:
        for change in changed:
            if change.deleted:
                self.custom_domains.discard(change.key[0])
            elif "." in change.key[0]:
                self.custom_domains.add(change.key[0])

    def _forget_users(self, changed: Iterable[Change]) -> None:
        for change in changed:
            self._users.pop(change.key, None)

    def _note_touched(self, changed: Iterable[Change]) -> None:
        for change in changed:
            _keep(self._touched, change.key[1], None, _MOST_TOUCHED)

    # Pools, clients, keys ---------------------------------------------------------------------------------------

    async def pool(self, context: CallContext, pool_id: str) -> Pool:
        """A pool of the caller's account and region."""
        pool = await self.find_pool(pool_id)
        if pool is None or pool.account != context.account or pool.region != context.region:
            raise errors.pool_not_found(pool_id)
        return pool

    async def find_pool(self, pool_id: str) -> Pool | None:
        """A pool wherever it is."""
        cached = self._pools.get(pool_id)
        if cached is None:
            found = await self.store.find(Pool, "by_id", pool_id)
            if not found:
                return None
            cached = _keep(self._pools, pool_id, found[0])
        return cached

    async def client(self, pool: Pool, client_id: str) -> Client:
        client = await self.find_client(client_id)
        if client is None or client.pool_id != pool.id:
            raise errors.client_not_found(client_id)
        return client

    async def find_client(self, client_id: str) -> Client | None:
        cached = self._clients.get(client_id)
        if cached is None:
            found = await self.store.find(Client, "by_id", client_id)
            if not found:
                return None
            cached = _keep(self._clients, client_id, found[0])
        return cached

    async def client_and_pool(self, client_id: str) -> tuple[Pool, Client]:
        """By the client's id alone: what a call without a signature has."""
        client = await self.find_client(client_id)
        pool = await self.find_pool(client.pool_id) if client else None
        if client is None or pool is None:
            raise errors.client_not_found(client_id)
        return pool, client

    def client_secrets(self, client: Client) -> list[str]:
        return [self.sealer.open(secret.sealed, "cognito.client-secret").decode() for secret in client.secrets]

    async def keys(self, pool_id: str) -> list[tokens.Key]:
        """The pool's keys, the signing one first."""
        cached = self._keys.get(pool_id)
        if cached is None:
            stored = sorted(await self.store.list(SigningKey, pool_id), key=lambda key: -key.created_at)
            loaded = [tokens.Key.load(key.kid, self.sealer.open(key.sealed, "cognito.signing-key")) for key in stored]
            cached = _keep(self._keys, pool_id, loaded)
        return cached

    def new_key(self, pool_id: str, der: bytes) -> SigningKey:
        return SigningKey(
            pool_id=pool_id,
            kid=tokens.key_id(der),
            created_at=self.clock.now(),
            sealed=self.sealer.seal(der, "cognito.signing-key"),
        )

    async def has_groups(self, pool_id: str) -> bool:
        """Most pools have none; then no sign-in looks for its user's."""
        cached = self._with_groups.get(pool_id)
        if cached is None:
            cached = _keep(self._with_groups, pool_id, bool(await self.store.list(Group, pool_id, limit=1)))
        return cached

    async def domain_of(self, pool_id: str) -> list[Domain]:
        return await self.store.find(Domain, "by_pool", pool_id)

    # Users ------------------------------------------------------------------------------------------------------

    async def user_by_key(self, pool_id: str, key: str) -> User | None:
        place = (pool_id, key)
        cached = self._users.get(place)
        if cached is None:
            found = await self.store.get(User, pool_id, key)
            cached = _keep(self._users, place, encode(found) if found else b"")
        return _decode_user(cached) if cached else None

    async def find_user(self, pool: Pool, name: str) -> User | None:
        """By username, by `sub`, or by an alias that signs in: three look-ups at most, each by an index."""
        found = await self.user_by_key(pool.id, names.fold(pool.settings, name))
        if found is not None:
            return found
        for kind in names.alias_kinds(pool.settings, name):
            by_alias = await self.store.find(User, "by_alias", pool.id, kind, names.fold(pool.settings, name), limit=1)
            if by_alias:
                return by_alias[0]
        if names.is_uuid(name):
            by_sub = await self.store.find(User, "by_sub", pool.id, name, limit=1)
            return by_sub[0] if by_sub else None
        return None

    async def user(self, pool: Pool, name: str) -> User:
        found = await self.find_user(pool, name)
        if found is None:
            raise errors.user_not_found()
        return found

    async def change_user(self, user: User, change: Callable[[Tx, User], _T]) -> tuple[User, _T]:
        """Changes the user as stored now; `change` works on it in place. The new user and what `change` returned."""

        def apply(tx: Tx) -> tuple[User, _T]:
            current = tx.get(User, user.pool_id, user.key)
            if current is None:
                raise errors.user_not_found()
            result = change(tx, current)
            current.modified_at = self.clock.now()
            put_user(tx, current)
            return current, result

        return await self.store.write(apply)

    async def delete_user(self, user: User) -> None:
        def delete(tx: Tx) -> None:
            for membership in tx.find(Membership, "by_user", user.pool_id, user.key):
                tx.delete(Membership, user.pool_id, membership.group, user.key)
            for session in tx.find(BrowserSession, "by_user", user.pool_id, user.key):
                tx.delete(BrowserSession, user.pool_id, session.hash)
            for kind in OF_A_USER:
                tx.delete_all(kind, user.pool_id, user.key)
            tx.delete(User, user.pool_id, user.key)

        await self.store.write(delete)

    def delete_pool(self, tx: Tx, pool: Pool) -> None:
        for client in tx.list(Client, pool.id):
            tx.delete(Client, pool.id, client.id)
        for kind in OF_A_POOL:
            tx.delete_all(kind, pool.id)
        tx.delete(Pool, pool.account, pool.region, pool.id)

    # Secrets ----------------------------------------------------------------------------------------------------

    def new_pepper(self) -> bytes:
        return self.sealer.seal(self.ids.bytes(32), "cognito.pepper")

    def keyed_hash(self, pool: Pool, *parts: str) -> bytes:
        """Of something short (a code of six digits), which is worth nothing hashed without a key."""
        pepper = self.sealer.open(pool.pepper, "cognito.pepper")
        return hmac.digest(pepper, "\0".join(parts).encode(), "sha256")

    def made_up(self, pool: Pool, purpose: str, name: str, size: int) -> bytes:
        """The same bytes for the same name, and no telling that they were made up."""
        return hashlib.shake_256(self.keyed_hash(pool, purpose, name)).digest(size)

    # Single use -------------------------------------------------------------------------------------------------

    async def is_spent(self, token_id: str, expires_at: float, maker: str) -> bool:
        """Saves work that would come to nothing: what counts is the transaction that spends the token.

        Of a token that this process made, it knows whether the store has anything to tell.
        """
        if maker == self.maker and token_id not in self._touched:
            return False
        spent = await self.store.get(Spent, moment(expires_at), token_id)
        return spent is not None and spent.spent

    async def count_attempt(self, token_id: str, expires_at: float, most: int) -> None:
        """Notes one try with a token, before it is judged. Raises where there were too many."""

        def count(tx: Tx) -> None:
            until = moment(expires_at)
            spent = tx.get(Spent, until, token_id) or Spent(until, token_id)
            if spent.spent:
                raise errors.used_session()
            if spent.attempts >= most:
                raise errors.invalid_session()
            spent.attempts += 1
            tx.put(spent)

        await self.store.write(count)


def spend(tx: Tx, token_id: str, expires_at: float) -> None:
    """Marks a sealed token as used. Raises where it was used before: then nothing of the change happens."""
    used = Spent(moment(expires_at), token_id, spent=True)
    try:
        tx.insert(used)
    except AlreadyExists:
        found = tx.get(Spent, used.until, used.id)
        if found is not None and found.spent:
            raise errors.used_session() from None
        tx.put(used)


def put_user(tx: Tx, user: User) -> None:
    try:
        tx.put(user)
    except AlreadyExists as error:
        raise _taken(tx, user) from error


def insert_user(tx: Tx, user: User) -> None:
    try:
        tx.insert(user)
    except AlreadyExists as error:
        if error.index is None:
            raise errors.UsernameExistsException("User already exists") from error
        raise _taken(tx, user) from error


def _taken(tx: Tx, user: User) -> errors.AliasExistsException:
    for kind, value in user.aliases:
        holders = tx.find(User, "by_alias", user.pool_id, kind, value)
        if any(holder.key != user.key for holder in holders):
            return errors.AliasExistsException(f"An account with the {kind} already exists.")
    return errors.AliasExistsException("An account with the given email already exists.")


def token_hash(token: str) -> str:
    """Of a secret that is long and random by itself."""
    return hashlib.sha256(token.encode()).hexdigest()


def _keep(cache: dict[_K, _T], key: _K, value: _T, most: int = CACHE_SIZE) -> _T:
    if len(cache) >= most:
        cache.pop(next(iter(cache)))
    cache[key] = value
    return value
