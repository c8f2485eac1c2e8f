"""A template's text, JSON or YAML, as plain data. YAML's short forms become the functions that they stand for.

CloudFormation takes YAML 1.1 without aliases, time stamps and binary data
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html): a date stays text, and no anchor
makes a small text a large one.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from forecourt.services.cloudformation.errors import ValidationError

BODY_BYTES = 51_200
URL_BYTES = 1_048_576
_DEEPEST = 100

# Short forms that are no `Fn::` function by their own name
_BARE = {"Ref", "Condition"}
_SHORT_FORMS = (
    "And", "Base64", "Cidr", "Condition", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "FindInMap",
    "ForEach", "GetAtt", "GetAZs", "GetStackOutput", "If", "ImportValue", "Join", "Length", "Not", "Or", "Ref",
    "RefAll", "Select", "Split", "Sub", "ToJsonString", "Transform", "ValueOf", "ValueOfAll",
)  # fmt: skip
_NO_IMPLICIT = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as CloudFormation reads it."""

    yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _NO_IMPLICIT]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _function(loader: Any, node: Any, name: str) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name if name in _BARE else f"Fn::{name}": value}


for _name in _SHORT_FORMS:
    _Loader.add_constructor(f"!{_name}", lambda loader, node, name=_name: _function(loader, node, name))


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
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)):
            raise ValidationError("Template format error: YAML aliases are not allowed in CloudFormation templates")
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise ValidationError(f"Template format error: YAML not well-formed.{where}") from None
    except (yaml.YAMLError, ValueError, TypeError):
        raise ValidationError("Template format error: YAML not well-formed.") from None


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
