"""Sends requests to the API and signs them (AWS Signature Version 4). Standard library only.

Part of a generated client; it knows no API.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_UNRESERVED = "-_.~"


class ApiError(Exception):
    """The API answered with a status of 400 or more."""

    def __init__(self, status: int, headers: Mapping[str, str], data: Any) -> None:
        super().__init__(f"HTTP {status}: {data}")
        self.status = status
        self.headers = headers
        self.data = data


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    # The body: decoded where it is JSON, else text
    data: Any


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


class Transport:
    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Credentials | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 30.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.region = region
        self.credentials = credentials
        self.api_key = api_key
        self.timeout_seconds = timeout_seconds
        self.now = now

    def send(
        self,
        http_method: str,
        path: str,
        path_parameters: Mapping[str, Any],
        query: Mapping[str, Any],
        headers: Mapping[str, Any],
        body: Any = None,
        sign: bool = False,
    ) -> Response:
        url = self.endpoint + expand(path, path_parameters) + query_string(query)
        payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Accept": "application/json"} | {k: str(v) for k, v in headers.items() if v is not None}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if self.api_key:
            sent["x-api-key"] = self.api_key
        if sign and self.credentials:
            sent |= signature(http_method, url, sent, payload, self.credentials, self.region, self.now())
        request = urllib.request.Request(url, payload or None, sent, method=http_method)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_seconds) as answer:
                return Response(answer.status, dict(answer.headers), _decoded(answer.read()))
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, dict(error.headers), _decoded(error.read())) from None


def _decoded(body: bytes) -> Any:
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def expand(path: str, parameters: Mapping[str, Any]) -> str:
    """`/pets/{id}` with its variables filled in; a greedy one (`{proxy+}`) keeps its slashes."""
    for name, value in parameters.items():
        path = path.replace(f"{{{name}}}", urllib.parse.quote(str(value), safe=_UNRESERVED))
        path = path.replace(f"{{{name}+}}", urllib.parse.quote(str(value), safe=_UNRESERVED + "/"))
    return path


def query_string(query: Mapping[str, Any]) -> str:
    """Sorted, as a signature wants it. A list is a parameter that comes several times."""
    pairs = [
        (_quote(name), _quote(_text(item)))
        for name, value in query.items()
        if value is not None
        for item in (value if isinstance(value, list | tuple) else [value])
    ]
    return "?" + "&".join(f"{name}={value}" for name, value in sorted(pairs)) if pairs else ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe=_UNRESERVED)


def signature(
    http_method: str,
    url: str,
    headers: Mapping[str, str],
    payload: bytes,
    credentials: Credentials,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """The headers that sign the request."""
    parts = urllib.parse.urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/execute-api/aws4_request"
    added = {"X-Amz-Date": stamp}
    if credentials.session_token:
        added["X-Amz-Security-Token"] = credentials.session_token
    signed = {name.lower(): value.strip() for name, value in {**headers, **added, "Host": parts.netloc}.items()}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            http_method,
            urllib.parse.quote(parts.path or "/", safe=_UNRESERVED + "/"),
            parts.query,
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(payload).hexdigest(),
        ]
    )
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return {
        **added,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={proof}",
    }
