"""Blocks as functions that write, the other half of what `expressions` begins.

Text and references between two directives are one run: one format string, filled in once. The number of nodes in a
block is charged when the block begins, the length of a run when it is written: so nothing is counted node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from forecourt.services.apigateway.vtl.expressions import COMPILERS, Defined, evaluator
from forecourt.services.apigateway.vtl.expressions import Evaluate as Evaluator
from forecourt.services.apigateway.vtl.methods import Loop, call
from forecourt.services.apigateway.vtl.nodes import (
    Block,
    Break,
    Define,
    EscapedReference,
    Evaluate,
    Foreach,
    If,
    Index,
    Interpolated,
    Invocation,
    Literal,
    Macro,
    Node,
    Property,
    Reference,
    Set,
    Stop,
    Text,
)
from forecourt.services.apigateway.vtl.parser import parse
from forecourt.services.apigateway.vtl.state import MAX_BYTES, MAX_TURNS, Broken, State, Stopped, TemplateError, bounded
from forecourt.services.apigateway.vtl.values import is_true, text_of

Render = Callable[[State], None]
Show = Callable[[State], str]

# What API Gateway fills in prints as nothing where it is missing; other references print as they were written.
_NEVER_LITERAL = frozenset({"context", "stageVariables", "input", "util"})


def renderer(block: Block) -> Render:
    cost = max(_cost(block.nodes), 1)
    statements = _statements(block.nodes)

    def render(state: State) -> None:
        state.charge(cost)
        for statement in statements:
            statement(state)

    return render


def _cost(node: Any) -> int:
    """How many nodes there are, without those of inner blocks, which charge for themselves."""
    if isinstance(node, Block) or not isinstance(node, tuple):
        return 0
    return (type(node) not in _FREE) + sum(map(_cost, node))


# They cost what a part of their node costs anyway.
_FREE = frozenset({tuple, Text, Literal, Property, Index})


def _statements(nodes: Sequence[Node]) -> list[Render]:
    statements: list[Render] = []
    run: list[Text | Reference | EscapedReference] = []
    for node in nodes:
        if isinstance(node, Text | Reference | EscapedReference):
            run.append(node)
            continue
        if run:
            statements.append(_Run(run).write)
            run = []
        statements.append(_STATEMENTS[type(node)](node))
    if run:
        statements.append(_Run(run).write)
    return statements


# -- text and references


class _Run:
    __slots__ = ("_fixed", "_format", "_shows", "_texts")

    def __init__(self, nodes: Sequence[Text | Reference | EscapedReference]) -> None:
        texts, shows = [""], []
        for node in nodes:
            if isinstance(node, Text):
                texts[-1] += node.text
            else:
                shows.append(_escaped(node) if isinstance(node, EscapedReference) else _show(node))
                texts.append("")
        self._texts = texts
        self._shows: list[Show] = shows
        self._format = "%s".join(text.replace("%", "%%") for text in texts)
        self._fixed = sum(map(len, texts))

    def write(self, state: State) -> None:
        shown: list[str] = []
        try:
            for show in self._shows:
                shown.append(show(state))  # noqa: PERF401 - what was shown before a `#stop` counts
        except (Stopped, Broken):
            state.write("".join(chain.from_iterable(zip_longest(self._texts[: len(shown) + 1], shown, fillvalue=""))))
            raise
        state.grow(self._fixed + sum(map(len, shown)))
        state.out.append(self._format % tuple(shown))

    def text(self, state: State) -> str:
        shown = tuple([show(state) for show in self._shows])
        size = self._fixed + sum(map(len, shown))
        if size > MAX_BYTES:
            raise TemplateError("a string is larger than 10 MB")
        state.charge(size >> 10)
        return self._format % shown


def _show(node: Reference) -> Show:
    evaluate = evaluator(node)
    missing = "" if node.quiet or node.name in _NEVER_LITERAL else node.source

    def show(state: State) -> str:
        value = evaluate(state)
        if type(value) is str:
            return value
        return missing if value is None else text_of(value)

    if len(node.path) != 1 or not isinstance(node.path[0], Property) or node.alternate is not None:
        return show
    name, key = node.name, node.path[0].name

    def show_property(state: State) -> str:
        """`$name.key` where `$name` is a map, without a call further."""
        value = state.get(name)
        if type(value) is dict:
            value = value.get(key)
            if type(value) is str:
                return value
            if value is not None:
                return text_of(value)
        return show(state)

    return show_property


def _escaped(node: EscapedReference) -> Show:
    evaluate, show, source = evaluator(node.reference), _show(node.reference), node.reference.source
    whole, half, odd = "\\" * node.backslashes, "\\" * (node.backslashes // 2), node.backslashes % 2 == 1

    def escaped(state: State) -> str:
        if evaluate(state) is None:
            return whole + source
        return half + (source if odd else show(state))

    return escaped


def _text(block: Block) -> Show:
    """The block's output as a value."""
    if all(isinstance(node, Text | Reference | EscapedReference) for node in block.nodes):
        return _Run(block.nodes).text  # type: ignore[arg-type]
    render = renderer(block)

    def text(state: State) -> str:
        outside, state.out = state.out, []
        size = state.size
        try:
            render(state)
            state.charge((state.size - size) >> 10)
            return bounded("".join(state.out))
        finally:
            state.out, state.size = outside, size

    return text


def _interpolated(node: Interpolated) -> Evaluator:
    return _text(node.block)


COMPILERS[Interpolated] = _interpolated


# -- directives


def _set(node: Set) -> Render:
    evaluate, assign = evaluator(node.expression), _assigner(node.reference)

    def render(state: State) -> None:
        value = evaluate(state)
        # Velocity leaves a variable as it was where the right side is null.
        if value is not None:
            assign(state, value)

    return render


def _assigner(reference: Reference) -> Callable[[State, Any], None]:
    name = reference.name
    if not reference.path:
        return lambda state, value: state.__setitem__(name, value)
    target = evaluator(reference._replace(path=reference.path[:-1]))
    last = reference.path[-1]
    if isinstance(last, Property):
        key = last.name
        return lambda state, value: call(target(state), "put", [key, value])
    if not isinstance(last, Index):
        return lambda state, value: None
    at = evaluator(last.at)

    def assign(state: State, value: Any) -> None:
        found = target(state)
        call(found, "put" if isinstance(found, Mapping) else "set", [at(state), value])

    return assign


def _if(node: If) -> Render:
    branches = [(evaluator(condition), renderer(block)) for condition, block in node.branches]
    otherwise = renderer(node.otherwise)

    def render(state: State) -> None:
        for condition, block in branches:
            if is_true(condition(state)):
                block(state)
                return
        otherwise(state)

    return render


def _foreach(node: Foreach) -> Render:
    name, items_of = node.name, evaluator(node.items)
    block, otherwise = renderer(node.block), renderer(node.otherwise)
    names = (name, "foreach", "velocityCount")

    def render(state: State) -> None:
        items = _iterable(items_of(state))
        if not items:
            otherwise(state)
            return
        outer = [(name, state.get(name)) for name in names]
        parent = state.get("foreach")
        loop = Loop(parent=parent)
        loop["topmost"] = parent["topmost"] if type(parent) is Loop else loop
        last = len(items) - 1
        try:
            for index, item in enumerate(items[:MAX_TURNS]):
                loop["index"] = index
                loop["count"] = state["velocityCount"] = index + 1
                loop["hasNext"] = index != last
                loop["first"] = index == 0
                loop["last"] = index == last
                state["foreach"] = loop
                state[name] = item
                state.watch()
                block(state)
        except Broken as broken:
            if broken.loop is not None and broken.loop is not loop:
                raise
        finally:
            _restore(state, outer)

    return render


def _restore(state: State, outer: Sequence[tuple[str, Any]]) -> None:
    for name, value in outer:
        if value is None:
            state.pop(name, None)
        else:
            state[name] = value


def _iterable(value: Any) -> Sequence[Any]:
    """A map is gone through by its values."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _macro(node: Macro) -> Render:
    name, macro = node.name, (node.parameters, renderer(node.block))
    return lambda state: state.macros.__setitem__(name, macro)


def _invocation(node: Invocation) -> Render:
    name, source, arguments = node.name, node.source, [evaluator(argument) for argument in node.arguments]
    body = None if node.body is None else Defined(_text(node.body))

    def render(state: State) -> None:
        macro = state.macros.get(name)
        if macro is None:
            state.write(source)
            return
        parameters, block = macro
        state.enter()
        values = [argument(state) for argument in arguments]
        outer = [(parameter, state.get(parameter)) for parameter in (*parameters, _BODY)]
        try:
            state.update(zip(parameters, values, strict=False))
            state[_BODY] = body
            block(state)
        finally:
            state.update(outer)
            state.leave()

    return render


# What a macro calls the block of `#@name(...)…#end`
_BODY = "bodyContent"


def _evaluate(node: Evaluate) -> Render:
    text_of_template = evaluator(node.text)

    def render(state: State) -> None:
        source = text_of_template(state)
        if not isinstance(source, str):
            return
        # Reading a template costs more than going through one.
        state.charge(4 * len(source))
        block = renderer(parse(source))
        state.enter()
        try:
            block(state)
        finally:
            state.leave()

    return render


def _define(node: Define) -> Render:
    name, value = node.name, Defined(_text(node.block))
    return lambda state: state.__setitem__(name, value)


def _stop(node: Stop) -> Render:
    def render(state: State) -> None:
        raise Stopped

    return render


def _break(node: Break) -> Render:
    def render(state: State) -> None:
        raise Broken

    return render


_STATEMENTS: Mapping[type, Callable[[Any], Render]] = {
    Set: _set,
    If: _if,
    Foreach: _foreach,
    Macro: _macro,
    Invocation: _invocation,
    Define: _define,
    Evaluate: _evaluate,
    Stop: _stop,
    Break: _break,
}
