"""What is sent: an origin, a request, and its head as bytes. Pure.

`render_head` is the only place where names and values become a message, so it is the place that refuses what would
let a value become a header, or a target become a second request (RFC 9112 §2.2, §11.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from forecourt.base.headers import Headers, InvalidHeader, checked_lines, once

Body = bytes | AsyncIterable[bytes]

# RFC 9110 §7.6.1, and what the framing of the next hop decides anew.
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VISIBLE = bytes(range(0x21, 0x7F))
# Methods whose requests carry a body length even when it is zero (RFC 9110 §8.6).
_EXPECTS_BODY = frozenset((b"POST", b"PUT", b"PATCH"))
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
# Of a header's pair
_NAME = itemgetter(0)
# Names that were checked before; bounded, since clients choose them
_SOUND_NAMES: set[bytes] = set()
_MOST_SOUND_NAMES = 1024
_LONGEST_SOUND_NAME = 64
_DEFAULT_PORTS = {"http": 80, "https": 443}


_NONE: Headers = []


class InvalidRequest(ValueError):
    """The request cannot be written down as one HTTP message."""


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Raises `ValueError` where `url` is not an absolute http(s) URL."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"not an http(s) URL: {url!r}")
        return cls(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])

    @property
    def authority(self) -> str:
        """What the Host header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Request(msgspec.Struct, frozen=True):
    """`headers`, with `host` first (RFC 9112 §3.2), and `recurring` (`base.headers`), which follow them.

    Neither holds framing: `body` adds that.

    `length` is the size of a streamed body where it is known; else the body goes out in chunks.
    """

    method: bytes
    target: bytes
    headers: Headers
    body: Body = b""
    length: int | None = None
    recurring: Headers = _NONE


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """`headers` without those that belong to one hop, also those that `Connection` names."""
    headers = list(headers)
    named = [value for name, value in headers if name.lower() == b"connection"]
    dropped = HOP_BY_HOP
    if named:
        dropped = HOP_BY_HOP.union(option.strip().lower() for value in named for option in value.split(b","))
    return [header for header in headers if header[0].lower() not in dropped]


def render_head(request: Request) -> bytes:
    """Raises `InvalidRequest`."""
    method, target, recurring = request.method, request.target, request.recurring
    if not method or method.translate(None, _TOKEN):
        raise InvalidRequest(f"not a method: {method!r}")
    if not target or target.translate(None, _VISIBLE):
        raise InvalidRequest(f"not a request target: {target!r}")
    lines = _checked_lines(request.headers) + once(recurring, _checked_lines, recurring)
    if not lines:
        raise InvalidRequest("there is no header at all")
    return b"".join((method, b" ", target, b" HTTP/1.1\r\n", lines, _framing(request), b"\r\n"))


def _checked_lines(headers: Headers) -> bytes:
    """Raises `InvalidRequest`."""
    if not _SOUND_NAMES.issuperset(map(_NAME, headers)):
        _check_names([name for name, _ in headers])
    try:
        return checked_lines(headers)
    except InvalidHeader as error:
        raise InvalidRequest(str(error)) from error


def _check_names(names: list[bytes]) -> None:
    """Raises `InvalidRequest`. What passed is remembered: few names are ever seen, and each is seen all the time."""
    if b"" in names or b"".join(names).translate(None, _TOKEN):
        raise InvalidRequest("a header's name is not a token")
    if any(name.lower() in _FRAMING for name in names):
        raise InvalidRequest("the body decides the framing")
    if len(_SOUND_NAMES) + len(names) > _MOST_SOUND_NAMES:
        _SOUND_NAMES.clear()
    _SOUND_NAMES.update(name for name in names if len(name) <= _LONGEST_SOUND_NAME)


def _framing(request: Request) -> bytes:
    body = request.body
    if isinstance(body, bytes):
        if not body and request.method not in _EXPECTS_BODY:
            return b""
        return b"content-length: %d\r\n" % len(body)
    if request.length is not None:
        return b"content-length: %d\r\n" % request.length
    return b"transfer-encoding: chunked\r\n"
