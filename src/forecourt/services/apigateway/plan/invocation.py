"""One request that a plan answers, from its first step to its last line of log.

A handler returns an awaitable, of three kinds. The response itself, where nothing had to be waited for (a cache's hit,
a refusal); a `Pending`, where a backend is waited for and nothing else: then no coroutine runs, the backend's answer
calls `_answered`, and the response is written by `base.asgi.Direct`; anything else is awaited in a task.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from forecourt.base.asgi import Direct, Send
from forecourt.base.headers import Headers
from forecourt.base.pending import Pending
from forecourt.base.request import request_id as current_request_id
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.logs import Answered, Log
from forecourt.services.apigateway.plan.messages import ClientGone, MethodRequest, MethodResponse, ResourceMethod
from forecourt.services.apigateway.plan.meter import Tally
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.services.apigateway.plan.respond import send_response

_log = logging.getLogger("forecourt.apigateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A method of a resource."""

    resource: ResourceMethod
    handler: Handler
    tally: Tally
    logs: tuple[Log, ...] = ()


class Manner(Protocol):
    """How APIs of one kind answer: a REST API's stage, or an HTTP API's."""

    def refusal(self, error: GatewayError, request: MethodRequest) -> MethodResponse: ...

    def finish(self, request: MethodRequest, response: MethodResponse) -> MethodResponse:
        """What the gateway does to every response."""
        ...

    def own_headers(self, request_id: str) -> Headers:
        """What the gateway adds to every response."""
        ...


class Invocation:
    __slots__ = ("_answering", "_direct", "_failure", "_manner", "_request", "_send", "_started")

    def __init__(
        self, manner: Manner, answering: Answering, request: MethodRequest, send: Send, ours: Direct | None
    ) -> None:
        """`ours`: the request's own, where the server has that extension."""
        self._started = perf_counter()
        self._manner = manner
        self._answering = answering
        self._request = request
        self._send = send
        self._direct = ours
        self._failure: GatewayError | None = None

    def begin(self) -> Awaitable[None] | None:
        """None: it is answered, or will be."""
        try:
            response = self._answering.handler(self._request)
        except GatewayError as error:
            response = self._refusal(error)
        if isinstance(response, MethodResponse):
            return self._respond(response)
        if isinstance(response, Pending) and self._direct is not None:
            response.then(self._answered, self._failed)
            return None
        return self._wait(response)

    async def _wait(self, awaited: Awaitable[MethodResponse]) -> None:
        try:
            response = await awaited
        except GatewayError as error:
            response = self._refusal(error)
        except ClientGone:
            # Nobody waits for an answer.
            return
        rest = self._respond(response)
        if rest is not None:
            await rest

    def _answered(self, response: MethodResponse) -> None:
        try:
            rest = self._respond(response)
        except Exception as error:
            rest = self._broken(error)
        if rest is not None and self._direct is not None:
            self._direct.run(rest)

    def _failed(self, error: Exception) -> None:
        try:
            if not isinstance(error, GatewayError):
                raise error
            rest = self._respond(self._refusal(error))
        except Exception as unforeseen:
            rest = self._broken(unforeseen)
        if rest is not None and self._direct is not None:
            self._direct.run(rest)

    async def _broken(self, error: Exception) -> None:
        """A fault of ours."""
        current_request_id.set(self._request.request_id)
        _log.error("a request failed", exc_info=error)
        await self._stream(self._refusal(GatewayError("API_CONFIGURATION_ERROR")))

    def _refusal(self, error: GatewayError) -> MethodResponse:
        # Its traceback holds the frame that holds this invocation: a circle that only the garbage collector would undo.
        self._failure = error.with_traceback(None)
        return self._manner.refusal(error, self._request.latest)

    def _respond(self, response: MethodResponse) -> Awaitable[None] | None:
        response = self._manner.finish(self._request, response)
        body = response.body
        if self._direct is None or not isinstance(body, bytes):
            return self._stream(response)
        own = self._manner.own_headers(self._request.request_id)
        self._direct.respond(response.status, response.headers, own, body)
        self._note(response)
        return None

    async def _stream(self, response: MethodResponse) -> None:
        await send_response(self._send, response, self._manner.own_headers(self._request.request_id))
        self._note(response)

    def _note(self, response: MethodResponse) -> None:
        latency_ms = (perf_counter() - self._started) * 1000
        answering = self._answering
        answering.tally.note(self._request, response, latency_ms)
        for log in answering.logs:
            log(Answered(self._request.latest, response, self._failure, latency_ms))
