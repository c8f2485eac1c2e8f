"""What a change of the template means to one resource: nothing, an update in place, or another resource in its place.

AWS's schema of a type says which properties cannot be changed (`createOnlyProperties`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from forecourt.services.cloudformation.schemas import schema_of
from forecourt.services.cloudformation.template.evaluate import UNKNOWN, has_unknown

Properties = Mapping[str, Any]
_MISSING = object()
# Where a row of ours cannot change what AWS can
_ALSO_REPLACES: Mapping[str, frozenset[str]] = {
    "AWS::Lambda::Version": frozenset(("Description", "CodeSha256")),
    "AWS::StepFunctions::StateMachineVersion": frozenset(("Description",)),
    "AWS::CloudFormation::WaitCondition": frozenset(("Count", "Handle", "Timeout")),
}


class Action(Enum):
    NOTHING = "Nothing"
    CREATE = "Add"
    UPDATE = "Modify"
    REPLACE = "Replace"


def replacing(type_name: str, old: Properties, new: Properties) -> set[str]:
    """The paths of properties whose change replaces the resource."""
    schema = schema_of(type_name)
    fixed = schema.create_only if schema is not None else frozenset()
    return {path for path in fixed | _ALSO_REPLACES.get(type_name, frozenset()) if at(old, path) != at(new, path)}


def decide(type_name: str, old: Properties | None, new: Properties) -> Action:
    """`old` is None where there is no such resource yet."""
    if old is None:
        return Action.CREATE
    if old == new:
        return Action.NOTHING
    return Action.REPLACE if replacing(type_name, old, new) else Action.UPDATE


def at(properties: Any, path: str) -> Any:
    """The value of `Code/ImageUri`; of something that is not there, a value that equals only itself."""
    found = properties
    for part in path.split("/"):
        if part == "*":
            return found
        if not isinstance(found, Mapping) or part not in found:
            return _MISSING
        found = found[part]
    return found


def replacement(type_name: str, old: Properties, new: Properties) -> str:
    """`True`, `False`, or `Conditional` where only the deployment will tell, as a change set says it."""
    found = replacing(type_name, old, new)
    if not found:
        return "False"
    certain = [path for path in found if at(new, path) is not UNKNOWN and not has_unknown(at(new, path))]
    return "True" if certain else "Conditional"
