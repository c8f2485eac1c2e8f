"""Headers that come again.

On one connection a client says the same headers with one request after the other, and a backend with its responses:
HPACK rests on that (RFC 7541). Who reads a connection gives the same `Recurring` for the same bytes, and what follows
from it is worked out `once`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

Headers = list[tuple[bytes, bytes]]
G = TypeVar("G")
T = TypeVar("T")

# After so many heads of a connection that were all different one of so many is remembered.
_PATIENCE = 4
_SELDOM = 8
# So many rules are remembered with one list; a connection whose requests need more begins anew.
_MOST_RULES = 64

# Of a header's pair
_AS_LINE = b": ".join
# In a value they would end the line, or the text
_BREAKS = b"\r\n\0"


class InvalidHeader(ValueError):
    """A header that would be read as something else than one."""


class Recurring(Headers):
    """Headers that were read off a connection more than once, or follow from those. Nobody changes them."""

    __slots__ = ("_known",)
    _known: dict[Callable[..., Any], Any]


class Listener:
    """Remembers what a peer says, and seldom where he seldom repeats himself."""

    __slots__ = ("_different",)

    def __init__(self) -> None:
        # Heads since the last one that was a repeat: whoever recognizes one sets it to none.
        self._different = 0

    def is_worth_it(self) -> bool:
        """Asked about each head that was no repeat."""
        self._different += 1
        return self._different <= _PATIENCE or not self._different % _SELDOM


def once(headers: Sequence[tuple[bytes, bytes]], rule: Callable[[G], T], given: G) -> T:
    """`rule(given)`. Where `headers` recur it is called once for all of them.

    So it may depend on them and on their connection only, and nobody may change its result. Headers that follow from
    headers that recur do so, too.
    """
    if not isinstance(headers, Recurring):
        return rule(given)
    try:
        known = headers._known
    except AttributeError:
        known = headers._known = {}
    try:
        found: T = known[rule]
    except KeyError:
        if len(known) >= _MOST_RULES:
            known.clear()
        found = rule(given)
        if type(found) is list:
            found = cast("T", Recurring(cast("Headers", found)))
        known[rule] = found
    return found


def as_lines(headers: Headers) -> bytes:
    """As they stand in a message, each line with its end. Nobody looks at what they say: they are the server's own."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def checked_lines(headers: Headers) -> bytes:
    """The same of somebody else's. Raises `InvalidHeader`. Names are the caller's to check."""
    if not headers:
        return b""
    lines = b"\r\n".join(map(_AS_LINE, headers))
    if len(lines) - len(lines.translate(None, _BREAKS)) != 2 * len(headers) - 2:
        raise InvalidHeader("a header's value holds a line break or NUL")
    return lines + b"\r\n"
