"""Which headers cross the gateway, under which name: AWS's table, by direction and kind of integration.

Headers that belong to one of the two connections are dropped, or survive as `x-amzn-Remapped-…`, so that the gateway's
own stand beside them. Where an answer is mapped the same holds of the names that it is mapped to, so that no mapping
can frame a response anew. `Content-Length` is the one name that AWS remaps and the table does not tell of.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.headers import Headers, once
from forecourt.services.apigateway.plan.messages import MethodRequest
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


_MOST_KNOWN = 1024
# Values of `Connection` that name no header
PLAIN_CONNECTION = (b"", b"keep-alive", b"close", b"Keep-Alive", b"Close")

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


class Passage:
    """Headers as they stand behind the gateway, by a table and without what `Connection` names (RFC 9110 §7.6.1)."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._rule = self._pass
        # Backends spell few names in few ways: what becomes of them is remembered, within bounds.
        self._known: dict[bytes, bytes | None] = {}

    def __call__(self, headers: Headers) -> Headers:
        return once(headers, self._rule, headers)

    def _pass(self, headers: Headers) -> Headers:
        known = self._known
        passed: Headers = []
        options = b""
        for name, value in headers:
            target = known[name] if name in known else self._find(name)
            if target is not None:
                passed.append((target, value))
            if len(name) == 10 and name.lower() == b"connection":
                options += value + b","
        return passed if options[:-1] in PLAIN_CONNECTION else without_options(passed, options)

    def _find(self, name: bytes) -> bytes | None:
        key = name.lower()
        target = self._targets.get(key, key)
        if len(self._known) < _MOST_KNOWN:
            self._known[name] = target
        return target


def without_options(headers: Headers, connection: bytes) -> Headers:
    """`headers`, whose names are in lower case, without those that the value of `Connection` names."""
    options = {option.strip().lower() for option in connection.split(b",")}
    return [header for header in headers if header[0] not in options]


# What of a backend's headers reaches the client of a proxy integration: of a REST API, and of an HTTP API
from_backend = Passage(FROM_BACKEND)
from_http_backend = Passage(dict.fromkeys((*HOP_BY_HOP, b"content-length", b"date", b"server")))


def from_mapping(headers: Headers) -> Headers:
    """What of mapped headers, whose names are in lower case, reaches the client."""
    if not any(name in FROM_MAPPING for name, _ in headers):
        return headers
    targets = [(FROM_MAPPING.get(name, name), value) for name, value in headers]
    return [(target, value) for target, value in targets if target is not None]
