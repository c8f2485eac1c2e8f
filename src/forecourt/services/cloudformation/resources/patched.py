"""Types of API Gateway's REST APIs, which are changed by patches: rows of a table.

A property that changed becomes an operation at a path of the same name: `replace /description`. Maps become one
operation for each member, lists one for each item that came or went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from forecourt.services.cloudformation.errors import NotTried
from forecourt.services.cloudformation.resources.simple import Simple, changed
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump
from forecourt.services.cloudformation.template.parameters import as_text

Operation = dict[str, str]
# Of a property's old and new value
Patches = Callable[[Any, Any], Iterator[Operation]]


def escaped(name: str) -> str:
    """RFC 6901."""
    return name.replace("~", "~0").replace("/", "~1")


def replace(path: str, otherwise: str | None = None) -> Patches:
    """A scalar. Where it is taken out of the template, it is `otherwise` again, or removed."""

    def patches(old: Any, new: Any) -> Iterator[Operation]:
        if new is not None:
            yield {"op": "replace", "path": path, "value": _text(new)}
        elif otherwise is not None:
            yield {"op": "replace", "path": path, "value": otherwise}
        else:
            yield {"op": "remove", "path": path}

    return patches


def members(path: str, add: str = "replace") -> Patches:
    """A map of scalars."""

    def patches(old: Any, new: Any) -> Iterator[Operation]:
        before, after = old or {}, new or {}
        for name in sorted(set(before) - set(after)):
            yield {"op": "remove", "path": f"{path}/{escaped(name)}"}
        for name, value in after.items():
            if before.get(name) != value:
                yield {"op": add, "path": f"{path}/{escaped(name)}", "value": _text(value)}

    return patches


def items(path: str) -> Patches:
    """A set of names, each a path of its own (`/binaryMediaTypes/image~1png`)."""

    def patches(old: Any, new: Any) -> Iterator[Operation]:
        before, after = set(old or ()), set(new or ())
        yield from ({"op": "remove", "path": f"{path}/{escaped(name)}"} for name in sorted(before - after))
        yield from ({"op": "add", "path": f"{path}/{escaped(name)}"} for name in sorted(after - before))

    return patches


def values(path: str) -> Patches:
    """A set of values at one path (`add /providerARNs`)."""

    def patches(old: Any, new: Any) -> Iterator[Operation]:
        before, after = set(old or ()), set(new or ())
        yield from ({"op": "add", "path": path, "value": value} for value in sorted(after - before))
        yield from ({"op": "remove", "path": path, "value": value} for value in sorted(before - after))

    return patches


def structure(**inner: Patches) -> Patches:
    """An object, whose members have paths of their own."""

    def patches(old: Any, new: Any) -> Iterator[Operation]:
        before, after = old or {}, new or {}
        for name, patch in inner.items():
            if before.get(name) != after.get(name):
                yield from patch(before.get(name), after.get(name))

    return patches


def nothing(old: Any, new: Any) -> Iterator[Operation]:
    """A property that only tells how the others are used."""
    return iter(())


def _text(value: Any) -> str:
    return dump(value) if isinstance(value, dict | list) else as_text(value)


class Patched(Simple, frozen=True, kw_only=True):
    """`patches`: by property. One that has no row cannot be changed in place."""

    patches: Mapping[str, Patches] = {}

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        operations = list(self.operations(old, new))
        if operations:
            await work.call(
                self.service,
                self.changes,
                **self._keys(self.changes, work, physical_id, new),
                patchOperations=operations,
            )
        if self.tag_arn and old.get("Tags") != new.get("Tags"):
            arn = self.tag_arn[1:].format_map({**new, "region": work.region, "id": physical_id})
            await retag(work, self.service, arn, old.get("Tags"), new.get("Tags"))
        return await self._made(work, physical_id, new, {})

    def operations(self, old: Properties, new: Properties) -> Iterator[Operation]:
        """Raises `ResourceFailed`."""
        for name in sorted(changed(old, new) - {"Tags"}):
            patch = self.patches.get(name)
            if patch is None:
                raise NotTried(f"Forecourt cannot change {name} of what is there already")
            yield from patch(old.get(name), new.get(name))
