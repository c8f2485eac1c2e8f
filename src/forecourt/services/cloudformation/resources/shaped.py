"""Properties as parameters of an operation, by its model.

A property and the parameter that it becomes have the same name but for case (`RestApiId`, `restApiId`); CloudFormation
takes text for numbers and booleans, objects where a service wants JSON text, and a list of keys and values for tags
where a service has a map. What the operation has no member for is left out at the top, where other calls take it.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.template.parameters import as_text

if TYPE_CHECKING:
    from botocore.model import Shape


@functools.lru_cache(maxsize=1)
def _session() -> Any:
    # Imported when a stack is first worked on: a start does not wait for it.
    import botocore.session

    return botocore.session.get_session()


@functools.lru_cache(maxsize=64)
def _model(service: str) -> Any:
    return _session().get_service_model(service)


def parameters(service: str, operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the operation takes. Raises `ResourceFailed` for a value that is not what it takes."""
    members = _members(_model(service).operation_model(operation).input_shape)
    known = {name: value for name, value in properties.items() if name.lower() in members}
    return _structure(members, known, "")


def unknown(service: str, operation: str, properties: Mapping[str, Any]) -> set[str]:
    """The properties that the operation has no member for."""
    members = _members(_model(service).operation_model(operation).input_shape)
    return {name for name in properties if name.lower() not in members}


def has_member(service: str, operation: str, name: str) -> bool:
    shape = _model(service).operation_model(operation).input_shape
    return shape is not None and name in shape.members


def _members(shape: Any) -> dict[str, tuple[str, Any]]:
    return {name.lower(): (name, member) for name, member in shape.members.items()} if shape is not None else {}


def _structure(members: Mapping[str, tuple[str, Any]], value: Mapping[str, Any], where: str) -> dict[str, Any]:
    found = {}
    for name, item in value.items():
        member = members.get(name.lower())
        if member is None:
            raise ResourceFailed(f"Forecourt does not know what to do with #{where}/{name}")
        if item is not None:
            spelt, inner = member
            found[spelt] = _value(inner, item, f"{where}/{name}")
    return found


def _value(shape: Shape, value: Any, where: str) -> Any:
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            if getattr(shape, "is_document_type", False):
                return value
            return _structure(_members(shape), value, where)
        case "list" if isinstance(value, list):
            return [_value(shape.member, item, f"{where}/{index}") for index, item in enumerate(value)]  # type: ignore[attr-defined]
        case "list" if isinstance(value, str):
            return [_value(shape.member, value, where)]  # type: ignore[attr-defined]
        case "map" if isinstance(value, Mapping):
            return {key: _value(shape.value, item, f"{where}/{key}") for key, item in value.items()}  # type: ignore[attr-defined]
        case "map" if _is_tags(value):
            return {tag["Key"]: as_text(tag["Value"]) for tag in value}
        case "string" | "blob" | "timestamp":
            return _text(shape, value)
        case "boolean" | "integer" | "long" | "float" | "double":
            return _scalar(shape.type_name, value, where)
    raise ResourceFailed(f"Properties validation failed with message: #{where}: expected type: {_kind(shape)}")


def _is_tags(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(tag, Mapping) and {"Key", "Value"} <= set(tag) for tag in value)


def _text(shape: Shape, value: Any) -> Any:
    if isinstance(value, Mapping | list):
        value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = as_text(value)
    return base64.b64decode(text) if shape.type_name == "blob" else text


def _scalar(kind: str, value: Any, where: str) -> Any:
    try:
        if kind == "boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, bool | Mapping | list):
            raise ValueError
        return float(value) if kind in ("float", "double") else int(value)
    except (KeyError, ValueError):
        raise ResourceFailed(
            f"Properties validation failed with message: #{where}: expected type: {kind.capitalize()}, found: "
            f"{type(value).__name__}"
        ) from None


def _kind(shape: Shape) -> str:
    return {"structure": "JSONObject", "map": "JSONObject", "list": "JSONArray"}.get(shape.type_name, shape.type_name)


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
