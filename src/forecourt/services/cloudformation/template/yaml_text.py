"""A template in YAML, whose short forms become the functions that they stand for.

CloudFormation takes YAML 1.1 without aliases, time stamps and binary data
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html): a date stays text, and no anchor
makes a small text a large one.
"""

from __future__ import annotations

from typing import Any

import yaml

from forecourt.services.cloudformation.errors import ValidationError

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


def read(text: str) -> Any:
    """Raises `ValidationError`."""
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
