"""Which headers cross the gateway, under which name: AWS's table, by direction and kind of integration.

Headers that belong to one of the two connections are dropped, or survive as `x-amzn-Remapped-…`, so that the gateway's
own stand beside them. Where an answer is mapped the same holds of the names that it is mapped to, so that no mapping
can frame a response anew. `Content-Length` is the one name that AWS remaps and the table does not tell of.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.apigateway.plan.messages import Headers, MethodRequest
from forecourt.upstream.message import HOP_BY_HOP

Targets = Mapping[bytes, bytes | None]

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
# Nor by a REST API's HTTP_PROXY
NOT_TO_HTTP_PROXY = NOT_TO_BACKEND | {b"content-encoding", b"via"}
# Nor by mappings of HTTP
NOT_MAPPED_TO_BACKEND = frozenset((b"expect", b"proxy-authenticate", b"te", b"via"))


def carries_signature(request: MethodRequest, authorization: bytes) -> bool:
    """An `Authorization` that was meant for the gateway: it is not passed on."""
    return request.principal is not None or authorization.startswith(b"AWS4-")


_FROM_ANY: Targets = {
    **dict.fromkeys((*HOP_BY_HOP, b"expect", b"host")),
    **{
        name: b"x-amzn-remapped-" + name
        for name in (
            b"authorization",
            b"connection",
            b"content-length",
            b"content-md5",
            b"date",
            b"max-forwards",
            b"server",
            b"user-agent",
            b"www-authenticate",
            b"x-amz-apigw-id",
            b"x-amzn-requestid",
        )
    },
}
# A proxied backend's header, or a mapped one -> the client's; None is dropped. What is not named passes as it is.
FROM_BACKEND: Targets = {**_FROM_ANY, b"via": None}
FROM_MAPPING: Targets = {**_FROM_ANY, b"accept": None}


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


def from_mapping(headers: Headers) -> Headers:
    """What of mapped headers, whose names are in lower case, reaches the client."""
    if not any(name in FROM_MAPPING for name, _ in headers):
        return headers
    targets = [(FROM_MAPPING.get(name, name), value) for name, value in headers]
    return [(target, value) for target, value in targets if target is not None]
