"""An operation's decoder and encoder, compiled once for each protocol it is spoken in.

`codec(service, operation, protocol)` is the table's look-up; everything else here builds the entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from forecourt.base.errors import NotImplementedYet, UnknownOperation
from forecourt.wire import cbor, eventstream, quirks, rest, validation
from forecourt.wire.compression import plain_body
from forecourt.wire.errors import InvalidRequestContent, SerializationException, UnsupportedMediaType
from forecourt.wire.messages import Headers, HttpRequest, HttpResponse, Target
from forecourt.wire.models import Model, Operation, Shape, model
from forecourt.wire.query import Ec2FormReaders, FormReaders, XmlWriters, form_tree, parse_form
from forecourt.wire.tree import JSON, TreeCodec
from forecourt.wire.xml_body import XmlReaders, parse_xml

Decode = Callable[[Target, HttpRequest], dict[str, Any]]
Encode = Callable[[Target, Mapping[str, Any], str], HttpResponse]
# What is wrong with the parameters, by the model.
Check = Callable[[Any], Any]

_NOTHING = Shape(type="structure")
_FORM = "application/x-www-form-urlencoded"


class Codec(NamedTuple):
    operation: Operation
    input_name: str
    decode: Decode
    check: Check | None
    encode: Encode


class Compilers(NamedTuple):
    """A model's own compilers: what they have compiled is shared by its operations."""

    model: Model
    json: TreeCodec
    cbor: TreeCodec
    forms: FormReaders
    xml: XmlWriters
    checks: validation.Checks


@cache
def compilers(service: str) -> Compilers:
    """Raises `UnknownService`."""
    found = model(service)
    return Compilers(
        found,
        TreeCodec(found, JSON),
        TreeCodec(found, cbor.CBOR),
        FormReaders(found),
        XmlWriters(found),
        validation.Checks(found),
    )


@cache
def codec(service: str, operation: str, protocol: str) -> Codec:
    """Raises `UnknownService`, `UnknownOperation`, `NotImplementedYet`."""
    tools = compilers(service)
    found = tools.model.operations.get(operation)
    if found is None:
        raise UnknownOperation(f"Unknown operation {operation}")
    if protocol not in _PROTOCOLS:
        raise NotImplementedYet(f"Forecourt does not speak {protocol} ({service})")
    decoder, encoder = _PROTOCOLS[protocol]
    return Codec(
        found,
        lower_input_name(operation),
        decoder(tools, found, input_shape(tools, found)),
        tools.checks.check(found.input) if found.input is not None else None,
        encoder(tools, found, output_shape(tools, found)),
    )


def lower_input_name(operation: str) -> str:
    return validation.lower_first(operation) + "Input"


def input_shape(tools: Compilers, operation: Operation) -> Shape:
    return tools.model.shape(operation.input) if operation.input is not None else _NOTHING


def output_shape(tools: Compilers, operation: Operation) -> Shape:
    return tools.model.shape(operation.output) if operation.output is not None else _NOTHING


def content_type(request: HttpRequest) -> str:
    return request.header(b"content-type").split(";", 1)[0].strip().lower()


def _expect(request: HttpRequest, *accepted: str) -> None:
    """A request may leave the content type out; it may not say another one."""
    said = content_type(request)
    if said and not said.startswith(accepted):
        raise UnsupportedMediaType(f"The content type {said[:100]} is not supported, expected {accepted[0]}")


def parse_json(body: bytes, service: str) -> Any:
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if service in quirks.MALFORMED_BODY:
            raise InvalidRequestContent(f"Could not parse request body into json: {error}") from None
        raise SerializationException(f"The request body is not valid JSON: {error}") from None


# -- json 1.0, json 1.1 ----------------------------------------------------------------------------------------------


def _json_decoder(tools: Compilers, operation: Operation, shape: Shape) -> Decode:
    read = tools.json.structure_reader(shape, shape.members)
    service = tools.model.name

    def decode(_target: Target, request: HttpRequest) -> dict[str, Any]:
        _expect(request, "application/x-amz-json", "application/json")
        return read(parse_json(plain_body(request), service))  # type: ignore[no-any-return]

    return decode


def _json_encoder(tools: Compilers, operation: Operation, shape: Shape) -> Encode:
    stream = eventstream.stream_member(tools.model, shape)
    members = {name: ref for name, ref in shape.members.items() if name != stream}
    write = tools.json.structure_writer(members)
    if stream is not None:
        return _rpc_stream(tools, shape, stream, write, msgspec.json.encode)
    # An operation without output answers an empty body, not an empty object.
    empty = operation.output is None

    def encode(target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        body = b"" if empty else msgspec.json.encode(write(result))
        return HttpResponse(200, json_headers(target, request_id), body)

    return encode


def json_headers(target: Target, request_id: str) -> Headers:
    return [
        (b"content-type", f"application/x-amz-json-{target.json_version}".encode()),
        (b"x-amzn-requestid", request_id.encode()),
    ]


def _rpc_stream(
    tools: Compilers, shape: Shape, stream: str, write: Callable[[Any], Any], dump: Callable[[Any], bytes]
) -> Encode:
    frame = eventstream.compile_event(tools.model, tools.json, shape.members[stream])

    def encode(_target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        first = eventstream.initial_response(dump(write(result)))
        body = eventstream.body(frame, result.get(stream) or (), first)
        headers: Headers = [(b"content-type", eventstream.CONTENT_TYPE), (b"x-amzn-requestid", request_id.encode())]
        return HttpResponse(200, headers, body)

    return encode


# -- smithy-rpc-v2-cbor ----------------------------------------------------------------------------------------------


def _cbor_decoder(tools: Compilers, operation: Operation, shape: Shape) -> Decode:
    read = tools.cbor.structure_reader(shape, shape.members)

    def decode(_target: Target, request: HttpRequest) -> dict[str, Any]:
        if not request.body:
            return {}
        _expect(request, "application/cbor")
        return read(cbor.loads(plain_body(request)))  # type: ignore[no-any-return]

    return decode


def _cbor_encoder(tools: Compilers, operation: Operation, shape: Shape) -> Encode:
    write = tools.cbor.structure_writer(shape.members)

    def encode(_target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        return HttpResponse(200, cbor_headers(request_id), cbor.dumps(write(result)))

    return encode


def cbor_headers(request_id: str) -> Headers:
    return [
        (b"content-type", b"application/cbor"),
        (b"smithy-protocol", b"rpc-v2-cbor"),
        (b"x-amzn-requestid", request_id.encode()),
    ]


# -- query -----------------------------------------------------------------------------------------------------------


def form_of(request: HttpRequest) -> list[tuple[str, str]]:
    """The parameters of a query request: of its form, or of its query string where it is a GET."""
    fields = parse_form(request.query_string) if request.query_string else []
    if request.body and content_type(request) in ("", _FORM):
        fields += parse_form(plain_body(request))
    return fields


def _query_decoder(tools: Compilers, operation: Operation, shape: Shape) -> Decode:
    read = tools.forms.structure_reader(shape)

    def decode(_target: Target, request: HttpRequest) -> dict[str, Any]:
        if request.body:
            _expect(request, _FORM)
        return read(form_tree(form_of(request)))  # type: ignore[no-any-return]

    return decode


def _query_encoder(tools: Compilers, operation: Operation, shape: Shape) -> Encode:
    write = tools.xml.members_writer(shape)
    name = operation.name
    wrapper = operation.output.result_wrapper if operation.output is not None else None
    start = f'<{name}Response xmlns="{tools.model.metadata.xml_namespace}">' + (f"<{wrapper}>" if wrapper else "")
    end = f"</{wrapper}>" if wrapper else ""

    def encode(_target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        out = [start]
        write(out, result)
        out.append(f"{end}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>")
        return HttpResponse(200, xml_headers(request_id), "".join(out).encode())

    return encode


def xml_headers(request_id: str) -> Headers:
    return [(b"content-type", b"text/xml"), (b"x-amzn-requestid", request_id.encode())]


# -- rest-json -------------------------------------------------------------------------------------------------------


def _rest_decoder(tools: Compilers, operation: Operation, shape: Shape) -> Decode:
    steps = rest.input_steps(tools.model, operation, shape)
    return _with_steps(steps, _rest_body_reader(tools, shape))


def _with_steps(steps: list[rest.InputStep], read_body: Callable[[HttpRequest], dict[str, Any]]) -> Decode:
    def decode(target: Target, request: HttpRequest) -> dict[str, Any]:
        query = rest.parse_query(request.query_string) if request.query_string else {}
        params = read_body(request)
        for step in steps:
            step(request, query, target.path_params, params)
        return params

    return decode


def _rest_body_reader(tools: Compilers, shape: Shape) -> Callable[[HttpRequest], dict[str, Any]]:
    service = tools.model.name
    if shape.payload is not None:
        return _payload_reader(tools, shape, shape.payload)
    members = {name: ref for name, ref in shape.members.items() if ref.location is None}
    if not members:
        return lambda _request: {}
    read = tools.json.structure_reader(shape, members)

    def read_body(request: HttpRequest) -> dict[str, Any]:
        if not request.body:
            return {}
        _expect(request, "application/json", "application/x-amz-json", "binary/octet-stream")
        return read(parse_json(request.body, service))  # type: ignore[no-any-return]

    return read_body


def _payload_reader(tools: Compilers, shape: Shape, name: str) -> Callable[[HttpRequest], dict[str, Any]]:
    ref = shape.members[name]
    kind = tools.model.shape(ref).type
    if kind in _RAW_PAYLOADS:
        return _raw_payload_reader(name, kind)
    read, service = tools.json.reader(ref), tools.model.name

    def read_payload(request: HttpRequest) -> dict[str, Any]:
        if not request.body:
            return {}
        _expect(request, "application/json", "application/x-amz-json", "binary/octet-stream")
        return {name: read(parse_json(request.body, service))}

    return read_payload


_RAW_PAYLOADS = ("blob", "string")


def _raw_payload_reader(name: str, kind: str) -> Callable[[HttpRequest], dict[str, Any]]:
    if kind == "blob":
        return lambda request: {name: request.body} if request.body else {}
    return lambda request: {name: _utf8(request.body)} if request.body else {}


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SerializationException("The body is not UTF-8") from None


def _rest_encoder(tools: Compilers, operation: Operation, shape: Shape) -> Encode:
    steps = rest.output_steps(tools.model, shape)
    write_body = _rest_body_writer(tools, shape)
    status = operation.http.response_code
    status_member = next((name for name, ref in shape.members.items() if ref.location == "statusCode"), None)

    def encode(_target: Target, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        headers: Headers = [(b"x-amzn-requestid", request_id.encode())]
        for name, step in steps:
            value = result.get(name)
            if value is not None:
                step(value, headers)
        media_type, body = write_body(result)
        if media_type and not any(name.lower() == b"content-type" for name, _ in headers):
            headers.append((b"content-type", media_type))
        said = result.get(status_member) if status_member is not None else None
        return HttpResponse(said or status, headers, body)

    return encode


BodyWriter = Callable[[Mapping[str, Any]], tuple[bytes, Any]]
_JSON = b"application/json"


def _rest_body_writer(tools: Compilers, shape: Shape) -> BodyWriter:
    if shape.payload is not None:
        return _payload_writer(tools, shape, shape.payload)
    members = {name: ref for name, ref in shape.members.items() if ref.location is None}
    if not members:
        return lambda _result: (b"", b"")
    write = tools.json.structure_writer(members)
    return lambda result: (_JSON, msgspec.json.encode(write(result)))


def _payload_writer(tools: Compilers, shape: Shape, name: str) -> BodyWriter:
    ref = shape.members[name]
    payload = tools.model.shape(ref)
    if payload.eventstream:
        frame = eventstream.compile_event(tools.model, tools.json, ref)
        return lambda result: (eventstream.CONTENT_TYPE, eventstream.body(frame, result.get(name) or ()))
    if payload.type in ("blob", "string"):
        return lambda result: (b"application/octet-stream", _raw(result.get(name)))
    write = tools.json.writer(ref)
    assert write is not None
    return lambda result: (_JSON, msgspec.json.encode(write(result.get(name) or {})))


def _raw(value: Any) -> Any:
    """A streamed payload goes through as the iterator that it is."""
    return value.encode() if isinstance(value, str) else b"" if value is None else value


# -- rest-xml, ec2: read for the policies' sake; backing services answer in them ---------------------------------------


def _rest_xml_decoder(tools: Compilers, operation: Operation, shape: Shape) -> Decode:
    return _with_steps(rest.input_steps(tools.model, operation, shape), _xml_body_reader(tools, shape))


def _xml_body_reader(tools: Compilers, shape: Shape) -> Callable[[HttpRequest], dict[str, Any]]:
    readers = XmlReaders(tools.model)
    if shape.payload is not None:
        name = shape.payload
        kind = tools.model.shape(shape.members[name]).type
        if kind in _RAW_PAYLOADS:
            return _raw_payload_reader(name, kind)
        read = readers.reader(shape.members[name])
        return lambda request: {name: read(parse_xml(request.body))} if request.body else {}
    members = {name: ref for name, ref in shape.members.items() if ref.location is None}
    read_members = readers.structure_reader(members)
    return lambda request: read_members(parse_xml(request.body)) if request.body and members else {}


def _ec2_decoder(tools: Compilers, operation: Operation, shape: Shape) -> Decode:
    read = Ec2FormReaders(tools.model).structure_reader(shape)
    return lambda _target, request: read(form_tree(form_of(request)))


def _no_encoder(tools: Compilers, operation: Operation, shape: Shape) -> Encode:
    def encode(_target: Target, _result: Mapping[str, Any], _request_id: str) -> HttpResponse:
        raise NotImplementedYet(f"Forecourt does not answer in {tools.model.metadata.protocol} ({tools.model.name})")

    return encode


_PROTOCOLS: dict[
    str,
    tuple[Callable[[Compilers, Operation, Shape], Decode], Callable[[Compilers, Operation, Shape], Encode]],
] = {
    "json": (_json_decoder, _json_encoder),
    "rest-json": (_rest_decoder, _rest_encoder),
    "query": (_query_decoder, _query_encoder),
    "smithy-rpc-v2-cbor": (_cbor_decoder, _cbor_encoder),
    "rest-xml": (_rest_xml_decoder, _no_encoder),
    "ec2": (_ec2_decoder, _no_encoder),
}
