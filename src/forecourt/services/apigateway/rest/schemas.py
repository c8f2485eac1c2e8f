"""A model's JSON schema: AWS's rules, references to other models, and the template that `GetModelTemplate` makes of it.

A model names another one by its URL, `https://apigateway.amazonaws.com/restapis/{api}/models/{name}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from forecourt.services.apigateway.patterns import compile_pattern
from forecourt.services.apigateway.rest.errors import BadRequestException

if TYPE_CHECKING:
    from jsonschema import Draft4Validator

_REFERENCE = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/([a-zA-Z0-9]+)")


def reference(rest_api_id: str, name: str) -> str:
    return f"https://apigateway.amazonaws.com/restapis/{rest_api_id}/models/{name}"


def need_schema(schema: str | None, exists: Callable[[str], bool]) -> None:
    """`exists` says whether the API has a model of that name."""
    if not schema or not schema.strip():
        raise BadRequestException("Model schema must have at least 1 property or array items defined")
    try:
        parsed = json.loads(schema)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or not _is_schema(parsed):
        raise _invalid("Invalid model schema specified")
    if not parsed:
        raise BadRequestException("Model schema must have at least 1 property or array items defined")
    for name in referenced(parsed):
        if not exists(name):
            raise _invalid(f"Invalid model reference specified: {name}")


# What JSON schema draft 4 forbids for tidiness, and what works all the same: `"required": []`
_TIDINESS = ("minItems", "uniqueItems")


@cache
def _meta_schema() -> Draft4Validator:
    # Not imported before a model is made: a start would wait for it.
    from jsonschema import Draft4Validator, FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("regex", raises=ValueError)(_is_pattern)
    return Draft4Validator(Draft4Validator.META_SCHEMA, format_checker=formats)


def _is_pattern(value: object) -> bool:
    """Raises `ValueError` where a request's body could not be matched with it."""
    return not isinstance(value, str) or compile_pattern(value) is not None


def _is_schema(schema: dict[str, Any]) -> bool:
    """Every keyword of draft 4 has a value that draft 4 allows; other keywords (OpenAPI's `nullable`) are let be."""
    try:
        return all(error.validator in _TIDINESS for error in _meta_schema().iter_errors(schema))
    except RecursionError:
        return False


def _invalid(error: str) -> BadRequestException:
    return BadRequestException(f"Invalid model specified: Validation Result: warnings : [], errors : [{error}]")


def referenced(schema: Any) -> Iterator[str]:
    """The names of the models that `schema` refers to."""
    if isinstance(schema, dict):
        match = _REFERENCE.fullmatch(str(schema.get("$ref", "")))
        if match:
            yield match[1]
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from referenced(value)


def flatten(schema: Any, schemas: Mapping[str, str | None], seen: tuple[str, ...] = ()) -> Any:
    """`schema` with the models that it refers to in place of the references. A cycle ends at an empty schema."""
    if isinstance(schema, list):
        return [flatten(item, schemas, seen) for item in schema]
    if not isinstance(schema, dict):
        return schema
    match = _REFERENCE.fullmatch(str(schema.get("$ref", "")))
    if not match:
        return {key: flatten(value, schemas, seen) for key, value in schema.items()}
    name = match[1]
    return {} if name in seen else flatten(json.loads(schemas.get(name) or "{}"), schemas, (*seen, name))


def renamed_references(schema: Any, prefix: str) -> Any:
    """`schema` with references to models as references within a document: `#/definitions/Pet`."""
    if isinstance(schema, list):
        return [renamed_references(item, prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    match = _REFERENCE.fullmatch(str(schema.get("$ref", "")))
    if match:
        return {"$ref": prefix + match[1]}
    return {name: renamed_references(value, prefix) for name, value in schema.items()}


def template(schema: Any) -> str:
    """A mapping template that makes a sample of `schema`, to start from."""
    return "#set($inputRoot = $input.path('$'))\n" + _sample(schema, "$inputRoot", 0)


_SCALARS = {"string": '"foo"', "integer": "42", "number": "42.0", "boolean": "true"}


def _sample(schema: Any, root: str, depth: int) -> str:
    schema = schema if isinstance(schema, dict) else {}
    kind = schema.get("type", "object")
    indent, inner = "  " * depth, "  " * (depth + 1)
    if kind == "array":
        item = _sample(schema.get("items", {}), "$elem", depth + 1)
        return (
            f"[\n##TODO: Update this foreach loop to reference array from input json\n"
            f"#foreach($elem in {root})\n{inner}{item}#if($foreach.hasNext),#end\n\n#end\n{indent}]"
        )
    if kind != "object":
        return _SCALARS.get(str(kind), '"foo"')
    members = [
        f'{inner}"{name}" : {_sample(value, f"{root}.{name}", depth + 1)}'
        for name, value in (schema.get("properties") or {}).items()
    ]
    return "{\n" + ",\n".join(members) + f"\n{indent}}}" if members else "{ }"
