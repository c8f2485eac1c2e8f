"""Cross-origin headers as a function URL's configuration says. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Headers = list[tuple[bytes, bytes]]


def headers_for(cors: Mapping[str, Any], origin: str, *, preflight: bool) -> Headers:
    """None of them where the origin is not allowed."""
    allowed: Sequence[str] = cors.get("AllowOrigins") or ()
    if not origin or not any(entry in ("*", origin) for entry in allowed):
        return []
    credentials = bool(cors.get("AllowCredentials"))
    anyone = "*" in allowed and not credentials
    found: Headers = [(b"access-control-allow-origin", b"*" if anyone else origin.encode())]
    if not anyone:
        found.append((b"vary", b"Origin"))
    if credentials:
        found.append((b"access-control-allow-credentials", b"true"))
    if cors.get("ExposeHeaders"):
        found.append((b"access-control-expose-headers", ",".join(cors["ExposeHeaders"]).encode()))
    if preflight:
        found += _preflight(cors)
    return found


def _preflight(cors: Mapping[str, Any]) -> Headers:
    found: Headers = []
    for member, name in (("AllowMethods", b"methods"), ("AllowHeaders", b"headers")):
        if cors.get(member):
            found.append((b"access-control-allow-" + name, ",".join(cors[member]).encode()))
    if cors.get("MaxAge"):
        found.append((b"access-control-max-age", str(cors["MaxAge"]).encode()))
    return found
