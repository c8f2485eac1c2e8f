"""`patchOperations`: how every update of `apigateway` says what it changes.

A noun's patches are a `Table` of rules: a path pattern (`/requestParameters/{name}`), the operations AWS supports
there, and the edit they make. An edit changes the noun as plain data, by AWS's member names; segments of a path are
split at `/` and unescaped (`~1` is `/`, `~0` is `~`; RFC 6901). Operations apply in order, all or none.

AWS words its refusal in three ways, depending on the noun; the table names its way:

- `listed`: `Invalid patch path  '/x' specified for op 'replace'. Must be one of: [...]` (the two spaces are AWS's)
- `plain`: `Invalid patch path /x`, and `Invalid patch operation specified. Must be one of: [replace]`
- `stage`: a stage's, which takes every unknown path for a method setting (see `patches.STAGE`)

https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import msgspec

from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException

Data = dict[str, Any]
Parse = Callable[[str | None], Any]


class Operation(NamedTuple):
    op: str
    path: str | None
    value: str | None = None
    source: str | None = None


class Edit(Protocol):
    def __call__(self, data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        """`keys` are what the path's `{}` segments matched."""
        ...


@dataclass(frozen=True)
class Rule:
    path: str
    ops: tuple[str, ...]
    edit: Edit
    # How AWS writes the path where it lists those that it takes, if otherwise
    listed_as: str = ""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")[1:])

    def match(self, segments: Sequence[str]) -> tuple[str, ...] | None:
        """`{x}` takes one segment that is not empty, `{x+}` as many as are left for it."""
        if len(segments) > len(self.segments) and (greedy := self._greedy) is not None:
            taken = len(segments) - len(self.segments) + 1
            joined = "/".join(segments[greedy : greedy + taken])
            segments = [*segments[:greedy], joined, *segments[greedy + taken :]]
        if len(segments) != len(self.segments):
            return None
        pairs = list(zip(self.segments, segments, strict=True))
        if any(segment != pattern if pattern[:1] != "{" else not segment for pattern, segment in pairs):
            return None
        return tuple(segment for pattern, segment in pairs if pattern[:1] == "{")

    @cached_property
    def _greedy(self) -> int | None:
        return next((i for i, pattern in enumerate(self.segments) if pattern.endswith("+}")), None)


Refuse = Callable[["Table", Operation], BadRequestException]


@dataclass(frozen=True)
class Table:
    rules: tuple[Rule, ...]
    refuse: Refuse

    def paths(self, op: str) -> list[str]:
        return [rule.listed_as or rule.path for rule in self.rules if op in rule.ops]

    def find(self, segments: Sequence[str]) -> Iterable[tuple[Rule, tuple[str, ...]]]:
        for rule in self.rules:
            keys = rule.match(segments)
            if keys is not None:
                yield rule, keys


def apply(table: Table, data: Data, operations: Iterable[Mapping[str, Any]]) -> Data:
    """`data` as the operations leave it; `data` itself is not changed. Raises what AWS answers."""
    changed = copy.deepcopy(data)
    for given in operations:
        operation = Operation(given.get("op", ""), given.get("path"), given.get("value"), given.get("from"))
        _apply_one(table, changed, operation)
    return changed


def _apply_one(table: Table, data: Data, operation: Operation) -> None:
    for rule, keys in table.find(split(operation.path)):
        if operation.op in rule.ops:
            rule.edit(data, keys, operation)
            return
    raise table.refuse(table, operation)


def split(path: str | None) -> tuple[str, ...]:
    """AWS's own examples leave out the leading slash now and then; so may a client."""
    segments = (path or "").removeprefix("/").split("/")
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in segments)


# -- The wordings ------------------------------------------------------------------------------------------------------


def listed(table: Table, operation: Operation) -> BadRequestException:
    paths = table.paths(operation.op)
    choices = f"Must be one of: [{', '.join(paths)}]" if paths else "Please choose supported operations"
    return BadRequestException(f"Invalid patch path  '{operation.path}' specified for op '{operation.op}'. {choices}")


def plain(table: Table, operation: Operation) -> BadRequestException:
    supported = [op for rule, _ in table.find(split(operation.path)) for op in rule.ops]
    if not supported:
        return by_path(table, operation)
    if len(supported) == 1:
        return BadRequestException(f"Invalid patch operation specified. Must be one of: [{supported[0]}]")
    choices = "|".join(f"'{op}'" for op in supported)
    return BadRequestException(f"Invalid patch operation specified. Must be {choices}")


def by_path(table: Table, operation: Operation) -> BadRequestException:
    """Gateway responses do not tell an unsupported operation from an unknown path."""
    return BadRequestException(f"Invalid patch path {'null' if operation.path is None else operation.path}")


# -- Values ------------------------------------------------------------------------------------------------------------


def text(value: str | None) -> str | None:
    return value


def flag(value: str | None) -> bool:
    """Anything but `true` is false, as at AWS."""
    return value is not None and value.lower() == "true"


def integer(message: str) -> Parse:
    """Java's `Integer`."""
    return _number(_INTEGER, int, (1 << 31) - 1, message)


def number(message: str) -> Parse:
    return _number(_NUMBER, float, sys.float_info.max, message)


_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _number(written: re.Pattern[str], kind: Callable[[str], float], most: float, message: str) -> Parse:
    def parse(value: str | None) -> Any:
        if value is None or written.fullmatch(value) is None or abs(kind(value)) > most:
            raise BadRequestException(message)
        return kind(value)

    return parse


def choice(choices: Sequence[str], message: str) -> Parse:
    def parse(value: str | None) -> str | None:
        if value not in choices:
            raise BadRequestException(message)
        return value

    return parse


def text_map(value: str | None) -> dict[str, str]:
    """`{"color": "red"}`"""
    found = json_object(value)
    if not all(isinstance(item, str) for item in found.values()):
        raise BadRequestException("Invalid patch value specified. Must be a JSON object of strings")
    return found


def json_object(value: str | None) -> Data:
    try:
        return msgspec.json.decode(value or "", type=Data)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequestException("Invalid patch value specified. Must be a JSON object") from None


def csv(value: str | None) -> list[str]:
    return [item.strip() for item in (value or "").split(",") if item.strip()]


# -- Edits -------------------------------------------------------------------------------------------------------------


def member(path: str, parse: Parse = text, default: Any = None) -> Edit:
    """Sets one member; `remove` brings back its default. Objects on the way are made."""
    *parents, name = path.split("/")

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        target = inside(data, parents)
        target[name] = default if operation.op == "remove" else parse(operation.value)

    return edit


def without(name: str) -> Edit:
    """Takes the whole member away."""

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        data[name] = None

    return edit


def entry(path: str, parse: Parse = text, missing: str = "Invalid parameter name specified") -> Edit:
    """Sets or removes the entry of a map that the path's last segment names. A map that becomes empty is unset."""
    *parents, name = path.split("/")

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        target = inside(data, parents)
        entries = target.get(name) or {}
        if operation.op != "add" and keys[-1] not in entries and missing:
            raise NotFoundException(missing)
        if operation.op == "remove":
            entries.pop(keys[-1], None)
        else:
            entries[keys[-1]] = parse(operation.value)
        target[name] = entries or None

    return edit


def element(path: str, parse: Parse = text) -> Edit:
    """A list whose elements are named in the path: `/binaryMediaTypes/image~1png`; `replace` puts `value` instead."""
    *parents, name = path.split("/")

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        target = inside(data, parents)
        elements = [item for item in target.get(name) or [] if operation.op == "add" or item != keys[-1]]
        added = {"add": keys[-1], "replace": parse(operation.value)}.get(operation.op)
        if added and added not in elements:
            elements.append(added)
        target[name] = elements

    return edit


def elements(path: str) -> Edit:
    """A list whose elements come as the operation's value: `op=add path=/authorizationScopes value=pets.read`."""
    *parents, name = path.split("/")

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        target = inside(data, parents)
        given = csv(operation.value)
        kept = [] if operation.op == "replace" else [item for item in target.get(name) or [] if item not in given]
        target[name] = kept if operation.op == "remove" else kept + given

    return edit


def inside(data: Data, parents: Iterable[str]) -> Data:
    """The object at `parents`, made where it is not there."""
    for parent in parents:
        if data.get(parent) is None:
            data[parent] = {}
        data = data[parent]
    return data
