"""A template as a tree. Expressions have a value (`evaluate`), blocks write (`render`)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from forecourt.services.apigateway.vtl import methods
from forecourt.services.apigateway.vtl.state import MAX_ITEMS, MAX_TURNS, Broken, State, Stopped, TemplateError, bounded
from forecourt.services.apigateway.vtl.values import add, arithmetic, compare, equal, is_true, text_of


class Expression(Protocol):
    def evaluate(self, state: State) -> Any: ...


class Node(Protocol):
    def render(self, state: State) -> None: ...


# -- expressions


class Literal(NamedTuple):
    value: Any

    def evaluate(self, state: State) -> Any:
        return self.value


class Interpolated(NamedTuple):
    """A string in double quotes."""

    block: Block

    def evaluate(self, state: State) -> Any:
        outside, state.out = state.out, []
        try:
            self.block.render(state)
            return bounded("".join(state.out))
        finally:
            state.out = outside


class ListOf(NamedTuple):
    items: tuple[Expression, ...]

    def evaluate(self, state: State) -> Any:
        return [item.evaluate(state) for item in self.items]


class Range(NamedTuple):
    start: Expression
    end: Expression

    def evaluate(self, state: State) -> Any:
        start, end = self.start.evaluate(state), self.end.evaluate(state)
        if not isinstance(start, int) or not isinstance(end, int):
            return None
        if abs(end - start) > MAX_ITEMS:
            raise TemplateError(f"a range has more than {MAX_ITEMS} numbers")
        return list(range(start, end + 1)) if start <= end else list(range(start, end - 1, -1))


class MapOf(NamedTuple):
    items: tuple[tuple[Expression, Expression], ...]

    def evaluate(self, state: State) -> Any:
        return {text_of(key.evaluate(state)): value.evaluate(state) for key, value in self.items}


class Not(NamedTuple):
    operand: Expression

    def evaluate(self, state: State) -> Any:
        return not is_true(self.operand.evaluate(state))


class Negative(NamedTuple):
    operand: Expression

    def evaluate(self, state: State) -> Any:
        return arithmetic("-", 0, self.operand.evaluate(state))


class Both(NamedTuple):
    left: Expression
    right: Expression

    def evaluate(self, state: State) -> Any:
        return is_true(self.left.evaluate(state)) and is_true(self.right.evaluate(state))


class Either(NamedTuple):
    left: Expression
    right: Expression

    def evaluate(self, state: State) -> Any:
        return is_true(self.left.evaluate(state)) or is_true(self.right.evaluate(state))


class Binary(NamedTuple):
    apply: Callable[[Any, Any], Any]
    left: Expression
    right: Expression

    def evaluate(self, state: State) -> Any:
        state.step()
        return self.apply(self.left.evaluate(state), self.right.evaluate(state))


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": lambda left, right: compare(operator.lt, left, right),
    "<=": lambda left, right: compare(operator.le, left, right),
    ">": lambda left, right: compare(operator.gt, left, right),
    ">=": lambda left, right: compare(operator.ge, left, right),
    "+": add,
    "-": lambda left, right: arithmetic("-", left, right),
    "*": lambda left, right: arithmetic("*", left, right),
    "/": lambda left, right: arithmetic("/", left, right),
    "%": lambda left, right: arithmetic("%", left, right),
}


class Property(NamedTuple):
    name: str

    def follow(self, value: Any, state: State) -> Any:
        return methods.property_of(value, self.name)


class Call(NamedTuple):
    name: str
    arguments: tuple[Expression, ...]

    def follow(self, value: Any, state: State) -> Any:
        state.step()
        return methods.call(value, self.name, [argument.evaluate(state) for argument in self.arguments])


class Index(NamedTuple):
    at: Expression

    def follow(self, value: Any, state: State) -> Any:
        return methods.index_of(value, self.at.evaluate(state))


# What API Gateway fills in prints as nothing where it is missing; other references print as they were written.
_NEVER_LITERAL = frozenset({"context", "stageVariables", "input", "util"})


class Reference(NamedTuple):
    """`source` is the reference as written, which is what it prints where it is null and not quiet."""

    source: str
    name: str
    path: tuple[Property | Call | Index, ...]
    quiet: bool

    def evaluate(self, state: State) -> Any:
        value = state.variables.get(self.name)
        if isinstance(value, Defined):
            value = value.evaluate(state)
        for part in self.path:
            if value is None:
                return None
            value = part.follow(value, state)
        return value

    def render(self, state: State) -> None:
        state.step()
        value = self.evaluate(state)
        if value is not None:
            state.write(text_of(value))
        elif not self.quiet and self.name not in _NEVER_LITERAL:
            state.write(self.source)

    def assign(self, state: State, value: Any) -> None:
        if not self.path:
            state.variables[self.name] = value
            return
        target = Reference(self.source, self.name, self.path[:-1], self.quiet).evaluate(state)
        last = self.path[-1]
        if isinstance(last, Property):
            methods.call(target, "put", [last.name, value])
        elif isinstance(last, Index):
            setter = "put" if isinstance(target, Mapping) else "set"
            methods.call(target, setter, [last.at.evaluate(state), value])


# -- blocks


class Text(NamedTuple):
    text: str

    def render(self, state: State) -> None:
        state.write(self.text)


class EscapedReference(NamedTuple):
    """`\\$x`: the backslash disappears where `$x` has a value."""

    backslashes: int
    reference: Reference

    def render(self, state: State) -> None:
        if self.reference.evaluate(state) is None:
            state.write("\\" * self.backslashes + self.reference.source)
            return
        state.write("\\" * (self.backslashes // 2))
        if self.backslashes % 2:
            state.write(self.reference.source)
        else:
            self.reference.render(state)


class Block(NamedTuple):
    nodes: tuple[Node, ...]

    def render(self, state: State) -> None:
        for node in self.nodes:
            node.render(state)


class Set(NamedTuple):
    reference: Reference
    expression: Expression

    def render(self, state: State) -> None:
        state.step()
        value = self.expression.evaluate(state)
        # Velocity leaves a variable as it was where the right side is null.
        if value is not None:
            self.reference.assign(state, value)


class If(NamedTuple):
    branches: tuple[tuple[Expression, Block], ...]
    otherwise: Block

    def render(self, state: State) -> None:
        for condition, block in self.branches:
            if is_true(condition.evaluate(state)):
                block.render(state)
                return
        self.otherwise.render(state)


class Foreach(NamedTuple):
    name: str
    items: Expression
    block: Block
    otherwise: Block

    def render(self, state: State) -> None:
        items = _iterable(self.items.evaluate(state))
        variables = state.variables
        outer = {name: variables.get(name) for name in (self.name, "foreach", "velocityCount")}
        loop: dict[str, Any] = {"parent": outer["foreach"], "topmost": None}
        try:
            for index, item in enumerate(items[:MAX_TURNS]):
                state.step()
                last = index == len(items) - 1
                loop.update(index=index, count=index + 1, hasNext=not last, first=index == 0, last=last)
                variables[self.name] = item
                variables["foreach"] = loop
                variables["velocityCount"] = index + 1
                self.block.render(state)
        except Broken:
            pass
        finally:
            for name, value in outer.items():
                if value is None:
                    variables.pop(name, None)
                else:
                    variables[name] = value
        if not items:
            self.otherwise.render(state)


def _iterable(value: Any) -> Sequence[Any]:
    """A map is gone through by its values."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple | range) else []


class Macro(NamedTuple):
    name: str
    parameters: tuple[str, ...]
    block: Block

    def render(self, state: State) -> None:
        state.macros[self.name] = self


class Invocation(NamedTuple):
    """`#name(...)`: a macro's call, or, where there is no such macro, its own text."""

    source: str
    name: str
    arguments: tuple[Expression, ...]

    def render(self, state: State) -> None:
        macro: Macro | None = state.macros.get(self.name)
        if macro is None:
            state.write(self.source)
            return
        state.step()
        state.enter()
        values = [argument.evaluate(state) for argument in self.arguments]
        outer = {name: state.variables.get(name) for name in macro.parameters}
        try:
            for name, value in zip(macro.parameters, values, strict=False):
                state.variables[name] = value
            macro.block.render(state)
        finally:
            state.variables.update(outer)
            state.leave()


class Defined(NamedTuple):
    """`#define($x)…#end`: a block that is rendered wherever `$x` stands."""

    name: str
    block: Block

    def render(self, state: State) -> None:
        state.variables[self.name] = self

    def evaluate(self, state: State) -> Any:
        state.enter()
        try:
            return Interpolated(self.block).evaluate(state)
        finally:
            state.leave()


class Stop(NamedTuple):
    def render(self, state: State) -> None:
        raise Stopped


class Break(NamedTuple):
    def render(self, state: State) -> None:
        raise Broken
