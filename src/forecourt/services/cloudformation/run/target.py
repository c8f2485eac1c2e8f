"""What an operation is after: its template, read and evaluated against the stack as it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from forecourt.services.cloudformation.errors import ResourceFailed, ValidationError
from forecourt.services.cloudformation.model import Output, Stack
from forecourt.services.cloudformation.resources.tags import merged
from forecourt.services.cloudformation.run.steps import Wanted
from forecourt.services.cloudformation.schemas import schema_of
from forecourt.services.cloudformation.store import StackStore
from forecourt.services.cloudformation.template import sections
from forecourt.services.cloudformation.template.document import dump
from forecourt.services.cloudformation.template.evaluate import evaluate, require_bounded
from forecourt.services.cloudformation.template.parameters import Value, as_text
from forecourt.services.cloudformation.template.references import Graph, dependencies
from forecourt.services.cloudformation.template.scope import Resources, StackScope, pseudo_parameters


class Target:
    def __init__(
        self, stacks: StackStore, stack: Stack, processed: str, parameters: Mapping[str, Value], tags: Mapping[str, str]
    ) -> None:
        """Raises `ValidationError`."""
        self._stacks = stacks
        self._stack = stack
        self._tags = tags
        self.template = sections.read(json.loads(processed))
        self._parameters = parameters
        self._pseudo = pseudo_parameters(stack.account, stack.region, stack.id, stack.name, stack.topics)
        self.scope = StackScope(self.template, self._parameters, self._pseudo)
        self.imported: set[str] = set()

    async def load_exports(self) -> dict[str, str]:
        found = await self._stacks.exports(self._stack.account, self._stack.region)
        return {export.name: export.value for export in found}

    def go_live(self, resources: Resources, exports: Mapping[str, str]) -> None:
        def imported(name: str) -> str:
            if name not in exports:
                raise ValidationError(f"No export named {name} found.")
            self.imported.add(name)
            return exports[name]

        self.scope = StackScope(self.template, self._parameters, self._pseudo, resources, imported)

    @cached_property
    def present(self) -> set[str]:
        """The resources that there are to be."""
        return self.scope.present()

    @cached_property
    def graph(self) -> Graph:
        return dependencies(self.template, self.present, self.scope.condition)

    def described(self, name: str) -> Wanted:
        """Without its properties."""
        resource = self.template.resources[name]
        return Wanted(logical_id=name, type=resource.type, properties={})

    def wanted(self, name: str) -> Wanted:
        """Raises `ValidationError` and `ResourceFailed`."""
        resource = self.template.resources[name]
        if resource.other_policies:
            raise ResourceFailed(f"Forecourt does not support {', '.join(resource.other_policies)} of {resource.type}")
        properties = evaluate(resource.properties, self.scope)
        require_bounded(properties)
        schema = schema_of(resource.type)
        if schema is not None:
            problem = next(schema.problems(properties), None)
            if problem is not None:
                raise ResourceFailed(f"Properties validation failed for resource {name} with message:\n{problem}")
            tags = schema.tag_property
            if tags is not None and self._tags:
                properties[tags] = merged(properties.get(tags), self._tags, a_map=schema.tags_are_a_map)
        metadata = evaluate(resource.metadata, self.scope)
        return Wanted(
            logical_id=name,
            type=resource.type,
            properties=properties,
            deletion_policy=self._policy(resource.deletion_policy),
            update_replace_policy=self._policy(resource.update_replace_policy),
            depends_on=sorted(self.graph[name]),
            metadata=dump(metadata) if metadata is not None else None,
        )

    def _policy(self, given: Any) -> str:
        found = evaluate(given, self.scope) if given is not None else "Delete"
        if found not in sections.DELETION_POLICIES:
            raise ValidationError(f"Template error: DeletionPolicy {found} is not valid.")
        if found == "Snapshot":
            raise ValidationError("Template error: Forecourt takes no snapshots of resources: Snapshot is refused.")
        return str(found)

    def outputs(self) -> list[Output]:
        """Raises `ValidationError`."""
        found = []
        for key, output in self.template.outputs.items():
            if "Condition" in output and not self.scope.condition(output["Condition"]):
                continue
            value = evaluate(output["Value"], self.scope)
            if not isinstance(value, str | bool | int | float):
                raise ValidationError(
                    f"Template format error: The Value field of every Outputs member must evaluate to a String. ({key})"
                )
            export = evaluate(output["Export"]["Name"], self.scope) if output.get("Export") else None
            found.append(
                Output(
                    key=key,
                    value=as_text(value),
                    description=output.get("Description"),
                    export=as_text(export) if export is not None else None,
                )
            )
        return found
