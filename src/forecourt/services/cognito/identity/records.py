"""How identity pools and identities are found and changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from forecourt.services.cognito.identity.errors import identity_not_found, pool_not_found
from forecourt.services.cognito.identity.model import Identity, IdentityPool
from forecourt.store import Store, Tx

T = TypeVar("T")


class Records:
    def __init__(self, store: Store) -> None:
        self.store = store

    async def any_pool(self, id: str) -> IdentityPool:
        """Of whatever account: for unsigned operations. Raises `ResourceNotFoundException`."""
        found = await self.store.get(IdentityPool, id)
        if found is None:
            raise pool_not_found(id)
        return found

    async def pool(self, account: str, region: str, id: str) -> IdentityPool:
        found = await self.any_pool(id)
        if (found.account, found.region) != (account, region):
            raise pool_not_found(id)
        return found

    async def change_pool(self, account: str, region: str, id: str, change: Callable[[IdentityPool], T]) -> T:
        def apply(tx: Tx) -> T:
            found = tx.get(IdentityPool, id)
            if found is None or (found.account, found.region) != (account, region):
                raise pool_not_found(id)
            result = change(found)
            tx.put(found)
            return result

        return await self.store.write(apply)

    async def identity(self, id: str) -> Identity:
        found = await self.store.get(Identity, id)
        if found is None or found.disabled:
            raise identity_not_found(id)
        return found

    async def delete_identity(self, id: str) -> None:
        await self.store.write(lambda tx: tx.delete(Identity, id))

    async def by_login(self, pool: str, provider: str, subject: str) -> Identity | None:
        found = await self.store.find(Identity, "by_login", pool, provider, subject, limit=1)
        return found[0] if found else None
