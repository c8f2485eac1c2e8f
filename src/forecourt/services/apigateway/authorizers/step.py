"""The step that all authorizers with a memory are: who asks is looked up, asked about where nothing is known, admitted.

Only asking waits. A request whose answer is remembered runs in no task, and an answer is remembered for as long as
whoever gave it says. What is remembered is what was said of an identity, not whether one request may pass: that is
decided anew for each (`admit`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Hashable, Mapping
from time import perf_counter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from forecourt.base.clock import Clock
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import Handler

# A token, or the values of the identity sources
Who = TypeVar("Who", bound=Hashable)
Grant = TypeVar("Grant")


class Answer(NamedTuple, Generic[Grant]):
    granted: Grant
    # Seconds since the epoch; it is remembered until then
    until: float


class Authority(Protocol[Who, Grant]):
    """An authorizer, compiled for one method of a stage."""

    def identify(self, request: MethodRequest) -> Who:
        """Raises `GatewayError` (401) where the request does not say who asks."""
        ...

    async def ask(self, request: MethodRequest, identity: Who) -> Answer[Grant]:
        """Raises `GatewayError`."""
        ...

    def admit(self, request: MethodRequest, granted: Grant) -> Mapping[str, Any]:
        """What the steps that follow know of the request. Raises `GatewayError` (403) where it may not pass."""
        ...


def authorized(
    handler: Handler, authority: Authority[Who, Grant], results: Results[Who, Grant], clock: Clock
) -> Handler:
    identify, ask, admit = authority.identify, authority.ask, authority.admit

    def authorize(request: MethodRequest) -> Awaitable[MethodResponse]:
        identity = identify(request)
        granted = results.get(identity, clock.now())
        return wait(request, identity) if granted is None else proceed(request, granted, 0)

    async def wait(request: MethodRequest, identity: Who) -> MethodResponse:
        started = perf_counter()
        try:
            granted, until = await ask(request, identity)
        except GatewayError:
            request.latest.checked("authorizer.latency", started)
            raise
        if until > clock.now():
            results.put(identity, granted, until)
        return await proceed(request.latest, granted, int((perf_counter() - started) * 1000))

    def proceed(request: MethodRequest, granted: Grant, latency_ms: int) -> Awaitable[MethodResponse]:
        checks = {**request.checks, "authorizer.latency": latency_ms}
        try:
            known = admit(request, granted)
        except GatewayError as refusal:
            request.with_(checks=checks, authorizer=refusal.authorizer or request.authorizer)
            raise
        return handler(request.with_(checks=checks, **known))

    return authorize
