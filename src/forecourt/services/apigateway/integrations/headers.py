"""Which headers cross the gateway, under which name.

Headers that belong to one of the two connections are dropped, or survive as `x-amzn-Remapped-…`, so that the gateway's
own stand beside them.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.apigateway.plan.messages import Headers
from forecourt.upstream.message import HOP_BY_HOP

# Never passed on to an HTTP backend: the gateway sets them anew, or they were meant for it.
NOT_TO_BACKEND = HOP_BY_HOP | {
    b"content-length",
    b"content-md5",
    b"expect",
    b"host",
    b"max-forwards",
    b"server",
    b"www-authenticate",
    b"x-forwarded-for",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-amzn-trace-id",
}

# Backend's header -> client's header; None is dropped. What is not named here passes under its own name.
FROM_BACKEND: Mapping[bytes, bytes | None] = {
    **dict.fromkeys(HOP_BY_HOP),
    **{
        name: b"x-amzn-remapped-" + name
        for name in (
            b"authorization",
            b"connection",
            b"content-length",
            b"content-md5",
            b"date",
            b"expect",
            b"host",
            b"max-forwards",
            b"proxy-authenticate",
            b"server",
            b"te",
            b"trailer",
            b"upgrade",
            b"user-agent",
            b"via",
            b"www-authenticate",
        )
    },
    b"x-amzn-requestid": b"x-amzn-remapped-x-amzn-requestid",
    b"x-amz-apigw-id": b"x-amzn-remapped-x-amz-apigw-id",
}


def from_backend(headers: Headers) -> Headers:
    """What of a backend's headers reaches the client of a proxy integration."""
    remapped: Headers = []
    for name, value in headers:
        target = _targets[name] if name in _targets else _target(name)
        if target is not None:
            remapped.append((target, value))
    return remapped


# Backends spell few names in few ways: what becomes of them is remembered, within bounds.
_targets: dict[bytes, bytes | None] = {}


def _target(name: bytes) -> bytes | None:
    key = name.lower()
    target = FROM_BACKEND.get(key, key)
    if len(_targets) < 1024:
        _targets[name] = target
    return target
