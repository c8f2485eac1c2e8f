"""The integrations of HTTP APIs: Lambda, HTTP backends, and AWS services by subtype, with the mapping of responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations.html
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec

from forecourt.services.apigateway.http.model import Integration
from forecourt.services.apigateway.integrations.forwarding import as_gateway_error
from forecourt.services.apigateway.integrations.http_forward import http_forward
from forecourt.services.apigateway.integrations.http_function import http_function
from forecourt.services.apigateway.integrations.http_parameters import Seen, apply_to_pairs, compile_changes
from forecourt.services.apigateway.integrations.subtypes import service_by_subtype
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Handler, Ports
from forecourt.services.apigateway.plan.reach import http_way
from forecourt.upstream import UpstreamError

_STATUS = re.compile(r"[2-5][0-9]{2}")


def compile_integration(integration: Integration, served: Served, ports: Ports) -> Handler:
    if integration.integration_subtype:
        handler = service_by_subtype(integration, served, ports)
    elif integration.integration_type == "AWS_PROXY":
        handler = http_function(integration, served, ports)
    else:
        handler = http_forward(integration, served, http_way(integration, served, ports))
    return _with_response_parameters(handler, integration, served)


def _with_response_parameters(handler: Handler, integration: Integration, served: Served) -> Handler:
    if not integration.response_parameters:
        return handler
    by_status = {
        status: compile_changes(parameters, served.variables)
        for status, parameters in integration.response_parameters.items()
    }
    looks_inside = "response.body" in str(integration.response_parameters)

    async def change(request: MethodRequest) -> MethodResponse:
        response = await handler(request)
        changes = by_status.get(str(response.status))
        if changes is None:
            return response
        if looks_inside and not isinstance(response.body, bytes):
            response = msgspec.structs.replace(response, body=await _whole(response.body), length=None)
        seen = Seen(request, response.headers, response.body if isinstance(response.body, bytes) else b"")
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        headers = [(n.encode(), v.encode()) for n, v in apply_to_pairs(pairs, changes, "header", seen)]
        status = response.status
        for item in changes:
            value = item.source(seen) if item.place == "statuscode" else None
            # What is no status leaves the backend's.
            if value is not None and _STATUS.fullmatch(value):
                status = int(value)
        return msgspec.structs.replace(response, status=status, headers=headers)

    return change


async def _whole(parts: AsyncIterator[bytes]) -> bytes:
    try:
        return b"".join([part async for part in parts])
    except UpstreamError as error:
        raise as_gateway_error(error) from error
