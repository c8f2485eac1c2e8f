"""A stage that answers: the router, each method's handler, and how the gateway itself answers."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.gateway_responses import GatewayResponses
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, RequestBody, Served
from forecourt.services.apigateway.plan.observe import Observer
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.respond import respond
from forecourt.services.apigateway.plan.router import Router


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A method of a resource."""

    resource_path: str
    resource_id: str
    operation_name: str
    handler: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    served: Served
    router: Router[Answering]
    gateway_responses: GatewayResponses
    ports: Ports
    observe: Observer

    async def serve(self, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """`raw_path` is without the stage."""
        started = perf_counter()
        request_id: str = scope["state"]["request_id"]
        found = self.router.find(scope["method"], raw_path)
        answering = found.target if found is not None else _NO_METHOD
        request = MethodRequest(
            served=self.served,
            scope=scope,
            request_id=request_id,
            time=self.ports.clock.now(),
            raw_path=raw_path,
            headers=scope["headers"],
            body=RequestBody(scope["headers"], receive),
            resource_path=answering.resource_path,
            resource_id=answering.resource_id,
            operation_name=answering.operation_name,
            raw_path_parameters=found.parameters if found is not None else {},
        )
        try:
            response = await answering.handler(request)
        except GatewayError as error:
            response = self.gateway_responses.render(error, request)
        await respond(send, response, request_id)
        self.observe(request, response, (perf_counter() - started) * 1000)


async def _no_method(request: MethodRequest) -> MethodResponse:
    raise GatewayError("MISSING_AUTHENTICATION_TOKEN")


_NO_METHOD = Answering(resource_path="", resource_id="", operation_name="", handler=_no_method)
