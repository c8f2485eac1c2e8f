"""The HTTP response that a function's result means. Pure.

A JSON object with a `statusCode` says everything; anything else is the body of a 200. A streamed response may begin
with status and headers as JSON and eight null bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.base.headers import Headers

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = b"\x00" * 8


class UrlResponse(msgspec.Struct, frozen=True):
    status: int
    headers: Headers
    body: bytes


class BadResult(Exception):
    """What the function returned is no response."""


def error(status: int, message: str | None) -> UrlResponse:
    body = json.dumps({"Message": message}, separators=(",", ":")).encode()
    return UrlResponse(status, [(b"content-type", b"application/json")], body)


def from_result(payload: bytes) -> UrlResponse:
    """Raises `BadResult`."""
    try:
        result = json.loads(payload)
    except ValueError:
        raise BadResult from None
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result.encode() if isinstance(result, str) else payload
        return UrlResponse(200, [(b"content-type", b"application/json")], body)
    return UrlResponse(*_head(result), _body(result))


def from_prelude(text: bytes) -> tuple[int, Headers]:
    """Raises `BadResult`."""
    try:
        prelude = json.loads(text)
    except ValueError:
        raise BadResult from None
    if not isinstance(prelude, dict):
        raise BadResult
    return _head({"statusCode": 200, **prelude})


def _head(result: Mapping[str, Any]) -> tuple[int, Headers]:
    status, given, cookies = result["statusCode"], result.get("headers") or {}, result.get("cookies") or []
    try:
        status = int(status)
        headers = [(_encoded(name).lower(), _encoded(value)) for name, value in given.items()]
        headers += [(b"set-cookie", _encoded(cookie)) for cookie in cookies]
    except (ValueError, TypeError, AttributeError):
        raise BadResult from None
    if not 100 <= status <= 599:
        raise BadResult
    if not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", b"application/json"))
    return status, [(name, value) for name, value in headers if name not in (b"content-length", b"transfer-encoding")]


def _encoded(value: object) -> bytes:
    """Raises `ValueError` for what would break out of a header."""
    text = value if isinstance(value, str) else json.dumps(value)
    if "\r" in text or "\n" in text or "\x00" in text:
        raise ValueError(text)
    return text.encode("utf-8")


def _body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    text = body if isinstance(body, str) else json.dumps(body)
    if not result.get("isBase64Encoded"):
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise BadResult from None
