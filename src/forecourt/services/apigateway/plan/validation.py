"""Request validation: required parameters, and the body against the model of its content type (JSON schema draft 4).

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.ports import Handler
from forecourt.services.apigateway.rest import schemas
from forecourt.services.apigateway.rest.model import Method, Model, RequestValidator

# A schema's check of a document: what is wrong with it, in AWS's words; empty where nothing is.
Check = Callable[[Any], list[str]]
_MOST_REPORTED = 20


def validating(handler: Handler, validator: RequestValidator, method: Method, models: Sequence[Model]) -> Handler:
    if validator.validate_request_parameters:
        required = [name for name, is_required in (method.request_parameters or {}).items() if is_required]
        if required:
            handler = _with_parameters(handler, required)
    if validator.validate_request_body and method.request_models:
        by_name = {model.name: model.schema for model in models}
        checks = {
            content_type.lower(): _compile(by_name.get(name), by_name)
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
            try:
                document = msgspec.json.decode(body or b"{}")
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _invalid(["failed to parse body"]) from error
            if wrong := check(document):
                raise _invalid(wrong)
        return await handler(request)

    return validate


def _invalid(wrong: list[str]) -> GatewayError:
    return GatewayError("BAD_REQUEST_BODY", validation_errors=f"[{', '.join(wrong[:_MOST_REPORTED])}]")


def _compile(schema: str | None, models: Mapping[str, str | None]) -> Check | None:
    """Models that refer to one another are resolved here; a reference to anywhere else resolves to nothing."""
    if schema is None:
        return None
    # Only APIs that validate bodies pay for these.
    from jsonschema import Draft4Validator
    from jsonschema.exceptions import ValidationError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    document = schemas.flatten(json.loads(schema), models)
    if not isinstance(document, dict):
        return None
    document.pop("$schema", None)
    validator = Draft4Validator(document, registry=Registry())

    def check(value: Any) -> list[str]:
        try:
            errors: list[ValidationError] = list(validator.iter_errors(value))
        except Unresolvable:
            return []
        return [_wording(error) for error in errors]

    return check


def _wording(error: Any) -> str:
    """What AWS's validator says, which reaches a client only by `$context.error.validationErrorString`."""
    word = _WORDS.get(error.validator)
    return word(error) if word is not None else str(error.message)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _type_of(value: Any) -> str:
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "required": lambda e: (
        "object has missing required properties "
        f"({_json([name for name in e.validator_value if name not in e.instance])})"
    ),
    "type": lambda e: (
        f"instance type ({_type_of(e.instance)}) does not match any allowed primitive type "
        f"(allowed: {_json(_listed(e.validator_value))})"
    ),
    "enum": lambda e: (
        f"instance value ({_json(e.instance)}) not found in enum (possible values: {_json(e.validator_value)})"
    ),
    "minimum": lambda e: (
        f"numeric instance is lower than the required minimum (minimum: {e.validator_value}, found: {e.instance})"
    ),
    "maximum": lambda e: (
        f"numeric instance is greater than the required maximum (maximum: {e.validator_value}, found: {e.instance})"
    ),
    "minLength": lambda e: (
        f"string {_json(e.instance)} is too short (length: {len(e.instance)}, required minimum: {e.validator_value})"
    ),
    "maxLength": lambda e: (
        f"string {_json(e.instance)} is too long (length: {len(e.instance)}, maximum allowed: {e.validator_value})"
    ),
    "pattern": lambda e: f"ECMA 262 regex {_json(e.validator_value)} does not match input string {_json(e.instance)}",
    "minItems": lambda e: (
        f"array is too short: must have at least {e.validator_value} elements but instance has "
        f"{len(e.instance)} elements"
    ),
    "maxItems": lambda e: (
        f"array is too long: must have at most {e.validator_value} elements but instance has {len(e.instance)} elements"
    ),
    "additionalProperties": lambda e: (
        "object instance has properties which are not allowed by the schema: "
        f"{_json(sorted(set(e.instance) - set(e.schema.get('properties', {}))))}"
    ),
}
