"""TestInvokeMethod and TestInvokeAuthorizer: a method, or an authorizer, as it is configured now, without a deployment.

A test passes no authorization, key or throttle, as AWS has it, and tells what happened step by step.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import msgspec

from forecourt.base.asgi import Message, Scope
from forecourt.base.call import CallContext
from forecourt.services.apigateway.authorizers.lambda_authorizer import AuthorizerFunction
from forecourt.services.apigateway.authorizers.results import Results
from forecourt.services.apigateway.plan.compile import compile_plan, compile_test
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.execution_logs import execution_lines
from forecourt.services.apigateway.plan.logs import Answered
from forecourt.services.apigateway.plan.messages import (
    MethodRequest,
    MethodResponse,
    RequestBody,
    ResourceMethod,
    Served,
)
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.plan.router import Route, Router
from forecourt.services.apigateway.plan.state import Shared
from forecourt.services.apigateway.plan.tracing import cut, lines_of_request
from forecourt.services.apigateway.rest.errors import NotFoundException
from forecourt.services.apigateway.rest.model import Resource, Stage
from forecourt.services.apigateway.snapshot import Snapshot

_STAGE = "test-invoke-stage"


class Tester:
    def __init__(self, ports: Ports, shared: Shared) -> None:
        self._ports = ports
        self._shared = shared

    async def test_method(
        self, context: CallContext, snapshot: Snapshot, resource_id: str, http_method: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        resource = next((resource for resource in snapshot.resources if resource.id == resource_id), None)
        method = (resource.resource_methods.get(http_method)) if resource is not None else None
        if resource is None or method is None:
            raise NotFoundException("Invalid Method identifier specified")
        stage = _stage(snapshot, request)
        plan = compile_plan(_only(snapshot, []), stage, self._ports, self._shared)
        handler = compile_test(snapshot, stage, self._ports, self._shared, resource, method)
        method_request = self._request(context, plan.served, resource, http_method, request)
        started = perf_counter()
        failure: GatewayError | None = None
        try:
            response = await handler(method_request)
        except GatewayError as error:
            failure = error
            response = plan.gateway_responses.render(error, method_request)
        latency_ms = (perf_counter() - started) * 1000
        return await _described(Answered(method_request, response, failure, latency_ms))

    async def test_authorizer(
        self, context: CallContext, snapshot: Snapshot, authorizer_id: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        authorizer = next((found for found in snapshot.authorizers if found.id == authorizer_id), None)
        if authorizer is None:
            raise NotFoundException("Invalid Authorizer identifier specified")
        plan = compile_plan(_only(snapshot, []), _stage(snapshot, request), self._ports, self._shared)
        root = Resource(
            account=context.account, region=context.region, rest_api_id=snapshot.rest_api_id, id="", path="/"
        )
        method_request = self._request(context, plan.served, root, "GET", request)
        function = AuthorizerFunction(authorizer, plan.served, self._ports, Results())
        started = perf_counter()
        described: dict[str, Any] = {"log": "", "principalId": "", "policy": ""}
        try:
            granted = await function.ask(method_request)
        except GatewayError as error:
            described |= {"clientStatus": error.status, "log": str(error)}
        else:
            described |= {
                "clientStatus": 200,
                "principalId": granted.context["principalId"],
                "policy": granted.document,
                "claims": {},
                "authorization": {},
            }
        described["latency"] = int((perf_counter() - started) * 1000)
        return described

    def _request(
        self, context: CallContext, served: Served, resource: Resource, http_method: str, asked: Mapping[str, Any]
    ) -> MethodRequest:
        raw_path, _, query = str(asked.get("pathWithQueryString") or resource.path).partition("?")
        body = str(asked.get("body") or "").encode()
        scope = _scope(context, "GET" if http_method == "ANY" else http_method, raw_path, query, asked, body)
        route = Route("ANY", resource.path, None)
        found = Router([route]).find("ANY", raw_path.encode())

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return MethodRequest(
            served,
            ResourceMethod(resource.path, resource.id),
            scope,
            context.request_id,
            self._ports.clock.now(),
            raw_path.encode(),
            scope["headers"],
            RequestBody(scope, receive),
            found.parameters if found is not None else {},
        )


def _scope(
    context: CallContext, method: str, raw_path: str, query: str, asked: Mapping[str, Any], body: bytes
) -> Scope:
    headers = {name.lower(): [value] for name, value in (asked.get("headers") or {}).items()}
    headers |= {name.lower(): list(values) for name, values in (asked.get("multiValueHeaders") or {}).items()}
    if body:
        headers["content-length"] = [str(len(body))]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, values in headers.items() for value in values],
        "client": (context.source_ip or "test-invoke-source-ip", 0),
        "server": None,
        "state": {"request_id": context.request_id},
    }


def _stage(snapshot: Snapshot, request: Mapping[str, Any]) -> Stage:
    return Stage(
        account=snapshot.account,
        region=snapshot.region,
        rest_api_id=snapshot.rest_api_id,
        stage_name=_STAGE,
        deployment_id=snapshot.deployment_id,
        created_date=0,
        last_updated_date=0,
        variables=request.get("stageVariables") or None,
    )


def _only(snapshot: Snapshot, resources: list[Resource]) -> Snapshot:
    return msgspec.structs.replace(snapshot, resources=resources)


async def _described(answered: Answered) -> dict[str, Any]:
    response: MethodResponse = answered.response
    body = response.body
    content = body if isinstance(body, bytes) else b"".join([part async for part in body])
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(content).decode()
    return {
        "status": response.status,
        "body": text,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "log": _log(answered),
        "latency": int(answered.latency_ms),
    }


def _log(answered: Answered) -> str:
    """As the console shows it: every line with its time."""
    request = answered.request
    at = datetime.fromtimestamp(request.time, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    lines = [cut(line) for line in execution_lines(answered, lines_of_request())]
    return "".join(
        f"{line}\n"
        for line in (f"Execution log for request {request.request_id}", *(f"{at} : {line}" for line in lines))
    )
