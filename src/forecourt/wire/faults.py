"""Errors on their way out: one place where a `ServiceError` becomes the protocol's form of it.

The model has the last word where it knows the error: its status, its code in the query protocol, the members that
travel and their names. What it doesn't know (a signature that does not match, throttling) goes by the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.wire import cbor, quirks
from forecourt.wire.codecs import Compilers, cbor_headers, compilers, json_headers, xml_headers
from forecourt.wire.errors import UnknownService
from forecourt.wire.messages import Headers, HttpResponse, Target
from forecourt.wire.models import Shape
from forecourt.wire.query import text
from forecourt.wire.rest import header_bytes, output_steps

_UNMODELED = Shape(type="structure")
_MESSAGE_NAMES = ("message", "Message")


class Fault(NamedTuple):
    """An error as the client will know it."""

    code: str
    status: int
    message: str
    shape: Shape
    # what fills the modeled shape, keyed by its members' names
    members: Mapping[str, Any]
    # the code of the query protocol, and whose fault it says it is
    query_code: str
    sender: bool


def encode_error(target: Target, error: ServiceError, request_id: str) -> HttpResponse:
    """`target` may be a mere `addressee`, whose service may be none."""
    tools = _tools(target)
    fault = describe(tools, target, error)
    return _ENCODERS[target.protocol](tools, target, fault, request_id)


def _tools(target: Target) -> Compilers | None:
    try:
        return compilers(target.service)
    except UnknownService:
        return None


def describe(tools: Compilers | None, target: Target, error: ServiceError) -> Fault:
    name = tools.model.errors.get(error.code) if tools is not None else None
    shape = tools.model.shapes[name] if tools is not None and name is not None else _UNMODELED
    trait = shape.error
    status = _status(shape, target, error)
    query_code = trait.code if trait is not None and trait.code else _query_code(target, error)
    own = quirks.ERROR_MEMBERS.get(target.service, {})
    members = {**own, **error.members}
    for message_name in _MESSAGE_NAMES:
        if message_name in shape.members:
            members[message_name] = error.message
    sender = trait.sender_fault if trait is not None else status < 500
    return Fault(name or error.code, status, error.message, shape, members, query_code, sender and status < 500)


def _query_code(target: Target, error: ServiceError) -> str:
    if error.code == "AccessDeniedException" and target.service in quirks.DENIED:
        return quirks.DENIED[target.service]
    return quirks.QUERY_CODES.get(error.code, error.code)


def _status(shape: Shape, target: Target, error: ServiceError) -> int:
    if shape.error is not None and shape.error.http_status_code is not None:
        return shape.error.http_status_code
    if shape.fault:
        return max(error.status, 500)
    if target.protocol == "json" and (shape.exception or error.code == "AccessDeniedException"):
        # The json protocols' services give their client errors 400, whatever they mean.
        return error.status if error.status >= 500 else 400
    return error.status


# -- the protocols' forms ----------------------------------------------------------------------------------------------

_Encoder = Callable[[Compilers | None, Target, Fault, str], HttpResponse]


def _body(tools: Compilers | None, fault: Fault) -> dict[str, Any]:
    """The members of the error's shape that travel in the body; the message under `message` where none is modeled."""
    members = {name: ref for name, ref in fault.shape.members.items() if ref.location is None}
    body: dict[str, Any] = {}
    if tools is not None:
        body = tools.json.structure_writer(members)(fault.members)
    if not any(name in fault.shape.members for name in _MESSAGE_NAMES):
        body["message"] = fault.message
    return body


def _json(tools: Compilers | None, target: Target, fault: Fault, request_id: str) -> HttpResponse:
    headers = json_headers(target, request_id) + _query_error(tools, target, fault)
    return HttpResponse(fault.status, headers, msgspec.json.encode({"__type": fault.code, **_body(tools, fault)}))


def _query_error(tools: Compilers | None, target: Target, fault: Fault) -> Headers:
    """Clients of a service that used to speak query go on finding its codes.

    https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
    """
    if tools is None or tools.model.metadata.aws_query_compatible is None or not target.query_mode:
        return []
    return [(b"x-amzn-query-error", f"{fault.query_code};{'Sender' if fault.sender else 'Receiver'}".encode())]


def _cbor(tools: Compilers | None, target: Target, fault: Fault, request_id: str) -> HttpResponse:
    body: dict[str, Any] = {"__type": fault.code}
    if tools is not None:
        body |= tools.cbor.structure_writer(fault.shape.members)(fault.members)
    if not any(name in fault.shape.members for name in _MESSAGE_NAMES):
        body["message"] = fault.message
    return HttpResponse(fault.status, cbor_headers(request_id) + _query_error(tools, target, fault), cbor.dumps(body))


def _rest_json(tools: Compilers | None, _target: Target, fault: Fault, request_id: str) -> HttpResponse:
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"x-amzn-requestid", request_id.encode()),
        (b"x-amzn-errortype", header_bytes(fault.code)),
    ]
    if tools is not None:
        for name, step in output_steps(tools.model, fault.shape):
            if fault.members.get(name) is not None:
                step(fault.members[name], headers)
    return HttpResponse(fault.status, headers, msgspec.json.encode(_body(tools, fault)))


def _query(tools: Compilers | None, _target: Target, fault: Fault, request_id: str) -> HttpResponse:
    namespace = tools.model.metadata.xml_namespace if tools is not None else ""
    out = [f'<ErrorResponse xmlns="{namespace}"><Error><Type>{"Sender" if fault.sender else "Receiver"}</Type>']
    out.append(f"<Code>{text(fault.query_code)}</Code><Message>{text(fault.message)}</Message>")
    if tools is not None:
        rest = {name: value for name, value in fault.members.items() if name not in _MESSAGE_NAMES}
        tools.xml.members_writer(fault.shape)(out, rest)
    out.append(f"</Error><RequestId>{text(request_id)}</RequestId></ErrorResponse>")
    return HttpResponse(fault.status, xml_headers(request_id), "".join(out).encode())


def _ec2(_tools: Compilers | None, _target: Target, fault: Fault, request_id: str) -> HttpResponse:
    body = (
        f"<Response><Errors><Error><Code>{text(fault.query_code)}</Code><Message>{text(fault.message)}</Message>"
        f"</Error></Errors><RequestID>{text(request_id)}</RequestID></Response>"
    )
    return HttpResponse(fault.status, xml_headers(request_id), body.encode())


def _rest_xml(_tools: Compilers | None, _target: Target, fault: Fault, request_id: str) -> HttpResponse:
    body = (
        f"<Error><Code>{text(fault.query_code)}</Code><Message>{text(fault.message)}</Message>"
        f"<RequestId>{text(request_id)}</RequestId></Error>"
    )
    headers: Headers = [(b"content-type", b"application/xml"), (b"x-amz-request-id", request_id.encode())]
    return HttpResponse(fault.status, headers, body.encode())


_ENCODERS: dict[str, _Encoder] = {
    "json": _json,
    "smithy-rpc-v2-cbor": _cbor,
    "rest-json": _rest_json,
    "query": _query,
    "ec2": _ec2,
    "rest-xml": _rest_xml,
}
