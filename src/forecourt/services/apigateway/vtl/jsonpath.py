"""JSONPath as `$input.path` and parameter mappings use it (Jayway's dialect, its common part), compiled once.

`$`, `.name`, `['name']`, `[0]`, `[-1]`, `[1:3]`, `[0,2]`, `.*`, `[*]`, `..name`, `[?(@.price < 10)]`, `.length()`.
A path that can match several nodes gives a list; a definite one gives the node, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any

from forecourt.services.apigateway.vtl.jsonpath_filter import compile_filter

_TOKEN = re.compile(
    r"""\.\.(?P<deep>[\w$@-]+|\*|(?=\[)) | \.(?P<function>length|size|min|max|sum|avg|keys)\(\)
    | \.(?P<name>[^.\[\]()'"\s]+) | \[\s*(?P<index>-?\d+)\s*\] | \[\s*(?P<star>\*)\s*\]
    | \[\s*(?P<slice>-?\d*:-?\d*)\s*\] | \[\s*(?P<indexes>-?\d+(?:\s*,\s*-?\d+)+)\s*\]
    | \[\s*(?P<names>'(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')* | "(?:[^"\\]|\\.)*")\s*\]
    | \[\s*\?\((?P<filter>(?:'[^']*'|"[^"]*"|/(?:[^/\\]|\\.)*/|[^'"/])*?)\)\s*\]""",
    re.VERBOSE,
)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "length": lambda value: len(value) if isinstance(value, list | dict | str) else None,
    "size": lambda value: len(value) if isinstance(value, list | dict | str) else None,
    "min": lambda value: min(value) if value else None,
    "max": lambda value: max(value) if value else None,
    "sum": lambda value: sum(value) if value else 0,
    "avg": lambda value: sum(value) / len(value) if value else None,
    "keys": lambda value: list(value) if isinstance(value, dict) else None,
}
Step = Callable[[Any], Iterator[Any]]
# A document is a client's, and `..*` multiplies it.
_MOST_NODES = 1_000_000
_NODES_A_SECOND = 2_000_000


class Visits:
    """How many nodes were gone through to find what was found."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, nodes: int) -> None:
        self.count += nodes
        if self.count > _MOST_NODES:
            raise ValueError(f"a path visits more than {_MOST_NODES} nodes")


class JsonPath:
    """Raises `ValueError` where the path is not one."""

    def __init__(self, text: str) -> None:
        self._steps: list[Step] = []
        self._visits = Visits()
        self.definite = True
        self._function: Callable[[Any], Any] | None = None
        text = text.strip()
        at = 1 if text.startswith("$") else 0
        if not at and text[:1] not in ".[":
            text = "." + text
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None or self._function is not None:
                raise ValueError(f"not a JSONPath: {text!r}")
            self._add(token)
            at = token.end()

    def _add(self, token: re.Match[str]) -> None:
        kind = token.lastgroup
        assert kind is not None
        text: str = token[kind]
        if kind == "function":
            self._function = _FUNCTIONS[text]
            return
        counting = _COUNTING.get(kind)
        step, definite = _STEPS[kind](text) if counting is None else (counting(text, self._visits), False)
        self._steps.append(step)
        self.definite &= definite

    @property
    def visited(self) -> int:
        """By the last `find`."""
        return self._visits.count

    def find(self, value: Any) -> Any:
        """The node of a definite path (None where it is missing), the list of nodes of any other.

        Raises `ValueError` where it is more than a million that are visited.
        """
        nodes, visits = [value], self._visits
        visits.count = 0
        for step in self._steps:
            if len(nodes) == 1:
                nodes = list(step(nodes[0]))
            else:
                nodes = list(islice((found for node in nodes for found in step(node)), _MOST_NODES))
                visits.add(len(nodes))
        result: Any = nodes if not self.definite else nodes[0] if nodes else None
        if self._function is None:
            return result
        try:
            return self._function(result)
        except TypeError:
            return None


def _member(name: str) -> tuple[Step, bool]:
    return (_children, False) if name == "*" else (_named(name), True)


def _named(name: str) -> Step:
    def step(node: Any) -> Iterator[Any]:
        if isinstance(node, dict) and name in node:
            yield node[name]

    return step


def _names(text: str) -> tuple[Step, bool]:
    """One name is a member. Of several a map is made that has those which are there."""
    names = [re.sub(r"\\(.)", r"\1", a or b) for a, b in _QUOTED.findall(text)]
    if len(names) == 1:
        return _named(names[0]), True

    def step(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            yield {name: node[name] for name in names if name in node}

    return step, True


def _index(text: str) -> tuple[Step, bool]:
    index = int(text)

    def step(node: Any) -> Iterator[Any]:
        if isinstance(node, list) and -len(node) <= index < len(node):
            yield node[index]

    return step, True


def _indexes(text: str) -> tuple[Step, bool]:
    steps = [_index(part)[0] for part in text.split(",")]

    def step(node: Any) -> Iterator[Any]:
        for single in steps:
            yield from single(node)

    return step, False


def _slice(text: str) -> tuple[Step, bool]:
    start, _, stop = text.partition(":")
    part = slice(int(start) if start else None, int(stop) if stop else None)

    def step(node: Any) -> Iterator[Any]:
        if isinstance(node, list):
            yield from node[part]

    return step, False


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _star(text: str) -> tuple[Step, bool]:
    return _children, False


def _deep(name: str, visits: Visits) -> Step:
    inner = _children if name == "*" else _named(name) if name else None

    def step(node: Any) -> Iterator[Any]:
        pending = [node]
        while pending:
            current = pending.pop()
            yield from inner(current) if inner is not None else (current,)
            children = list(_children(current))
            visits.add(1)
            # The first child is looked at next.
            pending += reversed(children)

    return step


def _filter(text: str, visits: Visits) -> Step:
    test = compile_filter(text, lambda path: JsonPath("$" + path[1:]).find)

    def step(node: Any) -> Iterator[Any]:
        for child in _children(node):
            visits.add(1)
            if test(child):
                yield child

    def timed(node: Any) -> Iterator[Any]:
        """A pattern may take its time on every node: it counts as the nodes that could be visited meanwhile."""
        for child in _children(node):
            started = perf_counter()
            passes = test(child)
            visits.add(1 + int((perf_counter() - started) * _NODES_A_SECOND))
            if passes:
                yield child

    return timed if "=~" in text else step


_STEPS: dict[str, Callable[[str], tuple[Step, bool]]] = {
    "name": _member,
    "index": _index,
    "star": _star,
    "slice": _slice,
    "indexes": _indexes,
    "names": _names,
}
# Whose work is not seen by what they find
_COUNTING: dict[str, Callable[[str, Visits], Step]] = {"deep": _deep, "filter": _filter}
