"""Requests that a web page sent without its user's knowledge.

On a loopback address unknown credentials are the account's root. Any page that the developer has open could use that:
browsers let a page send requests to localhost, though not read the answers. So whatever acts on that trust asks
`from_foreign_page` first. A page served from a loopback address is the developer's own.

A page can also point its own host name at 127.0.0.1 (DNS rebinding) and is then same-origin with us; hence `own_host`:
the names under which Forecourt is reached on purpose.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from forecourt.base.asgi import Scope

_LOOPBACK_HOST = re.compile(
    r"^(localhost|.+\.localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|host\.docker\.internal"
    r"|(.+\.)?localhost\.localstack\.cloud|.+\.amazonaws\.com|.+\.amazoncognito\.com)(:\d+)?$",
    re.IGNORECASE,
)


def from_foreign_page(scope: Scope) -> bool:
    """Whether a browser says that a page of another, non-loopback origin made this request."""
    for name, value in scope["headers"]:
        if name == b"sec-fetch-site" and value == b"cross-site" and not _has_loopback_origin(scope):
            return True
        if name == b"origin" and not _is_loopback_origin(value):
            return True
    return False


def own_host(host: bytes, public_url: str) -> bool:
    """Whether `host` (a Host header) is a loopback name, a name of AWS's, or the public URL's own."""
    text = host.decode("latin-1")
    if not text or _LOOPBACK_HOST.match(text):
        return True
    public = urlsplit(public_url).netloc.lower()
    return text.lower() == public or text.lower().endswith("." + public)


def _has_loopback_origin(scope: Scope) -> bool:
    return any(name == b"origin" and _is_loopback_origin(value) for name, value in scope["headers"])


def _is_loopback_origin(origin: bytes) -> bool:
    return bool(_LOOPBACK_HOST.match(urlsplit(origin.decode("latin-1")).netloc))
