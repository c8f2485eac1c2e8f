"""ListUsers: pages of a pool's users, all of them or by a filter, always along an index.

Index values are lower-cased; in a case-sensitive pool what the index finds is compared once more, but for the user's
status, whose case never matters.
"""

from __future__ import annotations

from collections.abc import Callable

from forecourt.base.paging import encode_token
from forecourt.services.cognito import filters, names
from forecourt.services.cognito.filters import Filter
from forecourt.services.cognito.model import Pool, User
from forecourt.services.cognito.pools import paging
from forecourt.store import Store, position

_INDEX = "by_attribute"


async def users(
    store: Store, pool: Pool, text: str, token: str | None, limit: int | None
) -> tuple[list[User], str | None]:
    size = limit or paging.LARGEST_PAGE
    if not text.strip():
        found = await store.list(User, pool.id, after=paging.after(token), limit=size + 1)
        return found[:size], encode_token(position(found[size - 1])) if len(found) > size else None
    return await _filtered(store, pool, filters.parse(text), paging.after(token), size)


async def _filtered(
    store: Store, pool: Pool, wanted: Filter, after: tuple[str, ...] | None, size: int
) -> tuple[list[User], str | None]:
    fits = _predicate(pool, wanted)
    value = wanted.value.lower()
    where, prefix = ((pool.id, wanted.name), value) if wanted.prefix else ((pool.id, wanted.name, value), None)
    kept: list[User] = []
    while True:
        found = await store.find(User, _INDEX, *where, starts_with=prefix, after=after, limit=size + 1)
        kept += [user for user in found if fits(user)]
        if len(kept) > size:
            return kept[:size], encode_token(position(kept[size - 1], _INDEX, *where[:2]))
        if len(found) <= size:
            return kept, None
        after = position(found[-1], _INDEX, *where[:2])


def _predicate(pool: Pool, wanted: Filter) -> Callable[[User], bool]:
    if not names.case_sensitive(pool.settings) or wanted.name == "cognito:user_status":
        return lambda user: True
    return lambda user: wanted.matches(_value(user, wanted.name))


def _value(user: User, name: str) -> str | None:
    own = {"username": user.username, "sub": user.sub, "cognito:user_status": user.status}
    own["status"] = "Enabled" if user.enabled else "Disabled"
    return own.get(name) or user.attributes.get(name)
