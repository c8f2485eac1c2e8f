"""CORS of HTTP APIs: the gateway answers preflight requests itself, and its headers stand in place of a backend's.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

import re
from collections.abc import Awaitable

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.http.model import Cors
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import Handler


class CorsAnswers:
    def __init__(self, cors: Cors) -> None:
        self._cors = cors
        self._origins = [_pattern(origin) for origin in cors.allow_origins or ()]
        self._any = "*" in (cors.allow_origins or ())

    def before(self, handler: Handler) -> Handler:
        """Answers preflight requests itself."""

        def check(request: MethodRequest) -> Awaitable[MethodResponse]:
            return MethodResponse(204, [], b"") if _is_preflight(request) else handler(request)

        return check

    def add(self, request: MethodRequest, response: MethodResponse) -> MethodResponse:
        """The gateway's own CORS headers in place of the backend's."""
        kept = [header for header in response.headers if not header[0].startswith(b"access-control-")]
        return msgspec.structs.replace(response, headers=kept + self._headers(request))

    def _headers(self, request: MethodRequest) -> Headers:
        origin = request.header(b"origin")
        if origin is None or not (self._any or any(p.fullmatch(origin.decode("latin-1")) for p in self._origins)):
            return []
        cors = self._cors
        headers: Headers = [(b"access-control-allow-origin", b"*" if self._any else origin)]
        if not self._any:
            headers.append((b"vary", b"Origin"))
        if cors.allow_credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        if cors.expose_headers:
            headers.append((b"access-control-expose-headers", ",".join(cors.expose_headers).encode()))
        if _is_preflight(request):
            headers += self._preflight_headers()
        return headers

    def _preflight_headers(self) -> Headers:
        cors = self._cors
        headers: Headers = []
        if cors.allow_methods:
            headers.append((b"access-control-allow-methods", ",".join(cors.allow_methods).encode()))
        if cors.allow_headers:
            headers.append((b"access-control-allow-headers", ",".join(cors.allow_headers).encode()))
        if cors.max_age is not None:
            headers.append((b"access-control-max-age", str(cors.max_age).encode()))
        return headers


def _is_preflight(request: MethodRequest) -> bool:
    return request.method == "OPTIONS" and request.header(b"access-control-request-method") is not None


def _pattern(origin: str) -> re.Pattern[str]:
    """`https://*.example.com`"""
    return re.compile(re.escape(origin).replace(r"\*", "[^/]*"), re.IGNORECASE)
