"""What a JSONata expression refers to and may not: there is no context value, so nothing may be read from it.

`$` and unqualified names may stand within an expression (`$states.input.orders[paid]`), not at its top level, and `$$`
nowhere; `$states.errorOutput` exists in a catcher's Output and Assign only.
https://states-language.net/#jsonata-expressions
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SAME_LEVEL = ("expressions", "arguments", "lhs", "rhs", "expression", "condition", "then", "_else", "procedure")
_WITHIN = ("stages", "predicate", "group", "terms", "body")


def unsupported_references(tree: Any, in_catch: bool) -> list[str]:
    """Messages, one for each name."""
    return list(dict.fromkeys(_messages(tree, False, in_catch)))


def _messages(node: Any, nested: bool, in_catch: bool) -> Iterator[str]:
    if node.type == "path":
        yield from _path(node, nested, in_catch)
        return
    yield from _own(node, nested)
    for name in _SAME_LEVEL:
        yield from _below(getattr(node, name, None), nested, in_catch)
    # The members of an object stand where the object stands; those of a group lie within it
    for name in ("lhs_object", "rhs_object"):
        yield from _below(getattr(node, name, None), nested or node.type is None, in_catch)
    for name in _WITHIN:
        yield from _below(getattr(node, name, None), True, in_catch)


def _path(node: Any, nested: bool, in_catch: bool) -> Iterator[str]:
    first, *rest = node.steps
    if first.type == "name" and not nested:
        yield f"Reference to '{first.value}' at the top level is not supported."
    of_states = first.type == "variable" and first.value == "states" and rest and rest[0].type == "name"
    if of_states and rest[0].value == "errorOutput" and not in_catch:
        yield "Reference to '$states.errorOutput' is only supported in the Output and Assign of a Catcher."
    for position, step in enumerate(node.steps):
        if step.type != "name":
            yield from _messages(step, nested or position > 0, in_catch)
        else:
            for name in _WITHIN:
                yield from _below(getattr(step, name, None), True, in_catch)
    yield from _below(getattr(node, "group", None), True, in_catch)


def _own(node: Any, nested: bool) -> Iterator[str]:
    if node.type == "variable" and node.value == "$":
        yield "Reference to '$$' is not supported."
    if node.type == "variable" and node.value == "" and not nested:
        yield "Reference to '$' at the top level is not supported."


def _below(value: Any, nested: bool, in_catch: bool) -> Iterator[str]:
    if hasattr(value, "type"):
        yield from _messages(value, nested, in_catch)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _below(item, nested, in_catch)
