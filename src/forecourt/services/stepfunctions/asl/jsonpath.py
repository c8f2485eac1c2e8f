"""JSONPath as Step Functions has it (the dialect of the Jayway library), compiled.

- A path is *definite* when it can only name one value: names and single indexes. It yields that value, or `MISSING`.
- Any other path (wildcard, slice, union, descent, filter) yields a list, possibly empty; `MISSING` only where the
  definite part before it names nothing.
- A definite path is followed by one loop over a tuple of keys, which is what nearly every definition needs.
- A *reference path* (ResultPath, Choice's Variable of old) is definite and has no functions; it can be written to.

Work is bounded: a path may yield at most `_MOST_RESULTS` nodes on the way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING", "__bool__": lambda self: False})()

_MOST_RESULTS = 200_000
_MOST_DEPTH = 64

Key = str | int | tuple[str, ...]  # a tuple names several members at the path's end
Step = Callable[[list[Any], Any], list[Any]]  # (nodes, root) -> nodes


class Path:
    """A compiled path below `$`."""

    __slots__ = ("definite", "function", "keys", "steps", "text")

    def __init__(self, text: str, keys: tuple[Key, ...], steps: tuple[Step, ...], function: str | None) -> None:
        self.text = text
        self.keys = keys
        self.steps = steps
        self.function = function
        self.definite = not steps

    @property
    def is_reference(self) -> bool:
        return self.definite and self.function is None and not any(isinstance(key, tuple) for key in self.keys)

    def find(self, root: Any) -> Any:
        """What the path names in `root`, or `MISSING`."""
        node = root
        for key in self.keys:
            node = _child(node, key)
            if node is MISSING:
                return MISSING
        if self.steps:
            nodes = [node]
            for step in self.steps:
                nodes = step(nodes, root)
                if len(nodes) > _MOST_RESULTS:
                    raise StatesError("States.Runtime", f"The JSONPath '{self.text}' matches too many values")
            node = nodes
        return node if self.function is None else _FUNCTIONS[self.function](node)

    def misses_only_an_index(self, root: Any) -> bool:
        """Whether the path names nothing merely because its last index lies past the end of an existing array."""
        if not self.keys or not isinstance(self.keys[-1], int) or self.steps:
            return False
        node = root
        for key in self.keys[:-1]:
            node = _child(node, key)
        return isinstance(node, list)

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def _child(node: Any, key: Key) -> Any:
    if type(key) is str:
        return node.get(key, MISSING) if type(node) is dict else MISSING
    if isinstance(key, tuple):
        return {name: node[name] for name in key if name in node} if type(node) is dict else MISSING
    if type(node) is not list:
        return MISSING
    assert isinstance(key, int)
    return node[key] if -len(node) <= key < len(node) else MISSING


# --- functions at a path's end --------------------------------------------------------------------------------------


def _numbers(node: Any) -> list[float]:
    return [item for item in node if type(item) in (int, float)] if isinstance(node, list) else []


def _stddev(node: Any) -> Any:
    numbers = _numbers(node)
    if not numbers:
        return MISSING
    mean = sum(numbers) / len(numbers)
    return (sum((number - mean) ** 2 for number in numbers) / len(numbers)) ** 0.5


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "length": lambda node: len(node) if isinstance(node, (list, dict, str)) else MISSING,
    "size": lambda node: len(node) if isinstance(node, (list, dict, str)) else MISSING,
    "min": lambda node: min(_numbers(node), default=MISSING),
    "max": lambda node: max(_numbers(node), default=MISSING),
    "sum": lambda node: sum(_numbers(node)) if isinstance(node, list) else MISSING,
    "avg": lambda node: sum(_numbers(node)) / len(_numbers(node)) if _numbers(node) else MISSING,
    "stddev": _stddev,
    "keys": lambda node: list(node) if isinstance(node, dict) else MISSING,
    "first": lambda node: node[0] if isinstance(node, list) and node else MISSING,
    "last": lambda node: node[-1] if isinstance(node, list) and node else MISSING,
}


# --- steps that make a path indefinite --------------------------------------------------------------------------------


def _each_child(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _wildcard(nodes: list[Any], root: Any) -> list[Any]:
    return [child for node in nodes for child in _each_child(node)]


def _key_step(keys: tuple[str | int, ...]) -> Step:
    def step(nodes: list[Any], root: Any) -> list[Any]:
        return [child for node in nodes for key in keys if (child := _child(node, key)) is not MISSING]

    return step


def _names_step(names: tuple[str, ...]) -> Step:
    """`['a','b']` yields one object with those members, as Jayway does."""

    def step(nodes: list[Any], root: Any) -> list[Any]:
        return [{name: node[name] for name in names if name in node} for node in nodes if isinstance(node, dict)]

    return step


def _slice_step(span: slice) -> Step:
    def step(nodes: list[Any], root: Any) -> list[Any]:
        return [item for node in nodes if isinstance(node, list) for item in node[span]]

    return step


def _descend(nodes: list[Any], root: Any) -> list[Any]:
    """All containers below `nodes`, themselves first, in document order."""
    found: list[Any] = []
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        if isinstance(node, (dict, list)):
            found.append(node)
            pending.extend(reversed(_each_child(node)))
        if len(found) > _MOST_RESULTS:
            raise StatesError("States.Runtime", "The JSONPath descends into too many values")
    return found


def _filter_step(test: Callable[[Any, Any], bool]) -> Step:
    def step(nodes: list[Any], root: Any) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, list):
                found.extend(item for item in node if test(item, root))
            elif test(node, root):
                found.append(node)
        return found

    return step


# --- parsing ----------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[^\s.\[\]()'\"?@,*$:]+")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?\]")
_INDEXES = re.compile(r"\s*-?\d+(?:\s*,\s*-?\d+)*\s*\]")
_CALL = re.compile(r"\.(\w+)\(\s*\)$")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1
        self.keys: list[Key] = []
        self.steps: list[Step] = []

    def parse(self) -> Path:
        text, function = self.text, None
        if call := _CALL.search(text):
            function = call.group(1)
            if function not in _FUNCTIONS:
                raise DefinitionError(f"Function {function} is not supported")
            text = text[: call.start()]
        self.body = text
        while self.at < len(text):
            self._segment()
        return Path(self.text, tuple(self.keys), tuple(self.steps), function)

    def _segment(self) -> None:
        if self.body.startswith("..", self.at):
            self.at += 2
            self.steps.append(_descend)
            if not self.body.startswith("[", self.at):
                self._name()
        elif self.body[self.at] == ".":
            self.at += 1
            if not self.body.startswith("[", self.at):  # `$.[0]` is common, and accepted
                self._name()
        elif self.body[self.at] == "[":
            self.at += 1
            self._bracket()
        else:
            raise DefinitionError(f"Illegal character at position {self.at} only '.' or '[' is allowed")

    def _name(self) -> None:
        if self.body.startswith("*", self.at):
            self.at += 1
            self.steps.append(_wildcard)
            return
        match = _NAME.match(self.body, self.at)
        if match is None:
            raise DefinitionError(f"Expected a property name at position {self.at}")
        self.at = match.end()
        self._keys((match.group(),))

    def _keys(self, keys: tuple[str | int, ...]) -> None:
        if len(keys) == 1 and not self.steps:
            self.keys.append(keys[0])
        elif len(keys) > 1 and isinstance(keys[0], str) and not self.steps and self.at >= len(self.body):
            self.keys.append(tuple(str(key) for key in keys))
        elif len(keys) > 1 and isinstance(keys[0], str):
            self.steps.append(_names_step(tuple(str(key) for key in keys)))
        else:
            self.steps.append(_key_step(keys))

    def _bracket(self) -> None:
        body = self.body
        while body.startswith(" ", self.at):
            self.at += 1
        if body.startswith("?", self.at):
            self._filter()
        elif body.startswith("*", self.at):
            self.at += 1
            self.steps.append(_wildcard)
            self._close()
        elif body.startswith(("'", '"'), self.at):
            self._quoted_names()
        elif match := _SLICE.match(body, self.at):
            self.at = match.end()
            first, last, by = (int(part) if part else None for part in match.groups())
            if by == 0:
                raise DefinitionError("A slice's step must not be 0")
            self.steps.append(_slice_step(slice(first, last, by)))
        elif match := _INDEXES.match(body, self.at):
            self.at = match.end()
            self._keys(tuple(int(part) for part in match.group()[:-1].split(",")))
        else:
            raise DefinitionError(f"Could not parse token starting at position {self.at}")

    def _close(self) -> None:
        while self.body.startswith(" ", self.at):
            self.at += 1
        if not self.body.startswith("]", self.at):
            raise DefinitionError(f"Expected ']' at position {self.at}")
        self.at += 1

    def _quoted_names(self) -> None:
        names: list[str | int] = []
        while True:
            name, self.at = read_quoted(self.body, self.at)
            names.append(name)
            while self.body.startswith(" ", self.at):
                self.at += 1
            if not self.body.startswith(",", self.at):
                break
            self.at += 1
            while self.body.startswith(" ", self.at):
                self.at += 1
            if not self.body.startswith(("'", '"'), self.at):
                raise DefinitionError(f"Expected a quoted name at position {self.at}")
        self._close()
        self._keys(tuple(names))

    def _filter(self) -> None:
        from forecourt.services.stepfunctions.asl.jsonpath_filter import parse_filter

        end = matching_bracket(self.body, self.at)
        inner = self.body[self.at + 1 : end].strip()
        if not (inner.startswith("(") and inner.endswith(")")):
            raise DefinitionError("A filter must be written as [?(...)]")
        self.steps.append(_filter_step(parse_filter(inner[1:-1])))
        self.at = end + 1


def read_quoted(text: str, at: int) -> tuple[str, int]:
    """The string in quotes that starts at `at`, and the position behind it."""
    quote, out, at = text[at], [], at + 1
    while at < len(text) and text[at] != quote:
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        out.append(text[at])
        at += 1
    if at >= len(text):
        raise DefinitionError("A string is not closed")
    return "".join(out), at + 1


def matching_bracket(text: str, at: int) -> int:
    """The position of the `]` that closes the bracket in which `at` lies."""
    depth = 1
    while at < len(text):
        if text[at] in "'\"":
            _, at = read_quoted(text, at)
            continue
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if depth > _MOST_DEPTH:
            raise DefinitionError("The path is nested too deeply")
        if depth == 0:
            return at
        at += 1
    raise DefinitionError("A bracket is not closed")


@functools.lru_cache(maxsize=8192)
def compile_path(text: str) -> Path:
    """`text` starts with `$`. Raises `DefinitionError`."""
    if not text.startswith("$"):
        raise DefinitionError("A JSONPath must start with '$'")
    return _Parser(text).parse()


def assign_path(root: Any, path: Path, value: Any) -> Any:
    """A copy of `root` in which the reference path names `value`; only what lies on the path is copied.

    Raises `LookupError` where an array or a scalar is in the way (`States.ResultPathMatchFailure`).
    """
    return _assign(root, path.keys, value)


def _assign(node: Any, keys: tuple[Key, ...], value: Any) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(key, str):
        if not isinstance(node, dict):
            raise LookupError(key)
        return {**node, key: _assign(node.get(key, {}), rest, value)}
    if not isinstance(key, int) or not isinstance(node, list) or not 0 <= key < len(node):
        raise LookupError(key)
    return [*node[:key], _assign(node[key], rest, value), *node[key + 1 :]]
