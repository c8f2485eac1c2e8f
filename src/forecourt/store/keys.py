"""Keys: tuples of strings as bytes that sort as the tuples do.

Each component is UTF-8, every NUL in it followed by 0xFF, and ends with NUL 0x01. So:

- bytes compare as the tuples compare, component by component, in code-point order, on every engine (memcmp);
- no component can imitate a border: `("a", "b")` and `("a\\0\\1b",)` differ;
- the keys that start with a prefix are one range, and 0xFF, which UTF-8 never contains, closes it.

Values must be Unicode text: a lone surrogate raises `UnicodeEncodeError` (a `ValueError`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Key = tuple[str, ...]

_END = b"\x00\x01"
_BORDER = _END.decode()
_ESCAPED_NUL = b"\x00\xff"
_BEYOND = b"\xff"


class Range(NamedTuple):
    """`low <= key < high`."""

    low: bytes
    high: bytes


def encode(components: Iterable[str]) -> bytes:
    parts = tuple(components)
    text = _BORDER.join(parts)
    if parts and text.count("\x00") == len(parts) - 1:  # no component holds a NUL
        return text.encode() + _END
    return b"".join([_component(component) + _END for component in parts])


def span(prefix: Key, starts_with: str | None = None, after: Key | None = None, *, reverse: bool = False) -> Range:
    """The keys that start with `prefix` and whose next component starts with `starts_with`, from behind `after` on."""
    low = encode(prefix)
    if starts_with is not None:
        low += _component(starts_with)
    high = low + _BEYOND
    if after is None:
        return Range(low, high)
    if reverse:
        return Range(low, min(high, encode(after)))
    return Range(max(low, encode(after) + b"\x00"), high)


def covering(prefix: bytes) -> Range:
    """Everything that starts with the encoded `prefix`."""
    return Range(prefix, prefix + _BEYOND)


def _component(text: str) -> bytes:
    data = text.encode()
    return data.replace(b"\x00", _ESCAPED_NUL) if b"\x00" in data else data
