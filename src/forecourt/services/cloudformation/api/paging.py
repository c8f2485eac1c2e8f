"""Pages of what is listed: a token holds the position behind which a page begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from forecourt.base.paging import decode_token, encode_token
from forecourt.services.cloudformation.errors import ValidationError

T = TypeVar("T")
PAGE = 100


def page(
    found: Sequence[T], token: str | None, name: Callable[[T], str], size: int = PAGE
) -> tuple[list[T], dict[str, str]]:
    """A page of `found`, each of which has a name of its own, and `{"NextToken": …}` where there are more.

    Raises `ValidationError` for a token that is not ours.
    """
    start = 0
    if token is not None:
        try:
            (after,) = decode_token(token)
        except ValueError:
            raise ValidationError("NextToken is not valid") from None
        start = next((n for n, one in enumerate(found, 1) if name(one) == after), len(found))
    shown = list(found[start : start + size])
    more = len(found) > start + size
    return shown, {"NextToken": encode_token((name(shown[-1]),))} if more else {}
