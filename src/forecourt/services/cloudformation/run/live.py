"""What resources are, to those that refer to them: while a stack is deployed, and while a change of it is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.model import Record
from forecourt.services.cloudformation.schemas import schema_of
from forecourt.services.cloudformation.template.evaluate import UNKNOWN
from forecourt.services.cloudformation.template.scope import Resources

Attributes = Callable[[Record], Mapping[str, Any]]


class Live(Resources):
    """Resources as they were recorded: everything that is referred to is there already."""

    def __init__(self, records: Mapping[str, Record], attributes: Attributes) -> None:
        self._records = records
        self._attributes = attributes

    def ref(self, name: str) -> Any:
        record = self._records.get(name)
        if record is None or not record.exists:
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the "
                "template"
            )
        return record.physical_id

    def attribute(self, name: str, attribute: str) -> Any:
        self.ref(name)
        record = self._records[name]
        found = _deep(self._attributes(record), attribute)
        if found is None and attribute == "Id" and _has_id(record.type):
            return record.physical_id
        if found is None:
            raise ValidationError(
                f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
            )
        return found


class Planned(Live):
    """Resources while a change set is made: of what will be made anew nothing is known."""

    def __init__(self, records: Mapping[str, Record], attributes: Attributes) -> None:
        super().__init__(records, attributes)
        self.anew: set[str] = set()

    def ref(self, name: str) -> Any:
        return UNKNOWN if name in self.anew else super().ref(name)

    def attribute(self, name: str, attribute: str) -> Any:
        return UNKNOWN if name in self.anew else super().attribute(name, attribute)


def _has_id(type_name: str) -> bool:
    """Whether `Id` is an attribute of the type: then it is what Ref gives."""
    schema = schema_of(type_name)
    return schema is not None and "Id" in schema.read_only


def _deep(attributes: Mapping[str, Any], path: str) -> Any:
    """`Outputs.Url` is a name of its own, or a member of a member."""
    if path in attributes:
        return attributes[path]
    found: Any = attributes
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
