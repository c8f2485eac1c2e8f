"""Pages of what a pool has: AWS's NextToken over the store's key order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from forecourt.base.paging import decode_token, encode_token
from forecourt.services.cognito.errors import InvalidParameterException
from forecourt.store import Document, Store, position

_D = TypeVar("_D", bound=Document)
LARGEST_PAGE = 60


def after(token: str | None) -> tuple[str, ...] | None:
    if not token:
        return None
    try:
        return decode_token(token)
    except ValueError:
        raise InvalidParameterException("Invalid pagination token") from None


async def page(
    store: Store, kind: type[_D], *prefix: str, token: str | None, limit: int | None
) -> tuple[Sequence[_D], str | None]:
    """The documents of one page, in key order, and the token of the next one."""
    size = limit or LARGEST_PAGE
    found = await store.list(kind, *prefix, after=after(token), limit=size + 1)
    return cut(found, size)


async def page_by(
    store: Store, kind: type[_D], index: str, *values: str, token: str | None, limit: int | None
) -> tuple[Sequence[_D], str | None]:
    """The same in an index's order."""
    size = limit or LARGEST_PAGE
    found = await store.find(kind, index, *values, after=after(token), limit=size + 1)
    more = encode_token(position(found[size - 1], index, *values)) if len(found) > size else None
    return found[:size], more


def cut(found: Sequence[_D], size: int) -> tuple[Sequence[_D], str | None]:
    return found[:size], encode_token(position(found[size - 1])) if len(found) > size else None


def with_token(result: dict[str, object], name: str, token: str | None) -> dict[str, object]:
    return {**result, name: token} if token else result
