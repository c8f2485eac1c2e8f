"""Answers the HTTP requests of function URLs (ASGI)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable

from forecourt.auth.authenticate import Authenticator
from forecourt.auth.errors import AuthenticationFailed
from forecourt.auth.sigv4 import SignedRequest
from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import Authorizer
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, ServiceError
from forecourt.base.headers import Headers
from forecourt.base.principal import ANONYMOUS, Principal
from forecourt.services.functions.downloads import Downloads
from forecourt.services.functions.invoker import Event, Invoker
from forecourt.services.functions.model import UrlConfig
from forecourt.services.functions.names import FunctionId
from forecourt.services.functions.runtime.messages import Failure
from forecourt.services.functions.streams import StreamSink
from forecourt.services.functions.urls import cors
from forecourt.services.functions.urls.event import UrlRequest, make_event
from forecourt.services.functions.urls.response import (
    PRELUDE_END,
    PRELUDE_TYPE,
    BadResult,
    UrlResponse,
    error,
    from_prelude,
    from_result,
)
from forecourt.store import Change, Store

_MAX_BODY_BYTES = 6_291_456
_MAX_PRELUDE_BYTES = 64 * 1024
_ACTION = "lambda:InvokeFunctionUrl"


class FunctionUrls:
    """Has the shape of `base.ports.ApiInvoker`: the edge found the URL's id and the path behind it."""

    def __init__(
        self,
        store: Store,
        invoker: Invoker,
        authenticator: Authenticator,
        authorizer: Authorizer,
        clock: Clock,
        downloads: Downloads,
    ) -> None:
        self._store = store
        self._invoker = invoker
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._clock = clock
        self._downloads = downloads
        self._known: dict[str, UrlConfig] = {}
        store.changes.subscribe(UrlConfig, self._changed)

    def _changed(self, changes: Iterable[Change]) -> None:
        self._known.clear()

    async def download(self, token: str, scope: Scope, send: Send) -> None:
        """A function's code, at the address that GetFunction gave."""
        await self._downloads.serve(token, scope, send)

    async def invoke(self, url_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["state"]["request_id"].encode()
        common: Headers = [(b"x-amzn-requestid", request_id)]
        config = await self._find(url_id)
        if config is None:
            await _send(send, error(403, "Forbidden"), common)
            return
        origin = _header(scope, b"origin")
        preflight = scope["method"] == "OPTIONS" and bool(_header(scope, b"access-control-request-method"))
        if config.cors is not None:
            common += cors.headers_for(config.cors, origin, preflight=preflight)
            if preflight:
                await _send(send, UrlResponse(200, [], b""), common)
                return
        body = await _read(receive)
        if body is None:
            await _send(send, error(413, "Request Too Long"), common)
            return
        try:
            principal = await self._admit(config, scope, body)
        except (AccessDenied, AuthenticationFailed) as refused:
            message = refused.message if isinstance(refused, AuthenticationFailed) else "Forbidden"
            await _send(send, error(403, message), common)
            return
        await self._answer(config, self._request(config, scope, raw_path, body, principal), send, common)

    async def _find(self, url_id: str) -> UrlConfig | None:
        if url_id not in self._known:
            found = await self._store.find(UrlConfig, "by_id", url_id, limit=1)
            if not found:
                return None
            self._known[url_id] = found[0]
        return self._known[url_id]

    async def _admit(self, config: UrlConfig, scope: Scope, body: bytes) -> Principal | None:
        """Who calls: nobody in particular where the URL is public. Raises where they may not."""
        principal = ANONYMOUS
        if config.auth_type == "AWS_IAM":
            signed = SignedRequest(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body)
            principal = await self._authenticator.authenticate_for("lambda", signed, "lambda")
        conditions = {"lambda:FunctionUrlAuthType": config.auth_type}
        await self._authorizer.authorize(principal, _ACTION, _id(config).arn, conditions)
        return None if config.auth_type == "NONE" else principal

    def _request(
        self, config: UrlConfig, scope: Scope, raw_path: bytes, body: bytes, principal: Principal | None
    ) -> UrlRequest:
        client = scope.get("client")
        return UrlRequest(
            url_id=config.id,
            domain=f"{config.id}.lambda-url.{config.region}.on.aws",
            method=scope["method"],
            raw_path=raw_path,
            query=scope["query_string"],
            headers=list(scope["headers"]),
            body=body,
            source_ip=client[0] if client else "127.0.0.1",
            request_id=scope["state"]["request_id"],
            principal=principal,
            now=self._clock.now(),
        )

    async def _answer(self, config: UrlConfig, request: UrlRequest, send: Send, common: Headers) -> None:
        event = Event(request_id=request.request_id, payload=json.dumps(make_event(request)).encode())
        try:
            if config.invoke_mode == "RESPONSE_STREAM":
                await self._stream(_id(config), event, send, common)
                return
            invoked = await self._invoker.invoke(_id(config), event)
            failed = isinstance(invoked.result, Failure)
            response = error(502, "Internal Server Error") if failed else from_result(invoked.result.payload)
        except BadResult:
            response = error(502, "Internal Server Error")
        except ServiceError as refused:
            response = error(429, None) if refused.status == 429 else error(502, "Internal Server Error")
        await _send(send, response, common)

    async def _stream(self, id: FunctionId, event: Event, send: Send, common: Headers) -> None:
        """What fails before the first byte is an ordinary error; after it the response just ends."""
        sink = StreamSink()
        invocation = asyncio.ensure_future(self._invoker.invoke(id, event, sink))
        invocation.add_done_callback(lambda _: sink.end())
        await asyncio.wait((invocation, sink.opened), return_when=asyncio.FIRST_COMPLETED)
        if not sink.opened.done():
            await invocation
            await _send(send, error(502, "Internal Server Error"), common)
            return
        content_type = sink.opened.result()
        status, headers, chunks = 200, [(b"content-type", content_type.encode("latin-1"))], sink.chunks()
        first = b""
        if content_type == PRELUDE_TYPE:
            prelude, first = await _prelude(chunks)
            status, headers = from_prelude(prelude)
        await send({"type": "http.response.start", "status": status, "headers": headers + common})
        if first:
            await send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _prelude(chunks: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    """The JSON before the null bytes, and what has already come after them. Raises `BadResult`."""
    seen = b""
    async for chunk in chunks:
        seen += chunk
        prelude, end, rest = seen.partition(PRELUDE_END)
        if end:
            return prelude, rest
        if len(seen) > _MAX_PRELUDE_BYTES:
            break
    raise BadResult


def _id(config: UrlConfig) -> FunctionId:
    return FunctionId(config.account, config.region, config.name, config.qualifier or None)


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def _read(receive: Receive) -> bytes | None:
    """The body, or None where it is too large."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > _MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(chunks)


async def _send(send: Send, response: UrlResponse, common: Headers) -> None:
    length = (b"content-length", str(len(response.body)).encode())
    headers = [*response.headers, *common, length]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
