"""`AWS` integrations: any AWS service by its own protocol, and Lambda functions without the proxy format.

    arn:aws:apigateway:{region}:{service}:action/{Action}      the service's action, by its query or JSON protocol
    arn:aws:apigateway:{region}:{service}:path/{path}          a path of the service's REST (or query) API
    arn:aws:apigateway:{region}:{subdomain}.s3:path/{key}      with a subdomain, which names the bucket

https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html#apigw-Type-Integration-uri
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

from forecourt.base.headers import Headers
from forecourt.services.apigateway.integrations.custom import Backend, Mapped
from forecourt.services.apigateway.integrations.lambda_function import (
    FunctionError,
    caller_context,
    function_of,
    invoke,
)
from forecourt.services.apigateway.integrations.uri import substitute_stage_variables
from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.messages import IntegrationResponse, MethodRequest, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Integration

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_URI = re.compile(
    r"^arn:aws[\w-]*:apigateway:(?P<region>[\w-]*):(?:(?P<subdomain>[^:]+)\.)?(?P<service>[\w-]+)"
    r":(?P<kind>action|path)/(?P<rest>.*)$"
)
# What an ARN calls a service where botocore's name is another one
_SERVICES = {"states": "stepfunctions", "monitoring": "cloudwatch", "email": "ses"}
_PLACEHOLDER = re.compile(r"\{([^{}]+?)\+?\}")


def aws(integration: Integration, served: Served, ports: Ports) -> Backend:
    function = function_of(integration.uri or "", served.variables)
    if function is not None:
        return _lambda_backend(function, integration, served, ports)
    return _service_backend(integration, served, ports)


# -- Lambda


def _lambda_backend(function: str, integration: Integration, served: Served, ports: Ports) -> Backend:
    context_of = caller_context(served, ports, integration.credentials)
    timeout = integration.timeout_in_millis / 1000

    async def call(request: MethodRequest, mapped: Mapped) -> IntegrationResponse:
        headers = {name.lower(): value for name, value in mapped.headers}
        kind = headers.get("x-amz-invocation-type", "RequestResponse").strip("'")
        payload = mapped.body or b"{}"
        context = await context_of(request)
        named: Headers = [*_JSON, (b"x-amzn-requestid", context.call_id.encode())]
        try:
            status, answer = await invoke(ports, context, function, payload, timeout, kind)
        except FunctionError as error:
            # The status stays 200: `selectionPattern` is matched with the error's message.
            return IntegrationResponse(status=200, headers=named, body=error.payload, error=_message(error.payload))
        return IntegrationResponse(status=status, headers=named, body=answer, error="")

    return call


_JSON: Headers = [(b"content-type", b"application/json")]


def _message(payload: bytes) -> str:
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return payload.decode("utf-8", "replace")
    return str(document.get("errorMessage") or "") if isinstance(document, dict) else ""


# -- other services


class _Endpoint(NamedTuple):
    """What of a call does not depend on the request."""

    service: str
    headers: Headers
    query: tuple[tuple[str, str], ...]
    path: str
    is_query_protocol: bool


def _service_backend(integration: Integration, served: Served, ports: Ports) -> Backend:
    found = _URI.match(substitute_stage_variables(integration.uri or "", served.variables))
    if found is None:
        raise ValueError(f"Invalid ARN specified in the request: {integration.uri}")
    endpoint = _endpoint(found["service"], found["kind"], found["rest"], found["subdomain"])
    method = (integration.http_method or "POST").upper()
    context_of = caller_context(served, ports, integration.credentials)
    region = found["region"] or served.region
    timeout = integration.timeout_in_millis / 1000

    async def call(request: MethodRequest, mapped: Mapped) -> IntegrationResponse:
        if ports.aws is None:
            raise configuration_error("AWS services cannot be reached")
        context = msgspec.structs.replace(await context_of(request), region=region)
        verb = request.method if method == "ANY" else method
        path = _path(endpoint.path, mapped.path)
        query = "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in (*endpoint.query, *mapped.query))
        headers = _merged(endpoint.headers, mapped)
        body_sent = mapped.body
        if endpoint.service == "sqs" and path != "/":
            path, query, body_sent = _queue_named(path, query, body_sent, region)
        try:
            async with asyncio.timeout(timeout):
                status, answered, body = await ports.aws.http(
                    context, endpoint.service, verb, path.encode(), query.encode(), headers, body_sent
                )
        except TimeoutError:
            raise GatewayError("INTEGRATION_TIMEOUT", detail="the service did not answer in time") from None
        if endpoint.is_query_protocol and not any(n == b"accept" and b"xml" in v for n, v in headers):
            answered, body = _as_json(answered, body)
        return IntegrationResponse(status=status, headers=answered, body=body)

    return call


def _endpoint(name: str, kind: str, rest: str, subdomain: str | None) -> _Endpoint:
    service = _SERVICES.get(name, name)
    metadata = _metadata(service)
    protocol = metadata.get("protocol", "")
    is_query = "query" in (protocol, *metadata.get("protocols", ()), "query" if service == "sqs" else "")
    if kind == "path":
        path = "/" + rest.lstrip("/")
        return _Endpoint(service, [], (), f"/{subdomain}{path}" if subdomain else path, is_query)
    if protocol == "json" and service != "sqs":
        target = f"{metadata['targetPrefix']}.{rest}".encode()
        content_type = f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}".encode()
        return _Endpoint(service, [(b"x-amz-target", target), (b"content-type", content_type)], (), "/", False)
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    return _Endpoint(service, form, (("Action", rest), ("Version", metadata.get("apiVersion", ""))), "/", True)


def _metadata(service: str) -> Mapping[str, Any]:
    """botocore's own description of the service. Raises `ValueError` where there is none."""
    from botocore.exceptions import UnknownServiceError
    from botocore.loaders import create_loader

    try:
        metadata: Mapping[str, Any] = create_loader().load_service_model(service, "service-2")["metadata"]
    except UnknownServiceError as error:
        raise ValueError(f"AWS service of name {service} not found") from error
    return metadata


def _path(template: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise configuration_error(f"Illegal character in path: {{{found[1]}}} has no value")
        return quote(values[found[1]], safe="/%!$&'()*+,;=:@-._~")

    return _PLACEHOLDER.sub(value, template)


def _queue_named(path: str, query: str, body: bytes, region: str) -> tuple[str, str, bytes]:
    """SQS's query protocol lets the path name the queue; the parameter that stands for it goes with the others."""
    parameter = f"QueueUrl={quote_plus(f'https://sqs.{region}.amazonaws.com{path}')}"
    if b"Action=" in body:
        return "/", query, body + b"&" + parameter.encode()
    return "/", f"{query}&{parameter}" if query else parameter, body


def _merged(defaults: Headers, mapped: Mapped) -> Headers:
    own = [(name.lower().encode(), value.encode()) for name, value in mapped.headers]
    names = {name for name, _ in own}
    return [*(header for header in defaults if header[0] not in names), *own]


# -- the query protocol's answers, as JSON


def _as_json(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """The gateway asks for JSON, which SQS and SNS answer in the query protocol; here they answer in XML."""
    # Imported for the first such answer: a start does not wait for it.
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(body)
    except ParseError:
        return headers, body
    document = {_local(root.tag): _value(root)}
    kept = [(name, value) for name, value in headers if name.lower() not in (b"content-type", b"content-length")]
    return [*kept, (b"content-type", b"application/json")], msgspec.json.encode(document)


def _value(element: Element) -> Any:
    children = list(element)
    if not children:
        return element.text
    names = [_local(child.tag) for child in children]
    if set(names) == {"member"}:
        return [_value(child) for child in children]
    grouped: dict[str, Any] = {}
    for name, child in zip(names, children, strict=True):
        value = _value(child)
        if name in grouped:
            before = grouped[name]
            grouped[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            grouped[name] = value
    return grouped


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
