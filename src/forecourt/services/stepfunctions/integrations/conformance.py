"""Whether a mocked result is one that the service could have given, by botocore's model.

    STRICT   every required member is there, and what is there has the model's type (the default)
    PRESENT  what is there has the model's type
    NONE     anything

Members that the model does not know are let through: a service may be newer than the model. The optimized integrations
of Lambda, API Gateway and HTTP shape results of their own, and a nested execution's output is JSON or text by the
pattern: there is no model to compare them with.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_MockInput.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.services.stepfunctions.asl.machine import Resource
from forecourt.services.stepfunctions.integrations.casing import pascal
from forecourt.services.stepfunctions.integrations.naming import botocore_service, operation_model
from forecourt.services.stepfunctions.integrations.optimized import operation_of

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

_UNMODELED = ("lambda", "apigateway", "http", "states")
_TYPES: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "structure": ("an object", dict),
    "map": ("an object", dict),
    "list": ("an array", list),
    "string": ("a string", str),
    "blob": ("a string", str),
    "timestamp": ("a string", str),
    "character": ("a string", str),
    "boolean": ("a boolean", bool),
    "integer": ("a number", (int, float)),
    "long": ("a number", (int, float)),
    "float": ("a number", (int, float)),
    "double": ("a number", (int, float)),
}


class Unlike(Exception):
    """The result is not what the model says; its text is AWS's."""


def check_result(resource: Resource, result: Any, mode: str) -> None:
    """Raises `Unlike`."""
    operation = _operation(resource) if mode != "NONE" else None
    if operation is not None and operation.output_shape is not None:
        _check(operation.output_shape, result, "result", strict=mode == "STRICT")


def _operation(resource: Resource) -> OperationModel | None:
    """None where there is nothing to compare with: what a job's `.sync` gives is another operation's answer."""
    if resource.kind != "service" or resource.service in _UNMODELED or resource.pattern != "request":
        return None
    if not resource.service.startswith("aws-sdk:"):
        return operation_of(resource.service, resource.action)
    service = botocore_service(resource.service.removeprefix("aws-sdk:"))
    return operation_model(service, resource.action) if service else None


def _check(shape: Shape, value: Any, name: str, *, strict: bool) -> None:
    if getattr(shape, "is_document_type", False) or shape.type_name not in _TYPES:
        return
    described, types = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and shape.type_name != "boolean"):
        raise Unlike(f"Mock result schema validation error: Field '{name}' must be {described}")
    for inner, item, member in _within(shape, value, name, strict=strict):
        _check(inner, item, member, strict=strict)


def _within(shape: Any, value: Any, name: str, *, strict: bool) -> list[tuple[Any, Any, str]]:
    """What a value consists of: (shape, value, name)."""
    match shape.type_name:
        case "list":
            return [(shape.member, item, name) for item in value]
        case "map":
            return [(shape.value, item, key) for key, item in value.items()]
        case "structure":
            members = {pascal(member): inner for member, inner in shape.members.items()}
            missing = [pascal(member) for member in shape.required_members if pascal(member) not in value]
            if strict and missing:
                raise Unlike(f"Mock result schema validation error: Required field '{missing[0]}' is missing")
            return [(members[key], item, key) for key, item in value.items() if key in members]
    return []
