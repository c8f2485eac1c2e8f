"""A template's text, JSON or YAML, as plain data.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

from __future__ import annotations

import json
from typing import Any

from forecourt.services.cloudformation.errors import ValidationError

BODY_BYTES = 51_200
URL_BYTES = 1_048_576
_DEEPEST = 100


def parse(text: str) -> dict[str, Any]:
    """Raises `ValidationError`."""
    try:
        found = _plain(_from_json(text) if text.lstrip().startswith("{") else _from_yaml(text))
    except RecursionError:
        raise ValidationError("Template format error: nesting is too deep") from None
    if not isinstance(found, dict):
        raise ValidationError("Template format error: unsupported structure.")
    return found


def _from_json(text: str) -> Any:
    """As AWS does, what begins like JSON and is none is given to the YAML parser, which knows a JSON with comments."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        try:
            return _from_yaml(text)
        except ValidationError:
            where = f"(line {error.lineno}, column {error.colno})"
            raise ValidationError(f"Template format error: JSON not well-formed. {where}") from None


def _from_yaml(text: str) -> Any:
    # Imported for the first template in YAML: a start does not wait for the parser.
    from forecourt.services.cloudformation.template.yaml_text import read

    return read(text)


def _plain(value: Any, depth: int = 0) -> Any:
    """With texts as keys, as JSON has them. Raises `RecursionError` for what no function could walk through."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValidationError(f"Template format error: unsupported value {type(value).__name__}")


def _key(key: Any) -> str:
    return json.dumps(key) if isinstance(key, bool | int | float) or key is None else str(key)


def dump(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
