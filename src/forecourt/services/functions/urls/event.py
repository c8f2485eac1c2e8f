"""The event of a function URL: payload format 2.0. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from forecourt.base.principal import Principal

Headers = Iterable[tuple[bytes, bytes]]
# Bodies of these come as text, all others in base64
_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")


class UrlRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`raw_path` is the path behind the function's URL, undecoded."""

    url_id: str
    domain: str
    method: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    source_ip: str
    request_id: str
    # None: AuthType NONE
    principal: Principal | None
    now: float


def make_event(request: UrlRequest) -> dict[str, Any]:
    headers = _joined(request.headers)
    cookies = headers.pop("cookie", "")
    moment = datetime.fromtimestamp(request.now, UTC)
    query = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True)
    is_text = not request.body or headers.get("content-type", "").startswith(_TEXT)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote_to_bytes(request.raw_path).decode("utf-8", "replace") or "/",
        "rawQueryString": request.query.decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "accountId": request.principal.account if request.principal else "anonymous",
            "apiId": request.url_id,
            "domainName": request.domain,
            "domainPrefix": request.url_id,
            "http": {
                "method": request.method,
                "path": unquote_to_bytes(request.raw_path).decode("utf-8", "replace") or "/",
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": f"{moment:%d/%b/%Y:%H:%M:%S} +0000",
            "timeEpoch": int(request.now * 1000),
        },
        "isBase64Encoded": not is_text,
    }
    if request.principal is not None:
        event["requestContext"]["authorizer"] = {"iam": _iam(request.principal)}
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if query:
        event["queryStringParameters"] = _together(query)
    if request.body:
        event["body"] = request.body.decode("utf-8", "replace") if is_text else base64.b64encode(request.body).decode()
    return event


def _joined(headers: Headers) -> dict[str, str]:
    """Several headers of one name become one, with commas (cookies with semicolons)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        separator = ";" if name == "cookie" else ","
        found[name] = f"{found[name]}{separator}{value}" if name in found else value
    return found


def _together(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in query:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _iam(principal: Principal) -> Mapping[str, str | None]:
    return {
        "accessKey": principal.access_key_id,
        "accountId": principal.account,
        "callerId": principal.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.user_id,
    }
