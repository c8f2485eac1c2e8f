"""botocore is the oracle: what its client sends, ours decodes to the same; what ours encodes, its parser reads back.

Every operation of every service that Forecourt has, whether implemented or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from forecourt.base.errors import RemoteError
from forecourt.wire import HttpRequest, HttpResponse, Target, decode, encode, encode_error, resolve
from forecourt.wire.codecs import codec
from forecourt.wire.models import model

from .generate import Generator, Unsatisfiable

OWN = (
    "apigateway",
    "apigatewayv2",
    "apigatewaymanagementapi",
    "cognito-idp",
    "cognito-identity",
    "stepfunctions",
    "lambda",
    "iam",
    "sts",
    "pinpoint",
    "logs",
    "cloudwatch",
)
Answer = Callable[[HttpRequest], HttpResponse]


class Raw:
    """What botocore's HTTP session would have read from the network."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, amount: int | None = None) -> bytes:
        out, self.body = (self.body, b"") if amount is None else (self.body[:amount], self.body[amount:])
        return out

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        body = self.read()
        if body:
            yield body

    def close(self) -> None:
        self.body = b""


def captured(request: Any) -> HttpRequest:
    url = urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    headers = [(b"host", url.netloc.encode())]
    for name, value in request.headers.items():
        headers.append((name.lower().encode(), value if isinstance(value, bytes) else str(value).encode()))
    data = body.encode() if isinstance(body, str) else bytes(body)
    return HttpRequest(request.method, url.path.encode(), url.query.encode(), headers, data)


class Client:
    """A boto client whose network is a function."""

    def __init__(self, service: str) -> None:
        session = botocore.session.get_session()
        self.boto = session.create_client(
            service,
            region_name="eu-west-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            endpoint_url=None if service != "apigatewaymanagementapi" else "http://x.execute-api.localhost/stage",
            config=Config(retries={"max_attempts": 0}, disable_request_compression=True),
        )
        self.answer: Answer
        self.boto.meta.events.register("before-send", self._send)

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        response = self.answer(captured(request))
        assert isinstance(response.body, bytes)
        headers = {name.decode(): value.decode() for name, value in response.headers}
        return AWSResponse(request.url, response.status, _Folded(headers), Raw(response.body))

    def call(self, operation: str, params: dict[str, Any], answer: Answer) -> Any:
        self.answer = answer
        return self.boto._make_api_call(operation, params)


class _Folded(dict[str, str]):
    """urllib3's headers: names in any case."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)


@cache
def client(service: str) -> Client:
    return Client(service)


def plain(value: Any) -> Any:
    """What a parser returned, with its streams read."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "read"):
        return value.read()
    if type(value).__name__ == "EventStream":
        return [plain(event) for event in value]
    return value


def operations() -> list[tuple[str, str]]:
    return [(service, name) for service in OWN for name in sorted(model(service).operations)]


def shapes(service: str, operation: str) -> Any:
    return client(service).boto.meta.service_model.operation_model(operation)


def generated_result(operation: Any, generator: Generator) -> dict[str, Any]:
    output = operation.output_shape
    if output is None:
        return {}
    result: dict[str, Any] = generator.value(output)
    for name, member in output.members.items():
        if member.serialization.get("eventstream"):
            result[name] = [
                {event: generator.value(shape)}
                for event, shape in member.members.items()
                if not shape.metadata.get("exception")
            ]
        elif member.serialization.get("location") == "statusCode":
            result[name] = 202
    return result


def expected_result(operation: Any, result: dict[str, Any]) -> Any:
    """As botocore's own handlers change it: IAM's policy documents come decoded."""
    return _decoded_policies(operation.output_shape, result) if operation.output_shape is not None else {}


def _decoded_policies(shape: Any, value: Any) -> Any:
    if shape.serialization.get("eventstream"):
        return [_decoded_policies(shape, event) for event in value] if isinstance(value, list) else value
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return {name: _decoded_policies(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [_decoded_policies(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: _decoded_policies(shape.value, item) for key, item in value.items()}
    if shape.name == "policyDocumentType":
        return {"Version": "2012-10-17", "Statement": []}
    return value


@pytest.mark.parametrize("service", OWN)
def test_what_botocore_sends_is_decoded_to_the_same_and_what_is_encoded_is_parsed_to_the_same(service: str) -> None:
    for name in sorted(model(service).operations):
        operation = shapes(service, name)
        for variant in ("full", "full again", "required"):
            generator = Generator(f"{service} {name} {variant}")
            shape = operation.input_shape
            params: dict[str, Any] = {}
            if shape is not None:
                params = generator.required(shape) if variant == "required" else generator.value(shape)
            result = generated_result(operation, generator)
            seen: list[tuple[Target, dict[str, Any]]] = []

            def answer(request: HttpRequest, result: Any = result, seen: Any = seen) -> HttpResponse:
                target = resolve(request)
                seen.append((target, decode(target, request)))
                return encode(target, result, "request-1")

            parsed = client(service).call(name, params, answer)
            target, decoded = seen[0]
            assert (target.service, target.operation, target.region) == (service, name, _region(service))
            assert {key: item for key, item in decoded.items() if not _filled_in(shape, key, item, params)} == params, (
                name
            )
            assert plain(parsed) == expected_result(operation, result), name
            assert parsed["ResponseMetadata"]["RequestId"] == "request-1"


def _filled_in(shape: Any, key: str, value: Any, params: dict[str, Any]) -> bool:
    """botocore adds a token, the media type that it accepts, and `{}` for a payload that is not there."""
    member = shape.members[key]
    own = member.metadata.get("idempotencyToken") or member.serialization.get("name") == "Accept"
    return key not in params and (bool(own) or (shape.serialization.get("payload") == key and value == {}))


@pytest.mark.parametrize("protocol", ["json", "query"])
def test_cloudwatch_answers_in_its_older_protocols_too(protocol: str) -> None:
    serializer, parser = create_serializer(protocol), create_parser(protocol)
    for name in sorted(model("cloudwatch").operations):
        operation = shapes("cloudwatch", name)
        generator = Generator(f"cloudwatch {protocol} {name}")
        params = generator.value(operation.input_shape) if operation.input_shape is not None else {}
        # A structure without members, which a form has no way to say.
        params.pop("EvaluationWindow", None)
        result = generated_result(operation, generator)
        sent: Any = serializer.serialize_to_request(params, operation)
        body = urlencode(sent["body"]).encode() if protocol == "query" else sent["body"]
        headers = [(key.lower().encode(), value.encode()) for key, value in sent["headers"].items()]
        headers.append((b"host", b"monitoring.eu-west-1.localhost:4566"))
        request = HttpRequest("POST", b"/", b"", headers, body)
        target = resolve(request)
        assert (target.service, target.operation, target.protocol) == ("cloudwatch", name, protocol)
        assert decode(target, request) == params, name
        response = encode(target, result, "request-1")
        if operation.output_shape is not None:
            wire_headers = {key.decode(): value.decode() for key, value in response.headers}
            parsed = parser.parse(
                {"status_code": 200, "headers": wire_headers, "body": response.body}, operation.output_shape
            )
            assert plain(parsed) == result, name


def _region(service: str) -> str:
    return "us-east-1" if service == "iam" else "eu-west-1"


@pytest.mark.parametrize("service", OWN)
def test_every_modeled_error_is_parsed_to_its_code_message_and_members(service: str) -> None:
    seen: set[str] = set()
    for name in sorted(model(service).operations):
        operation = shapes(service, name)
        for shape in operation.error_shapes:
            if shape.name not in seen:
                seen.add(shape.name)
                _check_error(service, operation, shape)
    assert seen


def _check_error(service: str, operation: Any, shape: Any) -> None:
    generator = Generator(f"{service} {shape.name}")
    members = generator.value(shape)
    message = members.pop("message", members.pop("Message", "what is wrong: <é>"))

    def answer(request: HttpRequest) -> HttpResponse:
        return encode_error(resolve(request), RemoteError(shape.name, message, 400, **members), "request-2")

    params = generator.value(operation.input_shape) if operation.input_shape is not None else {}
    with pytest.raises(ClientError) as caught:
        client(service).call(operation.name, params, answer)
    response: Any = caught.value.response
    trait = shape.metadata.get("error", {})
    assert response["Error"]["Code"] == trait.get("code", shape.name)
    assert response["Error"]["Message"] == message
    assert response["ResponseMetadata"]["RequestId"] == "request-2"
    expected_status = trait.get("httpStatusCode") or (500 if model(service).shapes[shape.name].fault else 400)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == expected_status
    for key, value in members.items():
        assert plain(response[key]) == value, (shape.name, key)
    assert isinstance(caught.value, client(service).boto.exceptions.from_code(response["Error"]["Code"]))


@pytest.mark.parametrize("service", ["s3", "s3control", "route53", "cloudfront", "ec2"])
def test_requests_of_backing_services_in_other_protocols_are_read_too(service: str) -> None:
    boto = client(service).boto.meta.service_model
    serializer = create_serializer(boto.metadata["protocol"])
    checked = 0
    for name in sorted(model(service).operations)[:300]:
        operation = boto.operation_model(name)
        if operation.input_shape is None or operation.has_event_stream_input or name in AMBIGUOUS:
            continue
        try:
            params = _sayable(operation.input_shape, Generator(f"{service} {name}").value(operation.input_shape))
        except Unsatisfiable:
            continue
        # In the model a string; botocore's client makes it a time.
        params.pop("Expires", None)
        try:
            sent: Any = serializer.serialize_to_request(params, operation)
        except ParamValidationError:
            # An empty structure that is required.
            continue
        body = urlencode(sent["body"]).encode() if isinstance(sent["body"], dict) else sent["body"]
        headers = [(key.lower().encode(), value.encode()) for key, value in sent["headers"].items()]
        query = urlencode(sent["query_string"] or {}, doseq=True)
        path, _, more = sent["url_path"].partition("?")
        query = "&".join(part for part in (more, query) if part)
        headers.append((b"authorization", f"Credential=A/20260101/eu-west-1/{boto.signing_name}/aws4_request".encode()))
        request = HttpRequest(sent["method"], path.encode(), query.encode(), headers, body)
        target = resolve(request)
        assert target.service == service
        if target.operation == name:
            decoded = codec(service, name, target.protocol).decode(target, request)
            assert decoded == params, name
            checked += 1
    assert checked > 20


# Two members under one name (long deprecated).
AMBIGUOUS = {"PutBucketNotification"}


def _sayable(shape: Any, value: Any) -> Any:
    """Without what these protocols cannot say: empty structures, lists and maps; attributes of XML."""
    if shape.type_name == "structure":
        members = {
            name: _sayable(shape.members[name], item)
            for name, item in value.items()
            if not shape.members[name].serialization.get("xmlAttribute")
        }
        return {name: item for name, item in members.items() if item not in ({}, [])}
    if shape.type_name == "list":
        return [item for item in (_sayable(shape.member, item) for item in value) if item != {}]
    if shape.type_name == "map":
        return {key: _sayable(shape.value, item) for key, item in value.items()}
    return value
