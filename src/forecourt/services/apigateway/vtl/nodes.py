"""A template as a tree, as the parser reads it: expressions have a value, blocks write. Data only."""

from __future__ import annotations

from typing import Any, NamedTuple

# -- expressions


class Literal(NamedTuple):
    value: Any


class Interpolated(NamedTuple):
    """A string in double quotes."""

    block: Block


class ListOf(NamedTuple):
    items: tuple[Expression, ...]


class Range(NamedTuple):
    start: Expression
    end: Expression


class MapOf(NamedTuple):
    items: tuple[tuple[Expression, Expression], ...]


class Not(NamedTuple):
    operand: Expression


class Negative(NamedTuple):
    operand: Expression


class Both(NamedTuple):
    left: Expression
    right: Expression


class Either(NamedTuple):
    left: Expression
    right: Expression


class Binary(NamedTuple):
    """`symbol` is one of `==`, `<`, `+` and their kin."""

    symbol: str
    left: Expression
    right: Expression


class Property(NamedTuple):
    name: str


class Call(NamedTuple):
    name: str
    arguments: tuple[Expression, ...]


class Index(NamedTuple):
    at: Expression


class Reference(NamedTuple):
    """`source` is the reference as written, which is what it prints where it is null and not quiet.

    `alternate`: of `${x|'none'}`, which stands where `$x` has no value or an empty one.
    """

    source: str
    name: str
    path: tuple[Property | Call | Index, ...]
    quiet: bool
    alternate: Expression | None = None


Expression = (
    Literal | Interpolated | ListOf | Range | MapOf | Not | Negative | Both | Either | Binary | Reference
)  # fmt: skip

# -- blocks


class Text(NamedTuple):
    text: str


class EscapedReference(NamedTuple):
    """`\\$x`: the backslash disappears where `$x` has a value."""

    backslashes: int
    reference: Reference


class Block(NamedTuple):
    nodes: tuple[Node, ...]


class Set(NamedTuple):
    reference: Reference
    expression: Expression


class If(NamedTuple):
    branches: tuple[tuple[Expression, Block], ...]
    otherwise: Block


class Foreach(NamedTuple):
    name: str
    items: Expression
    block: Block
    otherwise: Block


class Macro(NamedTuple):
    name: str
    parameters: tuple[str, ...]
    block: Block


class Invocation(NamedTuple):
    """`#name(...)`: a macro's call, or, where there is no such macro, its own text.

    `body`: of `#@name(...)…#end`, which the macro has as `$bodyContent`.
    """

    source: str
    name: str
    arguments: tuple[Expression, ...]
    body: Block | None = None


class Define(NamedTuple):
    """`#define($x)…#end`: a block that is rendered wherever `$x` stands."""

    name: str
    block: Block


class Evaluate(NamedTuple):
    """`#evaluate($text)`: a text rendered as a template."""

    text: Expression


class Stop(NamedTuple):
    pass


class Break(NamedTuple):
    pass


Node = Text | Reference | EscapedReference | Set | If | Foreach | Macro | Invocation | Define | Evaluate | Stop | Break
