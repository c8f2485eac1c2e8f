"""A stage that answers: the router, each method's handler, and how the gateway itself answers."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from forecourt.base.asgi import Receive, Scope, Send, direct
from forecourt.base.headers import Headers
from forecourt.services.apigateway.plan.compression import compressed
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.gateway_responses import GatewayResponses
from forecourt.services.apigateway.plan.invocation import Answering, Invocation
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, RequestBody, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.plan.respond import request_headers
from forecourt.services.apigateway.plan.router import Router

_NO_PARAMETERS: Mapping[str, bytes] = {}


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

    def serve(self, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
        """`raw_path` is without the stage. None: the request is answered, or will be."""
        answering, parameters = self.router.find(scope["method"], raw_path) or (self.fallback, _NO_PARAMETERS)
        ours = direct(scope)
        request = MethodRequest(
            self.served,
            answering.resource,
            scope,
            scope["state"]["request_id"],
            self.ports.clock.now(),
            raw_path,
            scope["headers"],
            RequestBody(scope, receive, self.served.payload_bytes, ours),
            parameters,
        )
        return Invocation(self, answering, request, send, ours).begin()

    # -- the manner of a REST API

    def refusal(self, error: GatewayError, request: MethodRequest) -> MethodResponse:
        return self.gateway_responses.render(error, request)

    def finish(self, request: MethodRequest, response: MethodResponse) -> MethodResponse:
        return response if self.compress_from is None else compressed(request, response, self.compress_from)

    def own_headers(self, request_id: str) -> Headers:
        return request_headers(request_id)


def no_method(request: MethodRequest) -> MethodResponse:
    """The fallback's handler: AWS says this of every path and method that it does not know."""
    raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
