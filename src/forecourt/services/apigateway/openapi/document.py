"""An OpenAPI document as data: JSON or YAML, with its local references resolved on demand."""

from __future__ import annotations

import json
from typing import Any, TypeAlias, TypeVar

import msgspec

from forecourt.services.apigateway.openapi.yaml_text import read_yaml
from forecourt.services.apigateway.rest.errors import BadRequestException

Json: TypeAlias = dict[str, Any]

HTTP_METHODS = ("get", "put", "post", "delete", "patch", "options", "head")
ANY_METHOD = "x-amazon-apigateway-any-method"
EXTENSION = "x-amazon-apigateway-"
_LONGEST_CHAIN = 20


def parse(body: bytes, refusal: str) -> Json:
    """Raises BadRequestException with `refusal` where `body` is neither a JSON nor a YAML object."""
    import yaml

    try:
        document = _load(body)
    except (ValueError, TypeError, yaml.YAMLError, RecursionError):
        raise BadRequestException(refusal) from None
    if not isinstance(document, dict):
        raise BadRequestException(refusal)
    return document


def _load(body: bytes) -> Any:
    text = body.decode("utf-8-sig")
    if text.lstrip()[:1] == "{":
        return json.loads(text, parse_int=lambda digits: _number(int(digits)))
    return _plain(read_yaml(text))


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return _number(node) if isinstance(node, int) else node


def _number(value: int) -> int | float:
    """An integer of more than 64 bits is kept as a number of its size: nothing here counts that far."""
    return value if -(2**63) <= value < 2**63 else float(value)


def is_swagger(document: Json) -> bool:
    return str(document.get("swagger", "")).startswith("2.")


def is_openapi(document: Json) -> bool:
    return str(document.get("openapi", "")).startswith("3.")


def resolve(document: Json, node: Any) -> Json:
    """`node`, or what its `$ref` points at within the document; an empty object where that is nothing."""
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(node, dict):
            return {}
        if "$ref" not in node:
            return node
        node = _pointed_at(document, str(node["$ref"]))
    return {}


def _pointed_at(document: Json, reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node


S = TypeVar("S", bound=msgspec.Struct)


def checked(built: S, what: str) -> S:
    """`built` of a document's values, if those are of the right types: building one does not look at them."""
    return shaped(msgspec.to_builtins(built), type(built), what)


def shaped(value: Any, kind: type[S], what: str) -> S:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadRequestException(f"Errors found during import:\n\tInvalid {what} specified: {error}") from None


def obj(value: Any) -> Json:
    """`value` where it is an object, else an empty one: documents leave out, and get wrong, what they like."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    return [item for item in items(value) if isinstance(item, str)]


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
