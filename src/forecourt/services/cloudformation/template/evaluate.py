"""Intrinsic functions: a template's value -> what it is.

One function a row of `_FUNCTIONS`; each gets its unevaluated argument and the `Scope`. What depends on a resource that
is not there yet is `UNKNOWN`, and so is everything made of it: a planner sees that it may change, and no more.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Protocol

from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template.parameters import as_text

_IN_TEXT = re.compile(r"\$\{(!?)([^}]*)\}")
_MOST_SUBNETS = 256
# A short template may name a long text many times.
_MOST_CHARACTERS = 2_000_000


class _Marker:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


# A value that only a resource yet to be made will tell
UNKNOWN = _Marker("UNKNOWN")
# AWS::NoValue: the property is as if it were not there
NO_VALUE = _Marker("NO_VALUE")


class Scope(Protocol):
    """What a template's names mean."""

    def ref(self, name: str) -> Any:
        """A parameter, a pseudo parameter or a resource. Raises `ValidationError`."""
        ...

    def attribute(self, name: str, attribute: str) -> Any: ...

    def condition(self, name: str) -> bool: ...

    def mapped(self, name: str, first: str, second: str) -> Any:
        """Raises `LookupError`."""
        ...

    def imported(self, name: str) -> Any: ...

    def zones(self, region: str) -> list[str]: ...


def evaluate(value: Any, scope: Scope) -> Any:
    """Raises `ValidationError`."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(argument, scope)
            if name.startswith("Fn::"):
                raise ValidationError(f"Template format error: Encountered unsupported function: {name}")
        found = {key: evaluate(item, scope) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not NO_VALUE}
    if isinstance(value, list):
        return [item for item in [evaluate(item, scope) for item in value] if item is not NO_VALUE]
    return value


def holds(condition: Any, scope: Scope) -> bool:
    """A condition's value. Raises `ValidationError`."""
    found = evaluate(condition, scope)
    if isinstance(found, bool):
        return found
    if isinstance(found, str) and found.lower() in ("true", "false"):
        return found.lower() == "true"
    raise ValidationError(f"Template format error: Conditions can only be boolean operations, not {condition!r}")


def has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def require_bounded(value: Any) -> None:
    """That a value is not too long to be written. Raises `ValidationError`."""
    left, waiting = _MOST_CHARACTERS, [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            left -= len(found)
        elif isinstance(found, dict):
            left -= sum(map(len, found))
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
        if left < 0:
            raise _too_long()


def _too_long() -> ValidationError:
    return ValidationError(f"Template error: a value is longer than {_MOST_CHARACTERS} characters")


def _ref(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, str):
        raise ValidationError("Template error: every Ref object must have a single String value.")
    return NO_VALUE if argument == "AWS::NoValue" else scope.ref(argument)


def attribute_of(argument: Any) -> tuple[str, Any]:
    """The resource and the attribute (which may be a function) of a Fn::GetAtt. Raises `ValidationError`."""
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str) or not argument[1]:
        raise ValidationError(
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
            "resource attribute"
        )
    return argument[0], argument[1]


def _get_att(argument: Any, scope: Scope) -> Any:
    name, attribute = attribute_of(argument)
    return scope.attribute(name, _text(evaluate(attribute, scope), "Fn::GetAtt"))


def sub_parts(argument: Any) -> tuple[str, Mapping[str, Any]]:
    """The text and the variables of a Fn::Sub. Raises `ValidationError`."""
    if isinstance(argument, str):
        return argument, {}
    if isinstance(argument, list) and len(argument) == 2:
        text, variables = argument
        if isinstance(text, str) and isinstance(variables, dict):
            return text, variables
    raise ValidationError(
        "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as "
        "first argument, and an optional second argument to specify a mapping of values to replace in the string"
    )


def names_in(text: str) -> list[str]:
    """What `${…}` names in a text of Fn::Sub."""
    return [name.strip() for literal, name in _IN_TEXT.findall(text) if not literal]


def _sub(argument: Any, scope: Scope) -> Any:
    text, variables = sub_parts(argument)
    given = {name: evaluate(value, scope) for name, value in variables.items()}
    if has_unknown(given):
        return UNKNOWN
    unknown, length = False, len(text)

    def replaced(found: re.Match[str]) -> str:
        nonlocal unknown, length
        literal, name = found[1], found[2].strip()
        if literal:
            return f"${{{found[2]}}}"
        value = given[name] if name in given else _named(name, scope)
        if value is UNKNOWN:
            unknown = True
            return ""
        written = _text(value, "Fn::Sub")
        length += len(written)
        if length > _MOST_CHARACTERS:
            raise _too_long()
        return written

    filled = _IN_TEXT.sub(replaced, text)
    return UNKNOWN if unknown else filled


def _named(name: str, scope: Scope) -> Any:
    resource, dot, attribute = name.partition(".")
    return scope.attribute(resource, attribute) if dot else scope.ref(name)


def _join(argument: Any, scope: Scope) -> Any:
    problem = (
        "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
        "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
    )
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
        raise ValidationError(problem)
    parts = evaluate(argument[1], scope)
    if has_unknown(parts):
        return UNKNOWN
    if not isinstance(parts, list):
        raise ValidationError(problem)
    require_bounded([*parts, *[argument[0]] * len(parts)])
    return argument[0].join([_text(part, "Fn::Join") for part in parts])


def _split(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str) or not argument[0]:
        raise ValidationError(
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string "
            "to be split or a function that returns a string to be split."
        )
    text = evaluate(argument[1], scope)
    return UNKNOWN if text is UNKNOWN else _text(text, "Fn::Split").split(argument[0])


def _select(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        raise ValidationError(
            "Template error: every Fn::Select object requires two non-empty parameters, the first one a number and the "
            "second a list"
        )
    index, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    if UNKNOWN in (index, items) if not isinstance(items, list) else index is UNKNOWN:
        return UNKNOWN
    try:
        position = int(index)
        if position < 0 or not isinstance(items, list):
            raise IndexError
        return items[position]
    except (IndexError, TypeError, ValueError):
        raise ValidationError(f"Template error: Fn::Select  cannot select nonexistent value at index {index}") from None


def _find_in_map(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise ValidationError(
            "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the "
            "attribute for return value"
        )
    keys = [evaluate(part, scope) for part in argument[:3]]
    if has_unknown(keys):
        return UNKNOWN
    name, first, second = [_text(key, "Fn::FindInMap") for key in keys]
    try:
        return scope.mapped(name, first, second)
    except LookupError:
        if len(argument) == 4 and isinstance(argument[3], dict) and "DefaultValue" in argument[3]:
            return evaluate(argument[3]["DefaultValue"], scope)
        raise ValidationError(f"Template error: Unable to get mapping for {name}::{first}::{second}") from None


def _base64(argument: Any, scope: Scope) -> Any:
    value = evaluate(argument, scope)
    return UNKNOWN if value is UNKNOWN else base64.b64encode(_text(value, "Fn::Base64").encode()).decode()


def _import(argument: Any, scope: Scope) -> Any:
    name = evaluate(argument, scope)
    return UNKNOWN if name is UNKNOWN else scope.imported(_text(name, "Fn::ImportValue"))


def _zones(argument: Any, scope: Scope) -> Any:
    region = evaluate(argument, scope)
    return UNKNOWN if region is UNKNOWN else scope.zones(_text(region, "Fn::GetAZs") or scope.ref("AWS::Region"))


def _cidr(argument: Any, scope: Scope) -> Any:
    parts = evaluate(argument, scope)
    if has_unknown(parts):
        return UNKNOWN
    if not isinstance(parts, list) or len(parts) not in (2, 3):
        raise ValidationError("Template error: every Fn::Cidr object requires two parameters, the block and the count")
    try:
        block = ipaddress.ip_network(_text(parts[0], "Fn::Cidr"))
        count = int(parts[1])
        bits = int(parts[2]) if len(parts) == 3 else 8 if block.version == 4 else 64
        if not 1 <= count <= _MOST_SUBNETS:
            raise ValueError
        found = list(islice(block.subnets(new_prefix=block.max_prefixlen - bits), count))
    except (ValueError, TypeError):
        raise ValidationError(f"Template error: Fn::Cidr cannot divide {parts}") from None
    if len(found) < count:
        raise ValidationError(f"Template error: Fn::Cidr cannot give {count} blocks of {parts[0]}")
    return [str(one) for one in found]


def _length(argument: Any, scope: Scope) -> Any:
    found = evaluate(argument, scope)
    if found is UNKNOWN:
        return UNKNOWN
    if not isinstance(found, list):
        raise ValidationError("Template error: Fn::Length expects a list")
    return len(found)


def _to_json_string(argument: Any, scope: Scope) -> Any:
    found = evaluate(argument, scope)
    if has_unknown(found):
        return UNKNOWN
    if not isinstance(found, list | dict):
        raise ValidationError("Template error: Fn::ToJsonString expects an object or a list")
    require_bounded(found)
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False)


def _if(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
        raise ValidationError(
            "Template error: Fn::If requires a list argument with the first element being a condition"
        )
    return evaluate(argument[1] if scope.condition(argument[0]) else argument[2], scope)


def _equals(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        raise ValidationError("Template error: every Fn::Equals object requires a list of 2 string parameters.")
    first, second = [evaluate(part, scope) for part in argument]
    return UNKNOWN if has_unknown([first, second]) else _scalar(first) == _scalar(second)


def _scalar(value: Any) -> Any:
    return as_text(value) if isinstance(value, str | bool | int | float) else value


def _all(argument: Any, scope: Scope) -> bool:
    return all(holds(part, scope) for part in _operands(argument, "Fn::And"))


def _any(argument: Any, scope: Scope) -> bool:
    return any(holds(part, scope) for part in _operands(argument, "Fn::Or"))


def _operands(argument: Any, name: str) -> list[Any]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        raise ValidationError(
            f"Template error: every {name} object requires a list of at least 2 and at most 10 boolean parameters."
        )
    return argument


def _not(argument: Any, scope: Scope) -> bool:
    if not isinstance(argument, list) or len(argument) != 1:
        raise ValidationError("Template error: every Fn::Not object requires a list of 1 boolean parameter.")
    return not holds(argument[0], scope)


def _condition(argument: Any, scope: Scope) -> Any:
    """`{"Condition": "Name"}`, of conditions. Elsewhere (in a policy) it is a member as any other."""
    return scope.condition(argument) if isinstance(argument, str) else {"Condition": evaluate(argument, scope)}


def _text(value: Any, function: str) -> str:
    if isinstance(value, str | bool | int | float):
        return as_text(value)
    raise ValidationError(f"Template error: every {function} object requires string values, not {value!r}")


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Condition": _condition,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": _base64,
    "Fn::ImportValue": _import,
    "Fn::GetAZs": _zones,
    "Fn::Cidr": _cidr,
    "Fn::Length": _length,
    "Fn::ToJsonString": _to_json_string,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::And": _all,
    "Fn::Or": _any,
    "Fn::Not": _not,
}
