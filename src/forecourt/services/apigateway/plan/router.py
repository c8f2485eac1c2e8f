"""Which resource and method answer a path. Pure, and as quick with a thousand routes as with ten.

A tree of segments, walked once: at each level the exact segment is tried before `{param}`, and that before `{proxy+}`,
which takes the rest. What was tried in vain is undone, so a path finds the most specific resource that fits it whole
and has the method, itself or by `ANY`: one that lacks it gives way to a less specific one.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-settings-method-request.html

Resources without a method do not take part. Paths without a parameter, the commonest, are one dictionary away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

T = TypeVar("T")
_NO_PARAMETERS: Mapping[str, bytes] = {}


class Route(NamedTuple, Generic[T]):
    """`path` as the resource has it: `/pets/{id}`, `/{proxy+}`. `method` may be `ANY`."""

    method: str
    path: str
    target: T


# What was found, and its path parameters
Match = tuple[T, Mapping[str, bytes]]
# What answers a method, with the names of the parameters on the way to it, in order: methods may differ in them
_Answer = tuple[T, tuple[str, ...]]


class _Node(Generic[T]):
    __slots__ = ("children", "greedy", "methods", "parameter")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.greedy: _Node[T] | None = None
        self.methods: dict[str, _Answer[T]] = {}

    def answer(self, method: str) -> _Answer[T] | None:
        return self.methods.get(method) or self.methods.get("ANY")


class Router(Generic[T]):
    """A REST API's: `/pets/` is `/pets`."""

    def __init__(self, routes: Iterable[Route[T]]) -> None:
        self._root: _Node[T] = _Node()
        self._exact: dict[bytes, _Node[T]] = {}
        for route in routes:
            self._add(route)

    def _add(self, route: Route[T]) -> None:
        node = self._root
        names: tuple[str, ...] = ()
        for segment in _segments(route.path.encode()):
            if segment.startswith(b"{") and segment.endswith(b"+}"):
                names += (segment[1:-2].decode(),)
                node.greedy = node = node.greedy or _Node()
            elif segment.startswith(b"{") and segment.endswith(b"}"):
                names += (segment[1:-1].decode(),)
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.children.setdefault(_normal(segment), _Node())
        node.methods[route.method] = (route.target, names)
        if not names:
            self._exact[route.path.rstrip("/").encode()] = node

    def find(self, method: str, path: bytes) -> Match[T] | None:
        """`path` is raw and without the stage; parameters are raw, too."""
        node = self._exact.get(path)
        if node is not None and (found := node.answer(method)) is not None:
            return found[0], _NO_PARAMETERS
        values: list[bytes] = []
        found = self._walk(self._root, self._segments_of(path), 0, values, method)
        return None if found is None else (found[0], dict(zip(found[1], values, strict=True)))

    def _walk(
        self, node: _Node[T], segments: list[bytes], at: int, values: list[bytes], method: str
    ) -> _Answer[T] | None:
        if at == len(segments):
            return node.answer(method)
        segment = segments[at]
        child = node.children.get(_normal(segment) if b"%" in segment else segment)
        if child is not None and (found := self._walk(child, segments, at + 1, values, method)) is not None:
            return found
        if node.parameter is not None and segment:
            values.append(segment)
            found = self._walk(node.parameter, segments, at + 1, values, method)
            if found is not None:
                return found
            values.pop()
        if node.greedy is not None and (found := node.greedy.answer(method)) is not None:
            values.append(b"/".join(segments[at:]))
            return found
        return None

    def _segments_of(self, path: bytes) -> list[bytes]:
        return _segments(path)


class HttpRouter(Router[T]):
    """An HTTP API's: `/pets/` is not `/pets`, and what a greedy variable takes may be empty, behind a slash."""

    def _segments_of(self, path: bytes) -> list[bytes]:
        stripped = path[1:] if path.startswith(b"/") else path
        return stripped.split(b"/") if stripped else []


def _segments(path: bytes) -> list[bytes]:
    """`/a/b` and `/a/b/` are the same resource; the root has no segments."""
    stripped = path[1:] if path.startswith(b"/") else path
    if stripped.endswith(b"/"):
        stripped = stripped[:-1]
    return stripped.split(b"/") if stripped else []


def _normal(segment: bytes) -> bytes:
    """One spelling of a segment, whatever was percent-encoded."""
    return quote_from_bytes(unquote_to_bytes(segment), safe="!$&'()*+,;=:@").encode()
