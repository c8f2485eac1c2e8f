"""Who needs whom: the resources that a value names, and the order that follows.

A resource waits for what its properties name (Ref, Fn::GetAtt, Fn::Sub) and for its DependsOn. Of a Fn::If only the
branch that counts is looked at, where the conditions are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template.evaluate import attribute_of, names_in, sub_parts
from forecourt.services.cloudformation.template.sections import Template

PSEUDO = frozenset(
    (
        "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId",
        "AWS::StackName", "AWS::URLSuffix",
    )
)  # fmt: skip
Chosen = Callable[[str], bool]
Graph = dict[str, set[str]]


def named(value: Any, chosen: Chosen | None = None) -> Iterator[str]:
    """The names that a value refers to, of resources, parameters and pseudo parameters."""
    if isinstance(value, list):
        for item in value:
            yield from named(item, chosen)
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Ref" and isinstance(argument, str):
            yield argument
            return
        if function == "Fn::GetAtt":
            resource, attribute = attribute_of(argument)
            yield resource
            yield from named(attribute, chosen)
            return
        if function == "Fn::Sub":
            yield from _in_sub(argument, chosen)
            return
        if function == "Fn::If" and isinstance(argument, list) and len(argument) == 3 and chosen is not None:
            yield from named(argument[1] if chosen(argument[0]) else argument[2], chosen)
            return
    for item in value.values():
        yield from named(item, chosen)


def _in_sub(argument: Any, chosen: Chosen | None) -> Iterator[str]:
    text, variables = sub_parts(argument)
    for name in names_in(text):
        if name not in variables:
            yield name.partition(".")[0]
    yield from named(variables, chosen)


def dependencies(template: Template, present: set[str], chosen: Chosen) -> Graph:
    """For each resource of `present`, those that come before it."""
    graph: Graph = {}
    for name in present:
        resource = template.resources[name]
        needed = {*named(resource.properties, chosen), *resource.depends_on}
        graph[name] = {other for other in needed if other in present}
    return graph


def check(template: Template) -> None:
    """That every name means something, and that no resource waits for itself. Raises `ValidationError`."""
    known = {*template.parameters, *template.resources, *PSEUDO}
    for resource in template.resources.values():
        used = {*named(resource.properties), *resource.depends_on, *named(resource.metadata)}
        _refuse_unknown(used, known, "Resources")
        strangers = sorted(set(resource.depends_on) - set(template.resources))
        if strangers:
            _refuse_unknown(set(strangers), set(), "Resources")
    for output in template.outputs.values():
        _refuse_unknown({*named(output)}, known, "Outputs")
    for condition in template.conditions.values():
        _refuse_unknown({*named(condition)}, {*template.parameters, *PSEUDO}, "Conditions")
    graph = dependencies(template, set(template.resources), lambda name: True)
    other = dependencies(template, set(template.resources), lambda name: False)
    for one in (graph, other):
        order(one)


def check_present(template: Template, present: set[str], chosen: Chosen) -> None:
    """That nothing of what there is to be refers to a resource whose condition does not hold.

    Raises `ValidationError`.
    """
    known = {*template.parameters, *PSEUDO, *present}
    for name in present:
        _refuse_unknown({*named(template.resources[name].properties, chosen)}, known, "Resources")
    for output in template.outputs.values():
        if "Condition" not in output or chosen(output["Condition"]):
            _refuse_unknown({*named(output, chosen)}, known, "Outputs")


def _refuse_unknown(used: set[str], known: set[str], section: str) -> None:
    unknown = sorted(used - known)
    if unknown:
        raise ValidationError(
            f"Template format error: Unresolved resource dependencies [{', '.join(unknown)}] in the {section} block of "
            "the template"
        )


def order(graph: Mapping[str, set[str]]) -> list[str]:
    """Each after what it needs, by name where that leaves a choice. Raises `ValidationError` for a circle."""
    waiting = {name: set(needed) for name, needed in graph.items()}
    found: list[str] = []
    while waiting:
        ready = sorted(name for name, needed in waiting.items() if not needed)
        if not ready:
            raise ValidationError(f"Circular dependency between resources: [{', '.join(sorted(_circle(waiting)))}]")
        for name in ready:
            del waiting[name]
        for needed in waiting.values():
            needed.difference_update(ready)
        found += ready
    return found


def _circle(waiting: Mapping[str, set[str]]) -> set[str]:
    """Those of a circle, without those that only wait for it."""
    left = {name: set(needed) for name, needed in waiting.items()}
    while True:
        needed = {other for others in left.values() for other in others}
        ends = [name for name in left if name not in needed]
        if not ends:
            return set(left)
        for name in ends:
            del left[name]


def reverse(graph: Mapping[str, set[str]]) -> Graph:
    """Who is needed comes last: the order in which resources are deleted."""
    turned: Graph = {name: set() for name in graph}
    for name, needed in graph.items():
        for other in needed & set(turned):
            turned[other].add(name)
    return turned
