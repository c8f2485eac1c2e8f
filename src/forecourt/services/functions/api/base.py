"""What the operations share: where a name points to, times and revision ids, pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.functions.errors import InvalidParameterValueException, PreconditionFailedException
from forecourt.services.functions.names import FunctionId, parse_function
from forecourt.services.functions.store import FunctionStore
from forecourt.services.functions.views import timestamp

T = TypeVar("T")
_PAGE = 50
_STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve "
    "the latest Revision Id"
)


class Shared(NamedTuple):
    store: FunctionStore
    clock: Clock
    ids: Ids


class Api:
    def __init__(self, shared: Shared) -> None:
        self._store, self._clock, self._ids = shared

    def _now(self) -> str:
        return timestamp(self._clock.utcnow())

    @staticmethod
    def _id(context: CallContext, name: str, qualifier: str | None = None) -> FunctionId:
        return parse_function(name, context.account, context.region, qualifier)


def check_revision(given: str | None, current: str) -> None:
    if given and given != current:
        raise PreconditionFailedException(_STALE)


def position_of(marker: str | None) -> tuple[str, ...] | None:
    if not marker:
        return None
    try:
        return decode_token(marker)
    except ValueError:
        raise InvalidParameterValueException("Invalid pagination token") from None


def page(
    member: str, items: Sequence[T], limit: int, view: Callable[[T], Any], key: Callable[[T], tuple[str, ...]]
) -> dict[str, Any]:
    """`items` holds one more than `limit` where there is a next page."""
    answer: dict[str, Any] = {member: [view(item) for item in items[:limit]]}
    if len(items) > limit:
        answer["NextMarker"] = encode_token(key(items[limit - 1]))
    return answer


def limit_of(given: int | None, most: int = _PAGE) -> int:
    """AWS gives at most 50 items a page, whatever was asked for."""
    return min(given or most, most)


def config_position(config: Any) -> tuple[str, ...]:
    return config.account, config.region, config.name, config.qualifier
