"""The AWS API: from an HTTP request to a call of an operation, and back.

`wire` finds service and operation, `auth` names the principal, `wire` decodes and validates, the dispatcher authorizes
and runs the handler, `wire` encodes the result or the modeled error in the protocol that came in. A backing service
speaks its own protocol: it gets the request, written anew so that it says what was authorized (`canonical.py`).

A page in a browser may call the AWS API (Amplify does), as AWS's own endpoints allow; but a page of a foreign origin is
never trusted with credentials that were not issued here (see `origin.py`).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from forecourt import wire
from forecourt.auth import post_policy
from forecourt.auth.authenticate import Authenticator, Identity
from forecourt.auth.errors import wrong_scope
from forecourt.auth.sigv4 import SignedRequest
from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import CallContext
from forecourt.base.errors import InternalFailure, ServiceError
from forecourt.base.principal import Principal
from forecourt.edge import s3_form
from forecourt.edge.body import read_body
from forecourt.edge.canonical import canonical
from forecourt.edge.origin import from_foreign_page, own_host
from forecourt.edge.respond import respond

_log = logging.getLogger("forecourt.aws")
_T = TypeVar("_T")

DEFAULT_REGION = "us-east-1"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: a function's zip may be 50 MB, in base64.
_MB = 1024 * 1024
_BODY_LIMITS = {b"lambda": 70_167_211, b"s3": 512 * _MB}
_BODY_LIMIT = 10 * _MB
_SCOPE_SERVICE = re.compile(rb"Credential=[^/]*/\d{8}/[^/]*/([a-z0-9-]+)/aws4_request")

_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
]
_PREFLIGHT = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET,POST,PUT,DELETE,HEAD,PATCH"),
    (
        b"access-control-allow-headers",
        b"authorization,content-type,x-amz-target,x-amz-user-agent,x-amz-date,x-amz-security-token,"
        b"x-amz-content-sha256,amz-sdk-invocation-id,amz-sdk-request,cache-control",
    ),
    (b"access-control-max-age", b"172800"),
]


class BackingHttp(Protocol):
    """Answers a request to a backing service in the service's own protocol."""

    async def http(
        self,
        context: CallContext,
        service: str,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]: ...


class Dispatcher(Protocol):
    def owns(self, service: str) -> bool: ...

    async def run(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]: ...

    async def pass_on(
        self,
        context: CallContext,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        carry_out: Callable[[CallContext], Awaitable[_T]],
    ) -> _T: ...


class AwsApi:
    """The ASGI application."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        backing: BackingHttp,
        authenticator: Authenticator,
        public_url: str,
        body_timeout_seconds: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._backing = backing
        self._authenticator = authenticator
        self._public_url = public_url
        self._body_timeout_seconds = body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id: str = scope["state"]["request_id"]
        if scope["method"] == "OPTIONS" and _has(scope, b"access-control-request-method"):
            await respond(send, 200, _PREFLIGHT, b"")
            return
        started = time.perf_counter()
        target: wire.Target | None = None
        try:
            body = await read_body(receive, _body_limit(scope), self._body_timeout_seconds)
            request = wire.HttpRequest(
                scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body
            )
            if s3_form.is_form(request.method, request.headers):
                target = s3_form.TARGET
                response = await self._posted(scope, request, request_id)
            else:
                target = wire.resolve(request)
                response = await self._answer(scope, target, request, request_id)
        except ServiceError as error:
            response = wire.encode_error(target or _addressee(scope), error, request_id)
        except Exception:
            _log.exception("a call failed")
            failure = InternalFailure("Forecourt failed to answer. Its log has the reason under this request id.")
            response = wire.encode_error(target or _addressee(scope), failure, request_id)
        _log_call(target, response.status, started)
        await _send(scope, send, response)

    async def _answer(
        self, scope: Scope, target: wire.Target, request: wire.HttpRequest, request_id: str
    ) -> wire.HttpResponse:
        identity = await self._authenticate(scope, target, request)
        if identity.body is not request.body:
            request = msgspec.structs.replace(request, body=identity.body)
        region = identity.region or target.region or DEFAULT_REGION
        context = self._context(scope, identity.principal, region, request_id)
        if not self._dispatcher.owns(target.service):
            return await self._pass_on(context, target, request)
        params = wire.decode(target, request)
        result = await self._dispatcher.run(context, target.service, target.operation, params)
        return wire.encode(target, result, request_id)

    async def _posted(self, scope: Scope, request: wire.HttpRequest, request_id: str) -> wire.HttpResponse:
        """An upload to S3 by a browser's form: it is the PutObject of whoever signed the form's policy."""
        form = s3_form.read(request)
        target = wire.resolve(form.request)
        claim = post_policy.read_claim(form.fields)
        principal = await self._authenticator.authenticate_form(claim, lambda: self._trusts(scope))
        if claim is not None:
            post_policy.check(claim.policy, form.fields, form.bucket, len(form.file), time.time())
        context = self._context(scope, principal, (claim and claim.region) or DEFAULT_REGION, request_id)
        return form.answer(await self._pass_on(context, target, form.request), self._public_url)

    def _context(self, scope: Scope, principal: Principal, region: str, request_id: str) -> CallContext:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        referer = headers.get(b"referer")
        return CallContext(
            principal=principal,
            region=region,
            request_id=request_id,
            source_ip=scope["client"][0] if scope.get("client") else "",
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            public_url=self._public_url,
            conditions={"aws:Referer": referer.decode("latin-1")} if referer is not None else {},
            trace_id=headers.get(b"x-amzn-trace-id", b"").decode("latin-1"),
        )

    def _trusts(self, scope: Scope) -> bool:
        return not from_foreign_page(scope) and own_host(_header(scope, b"host").encode(), self._public_url)

    async def _authenticate(self, scope: Scope, target: wire.Target, request: wire.HttpRequest) -> Identity:
        signed = SignedRequest(request.method, request.raw_path, request.query_string, request.headers, request.body)
        identity = await self._authenticator.authenticate(
            signed,
            target.protocol,
            anonymous_allowed=target.unsigned or target.service == "s3",
            trust=lambda: self._trusts(scope),
        )
        if identity.service and not wire.signs_for(target.service, identity.service):
            raise wrong_scope(identity.service, target.protocol)
        return identity

    async def _pass_on(self, context: CallContext, target: wire.Target, request: wire.HttpRequest) -> wire.HttpResponse:
        params = wire.decode(target, request)
        asked = canonical(target, request, self._public_url)
        status, headers, body = await self._dispatcher.pass_on(
            context,
            target.service,
            target.operation,
            params,
            lambda context: self._backing.http(
                context,
                target.service,
                asked.method,
                asked.raw_path,
                asked.query_string,
                asked.headers,
                asked.body,
            ),
        )
        return wire.HttpResponse(status, headers, body)


def _addressee(scope: Scope) -> wire.Target:
    """Of a request that could not be resolved, or whose body could not be read."""
    head = wire.HttpRequest(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], b"")
    return wire.addressee(head)


def _body_limit(scope: Scope) -> int:
    if s3_form.is_form(scope["method"], scope["headers"]):
        return _BODY_LIMITS[b"s3"]
    found = _SCOPE_SERVICE.search(_header(scope, b"authorization").encode())
    return _BODY_LIMITS.get(found[1], _BODY_LIMIT) if found else _BODY_LIMIT


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def _has(scope: Scope, name: bytes) -> bool:
    return any(key == name for key, _ in scope["headers"])


def _log_call(target: wire.Target | None, status: int, started: float) -> None:
    name = f"{target.service}:{target.operation}" if target else "?"
    level = logging.WARNING if status >= 500 else logging.INFO
    milliseconds = (time.perf_counter() - started) * 1000
    _log.log(level, "%s %d %.1f ms", name, status, milliseconds)


async def _send(scope: Scope, send: Send, response: wire.HttpResponse) -> None:
    headers = [*response.headers, *_CORS] if _has(scope, b"origin") else response.headers
    if not isinstance(response.body, AsyncIterator):
        await respond(send, response.status, headers, response.body)
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    async for chunk in response.body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
