"""Whether an update has anything to do, and what: a change set's changes.

A template's resources are evaluated against the stack as it stands. What depends on a resource that is made anew is not
known before that is done, and shows as dynamic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.api.requests import Prepared, Request, tags_of
from forecourt.services.cloudformation.errors import ResourceFailed, ValidationError
from forecourt.services.cloudformation.model import Record, Stack
from forecourt.services.cloudformation.plan import Action, at, decide, replacement, replacing
from forecourt.services.cloudformation.run.live import Planned
from forecourt.services.cloudformation.run.target import Target
from forecourt.services.cloudformation.store import StackStore
from forecourt.services.cloudformation.template.document import parse
from forecourt.services.cloudformation.template.references import named, order


async def differs(stacks: StackStore, stack: Stack, prepared: Prepared, request: Request) -> bool:
    """Whether the update would change anything of the stack."""
    if stack.status in ("CREATE_FAILED", "UPDATE_FAILED"):
        return True
    if "Tags" in request and tags_of(request) != stack.tags:
        return True
    if "NotificationARNs" in request and list(request["NotificationARNs"]) != stack.topics:
        return True
    old, new = parse(stack.processed), parse(prepared.processed)
    if any(old.get(name) != new.get(name) for name in ("Outputs", "Description")):
        return True
    return bool(await changes(stacks, stack, prepared, request)) or _beside(old, new)


def _beside(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a resource's policies or metadata differ: they are no properties, and are kept."""
    before, after = old.get("Resources", {}), new.get("Resources", {})
    names = ("DeletionPolicy", "UpdateReplacePolicy", "Metadata", "DependsOn")
    return any(before[key].get(name) != after[key].get(name) for key in set(before) & set(after) for name in names)


async def changes(stacks: StackStore, stack: Stack, prepared: Prepared, request: Request) -> list[dict[str, Any]]:
    """As DescribeChangeSet shows them. Raises `ValidationError`."""
    records = {name: record for name, record in (await stacks.records(stack)).items() if record.exists}
    tags = tags_of(request) if "Tags" in request else stack.tags
    target = Target(stacks, stack, prepared.processed, prepared.parameters, tags)
    present = target.present
    planned = Planned(records, lambda record: stacks.open(record.attributes))
    planned.anew = {name for name in present if name not in records}
    target.go_live(planned, await target.load_exports())
    found = []
    for name in order(target.graph):
        change = _change(stacks, target, records.get(name), name, planned)
        if change is not None:
            found.append(change)
    found += [_removal(records[name]) for name in sorted(set(records) - present)]
    return [{"Type": "Resource", "ResourceChange": change} for change in found]


def _change(
    stacks: StackStore, target: Target, record: Record | None, name: str, planned: Planned
) -> dict[str, Any] | None:
    resource = target.template.resources[name]
    if record is None:
        return {"Action": "Add", "LogicalResourceId": name, "ResourceType": resource.type, "Scope": [], "Details": []}
    if record.type != resource.type:
        raise ValidationError(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{name}]"
        )
    old = stacks.open(record.properties)
    try:
        new = target.wanted(name).properties
    except ResourceFailed:
        # The deployment will say why.
        new = {}
    action = decide(resource.type, old, new)
    if action is Action.NOTHING:
        return None
    if action is Action.REPLACE:
        planned.anew.add(name)
    differing = sorted(key for key in {*old, *new} if at(old, key) != at(new, key))
    fixed = {path.split("/")[0] for path in replacing(resource.type, old, new)}
    tags = [key for key in differing if key in ("Tags", "UserPoolTags")]
    scope = (["Properties"] if set(differing) - set(tags) else []) + (["Tags"] if tags else [])
    return {
        "Action": "Modify",
        "LogicalResourceId": name,
        "PhysicalResourceId": record.physical_id,
        "ResourceType": resource.type,
        "Replacement": replacement(resource.type, old, new),
        "Scope": scope,
        "Details": [_detail(key, key in fixed, resource.properties.get(key)) for key in differing],
    }


def _detail(name: str, fixed: bool, written: Any) -> dict[str, Any]:
    causes = sorted(set(named(written)))
    target: dict[str, Any] = {"Attribute": "Tags" if name == "Tags" else "Properties"}
    if name != "Tags":
        target |= {"Name": name, "RequiresRecreation": "Always" if fixed else "Never"}
    else:
        target["RequiresRecreation"] = "Never"
    found: dict[str, Any] = {
        "Target": target,
        "Evaluation": "Dynamic" if causes else "Static",
        "ChangeSource": "DirectModification",
    }
    if causes:
        found["ChangeSource"], found["CausingEntity"] = "ParameterReference", causes[0]
    return found


def _removal(record: Record) -> dict[str, Any]:
    kept = record.deletion_policy in ("Retain", "RetainExceptOnCreate")
    found: dict[str, Any] = {
        "Action": "Remove",
        "LogicalResourceId": record.logical_id,
        "PhysicalResourceId": record.physical_id,
        "ResourceType": record.type,
        "Scope": [],
        "Details": [],
    }
    return found | ({"PolicyAction": "Retain"} if kept else {"PolicyAction": "Delete"})
