"""The client's side of AWS's protocols, for calls from inside: parameters -> request, answer -> result.

botocore's serializers and parsers without its clients: no session, no credentials, no endpoint rules. Buckets go by the
path.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

import botocore.loaders
import msgspec
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from forecourt.base.errors import RemoteError, UnknownOperation
from forecourt.services.backing.errors import InvalidRequest
from forecourt.services.backing.message import Request, Response, operation_of

_SPOKEN = ("json", "query", "rest-json", "rest-xml", "ec2", "smithy-rpc-v2-cbor")


@cache
def _loader() -> Any:
    return botocore.loaders.Loader()


@cache
def service_model(service: str) -> ServiceModel:
    """Raises `UnknownOperation`."""
    try:
        return ServiceModel(_loader().load_service_model(service, "service-2"), service)
    except UnknownServiceError:
        raise UnknownOperation(f"There is no AWS service {service!r}") from None


def operation_model(service: str, operation: str) -> OperationModel:
    """Raises `UnknownOperation`."""
    try:
        return service_model(service).operation_model(operation)
    except OperationNotFoundError:
        raise UnknownOperation(f"{service} has no operation {operation!r}") from None


def signing_name(service: str) -> str:
    return str(service_model(service).signing_name)


@cache
def _protocol(service: str) -> str:
    """One that moto and every emulator speak: JSON or query before CBOR."""
    metadata = service_model(service).metadata
    offered = metadata.get("protocols") or [metadata["protocol"]]
    return next(name for name in _SPOKEN if name in offered)


def missing(operation: OperationModel, params: Mapping[str, Any]) -> str:
    """What the model finds wrong with the parameters, or ""."""
    if operation.input_shape is None:
        return ""
    report = ParamValidator().validate(params, operation.input_shape)
    return str(report.generate_report()) if report.has_errors() else ""


def serialize(
    service: str, operation: str, params: Mapping[str, Any], *, account: str, region: str, host: str
) -> Request:
    """Raises `UnknownOperation`, `InvalidRequest`."""
    found = operation_model(service, operation)
    wrong = missing(found, params)
    if wrong:
        raise InvalidRequest(wrong)
    sent: dict[str, Any] = create_serializer(_protocol(service)).serialize_to_request(dict(params), found)
    body = sent["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    elif hasattr(body, "read"):
        body = body.read()
    path, _, fixed_query = str(sent["url_path"]).partition("?")
    query = "&".join(part for part in (fixed_query, urlencode(sent["query_string"] or {}, doseq=True)) if part)
    headers = [(name.lower().encode(), str(value).encode()) for name, value in sent["headers"].items()]
    headers.append((b"host", host.encode()))
    return Request(
        service=service,
        account=account,
        region=region,
        method=sent["method"],
        raw_path=path.encode(),
        query_string=query.encode(),
        headers=headers,
        body=bytes(body, "utf-8") if isinstance(body, str) else bytes(body),
    )


def parse(service: str, operation: str, response: Response) -> dict[str, Any]:
    """The modeled output, with a streamed body as bytes. Raises `RemoteError`."""
    found = operation_model(service, operation)
    shape: Any = found.output_shape
    streams = found.has_streaming_output and response.status < 300
    raw = {
        "status_code": response.status,
        "headers": _Headers(response),
        "body": io.BytesIO(response.body) if streams else response.body,
    }
    parsed: dict[str, Any] = create_parser(_protocol(service)).parse(raw, shape)
    parsed.pop("ResponseMetadata", None)
    if response.status >= 300:
        raise _error(service, parsed, response)
    return {name: value.read() if isinstance(value, io.BytesIO) else value for name, value in parsed.items()}


def _error(service: str, parsed: dict[str, Any], response: Response) -> RemoteError:
    error = parsed.pop("Error", {})
    code, message = error.get("Code") or str(response.status), error.get("Message") or ""
    shape: Any = next((shape for shape in service_model(service).error_shapes if _code(shape) == code), None)
    members: dict[str, Any] = {}
    if shape is not None:
        raw = {"status_code": 200, "headers": _Headers(response), "body": response.body}
        members = create_parser(_protocol(service)).parse(raw, shape)
    for name in ("ResponseMetadata", "message", "Message"):
        members.pop(name, None)
    return RemoteError(code, message, response.status, **members)


def _code(error_shape: Any) -> str:
    return str(error_shape.error_code)


class _Headers(dict[str, str]):
    """Names in lower case, found in any."""

    def __init__(self, response: Response) -> None:
        super().__init__((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers)

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())


def mistakes(request: Request) -> str:
    """What the model finds wrong with a request of the json protocols, or ""."""
    if request.service not in _loader().list_available_services("service-2") or _protocol(request.service) != "json":
        return ""
    try:
        operation = service_model(request.service).operation_model(operation_of(request))
        params = msgspec.json.decode(request.body or b"{}")
    except (OperationNotFoundError, ValueError, RecursionError) as error:
        return str(error)
    return missing(operation, params)
