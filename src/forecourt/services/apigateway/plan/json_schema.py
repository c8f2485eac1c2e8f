"""A document against a model: JSON schema draft 4, with what AWS's validator says, and bounded.

The document is a stranger's. Its patterns share a budget of time, uniqueness is found by hashing and not by comparing
each with each, and no more is looked for than is reported. What is said reaches a client only by
`$context.error.validationErrorString`.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

from forecourt.services.apigateway.patterns import compile_pattern
from forecourt.services.apigateway.rest import schemas

if TYPE_CHECKING:
    import regex  # type: ignore[import-untyped]
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

# A schema's check of a document, for which there are so many seconds of matching: what is wrong with it; empty where
# nothing is. Raises `TimeoutError`, and `ValueError` where the schema holds what is no pattern.
Check = Callable[[Any, float], list[str]]
_MOST_REPORTED = 20


def compile_schema(schema: str | None, models: Mapping[str, str | None]) -> Check | None:
    """Models that refer to one another are resolved here; a reference to anywhere else resolves to nothing."""
    if schema is None:
        return None
    # Only APIs that validate bodies pay for these.
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    document = schemas.flatten(json.loads(schema), models)
    if not isinstance(document, dict):
        return None
    document.pop("$schema", None)
    validator = _validator()(document, registry=Registry())

    def check(value: Any, seconds: float) -> list[str]:
        _budget.set(_Budget(seconds))
        try:
            errors = islice(validator.iter_errors(value), _MOST_REPORTED)
            return list(dict.fromkeys(_wording(error) for error in errors))
        except Unresolvable:
            return []

    return check


# -- what is bounded


class _Budget:
    __slots__ = ("_left",)

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def finds(self, pattern: str, text: str) -> bool:
        """Anywhere in the text, as JSON schema has it. Raises `TimeoutError`."""
        compiled = _compiled(pattern)
        if self._left <= 0:
            raise TimeoutError
        began = perf_counter()
        try:
            return compiled.search(text, timeout=self._left) is not None
        finally:
            self._left -= perf_counter() - began


_budget: ContextVar[_Budget] = ContextVar("budget")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return compile_pattern(pattern)


@cache
def _validator() -> Any:
    """Draft 4 with keywords of ours where jsonschema's own are not bounded."""
    from jsonschema import Draft4Validator
    from jsonschema.validators import extend

    return extend(  # type: ignore[no-untyped-call]
        Draft4Validator,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
            "allOf": _all_of,
            "anyOf": _any_of,
            "oneOf": _one_of,
        },
    )


def _error(message: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)


def _pattern(validator: Validator, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _budget.get().finds(pattern, instance):
        yield _error("pattern")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if _budget.get().finds(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    extras = _extras(instance, schema)
    if isinstance(wanted, dict):
        for name in extras:
            yield from validator.descend(instance[name], wanted, path=name)
    elif not wanted and extras:
        yield _error("additionalProperties")


def _extras(instance: dict[str, Any], schema: Mapping[str, Any]) -> list[str]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    budget = _budget.get()
    return [
        name for name in instance if name not in known and not any(budget.finds(pattern, name) for pattern in patterns)
    ]


def _unique_items(validator: Validator, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_key(item) for item in instance}) < len(instance):
        yield _error("array must not contain duplicate elements")


def _matching(validator: Any, schemas: list[Any], instance: Any) -> int:
    return sum(validator.evolve(schema=schema).is_valid(instance) for schema in schemas)


def _all_of(validator: Any, schemas: list[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    matched, count = _matching(validator, schemas, instance), len(schemas)
    if matched < count:
        yield _error(f"instance failed to match all required schemas (matched only {matched} out of {count})")


def _any_of(validator: Any, schemas: list[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not any(validator.evolve(schema=one).is_valid(instance) for one in schemas):
        yield _error(f"instance failed to match at least one required schema among {len(schemas)}")


def _one_of(validator: Any, schemas: list[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    matched, count = _matching(validator, schemas, instance), len(schemas)
    if matched != 1:
        yield _error(f"instance failed to match exactly one schema (matched {matched} out of {count})")


def _key(value: Any) -> str:
    """The same for what JSON schema takes for equal, `1` and `1.0` among it."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value


# -- the wordings


def _wording(error: Any) -> str:
    """What AWS's validator says."""
    word = _WORDS.get(error.validator)
    return word(error) if word is not None else str(error.message)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _type_of(value: Any) -> str:
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _bound(error: Any, beyond: str, outside: str) -> str:
    """An instance that is the bound itself is wrong where the bound is exclusive."""
    bound, found = error.validator_value, error.instance
    if found == bound:
        return f"numeric instance is not {beyond} {bound}"
    return f"numeric instance is {outside} ({error.validator}: {bound}, found: {found})"


def _dependency(dependencies: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    """Of the first property whose companions are missing."""
    for name, needed in dependencies.items():
        missing = [other for other in _listed(needed) if isinstance(other, str) and other not in instance]
        if name in instance and missing:
            break
    return (
        f'property "{name}" of object has missing property dependencies '
        f"(schema requires {_json(needed)}; missing: {_json(missing)})"
    )


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
    "minimum": lambda e: _bound(e, "strictly greater than the required minimum", "lower than the required minimum"),
    "maximum": lambda e: _bound(e, "strictly lower than the required maximum", "greater than the required maximum"),
    "multipleOf": lambda e: f"remainder of division is not zero ({e.instance} / {e.validator_value})",
    "minLength": lambda e: (
        f'string "{e.instance}" is too short (length: {len(e.instance)}, required minimum: {e.validator_value})'
    ),
    "maxLength": lambda e: (
        f'string "{e.instance}" is too long (length: {len(e.instance)}, maximum allowed: {e.validator_value})'
    ),
    "pattern": lambda e: f'ECMA 262 regex "{e.validator_value}" does not match input string "{e.instance}"',
    "additionalItems": lambda e: (
        f"schema only allows {len(e.schema['items'])} elements in array but instance has {len(e.instance)} elements"
    ),
    "minProperties": lambda e: (
        f"object has too few properties (found {len(e.instance)} but schema requires at least {e.validator_value})"
    ),
    "maxProperties": lambda e: (
        f"object has too many properties (found {len(e.instance)} but schema requires at most {e.validator_value})"
    ),
    "dependencies": lambda e: _dependency(e.validator_value, e.instance),
    "not": lambda e: "instance matched a schema which it should not have",
    "minItems": lambda e: (
        f"array is too short: must have at least {e.validator_value} elements but instance has "
        f"{len(e.instance)} elements"
    ),
    "maxItems": lambda e: (
        f"array is too long: must have at most {e.validator_value} elements but instance has {len(e.instance)} elements"
    ),
    "additionalProperties": lambda e: (
        "object instance has properties which are not allowed by the schema: "
        f"{_json(sorted(_extras(e.instance, e.schema)))}"
    ),
}
