"""YAML, as far as an OpenAPI document needs it: what JSON could have said in another notation.

Read event by event and written line by line, both in plain Python: a document of megabytes takes seconds, and libyaml's
own composer and emitter would hold the interpreter's lock for all of them.

- Aliases are refused: a few lines of them can stand for gigabytes. So is what JSON has no word for: tags, sets.
- `version: 2024-01-31` is text, as in JSON, and keys are text (`200:` is a status code).
- Written strings are quoted, as AWS's exports have them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

_MOST_LEVELS = 200
_CORE = "tag:yaml.org,2002:"


# -- reading


@cache
def _loader() -> type[yaml.CSafeLoader]:
    # Imported for the first document: a start does not wait for it.
    import yaml

    class Loader(yaml.CSafeLoader):
        yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_CORE}timestamp"]
            for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
        }

    return Loader


def read_yaml(text: str) -> Any:
    """Raises `ValueError`, `yaml.YAMLError`."""
    loader = _loader()(text)
    try:
        return _built(loader)
    finally:
        loader.dispose()


class _Node:
    """A mapping or a sequence that is being filled; the document itself is a sequence of one."""

    __slots__ = ("_has_key", "_key", "value")

    def __init__(self, value: dict[str, Any] | list[Any]) -> None:
        self.value = value
        self._key = ""
        self._has_key = False

    def add(self, item: Any) -> None:
        if isinstance(self.value, list):
            self.value.append(item)
        elif self._has_key:
            self.value[self._key] = item
            self._has_key = False
        elif isinstance(item, dict | list):
            raise ValueError("a key is no text")
        else:
            self._key, self._has_key = item if isinstance(item, str) else json.dumps(item), True


def _built(loader: yaml.CSafeLoader) -> Any:
    import yaml

    found: list[Any] = []
    nodes = [_Node(found)]
    while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
        if isinstance(event, yaml.ScalarEvent):
            nodes[-1].add(_scalar(loader, event))
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.tag not in (None, "!", f"{_CORE}map", f"{_CORE}seq") or len(nodes) > _MOST_LEVELS:
                raise ValueError("a tag, or too many levels")
            node = _Node({} if isinstance(event, yaml.MappingStartEvent) else [])
            nodes[-1].add(node.value)
            nodes.append(node)
        elif isinstance(event, yaml.CollectionEndEvent):
            nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases are not supported")
    if len(found) > 1:
        raise ValueError("more than one document")
    return found[0] if found else None


def _scalar(loader: yaml.CSafeLoader, event: yaml.ScalarEvent) -> Any:
    import yaml

    tag = event.tag
    if tag in (None, "!"):
        if not event.implicit[0]:
            return event.value
        tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
    kind = str(tag).removeprefix(_CORE)
    if kind in ("str", "merge", "value"):
        return event.value
    if kind not in ("null", "bool", "int", "float"):
        raise ValueError("neither text nor number")
    return loader.yaml_constructors[tag](loader, yaml.ScalarNode(tag, event.value))


# -- writing

_PLAIN_KEY = re.compile(r"[A-Za-z/$_][A-Za-z0-9_/.$+{}-]*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
# What JSON lets stand in a string and YAML does not
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write_yaml(document: Any) -> str:
    return "".join(f"{line}\n" for line in ("---", *_lines(document, "")))


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _entry(f"{indent}{_key(name)}:", item, indent if isinstance(item, list) else f"{indent}  ")
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item, indent)
    else:
        yield f"{indent}{_text(value)}"


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from _lines(value, indent)
    else:
        yield f"{head} {_text(value)}"


def _item(value: Any, indent: str) -> Iterator[str]:
    """The first line of what is inside stands behind the dash."""
    lines = _lines(value, f"{indent}  ")
    first = next(lines)
    yield f"{indent}- {first[len(indent) + 2 :]}"
    yield from lines


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) and name.lower() not in _WORDS else _text(name)


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    # `1e-05` is text in YAML: a number with an exponent has a point.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
