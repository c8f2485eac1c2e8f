"""TestInvokeMethod and TestInvokeAuthorizer: a method, or an authorizer, as it is configured now, without a deployment.

A test passes no authorization, key or throttle, as AWS has it, and tells what happened step by step.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import msgspec

from forecourt.base.asgi import Message, Scope
from forecourt.base.call import CallContext
from forecourt.services.apigateway.authorizers.cognito import with_user_pools
from forecourt.services.apigateway.authorizers.lambda_authorizer import AuthorizerFunction
from forecourt.services.apigateway.authorizers.rest_jwt import with_rest_jwt
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
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.router import Route, Router
from forecourt.services.apigateway.plan.state import Shared
from forecourt.services.apigateway.plan.tracing import begin, cut, lines_of_request, masked, noting
from forecourt.services.apigateway.rest.errors import NotFoundException
from forecourt.services.apigateway.rest.model import Authorizer, Resource, Stage
from forecourt.services.apigateway.snapshot import Snapshot

_STAGE = "test-invoke-stage"
# What there is to tell of an authorizer that lets the request pass. Raises `GatewayError`.
_Judge = Callable[[Authorizer, Served, Ports, MethodRequest], Awaitable[dict[str, Any]]]


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
        judge = _JUDGES.get(authorizer.type, _by_function)
        begin()
        lines = [f"Starting authorizer: {authorizer.id} for request: {context.request_id}"]
        started = perf_counter()
        try:
            found = await judge(authorizer, plan.served, noting(self._ports, snapshot.rest_api_id), method_request)
        except GatewayError as error:
            status, found = error.status, {}
            said = f"Unauthorized request: {context.request_id}" if status == 401 else error.error_type
            end = [str(error), said]
        else:
            status = 200
            if "principalId" in found:
                end = [f"Using valid authorizer policy for principal: {masked(found['principalId'])}"]
            else:
                end = ["Using valid token"]
            end.append("Successfully completed authorizer execution")
        latency_ms = int((perf_counter() - started) * 1000)
        log = _dated(context.request_id, method_request.time, [*lines, *_of_authorizer(lines_of_request()), *end])
        return {"clientStatus": status, "log": log, "latency": latency_ms, **found}

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
    request = answered.request
    return _dated(request.request_id, request.time, execution_lines(answered, lines_of_request()))


def _dated(request_id: str, time: float, lines: Iterable[str]) -> str:
    """As the console shows it: every line with its time."""
    at = datetime.fromtimestamp(time, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    shown = (f"Execution log for request {request_id}", *(f"{at} : {cut(line)}" for line in lines))
    return "".join(f"{line}\n" for line in shown)


# -- authorizers


async def _by_function(authorizer: Authorizer, served: Served, ports: Ports, request: MethodRequest) -> dict[str, Any]:
    granted = await AuthorizerFunction(authorizer, served, ports, Results()).ask(request)
    principal = granted.context["principalId"]
    return {"principalId": principal, "policy": granted.document, "authorization": {"principalId": [principal]}}


def _by_claims(build: Callable[..., Handler]) -> _Judge:
    async def judge(authorizer: Authorizer, served: Served, ports: Ports, request: MethodRequest) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def passed(request: MethodRequest) -> MethodResponse:
            found.update(request.authorizer)
            return MethodResponse(200, [], b"")

        await build(passed, authorizer, None, served, ports, Results())(request)
        return found

    return judge


_JUDGES: Mapping[str, _Judge] = {"COGNITO_USER_POOLS": _by_claims(with_user_pools), "JWT": _by_claims(with_rest_jwt)}
_BODY = "Endpoint response body before transformations: "


def _of_authorizer(noted: Iterable[str]) -> Iterator[str]:
    """What was noted of a function, as AWS tells it of an authorizer's."""
    for line in noted:
        if line.startswith(_BODY):
            yield f"Authorizer result body before parsing: {line.removeprefix(_BODY)}"
        elif not line.startswith(("Received response.", "Endpoint response headers:")):
            yield line
