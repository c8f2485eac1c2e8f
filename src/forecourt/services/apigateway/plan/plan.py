"""A stage that answers: the router, each method's handler, and how the gateway itself answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.services.apigateway.plan.compression import compressed
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.gateway_responses import GatewayResponses
from forecourt.services.apigateway.plan.logs import Answered, Log
from forecourt.services.apigateway.plan.messages import (
    MethodRequest,
    MethodResponse,
    RequestBody,
    ResourceMethod,
    Served,
)
from forecourt.services.apigateway.plan.meter import Tally
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.respond import respond
from forecourt.services.apigateway.plan.router import Router

_NO_PARAMETERS: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A method of a resource."""

    resource: ResourceMethod
    handler: Handler
    tally: Tally
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    served: Served
    router: Router[Answering]
    gateway_responses: GatewayResponses
    ports: Ports
    # Answers what finds no method
    fallback: Answering
    # Answers of so many bytes and more are compressed; None: none are
    compress_from: int | None = None

    async def serve(self, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """`raw_path` is without the stage."""
        started = perf_counter()
        request_id: str = scope["state"]["request_id"]
        found = self.router.find(scope["method"], raw_path)
        answering = self.fallback if found is None else found.target
        request = MethodRequest(
            self.served,
            answering.resource,
            scope,
            request_id,
            self.ports.clock.now(),
            raw_path,
            scope["headers"],
            RequestBody(scope["headers"], receive),
            _NO_PARAMETERS if found is None else found.parameters,
        )
        failure: GatewayError | None = None
        try:
            response = await answering.handler(request)
        except GatewayError as error:
            failure = error
            response = self.gateway_responses.render(error, request.latest)
        if self.compress_from is not None:
            response = compressed(request, response, self.compress_from)
        await respond(send, response, request_id)
        latency_ms = (perf_counter() - started) * 1000
        answering.tally.add(response.status, latency_ms, response.integration_latency_ms)
        for log in answering.logs:
            log(Answered(request.latest, response, failure, latency_ms))


async def no_method(request: MethodRequest) -> MethodResponse:
    """The fallback's handler: AWS says this of every path and method that it does not know."""
    raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
