"""Which operation of a REST service a method and a path are for.

The models' `requestUri`s become a tree of path segments: a literal is tried before a label, a label before a greedy
one. Where several operations share a path (S3's do), the one with most of its own marks in the request wins: literal
query parameters of its URI (`?acl`), then required members in the query string and headers; and of two that differ in
nothing, the one that is not deprecated (S3's `PutBucketLifecycle` is).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote

from forecourt.wire.messages import HttpRequest
from forecourt.wire.models import Model, Operation, model
from forecourt.wire.rest import parse_query


class Leaf(NamedTuple):
    operation: str
    labels: tuple[str, ...]
    # of the URI's query: a value must be equal, "" must be there
    literals: tuple[tuple[str, str], ...]
    required_query: frozenset[str]
    required_headers: frozenset[bytes]


class Node:
    __slots__ = ("greedy", "label", "leaves", "literal")

    def __init__(self) -> None:
        self.literal: dict[str, Node] = {}
        self.label: Node | None = None
        self.greedy: Node | None = None
        self.leaves: list[Leaf] = []


class Match(NamedTuple):
    operation: str
    path_params: Mapping[str, str]


@cache
def router(service: str) -> dict[str, Node]:
    """A tree for each method."""
    found = model(service)
    roots: dict[str, Node] = {}
    for name, operation in sorted(found.operations.items(), key=lambda item: item[1].deprecated):
        # CloudFront's operations are called otherwise in their own `name`.
        _insert(roots.setdefault(operation.http.method, Node()), found, name, operation)
    return roots


def _insert(node: Node, found: Model, name: str, operation: Operation) -> None:
    path, _, query = operation.http.request_uri.partition("?")
    labels = []
    for segment in _segments(path):
        if not segment.startswith("{"):
            node = node.literal.setdefault(segment, Node())
            continue
        labels.append(segment[1:-1].removesuffix("+"))
        if segment.endswith("+}"):
            node.greedy = node.greedy or Node()
            node = node.greedy
        else:
            node.label = node.label or Node()
            node = node.label
    node.leaves.append(_leaf(found, name, operation, tuple(labels), query))


def _leaf(found: Model, operation_name: str, operation: Operation, labels: tuple[str, ...], query: str) -> Leaf:
    literals = tuple((name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part))
    members = found.shape(operation.input) if operation.input is not None else None
    by_location: dict[str, set[str]] = {"querystring": set(), "header": set()}
    for name in members.required if members is not None else ():
        ref = members.members[name] if members is not None and name in members.members else None
        if ref is not None and ref.location in by_location:
            by_location[ref.location].add(ref.location_name or name)
    headers = frozenset(name.lower().encode() for name in by_location["header"])
    return Leaf(operation_name, labels, literals, frozenset(by_location["querystring"]), headers)


def _segments(path: str) -> list[str]:
    """A slash at the end means nothing, except to a greedy label (an S3 key)."""
    return path.strip("/").split("/") if path.strip("/") else []


def match(service: str, request: HttpRequest, path: str) -> Match | None:
    """`path` is the raw path, still percent-encoded."""
    root = router(service).get("GET" if request.method == "HEAD" and service != "s3" else request.method)
    if root is None:
        return None
    segments = path.lstrip("/").split("/")
    if segments[-1] == "":
        segments.pop()
    found = _walk(root, segments, 0, [], path.endswith("/"))
    if found is None:
        return None
    leaves, values = found
    leaf = leaves[0] if len(leaves) == 1 and not leaves[0].literals else _best(leaves, request)
    return None if leaf is None else Match(leaf.operation, dict(zip(leaf.labels, values, strict=True)))


def _walk(
    node: Node, segments: list[str], at: int, values: list[str], slash: bool
) -> tuple[list[Leaf], list[str]] | None:
    if at == len(segments):
        return (node.leaves, values) if node.leaves else None
    segment = segments[at]
    child = node.literal.get(segment)
    if child is not None and (found := _walk(child, segments, at + 1, values, slash)):
        return found
    if node.label is not None and (found := _walk(node.label, segments, at + 1, [*values, unquote(segment)], slash)):
        return found
    return _walk_greedy(node.greedy, segments, at, values, slash) if node.greedy is not None else None


def _walk_greedy(
    node: Node, segments: list[str], at: int, values: list[str], slash: bool
) -> tuple[list[Leaf], list[str]] | None:
    """A greedy label takes all it can; literals may follow it."""
    for end in range(len(segments), at, -1):
        taken = "/".join(segments[at:end]) + ("/" if slash and end == len(segments) else "")
        if found := _walk(node, segments, end, [*values, unquote(taken)], slash):
            return found
        if not node.literal:
            return None
    return None


def _best(leaves: list[Leaf], request: HttpRequest) -> Leaf | None:
    query = parse_query(request.query_string) if request.query_string else {}
    headers = {name for name, _ in request.headers}
    best, best_score = None, (-1, -1)
    for leaf in leaves:
        if any(name not in query or (value and value not in query[name]) for name, value in leaf.literals):
            continue
        required = len(leaf.required_query) + len(leaf.required_headers)
        if not (leaf.required_query <= query.keys() and leaf.required_headers <= headers):
            required = -1
        if (len(leaf.literals), required) > best_score:
            best, best_score = leaf, (len(leaf.literals), required)
    return best
