"""A picture of a workflow as SVG: states in layers from the start down, branches and iterations as boxes within boxes.

A layer is the longest way from the start. A transition over several layers has a place in each of them, so that it
passes between the states; one that leads back up is dashed and runs around them at the right-hand side.
`statuses` colours the states of an execution by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
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
_GAP_X, _GAP_Y, _PAD, _HEIGHT, _TITLE = 24.0, 40.0, 18.0, 44.0, 26.0
_CHARACTER = 7.2
# Transitions back have lanes of their own beside each other
_LANE, _LANES = 5.0, 4
# A transition's place in a layer that it passes
_PASSING_WIDTH = 10.0
_MOST_PASSING = 2_000
_SWEEPS = 4


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

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass
class Layout:
    nodes: dict[str, Node]
    # Each from a state over the layers that it passes to another state
    edges: list[list[Node]]
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
    rows, ways = _rows(nodes, forward)
    _put_in_order(rows, ways)
    width, y = max(map(_row_width, rows)), _HEIGHT
    for row in rows:
        x, height = (width - _row_width(row)) / 2, max(node.height for node in row)
        for node in row:
            node.x, node.y = x, y
            x += node.width + _GAP_X
            if not node.name:
                node.height = height
        y += height + _GAP_Y
    ends = [name for name, state in states.items() if state.get("End") or state["Type"] in ("Succeed", "Fail")]
    extra = _PAD + _LANE * min(len(back), _LANES) if back else 0.0
    return Layout(nodes, ways, sorted(back), scope["StartAt"], ends, width + extra, y)


def _node(name: str, state: Raw) -> Node:
    node = Node(name, _kind(state), width=max(110.0, len(name) * _CHARACTER + 28))
    node.width = max(node.width, len(node.kind) * _CHARACTER * 0.8 + 28)
    node.inner = [_lay_out(scope) for scope, _ in nested_scopes(state)]
    if node.inner:
        inside = sum(one.width for one in node.inner) + _GAP_X * (len(node.inner) - 1) + 2 * _PAD
        node.width += len(node.kind) * _CHARACTER
        node.width = max(node.width, inside)
        node.height = max(one.height for one in node.inner) + _TITLE + _PAD
    return node


def _kind(state: Raw) -> str:
    """`Task lambda:invoke`: what a state is, and what a task does."""
    resource = state.get("Resource")
    if state["Type"] != "Task" or not isinstance(resource, str):
        return str(state["Type"])
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return "Task"
    if parts[2] == "states":
        return "Task " + parts[5][:60]
    return "Task " + parts[2]


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


def _rows(nodes: dict[str, Node], edges: list[tuple[str, str]]) -> tuple[list[list[Node]], list[list[Node]]]:
    """The layers, and the ways of the transitions through them."""
    level = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for source, target in edges:
            if level[target] < level[source] + 1:
                level[target] = level[source] + 1
                changed = True
        if not changed:
            break
    rows: list[list[Node]] = [[] for _ in range(max(level.values()) + 1)]
    for name, node in nodes.items():
        rows[level[name]].append(node)
    direct = sum(level[target] - level[source] - 1 for source, target in edges) > _MOST_PASSING
    ways = []
    for source, target in edges:
        way = [nodes[source]]
        for passed in range(level[source] + 1, level[target]) if not direct else ():
            way.append(Node("", "", _PASSING_WIDTH, 0.0))
            rows[passed].append(way[-1])
        ways.append([*way, nodes[target]])
    return [row for row in rows if row], ways


def _put_in_order(rows: list[list[Node]], ways: list[list[Node]]) -> None:
    """Each layer by where its neighbours stand, down and up again, so that fewer transitions cross."""
    above: dict[int, list[Node]] = {}
    below: dict[int, list[Node]] = {}
    for way in ways:
        for one, other in pairwise(way):
            below.setdefault(id(one), []).append(other)
            above.setdefault(id(other), []).append(one)
    place = {id(node): index / len(row) for row in rows for index, node in enumerate(row)}
    for sweep in range(_SWEEPS):
        neighbours, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            for node in row:
                if near := neighbours.get(id(node)):
                    place[id(node)] = sum(place[id(one)] for one in near) / len(near)
            row.sort(key=lambda node: place[id(node)])
            place |= {id(node): (index + 0.5) / len(row) for index, node in enumerate(row)}


def _row_width(row: list[Node]) -> float:
    return sum(node.width for node in row) + _GAP_X * (len(row) - 1)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _draw_layout(layout: Layout, x: float, y: float, statuses: Mapping[str, str], parts: list[str]) -> None:
    start = layout.nodes[layout.start]
    parts.append(f'<circle cx="{x + start.middle:.1f}" cy="{y + 12:.1f}" r="7" fill="#555"/>')
    parts.append(_arrow(x + start.middle, y + 19, x + start.middle, y + start.y))
    parts += [_way(way, x, y) for way in layout.edges]
    for index, (source, target) in enumerate(layout.back):
        parts.append(_way_back(layout.nodes[source], layout.nodes[target], x, y, layout.width, index % _LANES))
    for node in layout.nodes.values():
        _draw_node(node, x, y, statuses, parts)
    leaving = {way[0].name for way in layout.edges}
    for name in layout.ends:
        node = layout.nodes[name]
        # Beside the transitions that a state's Catch makes
        centre, bottom = x + (node.x + 14 if name in leaving else node.middle), y + node.bottom
        parts.append(f'<circle cx="{centre:.1f}" cy="{bottom + 12:.1f}" r="6" fill="#fff" stroke="#555"/>')
        parts.append(f'<circle cx="{centre:.1f}" cy="{bottom + 12:.1f}" r="3" fill="#555"/>')


def _way(way: list[Node], x: float, y: float) -> str:
    from_x, from_y = x + way[0].middle, y + way[0].bottom
    path = f"M{from_x:.1f} {from_y:.1f}"
    for node in way[1:]:
        to_x, to_y = x + node.middle, y + node.y
        half = (from_y + to_y) / 2
        path += f" C{from_x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
        from_x, from_y = to_x, to_y
        if not node.name:
            from_y += node.height
            path += f" V{from_y:.1f}"
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#arrow)"/>'


def _way_back(source: Node, target: Node, x: float, y: float, width: float, lane: int) -> str:
    """Out at the bottom, through the gap below, up at the side, and through the gap above into the top."""
    aside = _LANE * lane
    from_x, to_x = x + source.x + source.width - 14 - aside, x + target.x + target.width - 14 - aside
    from_y, to_y = y + source.bottom, y + target.y
    side, low, high = x + width - 4 - aside, from_y + 8 + aside, to_y - 10 - aside
    path = (
        f"M{from_x:.1f} {from_y:.1f} V{low - 5:.1f} q0 5 5 5 H{side - 5:.1f} q5 0 5 -5 V{high + 5:.1f} q0 -5 -5 -5 "
        f"H{to_x + 5:.1f} q-5 0 -5 5 V{to_y:.1f}"
    )
    return f'<path d="{path}" fill="none" stroke="#555" stroke-dasharray="4 3" marker-end="url(#arrow)"/>'


def _draw_node(node: Node, x: float, y: float, statuses: Mapping[str, str], parts: list[str]) -> None:
    left, top = x + node.x, y + node.y
    fill = _COLOURS.get(statuses.get(node.name, ""), "#fff")
    dash = ' stroke-dasharray="5 3"' if node.inner else ""
    parts.append(
        f'<g><title>{escape(node.name)} ({escape(node.kind)})</title><rect x="{left:.1f}" y="{top:.1f}" '
        f'width="{node.width:.1f}" height="{node.height:.1f}" rx="6" fill="{fill}" stroke="#333"{dash}/>'
    )
    centre, baseline = left + node.width / 2, top + (17 if node.inner else node.height / 2)
    kind = f'<tspan font-size="10" fill="#666" dx="6">{escape(node.kind)}</tspan>' if node.inner else ""
    parts.append(f'<text x="{centre:.1f}" y="{baseline:.1f}" text-anchor="middle">{escape(node.name)}{kind}</text>')
    if not node.inner:
        parts.append(
            f'<text x="{centre:.1f}" y="{baseline + 14:.1f}" text-anchor="middle" font-size="10" fill="#666">'
            f"{escape(node.kind)}</text>"
        )
    parts.append("</g>")
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
