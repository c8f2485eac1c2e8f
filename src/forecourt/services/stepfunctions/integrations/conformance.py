"""Whether a mocked result is one that the service could have given, by botocore's model.

    STRICT   every required member is there, and what is there is as the model says (the default)
    PRESENT  what is there is as the model says
    NONE     anything

As the model says: of its type, one of an enumeration's values, and within the model's lengths and ranges. Members that
the model does not know are let through. A `.sync` task gives what the call that watches its job answers, so its mock is
compared with that; what `.waitForTaskToken` gives comes from whoever holds the token, and is anything.
https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from forecourt.services.stepfunctions.asl.jsonpath import compile_path
from forecourt.services.stepfunctions.asl.machine import Resource
from forecourt.services.stepfunctions.integrations.casing import pascal
from forecourt.services.stepfunctions.integrations.jobs import WATCHED
from forecourt.services.stepfunctions.integrations.naming import botocore_service, java_name, operation_model
from forecourt.services.stepfunctions.integrations.optimized import operation_of

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

# The results of these are Step Functions' own: no service's model describes them.
_UNMODELED = ("apigateway", "http")
_NUMBERS = ("integer", "long", "float", "double")
_TYPES: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "structure": ("an object", dict),
    "map": ("an object", dict),
    "list": ("an array", list),
    "string": ("a string", str),
    "blob": ("a string", str),
    "timestamp": ("a string", str),
    "character": ("a string", str),
    "boolean": ("a boolean", bool),
    **dict.fromkeys(_NUMBERS, ("a number", (int, float))),
}


class _Manner(NamedTuple):
    strict: bool
    spell: Callable[[str], str]


class Unlike(Exception):
    """The result is not what the model says; its text is AWS's."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Mock result schema validation error: {what}")


def check_result(resource: Resource, result: Any, mode: str) -> None:
    """Raises `Unlike`."""
    shape = _shape(resource) if mode != "NONE" else None
    if shape is not None:
        spell = java_name if resource.service.startswith("aws-sdk:") else pascal
        _check(shape, result, "result", _Manner(mode == "STRICT", spell))


def _shape(resource: Resource) -> Any:
    """What the result is like; None where there is nothing to compare with."""
    if resource.kind != "service" or resource.service in _UNMODELED or resource.pattern == "waitForTaskToken":
        return None
    if resource.pattern == "request":
        operation = _operation(resource)
        return operation.output_shape if operation is not None else None
    return _watched_shape(resource)


def _operation(resource: Resource) -> OperationModel | None:
    if not resource.service.startswith("aws-sdk:"):
        return operation_of(resource.service, resource.action)
    service = botocore_service(resource.service.removeprefix("aws-sdk:"))
    return operation_model(service, resource.action) if service else None


def _watched_shape(resource: Resource) -> Any:
    """What the call that watches a job answers, or the part of it that becomes the result."""
    if resource.service == "states":
        # `.sync:2` has the output as JSON, where the model has text
        operation = operation_of("states", "describeExecution") if resource.pattern == "sync" else None
        return operation.output_shape if operation is not None else None
    watched = WATCHED.get((resource.service, resource.action))
    operation = operation_of(resource.service, watched.describe) if watched is not None else None
    if operation is None or watched is None:
        return None
    shape: Any = operation.output_shape
    for key in compile_path(watched.result).keys:
        shape = shape.member if isinstance(key, int) else _members(shape, pascal)[str(key)]
    return shape


def _check(shape: Shape, value: Any, name: str, manner: _Manner) -> None:
    if getattr(shape, "is_document_type", False) or shape.type_name not in _TYPES:
        return
    described, types = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and shape.type_name != "boolean"):
        raise Unlike(f"Field '{name}' must be {described}")
    _check_value(shape, value, name)
    for inner, item, member in _within(shape, value, name, manner):
        _check(inner, item, member, manner)


def _check_value(shape: Any, value: Any, name: str) -> None:
    """Enumerations, ranges, lengths, and the form of a time."""
    if getattr(shape, "enum", None) and value not in shape.enum:
        raise Unlike(f"Field '{name}' is not an expected value")
    if shape.type_name == "timestamp" and not _is_moment(value):
        raise Unlike(f"Field '{name}' is not a valid timestamp")
    limits = shape.metadata
    if shape.type_name in _NUMBERS:
        if "min" in limits and value < limits["min"]:
            raise Unlike(f"Field '{name}' is less than the minimum value")
        if "max" in limits and value > limits["max"]:
            raise Unlike(f"Field '{name}' exceeds the maximum value")
    elif shape.type_name in ("string", "blob", "list", "map"):
        if len(value) < limits.get("min", 0):
            raise Unlike(f"Field '{name}' is smaller than the minimum length")
        if "max" in limits and len(value) > limits["max"]:
            raise Unlike(f"Field '{name}' exceeds the maximum length")


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _members(shape: Any, spell: Callable[[str], str]) -> dict[str, Any]:
    """By their names in a state's JSON."""
    return {spell(name): member for name, member in shape.members.items()}


def _within(shape: Any, value: Any, name: str, manner: _Manner) -> list[tuple[Any, Any, str]]:
    """What a value consists of: (shape, value, name)."""
    match shape.type_name:
        case "list":
            return [(shape.member, item, name) for item in value]
        case "map":
            return [(shape.value, item, key) for key, item in value.items()]
        case "structure":
            members = _members(shape, manner.spell)
            required = [manner.spell(member) for member in shape.required_members]
            missing = [member for member in required if member not in value]
            if manner.strict and missing:
                raise Unlike(f"Required field '{missing[0]}' is missing")
            return [(members[key], item, key) for key, item in value.items() if key in members]
    return []
