"""The request that a backing service gets says once what was authorized, and nothing else.

A client's own bytes may say things twice: an action in the query string beside the one in `X-Amz-Target`, a parameter
given two times, a queue in the path and another one in the form, a region in the host's name. Whoever reads such a
request may choose otherwise than whoever authorized it, so it is written anew from what `wire` read, or refused where
that is a service (S3) whose message is path, query and headers.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import msgspec

from forecourt import wire
from forecourt.base.errors import RemoteError
from forecourt.base.headers import Headers

_FORM = b"application/x-www-form-urlencoded; charset=utf-8"
_ROUTING = (b"x-amz-target", b"smithy-protocol")
# The protocols whose compressed bodies are unpacked: elsewhere an encoding is a property of the object that is sent.
_UNPACKED = ("json", "query", "ec2", "smithy-rpc-v2-cbor")
# May come repeatedly: a list, wherever it is read.
_LISTS = (b"x-amz-meta-", b"x-amz-object-attributes")


def canonical(target: wire.Target, request: wire.HttpRequest, public_url: str) -> wire.HttpRequest:
    """Raises `ServiceError` where the request is ambiguous."""
    headers = _headers(target, request.headers, public_url)
    if target.protocol in ("query", "ec2"):
        fields = {name: value for name, value in wire.form_of(request) if not name.startswith("X-Amz-")}
        kept = [(name, value) for name, value in headers if name != b"content-type"]
        return wire.HttpRequest("POST", b"/", b"", [*kept, (b"content-type", _FORM)], urlencode(fields).encode())
    if target.protocol == "json":
        return wire.HttpRequest(request.method, b"/", b"", headers, wire.plain_body(request))
    if target.protocol == "smithy-rpc-v2-cbor":
        return wire.HttpRequest(request.method, request.raw_path, b"", headers, wire.plain_body(request))
    _check_unambiguous(target, request)
    return msgspec.structs.replace(request, headers=headers)


def _headers(target: wire.Target, headers: Headers, public_url: str) -> Headers:
    """With the routing headers of the protocol only, each once; and a host that names no region, which it does in S3's
    hosts without meaning."""
    wanted = {"json": b"x-amz-target", "smithy-rpc-v2-cbor": b"smithy-protocol"}.get(target.protocol)
    kept: Headers = []
    for name, value in headers:
        if name == b"content-encoding" and target.protocol in _UNPACKED:
            continue
        if name in _ROUTING and (name != wanted or any(name == known for known, _ in kept)):
            continue
        if name == b"host" and target.service != "s3" and b"amazonaws.com" in value.lower():
            value = urlsplit(public_url).netloc.encode() or b"localhost:4566"
        kept.append((name, value))
    return kept


def _check_unambiguous(target: wire.Target, request: wire.HttpRequest) -> None:
    query = wire.parse_query(request.query_string) if request.query_string else {}
    code = "InvalidArgument" if target.service == "s3" else "ValidationException"
    for name, values in query.items():
        if target.service == "s3" and (len(values) > 1 or name in ("Action", "Version")):
            raise RemoteError(code, f"The query parameter {name} is not unique or not known.")
    names = [name for name, _ in request.headers if name.startswith(b"x-amz-") and not name.startswith(_LISTS)]
    if len(set(names)) != len(names):
        raise RemoteError(code, "A header is given more than once.")
