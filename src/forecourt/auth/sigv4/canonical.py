"""Path, query and headers of a request as they are signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import itemgetter
from urllib.parse import quote_from_bytes, unquote_to_bytes

# The S3 family takes the path as it is, and the digest of the body from `x-amz-content-sha256`.
RAW_PATH_SERVICES = frozenset({"s3", "s3-outposts", "s3-object-lambda", "s3express"})

# What clients send besides, and need not sign
_USUAL = frozenset({
    b"accept", b"accept-encoding", b"accept-language", b"amz-sdk-invocation-id", b"amz-sdk-request", b"authorization",
    b"connection", b"content-length", b"content-type", b"origin", b"referer", b"user-agent", b"x-amzn-trace-id",
})  # fmt: skip
_PLAIN_QUERY = re.compile(rb"[A-Za-z0-9\-._~=&]*\Z")
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9\-._~/]*\Z")


class SignedHeaders:
    """`host;x-amz-date`: which headers are signed, and the lines that they are in the canonical request.

    A request whose headers are all among `covering` leaves nothing unsigned that must not be.
    """

    __slots__ = ("_lines", "_pick", "covering", "names")

    def __init__(self, text: str) -> None:
        line = text.encode("latin-1", "replace")
        names = line.split(b";")
        self.names = frozenset(names)
        self.covering = self.names | _USUAL if b"host" in self.names else frozenset()
        self._pick = itemgetter(*names)
        # To be filled in: `host:%s`
        escaped = [name.replace(b"%", b"%%") for name in names]
        self._lines = b"".join(name + b":%s\n" for name in escaped) + b"\n" + b";".join(escaped)

    def canonical(self, headers: Mapping[bytes, bytes]) -> bytes:
        """The headers' lines, a blank one, and the names."""
        try:
            lines: bytes = self._lines % self._pick(headers)
        except KeyError:
            return self.canonical({**dict.fromkeys(self.names, b""), **headers})
        if b"  " in lines or b"\t" in lines:
            lines = self._lines % self._pick({name: b" ".join(headers[name].split()) for name in self.names})
        return lines


def canonical_path(raw_path: bytes, service: str) -> bytes:
    if raw_path == b"/":
        return raw_path
    if service in RAW_PATH_SERVICES:
        return raw_path if _PLAIN_PATH.match(raw_path) and raw_path else _normalize_escapes(raw_path or b"/")
    if b"//" in raw_path or b"/." in raw_path or not raw_path.startswith(b"/"):
        raw_path = _remove_dot_segments(raw_path)
    if _PLAIN_PATH.match(raw_path):
        return raw_path
    return quote_from_bytes(raw_path, safe="/~").encode()


def _remove_dot_segments(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment and segment != b".":
            kept.append(segment)
    tail = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + tail


def _normalize_escapes(path: bytes) -> bytes:
    """Each segment escaped exactly once; an escaped slash stays escaped, since it belongs to the key's name."""
    segments = path.split(b"/")
    return b"/".join(quote_from_bytes(unquote_to_bytes(segment), safe="~").encode() for segment in segments)


def canonical_query(query: bytes) -> bytes:
    if not query:
        return b""
    if _PLAIN_QUERY.match(query):
        raw = [(name, value) for name, _, value in (part.partition(b"=") for part in query.split(b"&") if part)]
        pairs = sorted(raw) if all(b"=" not in value for _, value in raw) else _encoded_pairs(query)
    else:
        pairs = _encoded_pairs(query)
    return b"&".join([name + b"=" + value for name, value in pairs if name != b"X-Amz-Signature"])


def _encoded_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    return sorted((_encode(name), _encode(value)) for name, value in query_pairs(query))


def _encode(text: bytes) -> bytes:
    return quote_from_bytes(text, safe="~").encode()


def query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [part.partition(b"=") for part in query.replace(b"+", b"%20").split(b"&") if part]
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]
