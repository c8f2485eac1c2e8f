"""AWS::LanguageExtensions: `Fn::ForEach`, which writes a piece of a template once for each of a list.

The other extensions (Fn::Length, Fn::ToJsonString, a default of Fn::FindInMap) are functions as any other (`evaluate`).
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.errors import ValidationError

_LOOP = "Fn::ForEach::"
# Loops in loops multiply: what they may write out in all.
_MOST_COPIES = 2000


def expand(body: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Raises `ValidationError`."""
    found: dict[str, Any] = _Loops(parameters, body.get("Mappings") or {}).expanded(body)
    return found


class _Loops:
    def __init__(self, parameters: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._mappings = mappings
        self._copies = 0

    def expanded(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.expanded(item) for item in value]
        if not isinstance(value, dict):
            return value
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key.startswith(_LOOP):
                found |= self._looped(key, item)
            else:
                found[key] = self.expanded(item)
        return found

    def _looped(self, key: str, argument: Any) -> dict[str, Any]:
        if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[2], dict):
            raise ValidationError(f"{key} layout is incorrect")
        name, collection, fragment = argument
        found: dict[str, Any] = {}
        for item in self._items(key, collection):
            self._copies += 1
            if self._copies > _MOST_COPIES:
                raise ValidationError(f"{key}: the loops of a template may write {_MOST_COPIES} pieces at most")
            again = self.expanded(_written(fragment, str(name), item))
            clash = sorted(set(again) & set(found))
            if clash:
                raise ValidationError(f"{key}: the name {clash[0]} is written twice")
            found |= again
        return found

    def _items(self, key: str, collection: Any) -> list[str]:
        if isinstance(collection, dict) and isinstance(collection.get("Ref"), str):
            collection = self._parameters.get(collection["Ref"])
        if isinstance(collection, dict) and isinstance(collection.get("Fn::FindInMap"), list):
            try:
                first, second, third = collection["Fn::FindInMap"]
                collection = self._mappings[first][second][third]
            except (LookupError, TypeError, ValueError):
                raise ValidationError(f"{key} could not be resolved") from None
        if isinstance(collection, str):
            collection = [part.strip() for part in collection.split(",")]
        if not isinstance(collection, list) or not all(isinstance(item, str | int | float) for item in collection):
            raise ValidationError(f"{key} could not be resolved")
        return [str(item) for item in collection]


def _written(value: Any, name: str, item: str) -> Any:
    """With the loop's name replaced: in texts as `${Name}` or `&{Name}` (letters and digits only), and as a Ref."""
    if isinstance(value, list):
        return [_written(one, name, item) for one in value]
    if isinstance(value, dict):
        if value == {"Ref": name}:
            return item
        return {_in_text(key, name, item): _written(one, name, item) for key, one in value.items()}
    return _in_text(value, name, item) if isinstance(value, str) else value


def _in_text(text: str, name: str, item: str) -> str:
    plain = "".join(letter for letter in item if letter.isalnum())
    return text.replace(f"${{{name}}}", item).replace(f"&{{{name}}}", plain)
