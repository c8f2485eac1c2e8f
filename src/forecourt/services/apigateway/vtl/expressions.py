"""Expressions as functions of the state: a template's tree is compiled to closures once, when it is deployed.

A closure holds everything that the template fixes: names, operators, constants. What a request then costs is the
look-ups and the calls themselves. No text of a template ever becomes code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.apigateway.vtl.methods import (
    COSTLY,
    MATCHING,
    WALKING,
    Callables,
    Refused,
    index_of,
    methods_of,
    property_of,
)
from forecourt.services.apigateway.vtl.nodes import (
    Binary,
    Both,
    Call,
    Either,
    Expression,
    Index,
    ListOf,
    Literal,
    MapOf,
    Negative,
    Not,
    Property,
    Range,
    Reference,
)
from forecourt.services.apigateway.vtl.state import MAX_ITEMS, State, TemplateError, weigh
from forecourt.services.apigateway.vtl.values import JavaList, add, arithmetic, compare, equal, is_true, text_of

Evaluate = Callable[[State], Any]


class Defined:
    """The value of a variable that `#define` made: its block, rendered anew whenever the variable is read."""

    __slots__ = ("_text",)

    def __init__(self, text: Callable[[State], str]) -> None:
        self._text = text

    def evaluate(self, state: State) -> str:
        state.enter()
        try:
            return self._text(state)
        finally:
            state.leave()


def evaluator(node: Expression) -> Evaluate:
    return COMPILERS[type(node)](node)


# -- literals


def _literal(node: Literal) -> Evaluate:
    value = node.value
    return lambda state: value


def _list(node: ListOf) -> Evaluate:
    items = [evaluator(item) for item in node.items]
    return lambda state: JavaList([item(state) for item in items])


def _map(node: MapOf) -> Evaluate:
    items = [(evaluator(key), evaluator(value)) for key, value in node.items]
    return lambda state: {text_of(key(state)): value(state) for key, value in items}


def _range(node: Range) -> Evaluate:
    start_of, end_of = evaluator(node.start), evaluator(node.end)

    def evaluate(state: State) -> Any:
        start, end = start_of(state), end_of(state)
        if not isinstance(start, int) or not isinstance(end, int):
            return None
        if abs(end - start) > MAX_ITEMS:
            raise TemplateError(f"a range has more than {MAX_ITEMS} numbers")
        state.charge(abs(end - start) >> 6)
        return JavaList(range(start, end + 1) if start <= end else range(start, end - 1, -1))

    return evaluate


# -- operators


def _not(node: Not) -> Evaluate:
    operand = evaluator(node.operand)
    return lambda state: not is_true(operand(state))


def _negative(node: Negative) -> Evaluate:
    operand = evaluator(node.operand)
    return lambda state: arithmetic("-", 0, operand(state))


def _both(node: Both) -> Evaluate:
    left, right = evaluator(node.left), evaluator(node.right)
    return lambda state: is_true(left(state)) and is_true(right(state))


def _either(node: Either) -> Evaluate:
    left, right = evaluator(node.left), evaluator(node.right)
    return lambda state: is_true(left(state)) or is_true(right(state))


# Two of them are compared in no time.
_PLAIN = frozenset({str, int, float, bool, type(None)})


def _binary(node: Binary) -> Evaluate:
    apply, left_of, right_of = _OPERATORS[node.symbol], evaluator(node.left), evaluator(node.right)

    def evaluate(state: State) -> Any:
        left, right = left_of(state), right_of(state)
        result = apply(left, right)
        if type(result) is str:
            state.charge(len(result) >> 10)
        elif type(left) not in _PLAIN or type(right) not in _PLAIN:
            state.charge(weigh(left) + weigh(right))
            state.watch()
        return result

    return evaluate


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
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


# -- references


def _reference(node: Reference) -> Evaluate:
    evaluate, path = variable(node.name), node.path
    if path and isinstance(path[0], Property) and path[0].name != "empty":
        evaluate, path = _variable_property(node.name, path[0].name), path[1:]
    for part in path:
        evaluate = _PARTS[type(part)](evaluate, part)
    return evaluate if node.alternate is None else _or(evaluate, evaluator(node.alternate))


def _or(evaluate: Evaluate, alternate: Evaluate) -> Evaluate:
    def first(state: State) -> Any:
        value = evaluate(state)
        return value if value or type(value) not in _EMPTY else alternate(state)

    return first


# Of these the empty one counts as missing where there is an alternate: null, false, nought, "", [], {}
_EMPTY = frozenset({type(None), bool, int, float, str, list, JavaList, dict})


def variable(name: str) -> Evaluate:
    def evaluate(state: State) -> Any:
        value = state.get(name)
        return value.evaluate(state) if type(value) is Defined else value

    return evaluate


def _variable_property(name: str, key: str) -> Evaluate:
    """`$name.key`, by far the most frequent reference, in one closure."""

    def evaluate(state: State) -> Any:
        value = state.get(name)
        if type(value) is dict:
            return value.get(key)
        if type(value) is Defined:
            value = value.evaluate(state)
        return None if value is None else property_of(value, key)

    return evaluate


def _property(target: Evaluate, part: Property) -> Evaluate:
    name = part.name

    def follow(state: State) -> Any:
        value = target(state)
        return None if value is None else property_of(value, name)

    return follow


def _index(target: Evaluate, part: Index) -> Evaluate:
    at = evaluator(part.at)

    def follow(state: State) -> Any:
        value = target(state)
        return None if value is None else index_of(value, at(state))

    return follow


def _call(target: Evaluate, part: Call) -> Evaluate:
    name, arguments = part.name, [evaluator(argument) for argument in part.arguments]

    walks, accounts, matches = name in WALKING, name in COSTLY, name in MATCHING

    def evaluate(state: State) -> Any:
        value = target(state)
        if value is None:
            return None
        given = []
        for argument in arguments:
            given.append(argument(state))  # noqa: PERF401 - a comprehension is a call of its own
        method = methods_of(type(value)).get(name)
        if method is None:
            return None
        try:
            result = method(value, *given)
        except Refused:
            return None
        work = 0
        if accounts and isinstance(value, Callables):
            work, value.work = value.work, 0
        elif walks:
            work = weigh(value) + weigh(result)
        elif type(result) is str:
            work = len(result) >> 10
        if work or matches or (walks and type(value) is not str):
            state.charge(work)
            state.watch()
        return result

    return evaluate


_PARTS: Mapping[type, Callable[[Evaluate, Any], Evaluate]] = {Property: _property, Call: _call, Index: _index}

# `blocks` adds strings in double quotes.
COMPILERS: dict[type, Callable[[Any], Evaluate]] = {
    Literal: _literal,
    ListOf: _list,
    MapOf: _map,
    Range: _range,
    Not: _not,
    Negative: _negative,
    Both: _both,
    Either: _either,
    Binary: _binary,
    Reference: _reference,
}
