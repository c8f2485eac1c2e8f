"""What a template's names mean in a stack: parameters, pseudo parameters, conditions, mappings, resources, exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template.evaluate import evaluate, holds
from forecourt.services.cloudformation.template.parameters import Value
from forecourt.services.cloudformation.template.sections import Template

_ZONES = "abc"


class Resources:
    """What a scope asks about resources. This one has none: of conditions."""

    def ref(self, name: str) -> Any:
        raise ValidationError(f"Template format error: Unresolved resource dependencies [{name}]")

    def attribute(self, name: str, attribute: str) -> Any:
        raise ValidationError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")


def _no_exports(name: str) -> Any:
    raise ValidationError(f"No export named {name} found.")


class StackScope:
    """`pseudo` holds the pseudo parameters by name; `imported` gives an export's value, or raises `ValidationError`."""

    def __init__(
        self,
        template: Template,
        parameters: Mapping[str, Value],
        pseudo: Mapping[str, Any],
        resources: Resources | None = None,
        imported: Callable[[str], Any] = _no_exports,
    ) -> None:
        self._template = template
        self._parameters = parameters
        self._pseudo = pseudo
        self._resources = resources or Resources()
        self.imported = imported
        self._conditions: dict[str, bool | None] = {}

    def ref(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name].value
        if name in self._pseudo:
            return self._pseudo[name]
        return self._resources.ref(name)

    def attribute(self, name: str, attribute: str) -> Any:
        return self._resources.attribute(name, attribute)

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            if name not in self._template.conditions:
                raise ValidationError(f"Template error: unresolved condition dependency {name}")
            self._conditions[name] = None
            self._conditions[name] = holds(self._template.conditions[name], self)
        found = self._conditions[name]
        if found is None:
            raise ValidationError(f"Template error: Circular dependency in conditions: [{name}]")
        return found

    def mapped(self, name: str, first: str, second: str) -> Any:
        return evaluate(self._template.mappings[name][first][second], self)

    def zones(self, region: str) -> list[str]:
        return [region + zone for zone in _ZONES]

    def present(self) -> set[str]:
        """The resources whose condition holds."""
        found = self._template.resources.items()
        return {name for name, resource in found if resource.condition is None or self.condition(resource.condition)}


def pseudo_parameters(account: str, region: str, stack_id: str, stack_name: str, topics: list[str]) -> dict[str, Any]:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return {
        "AWS::AccountId": account,
        "AWS::NotificationARNs": topics,
        "AWS::Partition": "aws",
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": suffix,
    }
