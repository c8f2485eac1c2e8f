"""AWS's own schemas of resource types, as far as they are needed: which properties there are, which are required, which
cannot be changed, and whether the type has tags.

They come with cfn-lint, which the embedded services' library brings along; the package itself is not imported.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_REGION = "us-east-1"


class Schema(msgspec.Struct, frozen=True):
    type: str
    document: dict[str, Any]

    @property
    def create_only(self) -> frozenset[str]:
        """Properties (`Name`, `Code/Image`) whose change means another resource."""
        return frozenset(_names(self.document.get("createOnlyProperties", ())))

    @property
    def read_only(self) -> frozenset[str]:
        return frozenset(_names(self.document.get("readOnlyProperties", ())))

    @property
    def tag_property(self) -> str | None:
        tagging = self.document.get("tagging") or {}
        if not tagging.get("taggable"):
            return None
        return str(tagging.get("tagProperty", "/properties/Tags")).removeprefix("/properties/")

    @property
    def tags_are_a_map(self) -> bool:
        member = self._resolve(self.document["properties"].get(self.tag_property or "", {}))
        return member.get("type") == "object"

    def problems(self, properties: dict[str, Any]) -> Iterator[str]:
        """What AWS refuses of the properties' names."""
        yield from self._unlike(self.document, properties, "#")

    def _unlike(self, schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        schema = self._resolve(schema)
        if isinstance(value, list):
            items = schema.get("items")
            if isinstance(items, dict):
                for index, item in enumerate(value):
                    yield from self._unlike(items, item, f"{where}/{index}")
            return
        known = schema.get("properties")
        if not isinstance(value, dict) or not isinstance(known, dict):
            return
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}: required key [{name}] not found"
        for name, item in value.items():
            if name in known:
                yield from self._unlike(known[name], item, f"{where}/{name}")
            elif schema.get("additionalProperties") is False and not schema.get("patternProperties"):
                yield f"{where}: extraneous key [{name}] is not permitted"

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref", "")
        if not reference.startswith("#/definitions/"):
            return schema
        found: dict[str, Any] = self.document.get("definitions", {}).get(reference.removeprefix("#/definitions/"), {})
        return found


def _names(paths: Any) -> Iterator[str]:
    for path in paths:
        yield path.removeprefix("/properties/")


@functools.cache
def _folder() -> Path:
    found = importlib.util.find_spec("cfnlint")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "data" / "schemas"


@functools.cache
def _index() -> dict[str, str]:
    found: dict[str, str] = json.loads((_folder() / "providers" / f"{_REGION}.json").read_bytes())
    return found


@functools.lru_cache(maxsize=256)
def schema_of(type_name: str) -> Schema | None:
    """None where AWS has no such type."""
    digest = _index().get(type_name)
    if digest is None:
        return None
    return Schema(type_name, json.loads((_folder() / "resources" / f"{digest}.json").read_bytes()))
