"""TestInvokeMethod and TestInvokeAuthorizer: a method, or an authorizer, as it is configured now, without a deployment.

A test passes no authorization, key or throttle, as AWS has it, and tells what happened step by step.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import msgspec

from forecourt.base.asgi import Message, Scope
from forecourt.base.call import CallContext
from forecourt.services.apigateway.authorizers.bearing import Verified
from forecourt.services.apigateway.authorizers.lambda_authorizer import Granted
from forecourt.services.apigateway.authorizers.rest import rest_authority
from forecourt.services.apigateway.plan.compile import compile_plan, compile_test
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.execution_logs import (
    authorizer_failed,
    authorizer_succeeded,
    execution_lines,
    shown,
    starting,
)
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
from forecourt.services.apigateway.plan.tracing import begin, cut, noting, trace_of_request
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
        trace = begin()
        authority = rest_authority(authorizer, None, plan.served, noting(self._ports, snapshot.rest_api_id))
        lines, status, found = [starting(authorizer.id, context.request_id)], 0, {}
        started = perf_counter()
        try:
            identity = authority.identify(method_request)
            lines.append(f"Incoming identity: {shown(identity)}")
            granted, _ = await authority.ask(method_request, identity)
            found = _found(granted)
        except GatewayError as error:
            status = error.status
            lines += [*trace.of_authorizer(), *authorizer_failed(error, context.request_id)]
            lines.append("Unauthorized" if error.type == "UNAUTHORIZED" else error.error_type)
        else:
            lines += [*trace.of_authorizer(), *authorizer_succeeded(found.get("principalId"))]
        latency_ms = int((perf_counter() - started) * 1000)
        log = _dated(context.request_id, method_request.time, lines)
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
            RequestBody(scope, receive, served.payload_bytes),
            found[1] if found is not None else {},
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
    return _dated(request.request_id, request.time, execution_lines(answered, trace_of_request().endpoint))


def _dated(request_id: str, time: float, lines: Iterable[str]) -> str:
    """As the console shows it: every line with its time."""
    at = datetime.fromtimestamp(time, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    shown = (f"Execution log for request {request_id}", *(f"{at} : {cut(line)}" for line in lines))
    return "".join(f"{line}\n" for line in shown)


def _found(granted: Granted | Verified) -> dict[str, Any]:
    """What a test tells of an authorizer's answer. It asks nothing of a method: there is none."""
    if isinstance(granted, Verified):
        return dict(granted.told)
    principal = granted.context["principalId"]
    return {"principalId": principal, "policy": granted.document, "authorization": {"principalId": [principal]}}
