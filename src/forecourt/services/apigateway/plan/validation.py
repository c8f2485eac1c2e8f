"""Request validation: required parameters, and the body against the model of its content type (JSON schema draft 4).

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.services.apigateway.plan.json_schema import Check, compile_schema
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.services.apigateway.rest.model import Method, Model, RequestValidator

# A larger body is validated in a thread.
_AT_ONCE_BYTES = 64 * 1024
# So long may a model's patterns be matched with a body.
_PATTERNS_SECONDS = 0.02
_PATTERNS_SECONDS_PER_BYTE = 2e-7


def validating(handler: Handler, validator: RequestValidator, method: Method, models: Sequence[Model]) -> Handler:
    if validator.validate_request_parameters:
        required = [name for name, is_required in (method.request_parameters or {}).items() if is_required]
        if required:
            handler = _with_parameters(handler, required)
    if validator.validate_request_body and method.request_models:
        by_name = {model.name: model.schema for model in models}
        checks = {
            content_type.lower(): compile_schema(by_name.get(name), by_name)
            for content_type, name in method.request_models.items()
        }
        handler = _with_body(handler, checks)
    return handler


def _with_parameters(handler: Handler, required: list[str]) -> Handler:
    wanted = [parameter.removeprefix("method.request.").partition(".")[::2] for parameter in required]

    async def validate(request: MethodRequest) -> MethodResponse:
        missing = [name for place, name in wanted if not _PRESENT[place](request, name)]
        if missing:
            raise GatewayError("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]")
        return await handler(request)

    return validate


def _in_query(request: MethodRequest, name: str) -> bool:
    """There, and not empty."""
    for pair in request.raw_query.decode("latin-1").split("&"):
        key, _, value = pair.partition("=")
        if value and unquote(key.replace("+", " ")) == name:
            return True
    return False


_PRESENT: Mapping[str, Callable[[MethodRequest, str], bool]] = {
    "header": lambda request, name: bool(request.header(name.lower().encode())),
    "querystring": _in_query,
    "path": lambda request, name: bool(request.raw_path_parameters.get(name)),
}


def _with_body(handler: Handler, checks: Mapping[str, Check | None]) -> Handler:
    async def validate(request: MethodRequest) -> MethodResponse:
        content_type = (request.header(b"content-type") or b"application/json").split(b";")[0].strip().lower()
        check = checks.get(content_type.decode("latin-1")) or checks.get("$default")
        if check is not None:
            body = await request.body.read()
            if len(body) <= _AT_ONCE_BYTES:
                _need_valid(check, body)
            else:
                await asyncio.to_thread(_need_valid, check, body)
        return await handler(request)

    return validate


def _need_valid(check: Check, body: bytes) -> None:
    """Raises `GatewayError`."""
    try:
        document = msgspec.json.decode(body or b"{}")
        wrong = check(document, _PATTERNS_SECONDS + len(body) * _PATTERNS_SECONDS_PER_BYTE)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(["failed to parse body"]) from error
    except TimeoutError as error:
        raise _invalid(["a pattern takes too long to match"]) from error
    except ValueError as error:
        raise configuration_error(str(error)) from error
    if wrong:
        raise _invalid(wrong)


def _invalid(wrong: list[str]) -> GatewayError:
    return GatewayError("BAD_REQUEST_BODY", validation_errors=f"[{', '.join(wrong)}]")
