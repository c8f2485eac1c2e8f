"""A template's sections, looked at before anything is made of them: what AWS refuses at once with a ValidationError.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.services.cloudformation.errors import ValidationError

_SECTIONS = frozenset(
    (
        "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings", "Conditions",
        "Transform", "Hooks", "Resources", "Outputs",
    )
)  # fmt: skip
_RESOURCE_MEMBERS = frozenset(
    (
        "Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy",
        "CreationPolicy", "UpdatePolicy",
    )
)  # fmt: skip
_OUTPUT_MEMBERS = frozenset(("Value", "Description", "Export", "Condition"))
_LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")
DELETION_POLICIES = ("Delete", "Retain", "Snapshot", "RetainExceptOnCreate")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MOST = {"Parameters": 200, "Mappings": 200, "Resources": 500, "Outputs": 200}

Section = Mapping[str, Any]


class Resource(msgspec.Struct, frozen=True):
    type: str
    properties: Any
    depends_on: tuple[str, ...]
    condition: str | None
    deletion_policy: Any
    update_replace_policy: Any
    metadata: Any
    # `CreationPolicy`, `UpdatePolicy`, where it has them
    other_policies: tuple[str, ...] = ()


class Template(msgspec.Struct, frozen=True):
    body: dict[str, Any]
    parameters: Section
    mappings: Section
    conditions: Section
    rules: Section
    resources: dict[str, Resource]
    outputs: Section

    @property
    def description(self) -> str:
        return str(self.body.get("Description") or "")


def declared_transforms(body: Mapping[str, Any]) -> list[str]:
    """The names of the macros that a template asks for as a whole."""
    found = body.get("Transform") or []
    many = found if isinstance(found, list) else [found]
    return [str(one["Name"]) if isinstance(one, dict) and "Name" in one else str(one) for one in many]


def read(body: dict[str, Any]) -> Template:
    """Raises `ValidationError`."""
    unknown = sorted(set(body) - _SECTIONS)
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    version = body.get("AWSTemplateFormatVersion", "2010-09-09")
    if version != "2010-09-09":
        raise ValidationError(f"Template format error: unsupported value for AWSTemplateFormatVersion: {version}")
    description = body.get("Description", "")
    if not isinstance(description, str):
        raise ValidationError("Template format error: Description must be a string")
    if len(description.encode()) > 1024:
        raise ValidationError("Template format error: 'Description' length is greater than 1024.")
    sections = {name: _section(body, name) for name in ("Parameters", "Mappings", "Conditions", "Rules", "Outputs")}
    resources = _section(body, "Resources")
    if not resources:
        raise ValidationError("Template format error: At least one Resources member must be defined.")
    _check_mappings(sections["Mappings"])
    _check_outputs(sections["Outputs"], sections["Conditions"])
    return Template(
        body=body,
        parameters=sections["Parameters"],
        mappings=sections["Mappings"],
        conditions=sections["Conditions"],
        rules=sections["Rules"],
        resources={name: _resource(name, value, sections["Conditions"]) for name, value in resources.items()},
        outputs=sections["Outputs"],
    )


def _section(body: Mapping[str, Any], name: str) -> Section:
    found = body.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValidationError(f"Template format error: {name} must be an object.")
    if len(found) > _MOST.get(name, len(found)):
        raise ValidationError(
            f"Template format error: Number of {name.lower()}, {len(found)}, is greater than maximum allowed, "
            f"{_MOST[name]}"
        )
    for key, value in found.items():
        if name != "Rules" and not _LOGICAL_ID.fullmatch(key):
            raise ValidationError(f"Template format error: {name} name {key} is non alphanumeric.")
        if not isinstance(value, dict) and name != "Conditions":
            raise ValidationError(f"Template format error: Every {name} member must be an object.")
    return found


def _resource(name: str, given: Mapping[str, Any], conditions: Section) -> Resource:
    unknown = sorted(set(given) - _RESOURCE_MEMBERS)
    if unknown:
        raise ValidationError(f"Invalid template resource property '{unknown[0]}'")
    kind = given.get("Type")
    if not isinstance(kind, str) or not kind:
        raise ValidationError(
            f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        )
    condition = given.get("Condition")
    if condition is not None and condition not in conditions:
        raise ValidationError(
            f"Template format error: Unresolved condition dependency {condition} in the Resources block of the template"
        )
    properties = given.get("Properties") or {}
    if not isinstance(properties, dict):
        raise ValidationError(f"Template format error: [/Resources/{name}/Properties] 'null' values are not allowed")
    return Resource(
        type=kind,
        properties=properties,
        depends_on=_depends_on(name, given.get("DependsOn")),
        condition=condition,
        deletion_policy=_policy(name, given, "DeletionPolicy"),
        update_replace_policy=_policy(name, given, "UpdateReplacePolicy"),
        metadata=given.get("Metadata"),
        other_policies=tuple(name for name in ("CreationPolicy", "UpdatePolicy") if given.get(name)),
    )


def _depends_on(name: str, given: Any) -> tuple[str, ...]:
    many = given if isinstance(given, list) else [given] if given is not None else []
    if not all(isinstance(one, str) for one in many):
        raise ValidationError("Template format error: DependsOn must be a string or list of strings.")
    return tuple(many)


def _policy(name: str, given: Mapping[str, Any], member: str) -> Any:
    policy = given.get(member)
    if isinstance(policy, str) and policy not in DELETION_POLICIES:
        raise ValidationError(f"Template error: {member} {policy} of resource {name} is not valid.")
    return policy


def _check_mappings(mappings: Section) -> None:
    for name, rows in mappings.items():
        if not all(isinstance(row, dict) for key, row in rows.items() if not key.startswith("Fn::")):
            raise ValidationError(
                f"Template format error: Every Mappings attribute must be a String or a List. ({name})"
            )


def _check_outputs(outputs: Section, conditions: Section) -> None:
    for name, output in outputs.items():
        if "Value" not in output:
            raise ValidationError(f"Template format error: Output {name} is malformed. The Value field is missing.")
        unknown = sorted(set(output) - _OUTPUT_MEMBERS)
        if unknown:
            raise ValidationError(f"Invalid template output property '{unknown[0]}'")
        condition = output.get("Condition")
        if condition is not None and condition not in conditions:
            raise ValidationError(
                f"Template format error: Unresolved condition dependency {condition} in the Outputs block of the "
                "template"
            )
