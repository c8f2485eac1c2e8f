"""A picture of a workflow as SVG: states in layers from the start down, branches and iterations as boxes within boxes.

A layer is the longest way from the start; transitions that lead back up are dashed and run at the right-hand side.
`statuses` colours the states of an execution by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from forecourt.services.stepfunctions.asl.graph import nested_scopes, transitions

Raw = dict[str, Any]

_COLOURS = {
    "SUCCEEDED": "#d5f0d9",
    "FAILED": "#f7d0d0",
    "RUNNING": "#d3e5fb",
    "CAUGHT": "#fbe6c4",
    "ABORTED": "#e4e4e4",
}
_GAP_X, _GAP_Y, _PAD, _HEIGHT, _TITLE = 24.0, 36.0, 18.0, 40.0, 24.0
_CHARACTER = 7.2


@dataclass
class Node:
    name: str
    kind: str
    width: float = 0.0
    height: float = _HEIGHT
    x: float = 0.0
    y: float = 0.0
    inner: list[Layout] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass
class Layout:
    nodes: dict[str, Node]
    edges: list[tuple[str, str]]
    back: list[tuple[str, str]]
    start: str
    ends: list[str]
    width: float
    height: float


def draw(definition: Raw, statuses: Mapping[str, str] | None = None) -> str:
    """The SVG document."""
    layout = _lay_out(definition)
    parts: list[str] = []
    _draw_layout(layout, _PAD, _PAD, statuses or {}, parts)
    width, height = layout.width + 2 * _PAD, layout.height + 2 * _PAD
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif" font-size="13">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


# --- layout -----------------------------------------------------------------------------------------------------------


def _lay_out(scope: Raw) -> Layout:
    states: dict[str, Raw] = scope["States"]
    nodes = {name: _node(name, state) for name, state in states.items()}
    edges = [(name, target) for name, state in states.items() for target, _ in transitions(state) if target in states]
    back = _back_edges(scope["StartAt"], edges)
    forward = [edge for edge in dict.fromkeys(edges) if edge not in back]
    rows = _rows(list(states), scope["StartAt"], forward)
    width, y = max(_row_width(row, nodes) for row in rows), _HEIGHT
    for row in rows:
        x = (width - _row_width(row, nodes)) / 2
        for name in row:
            nodes[name].x, nodes[name].y = x, y
            x += nodes[name].width + _GAP_X
        y += max(nodes[name].height for name in row) + _GAP_Y
    ends = [name for name, state in states.items() if state.get("End") or state["Type"] in ("Succeed", "Fail")]
    extra = _GAP_X if back else 0.0
    return Layout(nodes, forward, sorted(back), scope["StartAt"], ends, width + extra, y)


def _node(name: str, state: Raw) -> Node:
    node = Node(name, state["Type"], width=max(110.0, len(name) * _CHARACTER + 28))
    node.inner = [_lay_out(scope) for scope, _ in nested_scopes(state)]
    if node.inner:
        inside = sum(one.width for one in node.inner) + _GAP_X * (len(node.inner) - 1) + 2 * _PAD
        node.width = max(node.width, inside)
        node.height = max(one.height for one in node.inner) + _TITLE + _PAD
    return node


def _back_edges(start: str, edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Edges into a state that is still being visited, found without recursion."""
    following: dict[str, list[str]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    back: set[tuple[str, str]] = set()
    active: set[str] = {start}
    done: set[str] = set()
    stack = [(start, iter(following.get(start, ())))]
    while stack:
        name, targets = stack[-1]
        following_one = next(targets, None)
        if following_one is None:
            stack.pop()
            active.discard(name)
            done.add(name)
        elif following_one in active:
            back.add((name, following_one))
        elif following_one not in done:
            active.add(following_one)
            stack.append((following_one, iter(following.get(following_one, ()))))
    return back


def _rows(names: list[str], start: str, edges: list[tuple[str, str]]) -> list[list[str]]:
    level = dict.fromkeys(names, 0)
    for _ in names:
        changed = False
        for source, target in edges:
            if level[target] < level[source] + 1:
                level[target] = level[source] + 1
                changed = True
        if not changed:
            break
    rows: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for name in names:
        rows[level[name]].append(name)
    return [row for row in rows if row]


def _row_width(row: list[str], nodes: dict[str, Node]) -> float:
    return sum(nodes[name].width for name in row) + _GAP_X * (len(row) - 1)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _draw_layout(layout: Layout, x: float, y: float, statuses: Mapping[str, str], parts: list[str]) -> None:
    start = layout.nodes[layout.start]
    parts.append(f'<circle cx="{x + start.middle:.1f}" cy="{y + 12:.1f}" r="7" fill="#555"/>')
    parts.append(_arrow(x + start.middle, y + 19, x + start.middle, y + start.y))
    for source, target in layout.edges:
        one, other = layout.nodes[source], layout.nodes[target]
        parts.append(_arrow(x + one.middle, y + one.y + one.height, x + other.middle, y + other.y))
    for source, target in layout.back:
        one, other = layout.nodes[source], layout.nodes[target]
        side = x + layout.width - 4
        from_y, to_y = y + one.y + one.height / 2, y + other.y + other.height / 2
        parts.append(
            f'<path d="M{x + one.x + one.width:.1f} {from_y:.1f} C{side:.1f} {from_y:.1f} {side:.1f} {to_y:.1f} '
            f'{x + other.x + other.width:.1f} {to_y:.1f}" fill="none" stroke="#555" stroke-dasharray="4 3" '
            'marker-end="url(#arrow)"/>'
        )
    for node in layout.nodes.values():
        _draw_node(node, x, y, statuses, parts)
    for name in layout.ends:
        node = layout.nodes[name]
        centre, bottom = x + node.middle, y + node.y + node.height
        parts.append(f'<circle cx="{centre:.1f}" cy="{bottom + 12:.1f}" r="6" fill="none" stroke="#555"/>')
        parts.append(f'<circle cx="{centre:.1f}" cy="{bottom + 12:.1f}" r="3" fill="#555"/>')


def _draw_node(node: Node, x: float, y: float, statuses: Mapping[str, str], parts: list[str]) -> None:
    left, top = x + node.x, y + node.y
    fill = _COLOURS.get(statuses.get(node.name, ""), "#fff")
    dash = ' stroke-dasharray="5 3"' if node.inner else ""
    parts.append(
        f'<g><title>{escape(node.name)} ({node.kind})</title><rect x="{left:.1f}" y="{top:.1f}" '
        f'width="{node.width:.1f}" height="{node.height:.1f}" rx="6" fill="{fill}" stroke="#333"{dash}/>'
    )
    baseline = top + (16 if node.inner else node.height / 2 + 4)
    parts.append(
        f'<text x="{left + node.width / 2:.1f}" y="{baseline:.1f}" text-anchor="middle">{escape(node.name)}</text></g>'
    )
    inner_x = left + _PAD
    for inner in node.inner:
        _draw_layout(inner, inner_x, top + _TITLE, statuses, parts)
        inner_x += inner.width + _GAP_X


def _arrow(from_x: float, from_y: float, to_x: float, to_y: float) -> str:
    half = (from_y + to_y) / 2
    return (
        f'<path d="M{from_x:.1f} {from_y:.1f} C{from_x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}" '
        'fill="none" stroke="#555" marker-end="url(#arrow)"/>'
    )
